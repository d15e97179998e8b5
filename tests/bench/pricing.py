"""Journeys priced and split per second and core, and taps priced as a reader does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from contracts.codes import Mode, RiderClass
from services.fares.journeys import tap_off, tap_on
from services.fares.network import NETWORK
from services.fares.pricing import Journey, Leg, price
from services.fares.splits import split
from wallets.taps import Tap

JOURNEYS: Final = 20_000
START: Final = 1_760_482_800  # 2025-10-15 08:00 KST
PAIRS: Final = (("시청:1호선", "강남"), ("수원", "서울역"), ("잠실", "홍대입구"), ("사당", "동대문"), ("대화", "오금"))


def journeys(count: int) -> list[list[Leg]]:
    """Typical journeys of two legs: the subway, then a bus; the distances are cached as in a running service."""
    found = []
    for number in range(count):
        start, end = (NETWORK.station(name) for name in PAIRS[number % len(PAIRS)])
        path, on = NETWORK.shortest(start, end), START + number % 3_600
        rail = Leg(Mode.SUBWAY, on, on + 1_800, path.metres, path.operators, entry=start.place, exit=end.place)
        bus = Leg(Mode.TRUNK, on + 2_400, on + 3_000, 6_400, (("bus-143", 6_400),), route="143")
        found.append([rail, bus])
    return found


def _per_second(count: int, work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return round(count / (time.process_time() - start), 1)


def measure() -> dict[str, float]:
    """Figures per second of process time: journeys priced, priced and split, and taps priced one by one."""
    legs = journeys(JOURNEYS)
    priced: list[Journey] = []
    return {
        "journeys_priced_per_s": _per_second(JOURNEYS, lambda: priced.extend(price(each).journeys[0] for each in legs)),
        "journeys_split_per_s": _per_second(JOURNEYS, lambda: [split(each) for each in priced]),
        "journeys_priced_and_split_per_s": _per_second(JOURNEYS, lambda: [split(price(e).journeys[0]) for e in legs]),
        "taps_priced_per_s": _per_second(4 * JOURNEYS, lambda: [_tap_by_tap(each) for each in legs]),
    }


def _tap_by_tap(legs: list[Leg]) -> int:
    last: Tap | None = None
    taken = missing = 0
    for number, leg in enumerate(legs):
        stop, _, line = leg.entry.partition(":")
        on = tap_on(
            last,
            missing,
            seq=2 * number + 1,
            time=leg.on,
            mode=leg.mode,
            route=leg.route,
            stop=stop,
            line=line,
            rider_class=RiderClass.ADULT,
        )
        inside = Tap("IN", leg.mode, 101, leg.route, stop, line, leg.on, on.rider_class, on.tariff, on.journey)
        off_time = leg.off or leg.on
        off = tap_off(inside, time=off_time, mode=leg.mode, route=leg.route, stop=stop, line=line, metres=leg.metres)
        last = Tap("OUT", leg.mode, 101, leg.route, stop, line, off_time, off.rider_class, off.tariff, off.journey)
        taken, missing = taken + on.charge_won + off.charge_won, off.missing_out_won
    return taken
