"""Splits among operators: the checks of fares.md §10, ties, reversals; every share adds up to the won."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import Mode, RiderClass
from services.fares.errors import FareLimitError
from services.fares.pricing import Journey, Leg, price
from services.fares.splits import Policy, correction, largest_remainder, reversal, split, split_pool
from tests.services.fares.legs import at, ride, subway
from tests.services.fares.test_worked_examples import LONG, MORNING, UNCLOSED, chain

M = Mode
ROW_9 = chain(MORNING, (M.SUBWAY, 12_000, 0, 25), (M.TRUNK, 6_400, 8, 20))
ROW_8 = chain(MORNING, (M.VILLAGE, 2_000, 0, 8), (M.SUBWAY, 7_000, 12, 15))


def only(legs: list[Leg], rider_class: RiderClass = RiderClass.ADULT) -> Journey:
    (journey,) = price(legs, rider_class).journeys
    return journey


@pytest.mark.parametrize(
    ("legs", "policy", "shares"),
    [
        pytest.param(ROW_9, Policy.SPLIT_V1, [988, 762], id="row-9-V1"),
        pytest.param(ROW_9, Policy.SPLIT_V2, [918, 832], id="row-9-V2"),
        pytest.param(ROW_8, Policy.SPLIT_V1, [676, 874], id="row-8-V1"),
        pytest.param(ROW_8, Policy.SPLIT_V2, [676, 874], id="row-8-V2"),
        pytest.param(LONG, Policy.SPLIT_V1, [268, 334, 446, 334, 268], id="row-12-V1"),
        pytest.param(LONG, Policy.SPLIT_V2, [282, 356, 389, 348, 275], id="row-12-V2"),
    ],
)
def test_check_of_section_10(legs: list[Leg], policy: Policy, shares: list[int]) -> None:
    assert list(split(only(legs), policy).values()) == shares


def test_a_pass_is_shared_by_what_its_rides_would_have_cost() -> None:
    notional = {"seoul-metro": 43_400, "bus-143": 31_000, "bus-472": 18_600}
    assert split_pool(65_000, notional) == {"seoul-metro": 30_333, "bus-143": 21_667, "bus-472": 13_000}


def test_early_bird_lowers_the_base_pot_only() -> None:
    legs = chain(at("2025-10-15 06:00"), (M.SUBWAY, 12_000, 0, 25), (M.TRUNK, 6_400, 8, 20))
    assert split(only(legs)) == {"seoul-metro": 630 + 200, "bus-trunk": 610}


def test_a_path_of_two_operators_is_shared_by_their_metres() -> None:
    journey = only([subway("시청", "영등포", MORNING)])
    leg = journey.legs[0].leg
    assert dict(leg.operators).keys() == {"seoul-metro", "korail"}
    expected = dict(
        zip(dict(leg.operators), largest_remainder(journey.total_won, [m for _, m in leg.operators]), strict=True)
    )
    assert split(journey) == expected


@pytest.mark.parametrize(("tag_in", "first"), [("seoul-metro", 776), ("korail", 775)])
def test_a_tie_goes_to_the_tag_in_operator(tag_in: str, first: int) -> None:
    leg = Leg(
        M.SUBWAY,
        MORNING,
        MORNING + 600,
        200,
        (("seoul-metro", 100), ("korail", 100)),
        entry=":",
        exit=":",
        tag_in=tag_in,
    )
    journey = only([leg])
    assert journey.total_won == 1_550
    # An odd pot leaves one won over; the early bird's 1,240 and the plain 1,550 are even, so make it odd by hand.
    odd = Journey(**{name: getattr(journey, name) for name in Journey.__dataclass_fields__} | {"base_won": 1_551})
    assert split(odd) == {"seoul-metro": first, "korail": 1_551 - first}


def test_a_section_and_gtx_keep_their_premium() -> None:
    legs = [ride(M.SUBWAY, MORNING, 17_300, 30, sections=("Gangnam-Jeongja",))]
    assert split(only(legs)) == {"seoul-metro": 1_750, "sinbundang-railroad": 1_000}
    legs = chain(MORNING, (M.GTX, 32_800, 0, 20), (M.SUBWAY, 11_000, 10, 25))
    shares = split(only(legs), Policy.SPLIT_V2)
    assert sum(shares.values()) == 3_200 + 700 + 750
    assert shares["gtx-a"] == 2_156 + 524 + 750


def test_a_collected_penalty_goes_to_the_bus_whose_tap_off_was_missing() -> None:
    second = price(UNCLOSED).journeys[1]
    assert split(second) == {"bus-472": 1_500, "bus-trunk": 1_500}


def test_every_operator_of_a_leg_is_listed_also_with_nothing() -> None:
    journey = only([ride(M.SUBWAY, MORNING, 8_000)], RiderClass.FREE)
    assert split(journey) == {"seoul-metro": 0}


def test_rail_of_no_metres_leaves_the_distance_part_to_all_legs() -> None:
    legs = [subway("강남", "강남", MORNING), ride(M.TRUNK, MORNING + 900, 12_000, 30, route="143")]
    journey = only(legs)
    assert journey.extra_won == 100
    assert split(journey) == {"seoul-metro": 788, "bus-143": 762 + 100}


def test_a_refund_reverses_the_same_shares() -> None:
    shares = split(only(LONG))
    assert sum(reversal(shares).values()) == -1_650
    assert correction(shares, {}) == reversal(shares)
    assert correction({"a": 3, "b": 1}, {"b": 2, "c": 5}) == {"a": -3, "b": 1, "c": 5}


@pytest.mark.parametrize(
    ("pot_won", "weights", "shares"),
    [
        pytest.param(1, [1, 1], [1, 0], id="tie-to-the-lower-index"),
        pytest.param(2, [1, 1, 1], [1, 1, 0], id="two-left-over"),
        pytest.param(0, [0, 0], [0, 0], id="nothing"),
        pytest.param(7, [0, 0], [7, 0], id="no-weight-at-all"),
        pytest.param(10, [0, 3], [0, 10], id="weight-0-gets-nothing"),
    ],
)
def test_largest_remainder(pot_won: int, weights: list[int], shares: list[int]) -> None:
    assert largest_remainder(pot_won, weights) == shares


@pytest.mark.parametrize(
    ("pot_won", "weights"),
    [
        pytest.param(-1, [1], id="negative-pot"),
        pytest.param(1, [], id="no-weights"),
        pytest.param(1, [2, -1], id="negative-weight"),
        pytest.param(1 << 53, [1], id="pot-beyond-exact-json"),
    ],
)
def test_what_cannot_be_split_is_refused(pot_won: int, weights: list[int]) -> None:
    with pytest.raises(FareLimitError):
        largest_remainder(pot_won, weights)


def test_a_pool_without_rides_is_refused() -> None:
    assert split_pool(0, {}) == {}
    with pytest.raises(FareLimitError):
        split_pool(65_000, {})


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=9))
def test_shares_add_up_and_stay_within_one_won(pot_won: int, weights: list[int]) -> None:
    shares = largest_remainder(pot_won, weights)
    total = sum(weights)
    assert sum(shares) == pot_won
    assert min(shares) >= 0
    if total:
        for share, weight in zip(shares, weights, strict=True):
            assert abs(share * total - pot_won * weight) < total
