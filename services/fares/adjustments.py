"""Corrections of settled records (money.md §3): missing tap-offs, late taps out of suspense, overcharges given back.

Each is stored before its transaction leaves, once per record and reason; `policy` commits to its canonical body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
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

__all__ = ["AdjustReason", "Adjustments", "Corrected"]


class AdjustReason(IntEnum):
    """Why a record was corrected; the number stands in the event (zeropay.md §7.1)."""

    DOUBLE_TAP = 1
    WRONG_CLASS = 2
    MISSING_TAP_OFF = 3
    GATE_FAULT = 4
    NOT_MY_RIDE = 5
    OVERCHARGED = 6
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
            if (stored_tap(after).tap.kind == "OUT" or collected) and not self._given(record, late=True):
                parts = {tap.operator: up.delta_won}
                if tap.operator in table_of(self._chain_batch(record).table):
                    planned.append(self._down(record, up.delta_won, 0, parts, AdjustReason.LATE_TAP))
        return self._send_each(planned, now=self._now())

    def _given(self, record: Record, *, late: bool) -> int:
        """Won that came back of a record: what was added for a late tap, or all else."""
        with Session(self._engine) as session:
            query = select(Correction).where(
                Correction.record_id == record.id,
                Correction.kind == "adjust_down",
                Correction.status != CorrectionStatus.REFUSED,
            )
            rows = session.exec(query).all()
        name = AdjustReason.LATE_TAP.name
        return -sum(row.delta_won for row in rows if (json.loads(row.body)["reason"] == name) is late)

    def give_back(self, record_id: int, won: int, reason: AdjustReason) -> str:
        """Gives `won` of a settled record back, off its operators by their shares; the transaction's purpose.

        The order is guarantor, balance, voucher lots (money.md §3). Raises NothingToAdjustError where the record did
        not take as much, NotYetError while another correction of it is under way.
        """
        with Session(self._engine, expire_on_commit=False) as session:
            record = session.get(Record, record_id)
            if record is None or record.leaf is None or record.code:
                raise NothingToAdjustError(f"record {record_id} was not settled")
        given = self._given(record, late=False)
        lanes = rules.lane_credits(shares_of(record), self._settlement.organisation)
        left = sum(lanes.values()) - given
        if not 0 < won <= left:
            raise NothingToAdjustError(f"record {record_id} credits {left:,} won, not {won:,}")
        parts = dict(zip(lanes, largest_remainder(won, list(lanes.values())), strict=True))
        return self._send(self._down(record, won, given, parts, reason), now=self._now())

    def _down(
        self, record: Record, won: int, given_won: int, parts: Mapping[int, int], reason: AdjustReason
    ) -> Planned:
        batch = self._chain_batch(record)
        lots = self._lots(record, batch, leaf_of(record.leaf or b""), won)
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "delta_won": -won,
            "given_won": given_won,
            "reason": reason.name,
            "others": self._others(record, parts),
        }
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
        behind = rules.behind_others(shares_of(record), self._settlement.organisation)
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
