"""Every row of fares.md §9 and the prices that its text publishes. Ids marked `unsure` rest on an unconfirmed rule."""

from __future__ import annotations

import pytest

from contracts.codes import Mode, RiderClass
from services.fares.pricing import Leg, Priced, price
from services.fares.rules import Rule, evasion_won, penalty_won
from services.fares.tariff import TARIFFS, Media
from tests.services.fares.legs import at, ride

M = Mode
MORNING = at("2025-10-15 10:00")
ADULT = RiderClass.ADULT


def chain(start: int, *rides: tuple[Mode, int, float, float | None], **routes: str) -> list[Leg]:
    """Legs of (mode, metres, minutes waited before, minutes ridden)."""
    legs, time = [], start
    for number, (mode, metres, waited, minutes) in enumerate(rides):
        time += round(waited * 60)
        more = {"route": routes[f"r{number}"]} if f"r{number}" in routes else {}
        legs.append(ride(mode, time, metres, minutes, **more))
        time += round((minutes or 0) * 60)
    return legs


def same_gate(start: int, first_m: int, gap_minutes: float, second_m: int) -> list[Leg]:
    first = ride(M.SUBWAY, start, first_m, 10, entry="시청:2호선", exit="강남:2호선")
    assert first.off is not None
    again = first.off + round(gap_minutes * 60)
    return [first, ride(M.SUBWAY, again, second_m, 10, entry="강남:2호선", exit="시청:2호선")]


def single(metres: int) -> list[Leg]:
    return chain(MORNING, (M.SUBWAY, metres, 0, 30))


LONG = chain(
    MORNING, (M.VILLAGE, 2_000, 0, 5), (M.TRUNK, 3_000, 5, 10), (M.SUBWAY, 6_000, 5, 10), (M.BRANCH, 2_000, 5, 5),
    (M.VILLAGE, 1_000, 5, 5), r0="강남01", r4="강남02",
)  # fmt: skip
SIXTH = [*LONG, ride(M.TRUNK, (LONG[-1].off or 0) + 300, 1_000, 5, route="472")]
UNCLOSED = [
    *chain(MORNING, (M.SUBWAY, 8_000, 0, 20), (M.TRUNK, 5_000, 5, None)),
    ride(M.TRUNK, at("2025-10-16 08:00"), 5_000, 10, route="472"),
]

# id, legs, class, [(on, off) per leg] per journey, total per journey
ROWS: list[tuple[str, list[Leg], RiderClass, list[list[tuple[int, int]]], list[int]]] = [
    ("1", single(8_000), ADULT, [[(1_550, 0)]], [1_550]),
    ("2-10001m", single(10_001), ADULT, [[(1_550, 100)]], [1_650]),
    ("2-15000m", single(15_000), ADULT, [[(1_550, 100)]], [1_650]),
    ("2-15001m", single(15_001), ADULT, [[(1_550, 200)]], [1_750]),
    ("2-10000m", single(10_000), ADULT, [[(1_550, 0)]], [1_550]),
    ("3-50000m", single(50_000), ADULT, [[(1_550, 800)]], [2_350]),
    ("3-58000m", single(58_000), ADULT, [[(1_550, 900)]], [2_450]),
    ("3-58001m", single(58_001), ADULT, [[(1_550, 1_000)]], [2_550]),
    ("4-unsure-step-of-80", single(22_300), RiderClass.YOUTH, [[(900, 240)]], [1_140]),
    ("5-unsure-step-of-50", single(22_300), RiderClass.CHILD, [[(550, 150)]], [700]),
    ("6-8km", chain(at("2025-10-15 06:20"), (M.SUBWAY, 8_000, 0, 20)), ADULT, [[(1_240, 0)]], [1_240]),
    ("6-12km", chain(at("2025-10-15 06:20"), (M.SUBWAY, 12_000, 0, 20)), ADULT, [[(1_240, 100)]], [1_340]),
    ("7", chain(MORNING, (M.TRUNK, 25_000, 0, 60)), ADULT, [[(1_500, 0)]], [1_500]),
    (
        "8",
        chain(MORNING, (M.VILLAGE, 2_000, 0, 8), (M.SUBWAY, 7_000, 12, 15)),
        ADULT,
        [[(1_200, 0), (350, 0)]],
        [1_550],
    ),
    (
        "9",
        chain(MORNING, (M.SUBWAY, 12_000, 0, 25), (M.TRUNK, 6_400, 8, 20)),
        ADULT,
        [[(1_550, 100), (0, 100)]],
        [1_750],
    ),
    (
        "10",
        chain(MORNING, (M.TRUNK, 4_000, 0, 15), (M.TRUNK, 3_000, 10, 10), r0="143", r1="472"),
        ADULT,
        [[(1_500, 0), (0, 0)]],
        [1_500],
    ),
    (
        "10-same-route",
        chain(MORNING, (M.TRUNK, 4_000, 0, 15), (M.TRUNK, 3_000, 10, 10), r0="143", r1="143"),
        ADULT,
        [[(1_500, 0)], [(1_500, 0)]],
        [1_500, 1_500],
    ),
    (
        "11",
        chain(at("2025-10-15 20:00"), (M.VILLAGE, 3_000, 0, 15), (M.SUBWAY, 5_000, 35, 10)),
        ADULT,
        [[(1_200, 0)], [(1_550, 0)]],
        [1_200, 1_550],
    ),
    (
        "11b",
        chain(at("2025-10-15 20:00"), (M.VILLAGE, 3_000, 0, 15), (M.SUBWAY, 5_000, 55, 10)),
        ADULT,
        [[(1_200, 0), (350, 0)]],
        [1_550],
    ),
    ("12", LONG, ADULT, [[(1_200, 0), (300, 0), (50, 100), (0, 0), (0, 0)]], [1_650]),
    (
        "12b",
        SIXTH,
        ADULT,
        [[(1_200, 0), (300, 0), (50, 100), (0, 0), (0, 0)], [(1_500, 0)]],
        [1_650, 1_500],
    ),
    (
        "13-28km",
        chain(MORNING, (M.EXPRESS, 20_000, 0, 40), (M.SUBWAY, 8_000, 10, 15)),
        ADULT,
        [[(3_000, 0), (0, 0)]],
        [3_000],
    ),
    (
        "13-33km",
        chain(MORNING, (M.EXPRESS, 25_000, 0, 40), (M.SUBWAY, 8_000, 10, 15)),
        ADULT,
        [[(3_000, 0), (0, 100)]],
        [3_100],
    ),
    (
        "14-unsure-base-distance-of-night-buses",
        chain(at("2025-10-14 23:10"), (M.SUBWAY, 8_000, 0, 20), (M.NIGHT, 5_000, 50, 15)),
        ADULT,
        [[(1_550, 0), (950, 100)]],
        [2_600],
    ),
    ("15", UNCLOSED, ADULT, [[(1_550, 0), (0, 0)], [(1_500, 0)]], [1_550, 3_000]),
    (
        "16-unsure-no-transfer-credit",
        chain(MORNING, (M.SUBWAY, 12_000, 0, 25), (M.TRUNK, 3_000, 5, 10)),
        RiderClass.FREE,
        [[(0, 0)], [(1_500, 0)]],
        [0, 1_500],
    ),
    ("17", same_gate(MORNING, 8_000, 14, 4_000), ADULT, [[(1_550, 0), (0, 100)]], [1_650]),
    ("17b", same_gate(MORNING, 8_000, 16, 4_000), ADULT, [[(1_550, 0)], [(1_550, 0)]], [1_550, 1_550]),
    (
        "18",
        chain(at("2024-03-01 10:00"), (M.VILLAGE, 2_000, 0, 10), (M.SUBWAY, 7_000, 10, 15)),
        ADULT,
        [[(1_200, 0), (200, 0)]],
        [1_400],
    ),
    ("19", chain(at("2022-05-01 10:00"), (M.SUBWAY, 23_000, 0, 45)), ADULT, [[(1_250, 300)]], [1_550]),
    ("20", chain(MORNING, (M.GTX, 32_800, 0, 20)), ADULT, [[(3_200, 1_250)]], [4_450]),
    (
        "20-unsure-weekend-rounding",
        chain(at("2025-10-18 10:00"), (M.GTX, 32_800, 0, 20)),
        ADULT,
        [[(2_880, 1_250)]],
        [4_130],
    ),
    (
        "21",
        [
            ride(
                M.SUBWAY,
                MORNING,
                33_000,
                40,
                sections=("Sinsa-Gangnam", "Gangnam-Jeongja", "Jeongja-Gwanggyo"),
            )
        ],
        ADULT,
        [[(1_550, 2_700)]],
        [4_250],
    ),
]


@pytest.mark.parametrize(
    ("legs", "rider_class", "charges", "totals"), [row[1:] for row in ROWS], ids=[f"row-{row[0]}" for row in ROWS]
)
def test_row_of_section_9(
    legs: list[Leg], rider_class: RiderClass, charges: list[list[tuple[int, int]]], totals: list[int]
) -> None:
    priced = price(legs, rider_class)
    assert [[(leg.on_won, leg.off_won) for leg in journey.legs] for journey in priced.journeys] == charges
    assert [journey.total_won for journey in priced.journeys] == totals
    assert priced.total_won == sum(totals)
    assert priced.pending_penalty_won == 0


def test_the_penalty_stands_in_the_journey_that_collects_it() -> None:
    priced = price(UNCLOSED)
    first, second = priced.journeys
    assert (first.penalty_won, first.missing_out_won) == (0, 1_500)
    assert (second.penalty_won, second.penalty_operator) == (1_500, "bus-trunk")
    assert second.rules == (Rule.BASE, Rule.PENALTY)


@pytest.mark.parametrize(
    ("metres", "sections", "total_won"),
    [
        pytest.param(5_000, ("Sinsa-Gangnam",), 2_250, id="Sinsa-Gangnam"),
        pytest.param(17_300, ("Gangnam-Jeongja",), 2_750, id="Gangnam-Jeongja"),
        pytest.param(13_700, ("Jeongja-Gwanggyo",), 2_650, id="Jeongja-Gwanggyo"),
        pytest.param(19_800, ("Sinsa-Gangnam", "Gangnam-Jeongja"), 3_450, id="Sinsa-Jeongja"),
        pytest.param(31_000, ("Gangnam-Jeongja", "Jeongja-Gwanggyo"), 3_550, id="Gangnam-Gwanggyo"),
        pytest.param(33_400, ("Sinsa-Gangnam", "Gangnam-Jeongja", "Jeongja-Gwanggyo"), 4_250, id="Sinsa-Gwanggyo"),
    ],
)
def test_sinbundang_as_published(metres: int, sections: tuple[str, ...], total_won: int) -> None:
    journey = price([ride(M.SUBWAY, MORNING, metres, 40, sections=sections)]).journeys[0]
    assert journey.total_won == total_won
    assert Rule.SURCHARGE in journey.rules


@pytest.mark.parametrize(("metres", "total_won"), [(10_600, 3_450), (21_600, 3_950), (32_800, 4_450)])
def test_gtx_as_published(metres: int, total_won: int) -> None:
    assert price([ride(M.GTX, at("2024-04-01 10:00"), metres, 20)]).total_won == total_won


@pytest.mark.parametrize("towards_gangnam", [True, False], ids=["동탄-강남", "강남-동탄"])
def test_gtx_and_subway_come_to_the_published_4650_either_way(towards_gangnam: bool) -> None:
    start = at("2024-04-01 10:00")
    rides = [(M.GTX, 32_800, 0, 20), (M.SUBWAY, 11_000, 10, 25)]
    if not towards_gangnam:
        rides = [(mode, metres, 10 * index, 20) for index, (mode, metres, _, _) in enumerate(reversed(rides))]
    assert [j.total_won for j in price(chain(start, *rides)).journeys] == [4_650]


@pytest.mark.parametrize(
    ("mode", "won"),
    [(M.SUBWAY, 1_240), (M.TRUNK, 1_200), (M.CIRCULAR, 1_120), (M.EXPRESS, 2_400), (M.VILLAGE, 960), (M.NIGHT, 2_500)],
)
def test_early_bird_as_published(mode: Mode, won: int) -> None:
    assert price([ride(mode, at("2025-10-15 06:29:59"), 1_000)]).total_won == won


@pytest.mark.parametrize(("rider_class", "won"), [(ADULT, 1_240), (RiderClass.YOUTH, 720), (RiderClass.CHILD, 440)])
def test_early_bird_of_every_class_as_published(rider_class: RiderClass, won: int) -> None:
    assert price([ride(M.SUBWAY, at("2025-10-15 06:00"), 1_000)], rider_class).total_won == won


def test_the_published_penalty_of_a_village_bus_without_tap_off() -> None:
    """Rail 720, then a village bus of 950 (Hwaseong): 230 at boarding, 720 later (S13b)."""
    assert penalty_won(950, 950 - 720) == 720


def test_evasion_is_31_times_the_single_fare_as_published() -> None:
    rules = TARIFFS.at(MORNING).rules
    assert evasion_won(1_850, rules) == 57_350
    fare = TARIFFS.at(MORNING).fare(M.SUBWAY, ADULT, Media.SINGLE, MORNING)
    assert evasion_won(fare.won, rules) == 51_150


def test_a_free_ride_names_what_an_adult_would_have_paid() -> None:
    journey = price(single(12_000), RiderClass.FREE).journeys[0]
    assert (journey.total_won, journey.foregone_won, journey.rules) == (0, 1_650, (Rule.FREE,))


def test_pieces_of_one_day_add_up() -> None:
    priced: Priced = price([*LONG, *UNCLOSED[2:]])
    assert [journey.total_won for journey in priced.journeys] == [1_650, 1_500]
