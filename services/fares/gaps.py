"""Known gaps: days of cards that a later day's signed state says were ridden, and that clearing has not heard of whole
(money.md §3, Gap and Late)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, func, select

from services.fares.tables import Batch, BatchKind, Card, Clone, Correction, CorrectionStatus, Record, Tap


@dataclass(frozen=True, slots=True)
class Gap:
    """A card's days from `after_day` (0: its first) to before `before_day` charged `won` that nobody explained."""

    card: bytes
    after_day: int
    before_day: int
    won: int

    def holds(self, service_day: int) -> bool:
        """Whether the missing states may be of this day."""
        return self.after_day <= service_day < self.before_day


def gaps_over(session: Session, service_day: int) -> list[Gap]:
    """The gaps that a day may be part of, by card."""
    found = [*_unsettled(session, service_day), *_accepted(session, service_day)]
    return sorted((gap for gap in found if gap.won > 0 and gap.holds(service_day)), key=lambda gap: gap.card)


def _unsettled(session: Session, service_day: int) -> list[Gap]:
    """Later days whose record waits because an earlier one is missing."""
    query = (
        select(Tap.card, func.min(Tap.service_day), func.min(Tap.day_start_cum_won))
        .join(Card, col(Card.card) == col(Tap.card), isouter=True)
        .where(Tap.service_day > service_day, Tap.seq > func.coalesce(Card.settled_seq, 0))
        .where(Tap.day_start_cum_won > func.coalesce(Card.settled_cum_won, 0))
        .where(col(Tap.card).not_in(select(Clone.card)))
        .group_by(col(Tap.card))
    )
    found = []
    for card, day, start_won in session.exec(query).all():
        known = session.get(Card, card) or Card(card=card)
        here = select(func.max(Tap.cum_won)).where(Tap.card == card, Tap.service_day < day)
        reached = max(known.settled_cum_won, session.exec(here).one() or 0)
        found.append(Gap(card, known.settled_day, day, start_won - reached))
    return found


def _accepted(session: Session, service_day: int) -> list[Gap]:
    """Records that were accepted over a gap, 72 hours after their day, and whose suspense still holds it."""
    query = (
        select(Record, Tap)
        .join(Batch, col(Batch.id) == col(Record.batch_id))
        .join(Tap, (col(Tap.card) == col(Record.card)) & (col(Tap.digest) == col(Record.digest)))
        .where(Batch.kind == BatchKind.DAY, Record.code == 0, Record.suspense_won > 0)
        .where(Record.service_day > service_day)
        .where(Tap.day_start_cum_won > Tap.cum_won - Record.increase_won)
    )
    found = []
    for record, tap in session.exec(query).all():
        earlier = earlier_record(session, record)
        won = tap.day_start_cum_won - (tap.cum_won - record.increase_won) - explained_won(session, record)
        found.append(Gap(record.card, earlier.service_day if earlier else 0, record.service_day, won))
    return found


def earlier_record(session: Session, record: Record) -> Record | None:
    """The accepted record of the same card before this one."""
    query = select(Record).where(Record.card == record.card, Record.code == 0, Record.seq < record.seq)
    return session.exec(query.order_by(col(Record.seq).desc()).limit(1)).first()


def settled_before(session: Session, record: Record) -> tuple[int, int]:
    """(seq, won) up to which the card was settled when the record was made: by the record before it, or by another
    clearing house since (money.md §3: after 14 days any licensed one may), whose states up to that sum count too."""
    earlier = earlier_record(session, record)
    seq, won = (earlier.seq, cum_won(session, earlier)) if earlier else (0, 0)
    before_won = cum_won(session, record) - record.increase_won
    if before_won > won:
        reached = select(func.max(Tap.seq)).where(Tap.card == record.card, Tap.seq < record.seq)
        seq = max(seq, session.exec(reached.where(Tap.cum_won <= before_won)).one() or 0)
    return seq, max(won, before_won)


def cum_won(session: Session, record: Record) -> int:
    """The card's sum in a record's state, won."""
    query = select(Tap.cum_won).where(Tap.card == record.card, Tap.digest == record.digest)
    return session.exec(query).one()


def missing_days(session: Session, record: Record) -> Mapping[int, list[Tap]]:
    """Taps that came after a record overtook their day, by day, in order of seq."""
    settled_seq, _ = settled_before(session, record)
    query = select(Tap).where(Tap.card == record.card, Tap.service_day < record.service_day)
    query = query.where(Tap.seq > settled_seq, Tap.seq < record.seq).order_by(col(Tap.seq))
    found: dict[int, list[Tap]] = {}
    for tap in session.exec(query).all():
        found.setdefault(tap.service_day, []).append(tap)
    return found


def explained_won(session: Session, record: Record) -> int:
    """What a record's suspense gave to earlier days' operators so far."""
    query = select(func.sum(Correction.delta_won)).where(
        Correction.record_id == record.id,
        Correction.kind == "allocate",
        Correction.digest != record.digest,
        Correction.status == CorrectionStatus.BOOKED,
    )
    return int(session.exec(query).one() or 0)
