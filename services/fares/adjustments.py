"""Corrections of settled records (money.md §3): missing tap-offs, late taps out of suspense, overcharges given back.

Each is stored before its transaction leaves, once per record and reason; `policy` commits to its canonical body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import rfc8785
from sqlmodel import Session, col, select

from contracts.hashing import keccak, sha256
from contracts.merkle import path
from contracts.records import Batch as ChainBatch
from contracts.records import leaf_of, lot_word, state_words, sums_word, table_word
from services.days import day_end
from services.fares import settlement_rules as rules
from services.fares.chain_batches import read_batches
from services.fares.errors import NothingToAdjustError, NotYetError, UnallocatableError
from services.fares.limits import RECEIVABLE_S
from services.fares.settlement import Settlement, leaves_of, stored_tap
from services.fares.splits import DEFAULT_POLICY, largest_remainder
from services.fares.tables import Batch, Card, Correction, CorrectionStatus, Journey, Record, Tap
from services.fares.tap_journeys import StoredTap, journeys_of
from services.outbox import ItemStatus

NO_MISSING: Final = (0, 0, 0, 0, 0, 0)


class AdjustReason(IntEnum):
    """Why a record was corrected; the number stands in the event (zeropay.md §7.1)."""

    DOUBLE_TAP = 1
    WRONG_CLASS = 2
    MISSING_TAP_OFF = 3
    GATE_FAULT = 4
    NOT_MY_RIDE = 5
    OVERCHARGED = 6
    LATE_TAP = 9


@dataclass(frozen=True, slots=True)
class Corrected:
    """A correction that the chain booked. guarantor_won: what the card's guarantor owes more (or less)."""

    kind: str
    batch: int
    position: int
    card: bytes
    service_day: int
    delta_won: int
    guarantor_won: int


class Adjustments:
    """The corrections of one clearing house, beside its `Settlement`."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._engine, self._client, self._outbox = settlement.engine, settlement.client, settlement.outbox

    # --- up: a missing tap-off

    def missing_tap_offs(self, service_day: int, *, now: int) -> list[str]:
        """Adjusts up every record of a day that ends in a tap-on whose tap-off never came; the purposes.

        Only while the record is still its card's last one. Raises NotYetError before 72 hours.
        """
        if now < day_end(service_day) + RECEIVABLE_S:
            raise NotYetError(f"missing tap-offs of day {service_day} are collected 72 hours after its end")
        with Session(self._engine, expire_on_commit=False) as session:
            query = (
                select(Record, Tap)
                .join(Tap, col(Tap.digest) == col(Record.digest))
                .join(Card, col(Card.card) == col(Record.card))
                .where(Record.service_day == service_day, Record.code == 0, Tap.missing_out_won > 0)
                .where(col(Card.settled_seq) == col(Record.seq))
                .order_by(col(Record.id))
            )
            found = session.exec(query).all()
        return [self._adjust_up(record, stored_tap(tap)) for record, tap in found]

    def _adjust_up(self, record: Record, tap: StoredTap) -> str:
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "delta_won": tap.state.missing_out_won,
            "reason": AdjustReason.MISSING_TAP_OFF.name,
            "policy": DEFAULT_POLICY,
        }
        arguments = [
            *self._proof(record),
            list(state_words(tap.state)),
            tap.tap.operator,
            int(AdjustReason.MISSING_TAP_OFF),
            sha256(rfc8785.dumps(body)),
        ]
        return self._send("adjust_up", record, tap.digest, tap.state.missing_out_won, body, arguments)

    # --- suspense: a late tap

    def allocate_late(self, service_day: int) -> list[str]:
        """Gives suspense of a day's records to the operators whose late taps explain it by now; the purposes.

        A record whose journeys are still incomplete keeps its suspense.
        """
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Record).where(Record.service_day == service_day, Record.code == 0, Record.suspense_won > 0)
            records = session.exec(query.order_by(col(Record.id))).all()
        purposes = []
        for record in records:
            explained, journeys = self._explained(record)
            if explained:
                purposes.append(self._allocate(record, explained, journeys))
        return purposes

    def _explained(self, record: Record) -> tuple[dict[int, int], list[int]]:
        """Won per organisation of the journeys that late taps completed, and those journeys' first seqs.

        A journey that the record credited, or that was allocated before, stays as it was booked.
        """
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Record).where(Record.card == record.card, Record.code == 0, Record.seq < record.seq)
            earlier = session.exec(query.order_by(col(Record.seq).desc())).first()
            first = earlier.seq if earlier else 0
            rows = session.exec(
                select(Tap)
                .where(Tap.card == record.card, Tap.seq > first, Tap.seq <= record.seq)
                .where(Tap.service_day == record.service_day)
                .order_by(col(Tap.seq))
            ).all()
            taps = [stored_tap(row) for row in rows]
            before = self._settlement.tap_before(session, taps[0])
            booked = set(session.exec(select(Journey.first_seq).where(Journey.record_id == record.id)).all())
            bodies = session.exec(
                select(Correction.body).where(Correction.record_id == record.id, Correction.kind == "allocate")
            ).all()
        for body in bodies:
            booked.update(json.loads(body)["journeys"])
        fresh = [
            journey for journey in journeys_of(taps, before) if journey.explained and journey.first_seq not in booked
        ]
        explained: dict[int, int] = {}
        for journey in fresh:
            for organisation, won in journey.shares.items():
                explained[organisation] = explained.get(organisation, 0) + won
        return {one: won for one, won in explained.items() if won}, [journey.first_seq for journey in fresh]

    def _allocate(self, record: Record, explained: Mapping[int, int], journeys: list[int]) -> str:
        won = sum(explained.values())
        if won > record.suspense_won:
            raise UnallocatableError(f"late taps explain {won:,} won of a suspense of {record.suspense_won:,}")
        lanes = rules.lane_credits(explained, self._settlement.organisation)
        table = table_word(lanes)
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "shares": sorted(map(list, explained.items())),
            "journeys": journeys,
        }
        arguments = [*self._proof(record), table, sums_word(table, lanes), NO_MISSING]
        return self._send("allocate", record, record.digest, won, body, arguments)

    # --- down: too much was charged

    def give_back(self, record_id: int, won: int, reason: AdjustReason) -> str:
        """Gives `won` of a settled record back, off its operators by their shares; the transaction's purpose.

        The order is guarantor, balance, voucher lots (money.md §3). Raises NothingToAdjustError where the record did
        not take as much.
        """
        with Session(self._engine, expire_on_commit=False) as session:
            record = session.get(Record, record_id)
        if record is None or record.leaf is None or record.code:
            raise NothingToAdjustError(f"record {record_id} was not settled")
        leaf = leaf_of(record.leaf)
        batch = self._chain_batch(record)
        lanes = rules.lane_credits(dict(json.loads(record.shares)), self._settlement.organisation)
        if not 0 < won <= sum(lanes.values()):
            raise NothingToAdjustError(f"record {record_id} credited {sum(lanes.values()):,} won, not {won:,}")
        shares = dict(zip(lanes, largest_remainder(won, list(lanes.values())), strict=True))
        to_voucher = max(0, won - leaf.guarantor_won - leaf.balance_won)
        lots = self._lots_for(record, to_voucher)
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "delta_won": -won,
            "reason": reason.name,
        }
        arguments = [
            *self._proof(record),
            sums_word(batch.table, {one: part for one, part in shares.items() if part}),
            lots,
            0,
            int(reason),
            sha256(rfc8785.dumps(body)),
        ]
        return self._send("adjust_down", record, record.digest, -won, body, arguments)

    def _lots_for(self, record: Record, won: int) -> list[int]:
        """Words of the live lots that take a voucher part back, usable on the record's day."""
        words = []
        for lot in self._settlement.account_of(record.card).lots.values():
            part = min(won, lot.won - lot.remaining_won)
            if part and lot.start_day <= record.service_day <= lot.last_service_day:
                words.append(lot_word(part, lot.lot_no))
                won -= part
        if won:
            raise NothingToAdjustError(f"{won:,} won of vouchers have no live lot to go back to")
        return words

    # --- sending and reading back

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

    def _send(
        self,
        kind: str,
        record: Record,
        digest: bytes,
        delta_won: int,
        body: Mapping[str, Any],
        arguments: Sequence[Any],
    ) -> str:
        text = rfc8785.dumps(body).decode()
        purpose = f"{kind}:{record.id}:{sha256(text.encode()).hex()[:16]}"
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Correction).where(
                Correction.kind == kind, Correction.record_id == record.id, Correction.reason == purpose
            )
            known = session.exec(query).first()
            if known is not None:
                return purpose
            item = self._outbox.plan(session, purpose, "Credits", kind, arguments)
            session.add(
                Correction(
                    kind=kind,
                    record_id=record.id or 0,
                    card=record.card,
                    digest=digest,
                    delta_won=delta_won,
                    reason=purpose,
                    body=text,
                    planned_at=self._client.head().timestamp,
                    tx_hash=item.hash,
                )
            )
            session.commit()
        self._outbox.send(item)
        return purpose

    def after_block(self) -> list[Corrected]:
        """Reads the corrections that entered blocks; once each."""
        self._outbox.settle()
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Correction, Record).join(Record, col(Record.id) == col(Correction.record_id))
            waiting = session.exec(
                query.where(Correction.status == CorrectionStatus.PLANNED).order_by(col(Correction.id))
            ).all()
        items = {correction.id: self._outbox.find(correction.reason) for correction, _ in waiting}
        found: list[Corrected] = []
        with Session(self._engine) as session:
            for correction, record in waiting:
                item = items[correction.id]
                if item is None or item.status in (ItemStatus.PLANNED, ItemStatus.REFUSED):
                    continue
                booked = item.status == ItemStatus.DONE
                correction.status = CorrectionStatus.BOOKED if booked else CorrectionStatus.REFUSED
                session.add(correction)
                if booked:
                    found.append(self._corrected(correction, record, item.hash))
            session.commit()
        return found

    def _corrected(self, correction: Correction, record: Record, transaction: bytes) -> Corrected:
        events = self._client.events_of(self._client.receipt(transaction), "Credits")
        guarantor = 0
        for event in events:
            if event.name == "Adjusted":
                sign = 1 if event.args["delta_won"] > 0 else -1
                guarantor = sign * int(event.args["guarantor_won"])
        batch = next(event.args["batch"] for event in events if event.name in ("Adjusted", "Allocated"))
        return Corrected(
            correction.kind,
            batch,
            record.position,
            record.card,
            record.service_day,
            correction.delta_won,
            guarantor,
        )
