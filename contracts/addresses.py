"""Where the agreements of genesis stand: the same on every Dure chain (money.md §6, docs/decisions/0006)."""

from __future__ import annotations

from typing import Final

ORGANISATIONS: Final = bytes.fromhex("000000000000000000000000000000000000d001")
WON: Final = bytes.fromhex("000000000000000000000000000000000000d002")
VOUCHERS: Final = bytes.fromhex("000000000000000000000000000000000000d003")
FARES: Final = bytes.fromhex("000000000000000000000000000000000000d004")
CREDITS: Final = bytes.fromhex("000000000000000000000000000000000000d005")

BY_NAME: Final = {"Organisations": ORGANISATIONS, "Won": WON, "Vouchers": VOUCHERS, "Fares": FARES, "Credits": CREDITS}
