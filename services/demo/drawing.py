"""Geometry of the report's three pictures: the city's map, fares over the morning, the money's path.

Pure: plain values in, coordinates of an SVG view box out; the template draws them. Nothing here knows a colour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from typing import TYPE_CHECKING, Final

from services.days import KST_OFFSET_S

if TYPE_CHECKING:
    from services.demo.report import Dot, Flow, Label, MoneyFlow, Place, Quarter, Segment

MAP_WIDTH: Final = 1_000
MAP_HEIGHT: Final = 760
# The window of the map in metres: Seoul and the first stations beyond it. Lines that leave it are cut at its edge.
_WEST, _EAST, _SOUTH, _NORTH = -24_500, 20_500, -17_000, 17_200
MAX_FLOWS: Final = 90
MAX_LABELS: Final = 14
BARS_WIDTH: Final = 1_000
BARS_HEIGHT: Final = 380
_BARS_LEFT, _BARS_BOTTOM, _BARS_TOP = 86, 44, 18
SANKEY_WIDTH: Final = 1_000
SANKEY_HEIGHT: Final = 640
_NODE_WIDTH: Final = 16
_NODE_GAP: Final = 13
_LABEL_HEIGHT: Final = 29


@dataclass(frozen=True, slots=True)
class Curve:
    """A filled shape with what it stands for."""

    path: str
    weight: float
    title: tuple[str, str]
    kind: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A circle with a name; `label` says whether the name is drawn, `anchor` on which side."""

    x: float
    y: float
    radius: float
    name: str
    count: int
    label: bool
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class CityMap:
    """Rail lines as (line number, path), flows as tapered curves, stations as points."""

    width: int
    height: int
    lines: list[tuple[str, str]]
    flows: list[Curve]
    stations: list[Point]
    outside: list[Point]


@dataclass(frozen=True, slots=True)
class Bar:
    """One quarter of an hour, rail below and bus above."""

    x: float
    width: float
    rail_y: float
    rail_height: float
    bus_y: float
    bus_height: float
    start: int
    rail_won: int
    bus_won: int


@dataclass(frozen=True, slots=True)
class Bars:
    """A stacked bar chart with its ticks: (position, text)."""

    width: int
    height: int
    left: int
    base: float
    bars: list[Bar]
    hours: list[tuple[float, str]]
    levels: list[tuple[float, int]]


@dataclass(frozen=True, slots=True)
class Node:
    """A bar of the Sankey diagram. `label_y` is spread so that no two names of a column overlap."""

    x: float
    y: float
    height: float
    label: Label
    won: int
    column: int
    label_y: float


@dataclass(frozen=True, slots=True)
class Sankey:
    """Nodes in three columns and the ribbons between them; a ribbon's kind is its instrument's index."""

    width: int
    height: int
    nodes: list[Node]
    ribbons: list[Curve]


def clock(time: int) -> str:
    """HH:MM in Korea of an epoch second."""
    minutes = (time + KST_OFFSET_S) // 60 % 1_440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _on_map(place: Place) -> tuple[float, float]:
    return (
        (place.east_m - _WEST) * MAP_WIDTH / (_EAST - _WEST),
        (_NORTH - place.north_m) * MAP_HEIGHT / (_NORTH - _SOUTH),
    )


def _inside(place: Place) -> bool:
    return _WEST < place.east_m < _EAST and _SOUTH < place.north_m < _NORTH


def city_map(segments: Sequence[Segment], stations: Sequence[Dot], flows: Sequence[Flow]) -> CityMap:
    """The map: each line one path, the greatest flows, stations by boardings with the busiest named."""
    lines: dict[str, list[str]] = defaultdict(list)
    for segment in segments:
        if _inside(segment.a) or _inside(segment.b):
            (ax, ay), (bx, by) = _on_map(segment.a), _on_map(segment.b)
            lines[segment.line].append(f"M{ax:.1f} {ay:.1f}L{bx:.1f} {by:.1f}")
    seen = [flow for flow in flows if _inside(flow.origin) and _inside(flow.destination)]
    seen.sort(key=lambda flow: (-flow.riders, flow.origin.name, flow.destination.name))
    largest = seen[0].riders if seen else 1
    curves = [_tapered(flow, largest) for flow in reversed(seen[:MAX_FLOWS])]
    return CityMap(
        MAP_WIDTH,
        MAP_HEIGHT,
        sorted((line, "".join(parts)) for line, parts in lines.items()),
        curves,
        _points([dot for dot in stations if _inside(dot.place)]),
        _outside(seen[:MAX_FLOWS]),
    )


def _outside(flows: Sequence[Flow]) -> list[Point]:
    """Names of the flows' ends that are no district (구) of the city: without them a curve begins nowhere."""
    ends = {place for flow in flows for place in (flow.origin, flow.destination) if not place.name.endswith("구")}
    return [Point(*_on_map(place), 0.0, place.name, 0, True) for place in sorted(ends, key=lambda place: place.name)]


def _tapered(flow: Flow, largest: int) -> Curve:
    """A curve that is broad where people set out and ends in a point where they arrive."""
    (ax, ay), (bx, by) = _on_map(flow.origin), _on_map(flow.destination)
    length = hypot(bx - ax, by - ay) or 1.0
    nx, ny = -(by - ay) / length, (bx - ax) / length
    bend = 0.17 * length
    cx, cy = (ax + bx) / 2 + nx * bend, (ay + by) / 2 + ny * bend
    half = 1.0 + 5.5 * sqrt(flow.riders / largest)
    path = (
        f"M{ax + nx * half:.1f} {ay + ny * half:.1f}"
        f"Q{cx + nx * half / 2:.1f} {cy + ny * half / 2:.1f} {bx:.1f} {by:.1f}"
        f"Q{cx - nx * half / 2:.1f} {cy - ny * half / 2:.1f} {ax - nx * half:.1f} {ay - ny * half:.1f}Z"
    )
    title = f"{flow.origin.name} → {flow.destination.name}: {flow.riders:,}"
    return Curve(path, round(0.25 + 0.5 * flow.riders / largest, 2), (title, title))


def _points(dots: Sequence[Dot]) -> list[Point]:
    """Stations of one name are one point; names are drawn from the busiest down where they do not collide."""
    merged: dict[str, Dot] = {}
    counts: dict[str, int] = defaultdict(int)
    for dot in dots:
        merged.setdefault(dot.place.name, dot)
        counts[dot.place.name] += dot.boardings
    largest = max(counts.values(), default=1) or 1
    taken: list[tuple[float, float]] = []
    points: list[Point] = []
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        x, y = _on_map(merged[name].place)
        free = all(abs(x - other_x) > 118 or abs(y - other_y) > 34 for other_x, other_y in taken)
        label = free and len(taken) < MAX_LABELS and counts[name] > 0
        if label:
            taken.append((x, y))
        radius = 1.6 + 6.5 * sqrt(counts[name] / largest)
        points.append(Point(x, y, radius, name, counts[name], label, "end" if x > MAP_WIDTH * 0.82 else "start"))
    points.reverse()
    return points


def bars(quarters: Sequence[Quarter]) -> Bars:
    """Fares per quarter of an hour, rail and bus stacked; ticks at full hours and four or five round levels."""
    top_won = max((quarter.rail_won + quarter.bus_won for quarter in quarters), default=0) or 1
    step = _round_step(top_won / 4)
    levels = [step * number for number in range(int(top_won / step) + 2)]
    plot = BARS_HEIGHT - _BARS_TOP - _BARS_BOTTOM
    base = BARS_HEIGHT - _BARS_BOTTOM
    scale = plot / levels[-1]
    width = (BARS_WIDTH - _BARS_LEFT - 8) / max(len(quarters), 1)
    drawn: list[Bar] = []
    hours: list[tuple[float, str]] = []
    for number, quarter in enumerate(quarters):
        x = _BARS_LEFT + number * width
        rail, bus = quarter.rail_won * scale, quarter.bus_won * scale
        drawn.append(
            Bar(
                x=round(x + width * 0.09, 2),
                width=round(width * 0.82, 2),
                rail_y=round(base - rail, 2),
                rail_height=round(rail, 2),
                bus_y=round(base - rail - bus, 2),
                bus_height=round(bus, 2),
                start=quarter.start,
                rail_won=quarter.rail_won,
                bus_won=quarter.bus_won,
            )
        )
        if clock(quarter.start).endswith(":00"):
            hours.append((round(x, 2), clock(quarter.start)[:2]))
    return Bars(
        BARS_WIDTH, BARS_HEIGHT, _BARS_LEFT, base, drawn, hours, [(round(base - won * scale, 2), won) for won in levels]
    )


def _round_step(least: float) -> int:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= least:
                return factor * power
        power *= 10


def sankey(flows: Sequence[MoneyFlow]) -> Sankey:
    """Funders, instruments and operators in three columns; a ribbon is as broad as its won."""
    values: list[dict[Label, int]] = [defaultdict(int), defaultdict(int), defaultdict(int)]
    inflow: dict[Label, int] = defaultdict(int)
    for flow in flows:
        if flow.stage == 0:
            values[0][flow.source] += flow.won
            inflow[flow.target] += flow.won
        else:
            values[1][flow.source] += flow.won
            values[2][flow.target] += flow.won
    for label, won in inflow.items():
        values[1][label] = max(values[1][label], won)
    columns = [sorted(column, key=lambda label: (-column[label], label.en)) for column in values]
    most = max((sum(column.values()) for column in values), default=0) or 1
    gaps = max((len(column) for column in columns), default=1) - 1
    scale = (SANKEY_HEIGHT - 20 - _NODE_GAP * gaps) / most
    nodes: list[Node] = []
    placed: dict[tuple[int, Label], Node] = {}
    for column, labels in enumerate(columns):
        used = sum(values[column].values()) * scale + _NODE_GAP * (len(labels) - 1)
        y = (SANKEY_HEIGHT - used) / 2
        heights = [values[column][label] * scale for label in labels]
        tops = []
        for height in heights:
            tops.append(y)
            y += height + _NODE_GAP
        spread = _spread([top + height / 2 for top, height in zip(tops, heights, strict=True)])
        for label, top, height, label_y in zip(labels, tops, heights, spread, strict=True):
            x = column * (SANKEY_WIDTH - _NODE_WIDTH) / 2
            node = Node(x, top, max(height, 1.0), label, values[column][label], column, label_y)
            placed[column, label] = node
            nodes.append(node)
    return Sankey(SANKEY_WIDTH, SANKEY_HEIGHT, nodes, _ribbons(flows, placed, columns, scale))


def _spread(centres: Sequence[float]) -> list[float]:
    """Label heights moved apart to at least `_LABEL_HEIGHT`, kept inside the picture."""
    moved: list[float] = []
    for centre in centres:
        moved.append(max(centre, moved[-1] + _LABEL_HEIGHT if moved else _LABEL_HEIGHT / 2))
    limit = SANKEY_HEIGHT - _LABEL_HEIGHT / 2
    for index in range(len(moved) - 1, -1, -1):
        moved[index] = min(moved[index], limit)
        limit = moved[index] - _LABEL_HEIGHT
    return [round(each, 1) for each in moved]


def _ribbons(
    flows: Sequence[MoneyFlow],
    placed: dict[tuple[int, Label], Node],
    columns: Sequence[Sequence[Label]],
    scale: float,
) -> list[Curve]:
    leaving: dict[tuple[int, Label], float] = defaultdict(float)
    arriving: dict[tuple[int, Label], float] = defaultdict(float)
    order = [{label: index for index, label in enumerate(column)} for column in columns]
    # Colours follow the order in which the report names its instruments, not their size on the day.
    kinds: dict[Label, int] = {}
    for flow in flows:
        kinds.setdefault(flow.target if flow.stage == 0 else flow.source, len(kinds))
    ribbons: list[Curve] = []
    for flow in sorted(flows, key=lambda f: (f.stage, order[f.stage][f.source], order[f.stage + 1][f.target])):
        source, target = placed[flow.stage, flow.source], placed[flow.stage + 1, flow.target]
        height = flow.won * scale
        y1 = source.y + leaving[flow.stage, flow.source]
        y2 = target.y + arriving[flow.stage + 1, flow.target]
        leaving[flow.stage, flow.source] += height
        arriving[flow.stage + 1, flow.target] += height
        x1, x2 = source.x + _NODE_WIDTH, target.x
        middle = (x1 + x2) / 2
        path = (
            f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
            f"V{y2 + height:.1f}C{middle:.1f} {y2 + height:.1f} {middle:.1f} {y1 + height:.1f} "
            f"{x1:.1f} {y1 + height:.1f}Z"
        )
        instrument = flow.target if flow.stage == 0 else flow.source
        title = (
            f"{flow.source.ko} → {flow.target.ko}: {flow.won:,}원",
            f"{flow.source.en} → {flow.target.en}: {flow.won:,} won",
        )
        ribbons.append(Curve(path, height, title, kinds[instrument]))
    return ribbons
