"""Every move of the state machines, and every move there is not."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from services.days import DAY_S
from services.vouchers import states
from services.vouchers.errors import ClockError, GuardError, TransitionError
from services.vouchers.states import Clawback, Entitlement, LotState, Spend

MACHINES: list[tuple[Any, type[StrEnum]]] = [
    (states.ENTITLEMENT_MOVES, Entitlement),
    (states.LOT_MOVES, LotState),
    (states.SPEND_MOVES, Spend),
    (states.CLAWBACK_MOVES, Clawback),
]


@pytest.mark.parametrize(("moves", "kind"), MACHINES, ids=lambda value: getattr(value, "__name__", ""))
def test_every_pair_moves_as_the_table_says_or_is_refused(moves: Any, kind: type[StrEnum]) -> None:
    events = {event for _, event in moves}
    refused = 0
    for state in kind:
        for event in events | {"nonsense"}:
            if (state, event) in moves:
                assert states.move(moves, state, event) is moves[state, event]
            else:
                refused += 1
                with pytest.raises(TransitionError):
                    states.move(moves, state, event)
    assert refused > len(moves)


@pytest.mark.parametrize(
    ("moves", "start", "events", "end"),
    [
        (
            states.ENTITLEMENT_MOVES,
            Entitlement.APPLIED,
            "verify approve activate suspend resume end",
            Entitlement.ENDED,
        ),
        (states.ENTITLEMENT_MOVES, Entitlement.APPLIED, "verify reject object verify approve", Entitlement.APPROVED),
        (states.LOT_MOVES, LotState.DRAFT, "fund start reserve capture exhaust give_back expire", LotState.EXPIRED),
        (states.LOT_MOVES, LotState.ACTIVE, "freeze unfreeze freeze revoke", LotState.REVOKED),
        (states.LOT_MOVES, LotState.EXHAUSTED, "open_clawback", LotState.CLAWBACK_OPEN),
        (states.SPEND_MOVES, Spend.AUTH_OFFLINE, "capture batch settle dispute refund", Spend.REFUNDED),
        (states.CLAWBACK_MOVES, Clawback.OPENED, "notice object decide collect pay_in_parts", Clawback.INSTALMENT),
    ],
)
def test_paths(moves: Any, start: StrEnum, events: str, end: StrEnum) -> None:
    state = start
    for event in events.split():
        state = states.move(moves, state, event)
    assert state is end


def test_objections_are_open_for_ninety_days_and_answered_in_fifteen() -> None:
    states.guard_objection(0, 90 * DAY_S)
    with pytest.raises(ClockError):
        states.guard_objection(0, 90 * DAY_S + 1)
    assert states.answer_due_at(1_000) == 1_000 + 15 * DAY_S


def test_a_notice_gives_ten_days() -> None:
    with pytest.raises(ClockError):
        states.guard_collect(0, 10 * DAY_S - 1)
    states.guard_collect(0, 10 * DAY_S)


def test_a_reservation_is_released_after_26_hours() -> None:
    with pytest.raises(ClockError):
        states.guard_release(0, 26 * 3_600 - 1)
    states.guard_release(0, 26 * 3_600)


@pytest.mark.parametrize(("reserved", "now"), [(0, 99), (1, 100)], ids=["too early", "still reserved"])
def test_a_lot_does_not_expire(reserved: int, now: int) -> None:
    with pytest.raises(GuardError):
        states.guard_expire(100, reserved, now)
    states.guard_expire(100, 0, 100)


def test_an_entitlement_ends_the_day_after() -> None:
    assert states.entitlement_ends_on(states.EndReason.MOVED_OUT, 20_000) == 20_001
