"""The reader's tap-by-tap pricing and the pricing of whole journeys come to the same won at every tap."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codes import Mode, RiderClass
from services.fares.errors import FareNotInTablesError
from services.fares.journeys import Charge, tap_off, tap_on
from services.fares.pricing import Journey, Leg, price
from services.fares.rules import BUSES, is_rail
from services.fares.splits import Policy, split
from services.fares.tariff import TARIFFS
from tests.services.fares.legs import at
from wallets.taps import JourneyState, Tap

GATES = ("강남:2호선", "강남:2호선", "시청:1호선", "시청:2호선", "신내:6호선", "도봉산:1호선", ":")
ROUTES = ("143", "143", "472", "N13", "강남01")
MORNINGS = (
    "2013-03-01",
    "2019-05-06",
    "2023-07-15",
    "2023-09-01",
    "2024-05-01",
    "2025-06-27",
    "2025-10-15",
    "2025-10-18",
)
SECTIONS = ((), ("Sinsa-Gangnam",), ("Jeongja-Gwanggyo",), ("Gangnam-Jeongja", "Jeongja-Gwanggyo"))
LATE = ("2024-05-01", "2025-10-15", "2025-10-15", "2025-10-18")
MODES = [mode for mode in Mode if mode is not Mode.AIRPORT]


@st.composite
def days(draw: st.DrawFn, surcharged: bool = False) -> list[Leg]:
    """One rider's legs, near the edges of every rule; `surcharged`: some ride sections, on dates that price them."""
    morning = draw(st.just("2025-10-15") if surcharged else st.sampled_from(LATE) | st.sampled_from(MORNINGS))
    modes = MODES if morning >= "2024-04" else [mode for mode in MODES if mode is not Mode.GTX]
    time = at(f"{morning} 04:00") + draw(
        st.sampled_from((0, 8_999, 9_000, 10_799, 10_800, 18_000, 59_000, 61_199, 72_000)) | st.integers(-7_200, 79_200)
    )
    legs: list[Leg] = []
    for _ in range(draw(st.integers(1, 9))):
        leg = draw(rides(time, modes, legs[-1] if legs else None))
        if surcharged and leg.mode is Mode.SUBWAY:
            leg = replace(leg, sections=draw(st.sampled_from(SECTIONS)))
        legs.append(leg)
        time = (legs[-1].off or legs[-1].on) + draw(
            st.sampled_from((-90, 0, 300, 600, 601, 900, 901, 1_800, 1_801, 3_600, 3_601, 259_200))
            | st.integers(-90, 300_000)
        )
    return legs


@st.composite
def rides(draw: st.DrawFn, on: int, modes: list[Mode], before: Leg | None) -> Leg:
    """One leg; often back through the gate of the leg before, often night and express."""
    back = before is not None and before.mode is Mode.SUBWAY and draw(st.booleans())
    mode = (
        Mode.SUBWAY if back else draw(st.sampled_from(modes) | st.sampled_from((Mode.SUBWAY, Mode.NIGHT, Mode.EXPRESS)))
    )
    metres = draw(st.sampled_from((0, 10_000, 10_001, 29_999, 30_001, 50_001)) | st.integers(0, 130_000))
    off = None if draw(st.integers(0, 9)) == 0 else on + draw(st.integers(0, 5_400))
    entry = draw(st.sampled_from(GATES)) if is_rail(mode) else ""
    route = draw(st.sampled_from(ROUTES)) if mode in BUSES else ""
    return Leg(
        mode,
        on,
        off,
        metres,
        ((f"bus-{route}" if route else "seoul-metro", metres),),
        route=route,
        entry=before.exit if back and before is not None else entry,
        exit=draw(st.sampled_from(GATES)) if entry else "",
    )


def gate_fields(place: str) -> tuple[str, str]:
    stop, _, line = place.partition(":")
    return stop, line


def tap_by_tap(legs: list[Leg], rider_class: RiderClass) -> list[tuple[Charge, Charge | None]]:
    """What readers charge, each knowing the last tap only; every tap crosses its canonical bytes."""
    last: Tap | None = None
    missing_out_won, seq, charges = 0, 0, []

    def tapped(kind: str, leg: Leg, time: int, place: str, charge: Charge) -> Tap:
        stop, line = gate_fields(place)
        tap = Tap(kind, leg.mode, 1, leg.route, stop, line, time, charge.rider_class, charge.tariff, charge.journey)  # type: ignore[arg-type]
        return Tap.from_canonical(tap.canonical())

    for leg in legs:
        seq += 1
        stop, line = gate_fields(leg.entry)
        on = tap_on(
            last,
            missing_out_won,
            seq=seq,
            time=leg.on,
            mode=leg.mode,
            route=leg.route,
            stop=stop,
            line=line,
            rider_class=rider_class,
        )
        last, missing_out_won, off = tapped("IN", leg, leg.on, leg.entry, on), on.missing_out_won, None
        if leg.off is not None:
            seq += 1
            stop, line = gate_fields(leg.exit)
            off = tap_off(
                last,
                time=leg.off,
                mode=leg.mode,
                route=leg.route,
                stop=stop,
                line=line,
                metres=leg.metres,
                sections=leg.sections,
            )
            last, missing_out_won = tapped("OUT", leg, leg.off, leg.exit, off), off.missing_out_won
        charges.append((on, off))
    return charges


def check_journey(journey: Journey, charges: list[tuple[Charge, Charge | None]]) -> None:
    for leg, (on, off) in zip(journey.legs, charges, strict=True):
        assert on.charge_won - on.penalty_won == leg.on_won
        assert (off.charge_won if off else 0) == leg.off_won
        assert on.tariff == journey.tariff
    assert charges[0][0].penalty_won == journey.penalty_won
    assert [on.penalty_won for on, _ in charges[1:]] == [0] * (len(charges) - 1)
    last_on, last_off = charges[-1]
    state = (last_off or last_on).journey
    assert state.taken_won == sum(leg.on_won + leg.off_won for leg in journey.legs)
    assert state.max_base_won == journey.base_won
    assert state.pending_won == -journey.adjust_won
    assert (last_off or last_on).missing_out_won == journey.missing_out_won
    for policy in Policy:
        shares = split(journey, policy)
        assert sum(shares.values()) == journey.total_won
        assert min(shares.values()) >= 0


def check_both_forms(legs: list[Leg], rider_class: RiderClass) -> None:
    try:
        priced = price(legs, rider_class)
    except FareNotInTablesError:
        with pytest.raises(FareNotInTablesError):
            tap_by_tap(legs, rider_class)
        return
    charges = tap_by_tap(legs, rider_class)
    position = 0
    for journey in priced.journeys:
        check_journey(journey, charges[position : position + len(journey.legs)])
        position += len(journey.legs)
    taken = sum(on.charge_won + (off.charge_won if off else 0) for on, off in charges)
    assert taken == priced.total_won - sum(journey.adjust_won for journey in priced.journeys)


@settings(max_examples=400, deadline=None)
@given(days(), st.sampled_from(RiderClass))
def test_both_forms_take_the_same_won_at_every_tap(legs: list[Leg], rider_class: RiderClass) -> None:
    check_both_forms(legs, rider_class)


@settings(max_examples=200, deadline=None)
@given(days(surcharged=True), st.sampled_from((RiderClass.ADULT, RiderClass.FREE, RiderClass.INFANT)))
def test_both_forms_take_the_same_won_for_surcharged_sections(legs: list[Leg], rider_class: RiderClass) -> None:
    check_both_forms(legs, rider_class)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None)
@given(days(), st.sampled_from(RiderClass))
def test_both_forms_take_the_same_won_at_every_tap_at_length(legs: list[Leg], rider_class: RiderClass) -> None:
    check_both_forms(legs, rider_class)


def test_an_express_leg_after_a_night_bus_gives_back_what_was_taken_too_much() -> None:
    start = at("2025-10-15 01:00")
    bus = (("bus-N13", 10),)
    legs = [
        Leg(Mode.SUBWAY, start, start + 600, 30_000, (("seoul-metro", 30_000),), entry="강남:2호선", exit="시청:2호선"),
        Leg(Mode.NIGHT, start + 700, start + 900, 10, bus, route="N13"),
        Leg(Mode.EXPRESS, start + 1_000, start + 1_500, 10, (("bus-9401", 10),), route="9401"),
    ]
    journey = price(legs, RiderClass.YOUTH).journeys[0]
    assert [(leg.on_won, leg.off_won) for leg in journey.legs] == [(900, 320), (700, 80), (0, 0)]
    assert (journey.total_won, journey.adjust_won) == (1_780, -220)
    charges = tap_by_tap(legs, RiderClass.YOUTH)
    assert charges[-1][1] is not None
    assert charges[-1][1].journey.pending_won == 220
    legs.append(Leg(Mode.TRUNK, start + 2_000, start + 5_000, 15_000, (("bus-143", 15_000),), route="143"))
    journey = price(legs, RiderClass.YOUTH).journeys[0]
    assert [(leg.on_won, leg.off_won) for leg in journey.legs[3:]] == [(0, 20)]
    assert (journey.total_won, journey.adjust_won) == (2_020, 0)
    check_journey(journey, tap_by_tap(legs, RiderClass.YOUTH))


def test_a_first_tap_leaves_a_first_state() -> None:
    charge = tap_on(
        None,
        0,
        seq=7,
        time=at("2025-10-15 08:00"),
        mode=Mode.SUBWAY,
        route="",
        stop="강남",
        line="2호선",
        rider_class=RiderClass.ADULT,
    )
    assert charge.journey == JourneyState(
        first_seq=7, first_time=at("2025-10-15 08:00"), legs=1, max_base_won=1_550, taken_won=1_550
    )
    assert charge.tariff == TARIFFS.at(at("2025-10-15 08:00")).id
