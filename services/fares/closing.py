"""What follows settling: proven clones, closed days, released credits, the account `others` (money.md §2, §3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from contracts.client import decode_call
from contracts.codes import Refusal
from contracts.hashing import sha256
from contracts.records import Batch as ChainBatch
from contracts.records import Leaf, lanes_of, signature_words, state_words, sums_word, table_of, table_word
from contracts.twins.fares_rules import WINDOW_DAYS
from ledger.client import Client
from services.days import day_end, service_day_at
from services.fares import settlement_rules as rules
from services.fares.credit_batches import CreditBatches, chain_batch, is_releasable, is_released, waiting_won
from services.fares.errors import NotYetError, SettlementError
from services.fares.gaps import gaps_over
from services.fares.limits import (
    BATCHES_PER_RELEASE,
    CLOSE_EARLIEST_S,
    CLOSE_LATEST_S,
    CREDITED_ACCOUNTS,
    RELEASE_S,
    TABLES_PER_DISTRIBUTION,
)
from services.fares.settlement import PREFIX, Settlement, leaves_of
from services.fares.settlement_leaves import FORKED
from services.fares.settlement_rows import shares_of, stored_tap
from services.fares.tables import (
    Batch,
    BatchKind,
    BatchStatus,
    Card,
    Clone,
    Closing,
    Correction,
    CorrectionStatus,
    CreditBatch,
    Record,
    Tap,
)
from services.fares.tap_journeys import StoredTap
from services.outbox import ItemStatus, Outbox

_RISK_POOL = 3  # its place in Credits.totals


@dataclass(frozen=True, slots=True)
class ForkBatch:
    """Single states of forked cards as the chain booked them."""

    number: int
    leaves: tuple[Leaf, ...]


class DayClosing:
    """The closing acts of one clearing house, beside its `Settlement`."""

    def __init__(self, settlement: Settlement) -> None:
        self._settlement = settlement
        self._engine: Engine = settlement.engine
        self._client: Client = settlement.client
        self._outbox: Outbox = settlement.outbox
        self._credits = CreditBatches(settlement.engine, settlement.client)

    # --- clones

    def prove_clones(self) -> list[bytes]:
        """Brings every clone that intake found, and that the chain does not know as forked, there; the cards.

        Repeatable. A clone counts as reported once the chain says so; a card that is not enrolled cannot be proven.
        """
        with Session(self._engine, expire_on_commit=False) as session:
            clones = session.exec(select(Clone).where(col(Clone.reported).is_(False)).order_by(col(Clone.card))).all()
            pairs = {
                clone.card: [_tap(session, clone.first_digest), _tap(session, clone.second_digest)] for clone in clones
            }
        sent, forked = [], []
        for card, pair in pairs.items():
            status = self._settlement.account_of(card).slot.status
            if status == FORKED:
                forked.append(card)
            elif status:
                self._outbox.once(f"clone:{card.hex()}", "Fares", "prove_clone", [_words(one) for one in pair])
                sent.append(card)
        with Session(self._engine) as session:
            for clone in clones:
                if clone.card in forked:
                    clone.reported = True
                    session.merge(clone)
            session.commit()
        return sent

    def settle_forks(self, service_day: int, *, now: int | None = None) -> list[str]:
        """Settles the single states of forked cards of a day above what was settled at the fork, each once; the
        transactions' purposes. `Settlement.after_block` reads them. now: the head's time unless given."""
        time = self._client.head().timestamp if now is None else now
        return [f"{PREFIX}{number}" for number in self._settlement.plan_forks(service_day, now=time)]

    def read_forks(self, purposes: Sequence[str]) -> list[ForkBatch]:
        """The leaves of fork batches that were read back. Raises OutboxError for one that is not in a block."""
        found = []
        for purpose in purposes:
            self._outbox.require_done(purpose)
            with Session(self._engine) as session:
                number = session.get_one(Batch, int(purpose.removeprefix(PREFIX))).number
            found.append(ForkBatch(number or 0, tuple(leaves_of(self._engine, number or 0))))
        return found

    def cover_losses(self, service_day: int, *, now: int) -> str | None:
        """Has RISK_POOL pay the operators what nobody else does (money.md §2, §3): a day's older losing states of
        forked cards, at or below the fork and not in the history of what was settled; and what a cap left open, once
        the chain takes no record of the card any more, 90 days after its month, so that it cannot be paid twice.

        The transaction's purpose, None for nothing. Repeatable; what came late goes in another. Raises NotYetError
        where the pool holds less.
        """
        with Session(self._engine) as session:
            cards = session.exec(select(Clone.card).where(col(Clone.reported)).order_by(col(Clone.card))).all()
            parts = [_losses(session, card, service_day) for card in cards]
            parts += self._unpaid(session, service_day, now)
        lost: dict[int, int] = {}
        for part in parts:
            for one, won in part.items():
                lost[one] = lost.get(one, 0) + won
        pool = self._client.call("Credits", "totals")[_RISK_POOL]
        return self._pay_out("cover", service_day, lost, pool)

    def _unpaid(self, session: Session, service_day: int, now: int) -> list[dict[int, int]]:
        """Won per operator of a day's taps that a cap left open for good, card by card."""
        query = (
            select(Tap)
            .join(Card, col(Card.card) == col(Tap.card))
            .where(Tap.service_day == service_day, Card.hold_code == int(Refusal.CAP), Tap.seq > Card.settled_seq)
        )
        taps: dict[bytes, list[StoredTap]] = {}
        for row in session.exec(query.order_by(col(Tap.card), col(Tap.seq))).all():
            taps.setdefault(row.card, []).append(stored_tap(row))
        found = []
        for card, open_ in taps.items():
            slot = self._settlement.account_of(card).slot
            if slot.status and service_day_at(now) <= slot.last_day + WINDOW_DAYS:
                continue
            before = self._settlement.tap_before(session, open_[0])
            for journey in rules.journeys_above(open_, before, [], self._settlement.is_operator):
                found.append(dict(journey.shares))
        return found

    # --- days

    def close_day(self, service_day: int, *, now: int) -> None:
        """Says that all records of a day are in; once.

        Raises NotYetError before 72 hours, while records wait, and while a gap over the day is known before day 30.
        """
        if now < day_end(service_day) + CLOSE_EARLIEST_S:
            raise NotYetError(f"day {service_day} closes 72 hours after its end at the earliest")
        if self._client.call("Fares", "is_closed", [self._settlement.organisation, service_day]):
            return
        with Session(self._engine) as session:
            self._check_closable(session, service_day, now)
            if session.get(Closing, service_day) is None:
                session.add(Closing(service_day=service_day, planned_at=now))
                session.commit()
        item = self._outbox.once(f"close:{service_day}", "Fares", "close_day", [service_day])
        with Session(self._engine) as session:
            session.get_one(Closing, service_day).tx_hash = item.hash
            session.commit()

    def _check_closable(self, session: Session, service_day: int, now: int) -> None:
        waiting = select(Batch.id).where(Batch.service_day == service_day, Batch.status == BatchStatus.PLANNED)
        if session.exec(waiting.limit(1)).first() is not None:
            raise NotYetError(f"day {service_day} has batches that are not in a block")
        unsettled = (
            select(func.count(func.distinct(Tap.card)))
            .join(Card, col(Card.card) == col(Tap.card), isouter=True)
            .where(Tap.service_day == service_day, Tap.seq > func.coalesce(Card.settled_seq, 0))
            # A card that its batch had no room for (a ninth guarantor) is settled by the next one.
            .where(func.coalesce(Card.hold_code, 0).in_((0, int(Refusal.RANGE))))
            .where(col(Tap.card).not_in(select(Clone.card)))
        )
        if count := session.exec(unsettled).one():
            raise NotYetError(f"day {service_day} has {count} cards whose taps are not settled")
        if now < day_end(service_day) + CLOSE_LATEST_S and (gaps := gaps_over(session, service_day)):
            raise NotYetError(f"day {service_day} misses states of {len(gaps)} cards")

    # --- credits

    def releasable(self, *, now: int, silence_s: int = RELEASE_S) -> list[ChainBatch]:
        """Batches older than the silence, paid in by their guarantors, with credits that wait, in order.

        Credits objected to wait for the end of their objection.
        """
        self._credits.read()
        paid: dict[int, int] = {}
        found = []
        for row in self._credits.waiting():
            batch = chain_batch(row)
            if batch.settled_at + silence_s > now or not is_releasable(row):
                continue
            for part in batch.guarantors:
                if part.guarantor not in paid:
                    paid[part.guarantor] = self._client.call("Credits", "owed_by", [part.guarantor])[1]
            if all(paid[part.guarantor] >= part.owed_through_won for part in batch.guarantors):
                found.append(batch)
        return found

    def pending(self) -> list[Mapping[int, int]]:
        """Credits that are not payable yet, per batch: organisation → won."""
        self._credits.read()
        return [waiting_won(row) for row in self._credits.waiting()]

    def release(self, name: str, batches: Sequence[ChainBatch]) -> list[str]:
        """Asks for the release of these batches; the purposes of the transactions, named by what they release, so that
        asking again after a crash fits whatever was released before. Reverts show what is unpaid."""
        purposes = []
        for at in range(0, len(batches), BATCHES_PER_RELEASE):
            chunk = batches[at : at + BATCHES_PER_RELEASE]
            content = sha256(json.dumps([batch.number for batch in chunk]).encode()).hex()[:16]
            purposes.append(f"release:{name}:{content}")
            self._outbox.once(purposes[-1], "Credits", "release", [[batch.fields() for batch in chunk]])
        return purposes

    def distribute(self, service_day: int) -> str | None:
        """Empties what a day's released batches put into `others` to the operators behind it; the transaction's
        purpose, None where nothing waits. What came since an earlier distribution of the day goes in another.

        Raises NotYetError where the chain holds less than the records' shares come to.
        """
        held = self._client.call("Credits", "others", [self._settlement.organisation])
        return self._pay_out("distribute", service_day, self._behind_others(service_day), held)

    def _pay_out(self, function: str, service_day: int, won: Mapping[int, int], held_won: int) -> str | None:
        """Credits operators out of `held_won` with what they did not get by earlier calls of a day."""
        number, given = self._given(function, service_day)
        due = {one: won[one] - given.get(one, 0) for one in sorted(won) if won[one] > given.get(one, 0)}
        if not due:
            return f"{function}:{service_day}:{number - 1}" if number else None
        if sum(due.values()) > held_won:
            raise NotYetError(f"{function}: {held_won:,} won are there, {sum(due.values()):,} are due")
        organisations = list(due)[: CREDITED_ACCOUNTS * TABLES_PER_DISTRIBUTION]
        tables, sums = [], []
        for at in range(0, len(organisations), CREDITED_ACCOUNTS):
            chunk = organisations[at : at + CREDITED_ACCOUNTS]
            tables.append(table_word(chunk))
            sums.append(sums_word(tables[-1], {one: due[one] for one in chunk}))
        purpose = f"{function}:{service_day}:{number}"
        self._outbox.once(purpose, "Credits", function, [service_day, tables, sums])
        return purpose

    def _given(self, function: str, service_day: int) -> tuple[int, dict[int, int]]:
        """How many of these calls were sent for a day, and the won that each operator got by them."""
        found: dict[int, int] = {}
        number = 0
        while (item := self._outbox.find(f"{function}:{service_day}:{number}")) is not None:
            number += 1
            self._outbox.ensure_sent(item.purpose)
            if item.status == ItemStatus.REVERTED:
                continue
            _, (_, tables, sums) = decode_call("Credits", item.data)
            for table, lanes in zip(tables, sums, strict=True):
                for one, won in zip(table_of(table), lanes_of(lanes), strict=False):
                    found[one] = found.get(one, 0) + won
        return number, found

    def _behind_others(self, service_day: int) -> dict[int, int]:
        """Won per operator that stand on the chain as the house's `others`: of a day's released batches, less what
        corrections took from it, and of released allocations."""
        house = self._settlement.organisation
        self._credits.read()
        found: dict[int, int] = {}
        with Session(self._engine) as session:
            query = (
                select(Record, CreditBatch)
                .join(Batch, col(Batch.id) == col(Record.batch_id))
                .join(CreditBatch, col(CreditBatch.number) == col(Batch.number))
                .where(Record.service_day == service_day, Record.code == 0)
            )
            for record, credits in session.exec(query).all():
                if not is_released(credits):
                    continue
                for one, won in rules.behind_others(shares_of(record), house).items():
                    found[one] = found.get(one, 0) + won
                for one, won in _corrected(session, record).items():
                    found[one] = found.get(one, 0) + won
        return found


def _corrected(session: Session, record: Record) -> dict[int, int]:
    """What booked corrections of a record changed behind `others`."""
    query = select(Correction).where(Correction.record_id == record.id, Correction.status == CorrectionStatus.BOOKED)
    found: dict[int, int] = {}
    for correction in session.exec(query).all():
        for one, won in json.loads(correction.body).get("others", []):
            found[one] = found.get(one, 0) + won
    return found


def _losses(session: Session, card: bytes, service_day: int) -> dict[int, int]:
    """Won per operator of a forked card's losing states of a day. Where a state of the settled history is missing,
    nothing older is judged before it comes."""
    taps = session.exec(select(Tap).where(Tap.card == card)).all()
    by_digest = {tap.digest: tap for tap in taps}
    settled = select(Record.digest).join(Batch, col(Batch.id) == col(Record.batch_id))
    settled = settled.where(Batch.kind == BatchKind.DAY, Record.card == card, Record.code == 0)
    tip = by_digest.get(session.exec(settled.order_by(col(Record.seq).desc()).limit(1)).first() or b"")
    if tip is None:
        return {}
    last_seq, oldest, history = tip.seq, tip, set[bytes]()
    while tip is not None:
        history.add(tip.digest)
        oldest, tip = tip, by_digest.get(tip.previous_digest)
    found: dict[int, int] = {}
    for tap in taps:
        judged = oldest.seq <= tap.seq <= last_seq and tap.service_day == service_day
        if judged and tap.digest not in history and tap.charge_won:
            found[tap.operator] = found.get(tap.operator, 0) + tap.charge_won
    return found


def _tap(session: Session, digest: bytes) -> StoredTap:
    row = session.exec(select(Tap).where(Tap.digest == digest)).first()
    if row is None:
        raise SettlementError(f"the tap 0x{digest.hex()} of a clone is not stored")
    return stored_tap(row)


def _words(tap: StoredTap) -> tuple[int, ...]:
    """A record without credits: what prove_clone reads of a state."""
    return (*state_words(tap.state), *signature_words(tap.card_signature), 0)
