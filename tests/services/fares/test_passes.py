"""The Climate Card and K-Pass (fares.md §8)."""

from __future__ import annotations

from datetime import date

import pytest

from contracts.codes import Mode
from services.days import day_number, day_start
from services.fares.errors import BeforeFirstTariffError, FareNotInTablesError, QuoteInputError
from services.fares.passes import (
    Ride,
    climate_card_blocked_until,
    climate_card_renewable_from,
    climate_card_rides,
    climate_card_won,
    k_pass_rebate_won,
)

MAY, JANUARY = date(2024, 5, 1), date(2026, 1, 1)
FIRST = day_number(date(2024, 8, 1))


def rides(count: int, won: int, *, a_day: int = 2, single_won: int | None = None) -> list[Ride]:
    return [Ride(n // a_day, won, won if single_won is None else single_won) for n in range(count)]


@pytest.mark.parametrize(
    ("days", "bicycle", "age", "won"),
    [
        (30, False, None, 62_000), (30, True, None, 65_000), (30, False, 19, 55_000), (30, True, 39, 58_000),
        (30, False, 18, 62_000), (30, False, 40, 62_000), (1, False, 25, 5_000), (2, False, None, 8_000),
        (3, False, None, 10_000), (5, False, None, 15_000), (7, False, None, 20_000),
    ],
)  # fmt: skip
def test_prices_of_the_climate_card(days: int, bicycle: bool, age: int | None, won: int) -> None:
    assert climate_card_won(days, bicycle=bicycle, age=age, on=date(2024, 8, 7)) == won


def test_climate_cards_that_do_not_exist() -> None:
    for days, bicycle in ((4, False), (7, True)):
        with pytest.raises(FareNotInTablesError):
            climate_card_won(days, bicycle=bicycle, on=date(2024, 8, 7))
    with pytest.raises(BeforeFirstTariffError):
        climate_card_won(30, on=date(2024, 1, 26))


def test_what_a_climate_card_covers() -> None:
    assert climate_card_rides(Mode.NIGHT, FIRST, 30, FIRST + 29)
    assert not climate_card_rides(Mode.EXPRESS, FIRST, 30, FIRST)
    assert not climate_card_rides(Mode.SUBWAY, FIRST, 30, FIRST + 30)
    assert not climate_card_rides(Mode.SUBWAY, FIRST, 30, FIRST - 1)
    assert climate_card_renewable_from(FIRST, 30) == FIRST + 25


def test_two_misses_block_a_climate_card_for_a_day() -> None:
    start = day_start(FIRST)
    assert climate_card_blocked_until([start + 10], FIRST, 30) is None
    assert climate_card_blocked_until([start - 10, start + 10], FIRST, 30) is None
    assert climate_card_blocked_until([start + 10, start + 500], FIRST, 30) == start + 500 + 86_400


@pytest.mark.parametrize(
    ("ridden", "group", "month", "won"),
    [
        pytest.param(rides(14, 1_500), "GENERAL", MAY, 0, id="14-rides"),
        pytest.param(rides(15, 1_500), "GENERAL", MAY, 4_500, id="15-rides"),
        pytest.param(rides(60, 1_500), "YOUTH", MAY, 27_000, id="60-rides"),
        pytest.param(rides(70, 1_500), "YOUTH", MAY, 27_000, id="60-count-at-most"),
        pytest.param(rides(30, 1_500, a_day=3), "GENERAL", MAY, 6_000, id="2-a-day-count"),
        pytest.param(rides(15, 1_550), "LOW_INCOME", MAY, 12_392, id="floor"),
        pytest.param(rides(20, 1_550), "GENERAL", JANUARY, 6_200, id="2026-ratio"),
        pytest.param(rides(60, 1_550), "GENERAL", JANUARY, 31_000, id="2026-above-the-general-threshold"),
        pytest.param(rides(40, 3_200), "GENERAL", JANUARY, 28_000, id="2026-plus-type"),
        pytest.param(rides(40, 3_000), "GENERAL", JANUARY, 24_000, id="2026-3000-is-not-general"),
        pytest.param(rides(15, 1_550), "SENIOR", JANUARY, 6_975, id="2026-65-and-older"),
        pytest.param(rides(40, 1_550), "LOW_INCOME", JANUARY, 33_046, id="2026-unsure-low-income"),
    ],
)
def test_k_pass(ridden: list[Ride], group: str, month: date, won: int) -> None:
    assert k_pass_rebate_won(ridden, group, month) == won


def test_k_pass_refusals() -> None:
    with pytest.raises(QuoteInputError):
        k_pass_rebate_won(rides(15, 1_500), "SENIOR", MAY)
    with pytest.raises(QuoteInputError):
        k_pass_rebate_won([*rides(15, 1_500), Ride(1, -5, 0)], "GENERAL", MAY)
    with pytest.raises(BeforeFirstTariffError):
        k_pass_rebate_won(rides(15, 1_500), "GENERAL", date(2024, 4, 30))
