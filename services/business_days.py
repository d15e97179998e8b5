"""Business days in Korea (data/README.md): what is due on one waits over weekends and holidays (zeropay.md §7)."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources
from typing import Final

from services.errors import ServiceError

# The longest row of closed days is seven (Chuseok of 2025); a search that passes 30 has no data.
_MAX_DAYS_TO_BUSINESS: Final = 30


class CalendarError(ServiceError):
    """No holidays are known for this date."""

    code = "SERVICE-030"
    do = "Add the year to services/data/holidays.csv with its source."
    ko = "이 날짜의 공휴일 자료가 없습니다."
    exit_code = 3


@lru_cache(maxsize=1)
def holidays() -> dict[date, str]:
    """Closed days that are no weekend of their own, with their Korean names."""
    text = resources.files("services.data").joinpath("holidays.csv").read_text("utf-8")
    return {date.fromisoformat(row["date"]): row["name_ko"] for row in csv.DictReader(text.splitlines())}


@lru_cache(maxsize=1)
def _years() -> frozenset[int]:
    return frozenset(day.year for day in holidays())


def is_business_day(day: date) -> bool:
    """Whether banks are open. Raises CalendarError for a year that the table does not hold."""
    if day.year not in _years():
        raise CalendarError(f"no holidays are known for {day.year}")
    return day.weekday() < 5 and day not in holidays()


def next_business_day(day: date) -> date:
    """The first business day after `day`. Raises CalendarError where the table ends before it."""
    for ahead in range(1, _MAX_DAYS_TO_BUSINESS):
        after = day + timedelta(days=ahead)
        if is_business_day(after):
            return after
    raise CalendarError(f"no business day within {_MAX_DAYS_TO_BUSINESS} days of {day}")


def business_day_after(day: date, count: int) -> date:
    """The `count`-th business day after `day`, which itself does not count. Raises CalendarError."""
    for _ in range(count):
        day = next_business_day(day)
    return day
