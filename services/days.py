"""Service days, months and the Korean calendar, as pure functions (fares.md §1, money.md §2).

A service day is the KST day that rolls at 04:00, counted in days since 1970-01-01; a month is year * 12 + (month − 1).
KST is UTC+9 without daylight saving. Times are UTC epoch seconds.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from typing import Final

DAY_S: Final = 86_400
KST_OFFSET_S: Final = 9 * 3_600
ROLL_S: Final = 4 * 3_600
_EPOCH: Final = date(1970, 1, 1)


def service_day_at(time: int) -> int:
    """The service day that holds the moment `time`."""
    return (time + KST_OFFSET_S - ROLL_S) // DAY_S


def day_start(service_day: int) -> int:
    """04:00:00 KST at which `service_day` begins."""
    return service_day * DAY_S + ROLL_S - KST_OFFSET_S


def day_end(service_day: int) -> int:
    """04:00:00 KST of the next day: the first second that no longer belongs to `service_day`."""
    return day_start(service_day + 1)


def kst_date_at(time: int) -> date:
    """The calendar day in Korea at the moment `time` (rolling at midnight, as offices count)."""
    return datetime.fromtimestamp(time + KST_OFFSET_S, UTC).date()


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def date_of(service_day: int) -> date:
    """The calendar date that a service day is named after."""
    return _EPOCH + timedelta(days=service_day)


def month_of(service_day: int) -> int:
    """year * 12 + (month − 1) of a service day."""
    day = date_of(service_day)
    return day.year * 12 + day.month - 1


def month_first_day(month: int) -> int:
    """First service day of a month."""
    return day_number(date(month // 12, month % 12 + 1, 1))


def month_last_day(month: int) -> int:
    """Last service day of a month."""
    return month_first_day(month + 1) - 1


def end_of_month_after(day: date, months: int) -> date:
    """The last day of the month that is `months` after the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, calendar.monthrange(year, month)[1])
