"""Business days of Korean banks (data/README.md): payouts are D+1, weekends and holidays pile up (zeropay.md §7)."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from functools import lru_cache
from importlib import resources

from services.zeropay.errors import CalendarError
from services.zeropay.limits import MAX_DAYS_TO_BUSINESS


@lru_cache(maxsize=1)
def holidays() -> dict[date, str]:
    """Closed days that are no weekend of their own, with their Korean names."""
    text = resources.files("services.zeropay").joinpath("data/holidays.csv").read_text("utf-8")
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
    for ahead in range(1, MAX_DAYS_TO_BUSINESS):
        after = day + timedelta(days=ahead)
        if is_business_day(after):
            return after
    raise CalendarError(f"no business day within {MAX_DAYS_TO_BUSINESS} days of {day}")


def payout_date(service_date: date) -> date:
    """When a service day's released credits are paid out: the first business day after it (D+1)."""
    return next_business_day(service_date)
