"""What may follow what in a dispute, who may do it, and by when (zeropay.md §7.1; Electronic Financial Transactions
Act art. 8). Pure.

    OPEN ─ evidence ─▶ EVIDENCE ─ uphold ─▶ UPHELD
      └──────┬────────────┘
             └─ credit, or silence until day 14 ─▶ CREDITED ─ booked on the chain ─▶ REVERSED

The charge is UPHELD or REVERSED (zeropay.md §5). A credit stands: the agreements have no way to charge again, so
evidence counts only until the credit (docs/decisions/0011-credits-stand.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from enum import IntEnum, StrEnum
from typing import Final

from services.business_days import CalendarError, business_day_after
from services.days import DAY_S, KST_OFFSET_S, day_number, kst_date_at
from services.fares.dispute_errors import CauseError, DisputeMoveError, DisputeTimeError, EvidenceLateError
from services.fares.limits import MAX_CAUSE_LETTERS
from wallets.disputes import DisputeCode
from wallets.limits import MAX_CLOCK_SKEW_S

ANSWER_DAYS: Final = 14
EVIDENCE_BUSINESS_DAYS: Final = 5
# What the signed taps alone decide; the others rest on what only an operator can show.
PROVEN_BY_PRICE: Final = frozenset(
    {DisputeCode.WRONG_CLASS, DisputeCode.REFUND_NOT_RECEIVED, DisputeCode.VOUCHER_REFUSED}
)
CAUSE_SILENCE: Final = "14일 안에 답이 없어 환급합니다. · Credited: there was no answer within 14 days."
CAUSE_PRICED_RIGHT: Final = (
    "공개 요금표로 다시 계산해도 돌려드릴 금액이 없습니다. · Priced again by the public tariff, nothing comes back."
)


class DisputeStatus(IntEnum):
    """OPEN: waits for the operators · EVIDENCE: one has spoken · UPHELD: the charge was right · CREDITED: decided for
    the rider, on its way to the chain · REVERSED: given back there."""

    OPEN = 0
    EVIDENCE = 1
    UPHELD = 2
    CREDITED = 3
    REVERSED = 4


class Act(StrEnum):
    """What is done to a dispute."""

    GIVE_EVIDENCE = "GIVE_EVIDENCE"
    UPHOLD = "UPHOLD"  # after evidence
    UPHOLD_BY_PRICE = "UPHOLD_BY_PRICE"  # priced again, nothing comes back
    CREDIT = "CREDIT"
    LAPSE = "LAPSE"
    BOOK = "BOOK"


class Actor(StrEnum):
    """Who does it; a rider opens disputes and does nothing else."""

    OPERATOR = "OPERATOR"
    CLEARING_HOUSE = "CLEARING_HOUSE"
    CLOCK = "CLOCK"
    CHAIN = "CHAIN"


ACTORS: Final[Mapping[Act, frozenset[Actor]]] = {
    Act.GIVE_EVIDENCE: frozenset({Actor.OPERATOR}),
    Act.UPHOLD: frozenset({Actor.CLEARING_HOUSE}),
    Act.UPHOLD_BY_PRICE: frozenset({Actor.CLEARING_HOUSE, Actor.CLOCK}),
    Act.CREDIT: frozenset({Actor.CLEARING_HOUSE}),
    Act.LAPSE: frozenset({Actor.CLOCK}),
    Act.BOOK: frozenset({Actor.CHAIN}),
}

MOVES: Final[Mapping[tuple[DisputeStatus, Act], DisputeStatus]] = {
    (DisputeStatus.OPEN, Act.GIVE_EVIDENCE): DisputeStatus.EVIDENCE,
    (DisputeStatus.EVIDENCE, Act.GIVE_EVIDENCE): DisputeStatus.EVIDENCE,
    (DisputeStatus.EVIDENCE, Act.UPHOLD): DisputeStatus.UPHELD,
    (DisputeStatus.OPEN, Act.UPHOLD_BY_PRICE): DisputeStatus.UPHELD,
    (DisputeStatus.EVIDENCE, Act.UPHOLD_BY_PRICE): DisputeStatus.UPHELD,
    (DisputeStatus.OPEN, Act.CREDIT): DisputeStatus.CREDITED,
    (DisputeStatus.EVIDENCE, Act.CREDIT): DisputeStatus.CREDITED,
    (DisputeStatus.OPEN, Act.LAPSE): DisputeStatus.CREDITED,
    (DisputeStatus.EVIDENCE, Act.LAPSE): DisputeStatus.CREDITED,
    (DisputeStatus.CREDITED, Act.BOOK): DisputeStatus.REVERSED,
}
# States that wait for an answer.
UNANSWERED: Final = (DisputeStatus.OPEN, DisputeStatus.EVIDENCE)


def move(status: DisputeStatus, act: Act, actor: Actor) -> DisputeStatus:
    """The state after `act` of `actor`. Raises DisputeMoveError where there is no such move, or not for this actor."""
    if actor not in ACTORS[act]:
        raise DisputeMoveError(f"{act} is not {actor}'s to do, but {' and '.join(sorted(ACTORS[act]))}'s")
    after = MOVES.get((status, act))
    if after is None:
        raise DisputeMoveError(f"{act} cannot follow on {status.name}")
    return after


# --- the clock


def last_day(tapped: date) -> date:
    """The last day on which a tap of a day may be disputed: the same date a year later, 28 February after the 29th."""
    if (tapped.month, tapped.day) == (2, 29):
        return date(tapped.year + 1, 2, 28)
    return tapped.replace(year=tapped.year + 1)


def check_opening(tap_time: int, opened_at: int, now: int) -> None:
    """Raises DisputeTimeError unless a dispute that arrives `now` is within a year of its tap, and its own time neither
    before the tap nor ahead of `now`, by more than clocks differ. The wallet's time counts for nothing else."""
    last = last_day(kst_date_at(tap_time))
    if now >= _midnight_after(last):
        raise DisputeTimeError(f"the tap could be disputed until {last}")
    if opened_at > now + MAX_CLOCK_SKEW_S:
        raise DisputeTimeError(f"the dispute was opened {opened_at - now} s ahead of the clearing house's clock")
    if opened_at < tap_time - MAX_CLOCK_SKEW_S:
        raise DisputeTimeError(f"the dispute was opened {tap_time - opened_at} s before its tap")


def answer_due_at(received_at: int) -> int:
    """When a dispute is answered at the latest, two weeks after it came (art. 8), in UTC epoch seconds."""
    return received_at + ANSWER_DAYS * DAY_S


def evidence_due_at(received_at: int) -> int:
    """Until when operators may give evidence: the end of the fifth business day after the one on which the dispute came
    (KST), and no longer than it may stay unanswered, since a credit stands."""
    due = answer_due_at(received_at)
    try:
        fifth = business_day_after(kst_date_at(received_at), EVIDENCE_BUSINESS_DAYS)
    except CalendarError:
        return due  # a rider's right does not wait for next year's holidays to be known
    return min(due, _midnight_after(fifth))


def _midnight_after(day: date) -> int:
    return day_number(day + timedelta(days=1)) * DAY_S - KST_OFFSET_S


def check_evidence_time(evidence_due_at: int, now: int) -> None:
    """Raises EvidenceLateError once the operators' time is over."""
    if now >= evidence_due_at:
        raise EvidenceLateError(f"the time for evidence ended {now - evidence_due_at} s ago")


def check_credit_time(code: DisputeCode, status: DisputeStatus, evidence_due_at: int, now: int) -> None:
    """Raises DisputeMoveError where the clearing house would credit before the operators could speak: what the signed
    taps do not prove waits for evidence or for the end of its time."""
    if code not in PROVEN_BY_PRICE and status is DisputeStatus.OPEN and now < evidence_due_at:
        raise DisputeMoveError(f"the operators may give evidence for another {evidence_due_at - now} s")


def check_cause(cause: str) -> None:
    """Raises CauseError unless an answer says why, in 1 to MAX_CAUSE_LETTERS printable letters."""
    if not cause.strip() or len(cause) > MAX_CAUSE_LETTERS or not cause.isprintable():
        raise CauseError(f"a cause has 1 to {MAX_CAUSE_LETTERS} printable letters")
