"""Batches with credits as Credits has them, read off its events from where the last reading stopped (money.md §3).

A projection: what was read and the cursor that says how far move in one database transaction, so that a crash takes
both or neither, and a reading costs what is new, however old the chain. Blocks are final at once: nothing that was read
changes afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.records import OPERATOR_LANES, Batch, GuarantorPart, lanes_of
from ledger.client import Client, Event
from services.fares.chain_batches import read_batches
from services.fares.errors import BatchLostError
from services.fares.limits import BLOCKS_PER_READING
from services.fares.tables import ChainCursor, CreditBatch

CURSOR: Final = "credits"
_OBJECTED: Final = 8  # bits of lanes objected to stand above those of released ones


class CreditBatches:
    """The batches of every clearing house on the chain."""

    def __init__(self, engine: Engine, client: Client) -> None:
        self._engine, self._client = engine, client

    def read(self) -> None:
        """Takes in the blocks since the last reading, a bounded stretch at a time. Repeatable.

        Raises BatchLostError where the chain ends before what was read: it is not the one that these tables are of.
        """
        head = self._client.head().number
        while (first := self._next_block()) <= head:
            self._take(first, min(head, first + BLOCKS_PER_READING - 1))
        if first > head + 1:
            raise BatchLostError(f"blocks up to {first - 1:,} were read, and the chain ends at {head:,}")

    def _next_block(self) -> int:
        with Session(self._engine) as session:
            cursor = session.get(ChainCursor, CURSOR)
            return cursor.next_block if cursor else 0

    def _take(self, first: int, last: int) -> None:
        opened = read_batches(self._client, first, last)
        moves: list[Event] = []
        for name in ("Released", "Objected", "ObjectionEnded"):
            moves += self._client.events("Credits", name, first, last)
        moves.sort(key=lambda event: (event.block_number, event.log_index))
        with Session(self._engine) as session:
            cursor = session.get(ChainCursor, CURSOR, with_for_update=True) or ChainCursor(name=CURSOR, next_block=0)
            if cursor.next_block != first:
                return  # another reading took this stretch meanwhile
            session.add_all(_row(batch) for batch in opened.values())
            session.flush()
            for event in moves:
                _move(session, event)
            cursor.next_block = last + 1
            session.add(cursor)
            session.commit()

    def waiting(self) -> Sequence[CreditBatch]:
        """Batches with a credit that is not payable yet, by number."""
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(CreditBatch).where(col(CreditBatch.waits)).order_by(col(CreditBatch.number))
            return session.exec(query).all()


def chain_batch(row: CreditBatch) -> Batch:
    """The batch as calls to Credits take it."""
    return Batch(
        number=row.number,
        clearing_house=row.clearing_house,
        service_day=row.service_day,
        settled_at=row.settled_at,
        records_root=row.records_root,
        size=row.size,
        table=_word(row.credited),
        sums=_word(row.sums),
        guarantors=tuple(GuarantorPart(*part) for part in json.loads(row.guarantors)),
    )


def is_released(row: CreditBatch) -> bool:
    """Whether a batch was released, in part at least, or credits nobody."""
    return not _credited(row) or bool(_credited(row) & row.lanes)


def is_releasable(row: CreditBatch) -> bool:
    """Whether some credit is neither released nor objected to."""
    return bool(_credited(row) & ~(row.lanes | row.lanes >> _OBJECTED))


def waiting_won(row: CreditBatch) -> Mapping[int, int]:
    """Won per organisation that are not payable yet."""
    lanes = zip(lanes_of(_word(row.credited)), lanes_of(_word(row.sums)), strict=True)
    return {one: won for at, (one, won) in enumerate(lanes) if won and at < OPERATOR_LANES and not row.lanes >> at & 1}


def _credited(row: CreditBatch) -> int:
    return _bits(_word(row.sums))


def _bits(sums: int) -> int:
    """A bit for each operator's lane that holds won."""
    return sum(1 << at for at, won in enumerate(lanes_of(sums)[:OPERATOR_LANES]) if won)


def _word(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _row(batch: Batch) -> CreditBatch:
    parts = [[part.guarantor, part.amount_won, part.owed_through_won] for part in batch.guarantors]
    return CreditBatch(
        number=batch.number,
        clearing_house=batch.clearing_house,
        service_day=batch.service_day,
        settled_at=batch.settled_at,
        records_root=batch.records_root,
        size=batch.size,
        credited=batch.table.to_bytes(32, "big"),
        sums=batch.sums.to_bytes(32, "big"),
        guarantors=json.dumps(parts, separators=(",", ":")),
        waits=bool(_bits(batch.sums)),
    )


def _move(session: Session, event: Event) -> None:
    """A release, an objection or its end, on the batch's row."""
    row = session.get_one(CreditBatch, event.args["batch"])
    if event.name == "Released":
        row.lanes |= _bits(event.args["sums"])
        row.waits = bool(_credited(row) & ~row.lanes)
    else:
        bit = 1 << lanes_of(_word(row.credited)).index(event.args["organisation"]) + _OBJECTED
        row.lanes = row.lanes | bit if event.name == "Objected" else row.lanes & ~bit
    session.add(row)
