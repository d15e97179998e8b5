"""What a bank may debit and for how long it keeps the proof: worked tables, and any order of fares and corrections."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bank.consent_rules import DayOwed, Terms, covers, debits, evidence_until, in_force
from services.days import day_end, day_start

GIVEN: Final = 1_000
LATER: Final = 2_000
# Days 10 to 20 up to 5,000 won; replaced for days 15 to 30 by 3,000 won.
FIRST: Final = Terms(1, 10, 20, 5_000, GIVEN)
SECOND: Final = Terms(2, 15, 30, 3_000, LATER)
OFF: Final = Terms(2, 15, 30, 3_000, LATER, withdrawn_at=3_000)
FIRST_OFF: Final = Terms(1, 10, 20, 5_000, GIVEN, withdrawn_at=3_000)

IN_FORCE: Final = [
    # consents, service day, now → the consent that counts
    ([], 12, 5_000, 0),
    ([FIRST], 9, 5_000, 0),
    ([FIRST], 10, 5_000, 1),
    ([FIRST], 20, 5_000, 1),
    ([FIRST], 21, 5_000, 0),
    ([FIRST], 12, GIVEN - 1, 0),
    ([FIRST], 12, GIVEN, 1),
    ([FIRST, SECOND], 14, 5_000, 1),
    ([FIRST, SECOND], 15, LATER - 1, 1),
    ([FIRST, SECOND], 15, LATER, 2),
    ([FIRST, SECOND], 30, 5_000, 2),
    ([FIRST_OFF], 12, 2_999, 1),
    ([FIRST_OFF], 12, 3_000, 0),
    ([FIRST, OFF], 14, 5_000, 1),
    ([FIRST, OFF], 15, 2_999, 2),
    ([FIRST, OFF], 15, 3_000, 0),  # the first does not come back
    ([FIRST_OFF, SECOND], 15, 3_000, 2),
]


@pytest.mark.parametrize(("consents", "service_day", "now", "counts"), IN_FORCE)
def test_the_consent_that_counts(consents: list[Terms], service_day: int, now: int, counts: int) -> None:
    found = in_force(consents, service_day, now)
    assert (found.id if found else 0) == counts


@pytest.mark.parametrize(
    ("consents", "first_day", "last_day", "whole"),
    [
        ([FIRST], 10, 20, True),
        ([FIRST], 9, 20, False),
        ([FIRST], 10, 21, False),
        ([FIRST, SECOND], 10, 30, True),
        ([FIRST, SECOND], 10, 31, False),
        ([FIRST, OFF], 10, 14, True),
        ([FIRST, OFF], 10, 15, False),
        ([FIRST, Terms(2, 22, 30, 3_000, LATER)], 10, 30, False),
        ([], 10, 10, False),
    ],
)
def test_days_that_are_covered_without_a_gap(consents: list[Terms], first_day: int, last_day: int, whole: bool) -> None:
    assert covers(consents, first_day, last_day, 5_000) == whole


@given(
    st.lists(
        st.builds(
            lambda first, days, off: Terms(1, first, first + days, 1, 0, off),
            st.integers(0, 12), st.integers(0, 12), st.none() | st.integers(1, 9),
        ),
        max_size=5,
    ),
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(0, 9),
)  # fmt: skip
def test_days_are_covered_when_each_of_them_is(consents: list[Terms], first: int, days: int, now: int) -> None:
    each = all(in_force(consents, day, now) is not None for day in range(first, first + days + 1))
    assert covers(consents, first, first + days, now) == each


# A day: (owed now, debited before, uncollected before, limit).
DEBITS: Final = [
    # days, account holds → debited
    ([(4_500, 0, 0, 50_000)], 200_000, [4_500]),
    ([(4_500, 0, 0, 50_000)], 3_000, [3_000]),
    ([(4_500, 0, 0, 50_000)], 0, [0]),
    ([(4_500, 0, 0, 0)], 200_000, [0]),  # no consent
    ([(4_500, 0, 0, 3_000)], 200_000, [3_000]),  # above the limit
    ([(4_500, 2_000, 0, 3_000)], 200_000, [1_000]),  # the day's second debit
    ([(4_500, 3_000, 700, 3_000)], 200_000, [0]),
    ([(4_500, 5_000, 0, 3_000)], 200_000, [0]),  # the limit was lowered since
    ([(4_500, -500, 0, 3_000)], 200_000, [3_000]),
    ([(-50, 1_550, 0, 50_000)], 200_000, [-50]),
    ([(-50, 1_550, 0, 0)], 0, [-50]),  # money back needs no consent
    ([(-50, 1_500, 50, 50_000)], 200_000, [0]),  # what is uncollected is paid first
    ([(-80, 1_500, 50, 50_000)], 200_000, [-30]),
    ([(-80, 0, 0, 50_000)], 0, [-80]),  # a balance's part, given back after the card's month
    ([(4_000, 0, 0, 50_000), (3_000, 0, 0, 50_000)], 5_000, [4_000, 1_000]),
    ([(4_000, 0, 0, 50_000), (-500, 900, 0, 0)], 0, [500, -500]),
    ([(4_000, 0, 0, 0), (3_000, 0, 0, 50_000)], 5_000, [0, 3_000]),
]


@pytest.mark.parametrize(("days", "deposit_won", "debited"), DEBITS)
def test_debits_of_a_rider(days: list[tuple[int, int, int, int]], deposit_won: int, debited: list[int]) -> None:
    owed = [DayOwed(number, *values) for number, values in enumerate(days)]
    assert debits(owed, deposit_won) == debited


collections = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 3), st.integers(-3_000, 9_000).filter(bool), min_size=1),
        st.sampled_from((0, 1_000, 5_000, 50_000)),  # the limit, 0 without a consent
        st.integers(0, 12_000),  # what comes into the account before
    ),
    max_size=8,
)


@given(collections)
def test_any_order_of_fares_and_corrections(rounds: list[tuple[dict[int, int], int, int]]) -> None:
    """No account falls below 0, no day is debited above its limit or without a consent, and nothing is lost."""
    held = 0
    total: dict[int, int] = defaultdict(int)
    debited: dict[int, int] = defaultdict(int)
    for owed, limit, income in rounds:
        held += income
        asked = [DayOwed(day, won, debited[day], total[day] - debited[day], limit) for day, won in sorted(owed.items())]
        for day, taken in zip(asked, debits(asked, held), strict=True):
            held -= taken
            total[day.service_day] += day.won
            debited[day.service_day] += taken
            assert taken <= max(0, day.won)
            if taken > 0:
                assert debited[day.service_day] <= limit
            if taken < 0:
                assert debited[day.service_day] == total[day.service_day]  # all that is owed is paid
            assert debited[day.service_day] <= total[day.service_day]
        assert held >= 0


def at(text: str) -> int:
    """UTC seconds of a moment in Korea."""
    return int(datetime.fromisoformat(f"{text}+09:00").astimezone(UTC).timestamp())


DAY: Final = 20_392  # 2025-10-31, which ends at 04:00 on 1 November
EVIDENCE: Final = [
    # given, withdrawn, last debit → kept until
    ("2025-09-29T10:00", None, None, "2030-11-02T00:00"),
    ("2025-09-29T10:00", None, "2025-10-16T06:00", "2030-11-02T00:00"),
    ("2025-09-29T10:00", None, "2026-01-20T06:00", "2031-01-21T00:00"),
    ("2025-09-29T10:00", "2025-10-02T00:00", None, "2030-10-03T00:00"),
    ("2025-09-29T10:00", "2025-10-02T23:59", "2025-10-02T06:00", "2030-10-03T00:00"),
    ("2025-09-29T10:00", "2025-12-24T10:00", None, "2030-11-02T00:00"),  # withdrawn when it was over
    ("2024-02-29T10:00", "2024-02-29T12:00", None, "2029-03-02T00:00"),
    ("2025-09-29T10:00", "2025-09-29T10:00", None, "2030-09-30T00:00"),
]


@pytest.mark.parametrize(("given_at", "withdrawn_at", "last_debit_at", "until"), EVIDENCE)
def test_evidence_is_kept_five_years(
    given_at: str, withdrawn_at: str | None, last_debit_at: str | None, until: str
) -> None:
    terms = Terms(1, DAY - 30, DAY, 50_000, at(given_at), at(withdrawn_at) if withdrawn_at else None)
    assert day_end(DAY) == at("2025-11-01T04:00")
    assert evidence_until(terms, at(last_debit_at) if last_debit_at else None) == at(until)


@given(
    st.integers(0, 40_000), st.integers(0, 366), st.none() | st.integers(0, 10**8), st.none() | st.integers(0, 10**8)
)
def test_evidence_outlasts_every_use_by_five_years(
    first: int, days: int, withdrawn: int | None, debited: int | None
) -> None:
    given_at = day_start(first)
    terms = Terms(1, first, first + days, 1, given_at, None if withdrawn is None else given_at + withdrawn)
    last = None if debited is None else given_at + debited
    until = evidence_until(terms, last)
    uses = [given_at, *([last] if last else [])]
    year_s = 365 * 86_400
    assert all(until > use + 5 * year_s for use in uses)
    assert until <= max(day_end(first + days), *uses) + 5 * year_s + 4 * 86_400
