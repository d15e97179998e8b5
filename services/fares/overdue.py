"""What the rules leave to RISK_POOL once their times are over: one call a day for a clearing house (money.md §2, §3).

    suspense that nobody explained            90 days after the record's day    expire_suspense
    what a cap left open                      90 days after the card's month    cover_losses
    rides of a clone below what was settled   as soon as it is proven           cover_losses

A day on which it was not called is made up for by the next; what was done is not done twice.
"""

from __future__ import annotations

from sqlmodel import Session, col, func, or_, select

from contracts.codes import Refusal
from services.days import service_day_at
from services.fares.adjustments import Adjustments
from services.fares.closing import DayClosing
from services.fares.errors import NotYetError
from services.fares.limits import MAX_AGE_S
from services.fares.settlement import Settlement
from services.fares.tables import Card, Clone, Correction, CorrectionStatus, Record, Tap


def leave_to_risk_pool(settlement: Settlement, *, now: int) -> list[str]:
    """Sends everything that is due; the transactions' purposes, those of earlier calls for the same days among them.

    Suspense comes first, since it fills the pool. Raises NotYetError, once all else is sent, where the pool holds less
    than a day's losses come to.
    """
    adjustments, closing = Adjustments(settlement), DayClosing(settlement)
    with Session(settlement.engine) as session:
        suspended = _days_in_suspense(session, service_day_at(now - MAX_AGE_S) - 1)
        lost = _days_with_losses(session)
    purposes: list[str] = []
    for day in suspended:
        purposes += adjustments.expire_suspense(day, now=now)
    short: list[NotYetError] = []
    for day in lost:
        try:
            purpose = closing.cover_losses(day, now=now)
        except NotYetError as error:
            short.append(error)
        else:
            purposes += [purpose] if purpose else []
    if short:
        raise short[0]
    return purposes


def _days_in_suspense(session: Session, last_day: int) -> list[int]:
    """Service days up to `last_day` with records whose suspense is not given out whole."""
    given = (
        select(Correction.record_id, func.sum(Correction.delta_won).label("won"))
        .where(col(Correction.kind).in_(("allocate", "expire_suspense")))
        .where(Correction.status != CorrectionStatus.REFUSED)
        .group_by(col(Correction.record_id))
        .subquery()
    )
    query = (
        select(Record.service_day)
        .join(given, given.c.record_id == Record.id, isouter=True)
        .where(Record.code == 0, Record.service_day <= last_day)
        .where(Record.suspense_won > func.coalesce(given.c.won, 0))
    )
    return sorted(set(session.exec(query).all()))


def _days_with_losses(session: Session) -> list[int]:
    """Service days of proven clones, and of taps that wait behind a cap."""
    proven = select(Clone.card).where(col(Clone.reported))
    query = (
        select(Tap.service_day)
        .join(Card, col(Card.card) == col(Tap.card), isouter=True)
        .where(
            or_(
                col(Tap.card).in_(proven),
                (func.coalesce(Card.hold_code, 0) == int(Refusal.CAP)) & (Tap.seq > func.coalesce(Card.settled_seq, 0)),
            )
        )
    )
    return sorted(set(session.exec(query.distinct()).all()))
