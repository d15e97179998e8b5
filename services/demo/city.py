"""The city as the demo sees it: stations with their hourly counts, bus stops, invented bus routes (data/README.md).

Positions are whole metres east and north of Seoul City Hall, so that distances and draws are integer arithmetic.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from math import isqrt
from typing import Final

from contracts.codes import Mode
from services.demo.errors import DemoDataError
from services.demo.shares import NEAR_STATION_M, NEAR_STOP_M

HOURS: Final = tuple(range(4, 13))
_CELL_M: Final = 500


@dataclass(frozen=True, slots=True)
class Station:
    """A station on one line. `boardings` and `alightings` of October 2024 by hour from 04 to 12."""

    line: str
    name: str
    operator: str
    district: str
    east_m: int
    north_m: int
    boardings: tuple[int, ...]
    alightings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """A bus stop; `name` is the publisher's label with its number (ARS)."""

    ars: str
    name: str
    district: str
    east_m: int
    north_m: int
    boardings: int


@dataclass(frozen=True, slots=True)
class Route:
    """An invented bus route: stop indices in order, and metres from its first stop."""

    number: str
    mode: Mode
    operator: str
    stops: tuple[int, ...]
    metres: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A route calling at its `position`-th stop."""

    route: int
    position: int


class City:
    """Everything a trip is drawn from. Raises DemoDataError where the tables do not fit each other."""

    def __init__(
        self,
        stations: list[Station],
        stops: list[Stop],
        routes: list[Route],
        segments: list[tuple[str, str, str]],
    ) -> None:
        self.stations = stations
        self.stops = stops
        self.routes = routes
        self.segments = segments
        self.calls_at: dict[int, list[Call]] = defaultdict(list)
        for number, route in enumerate(routes):
            for position, stop in enumerate(route.stops):
                self.calls_at[stop].append(Call(number, position))
        cells: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, stop_ in enumerate(stops):
            cells[stop_.east_m // _CELL_M, stop_.north_m // _CELL_M].append(index)
        self._cells = dict(cells)
        self.near_station = [self._near(s.east_m, s.north_m, NEAR_STATION_M) for s in stations]
        self.near_stop = [self._near(s.east_m, s.north_m, NEAR_STOP_M) for s in stops]

    def _near(self, east_m: int, north_m: int, within_m: int) -> tuple[int, ...]:
        column, row = east_m // _CELL_M, north_m // _CELL_M
        return tuple(
            index
            for across in (-1, 0, 1)
            for up in (-1, 0, 1)
            for index in self._cells.get((column + across, row + up), ())
            if distance_m(self.stops[index].east_m - east_m, self.stops[index].north_m - north_m) <= within_m
        )

    @property
    def operators(self) -> list[str]:
        """Split accounts of every operator, in order: rail first, then the bus companies."""
        rail = sorted({station.operator for station in self.stations}, reverse=True)
        return rail + sorted({route.operator for route in self.routes})

    @property
    def route_operators(self) -> dict[str, str]:
        """Bus route number → the company that runs it."""
        return {route.number: route.operator for route in self.routes}


def distance_m(east_m: int, north_m: int) -> int:
    """Whole metres of a vector."""
    return isqrt(east_m * east_m + north_m * north_m)


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("services.demo").joinpath("data", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _stops() -> list[Stop]:
    return [
        Stop(
            ars=row["ars"],
            name=f"{row['name']} [{row['ars']}]",
            district=row["district"],
            east_m=int(row["east_m"]),
            north_m=int(row["north_m"]),
            boardings=int(row["boardings"]),
        )
        for row in _rows("bus_stops.csv")
    ]


def _stations() -> list[Station]:
    return [
        Station(
            line=row["line"],
            name=row["station"],
            operator=row["operator"],
            district=row["district"],
            east_m=int(row["east_m"]),
            north_m=int(row["north_m"]),
            boardings=tuple(int(row[f"on_{hour:02}"]) for hour in HOURS),
            alightings=tuple(int(row[f"off_{hour:02}"]) for hour in HOURS),
        )
        for row in _rows("stations.csv")
    ]


def _routes(index_of: dict[str, int]) -> list[Route]:
    routes = []
    for row in _rows("bus_routes.csv"):
        words = [word.split(":") for word in row["stops"].split()]
        routes.append(
            Route(
                number=row["route"],
                mode=Mode[row["mode"]],
                operator=row["operator"],
                stops=tuple(index_of[ars] for ars, _ in words),
                metres=tuple(int(metres) for _, metres in words),
            )
        )
    return routes


@lru_cache(maxsize=1)
def load() -> City:
    """The city of the shipped tables. Raises DemoDataError where a route calls at a stop that is not there."""
    stops = _stops()
    try:
        routes = _routes({stop.ars: index for index, stop in enumerate(stops)})
    except KeyError as error:
        raise DemoDataError(f"a route calls at stop {error}, which is in no table") from error
    segments = [(row["line"], row["a"], row["b"]) for row in _rows("segments.csv")]
    return City(_stations(), stops, routes, segments)
