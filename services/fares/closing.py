"""What follows settling: proven clones, closed days, released credits, the account `others` (money.md §2, §3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.client import decode_call
from contracts.codes import Refusal
from contracts.records import Batch as ChainBatch
from contracts.records import (
    Leaf,
    SettlementRecord,
    lanes_of,
    record_of,
    signature_words,
    state_words,
    sums_word,
    table_of,
    table_word,
)
from ledger.client import Client
from services.days import day_end
from services.fares import settlement_rules as rules
from services.fares.chain_batches import read_batches
from services.fares.errors import NotYetError, SettlementError
from services.fares.limits import CLOSE_EARLIEST_S, CREDITED_ACCOUNTS
from services.fares.settlement import Settlement, stored_tap
from services.fares.tables import Batch, BatchStatus, Clone, Closing, Record, Tap
from services.fares.tap_journeys import StoredTap
from services.outbox import Outbox

_RELEASE_BATCHES = 16  # that one release takes
_FORK_RECORDS = 32  # that one settle_fork takes


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

    # --- clones

    def prove_clones(self) -> list[bytes]:
        """Brings every clone that intake found, and that is not forked yet, to the chain; the cards. Repeatable."""
        with Session(self._engine, expire_on_commit=False) as session:
            clones = session.exec(select(Clone).where(col(Clone.reported).is_(False)).order_by(col(Clone.card))).all()
            pairs = {
                clone.card: [_tap(session, clone.first_digest), _tap(session, clone.second_digest)] for clone in clones
            }
        for card, pair in pairs.items():
            self._outbox.once(f"clone:{card.hex()}", "Fares", "prove_clone", [_words(one) for one in pair])
        with Session(self._engine) as session:
            for clone in clones:
                clone.reported = True
                session.merge(clone)
            session.commit()
        return list(pairs)

    def settle_forks(self, service_day: int) -> list[str]:
        """Settles the single states of forked cards of a day above what was settled at the fork, each once."""
        with Session(self._engine, expire_on_commit=False) as session:
            cards = session.exec(select(Clone.card).order_by(col(Clone.card))).all()
            query = select(Tap).where(Tap.service_day == service_day, col(Tap.card).in_(cards))
            rows = session.exec(query.order_by(col(Tap.card), col(Tap.seq), col(Tap.digest))).all()
        settled = {card: self._settlement.account_of(card).slot.seq for card in cards}
        taps = [stored_tap(row) for row in rows if row.seq > settled[row.card]]
        purposes = []
        for number, at in enumerate(range(0, len(taps), _FORK_RECORDS)):
            chunk = taps[at : at + _FORK_RECORDS]
            table = table_word(one.tap.operator for one in chunk)
            words = [
                SettlementRecord(
                    one.state,
                    one.card_signature,
                    {one.tap.operator: one.state.charge_won} if one.state.charge_won else {},
                ).words(table)
                for one in chunk
            ]
            purpose = f"fork:{service_day}:{number}"
            self._outbox.once(purpose, "Fares", "settle_fork", [service_day, table, words])
            purposes.append(purpose)
        return purposes

    def read_forks(self, purposes: Sequence[str]) -> list[ForkBatch]:
        """The leaves of fork batches that are in blocks, recomputed and checked against their roots."""
        found = []
        for purpose in purposes:
            item = self._outbox.require_done(purpose)
            receipt = self._client.receipt(item.hash)
            events = self._client.events_of(receipt, "Fares")
            [event] = [one for one in events if one.name == "Settled"]
            codes = {one.args["index"]: Refusal(one.args["code"]) for one in events if one.name == "Refused"}
            leaves = self._fork_leaves(item.data, codes, receipt.block_number - 1)
            rules.check_root(leaves, event.args["records_root"])
            found.append(ForkBatch(event.args["batch"], tuple(leaves)))
        return found

    def _fork_leaves(self, data: bytes, codes: Mapping[int, Refusal], before: int) -> list[Leaf]:
        _, (_, table, records) = decode_call("Fares", data)
        spent: dict[bytes, int] = {}
        leaves = []
        for index, words in enumerate(records):
            record = record_of(words, table)
            card = record.state.card
            digest = record.state.digest(self._client.chain_id, self._client.address("Fares"))
            account = self._settlement.account_of(card, before)
            leaf = rules.fork_leaf(record, digest, account, codes.get(index, Refusal.ACCEPTED), spent.get(card, 0))
            spent[card] = spent.get(card, 0) + leaf.balance_won
            leaves.append(leaf)
        return leaves

    # --- days

    def close_day(self, service_day: int, *, now: int) -> None:
        """Says that all records of a day are in; once. Raises NotYetError before 72 hours, or while batches wait."""
        if now < day_end(service_day) + CLOSE_EARLIEST_S:
            raise NotYetError(f"day {service_day} closes 72 hours after its end at the earliest")
        with Session(self._engine) as session:
            waiting = select(Batch).where(Batch.service_day == service_day, Batch.status == BatchStatus.PLANNED)
            if session.exec(waiting).first() is not None:
                raise NotYetError(f"day {service_day} has batches that are not in a block")
            if session.get(Closing, service_day) is None:
                session.add(Closing(service_day=service_day, planned_at=now))
                session.commit()
        self._outbox.once(f"close:{service_day}", "Fares", "close_day", [service_day])

    # --- credits

    def releasable(self, *, now: int, silence_s: int) -> list[ChainBatch]:
        """Batches older than the silence whose credits no `Released` event names yet, in order."""
        done = {event.args["batch"] for event in self._client.events("Credits", "Released")}
        batches = read_batches(self._client, 0)
        return [
            batch
            for batch in batches.values()
            if batch.number not in done and batch.sums and batch.settled_at + silence_s <= now
        ]

    def pending(self) -> list[dict[int, int]]:
        """Credits that no `Released` event names yet, per batch: organisation → won."""
        done = {event.args["batch"] for event in self._client.events("Credits", "Released")}
        batches = read_batches(self._client, 0).values()
        return [credits_of(batch) for batch in batches if batch.number not in done]

    def release(self, name: str, batches: Sequence[ChainBatch]) -> list[str]:
        """Asks for the release of these batches; the purposes of the transactions. Reverts show what is unpaid."""
        purposes = []
        for number, at in enumerate(range(0, len(batches), _RELEASE_BATCHES)):
            purpose = f"release:{name}:{number}"
            chunk = [batch.fields() for batch in batches[at : at + _RELEASE_BATCHES]]
            self._outbox.once(purpose, "Credits", "release", [chunk])
            purposes.append(purpose)
        return purposes

    def distribute(self, service_day: int) -> str | None:
        """Empties `others` to the operators behind it for a day; the transaction's purpose, None where it is empty.

        Call after the day's batches are released. Raises SettlementError where the records' shares do not come to what
        the chain holds.
        """
        house = self._settlement.organisation
        held = self._client.call("Credits", "others", [house])
        if not held:
            return None
        behind = self._behind_others(service_day)
        if sum(behind.values()) != held:
            raise SettlementError(f"others holds {held:,} won, the records' shares come to {sum(behind.values()):,}")
        organisations = sorted(behind)
        tables, sums = [], []
        for at in range(0, len(organisations), CREDITED_ACCOUNTS):
            chunk = organisations[at : at + CREDITED_ACCOUNTS]
            tables.append(table_word(chunk))
            sums.append(sums_word(tables[-1], {one: behind[one] for one in chunk}))
        purpose = f"distribute:{service_day}"
        self._outbox.once(purpose, "Credits", "distribute", [service_day, tables, sums])
        return purpose

    def _behind_others(self, service_day: int) -> dict[int, int]:
        """Won per operator that stand on the chain as the house's `others`, over the accepted records of a day."""
        house = self._settlement.organisation
        found: dict[int, int] = {}
        with Session(self._engine) as session:
            query = select(Record.shares).where(Record.service_day == service_day, Record.code == 0)
            for shares in session.exec(query).all():
                whole = {int(one): int(won) for one, won in json.loads(shares)}
                kept = rules.lane_credits(whole, house)
                if house in kept:
                    for one, won in whole.items():
                        if one not in kept and won:
                            found[one] = found.get(one, 0) + won
        return found


def credits_of(batch: ChainBatch) -> dict[int, int]:
    """Won per organisation that a batch credits on the chain."""
    return dict(zip(table_of(batch.table), lanes_of(batch.sums), strict=False))


def _tap(session: Session, digest: bytes) -> StoredTap:
    row = session.exec(select(Tap).where(Tap.digest == digest)).first()
    if row is None:
        raise SettlementError(f"the tap 0x{digest.hex()} of a clone is not stored")
    return stored_tap(row)


def _words(tap: StoredTap) -> tuple[int, ...]:
    """A record without credits: what prove_clone reads of a state."""
    return (*state_words(tap.state), *signature_words(tap.card_signature), 0)
