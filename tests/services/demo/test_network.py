"""The demo's city and the network that fares are priced on are one: same stations, same operators, always a path."""

from __future__ import annotations

from services.demo.city import load
from services.demo.morning import trips
from services.fares.network import NETWORK


def test_every_station_is_priced_under_its_operator() -> None:
    for station in load().stations:
        found = NETWORK.station(f"{station.name}:{station.line}")
        assert NETWORK.gate_operator(found, station.line) == station.operator, station


def test_every_rail_leg_has_a_path() -> None:
    legs = [
        (on, off) for trip in trips(150, 4) for on, off in zip(trip.taps[::2], trip.taps[1::2], strict=False) if on.line
    ]
    assert len(legs) > 80
    for on, off in legs:
        path = NETWORK.shortest(NETWORK.station(f"{on.stop}:{on.line}"), NETWORK.station(f"{off.stop}:{off.line}"))
        assert path.metres > 0
