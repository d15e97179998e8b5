"""Which cards a plan of settlement takes, which it leaves out, and what becomes of one that waits (money.md §3)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, col, func, or_, select

from contracts.codes import Refusal
from contracts.records import CardAccount
from services.fares.errors import SettlementError, SumFallsError
from services.fares.intake import keep_refusal
from services.fares.tables import Batch, BatchStatus, Card, Clone, Record, Tap
from services.fares.tap_journeys import StoredTap


def catch_up(session: Session, card: Card, account: CardAccount) -> None:
    """What another clearing house settled of a card that waits is settled here too (money.md §3: after 14 days any
    licensed one may): its next record goes on from there."""
    slot = account.slot
    if slot.status and slot.seq > card.settled_seq:
        card.settled_seq, card.settled_cum_won = slot.seq, slot.cum_won
        card.settled_own_won, card.settled_day = slot.own_won, slot.settled_day
        session.add(card)


def hold(session: Session, card: Card, error: SettlementError, last: StoredTap, now: int) -> None:
    """A record that cannot be made: the card waits as if the chain had refused it, and the operator sees why."""
    code = Refusal.CUM_FALLS if isinstance(error, SumFallsError) else Refusal.SUM
    if card.hold_code != code:
        card.hold_code = int(code)
        session.add(card)
        keep_refusal(session.connection(), last.reader, error, last.digest, now)


def unsettled_cards(session: Session, service_day: int, after: bytes, most: int) -> list[bytes]:
    """The next cards, `most` of them, with taps of a day above what is settled, in order."""
    query = (
        select(Tap.card)
        .join(Card, col(Card.card) == col(Tap.card), isouter=True)
        .where(Tap.service_day == service_day, Tap.card > after, Tap.seq > func.coalesce(Card.settled_seq, 0))
    )
    return list(session.exec(query.group_by(col(Tap.card)).order_by(col(Tap.card)).limit(most)).all())


def under_way(session: Session, cards: Sequence[bytes]) -> set[bytes]:
    """Those of the cards with a record in a batch that has not been read back."""
    query = select(Record.card).join(Batch, col(Record.batch_id) == col(Batch.id))
    return set(session.exec(query.where(Batch.status == BatchStatus.PLANNED, col(Record.card).in_(cards))).all())


def cloned(session: Session, cards: Sequence[bytes]) -> set[bytes]:
    """Those of the cards that intake found cloned."""
    return set(session.exec(select(Clone.card).where(col(Clone.card).in_(cards))).all())


def behind(session: Session, cards: Sequence[bytes], service_day: int) -> set[bytes]:
    """Those of the cards with unsettled taps of an earlier day, which comes first. What the chain refused for good
    holds up no later day; a card that its batch had no room for takes the next one (RANGE: a ninth guarantor)."""
    passing = (Refusal.ACCEPTED, Refusal.CAP, Refusal.GAP, Refusal.RANGE)
    lasting = [int(code) for code in Refusal if code not in passing]
    query = (
        select(Tap.card)
        .join(Card, col(Card.card) == col(Tap.card), isouter=True)
        .where(col(Tap.card).in_(cards), Tap.service_day < service_day)
        .where(Tap.seq > func.coalesce(Card.settled_seq, 0))
        .where(func.coalesce(Card.hold_code, 0).not_in(lasting))
    )
    return set(session.exec(query).all())


def forked(session: Session) -> list[bytes]:
    """Cards that clearing, or the chain, knows as forked, in order."""
    cards = set(session.exec(select(Clone.card)).all())
    return sorted(cards.union(session.exec(select(Card.card).where(Card.hold_code == int(Refusal.FORKED))).all()))


def sent(session: Session, card: bytes) -> set[bytes]:
    """Digests of a card that are settled or under way; what failed or was refused is not."""
    query = select(Record.digest).join(Batch, col(Record.batch_id) == col(Batch.id))
    open_ = or_(col(Record.code) == 0, col(Batch.status) == BatchStatus.PLANNED)
    return set(session.exec(query.where(Record.card == card).where(open_)).all())
