"""The edges of fares.md §11 and the sentences of §12, at the second and at the metre."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.codes import Mode, RiderClass
from services.fares.errors import (
    BeforeFirstTariffError,
    FareNotInTablesError,
    NoAirportTableError,
    TapOrderError,
    UnknownTariffError,
)
from services.fares.pricing import Leg, price
from services.fares.rules import Rule
from services.fares.splits import reversal, split
from services.fares.tariff import TARIFFS, Fare, Media, Tariffs
from tests.services.fares.legs import at, ride, subway

M = Mode
DAY = "2025-10-15"
MORNING = at(f"{DAY} 10:00")
ADULT, YOUTH, CHILD, FREE, INFANT = (
    RiderClass.ADULT,
    RiderClass.YOUTH,
    RiderClass.CHILD,
    RiderClass.FREE,
    RiderClass.INFANT,
)


def totals(legs: list[Leg], rider_class: RiderClass = ADULT, media: Media = Media.CARD) -> list[int]:
    return [journey.total_won for journey in price(legs, rider_class, media).journeys]


def two(first_off: int, second_on: int) -> list[Leg]:
    """A village bus that ends at `first_off`, a subway entered at `second_on`."""
    return [
        replace(ride(M.VILLAGE, first_off - 600, 1_000), off=first_off),
        ride(M.SUBWAY, second_on, 1_000),
    ]


@pytest.mark.parametrize(
    ("time", "won"),
    [
        pytest.param("04:00:00", 1_240, id="first-second"),
        pytest.param("06:29:59", 1_240, id="last-second"),
        pytest.param("06:30:00", 1_550, id="a-second-late"),
        pytest.param("03:59:59", 1_550, id="a-second-before-the-service-day"),
    ],
)
def test_early_bird_to_the_second(time: str, won: int) -> None:
    assert totals([ride(M.SUBWAY, at(f"{DAY} {time}"), 1_000)]) == [won]


@pytest.mark.parametrize(
    ("first_off", "second_on", "joins"),
    [
        pytest.param("10:00:00", "10:30:00", True, id="30-minutes-exactly"),
        pytest.param("10:00:00", "10:30:01", False, id="a-second-over"),
        pytest.param("20:15:00", "20:59:59", False, id="before-21"),
        pytest.param("20:15:00", "21:00:00", True, id="from-21"),
        pytest.param("20:15:00", "21:15:00", True, id="60-minutes-exactly"),
        pytest.param("20:15:00", "21:15:01", False, id="a-second-over-60"),
        pytest.param("06:10:00", "06:59:59", True, id="before-07"),
        pytest.param("06:10:00", "07:00:00", False, id="from-07"),
        pytest.param("10:00:00", "09:58:30", True, id="90-seconds-of-skew"),
    ],
)
def test_transfer_window_to_the_second(first_off: str, second_on: str, joins: bool) -> None:
    assert len(totals(two(at(f"{DAY} {first_off}"), at(f"{DAY} {second_on}")))) == (1 if joins else 2)


def test_a_journey_goes_on_over_midnight_and_over_the_roll_of_the_day() -> None:
    legs = [ride(M.SUBWAY, at(f"{DAY} 23:50"), 8_000, 20), ride(M.NIGHT, at("2025-10-16 00:30"), 1_000, 190)]
    assert len(totals(legs)) == 1
    legs.append(ride(M.TRUNK, at("2025-10-16 04:10"), 1_000, 10))
    assert len(totals(legs)) == 1


def test_more_than_90_seconds_of_skew_is_refused() -> None:
    with pytest.raises(TapOrderError):
        price(two(at(f"{DAY} 10:00:00"), at(f"{DAY} 09:58:29")))


def test_off_before_on_is_refused() -> None:
    with pytest.raises(TapOrderError):
        price([replace(ride(M.SUBWAY, MORNING, 1_000), off=MORNING - 1)])


def test_the_tariff_is_that_of_the_first_tap_on() -> None:
    legs = [ride(M.VILLAGE, at("2025-06-28 03:50"), 1_000, 5), ride(M.SUBWAY, at("2025-06-28 04:05"), 1_000)]
    journey = price(legs).journeys[0]
    assert (journey.tariff, journey.total_won) == ("SEOUL-2024-03-30", 1_400)


@pytest.mark.parametrize(
    ("time", "tariff"),
    [
        ("2012-02-25 04:00:00", "SEOUL-2012-02-25"),
        ("2015-06-27 03:59:59", "SEOUL-2012-02-25"),
        ("2015-06-27 04:00:00", "SEOUL-2015-06-27"),
        ("2022-05-01 10:00:00", "SEOUL-2015-07-21"),
        ("2023-08-12 02:59:59", "SEOUL-2023-07-01"),
        ("2023-08-12 03:00:00", "SEOUL-2023-08-12"),
        ("2023-10-07 04:00:00", "SEOUL-2023-10-07"),
        ("2024-03-30 04:00:00", "SEOUL-2024-03-30"),
        ("2025-06-28 03:59:59", "SEOUL-2024-03-30"),
        ("2025-06-28 04:00:00", "SEOUL-2025-06-28"),
        ("2099-01-01 00:00:00", "SEOUL-2025-06-28"),
    ],
)
def test_tariff_id_by_moment(time: str, tariff: str) -> None:
    assert TARIFFS.at(at(time)).id == tariff
    assert TARIFFS.by_id(tariff).id == tariff


def test_before_the_first_table_nothing_is_priced() -> None:
    with pytest.raises(BeforeFirstTariffError):
        price([ride(M.SUBWAY, at("2012-02-25 03:59:59"), 1_000)])
    with pytest.raises(UnknownTariffError):
        TARIFFS.by_id("SEOUL-1999-01-01")


@pytest.mark.parametrize(
    ("mode", "rider_class", "media", "time"),
    [
        pytest.param(M.TRUNK, ADULT, Media.CARD, "2013-01-01 10:00", id="buses-before-2015"),
        pytest.param(M.SUBWAY, YOUTH, Media.SINGLE, "2013-01-01 10:00", id="youth-single-before-2015"),
        pytest.param(M.TRUNK, CHILD, Media.CASH, "2016-01-01 10:00", id="child-cash-before-2023"),
        pytest.param(M.TRUNK, YOUTH, Media.CASH, "2015-07-21 03:59", id="youth-cash-before-its-day"),
        pytest.param(M.GTX, ADULT, Media.CARD, "2024-03-30 03:59", id="gtx-before-it-opened"),
    ],
)
def test_a_fare_not_in_the_tables_is_refused(mode: Mode, rider_class: RiderClass, media: Media, time: str) -> None:
    with pytest.raises(FareNotInTablesError):
        price([ride(mode, at(time), 1_000)], rider_class, media)


@pytest.mark.parametrize(
    ("rider_class", "media", "time"),
    [
        pytest.param(YOUTH, Media.CARD, MORNING, id="class-not-published"),
        pytest.param(ADULT, Media.SINGLE, MORNING, id="single-ticket"),
        pytest.param(ADULT, Media.CARD, at("2025-06-28 03:59"), id="before-its-table"),
    ],
)
def test_a_surcharge_not_in_the_tables_is_refused(rider_class: RiderClass, media: Media, time: int) -> None:
    with pytest.raises(FareNotInTablesError):
        price([ride(M.SUBWAY, time, 5_000, sections=("Sinsa-Gangnam",))], rider_class, media)


def test_a_row_from_memory_is_priced_and_named() -> None:
    journey = price([ride(M.TRUNK, at("2016-01-01 10:00"), 1_000)], CHILD).journeys[0]
    assert (journey.total_won, journey.unsure) == (450, ("TRUNK CHILD CARD 450 won [memory]",))
    assert price([ride(M.TRUNK, MORNING, 1_000)], CHILD).journeys[0].unsure == ()


def test_the_fifth_ride_joins_and_the_sixth_does_not() -> None:
    legs = [ride(M.TRUNK, MORNING + 600 * n, 1_000, 5, route=str(n)) for n in range(6)]
    assert [len(journey.legs) for journey in price(legs).journeys] == [5, 1]


@pytest.mark.parametrize(
    ("first_tap", "gap_s", "gate", "joins"),
    [
        pytest.param("2023-06-30 10:00", 60, "강남:2호선", False, id="before-the-pilot"),
        pytest.param("2023-07-15 10:00", 600, "강남:2호선", True, id="pilot-10-minutes"),
        pytest.param("2023-07-15 10:00", 601, "강남:2호선", False, id="pilot-a-second-over"),
        pytest.param("2023-10-07 10:00", 900, "강남:2호선", True, id="15-minutes"),
        pytest.param("2023-10-07 10:00", 901, "강남:2호선", False, id="a-second-over-15"),
        pytest.param("2025-10-15 10:00", 60, "응암:6호선", True, id="loop-of-line-6"),
        pytest.param("2025-10-15 10:00", 60, "신내:6호선", False, id="신내"),
        pytest.param("2025-10-15 10:00", 60, "영등포:1호선", False, id="korail-part-of-line-1"),
        pytest.param("2025-10-15 10:00", 60, "청량리:1호선", True, id="underground-part-of-line-1"),
        pytest.param("2025-10-15 10:00", 60, "이수:7호선", True, id="이수"),
        pytest.param("2025-10-15 10:00", 60, "까치울:7호선", False, id="line-7-beyond-온수"),
        pytest.param("2025-10-15 10:00", 60, "진접:4호선", True, id="line-4-from-진접"),
        pytest.param("2025-10-15 10:00", 60, "오이도:4호선", False, id="line-4-beyond-남태령"),
        pytest.param("2025-10-15 10:00", 60, ":", False, id="line-not-declared"),
    ],
)
def test_rail_reentry(first_tap: str, gap_s: int, gate: str, joins: bool) -> None:
    start = at(first_tap)
    legs = [
        ride(M.SUBWAY, start, 1_000, 10, entry="시청:2호선", exit=gate),
        ride(M.SUBWAY, start + 600 + gap_s, 1_000, 10, entry=gate, exit="시청:2호선"),
    ]
    assert len(price(legs).journeys) == (1 if joins else 2)


def test_reentry_is_once_a_journey_and_needs_the_same_line() -> None:
    legs = [ride(M.SUBWAY, MORNING + 700 * n, 1_000, 10, entry="강남:2호선") for n in range(3)]
    first, second = price(legs).journeys
    assert (first.rules, second.rules) == ((Rule.BASE, Rule.REENTRY), (Rule.BASE,))
    other = [
        ride(M.SUBWAY, MORNING, 1_000, 10, entry="강남:2호선", exit="시청:1호선"),
        ride(M.SUBWAY, MORNING + 700, 1_000, 10, entry="시청:2호선"),
    ]
    assert len(price(other).journeys) == 2


def test_reentry_consumes_a_transfer() -> None:
    legs = [ride(M.SUBWAY, MORNING + 700 * n, 1_000, 10, entry="강남:2호선") for n in range(2)]
    legs += [ride(M.TRUNK, MORNING + 1_400 + 700 * n, 1_000, 10, route=str(n)) for n in range(4)]
    assert [len(journey.legs) for journey in price(legs).journeys] == [5, 1]


def test_the_same_route_is_compared_with_the_previous_leg_only() -> None:
    legs = [
        ride(M.TRUNK, MORNING, 1_000, 5, route="143"),
        ride(M.SUBWAY, MORNING + 600, 1_000, 5),
        ride(M.TRUNK, MORNING + 1_200, 1_000, 5, route="143"),
    ]
    assert len(price(legs).journeys) == 1


def test_a_free_rail_leg_stands_alone() -> None:
    legs = [
        ride(M.TRUNK, MORNING, 1_000, 5),
        ride(M.SUBWAY, MORNING + 600, 1_000, 5),
        ride(M.TRUNK, MORNING + 1_200, 1_000, 5),
    ]
    assert totals(legs, FREE) == [1_500, 0, 1_500]
    early = [replace(leg, on=leg.on - 18_000, off=(leg.off or 0) - 18_000) for leg in legs[1:2]]
    assert price(early, FREE).journeys[0].discount_won == 0


def test_a_free_rider_pays_gtx_at_the_rate_of_the_old_unsure() -> None:
    assert totals([ride(M.GTX, MORNING, 32_800, 20)], FREE) == [3_115]


def test_infants_ride_free_everywhere() -> None:
    legs = [ride(mode, MORNING + 700 * n, 60_000, 5) for n, mode in enumerate((M.SUBWAY, M.EXPRESS, M.GTX))]
    priced = price(legs, INFANT)
    assert (priced.total_won, priced.journeys[0].rules[-1]) == (0, Rule.FREE)


def test_a_rail_leg_without_tap_off_is_priced_at_its_base_and_closes_the_journey() -> None:
    legs = [ride(M.SUBWAY, MORNING, 60_000, None), ride(M.TRUNK, MORNING + 600, 1_000)]
    priced = price(legs)
    assert totals(legs) == [1_550, 1_500]
    assert priced.journeys[0].missing_out_won == 0


def test_a_single_bus_without_tap_off_owes_nothing() -> None:
    priced = price([ride(M.TRUNK, MORNING, 1_000, None)])
    assert (priced.total_won, priced.pending_penalty_won) == (1_500, 0)


def unclosed(next_on: int | None) -> list[Leg]:
    legs = [ride(M.SUBWAY, MORNING, 8_000, 20), ride(M.TRUNK, MORNING + 1_500, 1_000, None)]
    return legs if next_on is None else [*legs, ride(M.VILLAGE, next_on, 1_000)]


@pytest.mark.parametrize(
    ("next_on", "total_won", "pending_won"),
    [
        pytest.param(None, 1_550, 1_500, id="nothing-follows"),
        pytest.param(MORNING + 1_500 + 259_200, 1_550 + 1_200 + 1_500, 0, id="72-hours-exactly"),
        pytest.param(MORNING + 1_500 + 259_201, 1_550 + 1_200, 1_500, id="a-second-over"),
    ],
)
def test_a_penalty_is_collected_within_72_hours(next_on: int | None, total_won: int, pending_won: int) -> None:
    priced = price(unclosed(next_on))
    assert (priced.total_won, priced.pending_penalty_won) == (total_won, pending_won)


def test_a_bus_first_counts_its_metres_once_a_second_leg_joins() -> None:
    legs = [ride(M.TRUNK, MORNING, 12_000, 30, route="143"), ride(M.SUBWAY, MORNING + 2_400, 1_000)]
    journey = price(legs).journeys[0]
    assert [(leg.on_won, leg.off_won) for leg in journey.legs] == [(1_500, 0), (50, 100)]


def test_the_8_km_step_needs_every_leg_to_be_rail() -> None:
    """60 km of rail: 8 + 2 units; a bus joins: 51 km beyond 10 are 11 units, the rise waits for its tap-off."""
    legs = [ride(M.SUBWAY, MORNING, 60_000, 80), ride(M.TRUNK, MORNING + 5_400, 1_000)]
    journey = price(legs).journeys[0]
    assert [(leg.on_won, leg.off_won) for leg in journey.legs] == [(1_550, 1_000), (0, 100)]


def test_an_express_leg_nets_the_fall_from_its_tap_on() -> None:
    legs = [ride(M.SUBWAY, MORNING, 29_000, 40), ride(M.EXPRESS, MORNING + 3_000, 500, 5)]
    journey = price(legs).journeys[0]
    assert [(leg.on_won, leg.off_won) for leg in journey.legs] == [(1_550, 400), (1_050, 0)]
    assert (journey.total_won, journey.adjust_won) == (3_000, 0)


@pytest.mark.parametrize(
    ("mode", "rider_class", "media", "won"),
    [
        (M.SUBWAY, ADULT, Media.SINGLE, 1_750),
        (M.SUBWAY, YOUTH, Media.SINGLE, 1_730),
        (M.TRUNK, ADULT, Media.CASH, 1_500),
        (M.TRUNK, YOUTH, Media.CASH, 1_000),
        (M.EXPRESS, FREE, Media.CASH, 3_000),
        (M.SUBWAY, FREE, Media.SINGLE, 0),
    ],
)
def test_tickets_and_cash_are_paid_whole_at_the_tap_on(
    mode: Mode, rider_class: RiderClass, media: Media, won: int
) -> None:
    early = at(f"{DAY} 06:00")
    priced = price([ride(mode, early, 12_000), ride(mode, early + 900, 12_000)], rider_class, media)
    assert [(j.legs[0].on_won, j.legs[0].off_won, j.discount_won) for j in priced.journeys] == [(won, 0, 0)] * 2


def test_an_airport_bus_needs_its_own_table_and_stays_alone() -> None:
    with pytest.raises(NoAirportTableError):
        price([ride(M.AIRPORT, MORNING, 1_000, route="6001")])
    tariff = replace(TARIFFS.at(MORNING), airport={("6001", ADULT, Media.CARD): Fare(17_000, True, "configuration")})
    legs = [ride(M.AIRPORT, MORNING, 40_000, 60, route="6001"), ride(M.SUBWAY, MORNING + 3_900, 1_000)]
    priced = price(legs, tariffs=Tariffs(lambda: [tariff]))
    assert [journey.total_won for journey in priced.journeys] == [17_000, 1_550]


def test_gtx_to_gtx_is_no_transfer() -> None:
    assert len(totals([ride(M.GTX, MORNING, 10_600, 10), ride(M.GTX, MORNING + 900, 11_000, 10)])) == 2


def test_same_station_in_and_out_costs_the_base() -> None:
    assert totals([subway("강남", "강남", MORNING)]) == [1_550]


def test_a_refund_after_settlement_reverses_the_same_remainders() -> None:
    shares = split(price([subway("시청", "영등포", MORNING)]).journeys[0])
    assert {operator: shares[operator] + won for operator, won in reversal(shares).items()} == dict.fromkeys(shares, 0)
