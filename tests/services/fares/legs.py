"""Shorthand for the legs that the tables of tests are made of."""

from __future__ import annotations

from datetime import datetime

from contracts.codes import Mode
from services.fares.network import NETWORK
from services.fares.pricing import Leg
from services.fares.rules import is_rail


def at(text: str) -> int:
    """UTC epoch seconds of "2025-10-15 08:10" (or with seconds) in Korea."""
    return int(datetime.fromisoformat(f"{text}+09:00").timestamp())


def ride(mode: Mode, on: int, metres: int, minutes: float | None = 10, **more: object) -> Leg:
    """A leg of so many minutes; `minutes` None: without tap-off."""
    route = str(more.pop("route", "" if is_rail(mode) else mode.name.lower()))
    operator = "gtx-a" if mode is Mode.GTX else "seoul-metro" if is_rail(mode) else f"bus-{route}"
    off = None if minutes is None else on + round(minutes * 60)
    fields = {"operators": ((operator, metres),), "route": route, "entry": ":" if is_rail(mode) else "", **more}
    fields.setdefault("exit", fields["entry"])
    return Leg(mode, on, off, metres, **fields)  # type: ignore[arg-type]


def subway(origin: str, destination: str, on: int, minutes: float | None = 10) -> Leg:
    """A leg between two stations of the network."""
    entry, exit_ = NETWORK.station(origin), NETWORK.station(destination)
    path = NETWORK.shortest(entry, exit_)
    off = None if minutes is None else on + round(minutes * 60)
    return Leg(
        Mode.SUBWAY,
        on,
        off,
        path.metres,
        path.operators,
        entry=entry.place or ":",
        exit=exit_.place or ":",
        lines=path.lines,
        basis=path.basis,
        tag_in=NETWORK.gate_operator(entry, path.lines[0] if path.lines else ""),
    )
