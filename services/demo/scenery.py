"""What the report shows of the city itself: map, flows between districts, and names in both languages."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from contracts.codes import Mode
from services.demo.city import City, load
from services.demo.report import Dot, Flow, Label, Place, Segment
from services.demo.trips import PlannedTap, Trip

OUTSIDE: Final = ("서울 밖 북쪽", "서울 밖 동쪽", "서울 밖 남쪽", "서울 밖 서쪽")

OPERATOR_LABELS: Final = {
    "seoul-metro": Label("서울교통공사", "Seoul Metro"),
    "korail": Label("한국철도공사", "Korail"),
    "bus-centre": Label("도심 버스", "Centre buses"),
    "bus-north": Label("북부 버스", "North buses"),
    "bus-northeast": Label("동북 버스", "North-east buses"),
    "bus-east": Label("동부 버스", "East buses"),
    "bus-southeast": Label("강남 버스", "South-east buses"),
    "bus-south": Label("남부 버스", "South buses"),
    "bus-southwest": Label("서남 버스", "South-west buses"),
    "bus-northwest": Label("서북 버스", "North-west buses"),
    "bus-night": Label("심야 버스", "Night buses"),
    "bus-express": Label("광역 버스", "Express buses"),
}
BANK_LABELS: Final = {
    "bank-hangang": Label("한강은행", "Hangang Bank"),
    "bank-namsan": Label("남산은행", "Namsan Bank"),
}
MODE_LABELS: Final = {
    Mode.SUBWAY: Label("지하철", "Metro"),
    Mode.GTX: Label("광역급행철도", "GTX"),
    Mode.TRUNK: Label("간선버스", "Trunk bus"),
    Mode.BRANCH: Label("지선버스", "Branch bus"),
    Mode.CIRCULAR: Label("순환버스", "Circular bus"),
    Mode.VILLAGE: Label("마을버스", "Village bus"),
    Mode.EXPRESS: Label("광역버스", "Express bus"),
    Mode.NIGHT: Label("심야버스", "Night bus"),
    Mode.AIRPORT: Label("공항버스", "Airport bus"),
}


def map_segments(city: City) -> tuple[Segment, ...]:
    """Rail lines as pieces between neighbouring stations."""
    places = {
        (station.line, station.name): Place(station.name, station.east_m, station.north_m) for station in city.stations
    }
    return tuple(Segment(line, places[line, a], places[line, b]) for line, a, b in city.segments)


def station_dots(trips: Iterable[Trip]) -> tuple[Dot, ...]:
    """Every station with the rail boardings of these trips."""
    boardings = Counter(
        (tap.line, tap.stop) for trip in trips for tap in trip.taps if tap.kind == "IN" and tap.mode is Mode.SUBWAY
    )
    return tuple(
        Dot(Place(station.name, station.east_m, station.north_m), boardings[station.line, station.name])
        for station in load().stations
    )


def _district(tap: PlannedTap) -> str:
    """The tap's district (구); outside Seoul the side of the city it lies on."""
    if tap.district:
        return tap.district
    if abs(tap.east_m) > abs(tap.north_m):
        return OUTSIDE[1] if tap.east_m > 0 else OUTSIDE[3]
    return OUTSIDE[0] if tap.north_m > 0 else OUTSIDE[2]


def flows(trips: Iterable[Trip]) -> tuple[Flow, ...]:
    """Riders between districts, each district placed where its taps were on average; within one district none."""
    made = list(trips)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for trip in made:
        for tap in trip.taps:
            total = sums[_district(tap)]
            total[0] += tap.east_m
            total[1] += tap.north_m
            total[2] += 1
    places = {name: Place(name, east // count, north // count) for name, (east, north, count) in sums.items()}
    counts = Counter((_district(trip.taps[0]), _district(trip.taps[-1])) for trip in made)
    return tuple(
        Flow(places[origin], places[destination], riders)
        for (origin, destination), riders in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if origin != destination
    )
