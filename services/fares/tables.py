"""What clearing stores. Nothing here is changed after it was acknowledged, except states of work (`status`, `code`).

Digests, addresses and signatures are raw bytes; won, days and seconds integers as in money.md §2. The chain's own
sums (`Card.settled_*`, `Record.code`, `Batch.number`) are projections of the Fares agreement's events.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from services.fares.dispute_rules import DisputeStatus

# SQLite counts up only in INTEGER keys, which have 64 bits there anyway.
_Id = BigInteger().with_variant(Integer, "sqlite")


class BatchStatus(IntEnum):
    """PLANNED: durable, perhaps submitted · SETTLED: its event was read · FAILED: its transaction was refused."""

    PLANNED = 0
    SETTLED = 1
    FAILED = 2


class BatchKind(IntEnum):
    """DAY: records of a service day (`settle`) · FORK: single states of forked cards (`settle_fork`)."""

    DAY = 0
    FORK = 1


class CorrectionStatus(IntEnum):
    """PLANNED: durable, perhaps submitted · BOOKED: on the chain · REFUSED: the agreement said no."""

    PLANNED = 0
    BOOKED = 1
    REFUSED = 2


class Certificate(SQLModel, table=True):
    """A card's certificate as its guarantor signed it (money.md §8); verified before it is stored.

    The signature is deterministic (RFC 6979), so it names the certificate.
    """

    __tablename__ = "fare_certificates"

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    card: bytes = Field(index=True)
    month: int
    instance: int
    rider_class: int
    modes: int = Field(sa_type=BigInteger)
    per_tap_cap_won: int = Field(sa_type=BigInteger)
    offline_cap_won: int = Field(sa_type=BigInteger)
    first_day: int
    last_day: int
    signature: bytes = Field(unique=True)


class Tap(SQLModel, table=True):
    """A tap with both signatures, from a reader's chain. Two rows for one (card, seq) prove a cloned card."""

    __tablename__ = "fare_taps"
    __table_args__: ClassVar = (
        UniqueConstraint("card", "seq", "digest"),
        Index("ix_fare_taps_day", "service_day", "card", "seq"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    card: bytes
    seq: int = Field(sa_type=BigInteger)
    digest: bytes
    certificate_id: int = Field(sa_type=BigInteger, foreign_key="fare_certificates.id")
    reader: bytes
    operator: int
    previous_digest: bytes
    cum_won: int = Field(sa_type=BigInteger)
    cum_own_won: int = Field(sa_type=BigInteger)
    day_start_cum_won: int = Field(sa_type=BigInteger)
    day_start_own_won: int = Field(sa_type=BigInteger)
    charge_won: int = Field(sa_type=BigInteger)
    missing_out_won: int = Field(sa_type=BigInteger)
    service_day: int
    tap_time: int = Field(sa_type=BigInteger)
    first_seq: int = Field(sa_type=BigInteger)
    context: bytes
    salt: bytes
    tap: bytes
    reader_signature: bytes
    card_signature: bytes
    received_at: int = Field(sa_type=BigInteger)


class ChainEntry(SQLModel, table=True):
    """One place in a reader's chain: the tap's digest there, or the code under which it was refused."""

    __tablename__ = "fare_chain"

    reader: bytes = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=BigInteger)
    link_before: bytes
    link: bytes
    digest: bytes | None = Field(default=None, index=True)
    refusal: str | None = None


class Refusal(SQLModel, table=True):
    """What was not taken and why, with the bytes, for the operator to see."""

    __tablename__ = "fare_refusals"

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    received_at: int = Field(sa_type=BigInteger)
    reader: bytes = Field(index=True)
    position: int = Field(sa_type=BigInteger)
    code: str
    what: str
    body: bytes


class Clone(SQLModel, table=True):
    """Two states signed for one sequence number: the first pair found for a card is enough to prove it."""

    __tablename__ = "fare_clones"

    card: bytes = Field(primary_key=True)
    seq: int = Field(sa_type=BigInteger)
    first_digest: bytes
    second_digest: bytes
    found_at: int = Field(sa_type=BigInteger)
    reported: bool = False


class Denied(SQLModel, table=True):
    """A card on the denylist since `version`; `lifted` is the version that took it off, 0 while it stands."""

    __tablename__ = "fare_denied"

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    card: bytes = Field(index=True)
    reason: str
    version: int = Field(sa_type=BigInteger, index=True)
    lifted: int = Field(default=0, sa_type=BigInteger, index=True)


class Card(SQLModel, table=True):
    """How far a card is settled on the chain (a projection). `hold_code`: why its last record was refused; while it
    stands, a record is sent again only once the chain's rules would take it (settlement.py)."""

    __tablename__ = "fare_cards"

    card: bytes = Field(primary_key=True)
    settled_seq: int = Field(default=0, sa_type=BigInteger)
    settled_cum_won: int = Field(default=0, sa_type=BigInteger)
    settled_own_won: int = Field(default=0, sa_type=BigInteger)
    settled_day: int = 0
    hold_code: int = 0


class Batch(SQLModel, table=True):
    """One transaction of records, planned durably before it is submitted."""

    __tablename__ = "fare_batches"

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    kind: int = BatchKind.DAY
    service_day: int
    partition: int
    planned_at: int = Field(sa_type=BigInteger)
    status: int = BatchStatus.PLANNED
    journeys_root: bytes = Field(index=True)
    journeys_size: int
    from_block: int = Field(sa_type=BigInteger)
    tx_hash: bytes | None = None
    number: int | None = Field(default=None, sa_type=BigInteger, index=True)
    block: int | None = Field(default=None, sa_type=BigInteger)
    time: int | None = Field(default=None, sa_type=BigInteger)
    log_index: int | None = None
    accepted: int | None = None
    refused: int | None = None
    records_root: bytes | None = None


class Record(SQLModel, table=True):
    """One card's service day in a batch. `shares` is canonical JSON [[organisation, won], …] of all operators;
    the first seven accounts stand on the chain, the rest in the clearing house's account `others`. `lots` is canonical
    JSON [[lot number, rule-set, last service day, won], …] of the voucher lots that paid."""

    __tablename__ = "fare_records"
    __table_args__: ClassVar = (UniqueConstraint("batch_id", "position"), Index("ix_fare_records_card", "card", "seq"))

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    batch_id: int = Field(sa_type=BigInteger, foreign_key="fare_batches.id")
    position: int
    card: bytes
    seq: int = Field(sa_type=BigInteger)
    digest: bytes
    service_day: int
    increase_won: int = Field(sa_type=BigInteger)
    own_increase_won: int = Field(sa_type=BigInteger)
    suspense_won: int = Field(sa_type=BigInteger)
    shares: str
    lots: str = "[]"
    code: int | None = None
    leaf: bytes | None = None


class Journey(SQLModel, table=True):
    """A journey as it was settled: its money leaf (even place in the batch's tree) and its route leaf (the next)."""

    __tablename__ = "fare_journeys"
    __table_args__: ClassVar = (Index("ix_fare_journeys_card", "card", "first_seq"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    record_id: int = Field(sa_type=BigInteger, foreign_key="fare_records.id", index=True)
    position: int
    card: bytes
    first_seq: int = Field(sa_type=BigInteger)
    last_seq: int = Field(sa_type=BigInteger)
    service_day: int
    charged_won: int = Field(sa_type=BigInteger)
    priced_won: int = Field(sa_type=BigInteger)
    finding: str = ""
    money_leaf: bytes
    route_leaf: bytes


class Correction(SQLModel, table=True):
    """An `adjust` or `allocate` on a settled record. `body` is the canonical JSON that its leaf commits to."""

    __tablename__ = "fare_corrections"
    __table_args__: ClassVar = (UniqueConstraint("kind", "record_id", "reason", "digest"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    kind: str
    record_id: int = Field(sa_type=BigInteger, foreign_key="fare_records.id")
    card: bytes = Field(index=True)
    digest: bytes
    delta_won: int = Field(sa_type=BigInteger)
    reason: str
    body: str
    planned_at: int = Field(sa_type=BigInteger)
    status: int = CorrectionStatus.PLANNED
    tx_hash: bytes | None = None


class Dispute(SQLModel, table=True):
    """A rider's dispute of a tap (zeropay.md §7.1). `message` is the digest that the card signed, `document` the signed
    message, `digest` the disputed state's, `first_seq` its journey's; `organisations` is the JSON list of the operators
    who may give evidence. Periods run from `received_at`; `delta_won` is what was credited, `cause` the answer."""

    __tablename__ = "fare_disputes"
    __table_args__: ClassVar = (
        UniqueConstraint("digest", "code"),
        Index("ix_fare_disputes_card", "card", "first_seq"),
        Index("ix_fare_disputes_due", "status", "due_at"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    message: bytes = Field(unique=True)
    document: bytes
    card: bytes
    seq: int = Field(sa_type=BigInteger)
    digest: bytes
    first_seq: int = Field(sa_type=BigInteger)
    code: str
    claimed_won: int = Field(sa_type=BigInteger)
    organisations: str
    opened_at: int = Field(sa_type=BigInteger)
    received_at: int = Field(sa_type=BigInteger)
    evidence_due_at: int = Field(sa_type=BigInteger)
    due_at: int = Field(sa_type=BigInteger)
    status: int = DisputeStatus.OPEN
    delta_won: int = Field(default=0, sa_type=BigInteger)
    cause: str = ""
    decided_at: int | None = Field(default=None, sa_type=BigInteger)


class Evidence(SQLModel, table=True):
    """What an operator says to a dispute, signed with one of its keys (zeropay.md §7.2); once each."""

    __tablename__ = "fare_dispute_evidence"

    dispute_id: int = Field(primary_key=True, sa_type=BigInteger, foreign_key="fare_disputes.id")
    organisation: int = Field(primary_key=True)
    document: bytes
    signature: bytes
    received_at: int = Field(sa_type=BigInteger)


class Closing(SQLModel, table=True):
    """A service day that the clearing house declared complete (`close_day`)."""

    __tablename__ = "fare_closings"

    service_day: int = Field(primary_key=True)
    planned_at: int = Field(sa_type=BigInteger)
    tx_hash: bytes | None = None
    block: int | None = Field(default=None, sa_type=BigInteger)


class CreditBatch(SQLModel, table=True):
    """A batch with what it credits as the chain's events tell it (a projection, credit_batches.py). `credited` is the
    table's word, `sums` the lanes' (32 bytes each), `guarantors` canonical JSON [[guarantor, won, owed through], …].
    `lanes`: released ones in the low byte, those objected to in the next, as Credits keeps them; `waits`: some credit
    is not payable yet."""

    __tablename__ = "fare_credit_batches"

    number: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    clearing_house: int
    service_day: int
    settled_at: int = Field(sa_type=BigInteger)
    records_root: bytes
    size: int
    credited: bytes
    sums: bytes
    guarantors: str
    lanes: int = 0
    waits: bool = Field(index=True)


class ChainCursor(SQLModel, table=True):
    """How far a reader of the chain's events has come: the block from which it goes on."""

    __tablename__ = "fare_cursors"

    name: str = Field(primary_key=True)
    next_block: int = Field(sa_type=BigInteger)
