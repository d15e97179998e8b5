"""How many taps a core takes in and prices: uploads with both signatures, one durable transaction each, and journeys.

`run(progress)` returns taps per CPU second through intake (decoded, both signatures and certificates checked, stored,
committed with fsync), journeys per CPU second through `journeys_of` (priced again, split, leaf bodies), and taps per
CPU second for both together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlmodel import Session, col, select

from services.database import migrate, open_database
from services.fares.intake import ingest
from services.fares.settlement import stored_tap
from services.fares.tables import Tap
from services.fares.tap_journeys import check_tap, journeys_of
from tests.services.fares.world import MORNING, City, make_card

CARDS: Final = 2_000
TARGET_TAPS_PER_S: Final = 3_000
TARGET_JOURNEYS_PER_S: Final = 20_000


def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures, as the head of this module says."""
    with TemporaryDirectory() as folder:
        city = City(Path(folder))
        progress(f"{CARDS} cards ride")
        with city.store.group():
            for number in range(CARDS):
                city.ride(make_card(str(number)), MORNING + number)
        uploads = [data for reader in city.readers.values() if (data := reader.upload()) is not None]
        engine = open_database(f"sqlite:///{Path(folder) / 'clearing.db'}")
        migrate(engine)
        progress("taking uploads in")
        began, wall = time.process_time(), time.perf_counter()
        taken = sum(ingest(engine, data, city.directory, MORNING + 7_200, check_tap).taken for data in uploads)
        intake_s, intake_wall_s = time.process_time() - began, time.perf_counter() - wall
        progress("pricing")
        with Session(engine) as session:
            rows = session.exec(select(Tap).order_by(col(Tap.card), col(Tap.seq))).all()
        taps = [stored_tap(row) for row in rows]
        cards = [list(group) for _, group in groupby(taps, key=lambda tap: tap.state.card)]
        began = time.process_time()
        journeys = sum(len(journeys_of(group, None)) for group in cards)
        pricing_s = time.process_time() - began
        engine.dispose()
        city.store.close()
    return {
        "taps": taken,
        "taps_per_cpu_s": round(taken / intake_s),
        "taps_per_wall_s": round(taken / intake_wall_s),
        "journeys": journeys,
        "journeys_per_cpu_s": round(journeys / pricing_s),
        "taps_taken_and_priced_per_cpu_s": round(taken / (intake_s + pricing_s)),
        "targets": {"taps_per_s": TARGET_TAPS_PER_S, "journeys_per_s": TARGET_JOURNEYS_PER_S},
    }
