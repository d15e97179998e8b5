"""From when to when the money of a programme may be spent (voucher.md §2, §4). Dates are calendar days in Korea."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.days import day_end, day_number, end_of_month_after, month_first_day, month_last_day, month_of
from services.vouchers.errors import ProgrammeError
from services.vouchers.programmes import CarryKind, Expiry, ExpiryKind, Period, Programme

_PERIOD_MONTHS: Final = {Period.MONTHLY: 1, Period.QUARTERLY: 3, Period.HALF_YEARLY: 6, Period.YEARLY: 12}
_FAR_DAY: Final = 0xFFFF


class SlipPolicy(StrEnum):
    """Which date decides whether a fare still meets its voucher (voucher.md §4.3)."""

    TAP_TIME = "TAP_TIME"
    SLIP_DATE = "SLIP_DATE"


@dataclass(frozen=True, slots=True)
class Window:
    """Service days on which a lot may pay, both included."""

    start_day: int
    last_service_day: int


def period_window(period: Period, service_day: int) -> Window:
    """The granting period that holds `service_day`, in whole months from January. Raises ProgrammeError for ONCE."""
    months = _PERIOD_MONTHS.get(period)
    if months is None:
        raise ProgrammeError("a single grant has no period")
    first = month_of(service_day) // months * months
    return Window(month_first_day(first), month_last_day(first + months - 1))


def last_day(expiry: Expiry, period: Period, granted_on: int, event: date | None = None) -> int:
    """The last service day of a lot granted on service day `granted_on`.

    `event` is the birth, or the due date where applied while pregnant (voucher.md §8.7). Raises ProgrammeError
    where the rule needs a date that is not given.
    """
    if expiry.kind is ExpiryKind.END_OF_PERIOD:
        return period_window(period, granted_on).last_service_day
    if expiry.kind is ExpiryKind.MONTHS_AFTER_EVENT_END:
        if event is None:
            raise ProgrammeError("this expiry counts from a birth or due date, which is missing")
        return day_number(end_of_month_after(event, expiry.months))
    if expiry.kind is ExpiryKind.FIXED_DATE:
        return _next_month_day(expiry.month_day, granted_on)
    return _FAR_DAY


def _next_month_day(month_day: str, granted_on: int) -> int:
    try:
        month, day = (int(part) for part in month_day.split("-"))
        year = month_of(granted_on) // 12
        this_year = day_number(date(year, month, day))
        return this_year if this_year >= granted_on else day_number(date(year + 1, month, day))
    except ValueError as error:
        raise ProgrammeError(f"{month_day!r} is no month and day") from error


def lot_window(programme: Programme, granted_on: int, event: date | None = None) -> Window:
    """Start and last service day of a programme's lot granted on `granted_on`.

    A monthly lot covers its whole month, also where it is granted during it (money.md §1: no lot outlives its card's
    month; TW-BASIC's carry is the lot of the next month).
    """
    last = last_day(programme.expiry, programme.period, granted_on, event)
    return Window(granted_on, last)


def card_window(window: Window, month: int) -> Window | None:
    """The part of a longer lot that a card of `month` may hold (money.md §1), None where they do not meet."""
    start = max(window.start_day, month_first_day(month))
    last = min(window.last_service_day, month_last_day(month))
    return Window(start, last) if start <= last else None


def carried_window(kind: CarryKind, last_service_day: int) -> Window:
    """The window of what a lot ending on `last_service_day` carries: the whole of the next month.

    Raises ProgrammeError where nothing carries.
    """
    if kind is CarryKind.NONE:
        raise ProgrammeError("nothing is carried")
    month = month_of(last_service_day + 1)
    return Window(last_service_day + 1, month_last_day(month))


def expires_at(last_service_day: int) -> int:
    """The first second at which the lot no longer pays: 04:00:00 KST after its last service day."""
    return day_end(last_service_day)


def counts(tap_time: int, slip_time: int, lot_expires_at: int, policy: SlipPolicy = SlipPolicy.TAP_TIME) -> bool:
    """Whether a fare tapped at `tap_time` whose slip arrived at `slip_time` still meets the lot (voucher.md §4.3)."""
    decisive = tap_time if policy is SlipPolicy.TAP_TIME else slip_time
    return decisive < lot_expires_at
