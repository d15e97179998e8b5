"""Two clearing houses on one chain: a card's own one settles it, after 14 days any licensed one may, and neither pays
out twice nor stops at what the other did (money.md §3; refusals NOT_ITS_CLEARING_HOUSE, STALE and SUM)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.codes import Refusal, Role
from services.database import migrate, open_database
from services.days import day_end, month_of, service_day_at
from services.fares.adjustments import Adjustments
from services.fares.intake import ingest
from services.fares.settlement import SettledBatch, Settlement
from services.fares.tap_journeys import check_tap
from tests.services import chain as chain_config
from tests.services.chain import OTHER_BANK
from tests.services.fares.chains import Station
from tests.services.fares.test_settlement_refusals import FARE_WON, codes, enrol, enter
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, MORNING, Card

OTHER = 8
DAY_S = 86_400


@dataclass
class House:
    """A clearing house with tables of its own."""

    town: Town
    engine: Engine

    def __post_init__(self) -> None:
        client, outbox = self.town.chain.client, self.town.chain.outbox(OTHER)
        outbox._engine = self.engine
        self.settlement = Settlement(self.engine, client, outbox, OTHER)
        self.adjustments = Adjustments(self.settlement)

    def settle(self, day: int = DAY) -> list[SettledBatch]:
        self.settlement.plan(day, now=self.town.chain.now)
        self.town.chain.seal()
        return self.read()

    def read(self) -> list[SettledBatch]:
        """What came of its batches, of which banks hear as of any other's."""
        self.town.check_blocks()
        found = self.settlement.after_block()
        self.town.hear(found, self.adjustments.after_block())
        return found


@pytest.fixture
def licensed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second clearing house, known before the town's chain begins."""
    monkeypatch.setitem(chain_config.ROLES, OTHER, (Role.CLEARING_HOUSE,))


@pytest.fixture
def other(licensed: None, town: Town, tmp_path: Path) -> Iterator[House]:
    engine = open_database(f"sqlite:///{tmp_path / 'other.db'}")
    migrate(engine)
    yield House(town, engine)
    engine.dispose()


def take_in(town: Town, engine: Engine, *stations: Station) -> None:
    for station in stations:
        assert (
            ingest(
                engine, station.upload(), town.city.directory, day_end(service_day_at(town.chain.now)), check_tap
            ).refused
            == ()
        )


def ride(town: Town, *riders: Card, day: int = DAY) -> list[Station]:
    """Each card's tap-on of a day, which nobody uploaded yet."""
    town.until(MORNING + (day - DAY) * DAY_S)
    return [enter(card, town.chain.now) for card in riders]


def credited(town: Town) -> int:
    totals = town.totals()
    return totals["pending"] + totals["payable"] + totals["suspense"]


def test_another_house_is_refused_for_14_days_and_then_settles_what_it_holds(other: House, town: Town) -> None:
    card, mine = cards("of clearing", "of the other")
    town.enrol(card)
    enrol(town, OTHER_BANK, month_of(DAY), mine, house=OTHER)
    stations = ride(town, card, mine)
    take_in(town, other.engine, *stations)
    town.until(after(DAY, 1))
    [batch] = other.settle()
    assert codes(batch) == {mine.address: 0, card.address: Refusal.NOT_ITS_CLEARING_HOUSE}
    [held] = other.settlement.held()
    assert (held.card, held.code, held.service_day) == (card.address, Refusal.NOT_ITS_CLEARING_HOUSE, DAY)
    town.until(after(DAY, 14 * 24) - 600)
    assert other.settle() == []
    town.until(after(DAY, 14 * 24) + 600)
    [later] = other.settle()
    assert codes(later) == {card.address: 0}
    assert other.settlement.held() == []
    assert credited(town) == 2 * FARE_WON


def settled_by_the_other(other: House, town: Town, *stations: Station) -> None:
    """Clearing is silent for 14 days, and the other house settles the day."""
    take_in(town, other.engine, *stations)
    town.until(after(DAY, 14 * 24) + 600)
    assert {leaf.code for batch in other.settle() for leaf in batch.leaves} == {0}


def test_what_another_house_settled_is_stale_here_and_the_next_day_goes_on_from_there(other: House, town: Town) -> None:
    card, good = cards("settled elsewhere", "good")
    town.enrol(card, good)
    first, here = ride(town, card, good)
    settled_by_the_other(other, town, first)
    take_in(town, town.engine, first, here)
    [batch] = town.settle()
    assert codes(batch) == {good.address: 0, card.address: Refusal.STALE}
    [held] = town.settlement.held()
    assert (held.card, held.code, held.seq, held.batch_id > 0) == (card.address, Refusal.STALE, 1, True)
    for _ in range(2):
        assert town.settle() == []
    assert len(town.records()) == 2
    day = DAY + 15
    take_in(town, town.engine, *ride(town, card, day=day))
    town.until(after(day, 1))
    [later] = town.settle(day)
    assert (later.leaves[0].code, later.leaves[0].increase_won, later.leaves[0].suspense_won) == (0, FARE_WON, 0)
    assert town.settlement.held() == []
    assert credited(town) == 3 * FARE_WON
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_a_day_whose_taps_only_the_other_house_has_is_no_gap_here(other: House, town: Town) -> None:
    [card] = cards("half elsewhere")
    town.enrol(card)
    [first] = ride(town, card)
    [second] = ride(town, card, day=DAY + 1)
    settled_by_the_other(other, town, first)
    take_in(town, town.engine, second)
    [batch] = town.settle(DAY + 1)
    assert codes(batch) == {card.address: Refusal.SUM}  # of a card that no longer stands where clearing last saw it
    [later] = town.settle(DAY + 1)
    assert (later.leaves[0].code, later.leaves[0].increase_won) == (0, FARE_WON)
    assert town.settlement.held() == []
    assert credited(town) == 2 * FARE_WON


def test_both_houses_settle_a_card_in_one_block(other: House, town: Town) -> None:
    """The later of the two is refused, and read back from where the earlier one left the card."""
    card, mine, theirs = cards("in one block", "of ours", "of theirs")
    town.enrol(card, mine, theirs)
    stations = ride(town, card, mine, theirs)
    take_in(town, town.engine, *stations[:2])
    take_in(town, other.engine, stations[0], stations[2])
    town.until(after(DAY, 14 * 24) + 600)
    other.settlement.plan(DAY, now=town.chain.now)
    town.settlement.plan(DAY, now=town.chain.now)
    [ours], [others] = town.seal(), other.read()
    assert codes(ours)[mine.address] == codes(others)[theirs.address] == 0
    assert sorted((codes(ours)[card.address], codes(others)[card.address])) == [0, Refusal.STALE]
    assert credited(town) == 3 * FARE_WON
    assert [one.organisation for one in (town.settlement, other.settlement) if one.held()] != []


def test_what_waits_in_suspense_is_not_given_for_journeys_that_another_house_settled(other: House, town: Town) -> None:
    [card] = cards("between houses")
    town.enrol(card)
    [first] = ride(town, card)
    settled_by_the_other(other, town, first)
    take_in(town, town.engine, first)
    assert codes(town.settle()[0]) == {card.address: Refusal.STALE}
    missing, last = enter(card, MORNING + 1_000), enter(card, MORNING + 2_000)
    take_in(town, town.engine, last)
    [batch] = town.settle()
    assert (batch.leaves[0].increase_won, batch.leaves[0].suspense_won) == (2 * FARE_WON, 2 * FARE_WON)
    assert town.adjustments.allocate_late(DAY) == []
    take_in(town, town.engine, missing)
    assert len(town.adjustments.allocate_late(DAY)) == 1
    town.seal()
    assert (town.corrected[-1].delta_won, town.totals()["suspense"]) == (2 * FARE_WON, 0)
