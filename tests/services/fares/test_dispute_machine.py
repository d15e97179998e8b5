"""The dispute desk against a plain twin: whatever riders, operators and the clearing house do, in whatever order and
with however much time between, both come to the same answers, and a journey never brings more than it charged.

One journey: 시청 to 강남, where the gate took 100 won too much and kept 30 from vouchers, and on by bus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine
from sqlmodel import Session, delete

from contracts.errors import DureError
from services.database import migrate, open_database
from services.fares.dispute_desk import DisputeDesk
from services.fares.dispute_rules import DisputeStatus
from services.fares.intake import ingest
from services.fares.tables import Dispute, Evidence
from services.fares.tap_journeys import check_tap
from tests.services.fares.disputing import greedy, name_of, overcharge, said, signed
from tests.services.fares.world import BUS, METRO, MORNING, Card, City, make_card
from wallets.disputes import DisputeCode

DAY_S = 86_400
CHARGED_WON = 1_850
# What each dispute brings if the rider is right; rail alone costs 1,650, the bus alone 1,500, both 1,750.
BACK_WON = {
    **{(code, seq): 350 for code in ("D01", "D04") for seq in (1, 2)},
    **{(code, seq): 200 for code in ("D01", "D04") for seq in (3, 4)},
    **{("D05", seq): 1_850 for seq in (1, 2, 3, 4)},
    **{(code, seq): 100 for code in ("D02", "D06") for seq in (1, 2, 3, 4)},
    ("D07", 2): 30,
}
PROVEN = ("D02", "D06", "D07")
KEY = st.sampled_from(sorted(BACK_WON))


@dataclass
class Plain:
    """A dispute of the twin."""

    claimed: int
    received: int
    state: str = "OPEN"
    delta: int = 0
    spoken: set[int] = field(default_factory=set)

    @property
    def waits(self) -> bool:
        return self.state in ("OPEN", "EVIDENCE")

    @property
    def evidence_until(self) -> int:
        """Five weekdays later at midnight in Korea (no holidays fall into these weeks), at most two weeks."""
        day = datetime.fromtimestamp(self.received + 9 * 3_600, UTC).replace(hour=0, minute=0, second=0)
        counted = 0
        while counted < 5:
            day += timedelta(days=1)
            counted += day.weekday() < 5
        return min(int((day + timedelta(days=1)).timestamp()) - 9 * 3_600, self.received + 14 * DAY_S)


@lru_cache(maxsize=1)
def ridden() -> tuple[TemporaryDirectory[str], Engine, City, Card]:
    """The journey in a clearing house's tables."""
    folder = TemporaryDirectory()
    engine = open_database(f"sqlite:///{Path(folder.name) / 'clearing.db'}")
    migrate(engine)
    city, card, gate = City(Path(folder.name)), make_card("machine"), greedy("강남", "2호선")
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    overcharge(city, gate, card, "OUT", MORNING + 1_860, won=100, own_won=30)
    city.tap_in(card, city.bus("143"), MORNING + 2_100, "강남역")
    city.tap_out(card, city.bus("143"), MORNING + 3_000, "신사역", metres=2_400)
    uploads = [city.metro("시청", "2호선").upload(), gate.upload(), city.bus("143").upload()]
    for data in uploads:
        assert data is not None
        assert ingest(engine, data, city.directory, MORNING + 7_200, check_tap).refused == ()
    city.store.close()
    return folder, engine, city, card


class Disputing(RuleBasedStateMachine):
    """One card, two operators, one clearing house."""

    @initialize()
    def begin(self) -> None:
        _, self.engine, self.city, self.card = ridden()
        with Session(self.engine) as session:
            session.execute(delete(Evidence))
            session.execute(delete(Dispute))
            session.commit()
        self.desk = DisputeDesk(self.engine, self.city.directory)
        self.now = MORNING + 7_200
        self.plain: dict[tuple[str, int], Plain] = {}
        self.documents: dict[tuple[str, int], bytes] = {}

    def agree(self, lawful: bool, call: object) -> None:
        """The desk does it exactly where the twin says that it is lawful."""
        assert callable(call)
        if lawful:
            call()
            return
        with pytest.raises(DureError):
            call()

    def left(self, key: tuple[str, int]) -> int:
        """What the twin says that a dispute brings still."""
        code, _ = key
        paid = {one: each.delta for one, each in self.plain.items() if one != key and each.state == "CREDITED"}
        same = 0 if code == "D07" else sum(won for one, won in paid.items() if one[0] != "D07")
        return max(0, min(BACK_WON[key] - same, CHARGED_WON - sum(paid.values())))

    def name(self, key: tuple[str, int]) -> bytes:
        return name_of(self.documents[key]) if key in self.documents else b"n" * 32

    @rule(hours=st.integers(1, 100))
    def wait(self, hours: int) -> None:
        """Time passes."""
        self.now += hours * 3_600

    @rule(key=KEY, won=st.integers(1, 2_000))
    def open(self, key: tuple[str, int], won: int) -> None:
        """The rider opens a dispute, perhaps one that stands already, perhaps for more than was charged."""
        code, seq = key
        document = signed(self.card, seq, DisputeCode(code), won, self.now)
        most = 30 if code == "D07" else CHARGED_WON
        same = self.documents.get(key) == document
        lawful = same or (key not in self.plain and won <= most)
        self.agree(lawful, lambda: self.desk.open(document, now=self.now))
        if lawful and not same:
            self.plain[key], self.documents[key] = Plain(won, self.now), document

    @rule(key=KEY, operator=st.sampled_from([METRO, BUS]))
    def give_evidence(self, key: tuple[str, int], operator: int) -> None:
        """An operator speaks, perhaps again, perhaps too late."""
        plain, name = self.plain.get(key), self.name(key)
        again = plain is not None and operator in plain.spoken
        lawful = again or (plain is not None and plain.waits and self.now < plain.evidence_until)
        signature = said(name, operator, b"shown")
        self.agree(lawful, lambda: self.desk.give_evidence(name, operator, b"shown", signature, now=self.now))
        if plain is not None and lawful and not again:
            plain.state = "EVIDENCE"
            plain.spoken.add(operator)

    @rule(key=KEY)
    def uphold(self, key: tuple[str, int]) -> None:
        """The clearing house finds the charge right."""
        plain, name = self.plain.get(key), self.name(key)
        lawful = plain is not None and plain.waits and (plain.state == "EVIDENCE" or not self.left(key))
        self.agree(lawful, lambda: self.desk.uphold(name, "왜냐하면", now=self.now))
        if plain is not None and lawful:
            plain.state = "UPHELD"

    @rule(key=KEY)
    def credit(self, key: tuple[str, int]) -> None:
        """The clearing house finds for the rider."""
        plain, name = self.plain.get(key), self.name(key)
        lawful = False
        if plain is not None and plain.waits and self.left(key):
            lawful = key[0] in PROVEN or plain.state == "EVIDENCE" or self.now >= plain.evidence_until
        self.agree(lawful, lambda: self.desk.credit(name, "왜냐하면", now=self.now))
        if plain is not None and lawful:
            plain.state, plain.delta = "CREDITED", min(plain.claimed, self.left(key))

    @rule()
    def lapse(self) -> None:
        """The clock answers what is two weeks old, the oldest first."""
        answered = self.desk.lapse(now=self.now)
        due = [key for key, plain in self.plain.items() if plain.waits and plain.received + 14 * DAY_S <= self.now]
        assert [row.message for row in answered] == [self.name(key) for key in due]
        for key in due:
            plain = self.plain[key]
            plain.delta = min(plain.claimed, self.left(key))
            plain.state = "CREDITED" if plain.delta else "UPHELD"

    @invariant()
    def both_stand_alike(self) -> None:
        """The desk's rows are the twin's."""
        if not hasattr(self, "desk"):
            return
        rows = self.desk.of_card(self.card.address)
        found = {(row.code, row.seq): (DisputeStatus(row.status).name, row.delta_won) for row in rows}
        assert found == {key: (plain.state, plain.delta) for key, plain in self.plain.items()}
        assert sum(row.delta_won for row in rows) <= CHARGED_WON
        assert all(row.delta_won <= row.claimed_won for row in rows)
        assert all(bool(row.cause) == (row.decided_at is not None) == (row.status > 1) for row in rows)


def test_the_desk_and_its_twin_agree() -> None:
    run_state_machine_as_test(Disputing, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))


@pytest.mark.long
def test_the_desk_and_its_twin_agree_for_long() -> None:
    run_state_machine_as_test(Disputing, settings=settings(max_examples=2_000, stateful_step_count=80, deadline=None))
