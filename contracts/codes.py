"""Numbers that stand on the chain, by name. A number once used is never given another meaning."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class Refusal(IntEnum):
    """Why a record was not booked (money.md §8); the lowest failing one stands. 0 is acceptance."""

    ACCEPTED = 0
    NOT_ENROLLED = 1
    WINDOW = 2
    STALE = 3
    CUM_FALLS = 4
    OWN = 5
    SIGNATURE = 6
    SUM = 7
    CAP = 8
    GAP = 9
    DAY = 10
    FORKED = 11
    NOT_ITS_CLEARING_HOUSE = 12
    RANGE = 13


class Role(IntEnum):
    """What an organisation may do (architecture.md §4, money.md §6)."""

    CITY = 1
    OPERATOR = 2
    BANK = 3
    MERCHANT = 4
    HOSPITAL = 5
    PHARMACY = 6
    INSURER = 7
    ELECTION_OFFICE = 8
    TRUSTEE = 9
    DEVICE_OWNER = 10
    AUDITOR = 11
    CLEARING_HOUSE = 12
    ELIGIBILITY_REGISTRY = 13
    GUARANTOR = 14


class Purpose(IntFlag):
    """What one of an organisation's sender keys may be used for (money.md §6)."""

    ADMINISTER = 1
    ISSUE = 2
    SETTLE = 4
    APPROVE = 8
    ATTEST = 16


class Mode(IntEnum):
    """Modes of transport (interfaces.md §2). The number is the mode's bit in a card's voucher profile."""

    SUBWAY = 0
    GTX = 1
    TRUNK = 2
    BRANCH = 3
    CIRCULAR = 4
    VILLAGE = 5
    EXPRESS = 6
    NIGHT = 7
    AIRPORT = 8


class RiderClass(IntEnum):
    """Fare class of a rider (fares.md §1), as CardCertificate.riderClass carries it."""

    ADULT = 1
    YOUTH = 2
    CHILD = 3
    INFANT = 4
    FREE = 5


class CardCode(IntEnum):
    """Why one card of a batch of enrol, set_caps, fund, report_lost, withdraw, sweep or issue was passed over."""

    DONE = 0
    ENROLLED = 1
    MALFORMED = 2
    UNKNOWN = 3
    NOT_YOURS = 4
    CAP_FALLS = 5
    MONTH_ENDED = 6
    OVERFLOW = 7
    ALREADY = 8
    NOT_YET = 9
    EMPTY = 10
    NOT_EMPTY = 11
    FULL = 12
    PROFILE = 13
    OUTLIVES = 14


class Act(IntEnum):
    """What the council decides (contracts/organisations.vy); from 64 on, decisions that other agreements carry out."""

    ADMIT = 1
    SET_ROLE = 2
    SET_ACTIVE = 3
    SET_ACCOUNT = 4
    SET_KEY = 5
    APPROVE_CODE = 6
    REGISTER_AGREEMENT = 7
    RETIRE_AGREEMENT = 8
    SET_COUNCIL = 9
    SET_VALIDATOR = 10
    START_CONSENSUS = 11
    EXTEND_TRUST = 12
    FREEZE = 64
    UNFREEZE = 65
    REISSUE = 66
    MINT_CAP = 67
    END_OBJECTION = 68


class Admission(IntEnum):
    """What Organisations.admit answers (money.md §6)."""

    ADMISSIBLE = 0
    SENDER = 1
    RECEIVER = 2
    CODE = 3


class Grant(IntEnum):
    """Why a request of a grant or carry was not met (contracts/vouchers.vy); 32 + c where Fares.issue answered c."""

    GRANTED = 0
    AMOUNT = 1
    WINDOW = 2
    USED = 3
    CREDENTIAL = 4
    CLAIM = 5
    POOL = 6
    LAPSED = 7
    FARES = 32


class Carry(IntEnum):
    """What becomes of a rule-set's lapsed lots (voucher.md §4.3): nothing, once up to a cap, or all of it again."""

    NONE = 0
    CAP = 1
    ROLL = 2
