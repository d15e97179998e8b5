"""Settling service days on the chain: plan durably, send once, read back, keep the leaves (money.md §3).

    plan(day)     the records of a day's taps, in batches, stored with their transactions and sent
    after_block   reads what entered blocks: codes, leaves checked against the batch's root, cards' new sums
    recover       after a start, first: what a crash kept from the node is sent, what it left unread is read

A batch and its signed transaction are stored in one database transaction, so that a crash can neither lose nor double
it. A record that the chain refuses for a gap or the cap is held and tried again when it can hold; its taps are never
lost.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.codes import Refusal
from contracts.hashing import sha256
from contracts.merkle import root
from contracts.messages import FareState
from contracts.records import CardAccount, Leaf, SettlementRecord, foregone_word, leaf_of, table_word
from ledger.client import Client, Event, TransactionReceipt
from services.days import day_end
from services.fares import settlement_rules as rules
from services.fares.denylist import Reason
from services.fares.errors import BatchLostError, SettlementError
from services.fares.intake import deny, lift
from services.fares.limits import GAP_S, MAX_RECORDS_PER_PLAN
from services.fares.settlement_rules import DayRecord, Paid, PlannedBatch, Settled
from services.fares.tables import Batch, BatchStatus, Card, Clone, Journey, Record, Tap
from services.fares.tap_journeys import CardJourney, StoredTap
from services.outbox import ItemStatus, Outbox, OutboxItem
from wallets.taps import Tap as TapBody

_LOOKUP = 500  # SQLite takes a bounded number of parameters
_PREFIX = "settle:"


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """A batch read back: its number, the leaf of each record in order, and who paid each."""

    number: int
    service_day: int
    leaves: tuple[Leaf, ...]
    paid: tuple[Paid, ...]
    credits: Mapping[int, int]


def stored_tap(row: Tap) -> StoredTap:
    """A tap's row as the rules take it."""
    state = FareState(
        card=row.card,
        seq=row.seq,
        cum_won=row.cum_won,
        cum_own_won=row.cum_own_won,
        day_start_cum_won=row.day_start_cum_won,
        day_start_own_won=row.day_start_own_won,
        charge_won=row.charge_won,
        missing_out_won=row.missing_out_won,
        service_day=row.service_day,
        tap_time=row.tap_time,
        context=row.context,
    )
    return StoredTap(row.digest, state, TapBody.from_canonical(row.tap), row.reader, row.card_signature)


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

    # --- planning

    def plan(self, service_day: int, *, now: int) -> list[int]:
        """Plans and sends the records of a service day that can be settled now; the ids of their batches.

        Cards with a batch under way, a hold in force or a proven clone are left for later. Call again for what is left
        beyond the bound of one plan.
        """
        with Session(self.engine, expire_on_commit=False) as session:
            records = self._day_records(session, service_day, now)
            planned = [
                self._store(session, batch, service_day, now) for batch in rules.batches(records, self.organisation)
            ]
            session.commit()
        for _, item in planned:
            self.outbox.send(item)
        return [number for number, _ in planned]

    def _day_records(self, session: Session, service_day: int, now: int) -> list[DayRecord]:
        by_card: dict[bytes, list[Tap]] = {}
        rows = session.exec(select(Tap).where(Tap.service_day == service_day).order_by(col(Tap.card), col(Tap.seq)))
        for row in rows:
            by_card.setdefault(row.card, []).append(row)
        cards = _cards(session, by_card)
        busy = _under_way(session) | set(session.exec(select(Clone.card)).all())
        records: list[DayRecord] = []
        for card, taps in by_card.items():
            known = cards.get(card) or Card(card=card)
            ahead = [stored_tap(row) for row in taps if row.seq > known.settled_seq]
            if card in busy or known.hold_until > now or not ahead:
                continue
            settled = Settled(known.settled_seq, known.settled_cum_won, known.settled_own_won, known.settled_day)
            if known.hold_code == Refusal.CAP:
                ahead = list(rules.fitting(ahead, self._headroom(card)))
            if ahead and len(records) < MAX_RECORDS_PER_PLAN:
                records.append(rules.day_record(ahead, self.tap_before(session, ahead[0]), settled))
        return records

    def tap_before(self, session: Session, first: StoredTap) -> StoredTap | None:
        """The tap of the same card just before `first`, if clearing has it."""
        if first.state.seq == 1:
            return None
        query = select(Tap).where(Tap.card == first.state.card, Tap.seq == first.state.seq - 1)
        row = session.exec(query).first()
        return stored_tap(row) if row else None

    def account_of(self, card: bytes, block: int | str = "latest") -> CardAccount:
        """A card's slot and lots as Fares holds them."""
        return CardAccount.unpack(self.client.call("Fares", "card", [card], block=block))

    def _headroom(self, card: bytes) -> int:
        """What the card's own won and its guarantor still cover; vouchers come on top."""
        account = self.account_of(card)
        return account.slot.balance_won + account.slot.cap_won - account.slot.used_won

    def _store(self, session: Session, planned: PlannedBatch, service_day: int, now: int) -> tuple[int, OutboxItem]:
        leaves: list[bytes] = []
        rows: list[list[Journey]] = []
        for record in planned.records:
            rows.append([])
            for journey in record.journeys:
                if not journey.money:
                    continue
                money, route = rules.journey_leaves(journey, self._token)
                rows[-1].append(_journey_row(journey, len(leaves), money, route))
                leaves += [money, route]
        head = self.client.head()
        batch = Batch(
            service_day=service_day,
            partition=0,
            planned_at=now,
            journeys_root=root(leaves, sha256),
            journeys_size=len(leaves),
            from_block=head.number + 1,
        )
        session.add(batch)
        session.flush()
        number = batch.id or 0  # the flush has numbered it
        for position, record in enumerate(planned.records):
            row = _record_row(number, position, record)
            session.add(row)
            session.flush()
            for journey_row in rows[position]:
                journey_row.record_id = row.id or 0
                session.add(journey_row)
        item = self._plan_transaction(session, batch, planned)
        batch.tx_hash = item.hash
        session.add(batch)
        return number, item

    def _plan_transaction(self, session: Session, batch: Batch, planned: PlannedBatch) -> OutboxItem:
        table = table_word(planned.organisations)
        words = [
            record.record(credits).words(table)
            for record, credits in zip(planned.records, planned.credits, strict=True)
        ]
        arguments = [
            batch.service_day,
            table,
            batch.journeys_root,
            batch.journeys_size,
            [foregone_word(one, won) for one, won in planned.foregone.items()],
            words,
        ]
        return self.outbox.plan(session, f"{_PREFIX}{batch.id}", "Fares", "settle", arguments)

    # --- reading back

    def after_block(self) -> list[SettledBatch]:
        """Reads the batches that entered blocks. Repeatable. Raises SettlementError where the chain disagrees."""
        self.outbox.settle()
        with Session(self.engine, expire_on_commit=False) as session:
            waiting = session.exec(
                select(Batch).where(Batch.status == BatchStatus.PLANNED).order_by(col(Batch.id))
            ).all()
        found = [self._read(batch) for batch in waiting]
        return [one for one in found if one is not None]

    def recover(self) -> list[SettledBatch]:
        """After a start, before anything else: sends what a crash kept from the node, reads what it left unread."""
        self.outbox.recover()
        return self.after_block()

    def _read(self, batch: Batch) -> SettledBatch | None:
        item = self.outbox.find(f"{_PREFIX}{batch.id}")
        if item is None:
            raise BatchLostError(f"batch {batch.id} was planned without its transaction")
        if item.status in (ItemStatus.PLANNED, ItemStatus.REFUSED):
            return None
        receipt = self.client.receipt(item.hash)
        with Session(self.engine, expire_on_commit=False) as session:
            if not receipt.succeeded:
                batch.status = BatchStatus.FAILED
                session.add(batch)
                session.commit()
                raise SettlementError(f"batch {batch.id} reverted: {receipt.reason}")
            settled = self._apply(session, batch, receipt)
            session.commit()
        return settled

    def _apply(self, session: Session, batch: Batch, receipt: TransactionReceipt) -> SettledBatch:
        events = self.client.events_of(receipt, "Fares")
        [event] = [one for one in events if one.name == "Settled"]
        codes = {one.args["index"]: Refusal(one.args["code"]) for one in events if one.name == "Refused"}
        rows = session.exec(select(Record).where(Record.batch_id == batch.id).order_by(col(Record.position))).all()
        taps = _taps_of(session, rows)
        leaves: list[Leaf] = []
        paid: list[Paid] = []
        for row in rows:
            account = self.account_of(row.card, receipt.block_number - 1)
            tap = taps[row.digest]
            record = SettlementRecord(tap.state, tap.card_signature, {}, row.suspense_won)
            code = codes.get(row.position, Refusal.ACCEPTED)
            paid.append(rules.paid_by(record, account) if code is Refusal.ACCEPTED else Paid({}, 0, 0))
            leaves.append(rules.settlement_leaf(record, tap.digest, account, code, paid[-1]))
            row.code, row.leaf = int(code), leaves[-1].pack()
            session.add(row)
            self._move_card(session, tap, code)
        rules.check_root(leaves, event.args["records_root"])
        _mark(session, batch, event, receipt)
        return SettledBatch(event.args["batch"], batch.service_day, tuple(leaves), tuple(paid), _credits(rows, leaves))

    def _move_card(self, session: Session, tap: StoredTap, code: Refusal) -> None:
        card = session.get(Card, tap.state.card) or Card(card=tap.state.card)
        if code is Refusal.ACCEPTED:
            card.settled_seq, card.settled_cum_won = tap.state.seq, tap.state.cum_won
            card.settled_own_won, card.settled_day = tap.state.cum_own_won, tap.state.service_day
            if card.hold_code == Refusal.CAP:
                lift(session.connection(), [tap.state.card], Reason.UNPAID)
            card.hold_until, card.hold_code = 0, 0
        else:
            card.hold_code = int(code)
            # A gap may close by itself within 72 hours; the cap needs a smaller record, which the next plan makes.
            card.hold_until = day_end(tap.state.service_day) + GAP_S if code is Refusal.GAP else 0
            if code is Refusal.CAP:  # money.md §1: denied until the rider pays
                deny(session.connection(), {tap.state.card: Reason.UNPAID})
        session.add(card)


def _journey_row(journey: CardJourney, position: int, money: bytes, route: bytes) -> Journey:
    return Journey(
        record_id=0,
        position=position,
        card=journey.card,
        first_seq=journey.first_seq,
        last_seq=journey.last_seq,
        service_day=journey.service_day,
        charged_won=journey.charged_won,
        priced_won=journey.priced_won,
        finding=journey.finding.value,
        money_leaf=money,
        route_leaf=route,
    )


def _record_row(batch: int, position: int, record: DayRecord) -> Record:
    return Record(
        batch_id=batch,
        position=position,
        card=record.card,
        seq=record.last.state.seq,
        digest=record.last.digest,
        service_day=record.last.state.service_day,
        increase_won=record.increase_won,
        own_increase_won=record.own_increase_won,
        suspense_won=record.suspense_won,
        shares=json.dumps(sorted(record.credits.items()), separators=(",", ":")),
    )


def _mark(session: Session, batch: Batch, event: Event, receipt: TransactionReceipt) -> None:
    batch.status = BatchStatus.SETTLED
    batch.number = event.args["batch"]
    batch.block, batch.log_index = receipt.block_number, event.log_index
    batch.accepted, batch.refused = event.args["accepted"], event.args["refused"]
    batch.records_root = event.args["records_root"]
    session.add(batch)


def _credits(rows: Sequence[Record], leaves: Sequence[Leaf]) -> dict[int, int]:
    """Won per organisation over the accepted records, before `others` is taken apart."""
    sums: dict[int, int] = {}
    for row, leaf in zip(rows, leaves, strict=True):
        if leaf.code == 0:
            for organisation, won in json.loads(row.shares):
                sums[organisation] = sums.get(organisation, 0) + won
    return sums


def _chunks(values: Iterable[bytes]) -> Iterable[list[bytes]]:
    listed = list(values)
    return (listed[at : at + _LOOKUP] for at in range(0, len(listed), _LOOKUP))


def _cards(session: Session, cards: Iterable[bytes]) -> dict[bytes, Card]:
    found: dict[bytes, Card] = {}
    for chunk in _chunks(cards):
        found |= {row.card: row for row in session.exec(select(Card).where(col(Card.card).in_(chunk))).all()}
    return found


def _under_way(session: Session) -> set[bytes]:
    """Cards with a record in a batch that has not been read back."""
    query = select(Record.card).join(Batch, col(Record.batch_id) == col(Batch.id))
    return set(session.exec(query.where(Batch.status == BatchStatus.PLANNED)).all())


def _taps_of(session: Session, rows: Sequence[Record]) -> dict[bytes, StoredTap]:
    found: dict[bytes, StoredTap] = {}
    for chunk in _chunks(row.digest for row in rows):
        query = select(Tap).where(col(Tap.digest).in_(chunk))
        found |= {row.digest: stored_tap(row) for row in session.exec(query).all()}
    return found


def leaves_of(engine: Engine, batch_number: int) -> list[Leaf]:
    """The settlement leaves of a settled batch, in order. Raises BatchLostError for one that was not read back."""
    with Session(engine) as session:
        query = select(Record.leaf).join(Batch, col(Record.batch_id) == col(Batch.id))
        rows = session.exec(query.where(Batch.number == batch_number).order_by(col(Record.position))).all()
    if not rows or any(leaf is None for leaf in rows):
        raise BatchLostError(f"batch {batch_number} has not been read back")
    return [leaf_of(leaf) for leaf in rows if leaf is not None]
