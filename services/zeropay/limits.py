"""Bounds of payments, each with its reason."""

from __future__ import annotations

from typing import Final

# Won on a card slot and in sums of a record stay below 2^40 (settlement.md); one line of a ledger never needs more.
MAX_LINE_WON: Final = (1 << 40) - 1
# Lines of one entry: a guarantor collects the day in one sum (money.md §1), two lines a rider; all of Seoul's cards are
# 4.6 million.
MAX_LINES_PER_ENTRY: Final = 10_000_000
