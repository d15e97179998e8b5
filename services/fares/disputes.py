"""Disputes whole: the desk, and what was credited on its way to the chain (zeropay.md §7.1, money.md §3 Corrections).

    open, give_evidence, uphold, credit    as riders, operators and the clearing house act (dispute_desk.py)
    run(now)                               once a day or oftener: answers what is due, gives back, sees it booked

A credit goes back through `Adjustments.give_back`, each record once for each dispute, so that a crash between two steps
neither loses nor doubles it; the correction's body names the dispute. Its guarantor hears of it like of any correction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from ledger.errors import CallReverted
from services.fares import dispute_rules as rules
from services.fares import dispute_store as store
from services.fares.adjustments import Adjustments, AdjustReason
from services.fares.dispute_desk import DisputeDesk, Findings
from services.fares.dispute_pricing import portions
from services.fares.dispute_rules import Act, Actor, DisputeStatus
from services.fares.errors import NothingToAdjustError, NotYetError
from services.fares.settlement import Settlement
from services.fares.tables import CorrectionStatus, Dispute
from services.outbox import OutboxError
from wallets.disputes import DisputeCode
from wallets.presentation import Directory

REASONS: Final[Mapping[DisputeCode, AdjustReason]] = {
    DisputeCode.DOUBLE_TAP: AdjustReason.DOUBLE_TAP,
    DisputeCode.WRONG_CLASS: AdjustReason.WRONG_CLASS,
    DisputeCode.MISSING_TAP_OFF: AdjustReason.MISSING_TAP_OFF,
    DisputeCode.GATE_FAULT: AdjustReason.GATE_FAULT,
    DisputeCode.NOT_MY_RIDE: AdjustReason.NOT_MY_RIDE,
    DisputeCode.REFUND_NOT_RECEIVED: AdjustReason.OVERCHARGED,
    DisputeCode.VOUCHER_REFUSED: AdjustReason.VOUCHER_REFUSED,
}


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did: disputes it answered, purposes of the corrections it sent, and why credits wait, by dispute."""

    answered: tuple[Dispute, ...]
    purposes: tuple[str, ...]
    waiting: Mapping[bytes, str]


class Disputes(DisputeDesk):
    """The disputes of one clearing house, with its settlement and its corrections."""

    def __init__(self, settlement: Settlement, adjustments: Adjustments, directory: Directory) -> None:
        super().__init__(settlement.engine, directory)
        self._adjustments, self._house = adjustments, settlement.organisation

    def run(self, *, now: int) -> Ran:
        """Answers what is two weeks old, and gives back what was credited and is not on its way. Repeatable.

        A credit waits while its journey is not settled or in suspense, and while another correction of its record is
        under way; call again after the next block. `Adjustments.after_block` reads what was booked before.
        """
        answered = self.lapse(now=now)
        purposes: list[str] = []
        waiting: dict[bytes, str] = {}
        with Session(self._engine, expire_on_commit=False) as session:
            owed = store.credited(session)
        for dispute in owed:
            try:
                purposes += self._give_back(dispute)
            except (NotYetError, NothingToAdjustError, OutboxError) as error:
                waiting[dispute.message] = error.what
            except CallReverted as error:
                waiting[dispute.message] = f"the agreement refuses it: {error.reason}"
        return Ran(tuple(answered), tuple(purposes), waiting)

    def _give_back(self, dispute: Dispute) -> list[str]:
        """Sends what a credited dispute is owed still; the purposes. Marks it REVERSED once all of it is booked."""
        with Session(self._engine, expire_on_commit=False) as session:
            booked = store.given_for(session, dispute.card, dispute.message, CorrectionStatus.BOOKED)
            under_way = store.given_for(session, dispute.card, dispute.message, CorrectionStatus.PLANNED)
            if sum(booked.values()) == dispute.delta_won:
                dispute.status = int(rules.move(DisputeStatus(dispute.status), Act.BOOK, Actor.CHAIN))
                session.add(dispute)
                session.commit()
                return []
            found = self._of(session, dispute)
            records = store.records_of(session, dispute.card, found.journey)
        given = booked | under_way
        left = dispute.delta_won - sum(given.values())
        if not left:
            return [self._sent_again(dispute, record) for record in under_way]
        if found.record_id is not None:
            return [self._give_added(dispute, found.record_id, left)]
        return self._give_parts(dispute, found, [one for one in records if one not in given], left)

    def _sent_again(self, dispute: Dispute, record_id: int) -> str:
        """What is planned, given to the node again if it refused it; the purpose."""
        return self._adjustments.give_back(record_id, dispute.delta_won, self._reason(dispute), dispute=dispute.message)

    def _give_added(self, dispute: Dispute, record_id: int, won: int) -> str:
        with Session(self._engine) as session:
            tap = store.find_tap(session, dispute.card, dispute.seq, dispute.digest)
            operator = tap.operator if tap else 0
        return self._adjustments.give_back_added(record_id, won, operator, dispute=dispute.message)

    def _give_parts(self, dispute: Dispute, found: Findings, records: list[int], won: int) -> list[str]:
        rooms = [self._adjustments.room(record) for record in records]
        parts = portions(won, found.repriced, rooms, self._house)
        return [
            self._adjustments.give_back(
                record, sum(part.values()), self._reason(dispute), parts=part, dispute=dispute.message
            )
            for record, part in zip(records, parts, strict=True)
            if part
        ]

    @staticmethod
    def _reason(dispute: Dispute) -> AdjustReason:
        return REASONS[DisputeCode(dispute.code)]
