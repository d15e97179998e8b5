"""Intake against a model: whatever arrives, however often, in whatever order, and whenever the process dies, nothing
that was acknowledged is missing and nothing is doubled.

Readers write their chains; stretches of them arrive, also damaged on the way, also while the process is killed before
its commit; the database is opened again. The model remembers which taps were acknowledged.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import event, func, select

import services.models  # noqa: F401  (py-evm, loaded with it, raises the recursion limit: before Hypothesis looks)
from contracts.codes import Mode
from services.database import migrate, open_database, reading
from services.fares.intake import ingest, table
from services.fares.reader import Gate
from services.fares.tables import ChainEntry, Refusal, Tap
from services.fares.tap_journeys import check_tap
from tests.services.fares.chains import Station, post
from tests.services.fares.test_clearing import enter
from tests.services.fares.world import METRO, MORNING, directory, make_card

GATES = ("시청", "강남", "사당")
NOW = MORNING + 7_200
TAPS, CHAIN, REFUSALS = table(Tap), table(ChainEntry), table(Refusal)
READER = st.integers(0, len(GATES) - 1)
CUT = st.floats(0, 1)


class _PowerCutError(Exception):
    """The process dies before its commit."""


class Intake(RuleBasedStateMachine):
    """Three readers, four cards, one clearing house."""

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.folder.name) / 'clearing.db'}"
        self.engine = open_database(self.url)
        migrate(self.engine)
        self.cards = [make_card(f"machine {number}") for number in range(4)]
        self.readers: list[Station] = [
            post(stop, Gate(Mode.SUBWAY, METRO, stop=stop, line="2호선"), MORNING) for stop in GATES
        ]
        self.time = MORNING
        self.acknowledged: set[tuple[bytes, int]] = set()
        self.refused: set[tuple[bytes, int]] = set()

    @rule(reader=READER, card=st.integers(0, 3))
    def tap(self, reader: int, card: int) -> None:
        """A card taps; nothing is uploaded yet."""
        self.time += 5
        enter(self.readers[reader], self.cards[card], self.time)

    def _stretch(self, reader: int, cuts: tuple[float, float]) -> tuple[int, int]:
        length = len(self.readers[reader].links)
        first, end = sorted(round(cut * length) for cut in cuts)
        return (first, end) if first < end else (0, length)

    def _expect(self, reader: int, first: int, end: int, gone: int | None = None) -> None:
        for at in range(first, end):
            signed = self.readers[reader].taps[at][0]
            if at != gone:
                self.acknowledged.add((signed.state.card, signed.state.seq))

    @precondition(lambda self: any(reader.links for reader in self.readers))
    @rule(reader=READER, cuts=st.tuples(CUT, CUT), times=st.integers(1, 2))
    def arrive(self, reader: int, cuts: tuple[float, float], times: int) -> None:
        """A stretch arrives once or twice."""
        if not self.readers[reader].links:
            return
        first, end = self._stretch(reader, cuts)
        for _ in range(times):
            answer = ingest(self.engine, self.readers[reader].upload(first, end), directory(), NOW, check_tap)
            assert answer.refused == ()
            assert (answer.next_index, answer.taken + answer.repeated) == (end, end - first)
        self._expect(reader, first, end)

    @precondition(lambda self: any(reader.links for reader in self.readers))
    @rule(reader=READER, cuts=st.tuples(CUT, CUT), where=CUT, letter=st.integers(1, 255))
    def arrive_damaged(self, reader: int, cuts: tuple[float, float], where: float, letter: int) -> None:
        """One byte of one line was changed on the way: it costs that line, at most until it comes again."""
        station = self.readers[reader]
        if not station.links:
            return
        first, end = self._stretch(reader, cuts)
        lines = station.lines[first:end]
        at = min(int(where * len(lines)), len(lines) - 1)
        byte = int(where * 7919 * len(lines[at])) % len(lines[at])
        changed = lines[at][byte] ^ letter
        if changed == 10:  # a line feed makes two lines of one, which the head does not announce
            return
        lines[at] = lines[at][:byte] + bytes((changed,)) + lines[at][byte + 1 :]
        answer = ingest(self.engine, station.upload(first, end, lines=lines), directory(), NOW, check_tap)
        assert [index for index, _ in answer.refused] == [first + at]
        self.refused.add((station.address, first + at))
        self._expect(reader, first, end, gone=first + at)

    @precondition(lambda self: any(reader.links for reader in self.readers))
    @rule(reader=READER, cuts=st.tuples(CUT, CUT), statement=st.integers(1, 12))
    def die_before_the_commit(self, reader: int, cuts: tuple[float, float], statement: int) -> None:
        """The process dies at one of its statements; nothing was acknowledged."""
        if not self.readers[reader].links:
            return
        first, end = self._stretch(reader, cuts)
        left = [statement]

        def cut(*_: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise _PowerCutError

        event.listen(self.engine, "before_cursor_execute", cut)
        event.listen(self.engine, "commit", cut)
        try:
            ingest(self.engine, self.readers[reader].upload(first, end), directory(), NOW, check_tap)
            self._expect(reader, first, end)  # it came through before the power failed
        except _PowerCutError:
            pass
        finally:
            event.remove(self.engine, "before_cursor_execute", cut)
            event.remove(self.engine, "commit", cut)
            self.open_again()

    @rule()
    def open_again(self) -> None:
        """The service starts anew on the same file."""
        self.engine.dispose()
        self.engine = open_database(self.url)

    @invariant()
    def nothing_acknowledged_is_missing_and_nothing_doubled(self) -> None:
        with reading(self.engine) as connection:
            rows = [(card, seq) for card, seq in connection.execute(select(TAPS.c.card, TAPS.c.seq))]
            refused = connection.execute(select(func.count()).select_from(REFUSALS)).scalar_one()
            places = connection.execute(select(CHAIN.c.reader, CHAIN.c.position)).all()
        assert len(rows) == len(set(rows))
        assert set(rows) == self.acknowledged
        assert len(places) == len(set(places))
        assert refused <= len(self.refused)

    def teardown(self) -> None:
        if not hasattr(self, "engine"):
            return
        for station in self.readers:  # what is missing comes at last, and everything is there
            if station.links:
                ingest(self.engine, station.upload(), directory(), NOW, check_tap)
        with reading(self.engine) as connection:
            count = connection.execute(select(func.count()).select_from(TAPS)).scalar_one()
        assert count == sum(len(card.history) for card in self.cards)
        self.engine.dispose()
        self.folder.cleanup()


TestIntake = Intake.TestCase
TestIntake.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


@pytest.mark.long
def test_many_runs() -> None:
    """The same machine, with a large budget."""
    run_state_machine_as_test(Intake, settings=settings(max_examples=300, stateful_step_count=60, deadline=None))
