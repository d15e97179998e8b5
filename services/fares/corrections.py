"""Sending corrections of settled records and reading what became of them (money.md §3, Corrections).

Each is stored with its transaction before that leaves, once per record and reason, and a record has one under way at a
time: so what it changed is what the chain's slot of the record changed in its block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rfc8785
from sqlmodel import Session, col, func, select

from contracts.hashing import keccak, sha256
from contracts.merkle import path
from contracts.records import Batch as ChainBatch
from contracts.records import Correction as ChainCorrection
from contracts.records import leaf_of
from ledger.errors import CallReverted
from services.days import service_day_at
from services.fares.chain_batches import read_batches
from services.fares.errors import NotYetError
from services.fares.settlement import Settlement, leaves_of
from services.fares.tables import Batch, Correction, CorrectionStatus, Record
from services.outbox import ItemStatus, OutboxItem


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that the chain booked, the `number`-th (from 1) of its record. guarantor_won: what the card's
    guarantor owes more (or less)."""

    kind: str
    batch: int
    position: int
    number: int
    card: bytes
    service_day: int
    delta_won: int
    guarantor_won: int


@dataclass(frozen=True, slots=True)
class Planned:
    """A correction that is to be sent: the call's arguments after the record's proof, and its canonical body.

    digest: the state that it rests on, which the record's own is not where a missing day came late.
    """

    kind: str
    record: Record
    digest: bytes
    delta_won: int
    body: Mapping[str, Any]
    arguments: Sequence[Any]

    @property
    def text(self) -> str:
        """The body as it is kept."""
        return rfc8785.dumps(dict(self.body)).decode()

    @property
    def purpose(self) -> str:
        """Its transaction's purpose."""
        return f"{self.kind}:{self.record.id}:{sha256(self.text.encode()).hex()[:16]}"


class Corrections:
    """The corrections of one clearing house, beside its `Settlement`."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._engine, self._client, self._outbox = settlement.engine, settlement.client, settlement.outbox

    # --- sending

    def _send_each(self, planned: Iterable[Planned], *, now: int) -> list[str]:
        """Sends corrections; their purposes. One that the agreement would refuse stops no other: it is kept as
        REFUSED with the reason, and may be tried again."""
        purposes = []
        for one in planned:
            try:
                purposes.append(self._send(one, now=now))
            except CallReverted as error:
                self._keep_refused(one, error, now)
            except NotYetError:
                continue  # another correction of the record is under way
        return purposes

    def _send(self, planned: Planned, *, now: int) -> str:
        """Stores and sends one correction, once; its purpose.

        Raises NotYetError while another one of the record is under way, CallReverted where the agreement refuses it.
        """
        record, purpose = planned.record, planned.purpose
        arguments = [*self._proof(record), *planned.arguments]
        with Session(self._engine, expire_on_commit=False) as session:
            rows = session.exec(select(Correction).where(Correction.record_id == record.id)).all()
            known = next((row for row in rows if row.reason == purpose), None)
            if known is not None and known.tx_hash is not None:
                item = None
            else:
                if any(row.status == CorrectionStatus.PLANNED for row in rows):
                    raise NotYetError(f"another correction of record {record.id} is under way")
                item = self._outbox.plan(session, purpose, "Credits", planned.kind, arguments)
                row = known or _row(planned, now)
                row.status, row.tx_hash, row.body = int(CorrectionStatus.PLANNED), item.hash, planned.text
                session.add(row)
                session.commit()
        if item is None:
            self._outbox.ensure_sent(purpose)
        else:
            self._outbox.send(item)
        return purpose

    def _keep_refused(self, planned: Planned, error: CallReverted, now: int) -> None:
        with Session(self._engine) as session:
            query = select(Correction).where(Correction.reason == planned.purpose)
            row = session.exec(query).first() or _row(planned, now)
            row.status = int(CorrectionStatus.REFUSED)
            row.body = rfc8785.dumps({**planned.body, "refused": error.reason}).decode()
            session.add(row)
            session.commit()

    def _chain_batch(self, record: Record) -> ChainBatch:
        with Session(self._engine) as session:
            batch = session.get(Batch, record.batch_id)
            if batch is None or batch.number is None or batch.block is None:
                raise NotYetError("the record's batch has not been read back")
            number, block = batch.number, batch.block
        return read_batches(self._client, block, block)[number]

    def _proof(self, record: Record) -> list[Any]:
        batch = self._chain_batch(record)
        leaves = [leaf.pack() for leaf in leaves_of(self._engine, batch.number)]
        leaf = leaf_of(leaves[record.position])
        return [batch.fields(), record.position, list(leaf.words()), path(leaves, record.position, keccak)]

    def _slot(self, batch: int, position: int, block: int | str = "latest") -> ChainCorrection:
        return ChainCorrection.unpack(self._client.call("Credits", "correction", [batch, position], block=block))

    # --- reading back

    def after_block(self) -> list[Corrected]:
        """Reads the corrections that entered blocks; once each."""
        self._outbox.settle()
        found = self._read(CorrectionStatus.PLANNED)
        done = [(row, record, item) for row, record, item in found if item.status == ItemStatus.DONE]
        corrected = [self._corrected(row, record, item) for row, record, item in done]
        with Session(self._engine) as session:
            for row, _, item in found:
                booked = item.status == ItemStatus.DONE
                row.status = int(CorrectionStatus.BOOKED if booked else CorrectionStatus.REFUSED)
                session.merge(row)
            session.commit()
        return corrected

    def booked(self) -> list[Corrected]:
        """Every booked correction, read again from the chain, in the order of planning: for who must hear of each
        after a crash between `after_block` and them."""
        return [self._corrected(*one) for one in self._read(CorrectionStatus.BOOKED)]

    def refused(self) -> list[Correction]:
        """Corrections that the agreement refused; a body's `refused` says why where it was never sent."""
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Correction).where(Correction.status == CorrectionStatus.REFUSED).order_by(col(Correction.id))
            return list(session.exec(query).all())

    def _read(self, status: CorrectionStatus) -> list[tuple[Correction, Record, OutboxItem]]:
        """Corrections of a status whose transactions are in blocks."""
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Correction, Record).join(Record, col(Record.id) == col(Correction.record_id))
            rows = session.exec(query.where(Correction.status == status).order_by(col(Correction.id))).all()
        items = [(row, record, self._outbox.find(row.reason)) for row, record in rows]
        return [
            (row, record, item)
            for row, record, item in items
            if item is not None and item.status in (ItemStatus.DONE, ItemStatus.REVERTED)
        ]

    def _corrected(self, row: Correction, record: Record, item: OutboxItem) -> Corrected:
        receipt = self._client.receipt(item.hash)
        events = self._client.events_of(receipt, "Credits")
        batch = (
            next((int(one.args["batch"]) for one in events if one.name in ("Adjusted", "Allocated")), 0)
            or self._chain_batch(record).number
        )
        block = receipt.block_number
        before, after = (self._slot(batch, record.position, at) for at in (block - 1, block))
        guarantor = _guarantor_won(after) - _guarantor_won(before)
        balance = _balance_won(after) - _balance_won(before)
        if balance < 0 and self._month_ended(record.card, block):
            guarantor += balance  # money.md §3: after the card's month the balance's part goes to the guarantor
        with Session(self._engine) as session:
            query = select(func.count()).where(Correction.record_id == record.id, col(Correction.id) <= row.id)
            number = session.exec(query).one()
        return Corrected(
            row.kind, batch, record.position, number, record.card, record.service_day, row.delta_won, guarantor
        )

    def _month_ended(self, card: bytes, block: int) -> bool:
        slot = self._settlement.account_of(card, block).slot
        return not slot.status or service_day_at(self._client.block_time(block)) > slot.last_day


def each_record(records: Iterable[Record], plan: Callable[[Record], Iterable[Planned]]) -> Iterable[Planned]:
    """What is planned for each of these records, one after the other."""
    for record in records:
        yield from plan(record)


def _row(planned: Planned, now: int) -> Correction:
    return Correction(
        kind=planned.kind,
        record_id=planned.record.id or 0,
        card=planned.record.card,
        digest=planned.digest,
        delta_won=planned.delta_won,
        reason=planned.purpose,
        body=planned.text,
        planned_at=now,
    )


def _guarantor_won(slot: ChainCorrection) -> int:
    return slot.up_guarantor_won - slot.resourced_guarantor_won - slot.back_guarantor_won


def _balance_won(slot: ChainCorrection) -> int:
    return slot.up_balance_won - slot.resourced_balance_won - slot.back_balance_won
