"""The rules of a journey that both forms of pricing share: windows, joining, distance, early bird (fares.md §3 to §6).

Pure functions of facts. `journeys` applies them tap by tap at a reader, `pricing` to a whole day of legs at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from contracts.codes import Mode, RiderClass
from services.fares.network import in_reentry_area
from services.fares.tariff import RAIL, Rules, Tariff, seconds_of_day, units

BUSES: Final = frozenset({Mode.TRUNK, Mode.BRANCH, Mode.CIRCULAR, Mode.VILLAGE, Mode.EXPRESS, Mode.NIGHT})
# A rail exit whose station or line is not known: it can begin no re-entry.
UNKNOWN_PLACE: Final = ":"


class Rule(StrEnum):
    """Names of the rules that priced a journey, in the order in which an answer lists them (interfaces.md §2)."""

    BASE = "BASE"
    EARLY_BIRD = "EARLY_BIRD"
    TRANSFER = "TRANSFER"
    REENTRY = "REENTRY"
    DISTANCE = "DISTANCE"
    SURCHARGE = "SURCHARGE"
    PENALTY = "PENALTY"
    FREE = "FREE"


def rides_free(mode: Mode, rider_class: RiderClass) -> bool:
    """Whether this is a free rail leg (무임): a journey of its own that no leg joins (fares.md §12)."""
    return rider_class is RiderClass.FREE and mode is Mode.SUBWAY


def stands_alone(mode: Mode, rider_class: RiderClass) -> bool:
    """Whether a leg is always a journey of its own: a free rail leg, an airport bus."""
    return mode is Mode.AIRPORT or rides_free(mode, rider_class)


def window_s(tap_on: int, rules: Rules) -> int:
    """How long after the last tap-off a tap-on at this time still joins (fares.md §4.3)."""
    second = seconds_of_day(tap_on)
    at_night = second >= rules.night_from_s or second < rules.night_to_s
    return rules.night_window_s if at_night else rules.window_s


def joining(
    tariff: Tariff,
    rider_class: RiderClass,
    *,
    legs: int,
    last_mode: Mode,
    last_route: str,
    last_exit: str,
    reentry_used: bool,
    gap_s: int,
    tap_on: int,
    mode: Mode,
    route: str,
    entry: str,
) -> Rule | None:
    """TRANSFER or REENTRY where a tap-on joins the open journey, None where it begins a new one (fares.md §4, §4.1).

    `tariff` and `rider_class` are the journey's, fixed at its first tap-on. The previous leg has a tap-off, `gap_s`
    seconds ago; `last_exit` and `entry` are "station:line" of the gates, `last_route` the bus of the previous leg.
    """
    rules = tariff.rules
    if legs >= rules.max_legs or stands_alone(last_mode, rider_class) or stands_alone(mode, rider_class):
        return None
    if mode is Mode.SUBWAY and last_mode is Mode.SUBWAY:
        again = entry == last_exit and not reentry_used and max(gap_s, 0) <= tariff.reentry_limit_s
        return Rule.REENTRY if again and tariff.reentry_limit_s and has_reentry(entry) else None
    if mode is last_mode is Mode.GTX or (mode in BUSES and last_mode in BUSES and route == last_route):
        return None
    return Rule.TRANSFER if gap_s <= window_s(tap_on, rules) else None


def has_reentry(place: str) -> bool:
    """Whether the gate "station:line" lies in the area of rail re-entry."""
    name, _, line = place.partition(":")
    return bool(line) and in_reentry_area(line, name)


def distance_won(tariff: Tariff, rider_class: RiderClass, metres: int, *, express: bool, all_rail: bool) -> int:
    """The distance part of an integrated journey's fare for the metres of all its legs (fares.md §3)."""
    rules = tariff.rules
    base_m = rules.express_base_m if express else rules.base_m
    if metres <= base_m:
        return 0
    return units(metres, base_m, rules, all_rail=all_rail) * tariff.step_won(rider_class)


def early_bird_won(tariff: Tariff, mode: Mode, rider_class: RiderClass, first_time: int, base_won: int) -> int:
    """What the early bird (조조할인) takes off the first leg's base fare; card only (fares.md §5 and §12)."""
    rules = tariff.rules
    if not rules.early_from_s <= seconds_of_day(first_time) < rules.early_to_s or first_time < rules.early_bird_from:
        return 0
    if mode is Mode.NIGHT or stands_alone(mode, rider_class):
        return 0
    return base_won * rules.early_percent // 100


def penalty_won(base_won: int, charged_in_won: int) -> int:
    """What a transferred bus leg without tap-off still owes: the transfer discount is taken back (fares.md §6)."""
    return base_won - charged_in_won


def evasion_won(single_fare_won: int, rules: Rules) -> int:
    """Fare evasion (부정승차): the single fare and thirty times as much (fares.md §5)."""
    return single_fare_won * rules.evasion_times


def own_part_won(charge_won: int, collected_penalty_won: int, mode: Mode, modes: int, per_tap_cap_won: int) -> int:
    """The part of a charge that no voucher may pay (money.md §2): the penalty in it; all of it in a mode outside the
    card's voucher profile `modes` (bitmap by Mode); what exceeds the per-tap cap, 0 for a programme without one.
    """
    if not modes >> mode & 1:
        return charge_won
    if not per_tap_cap_won:
        return collected_penalty_won
    return collected_penalty_won + max(0, charge_won - collected_penalty_won - per_tap_cap_won)


def is_rail(mode: Mode) -> bool:
    """Subway and GTX; everything else is a bus."""
    return mode in RAIL
