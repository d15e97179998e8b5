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
    """A rider's account; `person` is the bank's own 32-byte name of him."""

    __tablename__ = "bank_riders"
    __table_args__: ClassVar = (UniqueConstraint("bank", "person"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    bank: int = Field(index=True)
    person: bytes


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
