"""What clearing holds of a disputed tap: its journey, the records that settled it, what came back of it already."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlmodel import Session, col, func, select

from contracts.codes import RiderClass
from services.fares.adjustments import AdjustReason
from services.fares.dispute_pricing import Profile, RiddenJourney
from services.fares.dispute_rules import UNANSWERED, DisputeStatus
from services.fares.settlement_rows import stored_tap
from services.fares.tables import (
    Batch,
    BatchKind,
    Certificate,
    Correction,
    CorrectionStatus,
    Dispute,
    Journey,
    Record,
    Tap,
)
from wallets.disputes import DisputeCode

_PAID: tuple[int, ...] = (DisputeStatus.CREDITED, DisputeStatus.REVERSED)


def find_tap(session: Session, card: bytes, seq: int, digest: bytes) -> Tap | None:
    """The tap of that card, number and state."""
    return session.exec(select(Tap).where(Tap.card == card, Tap.seq == seq, Tap.digest == digest)).first()


def journey_of(session: Session, tap: Tap) -> RiddenJourney:
    """The journey of a tap. Of a cloned card, the taps that follow on each other by their digests."""
    rows = session.exec(select(Tap).where(Tap.card == tap.card, Tap.first_seq == tap.first_seq)).all()
    by_digest = {row.digest: row for row in rows}
    following = {row.previous_digest: row for row in sorted(rows, key=lambda row: row.digest, reverse=True)}
    chain = [tap]
    while (earlier := by_digest.get(chain[0].previous_digest)) is not None:
        chain.insert(0, earlier)
    while (later := following.get(chain[-1].digest)) is not None:
        chain.append(later)
    query = select(Tap).where(Tap.card == tap.card, Tap.digest == chain[0].previous_digest)
    before = session.exec(query).first()
    return RiddenJourney(tuple(stored_tap(row) for row in chain), stored_tap(before) if before else None)


def journey_after(session: Session, tap: Tap) -> RiddenJourney | None:
    """The journey that begins with the card's next tap, if that begins one."""
    query = select(Tap).where(Tap.card == tap.card, Tap.previous_digest == tap.digest).order_by(col(Tap.digest))
    following = session.exec(query).first()
    if following is None or following.first_seq == tap.first_seq:
        return None
    return journey_of(session, following)


def profile_of(session: Session, tap: Tap) -> Profile:
    """What the certificate that came with a tap says."""
    found = session.get_one(Certificate, tap.certificate_id)
    return Profile(RiderClass(found.rider_class), found.modes, found.per_tap_cap_won)


# --- where the journey was settled


def records_of(session: Session, card: bytes, journey: RiddenJourney) -> list[int]:
    """The settled records that hold won of a journey, the latest first: at settling, out of suspense since, or, of a
    cloned card, one for each tap."""
    settled = select(Record.id).where(Record.card == card, Record.code == 0, col(Record.leaf).is_not(None))
    booked = select(Journey.record_id).where(Journey.card == card, Journey.first_seq == journey.first_seq)
    found = set(session.exec(settled.where(col(Record.id).in_(booked))).all())
    digests = [tap.digest for tap in journey.taps]
    forks = settled.join(Batch, col(Batch.id) == col(Record.batch_id)).where(Batch.kind == BatchKind.FORK)
    found.update(session.exec(forks.where(col(Record.digest).in_(digests))).all())
    for row in _corrections(session, card, "allocate", CorrectionStatus.BOOKED):
        if journey.first_seq in json.loads(row.body)["journeys"]:
            found.add(row.record_id)
    return sorted((one for one in found if one is not None), reverse=True)


def record_ending(session: Session, tap: Tap) -> int | None:
    """The settled record whose last state is this tap's: the one that a missing tap-off is added to."""
    query = select(Record.id).where(Record.card == tap.card, Record.digest == tap.digest, Record.code == 0)
    return session.exec(query.order_by(col(Record.id))).first()


# --- what came back


def given_for(session: Session, card: bytes, message: bytes, *statuses: CorrectionStatus) -> dict[int, int]:
    """Won that each record gave back for a dispute, in corrections of these states."""
    text = f"0x{message.hex()}"
    rows = _corrections(session, card, "adjust_down", *statuses)
    return {row.record_id: -row.delta_won for row in rows if json.loads(row.body).get("dispute") == text}


def refunded_won(session: Session, card: bytes, records: Sequence[int]) -> int:
    """Won that came back of records without a dispute, late taps apart."""
    won = 0
    for row in _corrections(session, card, "adjust_down", CorrectionStatus.PLANNED, CorrectionStatus.BOOKED):
        body = json.loads(row.body)
        if row.record_id in records and "dispute" not in body and body["reason"] != AdjustReason.LATE_TAP.name:
            won -= row.delta_won
    return won


def credited_won(session: Session, dispute: Dispute) -> dict[DisputeCode, int]:
    """Won that other disputes of the same journey brought, by code."""
    query = (
        select(Dispute.code, func.sum(Dispute.delta_won))
        .where(Dispute.card == dispute.card, Dispute.first_seq == dispute.first_seq)
        .where(Dispute.message != dispute.message, col(Dispute.status).in_(_PAID))
        .group_by(col(Dispute.code))
    )
    return {DisputeCode(code): int(won) for code, won in session.exec(query).all()}


def _corrections(session: Session, card: bytes, kind: str, *statuses: CorrectionStatus) -> Sequence[Correction]:
    query = select(Correction).where(Correction.card == card, Correction.kind == kind)
    return session.exec(query.where(col(Correction.status).in_(statuses)).order_by(col(Correction.id))).all()


# --- disputes


def find_dispute(session: Session, message: bytes) -> Dispute | None:
    """The dispute of that signed digest."""
    return session.exec(select(Dispute).where(Dispute.message == message)).first()


def unanswered(session: Session, card: bytes) -> list[Dispute]:
    """A card's disputes that wait for their answer."""
    query = select(Dispute).where(Dispute.card == card, col(Dispute.status).in_(UNANSWERED))
    return list(session.exec(query.order_by(col(Dispute.id))).all())


def due_messages(session: Session, now: int) -> Sequence[bytes]:
    """Disputes whose two weeks are over without an answer, the oldest first."""
    query = select(Dispute.message).where(col(Dispute.status).in_(UNANSWERED), Dispute.due_at <= now)
    return session.exec(query.order_by(col(Dispute.due_at), col(Dispute.id))).all()


def credited(session: Session) -> Sequence[Dispute]:
    """Disputes decided for the rider that are not on the chain whole, the oldest first."""
    query = select(Dispute).where(Dispute.status == int(DisputeStatus.CREDITED))
    return session.exec(query.order_by(col(Dispute.id))).all()
