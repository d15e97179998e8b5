"""Bounds of the voucher service, each with its reason."""

from __future__ import annotations

from typing import Final

# contracts/interfaces: one transaction of Vouchers.grant carries at most 128 words (settlement.md: 28,000 gas a lot).
MAX_GRANTS_PER_BATCH: Final = 128
# money.md §2: sums of a card stay below 2^40; a single grant above 10 million won is a typing error in any programme.
MAX_GRANT_WON: Final = 10_000_000
# voucher.md §6, mass enrolment: more applications of one device in a day are checked by hand.
MAX_APPLICATIONS_PER_DEVICE_DAY: Final = 5
# An application's free text never enters the service; names of programmes and classes are short.
MAX_NAME_CHARACTERS: Final = 80
# Open applications that one registry holds: a quarter of Seoul's residents (voucher.md §7) with room.
MAX_OPEN_APPLICATIONS: Final = 3_000_000
# An attestation that lives longer than two years is asked again; classes change with age and residence.
MAX_ATTESTATION_DAYS: Final = 731
MAX_LAPSES_PER_BATCH: Final = 64  # cards that one Fares.lapse takes
