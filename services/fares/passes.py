"""Passes and rebates (fares.md §8): the Climate Card (기후동행카드) and K-Pass (모두의 카드). Pure rules.

A pass rides at 0 won; each ride's card fare is its notional won, by which splits.split_pool shares the pass's price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from contracts.codes import Mode
from services.days import day_start
from services.fares.errors import BeforeFirstTariffError, FareNotInTablesError, QuoteInputError
from services.fares.tariff import read_json

_DOCUMENT: Final = read_json("passes.json")
_CLIMATE: Final[dict[str, Any]] = _DOCUMENT["climate_card"]
CLIMATE_MODES: Final = frozenset(Mode[name] for name in _CLIMATE["modes"])
BASIS_POINTS: Final = 10_000


def climate_card_won(days: int, *, bicycle: bool = False, age: int | None = None, on: date) -> int:
    """Price of a Climate Card of `days` days bought on `on`. Bicycles (따릉이) and the young's discount are of the
    30-day card only. Raises BeforeFirstTariffError, FareNotInTablesError.
    """
    if on < date.fromisoformat(_CLIMATE["valid_from"]):
        raise BeforeFirstTariffError(f"the Climate Card began on {_CLIMATE['valid_from']}")
    won = _CLIMATE["days_won"].get(str(days))
    if won is None or (bicycle and days != 30):
        raise FareNotInTablesError(f"no Climate Card of {days} days{' with bicycles' if bicycle else ''}")
    price = int(won) + (int(_CLIMATE["bicycle_won"]) if bicycle else 0)
    young = age is not None and _CLIMATE["young_from_age"] <= age <= _CLIMATE["young_to_age"]
    return price - int(_CLIMATE["young_off_won"]) if young and days == 30 else price


def climate_card_rides(mode: Mode, first_day: int, days: int, service_day: int) -> bool:
    """Whether a card of `days` service days from `first_day` covers a ride of this mode on `service_day`.

    Sinbundang, express, airport and GTX are not covered, wherever they run.
    """
    return mode in CLIMATE_MODES and first_day <= service_day < first_day + days


def climate_card_renewable_from(first_day: int, days: int) -> int:
    """The first service day on which the card may be renewed: 5 days before it expires."""
    return first_day + days - int(_CLIMATE["renewable_days_before"])


def climate_card_blocked_until(missed_boardings: Sequence[int], first_day: int, days: int) -> int | None:
    """The second missing tap-off within the card's days blocks it for 24 h from that boarding.

    `missed_boardings`: UTC epoch seconds of boardings without tap-off, ascending. None: not blocked.
    """
    start, end = day_start(first_day), day_start(first_day + days)
    within = [time for time in missed_boardings if start <= time < end]
    if len(within) < int(_CLIMATE["misses_until_block"]):
        return None
    return within[-1] + int(_CLIMATE["block_s"])


@dataclass(frozen=True, slots=True)
class Ride:
    """One paid ride of a month: service day, what was paid, and the single fare, which decides the threshold."""

    service_day: int
    paid_won: int
    single_fare_won: int


def k_pass_rebate_won(rides: Sequence[Ride], group: str, month: date) -> int:
    """The month's rebate: max(ratio of spend, spend of the general type above T1, all spend above T2), 0 below 15
    rides. Before 2026 the ratio alone, of 2 rides a day and 60 a month. `rides` in the order they were ridden.

    Raises BeforeFirstTariffError, QuoteInputError for a group that does not exist.
    """
    scheme = _scheme(month)
    rules = scheme["groups"].get(group)
    if rules is None:
        raise QuoteInputError(f"K-Pass of {scheme['valid_from']} has no group {group!r}")
    if any(ride.paid_won < 0 for ride in rides):
        raise QuoteInputError("a ride is paid with 0 won or more")
    if len(rides) < scheme["min_rides"]:
        return 0
    spend = sum(ride.paid_won for ride in _counted(rides, scheme))
    rebate = spend * int(rules["rate_bp"]) // BASIS_POINTS
    if "general_threshold_won" not in rules:
        return rebate
    general = sum(ride.paid_won for ride in rides if ride.single_fare_won < scheme["general_below_won"])
    everything = sum(ride.paid_won for ride in rides)
    return max(rebate, general - int(rules["general_threshold_won"]), everything - int(rules["plus_threshold_won"]), 0)


def _scheme(month: date) -> dict[str, Any]:
    schemes: list[dict[str, Any]] = [
        each for each in _DOCUMENT["k_pass"] if date.fromisoformat(each["valid_from"]) <= month
    ]
    if not schemes:
        raise BeforeFirstTariffError(f"K-Pass began on {_DOCUMENT['k_pass'][0]['valid_from']}")
    return schemes[-1]


def _counted(rides: Sequence[Ride], scheme: dict[str, Any]) -> list[Ride]:
    """The rides that the ratio counts: the first 2 of a day, the first 60 of a month, where the scheme says so."""
    per_day, most = scheme["max_rides_per_day"], scheme["max_rides"]
    if per_day is None:
        return list(rides)
    seen: dict[int, int] = {}
    counted: list[Ride] = []
    for ride in rides:
        seen[ride.service_day] = seen.get(ride.service_day, 0) + 1
        if seen[ride.service_day] <= per_day and len(counted) < most:
            counted.append(ride)
    return counted
