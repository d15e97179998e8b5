"""Who travels in the demo, in one place: shares, constants of the gravity model, and the bad apples.

Counts of boardings, alightings and stops are real (data/README.md). The numbers here are not in that data; each
line says where it comes from or that it is an assumption. Shares are in 1/1,000 and add up to 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from contracts.codes import RiderClass
from services.vouchers.programmes import EligibilityClass

SERVICE_DATE: Final = date(2025, 10, 15)  # a Wednesday; the counts are those of October 2024
FIRST_HOUR: Final = 4
LAST_HOUR: Final = 11  # trips begin from 04:00 to 11:59 KST

DEFAULT_RIDERS: Final = 3_000
MAX_RIDERS: Final = 200_000  # the budget of memory is 1 GiB at 20,000; ten times that is no demo any more
MAX_SEED_LETTERS: Final = 64  # it stands in the report and in every message about the run

# Assumption, near Seoul Metro's yearly report: about one rider in six travels free (무임); youths and children
# from the city's fare classes. INFANT never taps.
CLASS_SHARES: Final = {
    RiderClass.ADULT: 770,
    RiderClass.YOUTH: 55,
    RiderClass.CHILD: 15,
    RiderClass.FREE: 160,
}

# Voucher holders: 400,000 of about 4.6 million cards (voucher.md §7) is 87 in a thousand over all classes. Assumption:
# they are found among the free class (65+, disabled, merit: buses) and low-income or many-children adults.
HOLDER_SHARES: Final[dict[RiderClass, dict[str, int]]] = {
    RiderClass.ADULT: {"TW-BASIC": 40, "PREGNANCY": 5, "TRANSIT-DAY": 10},
    RiderClass.YOUTH: {"TW-BASIC": 30},
    RiderClass.CHILD: {"TW-BASIC": 30},
    RiderClass.FREE: {"TW-BASIC": 310},
}
# TRANSIT-DAY is invented (services/vouchers/data): its lots end on the day itself, so that some lapse within the demo.
# Assumption: a holder has used part of the month by its middle; what is granted in the demo is the month's lot whole.

# What their attestations say: the class of voucher.md §4 by programme, and for TW-BASIC by fare class.
ATTESTED_CLASS: Final = {
    "PREGNANCY": EligibilityClass.PREGNANT,
    "TRANSIT-DAY": EligibilityClass.YOUTH_19_24,
}
ATTESTED_BASIC: Final = {
    RiderClass.ADULT: EligibilityClass.BASIC_LIVELIHOOD,
    RiderClass.YOUTH: EligibilityClass.MULTI_CHILD,
    RiderClass.CHILD: EligibilityClass.MULTI_CHILD,
    RiderClass.FREE: EligibilityClass.AGED_65,
}

# Assumption: two in five cards are prepaid and carry a balance; the others leave it all to their bank (후불).
PREPAID_SHARE: Final = 400
BALANCES_WON: Final = (3_000, 5_000, 10_000, 20_000, 30_000)

# Two banks, shares assumed.
BANKS: Final = (("bank-hangang", 560), ("bank-namsan", 440))

CAP_WON: Final = 300_000  # a guarantor's monthly cap per card: 60 rides at twice the base fare, rounded up
DAILY_LIMIT_WON: Final = 50_000  # what riders let their bank debit for one service day; above any day of the demo
OVER_CAP_WON: Final = 2_000  # the cap of the rider who will exceed it

# What a trip consists of. Rail 7.1 and bus 4 million boardings a day (data/README.md of the sources) are 0.56 bus
# boardings for one of rail; the mix below gives 0.55, since a trip without a bus nearby goes by rail alone. Its parts
# are an assumption.
TRIP_SHARES: Final = {"RAIL": 530, "BUS": 225, "BUS_RAIL": 125, "RAIL_BUS": 95, "BUS_BUS": 25}
SECOND_TRIP_SHARE: Final = 120  # assumption: riders who travel again before noon

# Gravity: a destination draws with its alightings of that hour over (distance + 2 km) squared. Assumption; the
# exponent is the classic one, the 2 km keep neighbours from drawing everybody.
GRAVITY_OFFSET_M: Final = 2_000

# Speeds and walks, assumptions near the published mean speeds (rail 33 km/h with stops, bus 17 km/h).
RAIL_DETOUR_TENTHS: Final = 13
RAIL_METRES_PER_S: Final = 9
RAIL_WAIT_S: Final = 240
BUS_METRES_PER_MINUTE: Final = 280
WALK_S: Final = (120, 420)
DWELL_S: Final = (2_400, 7_200)
NEAR_STATION_M: Final = 450
NEAR_STOP_M: Final = 250
NIGHT_UNTIL_MINUTE: Final = 30  # before 04:30 only night buses run


class BadAppleKind(StrEnum):
    """What goes wrong in the demo, on purpose (each is refused or healed, and shown in the report)."""

    REPLAYED_TAP = "REPLAYED_TAP"
    CLONED_CARD = "CLONED_CARD"
    OFFLINE_READER = "OFFLINE_READER"
    MISSING_TAP_OFF = "MISSING_TAP_OFF"
    OVER_CAP = "OVER_CAP"
    FORGED_SIGNATURE = "FORGED_SIGNATURE"
    TORN_TAP = "TORN_TAP"
    LATE_TAP_OFF = "LATE_TAP_OFF"
    LATE_CLONE = "LATE_CLONE"


@dataclass(frozen=True, slots=True)
class Quota:
    """`at_least` of a kind, and `per_10_000` riders above that."""

    at_least: int
    per_10_000: int


QUOTAS: Final = {
    BadAppleKind.REPLAYED_TAP: Quota(2, 20),
    BadAppleKind.CLONED_CARD: Quota(1, 3),
    BadAppleKind.OFFLINE_READER: Quota(1, 3),
    BadAppleKind.MISSING_TAP_OFF: Quota(2, 40),
    BadAppleKind.OVER_CAP: Quota(1, 3),
    BadAppleKind.FORGED_SIGNATURE: Quota(1, 10),
    BadAppleKind.TORN_TAP: Quota(2, 20),
    BadAppleKind.LATE_TAP_OFF: Quota(1, 10),
    BadAppleKind.LATE_CLONE: Quota(1, 3),
}
REAR_DOOR: Final = "rear door"  # the reader of a bus that took a LATE_TAP_OFF
SECOND_BUS: Final = "second bus"  # the reader of the bus that a LATE_CLONE rode
OFFLINE_UPLOAD_DAYS: Final = 2  # an offline reader uploads this many days later, within the 72 hours of close_day
REAR_DOOR_UPLOAD_DAYS: Final = 4  # a rear door is found after this many days: missing tap-offs were charged by then
RISK_POOL_WON: Final = 500_000  # what the city puts into RISK_POOL: above what all clones of the largest demo lose
