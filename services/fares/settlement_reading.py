"""Reading settled batches back: each record's code, leaf and payers, checked against the root that the chain logged."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.codes import Refusal
from contracts.records import CardAccount, Leaf, leaf_of
from ledger.client import Client, Event, TransactionReceipt
from services.fares import settlement_leaves as leaf_rules
from services.fares.denylist import Reason
from services.fares.errors import BatchLostError, SettlementError
from services.fares.intake import deny, lift
from services.fares.settlement_leaves import NOBODY, LotPart, Paid
from services.fares.settlement_rows import chunks, shares_of, stored_tap
from services.fares.tables import Batch, BatchKind, BatchStatus, Card, Record, Tap
from services.fares.tap_journeys import StoredTap


@dataclass(frozen=True, slots=True)
class SettledBatch:
    """A batch read back: its number, the leaf of each record in order, who paid each, and the won credited to each
    organisation before `others` is put together."""

    number: int
    service_day: int
    leaves: tuple[Leaf, ...]
    paid: tuple[Paid, ...]
    credits: Mapping[int, int]


class BatchReader:
    """Reads what became of batches of one clearing house."""

    def __init__(self, engine: Engine, client: Client) -> None:
        self._engine, self._client = engine, client

    def read(self, batch_id: int, transaction: bytes) -> SettledBatch:
        """Reads one batch whose transaction is in a block, durably; all of it or nothing.

        Raises SettlementError where the transaction reverted (the batch is FAILED then) or where the chain's root is
        not that of these records.
        """
        receipt = self._client.receipt(transaction)
        with Session(self._engine, expire_on_commit=False) as session:
            batch = session.get_one(Batch, batch_id)
            if receipt.succeeded:
                settled = self._apply(session, batch, receipt)
            else:
                batch.status = BatchStatus.FAILED
            session.add(batch)
            session.commit()
        if not receipt.succeeded:
            raise SettlementError(f"batch {batch_id} reverted: {receipt.reason}")
        return settled

    def _apply(self, session: Session, batch: Batch, receipt: TransactionReceipt) -> SettledBatch:
        events = self._client.events_of(receipt, "Fares")
        [event] = [one for one in events if one.name == "Settled"]
        codes = {one.args["index"]: Refusal(one.args["code"]) for one in events if one.name == "Refused"}
        rows = session.exec(select(Record).where(Record.batch_id == batch.id).order_by(col(Record.position))).all()
        taps = _taps_of(session, rows)
        states = [(row, taps[row.digest], codes.get(row.position, Refusal.ACCEPTED)) for row in rows]
        leaves, paid = self._leaves(batch, states, receipt.block_number, event.args["records_root"])
        cards = _cards_of(session, rows)
        for (row, tap, code), leaf, payers in zip(states, leaves, paid, strict=True):
            row.code, row.leaf = int(code), leaf.pack()
            row.lots = json.dumps([astuple(lot) for lot in payers.lots], separators=(",", ":"))
            session.add(row)
            if batch.kind == BatchKind.DAY:
                _move_card(session, cards[row.card], tap, code)
        _mark(batch, event, receipt)
        return _settled(batch, rows)

    def _leaves(
        self, batch: Batch, states: Sequence[tuple[Record, StoredTap, Refusal]], block: int, records_root: bytes
    ) -> tuple[list[Leaf], list[Paid]]:
        """The leaves, from the cards as the block before left them; where that is not the root's, because this block
        changed a card before the batch, from the cards before and after: one that was refused stood as the block left
        it, if another house settled it first. Raises SettlementError where none is."""
        before = {row.card: self._account(row.card, block - 1) for row, _, _ in states}
        leaves, paid = _built(batch, states, before, None, before)
        if not leaf_rules.under_root(leaves, records_root):
            after = {row.card: self._account(row.card, block) for row, _, _ in states}
            leaves, paid = _built(batch, states, before, after, before)
            if not leaf_rules.under_root(leaves, records_root):
                leaves, paid = _built(batch, states, before, after, after)
            leaf_rules.check_root(leaves, records_root)
        return leaves, paid

    def _account(self, card: bytes, block: int) -> CardAccount:
        return CardAccount.unpack(self._client.call("Fares", "card", [card], block=block))


def _built(
    batch: Batch,
    states: Sequence[tuple[Record, StoredTap, Refusal]],
    before: Mapping[bytes, CardAccount],
    after: Mapping[bytes, CardAccount] | None,
    refused: Mapping[bytes, CardAccount],
) -> tuple[list[Leaf], list[Paid]]:
    """The leaves and payers of a batch's records; a refused record's card stood as `refused` has it."""
    leaves: list[Leaf] = []
    paid: list[Paid] = []
    spent: dict[bytes, int] = {}
    for row, tap, code in states:
        account, payers = (before if code is Refusal.ACCEPTED else refused)[row.card], NOBODY
        if batch.kind == BatchKind.FORK:
            if code is Refusal.ACCEPTED:
                payers = leaf_rules.fork_paid(tap.state, account, spent.get(row.card, 0))
                spent[row.card] = spent.get(row.card, 0) + payers.balance_won
            leaves.append(leaf_rules.fork_leaf(tap.state, tap.digest, account, code, payers))
        else:
            if code is Refusal.ACCEPTED:
                payers = (
                    leaf_rules.paid_by(tap.state, account)
                    if after is None
                    else leaf_rules.paid_between(tap.state, account, after[row.card])
                )
            leaves.append(leaf_rules.settlement_leaf(tap.state, tap.digest, account, code, payers, row.suspense_won))
        paid.append(payers)
    return leaves, paid


def _cards_of(session: Session, rows: Sequence[Record]) -> dict[bytes, Card]:
    """The projections of the records' cards; new ones are added to the session."""
    found: dict[bytes, Card] = {}
    for chunk in chunks([row.card for row in rows]):
        found |= {card.card: card for card in session.exec(select(Card).where(col(Card.card).in_(chunk))).all()}
    fresh = {row.card: Card(card=row.card) for row in rows if row.card not in found}
    session.add_all(fresh.values())
    return found | fresh


def _move_card(session: Session, card: Card, tap: StoredTap, code: Refusal) -> None:
    """The card's projection after a record. A refused card waits; over its cap it is denied until the rider pays and
    the rest of its day is settled (money.md §1)."""
    state = tap.state
    if code is not Refusal.ACCEPTED:
        card.hold_code = int(code)
        if code is Refusal.CAP:
            deny(session.connection(), {state.card: Reason.UNPAID})
        return
    card.settled_seq, card.settled_cum_won = state.seq, state.cum_won
    card.settled_own_won, card.settled_day = state.cum_own_won, state.service_day
    if card.hold_code == Refusal.CAP:
        rest = select(Tap.id).where(Tap.card == state.card, Tap.seq > state.seq, Tap.service_day <= state.service_day)
        if session.exec(rest.limit(1)).first() is not None:
            return
        lift(session.connection(), [state.card], Reason.UNPAID)
    card.hold_code = 0


def _mark(batch: Batch, event: Event, receipt: TransactionReceipt) -> None:
    batch.status = BatchStatus.SETTLED
    batch.number = event.args["batch"]
    batch.block, batch.log_index = receipt.block_number, event.log_index
    batch.accepted, batch.refused = event.args["accepted"], event.args["refused"]
    batch.records_root = event.args["records_root"]


def _taps_of(session: Session, rows: Sequence[Record]) -> dict[bytes, StoredTap]:
    found: dict[bytes, StoredTap] = {}
    for chunk in chunks(rows):
        keys = [row.digest for row in chunk]
        cards = [row.card for row in chunk]
        # The index is by card; digests alone would read the whole table.
        query = select(Tap).where(col(Tap.card).in_(cards), col(Tap.digest).in_(keys))
        found |= {row.digest: stored_tap(row) for row in session.exec(query).all()}
    return found


def read_again(session: Session, batch: Batch) -> SettledBatch:
    """A batch that was read back before, from the tables. Raises BatchLostError for one that was not."""
    if batch.number is None:
        raise BatchLostError(f"batch {batch.id} has not been read back")
    rows = session.exec(select(Record).where(Record.batch_id == batch.id).order_by(col(Record.position))).all()
    return _settled(batch, rows)


def _settled(batch: Batch, rows: Sequence[Record]) -> SettledBatch:
    leaves = [leaf_of(row.leaf or b"") for row in rows]
    paid = [
        Paid(tuple(LotPart(*lot) for lot in json.loads(row.lots)), leaf.balance_won, leaf.guarantor_won)
        for row, leaf in zip(rows, leaves, strict=True)
    ]
    credits: dict[int, int] = {}
    for row in rows:
        if row.code == 0:
            for organisation, won in shares_of(row).items():
                credits[organisation] = credits.get(organisation, 0) + won
    return SettledBatch(batch.number or 0, batch.service_day, tuple(leaves), tuple(paid), credits)
