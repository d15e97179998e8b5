"""The state machines of voucher.md §5, each as the table of every move there is.

A move that is not in its table raises TransitionError and changes nothing. Guards that need numbers or clocks are
functions beside the table; the service asks them before it moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from services.days import DAY_S
from services.vouchers.errors import ClockError, GuardError, TransitionError

OBJECTION_DAYS: Final = 90  # voucher.md §5, from memory of the Administrative Appeals practice
ANSWER_DAYS: Final = 15  # Act on Social Service Vouchers, art. 12
NOTICE_DAYS: Final = 10  # voucher.md §5: a notice of clawback gives at least ten days to answer
RESERVATION_S: Final = 26 * 3_600


class Entitlement(StrEnum):
    """수급자격"""

    APPLIED = "APPLIED"
    VERIFYING = "VERIFYING"
    APPROVED = "APPROVED"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"
    REJECTED = "REJECTED"
    REJECTED_DUPLICATE = "REJECTED_DUPLICATE"
    OBJECTED = "OBJECTED"


class EndReason(StrEnum):
    """Why an entitlement ended."""

    MOVED_OUT = "MOVED_OUT"
    AGE_OUT = "AGE_OUT"
    DEATH = "DEATH"
    ATTESTATION_EXPIRED = "ATTESTATION_EXPIRED"
    FRAUD = "FRAUD"


class LotState(StrEnum):
    """바우처"""

    DRAFT = "DRAFT"
    ISSUED = "ISSUED"
    ACTIVE = "ACTIVE"
    EXHAUSTED = "EXHAUSTED"
    EXPIRED = "EXPIRED"
    FROZEN = "FROZEN"
    REVOKED = "REVOKED"
    CLAWBACK_OPEN = "CLAWBACK_OPEN"


class Spend(StrEnum):
    """A fare's voucher part on its way to the operators."""

    AUTH_OFFLINE = "AUTH_OFFLINE"
    AUTH_ONLINE = "AUTH_ONLINE"
    CAPTURED = "CAPTURED"
    BATCHED = "BATCHED"
    SETTLED = "SETTLED"
    REVERSED = "REVERSED"
    ADJUSTED = "ADJUSTED"
    DISPUTED = "DISPUTED"
    UPHELD = "UPHELD"
    REFUNDED = "REFUNDED"


class Clawback(StrEnum):
    """환수"""

    OPENED = "OPENED"
    NOTICED = "NOTICED"
    OBJECTED = "OBJECTED"
    DECIDED = "DECIDED"
    COLLECTING = "COLLECTING"
    PAID = "PAID"
    INSTALMENT = "INSTALMENT"
    WRITTEN_OFF = "WRITTEN_OFF"


ENTITLEMENT_MOVES: Final[Mapping[tuple[Entitlement, str], Entitlement]] = {
    (Entitlement.APPLIED, "verify"): Entitlement.VERIFYING,
    (Entitlement.VERIFYING, "approve"): Entitlement.APPROVED,
    (Entitlement.VERIFYING, "reject"): Entitlement.REJECTED,
    (Entitlement.VERIFYING, "reject_duplicate"): Entitlement.REJECTED_DUPLICATE,
    (Entitlement.REJECTED, "object"): Entitlement.OBJECTED,
    (Entitlement.REJECTED_DUPLICATE, "object"): Entitlement.OBJECTED,
    (Entitlement.OBJECTED, "verify"): Entitlement.VERIFYING,
    (Entitlement.APPROVED, "activate"): Entitlement.ACTIVE,
    (Entitlement.ACTIVE, "suspend"): Entitlement.SUSPENDED,
    (Entitlement.SUSPENDED, "resume"): Entitlement.ACTIVE,
    (Entitlement.ACTIVE, "end"): Entitlement.ENDED,
    # A death or a move does not wait for the end of a suspension.
    (Entitlement.SUSPENDED, "end"): Entitlement.ENDED,
}

LOT_MOVES: Final[Mapping[tuple[LotState, str], LotState]] = {
    (LotState.DRAFT, "fund"): LotState.ISSUED,
    (LotState.ISSUED, "start"): LotState.ACTIVE,
    (LotState.ACTIVE, "reserve"): LotState.ACTIVE,
    (LotState.ACTIVE, "capture"): LotState.ACTIVE,
    (LotState.ACTIVE, "exhaust"): LotState.EXHAUSTED,
    (LotState.ACTIVE, "release"): LotState.ACTIVE,
    (LotState.ACTIVE, "expire"): LotState.EXPIRED,
    (LotState.ACTIVE, "freeze"): LotState.FROZEN,
    (LotState.FROZEN, "unfreeze"): LotState.ACTIVE,
    (LotState.FROZEN, "revoke"): LotState.REVOKED,
    # A refund returns to the lot that paid (voucher.md §4.2).
    (LotState.EXHAUSTED, "give_back"): LotState.ACTIVE,
    (LotState.EXHAUSTED, "open_clawback"): LotState.CLAWBACK_OPEN,
    (LotState.EXPIRED, "open_clawback"): LotState.CLAWBACK_OPEN,
}

SPEND_MOVES: Final[Mapping[tuple[Spend, str], Spend]] = {
    (Spend.AUTH_OFFLINE, "capture"): Spend.CAPTURED,
    (Spend.AUTH_ONLINE, "capture"): Spend.CAPTURED,
    (Spend.CAPTURED, "batch"): Spend.BATCHED,
    (Spend.BATCHED, "settle"): Spend.SETTLED,
    (Spend.SETTLED, "reverse"): Spend.REVERSED,
    (Spend.SETTLED, "adjust"): Spend.ADJUSTED,
    (Spend.SETTLED, "dispute"): Spend.DISPUTED,
    (Spend.DISPUTED, "uphold"): Spend.UPHELD,
    (Spend.DISPUTED, "refund"): Spend.REFUNDED,
}

CLAWBACK_MOVES: Final[Mapping[tuple[Clawback, str], Clawback]] = {
    (Clawback.OPENED, "notice"): Clawback.NOTICED,
    (Clawback.NOTICED, "object"): Clawback.OBJECTED,
    (Clawback.OBJECTED, "decide"): Clawback.DECIDED,
    (Clawback.NOTICED, "collect"): Clawback.COLLECTING,
    (Clawback.DECIDED, "collect"): Clawback.COLLECTING,
    (Clawback.COLLECTING, "pay"): Clawback.PAID,
    (Clawback.COLLECTING, "pay_in_parts"): Clawback.INSTALMENT,
    (Clawback.COLLECTING, "write_off"): Clawback.WRITTEN_OFF,
}

_State = TypeVar("_State", bound=StrEnum)


def move(moves: Mapping[tuple[_State, str], _State], state: _State, event: str) -> _State:
    """The state after `event`. Raises TransitionError where the table has no such move."""
    after = moves.get((state, event))
    if after is None:
        known = sorted(name for found, name in moves if found is state)
        raise TransitionError(
            f"{event} is no move from {state}" + (f"; there are {', '.join(known)}" if known else ", which is final")
        )
    return after


def guard_objection(rejected_at: int, now: int) -> None:
    """Raises ClockError where an objection comes more than 90 days after the rejection."""
    if now > rejected_at + OBJECTION_DAYS * DAY_S:
        raise ClockError(f"an objection is open for {OBJECTION_DAYS} days after the decision")


def answer_due_at(objected_at: int) -> int:
    """When an objection must be answered (art. 12): 15 days after it, in epoch seconds."""
    return objected_at + ANSWER_DAYS * DAY_S


def guard_collect(noticed_at: int, now: int) -> None:
    """Raises ClockError while the ten days of a notice run."""
    if now < noticed_at + NOTICE_DAYS * DAY_S:
        raise ClockError(f"a notice gives {NOTICE_DAYS} days to answer before money is collected")


def guard_release(reserved_at: int, now: int) -> None:
    """Raises ClockError while a reservation is younger than 26 hours (voucher.md §5)."""
    if now < reserved_at + RESERVATION_S:
        raise ClockError("a reservation stands for 26 hours")


def guard_expire(lot_expires_at: int, reserved_won: int, now: int) -> None:
    """Raises GuardError before the lot's end or while something is reserved (voucher.md §5)."""
    if now < lot_expires_at:
        raise GuardError("the lot has not ended")
    if reserved_won:
        raise GuardError(f"{reserved_won} won are still reserved")


def entitlement_ends_on(reason: EndReason, event_day: int) -> int:
    """First service day without the entitlement: the day after the event (voucher.md §5, §6)."""
    del reason  # the same for every reason; grants of the running month stay usable
    return event_day + 1
