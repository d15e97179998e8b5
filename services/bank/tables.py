"""What a bank stores. Several banks may share a database: every row names its bank (organisation id).

The bank alone knows which rider has which card; a leak of these tables is a leak of who travelled. Won, days and
seconds are integers; keys and digests raw bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

_Id: Final = BigInteger().with_variant(Integer, "sqlite")


class CardStatus(IntEnum):
    """PLANNED: its batch is durable, perhaps sent · ENROLLED: on the chain · REFUSED: by the code beside it."""

    PLANNED = 0
    ENROLLED = 1
    REFUSED = 2


class BankRider(SQLModel, table=True):
    """A rider's account; `person` is the bank's own 32-byte name of him, `wallet` the address (20 bytes) that signs for
    him, registered when he was identified."""

    __tablename__ = "bank_riders"
    __table_args__: ClassVar = (
        UniqueConstraint("bank", "person"),
        Index("ix_bank_riders_wallet", "bank", "wallet", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int = Field(index=True)
    person: bytes
    wallet: bytes | None = None


class BankCard(SQLModel, table=True):
    """A card that the bank guarantees, and what its certificate says."""

    __tablename__ = "bank_cards"
    __table_args__: ClassVar = (UniqueConstraint("bank", "card"), Index("ix_bank_cards_month", "bank", "month"))

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    card: bytes
    rider: int = Field(sa_type=BigInteger, foreign_key="bank_riders.id", index=True)
    month: int
    instance: int
    rider_class: int
    modes: int = Field(sa_type=BigInteger)
    per_tap_cap_won: int = Field(sa_type=BigInteger)
    cap_won: int = Field(sa_type=BigInteger)
    offline_cap_won: int = Field(sa_type=BigInteger)
    purpose: str = Field(index=True)
    status: int = CardStatus.PLANNED
    code: int = 0


class BankEntry(SQLModel, table=True):
    """One entry of the books. `purpose` is the transaction of the outbox that it belongs to, "" for none;
    `reference` the 32 random bytes that tie a mint or burn to it (money.md §5)."""

    __tablename__ = "bank_entries"
    __table_args__: ClassVar = (UniqueConstraint("bank", "name"), UniqueConstraint("bank", "reference"))

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    name: str
    kind: str
    booked_at: int = Field(sa_type=BigInteger)
    purpose: str = ""
    reference: bytes | None = None
    block_number: int | None = Field(default=None, sa_type=BigInteger, index=True)
    void: bool = False


class BankLine(SQLModel, table=True):
    """One line of an entry: a debit is positive."""

    __tablename__ = "bank_lines"
    __table_args__: ClassVar = (Index("ix_bank_lines_account", "bank", "account"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    entry: int = Field(sa_type=BigInteger, foreign_key="bank_entries.id", index=True)
    account: str
    won: int = Field(sa_type=BigInteger)


class BankOwed(SQLModel, table=True):
    """What the bank owes for one settled record of one of its cards (from the record's leaf), or for the n-th
    correction of it (`correction`; 0 is the record itself). Negative where a correction gave back."""

    __tablename__ = "bank_owed"
    __table_args__: ClassVar = (UniqueConstraint("bank", "batch", "position", "correction"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    batch: int = Field(sa_type=BigInteger)
    position: int
    correction: int = 0
    card: bytes
    service_day: int
    won: int = Field(sa_type=BigInteger)
    entry: int | None = Field(default=None, sa_type=BigInteger, index=True)


class BankTopUp(SQLModel, table=True):
    """Won that a rider moved from his account to his card's purse, with what was kept of an old card's remainder."""

    __tablename__ = "bank_top_ups"
    __table_args__: ClassVar = (UniqueConstraint("bank", "purpose", "card"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    purpose: str
    card: bytes
    rider: int = Field(sa_type=BigInteger)
    won: int
    remainder_won: int = 0
    status: int = CardStatus.PLANNED
    code: int = 0


class BankRemainder(SQLModel, table=True):
    """What was left on a card at its month's end (money.md §1): balance = moved (whole thousands, to the rider's new
    card) + kept (for his next top-up, whose purpose is `used_by`)."""

    __tablename__ = "bank_remainders"
    __table_args__: ClassVar = (UniqueConstraint("bank", "card"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    name: str = Field(index=True)
    rider: int = Field(sa_type=BigInteger, index=True)
    card: bytes
    balance_won: int
    moved_won: int
    kept_won: int
    withdraw_purpose: str
    new_card: bytes | None = None
    fund_purpose: str = ""
    used_by: str = ""


class BankConsent(SQLModel, table=True):
    """A rider's consent to debits: what the bank counts with, and the evidence. `digest` is what was signed, `document`
    and `withdrawal` the signed messages as they came, `salt` opens the account's commitment."""

    __tablename__ = "bank_consents"
    __table_args__: ClassVar = (UniqueConstraint("bank", "digest"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    rider: int = Field(sa_type=BigInteger, foreign_key="bank_riders.id", index=True)
    digest: bytes
    first_day: int
    last_day: int
    daily_limit_won: int
    document: bytes
    salt: bytes
    given_at: int = Field(sa_type=BigInteger)
    withdrawn_at: int | None = Field(default=None, sa_type=BigInteger)
    withdrawal: bytes | None = None


class BankDebit(SQLModel, table=True):
    """What an entry collected of a rider for one service day: `owed_won` new in it, `debited_won` of that from his
    account (negative: paid back) under `consent`; the rest is his receivable."""

    __tablename__ = "bank_debits"
    __table_args__: ClassVar = (
        UniqueConstraint("entry", "rider", "service_day"),
        Index("ix_bank_debits_day", "bank", "service_day"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int
    entry: int = Field(sa_type=BigInteger, foreign_key="bank_entries.id")
    rider: int = Field(sa_type=BigInteger, foreign_key="bank_riders.id", index=True)
    service_day: int
    consent: int | None = Field(default=None, sa_type=BigInteger, foreign_key="bank_consents.id", index=True)
    owed_won: int = Field(sa_type=BigInteger)
    debited_won: int = Field(sa_type=BigInteger)
