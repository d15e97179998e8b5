"""From the signed taps of a card to its journeys: priced again, split, and written down as leaves (money.md §8).

Pure. What a reader charged is checked against `pricing`, the twin over whole journeys. The won that stand in the
signed states are what is settled; where they differ from the priced ones, the journey says so and a correction
follows (adjustments.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby
from typing import Any, Final

from contracts.codes import Mode
from contracts.messages import FareState
from services.fares.errors import FareError, UnknownPlaceError, WrongTariffError
from services.fares.journeys import place_of
from services.fares.limits import RECEIVABLE_S
from services.fares.network import GTX_NETWORK, NETWORK
from services.fares.pricing import Journey, Leg, price
from services.fares.rules import is_rail
from services.fares.splits import DEFAULT_POLICY, largest_remainder, split
from services.fares.tariff import TARIFFS, read_table
from wallets.taps import Tap

ORGANISATIONS: Final[Mapping[str, int]] = {
    row["operator"]: int(row["organisation"]) for row in read_table("operators.csv")
}


class Finding(StrEnum):
    """What clearing found when it priced a journey again; "" where it agrees."""

    AGREES = ""
    INCOMPLETE = "INCOMPLETE"  # a tap of the journey is missing; its won wait in suspense
    UNPRICED = "UNPRICED"  # the tariff or the network has no answer; its won wait in suspense
    OVERCHARGED = "OVERCHARGED"  # the readers took more than the tariff; the rest goes back
    UNDERCHARGED = "UNDERCHARGED"  # they took less; the rider owes no more than was signed
    REGROUPED = "REGROUPED"  # the tariff would have joined the legs otherwise


@dataclass(frozen=True, slots=True)
class StoredTap:
    """A tap as clearing holds it: state and tap that belong together, the digest that was signed, and by whom."""

    digest: bytes
    state: FareState
    tap: Tap
    reader: bytes
    card_signature: bytes


@dataclass(frozen=True, slots=True)
class CardJourney:
    """A journey of one card. `shares` are won per organisation id and add up to `charged_won`, what the states say;
    empty where the won wait in suspense. `priced_won` is the tariff's total, `foregone` what a free ride cost whom.
    `money`, `route` are the bodies of its two leaves."""

    card: bytes
    first_seq: int
    last_seq: int
    service_day: int
    charged_won: int
    priced_won: int
    finding: Finding
    shares: Mapping[int, int]
    foregone: Mapping[int, int] = field(default_factory=dict)
    money: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)

    @property
    def explained(self) -> bool:
        return self.finding not in (Finding.INCOMPLETE, Finding.UNPRICED)


def check_tap(tap: Tap) -> None:
    """What tariff, network and route table say of one tap, before it is stored.

    Raises UnknownStationError, AmbiguousStationError, UnknownPlaceError, BeforeFirstTariffError, WrongTariffError.
    """
    if is_rail(tap.mode):
        if tap.route:
            raise UnknownPlaceError("a rail tap names a station, no route")
        NETWORK.station(f"{tap.stop}:{tap.line}" if tap.line else tap.stop)
    elif not tap.route or tap.line:
        raise UnknownPlaceError("a bus tap names its route, and no line")
    elif ORGANISATIONS.get(f"bus-{tap.route}", tap.operator) != tap.operator:
        raise UnknownPlaceError(f"route {tap.route} is not run by organisation {tap.operator}")
    if TARIFFS.at(tap.journey.first_time).id != tap.tariff:
        raise WrongTariffError(f"{tap.tariff} was not in force at the journey's first tap-on")


def journeys_of(taps: Sequence[StoredTap], before: StoredTap | None) -> list[CardJourney]:
    """The journeys in these taps of one card, in the order of seq. `before` is the card's tap just before them, if
    clearing has it: it says whether a missing tap-off was to be collected."""
    found = []
    for _, group in groupby(taps, key=lambda one: one.tap.journey.first_seq):
        journey = list(group)
        found.append(_journey(journey, before if _follows(before, journey[0]) else None))
        before = journey[-1]
    return found


def _follows(before: StoredTap | None, tap: StoredTap) -> bool:
    return before is not None and before.state.seq + 1 == tap.state.seq


def _journey(taps: Sequence[StoredTap], before: StoredTap | None) -> CardJourney:
    first, last = taps[0], taps[-1]
    charged = sum(one.state.charge_won for one in taps)
    bare = CardJourney(
        card=first.state.card,
        first_seq=first.tap.journey.first_seq,
        last_seq=last.state.seq,
        service_day=first.state.service_day,
        charged_won=charged,
        priced_won=0,
        finding=Finding.INCOMPLETE,
        shares={},
    )
    whole = first.state.seq == first.tap.journey.first_seq and last.state.seq - first.state.seq + 1 == len(taps)
    if not whole or (before is None and first.state.seq > 1):
        return bare
    try:
        legs, organisations = _legs(taps)
        priced = price(legs, first.tap.rider_class).journeys
    except FareError:
        return replace(bare, finding=Finding.UNPRICED)
    if len(priced) != 1:
        return _judged(bare, taps, priced[0], organisations, Finding.REGROUPED)
    journey = _with_penalty(priced[0], first, before, organisations)
    due = journey.total_won - journey.adjust_won
    finding = (
        Finding.OVERCHARGED
        if charged > journey.total_won
        else Finding.UNDERCHARGED
        if charged < due
        else Finding.AGREES
    )
    return _judged(bare, taps, journey, organisations, finding)


def _with_penalty(
    journey: Journey, first: StoredTap, before: StoredTap | None, organisations: dict[str, int]
) -> Journey:
    """The journey with what its first tap-on collected for the missing tap-off of the journey before (fares.md §12)."""
    if before is None or before.tap.kind != "IN" or first.state.tap_time - before.state.tap_time > RECEIVABLE_S:
        return journey
    operator = f"organisation-{before.tap.operator}"
    organisations[operator] = before.tap.operator
    return replace(journey, penalty_won=before.state.missing_out_won, penalty_operator=operator)


def _judged(
    bare: CardJourney,
    taps: Sequence[StoredTap],
    journey: Journey,
    organisations: Mapping[str, int],
    finding: Finding,
) -> CardJourney:
    shares = split(journey)
    if bare.charged_won != journey.total_won:
        shares = dict(zip(shares, largest_remainder(bare.charged_won, list(shares.values())), strict=True))
    priced = replace(
        bare,
        priced_won=journey.total_won,
        finding=finding,
        shares=_by_organisation(shares, organisations),
        foregone=_by_organisation(_foregone(journey), organisations),
    )
    return replace(priced, money=_money_body(priced, journey), route=_route_body(priced, journey, taps))


def _by_organisation(shares: Mapping[str, int], organisations: Mapping[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for operator, won in shares.items():
        organisation = organisations[operator] if operator in organisations else ORGANISATIONS[operator]
        found[organisation] = found.get(organisation, 0) + won
    return found


def _foregone(journey: Journey) -> dict[str, int]:
    if not journey.foregone_won:
        return {}
    operators = journey.legs[0].leg.operators
    shares = largest_remainder(journey.foregone_won, [metres for _, metres in operators])
    return {operator: won for (operator, _), won in zip(operators, shares, strict=True) if won}


def _legs(taps: Sequence[StoredTap]) -> tuple[list[Leg], dict[str, int]]:
    """The rides of a journey whose taps are all there, and the organisation behind each operator named in them."""
    legs: list[Leg] = []
    organisations: dict[str, int] = {}
    entry: Tap | None = None
    for one in taps:
        tap = one.tap
        if tap.kind == "IN":
            if entry is not None:
                legs.append(_leg(entry, None, organisations))
            entry = tap
        elif entry is None:
            raise UnknownPlaceError("a tap-off without its tap-on")
        else:
            legs.append(_leg(entry, tap, organisations))
            entry = None
    if entry is not None:
        legs.append(_leg(entry, None, organisations))
    return legs, organisations


def _leg(entry: Tap, exit_: Tap | None, organisations: dict[str, int]) -> Leg:
    off = exit_.time if exit_ else None
    if not is_rail(entry.mode):
        operator = f"bus-{entry.route}"
        organisations[operator] = entry.operator
        metres = exit_.journey.metres - entry.journey.metres if exit_ else 0
        return Leg(entry.mode, entry.time, off, metres, ((operator, metres),), route=entry.route)
    network = GTX_NETWORK if entry.mode is Mode.GTX else NETWORK
    start = NETWORK.station(f"{entry.stop}:{entry.line}" if entry.line else entry.stop)
    place = place_of(entry.mode, entry.stop, entry.line)
    if exit_ is None:
        return Leg(entry.mode, entry.time, None, 0, ((network.gate_operator(start), 0),), entry=place, exit=":")
    end = NETWORK.station(f"{exit_.stop}:{exit_.line}" if exit_.line else exit_.stop)
    path = network.shortest(start, end)
    return Leg(
        entry.mode,
        entry.time,
        off,
        path.metres,
        path.operators,
        entry=place,
        exit=place_of(exit_.mode, exit_.stop, exit_.line),
        tag_in=network.gate_operator(start, path.lines[0] if path.lines else ""),
        lines=path.lines,
        basis=path.basis,
    )


def _money_body(found: CardJourney, journey: Journey) -> dict[str, Any]:
    return {
        "card": _data(found.card),
        "first_seq": found.first_seq,
        "last_seq": found.last_seq,
        "tariff": journey.tariff,
        "class": journey.rider_class.name,
        "base_won": journey.base_won,
        "extra_won": journey.extra_won,
        "discount_won": journey.discount_won,
        "penalty_won": journey.penalty_won,
        "adjust_won": journey.adjust_won,
        "total_won": journey.total_won,
        "policy": DEFAULT_POLICY,
        "shares": [{"organisation": one, "won": won} for one, won in found.shares.items()],
    }


def _route_body(found: CardJourney, journey: Journey, taps: Sequence[StoredTap]) -> dict[str, Any]:
    legs: list[dict[str, Any]] = []
    priced = iter(journey.legs)
    for one in taps:
        if one.tap.kind == "IN":
            leg = next(priced, None)
            legs.append(
                {
                    "mode": one.tap.mode.name,
                    "route": one.tap.route,
                    "from": f"{one.tap.stop}:{one.tap.line}" if one.tap.line else one.tap.stop,
                    "to": None,
                    "metres": leg.leg.metres if leg else 0,
                    "path": list(leg.leg.lines) if leg else [],
                    "on_time": one.tap.time,
                    "off_time": None,
                    "on_reader": _data(one.reader),
                    "off_reader": None,
                }
            )
        elif legs:
            to = f"{one.tap.stop}:{one.tap.line}" if one.tap.line else one.tap.stop
            legs[-1] |= {"to": to, "off_time": one.tap.time, "off_reader": _data(one.reader)}
    return {"card": _data(found.card), "first_seq": found.first_seq, "last_seq": found.last_seq, "legs": legs}


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
