"""The rail network that fares are priced on, and shortest distances over it (fares.md §3 and §12).

Exactly data/rail_edges.csv: every edge both ways, a change of lines adds 0 m, stations of one name are one
interchange, 총신대입구 and 이수 too. Of paths of equal length the one with the fewest changes counts, then the one
whose list of lines comes first bytewise, then (so that two machines agree) the one with the fewest estimated metres,
then the one whose list of stations comes first.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, cached_property
from heapq import heappop, heappush
from itertools import count
from typing import Final, Literal, TypeAlias
from unicodedata import normalize

from services.fares.errors import AmbiguousStationError, NoPathError, TariffDataError, UnknownStationError
from services.fares.limits import MAX_CACHED_ORIGINS, MAX_STATIONS_SUGGESTED
from services.fares.tariff import read_table

Basis = Literal["published", "estimated"]
# fares.md §12: two stations each, far apart, that share a name.
SHARED_NAMES: Final = frozenset({"양평", "신촌"})
SAME_INTERCHANGE: Final = {"이수": "총신대입구"}
SEOUL_METRO: Final = "seoul-metro"
_BRACKETS: Final = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Station:
    """A station as somebody declared it. `line` is "" where none was given and the name has several."""

    name: str
    line: str

    @property
    def node(self) -> str:
        """The interchange on the network that this station belongs to."""
        return SAME_INTERCHANGE.get(self.name, self.name)

    @property
    def place(self) -> str:
        """station:line, as a journey remembers its last exit; "" if the line is open."""
        return f"{self.name}:{self.line}" if self.line else ""


@dataclass(frozen=True, slots=True)
class Path:
    """A shortest path: metres, the lines ridden in order, metres per operator in order of travel."""

    metres: int
    lines: tuple[str, ...]
    operators: tuple[tuple[str, int], ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class _Edge:
    line: str
    to: str
    metres: int
    operator: str
    estimated: bool


# metres, changes of line, lines, estimated metres, stations, serial number, edges
_Candidate: TypeAlias = tuple[int, int, tuple[str, ...], int, tuple[str, ...], int, tuple[_Edge, ...]]


@dataclass(frozen=True, slots=True)
class _Graph:
    """Edges by interchange; lines by name on this network; operators by (interchange, line); lines by any name."""

    edges: dict[str, list[_Edge]]
    lines: dict[str, set[str]]
    gates: dict[tuple[str, str], set[str]]
    known: dict[str, set[str]]
    aliases: dict[str, str]

    def add(self, here: str, there: str, row: dict[str, str]) -> None:
        """One direction of an edge."""
        node, to = SAME_INTERCHANGE.get(here, here), SAME_INTERCHANGE.get(there, there)
        edge = _Edge(row["line"], to, int(row["metres"]), row["operator"], row["basis"] != "published")
        if edge.metres <= 0:
            raise TariffDataError(f"the edge {here} to {there} has {edge.metres} m")
        self.edges.setdefault(node, []).append(edge)
        self.lines.setdefault(here, set()).add(edge.line)
        self.known.setdefault(here, set()).add(edge.line)
        self.gates.setdefault((node, edge.line), set()).add(edge.operator)


class Network:
    """Stations, edges and a bounded cache of shortest paths by origin."""

    def __init__(self, edges: str, stations: str = "", aliases: str = "", *, operator: str = SEOUL_METRO) -> None:
        """Names of the tables in services/fares/data, read at first use (raises TariffDataError); `operator` runs the
        gates of stations that have no distances, and legs that are given by metres alone."""
        self.operator = operator
        self._tables = (edges, stations, aliases)
        self._paths: OrderedDict[str, dict[str, Path]] = OrderedDict()
        self._declared: dict[str, Station] = {}

    @cached_property
    def _graph(self) -> _Graph:
        graph = _Graph({}, {}, {}, {}, {})
        edges, stations, aliases = (read_table(name) if name else [] for name in self._tables)
        try:
            for row in edges:
                graph.add(row["a"], row["b"], row)
                graph.add(row["b"], row["a"], row)
            for row in stations:
                graph.known.setdefault(row["station"], set()).add(row["line"])
            graph.aliases.update((row["alias"], row["station"]) for row in aliases)
        except (KeyError, ValueError) as error:
            raise TariffDataError(f"{self._tables[0]} or its stations hold {error}") from error
        return graph

    @property
    def names(self) -> list[str]:
        """Names of the stations that have distances, sorted."""
        return sorted(self._graph.lines)

    def lines_of(self, name: str) -> frozenset[str]:
        """Lines of a station's name on this network; empty if it has no distances."""
        return frozenset(self._graph.lines.get(name, ()))

    def station(self, declared: str) -> Station:
        """The station that "name" or "name:line" declares; brackets dropped, aliases resolved.

        Raises UnknownStationError (with the nearest names), AmbiguousStationError.
        """
        found = self._declared.get(declared)
        if found is None:
            found = self._resolve(declared)
            if len(self._declared) < 16 * MAX_CACHED_ORIGINS:
                self._declared[declared] = found
        return found

    def _resolve(self, declared: str) -> Station:
        name, colon, line = normalize("NFC", declared).partition(":")
        name, line = _BRACKETS.sub("", name).strip(), line.strip()
        name = self._graph.aliases.get(name, name)
        known = self._graph.known.get(name)
        if known is None or (colon and not line):
            raise UnknownStationError(f"no station is called {declared[:64]!r}", why=self._suggest(name))
        node_lines = known | self._graph.lines.get(SAME_INTERCHANGE.get(name, name), set())
        if line and line not in node_lines:
            raise UnknownStationError(
                f"{name} has no {line[:32]!r}", why=f"Its lines: {', '.join(sorted(node_lines))}."
            )
        if not line and name in SHARED_NAMES:
            choices = " or ".join(f"{name}:{each}" for each in sorted(known))
            raise AmbiguousStationError(f"two stations are called {name}", why=f"Say {choices}.")
        if line:
            name = next((each for each in (name, *_twins(name)) if line in self._graph.lines.get(each, ())), name)
        own = self._graph.lines.get(name) or known
        return Station(name, line or (next(iter(own)) if len(own) == 1 else ""))

    @cached_property
    def _spelt(self) -> dict[str, str]:
        """Every known name by its single letters (자모), in which a typing slip shows as one letter of several."""
        return {normalize("NFD", name): name for name in sorted(self._graph.known)}

    def nearest(self, name: str) -> list[str]:
        """Known names most like `name`, best first."""
        near = get_close_matches(normalize("NFD", name), self._spelt, n=MAX_STATIONS_SUGGESTED, cutoff=0.5)
        return [self._spelt[each] for each in near]

    def _suggest(self, name: str) -> str:
        near = self.nearest(name[:64])
        return f"The nearest names: {', '.join(near)}." if near else "No known name is like it."

    def shortest(self, origin: Station, destination: Station) -> Path:
        """The path that is charged between two stations; 0 m within one. Raises NoPathError."""
        for station in (origin, destination):
            self._require_distances(station)
        if origin.node == destination.node:
            return Path(0, (), ((self.gate_operator(origin), 0),), "published")
        paths = self._paths.get(origin.node)
        if paths is None:
            paths = self._paths[origin.node] = self._search(origin.node)
            if len(self._paths) > MAX_CACHED_ORIGINS:
                self._paths.popitem(last=False)
        try:
            return paths[destination.node]
        except KeyError:
            raise NoPathError(f"the network joins {origin.name} and {destination.name} nowhere") from None

    def has_distances(self, station: Station) -> bool:
        """Whether the network holds this station."""
        elsewhere = station.name in SHARED_NAMES and station.line not in self._graph.lines.get(station.name, ())
        return station.name in self._graph.lines and not elsewhere

    def _require_distances(self, station: Station) -> None:
        if not self.has_distances(station):
            raise NoPathError(
                f"{station.name} ({station.line or 'its lines'}) has no distances in rail_edges.csv",
                why="The published tables hold lines 1 to 8 and Korail's parts of lines 1, 3 and 4 only.",
            )

    def gate_operator(self, station: Station, first_line: str = "") -> str:
        """Who runs the gate at which a rider enters: of the declared line, else of the first line ridden.

        Where a line changes operators at a station (서울역, 청량리, 지축, 남태령), the gates are Seoul Metro's.
        """
        lines = self._graph.lines.get(station.name, set())
        line = station.line or first_line
        if line not in lines:
            line = min(lines, key=str.encode, default="")
        operators = self._graph.gates.get((station.node, line), {self.operator})
        return SEOUL_METRO if SEOUL_METRO in operators else min(operators)

    def metro_stations(self, line: str) -> frozenset[str]:
        """Names of a line's stations at the edges that Seoul Metro runs."""
        return frozenset(
            name
            for name, lines in self._graph.lines.items()
            if line in lines and SEOUL_METRO in self._graph.gates[SAME_INTERCHANGE.get(name, name), line]
        )

    def stations_on(self, line: str) -> frozenset[str]:
        """Names of every known station on a line, with distances or without."""
        return frozenset(name for name, lines in self._graph.known.items() if line in lines)

    def _search(self, origin: str) -> dict[str, Path]:
        """Dijkstra over (station, line), ordered by metres, changes, lines, estimates, stations.

        The order of two paths to one (station, line) is kept by whatever is added to both. Code points order text as
        UTF-8 bytes do.
        """
        done: set[tuple[str, str]] = set()
        found: dict[str, Path] = {}
        serial = count()  # keeps the heap from ever comparing edges
        queue: list[_Candidate] = []

        def push(candidate: _Candidate, edge: _Edge) -> None:
            metres, changes, lines, estimated, stations, _, edges = candidate
            change = not lines or lines[-1] != edge.line
            lines = (*lines, edge.line) if change else lines
            estimated += edge.metres if edge.estimated else 0
            order = (metres + edge.metres, changes + change, lines, estimated, (*stations, edge.to))
            heappush(queue, (*order, next(serial), (*edges, edge)))

        for edge in self._graph.edges.get(origin, ()):
            push((0, 0, (), 0, (origin,), 0, ()), edge)
        while queue:
            candidate = heappop(queue)
            here, edges = candidate[4][-1], candidate[6]
            if here == origin or (here, edges[-1].line) in done:
                continue
            done.add((here, edges[-1].line))
            if here not in found:
                found[here] = _path(candidate[0], candidate[2], edges)
            for edge in self._graph.edges[here]:
                if (edge.to, edge.line) not in done:
                    push(candidate, edge)
        return found


def _twins(name: str) -> list[str]:
    """Other names of the interchange that `name` belongs to: 이수 of 총신대입구 and the reverse."""
    return [a if b == name else b for a, b in SAME_INTERCHANGE.items() if name in (a, b)]


def _path(metres: int, lines: tuple[str, ...], edges: tuple[_Edge, ...]) -> Path:
    operators: dict[str, int] = {}
    for edge in edges:
        operators[edge.operator] = operators.get(edge.operator, 0) + edge.metres
    basis: Basis = "estimated" if any(edge.estimated for edge in edges) else "published"
    return Path(metres, lines, tuple(operators.items()), basis)


def in_reentry_area(line: str, name: str) -> bool:
    """Whether a station of a line has rail re-entry (fares.md §4.1; the loop of line 6 is in, 신내 is not)."""
    return name in _reentry_areas().get(line, frozenset())


@cache
def coordinates() -> dict[tuple[str, str], tuple[float, float]]:
    """(latitude, longitude) in degrees by (station, line), for maps. Raises TariffDataError."""
    try:
        return {
            (row["station"], row["line"]): (float(row["latitude"]), float(row["longitude"]))
            for row in read_table("stations.csv")
        }
    except ValueError as error:
        raise TariffDataError(f"stations.csv holds {error}") from error


@cache
def _reentry_areas() -> dict[str, frozenset[str]]:
    areas: dict[str, frozenset[str]] = {}
    for row in read_table("reentry_lines.csv"):
        line = row["line"]
        members = NETWORK.metro_stations(line) if row["area"] == SEOUL_METRO else NETWORK.stations_on(line)
        areas[line] = (members | set(filter(None, row["also"].split()))) - {row["excluded"]}
    return areas


NETWORK: Final = Network("rail_edges.csv", "stations.csv", "station_aliases.csv")
# GTX-A has distances of its own and no interchange that would shorten a path of the others.
GTX_NETWORK: Final = Network("gtx_edges.csv", operator="gtx-a")
