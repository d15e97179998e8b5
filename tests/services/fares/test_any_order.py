"""Uploads dropped, doubled, reordered, with restarts between: what is settled is the same, or less by exactly the taps
that are missing, and whole again once they come (money.md §3)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import Session, col, select

from contracts.codes import Mode
from services.database import migrate, open_database
from services.fares.intake import ingest
from services.fares.settlement import stored_tap
from services.fares.settlement_rules import DayRecord, Settled, day_record
from services.fares.tables import Clone, Refusal, Tap
from services.fares.tap_journeys import StoredTap, check_tap
from tests.services.fares.world import DAY, MORNING, City, directory, make_card

CARDS = 3


@cache
def deliveries() -> tuple[tuple[bytes, ...], tuple[StoredTap, ...]]:
    """Uploads of one to two taps each, and every tap that they carry, by card and seq."""
    with TemporaryDirectory() as folder:
        city = City(Path(folder))
        taps = []
        for number in range(CARDS):
            card, now = make_card(f"order {number}"), MORNING + 97 * number
            city.ride(card, now)
            city.tap_in(card, city.bus("143"), now + 2_100, "강남역")
            city.tap_out(card, city.bus("143"), now + 3_000, "신사역", metres=2_400)
            city.tap_in(card, city.bus("강남01", Mode.VILLAGE), now + 3_300, "신사역")  # no tap-off
            city.ride(card, now + 20_000)
            taps += [
                StoredTap(
                    signed.state.digest(city.directory.chain_id, city.directory.fares),
                    signed.state,
                    signed.tap,
                    signed.offer.reader_certificate.reader,
                    signed.card_signature,
                )
                for signed in card.history
            ]
        uploads = []
        for at, reader in enumerate(city.readers.values()):
            while (data := reader.upload(1 + at % 2)) is not None:
                uploads.append(data)
                head = data.split(b"\n")
                reader.acknowledge(int(head[1].split(b'"index":')[1].split(b",")[0]) + len(head) - 2)
        city.store.close()
    taps.sort(key=lambda tap: (tap.state.card, tap.state.seq))
    return tuple(uploads), tuple(taps)


def records(taps: Sequence[StoredTap]) -> dict[bytes, DayRecord]:
    """Each card's record of the day, as settling makes it."""
    return {
        card: day_record(list(group), None, Settled()) for card, group in groupby(taps, key=lambda tap: tap.state.card)
    }


def check_partial(found: Sequence[StoredTap]) -> None:
    """Each card is settled up to its last tap that arrived; every missing one before it waits in suspense."""
    _, every = deliveries()
    for card, record in records(found).items():
        mine = [tap for tap in every if tap.state.card == card]
        here = {tap.digest for tap in found}
        later = sum(tap.state.charge_won for tap in mine if tap.state.seq > record.last.state.seq)
        gone = sum(
            tap.state.charge_won for tap in mine if tap.state.seq < record.last.state.seq and tap.digest not in here
        )
        assert record.increase_won == mine[-1].state.cum_won - later
        assert sum(record.credits.values()) + record.suspense_won == record.increase_won
        assert record.suspense_won >= gone


@given(st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_taps_in_any_order_settle_alike(data: st.DataObject) -> None:
    uploads, every = deliveries()
    order = data.draw(st.lists(st.sampled_from(range(len(uploads))), max_size=2 * len(uploads)))
    restarts = data.draw(st.sets(st.integers(0, 2 * len(uploads)), max_size=2))
    known = directory()
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/order.db"
        engine = open_database(url)
        migrate(engine)

        def stored() -> list[StoredTap]:
            with Session(engine) as session:
                rows = session.exec(select(Tap).order_by(col(Tap.card), col(Tap.seq))).all()
                assert session.exec(select(Refusal)).all() == []
                assert session.exec(select(Clone)).all() == []
            return [stored_tap(row) for row in rows]

        for step, number in enumerate(order):
            if step in restarts:
                engine.dispose()
                engine = open_database(url)
            ingest(engine, uploads[number], known, MORNING + 80_000, check_tap)
        check_partial(stored())
        for upload in uploads:  # what was missing comes at last
            ingest(engine, upload, known, MORNING + 80_000, check_tap)
        whole = stored()
        engine.dispose()
    assert {tap.digest for tap in whole} == {tap.digest for tap in every}
    healed, in_order = records(whole), records(every)
    assert healed == in_order
    assert all(record.suspense_won == 0 and record.last.state.service_day == DAY for record in healed.values())
