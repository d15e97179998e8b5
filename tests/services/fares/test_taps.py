"""What a reader charges and refuses, tap by tap (fares.md §11, money.md §2)."""

from __future__ import annotations

import pytest

from contracts.codes import Mode, RiderClass
from services.fares.errors import ClockError, DistanceError, OutBeforeInError, UnknownOperatorError
from services.fares.journeys import Charge, foregone_won, tap_off, tap_on
from services.fares.rules import own_part_won
from services.fares.tariff import TARIFFS
from tests.services.fares.legs import at
from tests.services.fares.test_edges import ADULT, DAY, FREE, MORNING, YOUTH, unclosed
from wallets.taps import Tap

M = Mode


def enter(last: Tap | None, mode: Mode, time: int, rider_class: RiderClass = ADULT, route: str = "") -> Tap:
    return _tap("IN", mode, time, route, priced_on(last, mode, time, rider_class, route))


def priced_on(last: Tap | None, mode: Mode, time: int, rider_class: RiderClass, route: str = "") -> Charge:
    stop, line = ("", "") if route else ("강남", "2호선")
    return tap_on(last, 0, seq=1, time=time, mode=mode, route=route, stop=stop, line=line, rider_class=rider_class)


def leave(last: Tap, mode: Mode, time: int, metres: int, route: str = "") -> Tap:
    stop, line = ("", "") if route else ("강남", "2호선")
    charge = tap_off(last, time=time, mode=mode, route=route, stop=stop, line=line, metres=metres)
    return _tap("OUT", mode, time, route, charge)


def _tap(kind: str, mode: Mode, time: int, route: str, charge: Charge) -> Tap:
    stop, line = ("", "") if route else ("강남", "2호선")
    return Tap(kind, mode, 101, route, stop, line, time, charge.rider_class, charge.tariff, charge.journey)  # type: ignore[arg-type]


def test_the_class_is_fixed_at_the_first_tap() -> None:
    """A birthday during the journey: the reader of the second leg meets an ADULT certificate and keeps the class."""
    on = enter(None, M.TRUNK, at(f"{DAY} 23:30"), rider_class=YOUTH, route="143")
    off = leave(on, M.TRUNK, at(f"{DAY} 23:55"), 3_000, route="143")
    joined = priced_on(off, M.SUBWAY, at("2025-10-16 00:10"), ADULT)
    assert (joined.rider_class, joined.charge_won) == (YOUTH, 0)


def test_out_before_in_is_refused() -> None:
    with pytest.raises(OutBeforeInError):
        tap_off(None, time=MORNING, mode=M.SUBWAY, route="", stop="강남", line="2호선", metres=1)
    closed = leave(enter(None, M.SUBWAY, MORNING), M.SUBWAY, MORNING + 60, 1_000)
    with pytest.raises(OutBeforeInError):
        leave(closed, M.SUBWAY, MORNING + 90, 1_000)


@pytest.mark.parametrize(("mode", "route"), [(M.SUBWAY, ""), (M.TRUNK, "472"), (M.BRANCH, "143")])
def test_out_of_another_ride_is_refused(mode: Mode, route: str) -> None:
    with pytest.raises(OutBeforeInError):
        leave(enter(None, M.TRUNK, MORNING, route="143"), mode, MORNING + 60, 1_000, route=route)


def test_a_reader_refuses_times_and_metres_that_cannot_be() -> None:
    inside = enter(None, M.SUBWAY, MORNING)
    with pytest.raises(ClockError):
        leave(inside, M.SUBWAY, MORNING - 1, 1_000)
    with pytest.raises(ClockError):
        enter(inside, M.SUBWAY, MORNING - 91)
    for metres in (-1, 10**9):
        with pytest.raises(DistanceError):
            leave(inside, M.SUBWAY, MORNING + 1, metres)
    with pytest.raises(UnknownOperatorError):
        enter(None, M.TRUNK, MORNING)


def test_a_reader_collects_a_penalty_once_within_72_hours() -> None:
    legs = unclosed(None)
    on = priced_on(
        leave(enter(None, M.SUBWAY, legs[0].on), M.SUBWAY, legs[0].off or 0, 8_000), M.TRUNK, legs[1].on, ADULT, "143"
    )
    assert (on.charge_won, on.missing_out_won) == (0, 1_500)
    last = _tap("IN", M.TRUNK, legs[1].on, "143", on)
    for wait, penalty in ((259_200, 1_500), (259_201, 0)):
        late = tap_on(
            last,
            on.missing_out_won,
            seq=9,
            time=legs[1].on + wait,
            mode=M.VILLAGE,
            route="강남01",
            stop="",
            line="",
            rider_class=ADULT,
        )
        assert (late.charge_won, late.penalty_won) == (1_200 + penalty, penalty)


@pytest.mark.parametrize(
    ("mode", "charge_won", "penalty_won", "own_won"),
    [
        pytest.param(M.SUBWAY, 1_550, 0, 0, id="within-profile-and-cap"),
        pytest.param(M.EXPRESS, 3_000, 0, 3_000, id="mode-outside-the-profile"),
        pytest.param(M.SUBWAY, 3_050, 1_500, 1_500, id="penalty"),
        pytest.param(M.SUBWAY, 2_550, 0, 550, id="over-the-per-tap-cap"),
        pytest.param(M.EXPRESS, 4_500, 1_500, 4_500, id="penalty-and-mode"),
    ],
)
def test_what_no_voucher_may_pay(mode: Mode, charge_won: int, penalty_won: int, own_won: int) -> None:
    profile = 1 << M.SUBWAY | 1 << M.TRUNK
    assert own_part_won(charge_won, penalty_won, mode, profile, 2_000) == own_won


def test_foregone_of_a_single_leg() -> None:
    tariff = TARIFFS.at(MORNING)
    assert foregone_won(tariff, M.SUBWAY, FREE, MORNING, 12_000) == 1_650
    assert foregone_won(tariff, M.TRUNK, FREE, MORNING, 12_000) == 0
