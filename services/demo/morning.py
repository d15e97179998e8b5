"""A whole morning: riders, their trips, and the bad apples among them (shares.py states every number)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from contracts.codes import Mode, RiderClass
from services.days import DAY_S, day_start
from services.demo import shares
from services.demo.city import load
from services.demo.errors import DemoLimitError
from services.demo.shares import BadAppleKind
from services.demo.trips import SERVICE_DAY, PlannedTap, Planner, Rider, Trip, between, pick

_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class BadApple:
    """One thing that goes wrong on purpose.

    `rider` and `tap` (index into that rider's taps of the day, in order of time; −1 for none) say where. `twin` holds
    the taps that a cloned card makes elsewhere. An OFFLINE_READER is named by stop and line (rider −1), that of a
    LATE_TAP_OFF or LATE_CLONE by its taps; what it took is uploaded at `upload_time`. A MISSING_TAP_OFF has been taken
    out of the trip already: `tap` is its tap-on.
    """

    kind: BadAppleKind
    rider: int
    tap: int = -1
    stop: str = ""
    line: str = ""
    upload_time: int = 0
    twin: tuple[PlannedTap, ...] = ()


@dataclass(frozen=True, slots=True)
class Morning:
    """What the run plays: riders by index, trips sorted by their first tap, and the bad apples."""

    service_day: int
    riders: list[Rider]
    trips: list[Trip]
    bad_apples: list[BadApple]


def trips(riders: int, seed: int | str) -> list[Trip]:
    """The morning's trips alone, sorted by their first tap."""
    return morning(riders, seed).trips


def morning(riders: int, seed: int | str) -> Morning:
    """The morning of `riders` people.

    Raises DemoLimitError for a number outside 1 to shares.MAX_RIDERS, a seed that is no short printable text.
    """
    if not 1 <= riders <= shares.MAX_RIDERS:
        raise DemoLimitError(f"the demo takes 1 to {shares.MAX_RIDERS:,} riders, not {riders:,}")
    if not (0 < len(str(seed)) <= shares.MAX_SEED_LETTERS and str(seed).isprintable()):
        raise DemoLimitError(f"a seed has 1 to {shares.MAX_SEED_LETTERS} printable letters")
    planner = Planner(load())
    people: list[Rider] = []
    plans: list[list[list[PlannedTap]]] = []
    for index in range(riders):
        random = Random(f"dure-demo:{seed}:{index}")  # noqa: S311  a reproducible morning, no secret
        people.append(_rider(random, index))
        plans.append(_day(random, planner))
    random = Random(f"dure-demo:{seed}:{riders}:bad-apples")  # noqa: S311  a reproducible morning, no secret
    apples = _bad_apples(random, planner, people, plans)
    made = [Trip(rider, tuple(taps)) for rider, day in enumerate(plans) for taps in day]
    made.sort(key=lambda trip: (trip.taps[0].time, trip.rider))
    return Morning(SERVICE_DAY, people, made, apples)


def _rider(random: Random, index: int) -> Rider:
    rider_class = pick(random, shares.CLASS_SHARES)
    holders = shares.HOLDER_SHARES[rider_class]
    programme = pick(random, holders | {"": 1_000 - sum(holders.values())})
    bank = pick(random, {number: share for number, (_, share) in enumerate(shares.BANKS)})
    prepaid = random.randrange(1_000) < shares.PREPAID_SHARE
    balance = shares.BALANCES_WON[random.randrange(len(shares.BALANCES_WON))]
    return Rider(
        index=index,
        rider_class=rider_class,
        bank=bank,
        programmes=(programme,) if programme else (),
        balance_won=balance if prepaid else 0,
        cap_won=shares.CAP_WON,
    )


def _day(random: Random, planner: Planner) -> list[list[PlannedTap]]:
    """One trip, or two with an hour or so between."""
    origin, hour = planner.origin(random)
    start = day_start(SERVICE_DAY) + hour * _HOUR_S + random.randrange(_HOUR_S)
    day = [planner.trip(random, pick(random, shares.TRIP_SHARES), start, origin, hour)]
    if random.randrange(1_000) < shares.SECOND_TRIP_SHARE:
        day.append(_again(random, planner, day[0]))
    return day


def _again(random: Random, planner: Planner, before: list[PlannedTap]) -> list[PlannedTap]:
    start = before[-1].time + between(random, shares.DWELL_S)
    hour = min((start - day_start(SERVICE_DAY)) // _HOUR_S, shares.LAST_HOUR - shares.FIRST_HOUR)
    place = before[-1]
    origin = min(
        range(len(planner.city.stations)),
        key=lambda each: (
            abs(planner.city.stations[each].east_m - place.east_m)
            + abs(planner.city.stations[each].north_m - place.north_m)
        ),
    )
    return planner.trip(random, pick(random, shares.TRIP_SHARES), start, origin, hour)


def _bad_apples(
    random: Random, planner: Planner, people: list[Rider], plans: list[list[list[PlannedTap]]]
) -> list[BadApple]:
    """Picks riders without vouchers or other mischief for each kind, as many as its quota asks and there are."""
    order = list(range(len(people)))
    for last in range(len(order) - 1, 0, -1):  # Fisher and Yates, since random.shuffle may change between versions
        other = random.randrange(last + 1)
        order[last], order[other] = order[other], order[last]
    apples: list[BadApple] = []
    for kind, quota in shares.QUOTAS.items():
        wanted = max(quota.at_least, len(people) * quota.per_10_000 // 10_000)
        if kind is BadAppleKind.OFFLINE_READER:
            apples += _offline_readers(plans, wanted)
            continue
        found = [rider for rider in order if _suits(kind, people[rider], plans[rider])][:wanted]
        order = [rider for rider in order if rider not in set(found)]
        apples += [_spoil(kind, random, planner, people, plans, rider) for rider in found]
    return apples


def _suits(kind: BadAppleKind, rider: Rider, day: list[list[PlannedTap]]) -> bool:
    first = day[0]
    if kind is BadAppleKind.MISSING_TAP_OFF:
        # Only a bus that continues a journey takes its discount back (fares.md §6).
        return len(first) == 4 and first[-1].mode is not Mode.SUBWAY and first[0].mode is Mode.SUBWAY
    if kind is BadAppleKind.OVER_CAP:
        return rider.rider_class is RiderClass.ADULT and not rider.programmes
    return rider.rider_class is not RiderClass.FREE


def _spoil(
    kind: BadAppleKind,
    random: Random,
    planner: Planner,
    people: list[Rider],
    plans: list[list[list[PlannedTap]]],
    rider: int,
) -> BadApple:
    day = plans[rider]
    if kind is BadAppleKind.MISSING_TAP_OFF:
        plans[rider] = [day[0][:-1], *day[1:]]
        return BadApple(kind, rider, len(day[0]) - 2)
    if kind is BadAppleKind.OVER_CAP:
        people[rider] = replace(people[rider], balance_won=0, cap_won=shares.OVER_CAP_WON)
        while len(plans[rider]) < 3:
            plans[rider].append(_again(random, planner, plans[rider][-1]))
        return BadApple(kind, rider, len(plans[rider][0]))
    if kind is BadAppleKind.CLONED_CARD:
        origin, hour = planner.origin(random)
        twin, _ = planner.rail(random, day[0][0].time + between(random, (300, 1_200)), origin, hour)
        return BadApple(kind, rider, 0, twin=tuple(twin))
    if kind is BadAppleKind.LATE_CLONE:
        bus = planner.trip(random, "BUS", day[0][0].time + between(random, (300, 1_200)), *planner.origin(random))
        ridden = tuple(replace(tap, reader=shares.SECOND_BUS) for tap in bus)
        return BadApple(kind, rider, 0, upload_time=_upload_time(shares.OFFLINE_UPLOAD_DAYS), twin=ridden)
    if kind is BadAppleKind.LATE_TAP_OFF:
        *before, off = _rail_and_bus(random, planner)
        plans[rider] = [[*before, replace(off, reader=shares.REAR_DOOR)]]
        return BadApple(kind, rider, len(before), upload_time=_upload_time(shares.REAR_DOOR_UPLOAD_DAYS))
    return BadApple(kind, rider, random.randrange(len(day[0])))


def _rail_and_bus(random: Random, planner: Planner) -> list[PlannedTap]:
    """A journey by rail that a bus continues: only there a missing tap-off costs its discount (fares.md §6)."""
    while True:
        origin, hour = planner.origin(random)
        start = day_start(SERVICE_DAY) + hour * _HOUR_S + random.randrange(_HOUR_S)
        taps = planner.trip(random, "RAIL_BUS", start, origin, hour)
        if len(taps) == 4:
            return taps


def _upload_time(days: int) -> int:
    """Eight hours into the service day so many days later."""
    return day_start(SERVICE_DAY + days) + DAY_S // 3


def _offline_readers(plans: list[list[list[PlannedTap]]], wanted: int) -> list[BadApple]:
    """The stations with the most tap-ons but the first, so that a reader offline is felt and yet not the whole city."""
    counts: dict[tuple[str, str], int] = {}
    for day in plans:
        for taps in day:
            for tap in taps:
                if tap.line:
                    counts[tap.stop, tap.line] = counts.get((tap.stop, tap.line), 0) + 1
    busiest = sorted(counts, key=lambda place: (-counts[place], place))[1 : 1 + wanted]
    upload = _upload_time(shares.OFFLINE_UPLOAD_DAYS)
    return [
        BadApple(BadAppleKind.OFFLINE_READER, -1, stop=stop, line=line, upload_time=upload) for stop, line in busiest
    ]
