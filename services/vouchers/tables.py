"""What the eligibility registry and the programme office store.

The registry's rows carry its own marks of persons (HMAC), never a name; the office's rows carry cards and nullifiers,
never a person. Only the two together, with the registry's key, would tell who travels on which programme.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar, Final

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

_Id: Final = BigInteger().with_variant(Integer, "sqlite")


class GrantStatus(IntEnum):
    """PLANNED: durable, perhaps sent · GRANTED: a lot stands on the card · REFUSED: by the code beside it."""

    PLANNED = 0
    GRANTED = 1
    REFUSED = 2


class VoucherEntitlement(SQLModel, table=True):
    """An application and what became of it (states.ENTITLEMENT_MOVES). Times are UTC epoch seconds, 0 for not yet."""

    __tablename__ = "voucher_entitlements"
    __table_args__: ClassVar = (Index("ix_voucher_entitlements_tag", "person_tag", "exclusion_group", "state"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    programme: str
    exclusion_group: int
    person_tag: bytes
    device: str = Field(index=True)
    eligibility: str
    issuer: int
    first_day: int
    last_day: int
    state: str = Field(index=True)
    reason: str = ""
    applied_at: int = Field(sa_type=BigInteger)
    decided_at: int = Field(default=0, sa_type=BigInteger)
    objected_at: int = Field(default=0, sa_type=BigInteger)
    answer_due_at: int = Field(default=0, sa_type=BigInteger, index=True)
    ends_on: int = 0


class VoucherCredential(SQLModel, table=True):
    """A one-time credential that the registry signed: once for each entitlement and period."""

    __tablename__ = "voucher_credentials"
    __table_args__: ClassVar = (UniqueConstraint("nullifier"), UniqueConstraint("status_index"))

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    entitlement: int = Field(sa_type=BigInteger, foreign_key="voucher_entitlements.id", index=True)
    period: int
    nullifier: bytes
    key: bytes
    salt: bytes
    status_index: int = Field(sa_type=BigInteger)
    first_day: int
    last_day: int
    attestation: bytes
    signature: bytes


class VoucherGrant(SQLModel, table=True):
    """A lot that the office asks the chain for: one credential, one card."""

    __tablename__ = "voucher_grants"
    __table_args__: ClassVar = (UniqueConstraint("city", "nullifier"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    city: int
    purpose: str = Field(index=True)
    programme: str
    funder: int
    rule_set: int
    period: int
    start_day: int
    last_service_day: int
    card: bytes = Field(index=True)
    won: int
    nullifier: bytes
    credential_key: bytes
    first_day: int
    last_day: int
    attestation: bytes
    registry_signature: bytes
    claim_signature: bytes
    salt: bytes
    status: int = GrantStatus.PLANNED
    code: int = 0


class VoucherCarry(SQLModel, table=True):
    """A lot at its end: what remained, what is carried to which card, what lapsed to the pool."""

    __tablename__ = "voucher_carries"
    __table_args__: ClassVar = (UniqueConstraint("city", "card", "lot_no"), UniqueConstraint("city", "carry_id"))

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    city: int
    name: str = Field(index=True)
    card: bytes
    lot_no: int = Field(sa_type=BigInteger)
    rule_set: int
    last_service_day: int
    remaining_won: int
    carried_won: int
    lapsed_won: int
    lapse_purpose: str
    new_card: bytes | None = None
    carry_id: bytes
    salt: bytes
    purpose: str = ""
    status: int = GrantStatus.PLANNED
