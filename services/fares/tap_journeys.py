"""From the signed taps of a card to its journeys: priced again, split, and written down as leaves (money.md §8).

Pure. What a reader charged is checked against `pricing`, the twin over whole journeys. The won that stand in the
signed states are what is settled; where they differ from the priced ones, the journey says so and a correction
follows (adjustments.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any

from contracts.codes import Mode, RiderClass
from contracts.messages import FareState
from services.fares.errors import DistanceError, FareError, UnknownOperatorError, UnknownPlaceError, WrongTariffError
from services.fares.journeys import place_of
from services.fares.limits import MAX_LEG_METRES, RECEIVABLE_S
from services.fares.network import GTX_NETWORK, NETWORK
from services.fares.operators import OPERATORS
from services.fares.pricing import Journey, Leg, PricedLeg, price
from services.fares.rules import is_rail
from services.fares.sections import sections_between
from services.fares.splits import DEFAULT_POLICY, largest_remainder, split
from services.fares.tariff import TARIFFS
from wallets.taps import Tap


class Finding(StrEnum):
    """What clearing found when it priced a journey again; "" where it agrees."""

    AGREES = ""
    INCOMPLETE = "INCOMPLETE"  # a tap is missing, or sums do not follow from the tap before; its won wait in suspense
    UNPRICED = "UNPRICED"  # the tariff or the network has no answer; its won wait in suspense
    OVERCHARGED = "OVERCHARGED"  # the readers took more than the tariff; the rest goes back
    UNDERCHARGED = "UNDERCHARGED"  # they took less; the rider owes no more than was signed
    REGROUPED = "REGROUPED"  # the tariff makes several journeys of these legs; what was signed is split by them all


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
    `money`, `route` are the bodies of its two leaves, empty where nothing was priced."""

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
        NETWORK.station(_place(tap))
    elif not tap.route or tap.line:
        raise UnknownPlaceError("a bus tap names its route, and no line")
    elif _runs(f"bus-{tap.route}", tap.operator) != tap.operator:
        raise UnknownPlaceError(f"route {tap.route} is not run by organisation {tap.operator}")
    if TARIFFS.at(tap.journey.first_time).id != tap.tariff:
        raise WrongTariffError(f"{tap.tariff} was not in force at the journey's first tap-on")


def _runs(operator: str, otherwise: int) -> int:
    """The organisation that runs `operator`; `otherwise` where a deployment knows more routes than the seed."""
    try:
        return OPERATORS.organisation(operator)
    except UnknownOperatorError:
        return otherwise


def journeys_of(taps: Sequence[StoredTap], before: StoredTap | None) -> list[CardJourney]:
    """The journeys in these taps of one card, in the order of seq, one tap a seq. `before` is the card's tap just
    before them, if clearing has it: it says whether a missing tap-off was to be collected."""
    found = []
    for _, group in groupby(taps, key=lambda one: one.tap.journey.first_seq):
        journey = list(group)
        follows = before is not None and before.state.seq + 1 == journey[0].state.seq
        found.append(_journey(journey, before if follows else None))
        before = journey[-1]
    return found


def _continues(before: StoredTap, tap: StoredTap) -> bool:
    """Whether `tap` is the state right after `before` and its sums rise by what it charges (money.md §2)."""
    earlier, state = before.state, tap.state
    return (
        state.seq == earlier.seq + 1
        and state.cum_won == earlier.cum_won + state.charge_won
        and 0 <= state.cum_own_won - earlier.cum_own_won <= state.charge_won
    )


def _whole(taps: Sequence[StoredTap], before: StoredTap | None) -> bool:
    first = taps[0]
    if first.state.seq != first.tap.journey.first_seq:
        return False
    if before is None and first.state.seq > 1:
        return False
    chain = list(taps) if before is None else [before, *taps]
    return all(_continues(one, other) for one, other in pairwise(chain))


def _journey(taps: Sequence[StoredTap], before: StoredTap | None) -> CardJourney:
    first, last = taps[0], taps[-1]
    bare = CardJourney(
        card=first.state.card,
        first_seq=first.tap.journey.first_seq,
        last_seq=last.state.seq,
        service_day=first.state.service_day,
        charged_won=sum(one.state.charge_won for one in taps),
        priced_won=0,
        finding=Finding.INCOMPLETE,
        shares={},
    )
    if not _whole(taps, before):
        return bare
    try:
        legs, organisations = _legs(taps)
        head, *others = price(legs, first.tap.rider_class).journeys
        journeys = [_with_penalty(head, first, before, organisations), *others]
        return _judged(bare, taps, journeys, organisations)
    except FareError:
        return replace(bare, finding=Finding.UNPRICED)


def _with_penalty(
    journey: Journey, first: StoredTap, before: StoredTap | None, organisations: dict[str, int]
) -> Journey:
    """The journey with what its first tap-on collected for the missing tap-off of the journey before (fares.md §12)."""
    won = collected_won(before, first)
    if before is None or not won:
        return journey
    operator = f"organisation-{before.tap.operator}"
    organisations[operator] = before.tap.operator
    return replace(journey, penalty_won=won, penalty_operator=operator)


def collected_won(before: StoredTap | None, first: StoredTap) -> int:
    """What a journey's first tap-on collects for a missing tap-off of the tap before it (fares.md §12)."""
    if before is None or before.tap.kind != "IN" or first.state.tap_time - before.state.tap_time > RECEIVABLE_S:
        return 0
    return before.state.missing_out_won


def tariff_shares(taps: Sequence[StoredTap], rider_class: RiderClass) -> dict[int, int]:
    """Won per organisation id that the public tariff takes for these taps of one card, whatever their states say; what
    they collect for an earlier journey is not among it. Raises FareError where tariff or network have no answer."""
    if not taps:
        return {}
    legs, organisations = _legs(taps)
    shares: dict[str, int] = {}
    for journey in price(legs, rider_class).journeys:
        for operator, won in split(journey).items():
            shares[operator] = shares.get(operator, 0) + won
    return _by_organisation(shares, organisations)


def _judged(
    bare: CardJourney, taps: Sequence[StoredTap], journeys: Sequence[Journey], organisations: Mapping[str, int]
) -> CardJourney:
    """What was charged, split as the tariff splits its own total. Raises FareError where that cannot be."""
    shares: dict[str, int] = {}
    foregone: dict[str, int] = {}
    for journey in journeys:
        for found, won in ((shares, split(journey)), (foregone, _foregone(journey))):
            for operator, part in won.items():
                found[operator] = found.get(operator, 0) + part
    total = sum(journey.total_won for journey in journeys)
    if bare.charged_won != total:
        shares = dict(zip(shares, largest_remainder(bare.charged_won, list(shares.values())), strict=True))
    priced = replace(
        bare,
        priced_won=total,
        finding=_finding(bare.charged_won, total, len(journeys)),
        shares=_by_organisation(shares, organisations),
        foregone=_by_organisation(foregone, organisations),
    )
    legs = [leg for journey in journeys for leg in journey.legs]
    return replace(priced, money=_money_body(priced, journeys), route=_route_body(priced, legs, taps))


def _finding(charged_won: int, total_won: int, journeys: int) -> Finding:
    if journeys != 1:
        return Finding.REGROUPED
    if charged_won > total_won:
        return Finding.OVERCHARGED
    return Finding.UNDERCHARGED if charged_won < total_won else Finding.AGREES


def _by_organisation(shares: Mapping[str, int], organisations: Mapping[str, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for operator, won in shares.items():
        organisation = organisations.get(operator) or OPERATORS.organisation(operator)
        found[organisation] = found.get(organisation, 0) + won
    return found


def _foregone(journey: Journey) -> dict[str, int]:
    if not journey.foregone_won:
        return {}
    operators = journey.legs[0].leg.operators
    integrated_won = journey.foregone_won - sum(won for _, won in journey.foregone_premiums)
    shares = largest_remainder(integrated_won, [metres for _, metres in operators])
    found = {operator: won for (operator, _), won in zip(operators, shares, strict=True) if won}
    for operator, won in journey.foregone_premiums:
        found[operator] = found.get(operator, 0) + won
    return found


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
        if not 0 <= metres <= MAX_LEG_METRES:
            raise DistanceError(f"a leg of {metres} m")
        return Leg(entry.mode, entry.time, off, metres, ((operator, metres),), route=entry.route)
    network = GTX_NETWORK if entry.mode is Mode.GTX else NETWORK
    start = NETWORK.station(_place(entry))
    place = place_of(entry.mode, entry.stop, entry.line)
    if exit_ is None:
        return Leg(entry.mode, entry.time, None, 0, ((network.gate_operator(start), 0),), entry=place, exit=":")
    end = NETWORK.station(_place(exit_))
    path = network.shortest(start, end)
    return Leg(
        entry.mode,
        entry.time,
        off,
        path.metres,
        path.operators,
        entry=place,
        exit=place_of(exit_.mode, exit_.stop, exit_.line),
        sections=sections_between(start, end),
        tag_in=network.gate_operator(start, path.lines[0] if path.lines else ""),
        lines=path.lines,
        basis=path.basis,
    )


def _money_body(found: CardJourney, journeys: Sequence[Journey]) -> dict[str, Any]:
    return {
        "card": _data(found.card),
        "first_seq": found.first_seq,
        "last_seq": found.last_seq,
        "tariff": journeys[0].tariff,
        "class": journeys[0].rider_class.name,
        "base_won": sum(journey.base_won for journey in journeys),
        "extra_won": sum(journey.extra_won for journey in journeys),
        "discount_won": sum(journey.discount_won for journey in journeys),
        "penalty_won": sum(journey.penalty_won for journey in journeys),
        "adjust_won": sum(journey.adjust_won for journey in journeys),
        "total_won": found.priced_won,
        "policy": DEFAULT_POLICY,
        "shares": [{"organisation": one, "won": won} for one, won in found.shares.items()],
    }


def _route_body(found: CardJourney, priced: Sequence[PricedLeg], taps: Sequence[StoredTap]) -> dict[str, Any]:
    legs: list[dict[str, Any]] = []
    ridden = iter(priced)
    for one in taps:
        if one.tap.kind == "IN":
            leg = next(ridden).leg
            legs.append(
                {
                    "mode": one.tap.mode.name,
                    "route": one.tap.route,
                    "from": _place(one.tap),
                    "to": None,
                    "metres": leg.metres,
                    "path": list(leg.lines),
                    "on_time": one.tap.time,
                    "off_time": None,
                    "on_reader": _data(one.reader),
                    "off_reader": None,
                }
            )
        else:
            legs[-1] |= {"to": _place(one.tap), "off_time": one.tap.time, "off_reader": _data(one.reader)}
    return {"card": _data(found.card), "first_seq": found.first_seq, "last_seq": found.last_seq, "legs": legs}


def _place(tap: Tap) -> str:
    return f"{tap.stop}:{tap.line}" if tap.line else tap.stop


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
