"""What each code brings back, by worked journeys; and whom it is taken from, to the won (zeropay.md §7.1)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import RiderClass
from services.fares.dispute_pricing import (
    Profile,
    Repriced,
    RiddenJourney,
    left_won,
    portions,
    reprice,
    reprice_missing,
    without_leg,
)
from services.fares.errors import NothingToAdjustError
from tests.services.fares.disputing import greedy, overcharge
from tests.services.fares.test_tap_journeys import rail_then_bus, stored, taps_of
from tests.services.fares.world import ALL_MODES, BUS, METRO, MORNING, Card, City, make_card
from wallets.disputes import DisputeCode

D01, D02, D03, D04, D05, D06, D07, _ = DisputeCode
HOUSE = 4
ADULT = Profile(RiderClass.ADULT, ALL_MODES, 20_000)


def ridden(card: Card, first: int = 1, last: int | None = None) -> RiddenJourney:
    """The card's taps `first` to `last` as one journey."""
    taps = taps_of(card)
    return RiddenJourney(tuple(taps[first - 1 : last]), taps[first - 2] if first > 1 else None)


# 1,750 won: 시청 to 강남, on by bus (METRO 988, BUS 762); rail alone costs 1,650, the bus alone 1,500.
HONEST: dict[str, tuple[DisputeCode, int, Profile, int, dict[int, int]]] = {
    "D05 all of it": (D05, 1, ADULT, 1_750, {METRO: 988, BUS: 762}),
    "D05 by any tap": (D05, 4, ADULT, 1_750, {METRO: 988, BUS: 762}),
    "D04 rail, by its tap-on": (D04, 1, ADULT, 250, {METRO: 250}),
    "D04 rail, by its tap-off": (D04, 2, ADULT, 250, {METRO: 250}),
    "D04 the bus": (D04, 3, ADULT, 100, {BUS: 100}),
    "D01 the bus": (D01, 4, ADULT, 100, {BUS: 100}),
    "D06 where the tariff agrees": (D06, 2, ADULT, 0, {}),
    "D02 where the class is right": (D02, 2, ADULT, 0, {}),
    # 900 each in two halves, and 160 for the distance to the rail leg: METRO 610, BUS 450.
    "D02 for a youth": (D02, 2, replace(ADULT, rider_class=RiderClass.YOUTH), 690, {METRO: 378, BUS: 312}),
    "D07 within the profile": (D07, 1, ADULT, 0, {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_journey(city: City, name: str) -> None:
    code, seq, profile, back, over = HONEST[name]
    card = make_card("a")
    rail_then_bus(city, card)
    found = reprice(code, ridden(card), seq, profile)
    assert (found.back_won, dict(found.over)) == (back, over)


def test_what_was_taken_above_the_tariff_comes_back_by_the_same_split(city: City) -> None:
    card = make_card("a")
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    overcharge(city, greedy("강남", "2호선"), card, "OUT", MORNING + 1_860, won=100)
    city.tap_in(card, city.bus("143"), MORNING + 2_100, "강남역")
    city.tap_out(card, city.bus("143"), MORNING + 3_000, "신사역", metres=2_400)
    for code in (D02, D06):
        found = reprice(code, ridden(card), 2, ADULT)
        assert (found.charged_won, found.due_won) == (1_850, 1_750)
        assert found.over == {METRO: found.shares[METRO] - 988, BUS: found.shares[BUS] - 762}
        assert sum(found.over.values()) == 100
    assert reprice(D05, ridden(card), 2, ADULT).over == found.shares


def test_a_voucher_refused_brings_back_what_was_kept_from_it(city: City) -> None:
    card = make_card("a")
    overcharge(city, greedy("시청", "2호선"), card, "IN", MORNING, own_won=300)
    city.tap_out(card, city.metro("강남", "2호선"), MORNING + 1_860)
    found = reprice(D07, ridden(card), 1, ADULT)
    assert (found.charged_won, found.due_won, dict(found.over)) == (300, 0, {METRO: 300})
    assert reprice(D07, ridden(card), 2, ADULT).back_won == 0
    capped = replace(ADULT, per_tap_cap_won=1_400)
    assert reprice(D07, ridden(card), 1, capped).back_won == 150
    outside = replace(ADULT, modes=0)
    assert reprice(D07, ridden(card), 1, outside).back_won == 0


def missing(city: City, card: Card) -> int:
    """Rail, then a bus without tap-off; what may be added for it."""
    city.ride(card, MORNING)
    city.tap_in(card, city.bus("143"), MORNING + 2_100, "강남역")
    return card.history[-1].state.missing_out_won


def test_a_missing_tap_off_that_the_next_tap_on_collected(city: City) -> None:
    card = make_card("a")
    penalty = missing(city, card)
    city.ride(card, MORNING + 9_000)
    tap, following = stored(card.history[2]), ridden(card, 4)
    assert following.taps[0].state.charge_won == 1_550 + penalty > 1_550
    found = reprice_missing(tap, following, 0)
    assert (found.back_won, dict(found.over)) == (penalty, {BUS: penalty})
    # It stays owed whatever became of the journey that collected it.
    assert reprice(D05, following, 4, ADULT).due_won == penalty
    assert reprice(D05, following, 4, ADULT).over == {METRO: 1_650}
    assert reprice(D04, following, 5, ADULT).back_won == 1_650
    assert reprice(D06, following, 4, ADULT).back_won == 0
    assert reprice(D07, following, 4, ADULT).back_won == 0


def test_a_missing_tap_off_that_was_added_or_never_charged(city: City) -> None:
    card = make_card("a")
    penalty = missing(city, card)
    tap = stored(card.history[2])
    added = reprice_missing(tap, None, penalty)
    assert (added.back_won, dict(added.over)) == (penalty, {BUS: penalty})
    never = reprice_missing(tap, None, 0)
    assert (never.charged_won, never.back_won, dict(never.over)) == (0, 0, {})


def test_what_clearing_cannot_explain_is_not_held_against_the_rider(city: City) -> None:
    card = make_card("a")
    rail_then_bus(city, card)
    whole = ridden(card)
    torn = RiddenJourney((whole.taps[0], *whole.taps[2:]), None)
    for code in (D01, D02, D04, D05, D06):
        found = reprice(code, torn, 1, ADULT)
        assert (found.charged_won, found.back_won) == (1_650, 1_650)
        assert not found.over


LEGS: dict[str, tuple[str, int, str]] = {
    "the first leg": ("IOIO", 1, "34"),
    "the first leg by its tap-off": ("IOIO", 2, "34"),
    "the last leg": ("IOIO", 4, "12"),
    "a leg without tap-off": ("IOI", 3, "12"),
    "a tap-on twice": ("IIO", 1, "23"),
    "the only leg": ("IO", 1, ""),
    "the only tap": ("I", 1, ""),
    "a tap-off whose tap-on is missing": ("OIO", 1, "23"),
}


@pytest.mark.parametrize("name", LEGS)
def test_a_journey_without_a_leg(city: City, name: str) -> None:
    kinds, seq, left = LEGS[name]
    card = make_card("a")
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    [only] = taps_of(card)
    taps = [
        replace(only, state=replace(only.state, seq=at), tap=replace(only.tap, kind={"I": "IN", "O": "OUT"}[kind]))
        for at, kind in enumerate(kinds, 1)
    ]
    assert "".join(str(tap.state.seq) for tap in without_leg(taps, seq)) == left


# --- beside what other disputes brought

LEFT: dict[str, tuple[DisputeCode, int, dict[DisputeCode, int], int]] = {
    "the first of its journey": (D06, 100, {}, 100),
    "after another of the same journey": (D06, 150, {D06: 100}, 50),
    "after all of it came back": (D06, 100, {D05: 1_750}, 0),
    "all, after a part": (D05, 1_750, {D06: 100}, 1_650),
    "all, after a voucher's part": (D05, 1_750, {D07: 50}, 1_700),
    "a voucher's part beside an overcharge": (D07, 50, {D06: 100}, 50),
    "a voucher's part of another tap": (D07, 50, {D07: 30}, 50),
    "a voucher's part after all came back": (D07, 50, {D05: 1_750}, 0),
    "a missing tap-off is no part of the journey": (D06, 100, {D03: 500}, 100),
    "a missing tap-off beside all": (D03, 500, {D05: 1_750}, 500),
    "nothing": (D06, 0, {}, 0),
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_for_a_dispute(name: str) -> None:
    code, back, credited, left = LEFT[name]
    assert left_won(code, Repriced(back, 0), 1_750, credited) == left


# --- off whose account

WON = st.integers(0, 3_000)
ACCOUNTS = st.dictionaries(st.sampled_from([METRO, BUS, HOUSE, 102, 210]), WON, max_size=4)


def test_portions_by_the_split_then_from_all() -> None:
    found = Repriced(1_750, 1_500, {METRO: 200, BUS: 50}, {METRO: 988, BUS: 762})
    assert portions(250, found, [{METRO: 988, BUS: 762}], HOUSE) == [{METRO: 200, BUS: 50}]
    assert portions(25, found, [{METRO: 988, BUS: 762}], HOUSE) == [{METRO: 20, BUS: 5}]
    # Of two records the latest first; BUS stands in `others` there.
    assert portions(250, found, [{METRO: 80, HOUSE: 10}, {METRO: 900, BUS: 700}], HOUSE) == [
        {METRO: 80, HOUSE: 10},
        {METRO: 120, BUS: 40},
    ]
    # What nobody of the split holds comes from all accounts.
    assert portions(250, found, [{METRO: 100, 102: 300}], HOUSE) == [{METRO: 100, 102: 150}]
    # More than the difference: by who got all.
    assert portions(875, found, [{METRO: 988, BUS: 762}], HOUSE) == [{METRO: 494, BUS: 381}]


@given(st.integers(1, 4_000), ACCOUNTS, ACCOUNTS, st.lists(ACCOUNTS, max_size=3))
def test_portions_add_up_and_take_no_more_than_there_is(
    won: int, over: dict[int, int], shares: dict[int, int], rooms: list[dict[int, int]]
) -> None:
    found = Repriced(sum(shares.values()), 0, over, shares)
    if won > sum(sum(room.values()) for room in rooms):
        with pytest.raises(NothingToAdjustError):
            portions(won, found, rooms, HOUSE)
        return
    parts = portions(won, found, rooms, HOUSE)
    assert sum(sum(part.values()) for part in parts) == won
    for part, room in zip(parts, rooms, strict=True):
        assert all(0 <= some <= room[account] for account, some in part.items())


@lru_cache(maxsize=1)
def worked() -> RiddenJourney:
    """The worked journey, ridden once."""
    with TemporaryDirectory() as folder:
        city, card = City(Path(folder)), make_card("a")
        rail_then_bus(city, card)
        city.store.close()
    return ridden(card)


@given(st.sampled_from([D01, D02, D04, D05, D06, D07]), st.integers(1, 4), st.sampled_from(sorted(RiderClass)))
def test_nobody_gives_back_more_than_he_got(code: DisputeCode, seq: int, rider_class: RiderClass) -> None:
    found = reprice(code, worked(), seq, replace(ADULT, rider_class=rider_class))
    assert sum(found.over.values()) == found.back_won <= found.charged_won
    assert all(0 < won <= found.shares[one] for one, won in found.over.items())
