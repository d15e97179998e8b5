"""Bounds of a bank, each with its reason."""

from __future__ import annotations

from typing import Final

# IFares: enrol, fund, withdraw, set_caps take at most 256 words a transaction.
MAX_WORDS_PER_BATCH: Final = 256
# zeropay.md §4: a named prepaid instrument holds at most 2,000,000 won.
MAX_CARD_BALANCE_WON: Final = 2_000_000
# CardSlot: the cap stands in 1,000 won in 16 bits.
MAX_CAP_WON: Final = 65_535_000
# A person's account here backs fares alone; more than this in one payment is a typing error.
MAX_DEPOSIT_WON: Final = 100_000_000_000
# Riders of one bank in one database: all cards of Seoul in a month (4.6 million) and room.
MAX_RIDERS: Final = 10_000_000
# money.md §1: remainders go to new cards in whole thousands.
REMAINDER_STEP_WON: Final = 1_000
# Electronic Financial Transactions Act art. 22(1): records of transactions, at most 5 years; the longest is kept.
EVIDENCE_YEARS: Final = 5
