"""Whatever reaches clearing in whatever order, with settling in between: each card comes to the same sum on the chain,
or to less by exactly what is missing, and is whole again once that comes (money.md §3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.messages import FareState
from services.database import migrate, open_database
from services.fares.intake import ingest
from services.fares.tap_journeys import check_tap
from tests.services.chain import Chain
from tests.services.fares.town import AGREEMENTS, Town, after, cards
from tests.services.fares.world import DAY, MORNING, Card, City

DAY_S = 86_400
CARDS = ("order 1", "order 2")


@cache
def deliveries() -> tuple[tuple[bytes, ...], tuple[tuple[FareState, ...], ...]]:
    """Uploads of one or two taps each over two days, and every state by card."""
    with TemporaryDirectory() as folder:
        city = City(Path(folder))
        riders = cards(*CARDS)
        for number, card in enumerate(riders):
            for day in (0, DAY_S):
                now = MORNING + day + 97 * number
                city.denylist.issued_at = now
                city.ride(card, now)
                city.tap_in(card, city.bus("143"), now + 2_100, "강남역")
                city.tap_out(card, city.bus("143"), now + 3_000, "신사역", metres=2_400)
                city.ride(card, now + 20_000)
        uploads = []
        for at, reader in enumerate(city.readers.values()):
            position, size = 0, 1 + at % 2
            while (data := reader.upload(size)) is not None:
                uploads.append(data)
                position += data.count(b"\n") and size
                reader.acknowledge(position)
        city.store.close()
    return tuple(uploads), tuple(tuple(tap.state for tap in card.history) for card in riders)


def check(town: Town, riders: Sequence[Card], whole: bool) -> None:
    """What the chain settled of each card: no more than was ridden, each state's sum at most once."""
    _, every = deliveries()
    for card, states in zip(riders, every, strict=True):
        slot = town.account(card).slot
        settled = {state.seq: state for state in states}.get(slot.seq)
        assert slot.cum_won == (settled.cum_won if settled else 0)
        later = sum(state.charge_won for state in states if state.seq > slot.seq)
        assert slot.cum_won == states[-1].cum_won - later
        if whole:
            assert later == 0
    assert all(row.code == 0 for row in town.records())
    accepted = sum(row.increase_won for row in town.records())
    assert accepted == sum(town.account(card).slot.cum_won for card in riders)
    totals = town.totals()
    assert totals["pending"] + totals["suspense"] == accepted


def play(data: st.DataObject) -> None:
    uploads, _ = deliveries()
    order = data.draw(st.lists(st.sampled_from(range(len(uploads))), max_size=2 * len(uploads)))
    plans = data.draw(st.sets(st.integers(0, 2 * len(uploads)), max_size=4))
    late = data.draw(st.booleans())  # the second day's 72 hours pass before the rest comes
    with TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{folder}/order.db")
        migrate(engine)
        chain = Chain(Path(folder) / "chain", engine, AGREEMENTS)
        town = Town(chain, Path(folder))
        riders = cards(*CARDS)
        town.enrol(*riders, balance_won=2_000)
        town.lot(riders[0], 2_500, DAY, DAY)
        town.until(after(DAY + 1, 1))

        def settle() -> None:
            town.settle(DAY)
            town.settle(DAY + 1)
            check(town, riders, False)

        for step, number in enumerate(order):
            if step in plans:
                settle()
            ingest(engine, uploads[number], town.city.directory, chain.now, check_tap)
        settle()
        if late:
            town.until(after(DAY + 1, 73))
            settle()
        for upload in uploads:
            ingest(engine, upload, town.city.directory, chain.now, check_tap)
        settle()
        for _ in range(3):  # a record has one correction under way at a time
            town.adjustments.allocate_late(DAY)
            town.adjustments.allocate_late(DAY + 1)
            town.seal()
        check(town, riders, True)
        assert town.totals()["suspense"] == 0
        assert town.settle(DAY) == town.settle(DAY + 1) == []
        owed = town.bank.guarantee.owed_won()
        assert town.bank.guarantee.collect("all", now=chain.now) == owed  # to the won what the bank was told
        town.city.store.close()
        chain.close()
        engine.dispose()


@given(st.data())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_settled_does_not_depend_on_the_order_of_uploads(data: st.DataObject) -> None:
    play(data)


@pytest.mark.long
@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_settled_does_not_depend_on_the_order_of_many_uploads(data: st.DataObject) -> None:
    play(data)
