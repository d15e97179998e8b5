"""The morning: reproducible, plausible, and faithful to its counts."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections import Counter

import pytest

from contracts.codes import Mode
from services.days import day_start, service_day_at
from services.demo import shares
from services.demo.city import load
from services.demo.errors import DemoLimitError
from services.demo.morning import morning, trips
from services.demo.shares import BadAppleKind
from services.demo.trips import SERVICE_DAY

DIGEST = (
    "import hashlib; from services.demo.morning import morning;"
    " print(hashlib.sha256(repr(morning(300, 5)).encode()).hexdigest())"
)


def test_the_same_seed_gives_the_same_morning_in_another_process() -> None:
    here = hashlib.sha256(repr(morning(300, 5)).encode()).hexdigest()
    random.seed(99)
    other = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == here
    assert morning(300, 6) != morning(300, 5)


def test_a_rider_travels_the_same_way_among_few_and_many() -> None:
    spoiled = {apple.rider for size in (60, 600) for apple in morning(size, 5).bad_apples}
    few, many = (
        {trip.rider: trip for trip in reversed(trips(size, 5)) if trip.rider < 60 and trip.rider not in spoiled}
        for size in (60, 600)
    )
    assert few == many
    assert len(few) > 30


@pytest.mark.parametrize("riders", [0, -1, shares.MAX_RIDERS + 1])
def test_numbers_of_riders_that_must_fail(riders: int) -> None:
    with pytest.raises(DemoLimitError):
        morning(riders, 1)


def test_taps_alternate_rise_in_time_and_stay_on_their_route() -> None:
    city = load()
    routes = {route.number: route for route in city.routes}
    made = morning(1_500, 3)
    missing = {apple.rider for apple in made.bad_apples if apple.kind is BadAppleKind.MISSING_TAP_OFF}
    for trip in made.trips:
        times = [tap.time for tap in trip.taps]
        assert times == sorted(set(times))
        assert service_day_at(times[0]) == service_day_at(times[-1]) == SERVICE_DAY
        kinds = [tap.kind for tap in trip.taps]
        assert kinds == (["IN", "OUT"] * 2)[: len(kinds)]
        assert len(kinds) % 2 == 0 or trip.rider in missing
        for on, off in zip(trip.taps[::2], trip.taps[1::2], strict=False):
            assert (on.mode, on.route) == (off.mode, off.route)
            if on.mode is Mode.SUBWAY:
                assert on.stop != off.stop
            else:
                assert on.operator == off.operator == routes[on.route].operator
                assert 0 <= on.metres < off.metres


def test_transfers_mostly_fall_into_their_window() -> None:
    gaps = [trip.taps[2].time - trip.taps[1].time for trip in trips(2_000, 3) if len(trip.taps) > 2]
    assert gaps
    assert all(shares.WALK_S[0] <= gap <= shares.WALK_S[1] for gap in gaps)


def test_origins_follow_the_counts_and_modes_their_shares() -> None:
    made = trips(6_000, 11)
    boarded = Counter(tap.mode is Mode.SUBWAY for trip in made for tap in trip.taps if tap.kind == "IN")
    assert 0.45 < boarded[False] / boarded[True] < 0.66
    hours = Counter((trip.taps[0].time - day_start(SERVICE_DAY)) // 3_600 + 4 for trip in made)
    assert max(hours, key=lambda hour: hours[hour]) in (7, 8)
    counted: Counter[str] = Counter()
    for station in load().stations:
        counted[station.name] += sum(station.boardings[:8])
    drawn = Counter(trip.taps[0].stop for trip in made if trip.taps[0].line)
    assert len({name for name, _ in counted.most_common(12)} & {name for name, _ in drawn.most_common(20)}) >= 8


def test_classes_holders_and_banks_follow_their_shares() -> None:
    riders = morning(6_000, 2).riders
    for rider_class, share in shares.CLASS_SHARES.items():
        found = sum(rider.rider_class is rider_class for rider in riders)
        assert abs(found * 1_000 / len(riders) - share) < 25
    holders = sum(bool(rider.programmes) for rider in riders) / len(riders)
    assert 0.07 < holders < 0.11
    assert sum(shares.CLASS_SHARES.values()) == sum(shares.TRIP_SHARES.values()) == 1_000
    assert sum(share for _, share in shares.BANKS) == 1_000


@pytest.mark.parametrize("riders", [60, 3_000])
def test_every_kind_of_bad_apple_is_there_and_points_at_a_tap(riders: int) -> None:
    made = morning(riders, 1)
    assert {apple.kind for apple in made.bad_apples} == set(BadAppleKind)
    taps: dict[int, list[str]] = {}
    for trip in made.trips:
        taps.setdefault(trip.rider, []).extend(tap.kind for tap in trip.taps)
    for apple in made.bad_apples:
        if apple.kind is BadAppleKind.OFFLINE_READER:
            assert apple.line
            assert day_start(SERVICE_DAY + 1) < apple.upload_time < day_start(SERVICE_DAY + 4)
        else:
            assert 0 <= apple.tap < len(taps[apple.rider])
        if apple.kind is BadAppleKind.CLONED_CARD:
            assert [tap.kind for tap in apple.twin] == ["IN", "OUT"]
        if apple.kind is BadAppleKind.MISSING_TAP_OFF:
            assert taps[apple.rider][apple.tap] == "IN"
    named = [apple.rider for apple in made.bad_apples if apple.rider >= 0]
    assert len(named) == len(set(named))


def test_one_rider_alone_has_a_morning() -> None:
    assert len(morning(1, 1).riders) == 1


def test_the_city_has_a_dozen_operators_and_whole_tables() -> None:
    city = load()
    assert len(city.operators) == 12
    assert city.operators[:2] == ["seoul-metro", "korail"]
    assert len(city.stations) == 400
    names = {(station.line, station.name) for station in city.stations}
    assert all((line, a) in names and (line, b) in names for line, a, b in city.segments)
    assert sum(sum(station.boardings) for station in city.stations) > 30_000_000
