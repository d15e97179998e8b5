"""Surcharged sections that a ride took, told from its two gates alone (fares.md §7; docs/decisions, 0010).

The network that distances are taken from has no edge of a surcharged line (fares.md §12), so its shortest path never
names one. What tells the ride is where it was tapped: in and out at gates of the line itself. Its stations stand in
order in data/surcharged_stations.csv, each with the section that leads to it from the station before.
"""

from __future__ import annotations

from functools import cache

from contracts.codes import Mode
from services.fares.errors import TariffDataError
from services.fares.network import GTX_NETWORK, NETWORK, Station
from services.fares.tariff import read_table

_Gate = tuple[str, str]  # station, line


def sections_between(entry: Station, exit_: Station) -> tuple[str, ...]:
    """Surcharged sections ridden between two gates, in the order of the line whichever way; () unless both gates are
    declared as the same surcharged line's. Raises TariffDataError."""
    if entry.line != exit_.line or entry.name == exit_.name:
        return ()
    return _sections().get(((entry.name, entry.line), (exit_.name, exit_.line)), ())


def rail_ride(mode: Mode, entry: str, exit_: str) -> tuple[int, tuple[str, ...]]:
    """Metres charged and surcharged sections ridden between two gates of taps, each "station" or "station:line".

    Raises UnknownStationError, AmbiguousStationError, NoPathError.
    """
    network = GTX_NETWORK if mode is Mode.GTX else NETWORK
    start, end = network.station(entry), network.station(exit_)
    return network.shortest(start, end).metres, sections_between(start, end)


@cache
def _sections() -> dict[tuple[_Gate, _Gate], tuple[str, ...]]:
    """Every pair of gates of one surcharged line, both ways: sixteen stations make 240 pairs."""
    lines: dict[str, list[tuple[str, str]]] = {}
    try:
        for row in read_table("surcharged_stations.csv"):
            lines.setdefault(row["line"], []).append((row["station"], row["section"]))
    except KeyError as error:
        raise TariffDataError(f"surcharged_stations.csv has no column {error}") from error
    priced = {row["section"] for row in read_table("line_surcharges.csv")}
    for line, stations in lines.items():
        unpriced = {section for _, section in stations[1:]} - priced
        if unpriced:
            raise TariffDataError(f"{line} has sections that line_surcharges.csv prices nowhere: {sorted(unpriced)}")
    found: dict[tuple[_Gate, _Gate], tuple[str, ...]] = {}
    for line, stations in lines.items():
        for first, (here, _) in enumerate(stations):
            ridden: dict[str, None] = {}
            for there, section in stations[first + 1 :]:
                ridden[section] = None
                pair = (here, line), (there, line)
                found[pair] = found[pair[::-1]] = tuple(ridden)
    return found
