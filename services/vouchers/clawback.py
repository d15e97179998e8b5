"""Taking back what was paid wrongly (환수; voucher.md §3, §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.vouchers.errors import AmountError
from services.vouchers.rules import Lot, spend_order

BOUNTY_PERCENT: Final = 30
BOUNTY_FLAT_WON: Final = 30_000
BOUNTY_FLAT_UP_TO_WON: Final = 100_000


@dataclass(frozen=True, slots=True)
class Claim:
    """What is collected: `offsets` (lot number, won) from unspent lots, the rest a receivable of all `liable` jointly.

    A lot never falls below 0; a receivable is an account of its own.
    """

    improper_won: int
    fee_won: int
    offsets: tuple[tuple[int, int], ...]
    receivable_won: int
    liable: tuple[str, ...]

    @property
    def total_won(self) -> int:
        """Improper spending and fee."""
        return self.improper_won + self.fee_won


def claim(improper_won: int, fee_won: int, unspent: Sequence[Lot], rider: str, colluding: Sequence[str] = ()) -> Claim:
    """What a case collects: first from unspent lots of the same programme in spend order, then by bill.

    Raises AmountError for negative amounts.
    """
    if improper_won < 0 or fee_won < 0:
        raise AmountError(f"improper {improper_won} won, fee {fee_won} won")
    left = improper_won + fee_won
    offsets: list[tuple[int, int]] = []
    for lot in spend_order(unspent):
        part = min(left, lot.remaining_won)
        if part:
            offsets.append((lot.lot_no, part))
            left -= part
    return Claim(improper_won, fee_won, tuple(offsets), left, (rider, *colluding))


def improper_since(captures: Sequence[tuple[int, int]], event_day: int) -> int:
    """Won captured after the event's day + 1 (voucher.md §6, death and moving out); captures are (service day, won)."""
    return sum(won for day, won in captures if day > event_day + 1)


def bounty(government_share_won: int) -> int:
    """What a report earns: 30% of the government's share, 30,000 won where that share is at most 100,000."""
    if government_share_won < 0:
        raise AmountError(f"a share of {government_share_won} won")
    if government_share_won == 0:
        return 0
    if government_share_won <= BOUNTY_FLAT_UP_TO_WON:
        return BOUNTY_FLAT_WON
    return government_share_won * BOUNTY_PERCENT // 100
