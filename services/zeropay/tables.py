"""What the settlement of fares stores: its own double entry per batch, and what operators were paid.

Won are integers; a debit is positive. Accounts are those of zeropay.md §8.
"""

from __future__ import annotations

from typing import ClassVar, Final

from sqlalchemy import BigInteger, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

_Id: Final = BigInteger().with_variant(Integer, "sqlite")


class ZeropayEntry(SQLModel, table=True):
    """An entry: a settled batch, a guarantor's payment, a payout. Its name is used once."""

    __tablename__ = "zeropay_entries"
    __table_args__: ClassVar = (UniqueConstraint("name"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    name: str
    kind: str = Field(index=True)
    service_day: int
    corrects: str = ""


class ZeropayLine(SQLModel, table=True):
    """One line of an entry."""

    __tablename__ = "zeropay_lines"

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    entry: int = Field(sa_type=BigInteger, foreign_key="zeropay_entries.id", index=True)
    account: str = Field(index=True)
    won: int = Field(sa_type=BigInteger)


class ZeropayPayout(SQLModel, table=True):
    """An operator's payout of a day: what the chain paid to its account, and which bank redeemed it."""

    __tablename__ = "zeropay_payouts"
    __table_args__: ClassVar = (UniqueConstraint("name", "operator"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    name: str = Field(index=True)
    operator: int
    bank: int
    won: int = Field(sa_type=BigInteger)
    purpose: str
    paid_block: int = Field(sa_type=BigInteger)
    redeemed: bool = False
