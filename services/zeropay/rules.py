"""Merchant fees, double entry and netting (zeropay.md §1.1, §7, §8). Pure: no clock, no store; won are whole.

A line is (account, won): debits positive, credits negative; the lines of an entry add up to 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from services.zeropay.errors import FeeError, SplitError, UnbalancedError, WonError
from services.zeropay.limits import MAX_LINE_WON, MAX_LINES_PER_ENTRY

Line: TypeAlias = tuple[str, int]
BASIS: Final = 10_000
_MILLION: Final = 1_000_000
SMALL_FREE_UP_TO_WON: Final = 800 * _MILLION
SMALL_MIDDLE_UP_TO_WON: Final = 1_200 * _MILLION
GENERAL_MAX_BP: Final = 120


class Tier(IntEnum):
    """Fee tiers of small merchants (소상공인) in basis points, from 2018-12-20."""

    FREE = 0
    MIDDLE = 30
    UPPER = 50


def tier_of(previous_year_sales_won: int) -> Tier:
    """The tier of a small merchant by last year's sales; it changes at 00:00 of the yearly review date."""
    if previous_year_sales_won < 0:
        raise WonError(f"sales of {previous_year_sales_won} won")
    if previous_year_sales_won <= SMALL_FREE_UP_TO_WON:
        return Tier.FREE
    return Tier.MIDDLE if previous_year_sales_won <= SMALL_MIDDLE_UP_TO_WON else Tier.UPPER


def fee(net_captured_won: int, basis_points: int) -> int:
    """floor(net × bp / 10,000) per merchant and settlement day (zeropay.md §1.1).

    Raises FeeError for a rate outside 0 to 120 bp, WonError for a negative net (it is carried, see `net_day`).
    """
    if not 0 <= basis_points <= GENERAL_MAX_BP:
        raise FeeError(f"{basis_points} bp is no merchant fee")
    if net_captured_won < 0:
        raise WonError(f"a net of {net_captured_won} won is carried to the next day, not charged")
    return net_captured_won * basis_points // BASIS


@dataclass(frozen=True, slots=True)
class MerchantDay:
    """A merchant's day: what he is paid, the fee, and a negative net that waits for the next day (≤ 0)."""

    net_won: int
    fee_won: int
    payout_won: int
    carried_won: int


def net_day(captured_won: int, refunded_won: int, carried_won: int, basis_points: int) -> MerchantDay:
    """Captures less refunds and what earlier days left (≤ 0); the fee is on what is positive (zeropay.md §1.1, §5)."""
    if captured_won < 0 or refunded_won < 0 or carried_won > 0:
        raise WonError("captures and refunds are not negative, what is carried is not positive")
    net = captured_won - refunded_won + carried_won
    charged = fee(max(0, net), basis_points)
    return MerchantDay(net, charged, max(0, net) - charged, min(0, net))


def check_entry(lines: Sequence[Line]) -> None:
    """Raises UnbalancedError unless the lines add up to 0, WonError for a line that is 0 or out of bounds."""
    if not 2 <= len(lines) <= MAX_LINES_PER_ENTRY:
        raise UnbalancedError(f"an entry has 2 to {MAX_LINES_PER_ENTRY} lines, this one {len(lines)}")
    for account, won in lines:
        if not account or not 0 < abs(won) <= MAX_LINE_WON:
            raise WonError(f"line {account!r} of {won} won")
    if total := sum(won for _, won in lines):
        raise UnbalancedError(f"debits and credits differ by {total} won")


def entry(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The lines without zeros, checked."""
    kept = tuple((account, won) for account, won in lines if won)
    check_entry(kept)
    return kept


def fare_entry(
    voucher_won: Mapping[str, int], balance_won: int, account_won: int, shares_won: Mapping[str, int]
) -> tuple[Line, ...]:
    """A fare as double entry (zeropay.md §8): vouchers by lot, balance, account debit against operators' payables.

    Raises SplitError where the shares differ from what was paid.
    """
    paid = sum(voucher_won.values()) + balance_won + account_won
    if paid != sum(shares_won.values()):
        raise SplitError(f"paid {paid} won, shared {sum(shares_won.values())} won")
    lines = [(f"rider:voucher:{lot}", won) for lot, won in sorted(voucher_won.items())]
    lines += [("rider:balance", balance_won), ("rider:account_debit", account_won)]
    lines += [(f"operator:payable:{operator}", -won) for operator, won in sorted(shares_won.items())]
    return entry(lines)


def bank_file_entry(account_won: int) -> tuple[Line, ...]:
    """D+1: the bank's file clears the account debit (zeropay.md §8)."""
    return entry([("bank:settlement", account_won), ("rider:account_debit", -account_won)])


def payout_entry(payables_won: Mapping[str, int]) -> tuple[Line, ...]:
    """Operators are paid out of the bank's settlement account."""
    lines = [(f"operator:payable:{operator}", won) for operator, won in sorted(payables_won.items())]
    return entry([*lines, ("bank:settlement", -sum(payables_won.values()))])


def balances(entries: Iterable[Iterable[Line]]) -> dict[str, int]:
    """What each account stands at. The sum over all accounts is 0 by construction; zero accounts are left out."""
    sums: dict[str, int] = defaultdict(int)
    for lines in entries:
        for account, won in lines:
            sums[account] += won
    return {account: won for account, won in sorted(sums.items()) if won}


def net_positions(claims: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """Netting per party (zeropay.md §7): each claim is (debtor, creditor, won); the positions add up to exactly 0."""
    net: dict[str, int] = defaultdict(int)
    for debtor, creditor, won in claims:
        if won < 0:
            raise WonError(f"{debtor} owes {creditor} {won} won")
        net[debtor] -= won
        net[creditor] += won
    return dict(sorted(net.items()))
