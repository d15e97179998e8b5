"""28,669 real taps with their real defects, signed here and cleared: each is priced or refused with a reason.

The source (tests/vectors/sube) has hours and no signatures. Cards and readers get keys from names; within an hour a
card's taps keep their order at seconds drawn by seed. Modes are mapped by `MODES`; stations are drawn from the network
by the number of the place.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections import Counter
from itertools import groupby
from pathlib import Path

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.codes import Mode
from contracts.errors import DureError
from services.days import day_start
from services.fares.intake import ingest
from services.fares.network import NETWORK
from services.fares.reader import Gate, Reader
from services.fares.settlement import stored_tap
from services.fares.settlement_rules import Settled, day_record
from services.fares.tables import Clone, Refusal, Tap
from services.fares.tap_journeys import Finding, StoredTap, check_tap
from tests.services.fares.world import BUS, DAY, KORAIL, METRO, Card, City, make_card
from wallets.taps import TapKind

TAPS = Path(__file__).parents[2] / "vectors" / "sube" / "taps.csv.gz"
# COL is a bus with one tap a ride; SUB a metro with one; TRE a train with a check-in and a check-out.
MODES = {"COL": Mode.TRUNK, "SUB": Mode.SUBWAY, "TRE": Mode.SUBWAY}
KINDS: dict[str, TapKind] = {"": "IN", "IN": "IN", "USE": "IN", "OUT": "OUT", "OUT_ALONE": "OUT"}
MIDNIGHT = day_start(DAY) - 4 * 3_600
UPLOADS_EVERY = 15_000  # taps
SEED = 20191127
COUNT, TAKEN = 28_669, 27_416
# A check-out without an open ride before it: 131 the source itself calls alone; of the others most have a bus or metro
# ride before them in the source's order, which within an hour is not that of time. A pair of stations without a path.
REFUSED = {"FARE-206": 1_244, "FARE-131": 9}
JOURNEYS = 25_429
WON_BY_OPERATOR = {BUS: 29_639_424, METRO: 6_287_541, KORAIL: 2_776_295}


def _taps() -> list[tuple[int, dict[str, str]]]:
    """(time, row) in the order of time."""
    with gzip.open(TAPS, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    rng = random.Random(SEED)
    timed = []
    rows.sort(key=lambda row: (int(row["card"]), int(row["hour"])))  # stable: the source's order within an hour
    for (_, hour), group in groupby(rows, key=lambda row: (row["card"], int(row["hour"]))):
        ride = list(group)
        seconds = sorted(rng.sample(range(3_600), len(ride)))
        timed += [(MIDNIGHT + hour * 3_600 + at, row) for at, row in zip(seconds, ride, strict=True)]
    timed.sort(key=lambda each: (each[0], int(each[1]["card"])))
    return timed


def _reader(city: City, row: dict[str, str]) -> Reader:
    mode = MODES[row["mode"]]
    if mode is Mode.TRUNK:
        return city.reader(f"S{row['line']}", Gate(mode, BUS, route=f"S{row['line']}"))
    name = NETWORK.names[int(row["stop"]) % len(NETWORK.names)]
    line = min(NETWORK.lines_of(name))
    return city.reader(f"{name}:{line}", Gate(mode, METRO, stop=name, line=line))


def _upload(engine: Engine, city: City, now: int) -> int:
    taken = 0
    for reader in city.readers.values():
        while (data := reader.upload()) is not None:
            answer = ingest(engine, data, city.directory, now, check_tap)
            assert answer.refused == ()
            taken += answer.taken
            reader.acknowledge(answer.next_index)
    return taken


def _ride(engine: Engine, city: City) -> tuple[int, int, Counter[str]]:
    """(taps in all, taken by clearing, refused by code)."""
    cards: dict[str, Card] = {}
    refused: Counter[str] = Counter()
    taps = _taps()
    taken = 0
    for at in range(0, len(taps), UPLOADS_EVERY):
        with city.store.group():
            for now, row in taps[at : at + UPLOADS_EVERY]:
                city.denylist.issued_at = now
                card = cards.setdefault(row["card"], make_card(f"sube {row['card']}"))
                reader = _reader(city, row)
                try:
                    stop = f"p{row['stop']}" if reader.gate.route else ""
                    offer = reader.offer(card.show(), KINDS[row["kind"]], now, stop=stop)
                except DureError as error:
                    refused[error.code] += 1
                    continue
                reader.complete(offer, card.accept(offer), now)
        taken += _upload(engine, city, taps[min(at + UPLOADS_EVERY, len(taps)) - 1][0])
    return len(taps), taken, refused


def test_every_real_tap_is_priced_or_refused_with_a_reason(sqlite_engine: Engine, city: City) -> None:
    city.now = MIDNIGHT
    count, taken, refused = _ride(sqlite_engine, city)
    assert (count, taken, refused) == (COUNT, TAKEN, REFUSED)
    assert taken + refused.total() == count  # none lost
    _check_settlement(sqlite_engine, taken)


def _check_settlement(engine: Engine, taken: int) -> None:
    with Session(engine) as session:
        assert session.exec(select(Refusal)).all() == []
        assert session.exec(select(Clone)).all() == []
        taps = [stored_tap(row) for row in session.exec(select(Tap).order_by(col(Tap.card), col(Tap.seq))).all()]
    assert len(taps) == taken
    priced = journeys = 0
    won: Counter[int] = Counter()
    for _, of_card in groupby(taps, key=lambda tap: tap.state.card):
        settled, before = Settled(), None
        for _, group in groupby(of_card, key=lambda tap: tap.state.service_day):
            of_day: list[StoredTap] = list(group)
            record = day_record(of_day, before, settled)
            before, state = of_day[-1], of_day[-1].state
            assert record.suspense_won == 0
            assert sum(record.credits.values()) == record.increase_won == state.cum_won - settled.cum_won
            assert {journey.finding for journey in record.journeys} == {Finding.AGREES}
            priced += sum(journey.last_seq - journey.first_seq + 1 for journey in record.journeys)
            journeys += len(record.journeys)
            won.update(record.credits)
            settled = Settled(state.seq, state.cum_won, state.cum_own_won, state.service_day)
    assert (priced, journeys, won) == (taken, JOURNEYS, WON_BY_OPERATOR)
