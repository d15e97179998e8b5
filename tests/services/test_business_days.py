"""Business days against the calendar of 2025 and 2026, and dates that nobody knows yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from services.business_days import CalendarError, business_day_after, holidays, is_business_day, next_business_day

NEXT = {
    "Wednesday": (date(2025, 10, 15), date(2025, 10, 16)),
    "Friday": (date(2025, 10, 17), date(2025, 10, 20)),
    "Chuseok week": (date(2025, 10, 2), date(2025, 10, 10)),
    "Labour Day": (date(2025, 4, 30), date(2025, 5, 2)),
    "Children's Day": (date(2025, 5, 2), date(2025, 5, 7)),
    "election": (date(2025, 6, 2), date(2025, 6, 4)),
    "Constitution Day": (date(2026, 7, 16), date(2026, 7, 20)),
    "new year": (date(2025, 12, 31), date(2026, 1, 2)),
}


@pytest.mark.parametrize("name", NEXT)
def test_the_next_business_day(name: str) -> None:
    day, following = NEXT[name]
    assert next_business_day(day) == business_day_after(day, 1) == following


FIFTH = {
    "a plain week": (date(2025, 10, 15), date(2025, 10, 22)),
    "from a Saturday": (date(2025, 10, 18), date(2025, 10, 24)),
    "over Chuseok": (date(2025, 10, 2), date(2025, 10, 16)),
    "within Chuseok": (date(2025, 10, 5), date(2025, 10, 16)),
    "over new year": (date(2025, 12, 26), date(2026, 1, 5)),
}


@pytest.mark.parametrize("name", FIFTH)
def test_the_fifth_business_day(name: str) -> None:
    day, fifth = FIFTH[name]
    assert business_day_after(day, 5) == fifth


MUST_FAIL: dict[str, Callable[[], object]] = {
    "year without holidays": lambda: is_business_day(date(2031, 1, 2)),
    "the table ends": lambda: next_business_day(date(2026, 12, 31)),
    "the table ends within the count": lambda: business_day_after(date(2026, 12, 29), 3),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_dates_without_a_table_are_refused_not_guessed(fault: str) -> None:
    with pytest.raises(CalendarError):
        MUST_FAIL[fault]()


def test_holidays_have_their_korean_names() -> None:
    assert holidays()[date(2025, 10, 6)] == "추석"
