"""Pricing a person's legs as whole journeys, from the definitions (fares.md §3 to §6 and §12).

What clearing, audits and quotes use, and the readable twin of `journeys`: the same won at every tap, held together
by a property test. Legs are one person's, one medium's, in the order in which they were ridden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.codes import Mode, RiderClass
from services.fares.errors import FareNotInTablesError, TapOrderError
from services.fares.rules import (
    BUSES,
    Rule,
    distance_won,
    early_bird_won,
    is_rail,
    joining,
    penalty_won,
    rides_free,
    stands_alone,
)
from services.fares.tariff import TARIFFS, Media, Tariff, Tariffs

_ORDER = {rule: index for index, rule in enumerate(Rule)}


@dataclass(frozen=True, slots=True)
class Leg:
    """One ride. `on`, `off` are UTC epoch seconds, `off` None where the tap-off is missing; `metres` then count 0.

    `operators` are (id, metres on its network) in order of travel, the tag-in operator first where known to be;
    `entry`, `exit` "station:line" of the gates, "" or ":" where open; `sections` the surcharged ones; `lines` and
    `basis` say where the metres of a rail leg come from, empty where they were given.
    """

    mode: Mode
    on: int
    off: int | None
    metres: int
    operators: tuple[tuple[str, int], ...]
    route: str = ""
    entry: str = ""
    exit: str = ""
    sections: tuple[str, ...] = ()
    tag_in: str = ""
    lines: tuple[str, ...] = ()
    basis: str = ""


@dataclass(frozen=True, slots=True)
class PricedLeg:
    """A leg with its base fare and what the gate took at each tap."""

    leg: Leg
    base_won: int
    on_won: int
    off_won: int


@dataclass(frozen=True, slots=True)
class Journey:
    """A priced journey: total = base + extra − discount + penalty (fares.md §12).

    `penalty_won` is collected for a missing tap-off of the journey before, whose operator is `penalty_operator`;
    `premiums` are (operator, won) within `extra_won`; `adjust_won` ≤ 0 is what clearing gives back; `unsure` names
    the rows that stand on memory alone; `foregone_won` is what an ADULT would have paid for a free rail leg, of which
    `foregone_premiums` are the companies' of surcharged sections.
    """

    tariff: str
    rider_class: RiderClass
    legs: tuple[PricedLeg, ...]
    base_won: int
    extra_won: int
    discount_won: int
    penalty_won: int
    penalty_operator: str
    premiums: tuple[tuple[str, int], ...]
    rules: tuple[Rule, ...]
    missing_out_won: int
    foregone_won: int = 0
    foregone_premiums: tuple[tuple[str, int], ...] = ()
    unsure: tuple[str, ...] = ()

    @property
    def total_won(self) -> int:
        return self.base_won + self.extra_won - self.discount_won + self.penalty_won

    @property
    def adjust_won(self) -> int:
        taken = sum(leg.on_won + leg.off_won for leg in self.legs)
        return self.total_won - self.penalty_won - taken


@dataclass(frozen=True, slots=True)
class Priced:
    """All journeys of the legs; `pending_penalty_won` stands in no total: no tap of these collected it."""

    journeys: tuple[Journey, ...]
    pending_penalty_won: int

    @property
    def total_won(self) -> int:
        return sum(journey.total_won for journey in self.journeys)


@dataclass(frozen=True, slots=True)
class _Group:
    """Legs of one journey, and how each after the first joined."""

    tariff: Tariff
    legs: list[Leg]
    joined: list[Rule]


def price(
    legs: Sequence[Leg],
    rider_class: RiderClass = RiderClass.ADULT,
    media: Media = Media.CARD,
    tariffs: Tariffs = TARIFFS,
) -> Priced:
    """Price one person's legs.

    Raises TapOrderError, BeforeFirstTariffError, FareNotInTablesError, NoAirportTableError.
    """
    journeys: list[Journey] = []
    owed, owed_to, owed_since = 0, "", 0
    pending = 0
    for group in _group(legs, rider_class, media, tariffs):
        first, last = group.legs[0], group.legs[-1]
        if owed and first.on - owed_since > group.tariff.rules.collect_within_s:
            pending, owed, owed_to = pending + owed, 0, ""  # clearing's adjust took it (money.md §3)
        journey = _journey(group, rider_class, media, owed, owed_to)
        journeys.append(journey)
        owed, owed_to, owed_since = journey.missing_out_won, last.operators[0][0], last.on
    return Priced(tuple(journeys), pending + owed)


def _group(legs: Sequence[Leg], rider_class: RiderClass, media: Media, tariffs: Tariffs) -> list[_Group]:
    groups: list[_Group] = []
    for index, leg in enumerate(legs):
        group = groups[-1] if groups else None
        how = None
        if group is not None:
            previous = group.legs[-1]
            _require_order(index, previous, leg, group.tariff.rules.skew_s)
            if media is Media.CARD and previous.off is not None:
                how = _joined(group, previous, previous.off, leg, rider_class)
        if leg.off is not None and leg.off < leg.on:
            raise TapOrderError(f"leg {index + 1} taps off {leg.on - leg.off} s before its tap-on")
        if group is None or how is None:
            groups.append(_Group(tariffs.at(leg.on), [leg], []))
        else:
            group.legs.append(leg)
            group.joined.append(how)
    return groups


def _require_order(index: int, previous: Leg, leg: Leg, skew_s: int) -> None:
    before = previous.on if previous.off is None else previous.off
    if leg.on < before - skew_s:
        raise TapOrderError(
            f"leg {index + 1} taps on {before - leg.on} s before the last tap of leg {index}",
            why=f"Clocks of two readers may differ by {skew_s} s.",
        )


def _joined(group: _Group, previous: Leg, off: int, leg: Leg, rider_class: RiderClass) -> Rule | None:
    return joining(
        group.tariff,
        rider_class,
        legs=len(group.legs),
        last_mode=previous.mode,
        last_route=previous.route,
        last_exit=previous.exit,
        reentry_used=Rule.REENTRY in group.joined,
        gap_s=leg.on - off,
        tap_on=leg.on,
        mode=leg.mode,
        route=leg.route,
        entry=leg.entry,
    )


def _journey(group: _Group, rider_class: RiderClass, media: Media, owed: int, owed_to: str) -> Journey:
    tariff, legs = group.tariff, group.legs
    first = legs[0]
    if media is not Media.CARD and any(leg.sections for leg in legs):
        raise FareNotInTablesError("the tables hold the surcharges of sections for cards only")
    rows = [tariff.fare(leg.mode, rider_class, media, first.on, leg.route) for leg in legs]
    bases = [row.won for row in rows]
    discount = early_bird_won(tariff, first.mode, rider_class, first.on, bases[0]) if media is Media.CARD else 0
    priced: list[PricedLeg] = []
    premiums: list[tuple[str, int]] = []
    taken = distance = surcharged = 0
    for count, leg in enumerate(legs, 1):
        # A fall of the distance part shows at the tap-on, a rise waits for the tap-off.
        distance = min(distance, _distance_won(tariff, rider_class, media, legs[: count - 1], legs[:count]))
        highest = max(bases[:count])
        on_won = max(0, highest - discount + distance + surcharged - taken)
        taken, off_won = taken + on_won, 0
        if leg.off is not None:
            distance = _distance_won(tariff, rider_class, media, legs[:count], legs[:count])
            own = leg.operators[0][0]
            more = tariff.premiums(leg.mode, rider_class, leg.metres, leg.sections)
            premiums += [(operator or own, won) for operator, won in more]
            surcharged = sum(won for _, won in premiums)
            off_won = max(0, highest - discount + distance + surcharged - taken)
            taken += off_won
        if media is not Media.CARD:  # paid before the ride, for the whole of it
            on_won, off_won = on_won + off_won, 0
        priced.append(PricedLeg(leg, bases[count - 1], on_won, off_won))
    last = priced[-1]
    foregone = _foregone(first, rider_class, tariff)
    missing = last.leg.off is None and last.leg.mode in BUSES and len(legs) > 1
    return Journey(
        tariff=tariff.id,
        rider_class=rider_class,
        legs=tuple(priced),
        base_won=max(bases),
        extra_won=distance + surcharged,
        discount_won=discount,
        penalty_won=owed,
        penalty_operator=owed_to if owed else "",
        premiums=tuple(premiums),
        rules=_rules(group, rider_class, discount, distance, owed),
        missing_out_won=penalty_won(last.base_won, last.on_won) if missing else 0,
        foregone_won=foregone.total_won if foregone else 0,
        foregone_premiums=foregone.premiums if foregone else (),
        unsure=tuple(
            f"{leg.mode.name} {rider_class.name} {media.value} {row.won} won [{row.source}]"
            for leg, row in zip(legs, rows, strict=True)
            if not row.confirmed
        ),
    )


def _distance_won(
    tariff: Tariff, rider_class: RiderClass, media: Media, closed: Sequence[Leg], joined: Sequence[Leg]
) -> int:
    """The distance part of the closed legs' metres, under what all legs that joined so far make of the journey."""
    metres = sum(leg.metres for leg in closed)
    alone = joined[0].mode in BUSES and len(joined) == 1
    if alone or stands_alone(joined[0].mode, rider_class) or media is Media.CASH:
        return 0
    return distance_won(
        tariff,
        rider_class,
        metres,
        express=any(leg.mode is Mode.EXPRESS for leg in joined),
        all_rail=all(is_rail(leg.mode) for leg in joined),
    )


def _rules(
    group: _Group,
    rider_class: RiderClass,
    discount: int,
    distance: int,
    owed: int,
) -> tuple[Rule, ...]:
    legs = group.legs
    free = rider_class is RiderClass.INFANT or rides_free(legs[0].mode, rider_class)
    found = {Rule.FREE if free else Rule.BASE, *group.joined}
    if discount:
        found.add(Rule.EARLY_BIRD)
    for leg in legs:
        if leg.off is not None and group.tariff.premium_won(leg.mode, rider_class, leg.metres, leg.sections):
            found.add(Rule.DISTANCE if leg.mode is Mode.GTX else Rule.SURCHARGE)
    if distance:
        found.add(Rule.DISTANCE)
    if owed:
        found.add(Rule.PENALTY)
    return tuple(sorted(found, key=_ORDER.__getitem__))


def _foregone(leg: Leg, rider_class: RiderClass, tariff: Tariff) -> Journey | None:
    """A free rail leg as an ADULT would have paid it by card, surcharged sections included; None of other legs."""
    if not rides_free(leg.mode, rider_class):
        return None
    return _journey(_Group(tariff, [leg], []), RiderClass.ADULT, Media.CARD, 0, "")
