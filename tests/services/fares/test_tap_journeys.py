"""Journeys out of signed taps: priced again, split, and what clearing finds where they disagree (money.md §3, §8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.codes import Mode, RiderClass
from contracts.errors import DureError
from services.fares.errors import (
    AmbiguousStationError,
    BeforeFirstTariffError,
    UnknownPlaceError,
    UnknownStationError,
    WrongTariffError,
)
from services.fares.tap_journeys import CardJourney, Finding, StoredTap, check_tap, journeys_of
from services.fares.tariff import TARIFFS
from tests.services.fares.chains import digest
from tests.services.fares.legs import at
from tests.services.fares.world import BUS, DAY, METRO, MORNING, VILLAGE_BUS, Card, City, make_card
from wallets.presentation import SignedTap
from wallets.taps import JourneyState, Tap

RIDDEN = ["2호선", "3호선", "2호선"]  # the shortest path from 시청 to 강남
MONEY = {
    "card", "first_seq", "last_seq", "tariff", "class", "base_won", "extra_won", "discount_won", "penalty_won",
    "adjust_won", "total_won", "policy", "shares",
}  # fmt: skip
LEG = {"mode", "route", "from", "to", "metres", "path", "on_time", "off_time", "on_reader", "off_reader"}


def stored(signed: SignedTap) -> StoredTap:
    reader = signed.offer.reader_certificate.reader
    return StoredTap(digest(signed.state), signed.state, signed.tap, reader, signed.card_signature)


def taps_of(card: Card) -> list[StoredTap]:
    return [stored(signed) for signed in card.history]


def journeys(card: Card) -> list[CardJourney]:
    return journeys_of(taps_of(card), None)


def rail_then_bus(city: City, card: Card, now: int = MORNING) -> None:
    """시청 to 강남 (13,900 m), then 2,400 m by bus 143."""
    city.ride(card, now)
    city.tap_in(card, city.bus("143"), now + 2_100, "강남역")
    city.tap_out(card, city.bus("143"), now + 3_000, "신사역", metres=2_400)


def test_a_transfer_is_one_journey_of_two_operators(city: City) -> None:
    """base 1,550 by 1550:1500 → 788/762, distance 200 to the rail leg (fares.md §10, #9)."""
    card = make_card("a")
    rail_then_bus(city, card)
    (found,) = journeys(card)
    assert (found.first_seq, found.last_seq, found.service_day) == (1, 4, DAY)
    assert (found.charged_won, found.priced_won, found.finding) == (1_750, 1_750, Finding.AGREES)
    assert found.shares == {METRO: 988, BUS: 762}
    assert found.foregone == {}


def test_the_leaves_say_what_money_md_lists(city: City) -> None:
    card = make_card("a")
    rail_then_bus(city, card)
    city.tap_in(card, city.bus("강남01", Mode.VILLAGE), MORNING + 3_300, "신사역")
    (found,) = journeys(card)
    assert set(found.money) == MONEY
    assert set(found.route) == {"card", "first_seq", "last_seq", "legs"}
    assert all(set(leg) == LEG for leg in found.route["legs"])
    assert found.money["shares"] == [{"organisation": one, "won": won} for one, won in found.shares.items()]
    assert found.money["class"] == "ADULT"
    assert found.money["total_won"] == 1_750
    rail, bus, last = found.route["legs"]
    assert (rail["from"], rail["to"], rail["metres"], rail["path"]) == ("시청:2호선", "강남:2호선", 13_900, RIDDEN)
    assert (bus["from"], bus["to"], bus["route"], bus["metres"]) == ("강남역", "신사역", "143", 2_400)
    assert (last["to"], last["off_time"], last["off_reader"]) == (None, None, None)
    for body in (found.money, found.route):
        rfc8785.dumps(dict(body))


@pytest.mark.parametrize(
    ("wait_s", "penalty_won"), [(86_400, 1_500), (72 * 3_600, 1_500), (72 * 3_600 + 1, 0)], ids=str
)
def test_a_missing_tap_off_is_collected_the_next_day_for_its_operator(
    city: City, wait_s: int, penalty_won: int
) -> None:
    """Rail, a bus for 0 won without tap-off; the next tap within 72 hours collects 1,500 for the bus (fares.md §6)."""
    card = make_card("a")
    city.ride(card, MORNING)
    on = city.tap_in(card, city.bus("143"), MORNING + 2_100).state
    assert (on.charge_won, on.missing_out_won) == (0, 1_500)
    city.denylist.issued_at = on.tap_time + wait_s
    for reader in city.readers.values():
        reader.acknowledge(9)  # uploaded meanwhile
    city.ride(card, on.tap_time + wait_s)
    before, after = journeys(card)
    assert (before.charged_won, before.finding) == (1_650, Finding.AGREES)
    assert (after.charged_won, after.finding) == (1_650 + penalty_won, Finding.AGREES)
    assert after.shares == {METRO: 1_650, **({BUS: 1_500} if penalty_won else {})}
    assert after.money["penalty_won"] == penalty_won
    assert after.service_day == DAY + (1 if wait_s == 86_400 else 3)
    alone = journeys_of(taps_of(card)[3:], None)  # without the tap before, nobody can say what was owed
    assert [one.finding for one in alone] == [Finding.INCOMPLETE]


def test_a_free_ride_costs_nothing_and_says_what_was_foregone(city: City) -> None:
    card = make_card("senior", rider_class=RiderClass.FREE)
    city.ride(card, MORNING)
    city.tap_in(card, city.bus("143"), MORNING + 2_100)
    free, bus = journeys(card)
    assert (free.charged_won, free.finding, free.shares, free.foregone) == (
        0,
        Finding.AGREES,
        {METRO: 0},
        {METRO: 1_650},
    )
    assert (bus.charged_won, bus.shares, bus.foregone) == (1_500, {BUS: 1_500}, {})  # no transfer from a free leg


@pytest.mark.parametrize(
    ("missing", "findings", "explained_won"),
    [
        pytest.param(1, ["INCOMPLETE", ""], 1_200, id="first-tap-on"),
        pytest.param(2, ["INCOMPLETE", ""], 1_200, id="tap-off-within"),
        pytest.param(3, ["INCOMPLETE", ""], 1_200, id="tap-on-within"),
        pytest.param(4, ["", "INCOMPLETE"], 1_650, id="last-tap-off"),
        pytest.param(5, [""], 1_750, id="the-next-journey"),
    ],
)
def test_what_a_missing_tap_leaves_unexplained(
    city: City, missing: int, findings: list[str], explained_won: int
) -> None:
    """Two journeys, one tap missing: its journey waits, and a neighbour that needs it."""
    card = make_card("a")
    rail_then_bus(city, card)
    city.tap_in(card, city.bus("강남01", Mode.VILLAGE), MORNING + 30_000)
    found = journeys_of([tap for tap in taps_of(card) if tap.state.seq != missing], None)
    assert [one.finding for one in found] == findings
    assert sum(sum(one.shares.values()) for one in found) == explained_won
    assert all(not one.shares and not one.money for one in found if not one.explained)


# --- what readers sign in error or in bad faith


def changed(taps: Sequence[StoredTap], at: int, **changes: Any) -> list[StoredTap]:
    """The taps with one state changed and the sums of the later ones carried on."""
    more = changes.get("charge_won", taps[at].state.charge_won) - taps[at].state.charge_won
    found = list(taps)
    for number in range(at, len(found)):
        state = found[number].state
        state = replace(state, cum_won=state.cum_won + more, **(changes if number == at else {}))
        found[number] = replace(found[number], state=state)
    return found


@pytest.mark.parametrize(
    ("charge_won", "finding", "shares"),
    [
        (1_550, Finding.AGREES, {METRO: 988, BUS: 762}),
        (2_000, Finding.OVERCHARGED, {METRO: 1_242, BUS: 958}),
        (1_000, Finding.UNDERCHARGED, {METRO: 677, BUS: 523}),
        (0, Finding.UNDERCHARGED, {METRO: 113, BUS: 87}),
    ],
)
def test_a_wrong_charge_is_found_and_what_was_signed_is_split(
    city: City, charge_won: int, finding: Finding, shares: dict[int, int]
) -> None:
    card = make_card("a")
    rail_then_bus(city, card)
    (found,) = journeys_of(changed(taps_of(card), 0, charge_won=charge_won), None)
    assert (found.finding, found.priced_won, found.charged_won) == (finding, 1_750, 200 + charge_won)
    assert dict(found.shares) == shares
    assert found.money["total_won"] == 1_750


def test_a_free_ride_that_was_charged_is_found(city: City) -> None:
    card = make_card("senior", rider_class=RiderClass.FREE)
    city.ride(card, MORNING)
    (found,) = journeys_of(changed(taps_of(card), 0, charge_won=700), None)
    assert (found.finding, found.priced_won, dict(found.shares)) == (Finding.OVERCHARGED, 0, {METRO: 700})


def test_legs_that_the_tariff_would_not_have_joined(city: City) -> None:
    """The bus reader joined after 30 minutes and a second; both journeys' operators share what was signed."""
    card = make_card("a")
    rail_then_bus(city, card)
    taps = taps_of(card)
    late = [
        replace(tap, tap=replace(tap.tap, time=tap.tap.time + 1_561), state=replace(tap.state, tap_time=0))
        if tap.state.seq > 2
        else tap
        for tap in taps
    ]
    (found,) = journeys_of(late, None)
    assert (found.finding, found.charged_won, found.priced_won) == (Finding.REGROUPED, 1_750, 1_650 + 1_500)
    assert sum(found.shares.values()) == 1_750
    assert set(found.shares) == {METRO, BUS}
    assert len(found.route["legs"]) == 2


def with_tap(taps: list[StoredTap], at: int, **changes: object) -> list[StoredTap]:
    return [replace(t, tap=replace(t.tap, **changes)) if n == at else t for n, t in enumerate(taps)]  # type: ignore[arg-type]


UNPRICED: dict[str, Callable[[list[StoredTap]], list[StoredTap]]] = {
    "unknown-station": lambda taps: with_tap(taps, 1, stop="도쿄"),
    "station-without-distances": lambda taps: with_tap(taps, 1, stop="언주", line="9호선"),
    "tap-off-first": lambda taps: with_tap(taps, 0, kind="OUT"),
    "two-tap-offs": lambda taps: with_tap(taps, 2, kind="OUT"),
    "airport-bus-without-a-table": lambda taps: with_tap(with_tap(taps, 2, mode=Mode.AIRPORT), 3, mode=Mode.AIRPORT),
    "metres-fall": lambda taps: with_tap(taps, 3, journey=replace(taps[3].tap.journey, metres=1)),
    "metres-beyond-the-longest-ride": lambda taps: with_tap(
        taps, 3, journey=replace(taps[3].tap.journey, metres=10**7)
    ),
    "off-before-on": lambda taps: with_tap(taps, 1, time=MORNING - 1),
    "before-the-first-table": lambda taps: [
        replace(one, tap=replace(one.tap, time=one.tap.time - 10**9)) for one in taps
    ],
}


@pytest.mark.parametrize("fault", UNPRICED)
def test_what_the_tariff_cannot_price_waits_in_suspense(city: City, fault: str) -> None:
    card = make_card("a")
    rail_then_bus(city, card)
    city.tap_in(card, city.bus("강남01", Mode.VILLAGE), MORNING + 30_000)
    taps = taps_of(card)
    forged, good = journeys_of(UNPRICED[fault](taps[:4]) + taps[4:], None)
    assert (forged.finding, forged.shares, forged.charged_won) == (Finding.UNPRICED, {}, 1_750)
    assert (good.finding, good.shares) == (Finding.AGREES, {VILLAGE_BUS: 1_200})


@pytest.mark.parametrize(
    "changes", [{"cum_won": 1}, {"cum_won": 99_999}, {"cum_own_won": 9_999}, {"seq": 7}], ids=lambda c: next(iter(c))
)
def test_sums_that_do_not_follow_wait_in_suspense(city: City, changes: dict[str, Any]) -> None:
    card = make_card("a")
    rail_then_bus(city, card)
    taps = taps_of(card)
    taps[2] = replace(taps[2], state=replace(taps[2].state, **changes))
    (found,) = journeys_of(taps, None)
    assert (found.finding, found.shares) == (Finding.INCOMPLETE, {})


def test_too_much_taken_before_an_express_bus_joined_goes_back(city: City) -> None:
    """25 km by rail (+300), then an express bus: base distance 30 km, so nothing of the 300 stands (fares.md #13)."""
    card = make_card("a")
    city.tap_in(card, city.metro("수원", "1호선"), MORNING)
    city.tap_out(card, city.metro("금천구청", "1호선"), MORNING + 1_800)
    city.tap_in(card, city.bus("9401", Mode.EXPRESS), MORNING + 2_400)
    city.tap_out(card, city.bus("9401", Mode.EXPRESS), MORNING + 3_000, metres=100)
    (found,) = journeys(card)
    assert found.charged_won == found.priced_won == 3_000
    assert found.finding is Finding.AGREES


# --- what clearing asks of one tap


def one_tap(**changes: object) -> Tap:
    tap = Tap(
        "IN", Mode.SUBWAY, METRO, "", "시청", "2호선", MORNING, RiderClass.ADULT, TARIFFS.at(MORNING).id,
        JourneyState(1, MORNING, 1, 1_550),
    )  # fmt: skip
    return replace(tap, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tap", "error"),
    [
        pytest.param(one_tap(stop="도쿄"), UnknownStationError, id="foreign-station"),
        pytest.param(one_tap(line="42호선"), UnknownStationError, id="foreign-line"),
        pytest.param(one_tap(stop="신촌", line=""), AmbiguousStationError, id="two-stations-of-one-name"),
        pytest.param(one_tap(route="143"), UnknownPlaceError, id="train-with-a-route"),
        pytest.param(one_tap(mode=Mode.TRUNK), UnknownPlaceError, id="bus-without-its-route"),
        pytest.param(one_tap(mode=Mode.TRUNK, route="143"), UnknownPlaceError, id="bus-on-a-line"),
        pytest.param(one_tap(mode=Mode.TRUNK, route="143", line=""), UnknownPlaceError, id="route-of-another-operator"),
        pytest.param(one_tap(tariff="SEOUL-2023-10-07"), WrongTariffError, id="tariff-of-another-date"),
        pytest.param(one_tap(journey=JourneyState(1, 0, 1)), BeforeFirstTariffError, id="before-the-first-tariff"),
    ],
)
def test_a_tap_that_clearing_does_not_take(tap: Tap, error: type[DureError]) -> None:
    with pytest.raises(error) as caught:
        check_tap(tap)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "tap",
    [
        one_tap(),
        one_tap(line=""),
        one_tap(mode=Mode.TRUNK, route="143", line="", operator=BUS),
        one_tap(mode=Mode.TRUNK, route="never seen", line="", operator=4_000),
    ],
)
def test_a_tap_that_clearing_takes(tap: Tap) -> None:
    check_tap(tap)


# --- any ride, any loss


STATIONS = (("시청", "2호선"), ("강남", "2호선"), ("서울역", "1호선"), ("수원", "1호선"))
ROUTES = (("143", Mode.TRUNK), ("472", Mode.TRUNK), ("강남01", Mode.VILLAGE), ("9401", Mode.EXPRESS))
MOVE = st.tuples(st.integers(0, 7), st.booleans(), st.sampled_from((60, 300, 1_800, 1_801, 3_700, 90_000)))


def wander(city: City, card: Card, moves: Sequence[tuple[int, bool, int]]) -> None:
    """Whatever the readers allow of these moves, as (place, on or off, seconds since the last)."""
    now = at("2025-10-15 05:50")
    for place, on, wait in moves:
        now += wait
        city.denylist.issued_at = now
        reader = city.metro(*STATIONS[place]) if place < 4 else city.bus(*ROUTES[place - 4])
        try:
            offer = reader.offer(card.show(), "IN" if on else "OUT", now, metres=0 if on else 100 * wait % 40_000)
        except DureError:
            continue
        reader.complete(offer, card.accept(offer), now)
        reader.acknowledge(10**6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(moves=st.lists(MOVE, min_size=4, max_size=24), drops=st.sets(st.integers(1, 24), max_size=4))
def test_every_won_is_explained_and_a_lost_tap_takes_only_its_own(
    moves: list[tuple[int, bool, int]], drops: set[int]
) -> None:
    with TemporaryDirectory() as folder:
        city, card = City(Path(folder)), make_card("a")
        with city.store.group():
            wander(city, card, moves)
        city.store.close()
    taps = taps_of(card)
    whole = journeys_of(taps, None)
    assert sum(sum(one.shares.values()) for one in whole) == (taps[-1].state.cum_won if taps else 0)
    for one in whole:
        assert one.finding in (Finding.AGREES, Finding.OVERCHARGED)  # over: an express leg's fall is given back
        assert one.charged_won - one.priced_won == -one.money["adjust_won"]
    there = [tap for tap in taps if tap.state.seq not in drops]
    known = {(one.first_seq, one.last_seq): one for one in whole}
    for one in journeys_of(there, None):
        if one.explained and (one.first_seq, one.last_seq) in known:
            assert one == known[one.first_seq, one.last_seq]
        assert sum(one.shares.values()) == (one.charged_won if one.explained else 0)
