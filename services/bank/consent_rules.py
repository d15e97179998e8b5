"""What a bank may debit, and for how long it keeps the proof (Electronic Financial Transactions Act art. 15, 22). Pure.

A debit (추심이체) needs a consent that the payer gave before it (art. 15(1)) and has not withdrawn by the moment it is
booked (art. 15(2)). Art. 15(3) lets bank and payer agree on an earlier moment for bulk debits; this bank asks for
none. A withdrawal ends the debits, not the debt: what was ridden stays owed and becomes a receivable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from services.bank.limits import EVIDENCE_YEARS
from services.days import KST_OFFSET_S, day_end, kst_date_at


@dataclass(frozen=True, slots=True)
class Terms:
    """A consent as the bank counts with it: for which service days (both included), up to how many won in each, given
    and withdrawn when (UTC epoch seconds; None while it is not withdrawn)."""

    id: int
    first_day: int
    last_day: int
    daily_limit_won: int
    given_at: int
    withdrawn_at: int | None = None


def in_force(given: Sequence[Terms], service_day: int, now: int) -> Terms | None:
    """The consent to debit a service day's fares now, None without one. `given` in the order of giving.

    Of several that cover the day the one given last counts alone: a newer consent replaces an older one, and
    withdrawing it does not bring the older one back.
    """
    covering = [each for each in given if each.first_day <= service_day <= each.last_day and each.given_at <= now]
    if not covering:
        return None
    last = covering[-1]
    return last if last.withdrawn_at is None or now < last.withdrawn_at else None


def covers(given: Sequence[Terms], first_day: int, last_day: int, now: int) -> bool:
    """Whether a consent is in force now for each service day from `first_day` to `last_day`."""
    # Between the days on which a consent begins or has ended nothing changes.
    edges = {edge for each in given for edge in (each.first_day, each.last_day + 1)}
    days = {first_day, *(edge for edge in edges if first_day < edge <= last_day)}
    return all(in_force(given, day, now) is not None for day in days)


@dataclass(frozen=True, slots=True)
class DayOwed:
    """What a rider newly owes for one service day (`won`, negative where corrections gave back), what of the day was
    debited before and what was not, and the limit of the consent in force (0 without one)."""

    service_day: int
    won: int
    debited_won: int
    uncollected_won: int
    limit_won: int


def debits(days: Sequence[DayOwed], deposit_won: int) -> list[int]:
    """What is debited from one rider's account for each of the days, in won; negative where it is paid back.

    A day's debits stay within its limit and all together within what the account holds; the rest of `won` is the
    rider's receivable. What is given back pays what of its day is still uncollected first. Money comes back before
    any is taken, and needs no consent.
    """
    wanted = [_wanted(day) for day in days]
    left = max(0, deposit_won - sum(won for won in wanted if won < 0))
    taken = []
    for won in wanted:
        taken.append(min(won, left))
        left -= max(0, taken[-1])
    return taken


def _wanted(day: DayOwed) -> int:
    due = day.uncollected_won + day.won
    if due < 0:
        return due
    return max(0, min(day.won, day.limit_won - max(0, day.debited_won)))


def evidence_until(terms: Terms, last_debit_at: int | None) -> int:
    """The first moment at which a consent's evidence may be destroyed, if its rider owes nothing by then.

    Five years (art. 22(1), its decree's longest) after it last mattered: its last day's end, or its withdrawal before
    that, or the last debit booked under it. Years are counted on Korea's calendar.
    """
    ended = day_end(terms.last_day)
    if terms.withdrawn_at is not None:
        ended = min(ended, terms.withdrawn_at)
    return _years_after(max(ended, terms.given_at, last_debit_at or 0), EVIDENCE_YEARS)


def _years_after(time: int, years: int) -> int:
    """00:00 KST of the day after the same date years later (29 February counts as 1 March)."""
    day = kst_date_at(time)
    leap = (day.month, day.day) == (2, 29)
    same = date(day.year + years, 3, 1) if leap else day.replace(year=day.year + years)
    after = same + timedelta(days=1)
    return int(datetime(after.year, after.month, after.day, tzinfo=UTC).timestamp()) - KST_OFFSET_S
