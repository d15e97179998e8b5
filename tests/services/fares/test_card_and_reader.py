"""A wallet's card at real readers, from its first tap to clearing, at the edges of the clock (fares.md §11).

After each tap the wallet's journal and the readers' file are closed and opened again: all that the next reader needs
must come from the disk and from what the card shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.addresses import FARES
from contracts.codes import Mode
from contracts.messages import FareState
from contracts.signatures import address_of
from services.fares.intake import ingest
from services.fares.tap_journeys import Finding, StoredTap, check_tap, journeys_of
from tests.services.fares.legs import at
from tests.services.fares.world import CHAIN_ID, DAY, City, card_certificate, directory, key
from wallets.card import TransitCard
from wallets.journal import Journal

KEY = key("wallet")
FIRST, NEXT = "2025-10-15", "2025-10-16"


@dataclass(frozen=True)
class Step:
    """One tap: at `time` in Korea, in or out, at 시청 (2호선) or on a bus; what it takes, and its service day."""

    time: str
    kind: str
    where: str
    won: int
    day: int = DAY
    metres: int = 0


def gate(city: City, where: str) -> object:
    if where == "rail":
        return city.metro("시청", "2호선")
    mode = {"강남01": Mode.VILLAGE, "N99": Mode.NIGHT}.get(where, Mode.TRUNK)
    return city.bus(where, mode)


def ride(folder: Path, steps: list[Step]) -> tuple[list[FareState], list[StoredTap], list[bytes]]:
    """The states, the taps as clearing holds them, and every reader's upload."""
    with Journal(folder / "wallet.db") as journal:
        TransitCard.enrol(KEY, *card_certificate(address_of(KEY)), directory(), journal)
    for number, step in enumerate(steps):
        now = at(step.time)
        city = City(folder, seed=number)  # a fresh process: the same keys, the same file
        city.denylist.issued_at = now
        reader = gate(city, step.where)
        with Journal(folder / "wallet.db") as journal:
            card = TransitCard(KEY, city.directory, journal)
            offer = reader.offer(card.present(), step.kind, now, metres=step.metres)  # type: ignore[attr-defined]
            reader.complete(offer, card.accept(offer, now), now)  # type: ignore[attr-defined]
        city.store.close()
    city = City(folder)
    uploads = [gate(city, where).upload() for where in {step.where for step in steps}]  # type: ignore[attr-defined]
    city.store.close()
    with Journal(folder / "wallet.db") as journal:
        card = TransitCard(KEY, city.directory, journal)
        signed = [card.signed_tap(seq) for seq in range(1, len(steps) + 1)]
    taps = [
        StoredTap(
            one.state.digest(CHAIN_ID, FARES), one.state, one.tap, one.offer.reader_certificate.reader,
            one.card_signature,
        )
        for one in signed
        if one is not None
    ]  # fmt: skip
    return [tap.state for tap in taps], taps, uploads


def village_until(off: str) -> list[Step]:
    """A village bus left at that time on the first day."""
    on = f"{FIRST} {off[:3]}{int(off[3:5]) - 5:02}:00"
    won = 960 if off < "06:35" else 1_200
    return [Step(on, "IN", "강남01", won), Step(f"{FIRST} {off}", "OUT", "강남01", 0, metres=2_000)]


EDGES: dict[str, list[Step]] = {
    "early-bird-until-06:29:59": [Step(f"{FIRST} 06:29:59", "IN", "rail", 1_240)],
    "no-early-bird-at-06:30:00": [Step(f"{FIRST} 06:30:00", "IN", "rail", 1_550)],
    "early-bird-on-a-bus": [Step(f"{FIRST} 06:29:59", "IN", "143", 1_200)],
    "early-bird-from-04:00:00": [Step(f"{FIRST} 04:00:00", "IN", "rail", 1_240)],
    "no-early-bird-at-03:59:59": [Step(f"{NEXT} 03:59:59", "IN", "rail", 1_550)],
    "gap-30:00": [*village_until("10:10:00"), Step(f"{FIRST} 10:40:00", "IN", "rail", 350)],
    "gap-30:01": [*village_until("10:10:00"), Step(f"{FIRST} 10:40:01", "IN", "rail", 1_550)],
    "gap-44:59-at-20:59:59": [*village_until("20:15:00"), Step(f"{FIRST} 20:59:59", "IN", "rail", 1_550)],
    "gap-45:00-at-21:00:00": [*village_until("20:15:00"), Step(f"{FIRST} 21:00:00", "IN", "rail", 350)],
    "gap-39:59-at-06:59:59": [*village_until("06:20:00"), Step(f"{FIRST} 06:59:59", "IN", "rail", 350)],
    "gap-40:00-at-07:00:00": [*village_until("06:20:00"), Step(f"{FIRST} 07:00:00", "IN", "rail", 1_550)],
    "gap-60:00-at-night": [*village_until("22:10:00"), Step(f"{FIRST} 23:10:00", "IN", "rail", 350)],
    "gap-60:01-at-night": [*village_until("22:10:00"), Step(f"{FIRST} 23:10:01", "IN", "rail", 1_550)],
    "same-bus-again": [
        Step(f"{FIRST} 10:00:00", "IN", "143", 1_500),
        Step(f"{FIRST} 10:05:00", "OUT", "143", 0, metres=900),
        Step(f"{FIRST} 10:06:00", "IN", "143", 1_500),
    ],
    "midnight-in-a-journey": [
        Step(f"{FIRST} 23:50:00", "IN", "143", 1_500),
        Step(f"{NEXT} 00:10:00", "OUT", "143", 0, metres=4_000),
        Step(f"{NEXT} 00:40:00", "IN", "rail", 50),
        Step(f"{NEXT} 00:50:00", "OUT", "rail", 0),
    ],
    "04:00-in-a-journey": [
        Step(f"{NEXT} 03:50:00", "IN", "N99", 2_500),
        Step(f"{NEXT} 04:05:00", "OUT", "N99", 0, metres=8_000),
        Step(f"{NEXT} 04:50:00", "IN", "rail", 0),  # joins: it stays in the day of its first tap-on
        Step(f"{NEXT} 05:00:00", "OUT", "rail", 0),
        Step(f"{NEXT} 06:00:01", "IN", "143", 1_200, DAY + 1),
    ],
    "04:00-between-journeys": [
        Step(f"{NEXT} 03:30:00", "IN", "rail", 1_550),
        Step(f"{NEXT} 03:59:59", "OUT", "rail", 0),
        Step(f"{NEXT} 05:10:00", "IN", "rail", 1_240, DAY + 1),
        Step(f"{NEXT} 05:20:00", "OUT", "rail", 0, DAY + 1),
    ],
    "missing-tap-off-over-the-roll": [
        Step(f"{NEXT} 03:10:00", "IN", "rail", 1_550),
        Step(f"{NEXT} 03:20:00", "OUT", "rail", 0),
        Step(f"{NEXT} 03:30:00", "IN", "143", 0),  # no tap-off
        Step(f"{NEXT} 08:00:00", "IN", "143", 3_000, DAY + 1),
    ],
}


@pytest.mark.parametrize("edge", EDGES)
def test_what_is_taken_at_the_edges_of_the_clock(sqlite_engine: Engine, tmp_path: Path, edge: str) -> None:
    steps = EDGES[edge]
    states, taps, uploads = ride(tmp_path, steps)
    assert [(state.charge_won, state.service_day) for state in states] == [(step.won, step.day) for step in steps]
    cum = opening = 0
    for number, state in enumerate(states):
        if number and state.service_day != states[number - 1].service_day:
            opening = cum
        cum += state.charge_won
        assert (state.seq, state.cum_won, state.day_start_cum_won) == (number + 1, cum, opening)
    found = journeys_of(taps, None)
    assert all(one.finding is Finding.AGREES for one in found)
    assert sum(sum(one.shares.values()) for one in found) == cum
    now = at(steps[-1].time) + 60
    answers = [ingest(sqlite_engine, data, directory(), now, check_tap) for data in uploads]
    assert sum(answer.taken for answer in answers) == len(steps)
    assert all(answer.refused == () for answer in answers)
