"""Corrections of settled records (money.md §3): missing tap-offs, late taps out of suspense, overcharges given back.

Each is stored before its transaction leaves, once per record and reason; `policy` commits to its canonical body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

import rfc8785
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from contracts.hashing import sha256
from contracts.records import Batch as ChainBatch
from contracts.records import Leaf, lapsed_lot_word, leaf_of, lot_word, state_words, sums_word, table_of
from services.days import day_end
from services.fares import settlement_rules as rules
from services.fares.allocations import Allocations
from services.fares.corrections import Corrected, Planned
from services.fares.errors import NothingToAdjustError, NotYetError
from services.fares.limits import LOTS_PER_CORRECTION, RECEIVABLE_S
from services.fares.settlement_leaves import LotPart
from services.fares.settlement_rows import shares_of, stored_tap
from services.fares.splits import DEFAULT_POLICY, largest_remainder
from services.fares.tables import Batch, Card, Clone, Correction, CorrectionStatus, Record, Tap
from services.fares.tap_journeys import StoredTap

__all__ = ["AdjustReason", "Adjustments", "Corrected", "added_won"]


class AdjustReason(IntEnum):
    """Why a record was corrected; the number stands in the event (zeropay.md §7.1)."""

    DOUBLE_TAP = 1
    WRONG_CLASS = 2
    MISSING_TAP_OFF = 3
    GATE_FAULT = 4
    NOT_MY_RIDE = 5
    OVERCHARGED = 6
    VOUCHER_REFUSED = 7
    LATE_TAP = 9


class Adjustments(Allocations):
    """The corrections of one clearing house, beside its `Settlement`."""

    # --- up: a missing tap-off

    def missing_tap_offs(self, service_day: int, *, now: int) -> list[str]:
        """Adjusts up every record of a day that ends in a tap-on whose tap-off never came; the purposes.

        Only while the record is its card's last one and no later tap of the card is known: a later tap-on collects
        the missing tap-off itself. Raises NotYetError before 72 hours.
        """
        if now < day_end(service_day) + RECEIVABLE_S:
            raise NotYetError(f"missing tap-offs of day {service_day} are collected 72 hours after its end")
        later = aliased(Tap)
        with Session(self._engine, expire_on_commit=False) as session:
            query = (
                select(Record, Tap)
                .join(Tap, (col(Tap.card) == col(Record.card)) & (col(Tap.digest) == col(Record.digest)))
                .join(Card, col(Card.card) == col(Record.card))
                .where(Record.service_day == service_day, Record.code == 0, Tap.missing_out_won > 0)
                .where(col(Card.settled_seq) == col(Record.seq))
                .where(~select(later.id).where(later.card == Record.card, later.seq > Record.seq).exists())
                .where(col(Record.card).not_in(select(Clone.card)))
                .order_by(col(Record.id))
            )
            found = session.exec(query).all()
        return self._send_each((self._up(record, stored_tap(tap)) for record, tap in found), now=now)

    def _up(self, record: Record, tap: StoredTap) -> Planned:
        won = tap.state.missing_out_won
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "delta_won": won,
            "reason": AdjustReason.MISSING_TAP_OFF.name,
            "policy": DEFAULT_POLICY,
        }
        arguments = [
            list(state_words(tap.state)),
            tap.tap.operator,
            int(AdjustReason.MISSING_TAP_OFF),
            sha256(rfc8785.dumps(body)),
        ]
        return Planned("adjust_up", record, tap.digest, won, body, arguments)

    # --- down: too much was charged

    def return_missing_tap_offs(self, service_day: int) -> list[str]:
        """Gives back what was added for missing tap-offs of a day whose tap-off came after all, or which a later
        tap-on had collected itself and was not known yet; the purposes."""
        following = aliased(Tap)
        with Session(self._engine, expire_on_commit=False) as session:
            query = (
                select(Correction, Record, Tap, following)
                .join(Record, col(Record.id) == col(Correction.record_id))
                .join(Tap, (col(Tap.card) == col(Record.card)) & (col(Tap.digest) == col(Record.digest)))
                .join(following, (col(following.card) == col(Record.card)) & (col(following.seq) == Record.seq + 1))
                .where(Correction.kind == "adjust_up", Correction.status == CorrectionStatus.BOOKED)
                .where(Record.service_day == service_day, col(Record.card).not_in(select(Clone.card)))
                .order_by(col(Correction.id))
            )
            found = session.exec(query).all()
        planned = []
        for up, record, tap, after in found:
            collected = after.tap_time - tap.tap_time <= RECEIVABLE_S
            given = self._given(record, added=True)
            left = up.delta_won - given
            due = left and (stored_tap(after).tap.kind == "OUT" or collected)
            if due and tap.operator in table_of(self._chain_batch(record).table):
                planned.append(self._down(record, left, given, {tap.operator: left}, AdjustReason.LATE_TAP))
        return self._send_each(planned, now=self._now())

    def _downs(self, record: Record) -> Sequence[Correction]:
        with Session(self._engine, expire_on_commit=False) as session:
            return _downs(session, record.id or 0)

    def _given(self, record: Record, *, added: bool) -> int:
        """Won that came back of a record: of what was added for a missing tap-off, or of all else."""
        return -sum(row.delta_won for row in self._downs(record) if _of_added(row) is added)

    def _settled(self, record_id: int) -> Record:
        with Session(self._engine, expire_on_commit=False) as session:
            record = session.get(Record, record_id)
        if record is None or record.leaf is None or record.code:
            raise NothingToAdjustError(f"record {record_id} was not settled")
        return record

    def room(self, record_id: int) -> dict[int, int]:
        """What each account that a record credited, at settling or out of its suspense since, can give back still.

        Raises NothingToAdjustError for a record that was not settled.
        """
        record = self._settled(record_id)
        house = self._settlement.organisation
        left = rules.lane_credits(shares_of(record), house)
        table = table_of(self._chain_batch(record).table)
        for allocated in self._allocated_shares(record):
            for one, won in rules.lane_credits(allocated, house).items():
                if one in table:  # an account beyond the batch's cannot be named to Credits
                    left[one] = left.get(one, 0) + won
        for row in self._downs(record):
            for one, won in json.loads(row.body)["parts"] if not _of_added(row) else ():
                left[one] -= won
        return left

    def _allocated_shares(self, record: Record) -> list[dict[int, int]]:
        with Session(self._engine) as session:
            query = select(Correction.body).where(
                Correction.record_id == record.id,
                Correction.kind == "allocate",
                Correction.status == CorrectionStatus.BOOKED,
            )
            return [dict(json.loads(body)["shares"]) for body in session.exec(query.order_by(col(Correction.id))).all()]

    def give_back(
        self,
        record_id: int,
        won: int,
        reason: AdjustReason,
        *,
        parts: Mapping[int, int] | None = None,
        dispute: bytes = b"",
    ) -> str:
        """Gives `won` of a settled record back, off its accounts by their shares or as `parts` says (account → won, no
        more than its `room`); the transaction's purpose.

        dispute: digest of the rider's dispute that it answers; a record gives back once for each. The order is
        guarantor, balance, voucher lots (money.md §3). Raises NothingToAdjustError where the record did not take as
        much, NotYetError while another correction of it is under way, CallReverted where the agreement refuses it.
        """
        record = self._settled(record_id)
        if (known := self._given_for(record, dispute)) is not None:
            return known
        room = self.room(record_id)
        left = sum(room.values())
        if parts is None and 0 < won <= left:
            parts = dict(zip(room, largest_remainder(won, list(room.values())), strict=True))
        if parts is None or not 0 < won <= left or won != sum(parts.values()):
            raise NothingToAdjustError(f"record {record_id} can give back {left:,} won, not {won:,}")
        if any(not 0 <= part <= room.get(one, 0) for one, part in parts.items()):
            raise NothingToAdjustError(f"accounts of record {record_id} hold less than is asked of them")
        given = self._given(record, added=False)
        return self._send(self._down(record, won, given, parts, reason, dispute=dispute), now=self._now())

    def give_back_added(self, record_id: int, won: int, operator: int, *, dispute: bytes) -> str:
        """Gives back of what was added for a missing tap-off to `operator`, as `give_back`; the purpose."""
        record = self._settled(record_id)
        if (known := self._given_for(record, dispute)) is not None:
            return known
        with Session(self._engine) as session:
            left = added_won(session, record_id)
        if not 0 < won <= left or operator not in table_of(self._chain_batch(record).table):
            raise NothingToAdjustError(f"record {record_id} was added {left:,} won that can come back, not {won:,}")
        given, reason = self._given(record, added=True), AdjustReason.MISSING_TAP_OFF
        planned = self._down(record, won, given, {operator: won}, reason, dispute=dispute, added=True)
        return self._send(planned, now=self._now())

    def _given_for(self, record: Record, dispute: bytes) -> str | None:
        """The purpose of what a record gave back for a dispute already."""
        for row in self._downs(record) if dispute else ():
            if json.loads(row.body).get("dispute") == _hex(dispute):
                self._outbox.ensure_sent(row.reason)
                return row.reason
        return None

    def _refused_for(self, record: Record, dispute: bytes) -> int:
        """How often the agreement refused in a block what a record was to give back for a dispute."""
        with Session(self._engine) as session:
            query = select(Correction.body).where(Correction.record_id == record.id, Correction.kind == "adjust_down")
            bodies = session.exec(query.where(Correction.status == CorrectionStatus.REFUSED)).all()
        return sum(json.loads(body).get("dispute") == _hex(dispute) for body in bodies)

    def _down(
        self,
        record: Record,
        won: int,
        given_won: int,
        parts: Mapping[int, int],
        reason: AdjustReason,
        *,
        dispute: bytes = b"",
        added: bool = False,
    ) -> Planned:
        batch = self._chain_batch(record)
        lots = self._lots(record, batch, leaf_of(record.leaf or b""), won)
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "delta_won": -won,
            "given_won": given_won,
            "reason": reason.name,
            "parts": [[one, part] for one, part in sorted(parts.items()) if part],
            "others": self._others(record, parts),
        }
        if dispute:
            body["dispute"] = _hex(dispute)
            if refused := self._refused_for(record, dispute):
                body["refused_before"] = refused  # another transaction, not the refused one again
        if added:
            body["added"] = True
        arguments = [
            sums_word(batch.table, {one: part for one, part in parts.items() if part}),
            lots,
            self._guarantor(record),
            int(reason),
            sha256(rfc8785.dumps(body)),
        ]
        return Planned("adjust_down", record, record.digest, -won, body, arguments)

    def _others(self, record: Record, parts: Mapping[int, int]) -> list[list[int]]:
        """What the operators behind `others` give back of its part: [organisation, -won] each."""
        behind: dict[int, int] = {}
        for shares in (shares_of(record), *self._allocated_shares(record)):
            for one, won in rules.behind_others(shares, self._settlement.organisation).items():
                behind[one] = behind.get(one, 0) + won
        if not behind:
            return []
        taken = largest_remainder(parts.get(self._settlement.organisation, 0), list(behind.values()))
        return [[one, -won] for one, won in zip(behind, taken, strict=True) if won]

    def _guarantor(self, record: Record) -> int:
        """Who stood behind the card, where it was swept since; 0 while Fares knows it."""
        if self._settlement.account_of(record.card).slot.status:
            return 0
        with Session(self._engine) as session:
            block = session.get_one(Batch, record.batch_id).block
        return self._settlement.account_of(record.card, block or 0).slot.guarantor

    def _lots(self, record: Record, batch: ChainBatch, leaf: Leaf, won: int) -> list[int]:
        """Words of the lots that take their part of `won` back: those that paid, live or lapsed; then, for what a late
        day moved to lots, live ones usable on the record's day."""
        slot = self._slot(batch.number, record.position)
        kept = leaf.guarantor_won + slot.up_guarantor_won - slot.resourced_guarantor_won - slot.back_guarantor_won
        kept += leaf.balance_won + slot.up_balance_won - slot.resourced_balance_won - slot.back_balance_won
        left, skip = max(0, won - kept), slot.back_voucher_won
        live = {lot.lot_no: lot for lot in self._settlement.account_of(record.card).lots.values()}
        words: list[int] = []
        for paid in (LotPart(*part) for part in json.loads(record.lots)):
            skipped = min(skip, paid.won)
            skip -= skipped
            lot = live.pop(paid.lot_no, None)
            room = paid.won - skipped if lot is None else min(paid.won - skipped, lot.won - lot.remaining_won)
            part = min(left, room)
            if part:
                lapsed = lapsed_lot_word(part, paid.rule_set, paid.last_service_day)
                words.append(lapsed if lot is None else lot_word(part, paid.lot_no))
                left -= part
        for lot in live.values():
            part = min(left, lot.won - lot.remaining_won)
            if part and lot.start_day <= record.service_day <= lot.last_service_day:
                words.append(lot_word(part, lot.lot_no))
                left -= part
        if left or len(words) > LOTS_PER_CORRECTION:
            raise NothingToAdjustError(f"{left:,} won of vouchers have no lot to go back to")
        return words


def added_won(session: Session, record_id: int) -> int:
    """What was added to a record for a missing tap-off and has not come back."""
    query = select(Correction.delta_won).where(
        Correction.record_id == record_id,
        Correction.kind == "adjust_up",
        Correction.status == CorrectionStatus.BOOKED,
    )
    added = sum(session.exec(query).all())
    return added + sum(row.delta_won for row in _downs(session, record_id) if _of_added(row))


def _downs(session: Session, record_id: int) -> Sequence[Correction]:
    """What was given back of a record, or is under way."""
    query = select(Correction).where(
        Correction.record_id == record_id,
        Correction.kind == "adjust_down",
        Correction.status != CorrectionStatus.REFUSED,
    )
    return session.exec(query.order_by(col(Correction.id))).all()


def _of_added(row: Correction) -> bool:
    """Whether something given back was part of what had been added for a missing tap-off."""
    body = json.loads(row.body)
    return body["reason"] == AdjustReason.LATE_TAP.name or "added" in body


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"
