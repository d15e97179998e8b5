"""The clock and the moves of a dispute, as tables (zeropay.md §7.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.days import DAY_S, kst_date_at
from services.fares import dispute_rules as rules
from services.fares.dispute_errors import (
    CauseError,
    DisputeError,
    DisputeMoveError,
    DisputeTimeError,
    EvidenceLateError,
)
from services.fares.dispute_rules import Act, Actor, DisputeStatus
from services.fares.limits import MAX_CAUSE_LETTERS
from wallets.disputes import DisputeCode
from wallets.limits import MAX_CLOCK_SKEW_S

KST = timezone(timedelta(hours=9))
OPEN, EVIDENCE, UPHELD, CREDITED, REVERSED = DisputeStatus


def at(text: str) -> int:
    """UTC seconds of a time in Korea."""
    return int(datetime.fromisoformat(text).replace(tzinfo=KST).timestamp())


# --- what may follow what, and who may do it

LAWFUL = {
    (OPEN, Act.GIVE_EVIDENCE, Actor.OPERATOR): EVIDENCE,
    (EVIDENCE, Act.GIVE_EVIDENCE, Actor.OPERATOR): EVIDENCE,
    (EVIDENCE, Act.UPHOLD, Actor.CLEARING_HOUSE): UPHELD,
    (OPEN, Act.UPHOLD_BY_PRICE, Actor.CLEARING_HOUSE): UPHELD,
    (OPEN, Act.UPHOLD_BY_PRICE, Actor.CLOCK): UPHELD,
    (EVIDENCE, Act.UPHOLD_BY_PRICE, Actor.CLEARING_HOUSE): UPHELD,
    (EVIDENCE, Act.UPHOLD_BY_PRICE, Actor.CLOCK): UPHELD,
    (OPEN, Act.CREDIT, Actor.CLEARING_HOUSE): CREDITED,
    (EVIDENCE, Act.CREDIT, Actor.CLEARING_HOUSE): CREDITED,
    (OPEN, Act.LAPSE, Actor.CLOCK): CREDITED,
    (EVIDENCE, Act.LAPSE, Actor.CLOCK): CREDITED,
    (CREDITED, Act.BOOK, Actor.CHAIN): REVERSED,
}


@pytest.mark.parametrize("status", DisputeStatus)
@pytest.mark.parametrize("act", Act)
@pytest.mark.parametrize("actor", Actor)
def test_every_move_there_is_and_none_besides(status: DisputeStatus, act: Act, actor: Actor) -> None:
    after = LAWFUL.get((status, act, actor))
    if after is not None:
        assert rules.move(status, act, actor) is after
        return
    with pytest.raises(DisputeMoveError):
        rules.move(status, act, actor)


def test_an_answer_is_final_and_a_credit_never_charged_again() -> None:
    assert {status for status, _, _ in LAWFUL} == {*rules.UNANSWERED, CREDITED}
    assert {after for (status, _, _), after in LAWFUL.items() if status is CREDITED} == {REVERSED}


# --- a year

YEARS = {
    "a plain day": (date(2025, 10, 15), date(2026, 10, 15)),
    "new year's eve": (date(2025, 12, 31), date(2026, 12, 31)),
    "into a leap year": (date(2027, 2, 28), date(2028, 2, 28)),
    "a leap day": (date(2028, 2, 29), date(2029, 2, 28)),
    "out of a leap year": (date(2028, 3, 1), date(2029, 3, 1)),
}


@pytest.mark.parametrize("name", YEARS)
def test_the_last_day_to_dispute(name: str) -> None:
    tapped, last = YEARS[name]
    assert rules.last_day(tapped) == last


TAP = at("2025-10-15 08:10:00")
OPENINGS: dict[str, tuple[int, int, bool]] = {
    "at once": (TAP, TAP, True),
    "a wallet slightly ahead": (TAP + MAX_CLOCK_SKEW_S, TAP, True),
    "a wallet slightly behind the reader": (TAP - MAX_CLOCK_SKEW_S, TAP, True),
    "written long ago, sent today": (TAP + 60, at("2026-10-15 23:59:59"), True),
    "the last second of the year": (at("2026-10-15 23:59:59"), at("2026-10-15 23:59:59"), True),
    "the first second after it": (at("2026-10-16 00:00:00"), at("2026-10-16 00:00:00"), False),
    "written within the year, sent after": (TAP + 60, at("2026-10-16 00:00:00"), False),
    "from the future": (TAP + MAX_CLOCK_SKEW_S + 1, TAP, False),
    "before the tap": (TAP - MAX_CLOCK_SKEW_S - 1, TAP, False),
}


@pytest.mark.parametrize("name", OPENINGS)
def test_when_a_tap_may_be_disputed(name: str) -> None:
    opened_at, now, lawful = OPENINGS[name]
    if lawful:
        rules.check_opening(TAP, opened_at, now)
        return
    with pytest.raises(DisputeTimeError):
        rules.check_opening(TAP, opened_at, now)


# --- two weeks, five business days

CLOCKS = {
    "a plain week": ("2025-10-15 08:10:00", "2025-10-23 00:00:00", "2025-10-29 08:10:00"),
    "late in the evening": ("2025-10-15 23:59:59", "2025-10-23 00:00:00", "2025-10-29 23:59:59"),
    "a minute after midnight": ("2025-10-16 00:01:00", "2025-10-24 00:00:00", "2025-10-30 00:01:00"),
    "a Saturday": ("2025-10-18 12:00:00", "2025-10-25 00:00:00", "2025-11-01 12:00:00"),
    "before Chuseok the credit comes first": ("2025-10-02 09:00:00", "2025-10-16 09:00:00", "2025-10-16 09:00:00"),
    "over new year": ("2025-12-26 09:00:00", "2026-01-06 00:00:00", "2026-01-09 09:00:00"),
    "holidays not known yet": ("2026-12-30 09:00:00", "2027-01-13 09:00:00", "2027-01-13 09:00:00"),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_evidence_has_five_business_days_and_the_answer_two_weeks(name: str) -> None:
    received, evidence, answer = map(at, CLOCKS[name])
    assert rules.evidence_due_at(received) == evidence
    assert rules.answer_due_at(received) == answer


@given(st.integers(at("2025-01-01 00:00:00"), at("2027-12-31 00:00:00")))
def test_evidence_never_outlasts_the_credit(received: int) -> None:
    due = rules.evidence_due_at(received)
    assert received + 5 * DAY_S < due <= rules.answer_due_at(received) == received + 14 * DAY_S
    assert kst_date_at(due - 1) > kst_date_at(received)


def test_evidence_ends_at_its_second() -> None:
    due = at("2025-10-23 00:00:00")
    rules.check_evidence_time(due, due - 1)
    with pytest.raises(EvidenceLateError):
        rules.check_evidence_time(due, due)


DUE = at("2025-10-23 00:00:00")
PROVEN = {DisputeCode.WRONG_CLASS, DisputeCode.REFUND_NOT_RECEIVED, DisputeCode.VOUCHER_REFUSED}


@pytest.mark.parametrize("code", sorted(set(DisputeCode) - {DisputeCode.OPERATOR_SPLIT}))
def test_what_the_taps_do_not_prove_is_not_credited_before_the_operators_could_speak(code: DisputeCode) -> None:
    rules.check_credit_time(code, OPEN, DUE, DUE)
    rules.check_credit_time(code, EVIDENCE, DUE, DUE - 1)
    if code in PROVEN:
        rules.check_credit_time(code, OPEN, DUE, DUE - 1)
        return
    with pytest.raises(DisputeMoveError):
        rules.check_credit_time(code, OPEN, DUE, DUE - 1)


MUST_FAIL: dict[str, tuple[type[DisputeError], Callable[[], object]]] = {
    "no cause": (CauseError, lambda: rules.check_cause("")),
    "a blank cause": (CauseError, lambda: rules.check_cause("  ")),
    "a cause of lines": (CauseError, lambda: rules.check_cause("a\nb")),
    "a cause that turns the text around": (CauseError, lambda: rules.check_cause("a\u202eb")),
    "too long a cause": (CauseError, lambda: rules.check_cause("가" * (MAX_CAUSE_LETTERS + 1))),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail(fault: str) -> None:
    error, call = MUST_FAIL[fault]
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("cause", [rules.CAUSE_SILENCE, rules.CAUSE_PRICED_RIGHT, "가" * MAX_CAUSE_LETTERS])
def test_causes_that_pass(cause: str) -> None:
    rules.check_cause(cause)
