"""Batches with credits are read off the chain once each, from where reading stopped; a crash repeats or loses none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlmodel import Session, delete, select

from contracts.codes import Mode
from services.fares import credit_batches
from services.fares.chain_batches import check_commitment
from services.fares.credit_batches import CreditBatches, chain_batch
from services.fares.errors import BatchLostError
from services.fares.reader import Gate
from services.fares.tables import ChainCursor, CreditBatch
from tests.services.fares.test_settlement_crash import KilledError, restart
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import BUS, DAY, METRO, MORNING

DAY_S = 86_400


def ridden(town: Town, *names: str, day: int = DAY) -> dict[int, int]:
    """Cards that rode the metro and a bus and were settled; what the batch credits to both."""
    riders = cards(*names)
    town.enrol(*riders)
    start = MORNING + (day - DAY) * DAY_S
    town.until(start)
    bus = town.city.reader(f"143 on {day}", Gate(Mode.TRUNK, BUS, route="143"))
    for at, card in enumerate(riders):
        town.city.ride(card, start + 60 * at)
        town.city.tap_in(card, bus, start + 20_000 + 60 * at, "강남역")
        town.city.tap_out(card, bus, start + 20_900 + 60 * at, "신사역", metres=2_400)
    town.upload()
    town.until(after(day, 1))
    [batch] = town.settle(day)
    assert batch.credits.keys() == {METRO, BUS}
    return dict(batch.credits)


def collected(town: Town, name: str, day: int = DAY) -> None:
    """The guarantor pays in, and 24 hours pass in silence."""
    town.bank.guarantee.collect(name, now=town.chain.now)
    town.seal()
    town.until(after(day, 26))


def released(town: Town, name: str) -> None:
    town.closing.release(name, town.closing.releasable(now=town.chain.now))
    town.seal()


def rows(town: Town) -> list[CreditBatch]:
    with Session(town.engine, expire_on_commit=False) as session:
        return list(session.exec(select(CreditBatch).order_by(CreditBatch.number)).all())  # type: ignore[arg-type]


def check_projection(town: Town) -> None:
    """Every batch as the chain has it now, and the cursor behind the head."""
    client = town.chain.client
    opened = {event.args["batch"] for event in client.events("Credits", "Pending")}
    assert {row.number for row in rows(town)} == opened
    for row in rows(town):
        check_commitment(client, chain_batch(row))
        assert row.lanes == client.call("Credits", "lanes_of", [row.number])
    with Session(town.engine) as session:
        assert session.get_one(ChainCursor, credit_batches.CURSOR).next_block == client.head().number + 1


@pytest.fixture
def asked(town: Town, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """(first, last) block of every question for events."""
    found: list[tuple[int, int]] = []
    events = town.chain.client.events

    def spy(name: str, event: str, from_block: int = 0, to_block: int | None = None) -> object:
        last = town.chain.client.head().number if to_block is None else to_block
        found.append((from_block, last))
        return events(name, event, from_block, to_block)

    monkeypatch.setattr(town.chain.client, "events", spy)
    return found


def test_each_block_is_asked_for_once_however_old_the_chain(town: Town, asked: list[tuple[int, int]]) -> None:
    ridden(town, "first")
    collected(town, "first")
    town.closing.releasable(now=town.chain.now)
    read = town.chain.client.head().number
    assert {first for first, _ in asked} == {0}
    asked.clear()
    town.closing.pending()
    town.closing.distribute(DAY)
    assert asked == []  # nothing new
    ridden(town, "second", day=DAY + 3)
    collected(town, "second", DAY + 3)
    asked.clear()
    released(town, "both")
    town.closing.pending()
    ranges = sorted(set(asked))
    assert ranges[0][0] == read + 1
    assert all(first == last + 1 for (_, last), (first, _) in pairwise(ranges))
    assert ranges[-1][1] == town.chain.client.head().number


def test_what_is_objected_to_waits_and_the_rest_is_released(town_on_both: Town) -> None:
    town = town_on_both
    credits = ridden(town, "objected")
    collected(town, "objected")
    [batch] = town.closing.releasable(now=town.chain.now)
    metro = town.chain.outbox(METRO)
    metro.once("object", "Credits", "object", [batch.fields()])
    town.seal()
    assert town.closing.pending() == [credits]
    released(town, "the bus")
    assert town.closing.pending() == [{METRO: credits[METRO]}]
    assert town.closing.releasable(now=town.chain.now) == []
    check_projection(town)
    metro.once("withdraw", "Credits", "end_objection", [batch.fields(), METRO, 0])
    town.seal()
    assert town.closing.releasable(now=town.chain.now) == [batch]
    released(town, "the metro")
    assert town.closing.pending() == [] == town.closing.releasable(now=town.chain.now, silence_s=0)
    check_projection(town)


@pytest.mark.parametrize("stretch", [1, 3, 10_000])
def test_a_long_chain_is_read_in_stretches(town: Town, monkeypatch: pytest.MonkeyPatch, stretch: int) -> None:
    monkeypatch.setattr(credit_batches, "BLOCKS_PER_READING", stretch)
    credits = ridden(town, "stretches")
    collected(town, "stretches")
    assert town.closing.pending() == [credits]
    released(town, "day")
    assert town.closing.pending() == []
    check_projection(town)


def ended_at_its_first_commit(town: Town, monkeypatch: pytest.MonkeyPatch, *, durable: bool) -> bool:
    """Reads; the process ends as it commits for the first time, before that is durable or after. False: there was
    nothing to commit any more."""
    commit = Session.commit

    def end(session: Session) -> None:
        if durable:
            commit(session)
        raise KilledError

    try:
        with monkeypatch.context() as patch:
            patch.setattr(Session, "commit", end)
            town.closing.pending()
    except KilledError:
        restart(town)
        return True
    return False


def test_a_process_that_ends_between_reading_and_cursor_reads_again(
    town_on_both: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at every commit of the way, once before and once after it."""
    town = town_on_both
    credits = ridden(town, "killed")
    collected(town, "killed")
    released(town, "day")
    with Session(town.engine) as session:
        session.exec(delete(CreditBatch))
        session.exec(delete(ChainCursor))
        session.commit()
    monkeypatch.setattr(credit_batches, "BLOCKS_PER_READING", 1)
    for _ in range(town.chain.client.head().number + 1):
        assert ended_at_its_first_commit(town, monkeypatch, durable=False)
        assert ended_at_its_first_commit(town, monkeypatch, durable=True)
    assert not ended_at_its_first_commit(town, monkeypatch, durable=True)
    assert town.closing.pending() == []
    check_projection(town)
    [batch] = [row for row in rows(town) if row.sums != bytes(32)]
    assert sum(credit_batches.lanes_of(int.from_bytes(batch.sums, "big"))) == sum(credits.values())


def test_a_stretch_that_another_reading_took_meanwhile_is_not_taken_twice(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    credits = ridden(town, "two readers")
    other, read = CreditBatches(town.engine, town.chain.client), credit_batches.read_batches

    def overtaken(*blocks: object) -> object:
        monkeypatch.setattr(credit_batches, "read_batches", read)
        other.read()
        return read(*blocks)  # type: ignore[arg-type]

    monkeypatch.setattr(credit_batches, "read_batches", overtaken)
    assert town.closing.pending() == [credits]
    check_projection(town)


def test_a_chain_that_ends_before_what_was_read_is_refused_by_name(town: Town) -> None:
    """The chain's directory was restored from an older backup than the tables."""
    ridden(town, "restored")
    town.closing.pending()
    with Session(town.engine) as session:
        cursor = session.get_one(ChainCursor, credit_batches.CURSOR)
        cursor.next_block += 5
        session.add(cursor)
        session.commit()
    with pytest.raises(BatchLostError, match="the chain ends at"):
        town.closing.releasable(now=town.chain.now)
