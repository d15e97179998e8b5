"""Pricing tap by tap, as an offline reader does it from what the last tap carries (fares.md §3 to §6 and §12).

The JourneyState of a tap holds all that the next reader needs. Read here, some of its fields say more than their
name: `last_route` is the bus route last left in this journey, "" while every leg was rail; `exit` is "station:line" of
the last tap-off where that was rail (":" where the line is open) and "" where it was a bus; `pending_won` is what was
taken too much when an express leg lowered the distance part, still to be netted by later taps of the journey. What a
missing tap-off adds stands in FareState.missingOutWon. `pricing` is the readable twin over whole journeys.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.codes import Mode, RiderClass
from services.fares.errors import ClockError, DistanceError, OutBeforeInError, UnknownOperatorError
from services.fares.limits import MAX_LEG_METRES
from services.fares.rules import (
    BUSES,
    UNKNOWN_PLACE,
    Rule,
    distance_won,
    early_bird_won,
    is_rail,
    joining,
    penalty_won,
    rides_free,
    stands_alone,
)
from services.fares.tariff import RAIL, TARIFFS, Media, Tariff, Tariffs
from wallets.taps import JourneyState, Tap


@dataclass(frozen=True, slots=True)
class Charge:
    """What a tap costs. `charge_won` is all the gate takes, `penalty_won` (part of it) collects an earlier missing
    tap-off, `missing_out_won` may be added if no tap-off follows, `journey` is the state after the tap. `tariff` and
    `rider_class` are the journey's, fixed at its first tap-on; `joined` says how the tap-on joined, None for new.
    """

    charge_won: int
    penalty_won: int
    missing_out_won: int
    journey: JourneyState
    tariff: str
    rider_class: RiderClass
    joined: Rule | None = None


def tap_on(
    last: Tap | None,
    missing_out_won: int,
    *,
    seq: int,
    time: int,
    mode: Mode,
    route: str,
    stop: str,
    line: str,
    rider_class: RiderClass,
    tariffs: Tariffs = TARIFFS,
) -> Charge:
    """Price a tap-on. `last` is the card's last tap, `missing_out_won` that of its last FareState; `seq` is this
    tap's, `time` UTC epoch seconds, `rider_class` the certificate's (it counts where a journey begins).

    Raises ClockError where `time` lies more than 90 s before the last tap, FareNotInTablesError,
    BeforeFirstTariffError, NoAirportTableError, UnknownOperatorError for a bus without its route.
    """
    if mode in BUSES and not route:
        raise UnknownOperatorError("a bus tap names its route")
    penalty = 0
    if last is not None:
        rules = tariffs.by_id(last.tariff).rules
        if time < last.time - rules.skew_s:
            raise ClockError(f"the tap-on is {last.time - time} s before the card's last tap")
        if last.kind == "IN" and time - last.time <= rules.collect_within_s:
            penalty = missing_out_won
        if last.kind == "OUT":
            tariff = tariffs.by_id(last.tariff)
            how = _joining(last, tariff, time=time, mode=mode, route=route, entry=place_of(mode, stop, line))
            if how is not None:
                return _join(last, tariff, how, mode=mode, penalty=penalty)
    return _begin(tariffs.at(time), penalty, seq=seq, time=time, mode=mode, route=route, rider_class=rider_class)


def place_of(mode: Mode, stop: str, line: str) -> str:
    """What a journey remembers of a rail gate: "station:line", ":" where the line is open, "" on a bus."""
    if not is_rail(mode):
        return ""
    return f"{stop}:{line}" if stop and line else UNKNOWN_PLACE


def _joining(last: Tap, tariff: Tariff, *, time: int, mode: Mode, route: str, entry: str) -> Rule | None:
    state = last.journey
    return joining(
        tariff,
        last.rider_class,
        legs=state.legs,
        last_mode=last.mode,
        last_route=last.route,
        last_exit=state.exit,
        reentry_used=state.reentry_used,
        gap_s=time - state.last_off_time,
        tap_on=time,
        mode=mode,
        route=route,
        entry=entry,
    )


def _begin(
    tariff: Tariff, penalty: int, *, seq: int, time: int, mode: Mode, route: str, rider_class: RiderClass
) -> Charge:
    if mode is Mode.AIRPORT:
        base = tariff.fare(mode, rider_class, Media.CARD, time, route).won
    else:
        base = tariff.base_won(mode, rider_class, time)
    charge = base - early_bird_won(tariff, mode, rider_class, time, base)
    state = JourneyState(
        first_seq=seq,
        first_time=time,
        legs=1,
        max_base_won=base,
        taken_won=charge,
        express=mode is Mode.EXPRESS,
    )
    return Charge(charge + penalty, penalty, 0, state, tariff.id, rider_class)


def _join(last: Tap, tariff: Tariff, how: Rule, *, mode: Mode, penalty: int) -> Charge:
    before, rider_class = last.journey, last.rider_class
    base = tariff.base_won(mode, rider_class, before.first_time)
    highest = max(before.max_base_won, base)
    express = before.express or mode is Mode.EXPRESS
    legs = before.legs + 1
    fall = _counted_off(tariff, rider_class, before) - _counted_on(tariff, rider_class, before, legs, express, mode)
    owed = highest - before.max_base_won - fall - before.pending_won
    charge = max(0, owed)
    state = JourneyState(
        first_seq=before.first_seq,
        first_time=before.first_time,
        legs=legs,
        max_base_won=highest,
        taken_won=before.taken_won + charge,
        metres=before.metres,
        last_off_time=before.last_off_time,
        last_route=before.last_route,
        exit=before.exit,
        reentry_used=before.reentry_used or how is Rule.REENTRY,
        express=express,
        pending_won=charge - owed,
    )
    missing = penalty_won(base, charge) if mode in BUSES else 0
    return Charge(charge + penalty, penalty, missing, state, tariff.id, rider_class, how)


def tap_off(
    last: Tap | None,
    *,
    time: int,
    mode: Mode,
    route: str,
    stop: str,
    line: str,
    metres: int,
    sections: tuple[str, ...] = (),
    tariffs: Tariffs = TARIFFS,
) -> Charge:
    """Price a tap-off. `metres` are those of the leg: the shortest network distance from the entry (last.stop) on
    rail, in-stop to out-stop along the route on a bus; `sections` the surcharged ones that its gates tell
    (sections.rail_ride, fares.md §7).

    Raises OutBeforeInError unless the last tap is a tap-on of this mode and bus route, ClockError where `time` lies
    before it, DistanceError, FareNotInTablesError for a section that the tables have no price of.
    """
    if last is None or last.kind != "IN":
        raise OutBeforeInError("the card has no open leg")
    if last.mode is not mode or (mode not in RAIL and last.route != route):
        raise OutBeforeInError(f"the open leg is {last.mode.name} {last.route}, not {mode.name} {route}".rstrip())
    if time < last.time:
        raise ClockError(f"the tap-off is {last.time - time} s before its tap-on")
    if not 0 <= metres <= MAX_LEG_METRES:
        raise DistanceError(f"a leg of {metres} m; 0 to {MAX_LEG_METRES} m can be ridden")
    tariff, rider_class, before = tariffs.by_id(last.tariff), last.rider_class, last.journey
    counted = _counted_on(tariff, rider_class, before, before.legs, before.express, mode)
    after = JourneyState(
        first_seq=before.first_seq,
        first_time=before.first_time,
        legs=before.legs,
        max_base_won=before.max_base_won,
        metres=before.metres + metres,
        last_off_time=time,
        last_route=before.last_route if is_rail(mode) else route,
        exit=place_of(mode, stop, line),
        reentry_used=before.reentry_used,
        express=before.express,
    )
    owed = -before.pending_won
    if not stands_alone(mode, rider_class):
        rise = _counted_off(tariff, rider_class, after) - counted
        owed += rise + tariff.premium_won(mode, rider_class, metres, sections)
    charge = max(0, owed)
    state = _settled(after, before.taken_won + charge, charge - owed)
    return Charge(charge, 0, 0, state, tariff.id, rider_class)


def _settled(state: JourneyState, taken_won: int, pending_won: int) -> JourneyState:
    """The state with its sums; dataclasses.replace would cost a fifth of a tap's time."""
    return JourneyState(
        state.first_seq,
        state.first_time,
        state.legs,
        state.max_base_won,
        taken_won,
        state.metres,
        state.last_off_time,
        state.last_route,
        state.exit,
        state.reentry_used,
        state.express,
        pending_won,
    )


def _counted_off(tariff: Tariff, rider_class: RiderClass, state: JourneyState) -> int:
    """The distance part that stands after a tap-off: a bus alone is flat, later the metres of all legs count."""
    if state.legs == 1 and state.last_route:
        return 0
    return distance_won(tariff, rider_class, state.metres, express=state.express, all_rail=not state.last_route)


def _counted_on(
    tariff: Tariff, rider_class: RiderClass, state: JourneyState, legs: int, express: bool, mode: Mode
) -> int:
    """The distance part that stands while leg number `legs` of mode `mode` is open: a fall shows at its tap-on, a
    rise (the first bus's metres, 5 km steps once a bus joins) waits for the tap-off.
    """
    if legs == 1 or (legs == 2 and state.last_route):
        return 0
    all_rail = not state.last_route
    earlier = distance_won(tariff, rider_class, state.metres, express=express and not all_rail, all_rail=all_rail)
    return min(
        earlier,
        distance_won(tariff, rider_class, state.metres, express=express, all_rail=all_rail and is_rail(mode)),
    )


def foregone_won(tariff: Tariff, mode: Mode, rider_class: RiderClass, tap_on_time: int, metres: int) -> int:
    """What a free rail leg would have cost an ADULT (fares.md §5), 0 for every other leg."""
    if not rides_free(mode, rider_class):
        return 0
    base = tariff.base_won(mode, RiderClass.ADULT, tap_on_time)
    discount = early_bird_won(tariff, mode, RiderClass.ADULT, tap_on_time, base)
    return base - discount + distance_won(tariff, RiderClass.ADULT, metres, express=False, all_rail=True)
