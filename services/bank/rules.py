"""What a bank books when it issues, guarantees, collects and pays out (money.md §1, §5; zeropay.md §7, §8).

Pure. Accounts of a bank's books; a debit is positive, the lines of an entry add up to 0:

    bank:cash               what the bank holds outside of this ledger
    rider:deposit:<n>       a rider's account with the bank (credit: his money)
    rider:receivable:<n>    what a rider owes the bank: his account was empty, or no consent let it be debited
    organisation:deposit:<n> an operator's or funder's account
    won:float               money behind the Won in circulation; its credit is the bank's deposits
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from services.bank.errors import DepositError
from services.bank.limits import MAX_WORDS_PER_BATCH, REMAINDER_STEP_WON
from services.zeropay.errors import WonError
from services.zeropay.rules import Line, entry

CASH: Final = "bank:cash"
FLOAT: Final = "won:float"
RIDER_DEPOSIT: Final = "rider:deposit:"
_Item = TypeVar("_Item")


def rider_account(rider: int) -> str:
    """A rider's account."""
    return f"{RIDER_DEPOSIT}{rider}"


def account_number(rider: int) -> str:
    """The number of a rider's account as he knows it, to which a consent to debits commits."""
    return str(rider)


def receivable_account(rider: int) -> str:
    """What a rider owes the bank."""
    return f"rider:receivable:{rider}"


def organisation_account(organisation: int) -> str:
    """An operator's or funder's account."""
    return f"organisation:deposit:{organisation}"


def deposit_lines(account: str, won: int) -> tuple[Line, ...]:
    """Money comes in from outside."""
    return entry([(CASH, won), (account, -won)])


def issue_lines(takings: Mapping[str, int]) -> tuple[Line, ...]:
    """Won are minted against these accounts (account → won)."""
    return entry([*takings.items(), (FLOAT, -sum(takings.values()))])


def redeem_lines(account: str, won: int) -> tuple[Line, ...]:
    """Won are burned; their money goes to an account."""
    return entry([(FLOAT, won), (account, -won)])


def interbank_lines(position_won: int) -> tuple[Line, ...]:
    """The day's interbank position is settled in cash: positive comes in, negative goes out."""
    return entry([(CASH, position_won), (FLOAT, -position_won)])


def collect_lines(owed: Mapping[int, int], debited: Mapping[int, int]) -> tuple[Line, ...]:
    """The day's owed sum: what is debited from riders' accounts, and what is not as their receivables.

    `owed` and `debited` are won by rider; negative where corrections gave back more than was ridden. The guarantor
    owes the sum to Fares whole either way (money.md §1).
    """
    lines: list[Line] = []
    for rider, won in sorted(owed.items()):
        taken = debited.get(rider, 0)
        lines += [(rider_account(rider), taken), (receivable_account(rider), won - taken)]
    return entry([*lines, (FLOAT, -sum(owed.values()))])


def check_deposit(rider: int, deposit_won: int, won: int) -> None:
    """Raises DepositError where an account does not hold what is asked."""
    if won <= 0 or won > deposit_won:
        raise DepositError(f"rider {rider} asks {won} won of {deposit_won}")


def remainder(balance_won: int) -> tuple[int, int]:
    """(to the new card, to the next top-up) of an old card's remainder: rounded down to 1,000 won (money.md §1)."""
    if balance_won < 0:
        raise WonError(f"a remainder of {balance_won} won")
    kept = balance_won % REMAINDER_STEP_WON
    return balance_won - kept, kept


def interbank_positions(issued: Mapping[int, int]) -> dict[int, int]:
    """Positions that make every bank's deposits = issued + position at least 0 (money.md §5); they add up to 0.

    Banks that burned more than they minted are paid by the others, in proportion to what those issued, by the largest
    remainder (ties to the lower id). Raises WonError where more was burned than minted in all.
    """
    if sum(issued.values()) < 0:
        raise WonError("more Won were burned than minted")
    short = -sum(won for won in issued.values() if won < 0)
    long = {bank: won for bank, won in sorted(issued.items()) if won > 0}
    positions = {bank: max(0, -won) for bank, won in sorted(issued.items())}
    if not short:
        return positions
    total = sum(long.values())
    shares = {bank: short * won // total for bank, won in long.items()}
    left = short - sum(shares.values())
    for bank in sorted(long, key=lambda bank: (-(short * long[bank] % total), bank))[:left]:
        shares[bank] += 1
    for bank, won in shares.items():
        positions[bank] -= won
    return positions


def shuffled(items: Sequence[_Item], below: Callable[[int], int]) -> list[_Item]:
    """Fisher and Yates with `below(n)` drawing from 0 to n − 1: so that a batch's order tells nothing (money.md §1)."""
    mixed = list(items)
    for last in range(len(mixed) - 1, 0, -1):
        other = below(last + 1)
        mixed[last], mixed[other] = mixed[other], mixed[last]
    return mixed


def batches(items: Sequence[_Item], size: int = MAX_WORDS_PER_BATCH) -> list[list[_Item]]:
    """Slices of at most `size`."""
    return [list(items[first : first + size]) for first in range(0, len(items), size)]
