"""Settling service days on the chain: plan durably, send once, read back, keep the leaves (money.md §3).

    plan(day)     the records of a day's taps, in batches, stored with their transactions and sent
    after_block   reads what entered blocks: codes, leaves checked against the batch's root, cards' new sums
    recover       after a start, first: what a crash kept from the node is sent, what it left unread is read
    settled       every batch read so far, for who must hear of each (after a crash between this and them)

A batch and its signed transaction are stored in one database transaction, so that a crash can neither lose nor double
it. A card whose record the chain refused is held: it is tried again once the chain's own rules (contracts/twins) would
take a record, never blindly. Its taps are never lost, and `held` shows it to the operator.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from contracts.codes import Refusal, Role
from contracts.hashing import sha256
from contracts.merkle import root
from contracts.records import CardAccount, Leaf, foregone_word, leaf_of, table_word
from contracts.twins.fares_rules import claim_of, judge, judge_fork
from ledger.client import Client
from services.days import day_end, service_day_at
from services.fares import settlement_rules as rules
from services.fares.errors import BatchLostError, SettlementError
from services.fares.limits import CARDS_PER_PARTITION, FORK_STATES_PER_BATCH, GAP_S
from services.fares.settlement_cards import behind, catch_up, cloned, forked, hold, sent, under_way, unsettled_cards
from services.fares.settlement_leaves import twin_of
from services.fares.settlement_reading import BatchReader, SettledBatch, read_again
from services.fares.settlement_rows import chunks, journey_row, record_row, stored_tap
from services.fares.settlement_rules import DayRecord, PlannedBatch, Settled
from services.fares.tables import Batch, BatchKind, BatchStatus, Card, Journey, Record, Tap
from services.fares.tap_journeys import StoredTap
from services.outbox import ItemStatus, Outbox, OutboxError, OutboxItem

PREFIX = "settle:"
__all__ = ["Held", "SettledBatch", "Settlement", "leaves_of", "stored_tap"]


@dataclass(frozen=True, slots=True)
class Held:
    """A card that waits: why its last record was refused, and that record's batch id, day and seq (0: never sent)."""

    card: bytes
    code: Refusal
    batch_id: int
    service_day: int
    seq: int


class Settlement:
    """The settlement of one clearing house; `outbox` sends with its key of purpose SETTLE."""

    def __init__(
        self,
        engine: Engine,
        client: Client,
        outbox: Outbox,
        organisation: int,
        *,
        token: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.engine, self.client, self.outbox, self.organisation = engine, client, outbox, organisation
        self._token = token
        self._operators: dict[int, bool] = {}

    # --- planning

    def plan(self, service_day: int, *, now: int) -> list[int]:
        """Plans and sends the records of a service day that can be settled now; the ids of their batches.

        Left for later are cards with a batch under way, with an earlier day unsettled, with an earlier day missing
        until 72 hours after this one, held ones that the chain would refuse again, and clones. Repeatable.
        """
        self.resend()
        self._operators.clear()
        numbers: list[int] = []
        after, partition = b"", 0
        while True:
            with Session(self.engine, expire_on_commit=False) as session:
                cards = unsettled_cards(session, service_day, after, CARDS_PER_PARTITION)
                records = self._day_records(session, cards, service_day, now)
                planned = [
                    self.store(session, batch, service_day, now, partition=partition)
                    for batch in rules.batches(records, self.organisation)
                ]
                session.commit()
            numbers += self.send(planned)
            if len(cards) < CARDS_PER_PARTITION:
                return numbers
            after, partition = cards[-1], partition + 1

    def _day_records(self, session: Session, cards: Sequence[bytes], service_day: int, now: int) -> list[DayRecord]:
        records: list[DayRecord] = []
        for chunk in chunks(cards):
            known = {row.card: row for row in session.exec(select(Card).where(col(Card.card).in_(chunk))).all()}
            left_out = under_way(session, chunk) | cloned(session, chunk) | behind(session, chunk, service_day)
            taps: dict[bytes, list[StoredTap]] = {card: [] for card in chunk}
            query = select(Tap).where(Tap.service_day == service_day, col(Tap.card).in_(chunk))
            for row in session.exec(query.order_by(col(Tap.card), col(Tap.seq))):
                taps[row.card].append(stored_tap(row))
            for card in chunk:
                if card in left_out:
                    continue
                record = self._day_record(session, known.get(card) or Card(card=card), taps[card], now)
                if record is not None:
                    records.append(record)
        return records

    def _day_record(self, session: Session, card: Card, taps: Sequence[StoredTap], now: int) -> DayRecord | None:
        account = self.account_of(card.card) if card.hold_code else None
        if account is not None:
            catch_up(session, card, account)
        settled = Settled(card.settled_seq, card.settled_cum_won, card.settled_own_won, card.settled_day)
        ahead: Sequence[StoredTap] = [tap for tap in taps if tap.state.seq > settled.seq]
        if account is not None:
            ahead = rules.fitting(ahead, account)
        if not ahead:
            return None
        last = ahead[-1].state
        if rules.gap_won(last, settled) and now < day_end(last.service_day) + GAP_S:
            return None
        first = ahead[0].tap.journey.first_seq
        opening = [tap for tap in taps if first <= tap.state.seq <= settled.seq and tap.tap.journey.first_seq == first]
        before = self.tap_before(session, (opening or ahead)[0])
        try:
            record = rules.day_record(ahead, before, settled, opening, self.is_operator)
        except SettlementError as error:
            hold(session, card, error, ahead[-1], now)
            return None
        taken = account is None or self._verdict(record, account, now, fork=False) is Refusal.ACCEPTED
        return record if taken else None

    def _verdict(self, record: DayRecord, account: CardAccount, now: int, *, fork: bool) -> Refusal:
        """What the chain would say of a record now, by the twin of Fares."""
        credits = rules.lane_credits(record.credits, self.organisation)
        table = table_word(credits)
        claim = claim_of(record.record(credits).words(table), self.client.chain_id, self.client.address("Fares"))
        card = twin_of(account) if account.slot.status else None
        today = service_day_at(now)
        if fork:
            return judge_fork(claim, card, record.card, table, self.organisation, today, set(), set())
        return judge(claim, card, record.card, table, self.organisation, today, set())

    def plan_forks(self, service_day: int, *, now: int) -> list[int]:
        """Plans and sends the single states of forked cards of a day above the fork, each digest once (money.md §2);
        the ids of their batches. States that the cap refused are tried again once it leaves room. Repeatable."""
        self.resend()
        self._operators.clear()
        with Session(self.engine, expire_on_commit=False) as session:
            records = []
            for card in forked(session):
                account = self.account_of(card)
                done = sent(session, card)
                query = select(Tap).where(Tap.card == card, Tap.service_day == service_day)
                rows = session.exec(query.where(Tap.seq > account.slot.seq).order_by(col(Tap.seq), col(Tap.digest)))
                found = [rules.fork_record(stored_tap(row)) for row in rows if row.digest not in done]
                found = [one for one in found if all(map(self.is_operator, one.credits))]
                records += [one for one in found if self._verdict(one, account, now, fork=True) is Refusal.ACCEPTED]
            planned = [
                self.store(session, batch, service_day, now, kind=BatchKind.FORK)
                for batch in rules.batches(records, self.organisation, FORK_STATES_PER_BATCH)
            ]
            session.commit()
        return self.send(planned)

    def tap_before(self, session: Session, first: StoredTap) -> StoredTap | None:
        """The tap of the same card just before `first`, if clearing has it."""
        if first.state.seq == 1:
            return None
        query = select(Tap).where(Tap.card == first.state.card, Tap.seq == first.state.seq - 1)
        row = session.exec(query).first()
        return stored_tap(row) if row else None

    def is_operator(self, organisation: int) -> bool:
        """Whether the chain lets an organisation be credited; asked once a plan."""
        if organisation not in self._operators:
            known = self.client.call("Organisations", "holds", [organisation, Role.OPERATOR])
            self._operators[organisation] = bool(known)
        return self._operators[organisation]

    def account_of(self, card: bytes, block: int | str = "latest") -> CardAccount:
        """A card's slot and lots as Fares holds them."""
        return CardAccount.unpack(self.client.call("Fares", "card", [card], block=block))

    # --- storing and sending

    def store(
        self,
        session: Session,
        planned: PlannedBatch,
        service_day: int,
        now: int,
        *,
        kind: BatchKind = BatchKind.DAY,
        partition: int = 0,
    ) -> tuple[int, OutboxItem]:
        """Stores a batch, its records, its journeys' leaves and its transaction; the batch's id and the transaction."""
        priced = [
            [(journey, *rules.journey_leaves(journey, self._token)) for journey in record.journeys if journey.money]
            for record in planned.records
        ]
        leaves = [leaf for one in priced for _, money, route in one for leaf in (money, route)]
        batch = Batch(
            kind=kind,
            service_day=service_day,
            partition=partition,
            planned_at=now,
            journeys_root=root(leaves, sha256),
            journeys_size=len(leaves),
            from_block=self.client.head().number + 1,
        )
        session.add(batch)
        session.flush()
        number = batch.id or 0  # the flush has numbered it
        rows = [record_row(number, position, record) for position, record in enumerate(planned.records)]
        session.add_all(rows)
        session.flush()
        journeys: list[Journey] = []
        for row, one in zip(rows, priced, strict=True):
            for journey, money, route in one:
                journeys.append(journey_row(row.id or 0, 2 * len(journeys), journey, money, route))
        session.add_all(journeys)
        item = self._transaction(session, batch, planned)
        batch.tx_hash = item.hash
        session.add(batch)
        return number, item

    def _transaction(self, session: Session, batch: Batch, planned: PlannedBatch) -> OutboxItem:
        table = table_word(planned.organisations)
        words = [
            record.record(credits).words(table)
            for record, credits in zip(planned.records, planned.credits, strict=True)
        ]
        purpose = f"{PREFIX}{batch.id}"
        if batch.kind == BatchKind.FORK:
            return self.outbox.plan(session, purpose, "Fares", "settle_fork", [batch.service_day, table, words])
        foregone = [foregone_word(one, won) for one, won in planned.foregone.items()]
        arguments = [batch.service_day, table, batch.journeys_root, batch.journeys_size, foregone, words]
        return self.outbox.plan(session, purpose, "Fares", "settle", arguments)

    def send(self, planned: Iterable[tuple[int, OutboxItem]]) -> list[int]:
        """Sends stored batches; their ids. Those behind one that the node refuses are sent too.

        Raises OutboxError for the first refused one; `resend` gives it to the node again.
        """
        numbers: list[int] = []
        refused: list[OutboxError] = []
        for number, item in planned:
            numbers.append(number)
            try:
                self.outbox.send(item)
            except OutboxError as error:
                refused.append(error)
        if refused:
            raise refused[0]
        return numbers

    def resend(self) -> None:
        """Gives batches that the node refused or dropped to it again."""
        for batch in self._waiting():
            self.outbox.ensure_sent(f"{PREFIX}{batch.id}")

    def _waiting(self) -> Sequence[Batch]:
        with Session(self.engine, expire_on_commit=False) as session:
            return session.exec(select(Batch).where(Batch.status == BatchStatus.PLANNED).order_by(col(Batch.id))).all()

    # --- reading back

    def after_block(self) -> list[SettledBatch]:
        """Reads the batches that entered blocks, each in a transaction of its own. Repeatable.

        Raises SettlementError, once all others are read, where one reverted (its records are planned again) or where
        the chain holds other records than these.
        """
        self.outbox.settle()
        found: list[SettledBatch] = []
        failed: list[SettlementError] = []
        reader = BatchReader(self.engine, self.client)
        for batch in self._waiting():
            item = self.outbox.find(f"{PREFIX}{batch.id}")
            try:
                if item is None:
                    raise BatchLostError(f"batch {batch.id} was planned without its transaction")
                if item.status in (ItemStatus.DONE, ItemStatus.REVERTED):
                    found.append(reader.read(batch.id or 0, item.hash))
            except SettlementError as error:
                failed.append(error)
        if failed:
            raise failed[0]
        return found

    def recover(self) -> list[SettledBatch]:
        """After a start, before anything else: sends what a crash kept from the node, reads what it left unread."""
        self.outbox.recover()
        return self.after_block()

    def settled(self, after_number: int = 0) -> list[SettledBatch]:
        """Every batch that was read back, from the tables, in the chain's order; from the one after `after_number`."""
        with Session(self.engine) as session:
            query = select(Batch).where(Batch.status == BatchStatus.SETTLED, col(Batch.number) > after_number)
            return [read_again(session, batch) for batch in session.exec(query.order_by(col(Batch.number))).all()]

    def held(self) -> list[Held]:
        """The cards whose last record was refused and not replaced by an accepted one, by card."""
        with Session(self.engine) as session:
            newest = (
                select(func.max(Record.id)).where(col(Record.code) > 0).group_by(col(Record.card)).scalar_subquery()
            )
            query = select(Record).where(col(Record.id).in_(newest))
            records = {row.card: row for row in session.exec(query).all()}
            cards = session.exec(select(Card).where(Card.hold_code != 0).order_by(col(Card.card))).all()
            return [_held(card, records.get(card.card)) for card in cards]


def _held(card: Card, record: Record | None) -> Held:
    code = Refusal(card.hold_code)
    if record is None or record.code != code:  # never sent: an older refusal is not this one
        return Held(card.card, code, 0, 0, 0)
    return Held(card.card, code, record.batch_id, record.service_day, record.seq)


def leaves_of(engine: Engine, batch_number: int) -> list[Leaf]:
    """The settlement leaves of a settled batch, in order. Raises BatchLostError for one that was not read back."""
    with Session(engine) as session:
        query = select(Record.leaf).join(Batch, col(Record.batch_id) == col(Batch.id))
        rows = session.exec(query.where(Batch.number == batch_number).order_by(col(Record.position))).all()
    if not rows or any(leaf is None for leaf in rows):
        raise BatchLostError(f"batch {batch_number} has not been read back")
    return [leaf_of(leaf) for leaf in rows if leaf is not None]
