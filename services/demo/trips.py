"""The morning's trips, from counts and a seed alone.

Origins follow the boardings of October 2024 by station and hour, destinations a gravity model over alightings
(shares.py). Every rider draws from a generator of his own, seeded with (seed, rider), so that rider 17 travels the same
way among 60 riders and among 20,000. Draws are integers from `random.Random.randrange`, which is the same in every
Python from 3.2 on; nothing here is a secret.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Final, Literal, TypeVar

from contracts.codes import Mode, RiderClass
from services.days import day_number, day_start
from services.demo import shares
from services.demo.city import HOURS, Call, City, Station, distance_m

SERVICE_DAY: Final = day_number(shares.SERVICE_DATE)
_WEIGHT_SCALE: Final = 10**9
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class PlannedTap:
    """A tap that a rider means to make. `time` is UTC epoch seconds; `operator` a split account ("seoul-metro",
    "bus-north"); `route` is "" on rail, `line` "" on buses; `metres` the bus's way from its first stop, 0 on rail;
    east_m and north_m where it happens. `reader` names another reader there than the usual one ("rear door")."""

    time: int
    kind: Literal["IN", "OUT"]
    mode: Mode
    operator: str
    route: str
    stop: str
    line: str
    metres: int
    district: str
    east_m: int
    north_m: int
    reader: str = ""


@dataclass(frozen=True, slots=True)
class Trip:
    """Taps of one rider in order of time; one to four, an OUT missing only where shares.py's bad apples say so."""

    rider: int
    taps: tuple[PlannedTap, ...]


@dataclass(frozen=True, slots=True)
class Rider:
    """Who a rider is to the demo. `bank` indexes shares.BANKS; `programmes` name his vouchers; won are whole."""

    index: int
    rider_class: RiderClass
    bank: int
    programmes: tuple[str, ...]
    balance_won: int
    cap_won: int


def pick(random: Random, parts: Mapping[_Key, int]) -> _Key:
    """A key with the probability of its share."""
    sums = list(accumulate(parts.values()))
    return list(parts)[bisect_right(sums, random.randrange(sums[-1]))]


def between(random: Random, bounds: tuple[int, int]) -> int:
    """A whole number within the bounds, both included."""
    return bounds[0] + random.randrange(bounds[1] - bounds[0] + 1)


class Planner:
    """Draws trips in a city. Tables of the gravity model are made once for each origin and hour that occurs."""

    def __init__(self, city: City) -> None:
        self.city = city
        hours = range(shares.LAST_HOUR - shares.FIRST_HOUR + 1)
        self._starts = [(station, hour) for station in range(len(city.stations)) for hour in hours]
        self._start_weights = list(accumulate(city.stations[station].boardings[hour] for station, hour in self._starts))
        self._hour_weights = {hour: sum(station.boardings[hour] for station in city.stations) for hour in hours}
        self._stop_weights = list(accumulate(stop.boardings for stop in city.stops))
        self._draws: dict[tuple[int, int], list[int]] = {}
        night = [route for route, each in enumerate(city.routes) if each.mode is Mode.NIGHT]
        self._night = night

    def origin(self, random: Random) -> tuple[int, int]:
        """(station, hour index) as often as people board there then."""
        at = random.randrange(self._start_weights[-1])
        return self._starts[bisect_right(self._start_weights, at)]

    def destination(self, random: Random, origin: int, hour: int) -> int:
        """A station by gravity: alightings over (distance + offset) squared; never one of the same name."""
        weights = self._draws.get((origin, hour))
        if weights is None:
            home = self.city.stations[origin]
            weights = list(accumulate(self._pull(home, station, hour) for station in self.city.stations))
            self._draws[origin, hour] = weights
        return bisect_right(weights, random.randrange(weights[-1]))

    @staticmethod
    def _pull(home: Station, station: Station, hour: int) -> int:
        if station.name == home.name:
            return 0
        apart = distance_m(station.east_m - home.east_m, station.north_m - home.north_m)
        # One hour later counts too: who boards at 07:50 alights after eight.
        drawn = station.alightings[hour] + station.alightings[min(hour + 1, len(HOURS) - 1)]
        return drawn * _WEIGHT_SCALE // (apart + shares.GRAVITY_OFFSET_M) ** 2

    def rail(self, random: Random, start: int, origin: int, hour: int) -> tuple[list[PlannedTap], int]:
        """A rail leg from `origin` beginning at `start`: its two taps, and the station it ends at."""
        destination = self.destination(random, origin, hour)
        one, other = self.city.stations[origin], self.city.stations[destination]
        apart = distance_m(one.east_m - other.east_m, one.north_m - other.north_m)
        ride = apart * shares.RAIL_DETOUR_TENTHS // 10 // shares.RAIL_METRES_PER_S
        end = start + shares.RAIL_WAIT_S + ride + random.randrange(180)
        return [_rail_tap(one, start, "IN"), _rail_tap(other, end, "OUT")], destination

    def bus(self, start: int, boarded: Call, alighted: Call) -> list[PlannedTap]:
        """A bus leg along one route: its two taps."""
        route = self.city.routes[boarded.route]
        metres = route.metres[alighted.position] - route.metres[boarded.position]
        end = start + 60 + metres * 60 // shares.BUS_METRES_PER_MINUTE
        return [self._bus_tap(boarded, start, "IN"), self._bus_tap(alighted, end, "OUT")]

    def ride_on(self, random: Random, boarded: Call) -> Call | None:
        """Where a rider who boarded there alights: two to fourteen stops later, None at the end of the route."""
        last = len(self.city.routes[boarded.route].stops) - 1
        if boarded.position + 2 > last:
            return None
        return Call(boarded.route, between(random, (boarded.position + 2, min(boarded.position + 14, last))))

    def ride_to(self, random: Random, alighted: Call) -> Call | None:
        """Where a rider who alights there boarded: two to ten stops before, None at the head of the route."""
        if alighted.position < 2:
            return None
        return Call(alighted.route, between(random, (max(0, alighted.position - 10), alighted.position - 2)))

    def call_near(self, random: Random, stops: tuple[int, ...], *, not_route: int = -1) -> Call | None:
        """A day route calling at one of `stops`, None where there is none."""
        calls = [
            call
            for stop in stops
            for call in self.city.calls_at[stop]
            if call.route != not_route and self.city.routes[call.route].mode is not Mode.NIGHT
        ]
        return calls[random.randrange(len(calls))] if calls else None

    def street_call(self, random: Random) -> Call:
        """A day route at a stop, as often as people board there."""
        while True:
            stop = bisect_right(self._stop_weights, random.randrange(self._stop_weights[-1]))
            call = self.call_near(random, (stop,))
            if call is not None:
                return call

    def night_call(self, random: Random) -> Call:
        """A night bus, at one of its stops but the last three."""
        route = self._night[random.randrange(len(self._night))]
        return Call(route, random.randrange(len(self.city.routes[route].stops) - 3))

    def _bus_tap(self, call: Call, time: int, kind: Literal["IN", "OUT"]) -> PlannedTap:
        route = self.city.routes[call.route]
        stop = self.city.stops[route.stops[call.position]]
        return PlannedTap(
            time=time,
            kind=kind,
            mode=route.mode,
            operator=route.operator,
            route=route.number,
            stop=stop.name,
            line="",
            metres=route.metres[call.position],
            district=stop.district,
            east_m=stop.east_m,
            north_m=stop.north_m,
        )

    def trip(self, random: Random, kind: str, start: int, origin: int, hour: int) -> list[PlannedTap]:
        """Taps of one trip that begins at `start`. Without a bus nearby it goes by rail alone."""
        if kind == "BUS" or kind == "BUS_BUS":
            early = start < day_start(SERVICE_DAY) + shares.NIGHT_UNTIL_MINUTE * 60
            return self._by_bus(random, start, night=early, twice=kind == "BUS_BUS")
        taps: list[PlannedTap] = []
        if kind == "BUS_RAIL":
            alighted = self.call_near(random, self.city.near_station[origin])
            boarded = self.ride_to(random, alighted) if alighted else None
            if alighted and boarded:
                taps += self.bus(start, boarded, alighted)
                start = taps[-1].time + between(random, shares.WALK_S)
        legs, destination = self.rail(random, start, origin, hour)
        taps += legs
        if kind == "RAIL_BUS":
            next_bus = self.call_near(random, self.city.near_station[destination])
            end = self.ride_on(random, next_bus) if next_bus else None
            if next_bus and end:
                taps += self.bus(taps[-1].time + between(random, shares.WALK_S), next_bus, end)
        return taps

    def _by_bus(self, random: Random, start: int, *, night: bool, twice: bool) -> list[PlannedTap]:
        end = None
        while end is None:
            boarded = self.night_call(random) if night else self.street_call(random)
            end = self.ride_on(random, boarded)
        taps = self.bus(start, boarded, end)
        if twice:
            stop = self.city.routes[end.route].stops[end.position]
            after = self.call_near(random, self.city.near_stop[stop], not_route=end.route)
            last = self.ride_on(random, after) if after else None
            if after and last:
                taps += self.bus(taps[-1].time + between(random, shares.WALK_S), after, last)
        return taps


def _rail_tap(station: Station, time: int, kind: Literal["IN", "OUT"]) -> PlannedTap:
    return PlannedTap(
        time=time,
        kind=kind,
        mode=Mode.SUBWAY,
        operator=station.operator,
        route="",
        stop=station.name,
        line=station.line,
        metres=0,
        district=station.district,
        east_m=station.east_m,
        north_m=station.north_m,
    )
