"""The dispute desk on both databases: who may do what, and everything that is refused by name and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contracts.errors import DureError
from services.days import DAY_S
from services.fares import dispute_errors as e
from services.fares import dispute_rules as rules
from services.fares.dispute_desk import DisputeDesk
from services.fares.dispute_rules import DisputeStatus
from services.fares.intake import ingest
from services.fares.limits import MAX_EVIDENCE_BYTES, MAX_OPEN_DISPUTES
from services.fares.tables import Dispute, Evidence
from services.fares.tap_journeys import check_tap
from tests.services.fares.chains import digest
from tests.services.fares.disputing import name_of, said, signed
from tests.services.fares.test_tap_journeys import rail_then_bus
from tests.services.fares.world import BUS, KORAIL, METRO, MORNING, OPERATORS, Card, City, make_card
from wallets.disputes import DisputeCode
from wallets.errors import WalletError
from wallets.limits import MAX_STATEMENT_BYTES
from wallets.statements import StatementEncodingError, StatementSignatureError

D01, D02, D03, D04, D05, D06, D07, _ = DisputeCode
NOW = MORNING + 7_200
SHOWN = "개찰구 기록: 문이 열렸음".encode()
CAUSE = "개찰구 기록과 맞습니다."


@dataclass
class Office:
    """A desk whose clearing house holds two cards' taps: 1,750 won each (METRO 988, BUS 762)."""

    engine: Engine
    city: City
    desk: DisputeDesk
    card: Card
    other: Card

    def open(self, seq: int, code: DisputeCode, won: int, *, now: int = NOW, **changes: Any) -> bytes:
        """Opens a dispute of the card; its name."""
        document = signed(self.card, seq, code, won, now, **changes)
        self.desk.open(document, now=now)
        return name_of(document)

    def evidence(self, name: bytes, organisation: int = METRO, shown: bytes = SHOWN, *, now: int = NOW) -> None:
        self.desk.give_evidence(name, organisation, shown, said(name, organisation, shown), now=now)

    def rows(self) -> list[tuple[Any, ...]]:
        with Session(self.engine) as session:
            disputes = session.exec(select(Dispute.message, Dispute.status, Dispute.delta_won, Dispute.cause)).all()
            evidence = session.exec(select(Evidence.dispute_id, Evidence.organisation)).all()
        return [*disputes, *evidence]


@pytest.fixture
def office(engine: Engine, city: City) -> Office:
    card, other = make_card("disputing"), make_card("another")
    for one in (card, other):
        rail_then_bus(city, one, MORNING + (one is other))
    for reader in city.readers.values():
        data = reader.upload()
        assert data is not None
        assert ingest(engine, data, city.directory, NOW, check_tap).refused == ()
    return Office(engine, city, DisputeDesk(engine, city.directory), card, other)


def test_a_dispute_stands_as_its_card_signed_it_with_its_clocks(office: Office) -> None:
    document = signed(office.card, 1, D05, 1_750, NOW - 60)
    row = office.desk.open(document, now=NOW)
    assert (row.document, row.message, row.digest) == (
        document,
        name_of(document),
        digest(office.card.history[0].state),
    )
    assert (row.opened_at, row.received_at, row.due_at) == (NOW - 60, NOW, NOW + 14 * DAY_S)
    assert row.evidence_due_at == rules.evidence_due_at(NOW)
    assert (row.organisations, row.status, row.delta_won) == (f"[{METRO},{BUS}]", DisputeStatus.OPEN, 0)
    assert office.desk.of_card(office.card.address) == [row]
    assert office.desk.of_card(office.other.address) == []


def test_the_same_dispute_again_is_answered_as_it_stands_even_after_the_year(office: Office) -> None:
    document = signed(office.card, 1, D05, 1_750, NOW)
    office.desk.open(document, now=NOW)
    name = name_of(document)
    office.evidence(name)
    office.desk.uphold(name, CAUSE, now=NOW)
    again = office.desk.open(document, now=NOW + 800 * DAY_S)
    assert (again.status, again.cause, again.received_at) == (DisputeStatus.UPHELD, CAUSE, NOW)
    assert len(office.rows()) == 2


def test_operators_are_asked_until_they_have_spoken(office: Office) -> None:
    first, second = office.open(1, D05, 1_750), office.open(3, D04, 100)
    assert [row.message for row in office.desk.asked(METRO)] == [first, second]
    assert office.desk.asked(KORAIL) == []
    office.evidence(first)
    office.evidence(first, now=NOW + 90 * DAY_S)  # the same again, however late
    assert [row.message for row in office.desk.asked(METRO)] == [second]
    assert [row.message for row in office.desk.asked(BUS)] == [first, second]
    [kept] = office.desk.evidence_of(first)
    assert (kept.organisation, kept.document, kept.received_at) == (METRO, SHOWN, NOW)
    office.evidence(first, BUS)
    assert [one.organisation for one in office.desk.evidence_of(first)] == [METRO, BUS]
    assert office.desk.credit(first, CAUSE, now=NOW).delta_won == 1_750
    assert [row.message for row in office.desk.asked(BUS)] == [second]


def test_silence_is_answered_at_the_second_and_by_the_claim(office: Office) -> None:
    office.open(1, D05, 1_000)
    due = NOW + 14 * DAY_S
    assert office.desk.lapse(now=due - 1) == []
    [answered] = office.desk.lapse(now=due)
    assert (answered.status, answered.delta_won) == (DisputeStatus.CREDITED, 1_000)
    assert (answered.cause, answered.decided_at) == (rules.CAUSE_SILENCE, due)
    assert office.desk.lapse(now=due + DAY_S) == []


def test_evidence_that_nobody_weighed_does_not_stop_the_clock(office: Office) -> None:
    name = office.open(1, D05, 1_750)
    office.evidence(name)
    [answered] = office.desk.lapse(now=NOW + 14 * DAY_S)
    assert (answered.status, answered.delta_won) == (DisputeStatus.CREDITED, 1_750)


def test_a_claim_above_what_the_tariff_leaves_brings_what_it_leaves(office: Office) -> None:
    office.open(3, D04, 1_750)
    assert office.desk.lapse(now=NOW + 14 * DAY_S)[0].delta_won == 100


def test_where_the_tariff_agrees_the_charge_is_upheld_without_evidence(office: Office) -> None:
    at_once, at_last = office.open(2, D06, 100), office.open(1, D02, 100)
    found = office.desk.findings(at_once)
    assert (found.repriced.charged_won, found.repriced.due_won, found.left_won) == (1_750, 1_750, 0)
    assert office.desk.uphold(at_once, CAUSE, now=NOW).status == DisputeStatus.UPHELD
    [answered] = office.desk.lapse(now=NOW + 14 * DAY_S)
    assert (answered.message, answered.status, answered.cause) == (
        at_last,
        DisputeStatus.UPHELD,
        rules.CAUSE_PRICED_RIGHT,
    )


def test_a_card_has_so_many_open_and_no_more(office: Office) -> None:
    names = [office.open(seq, code, 1) for seq in (1, 2, 3, 4) for code in (D01, D02, D04, D05, D06)]
    assert len(names) == MAX_OPEN_DISPUTES
    with pytest.raises(e.TooManyDisputesError):
        office.open(3, D03, 1)
    office.desk.uphold(names[1], CAUSE, now=NOW)
    with pytest.raises(e.ClaimError):  # there is room again, but nothing was charged for a missing tap-off
        office.open(3, D03, 1)
    other = signed(office.other, 1, D05, 1, NOW)
    office.desk.open(other, now=NOW)


YEAR_OVER = MORNING + 366 * DAY_S
OPENINGS: dict[str, tuple[type[DureError], Callable[[Office], bytes], int]] = {
    "signed by another card": (
        StatementSignatureError, lambda o: signed(o.card, 1, D05, 1_750, NOW, key=o.other.key), NOW,
    ),
    "another card's tap": (
        e.UnknownTapError, lambda o: signed(o.card, 1, D05, 1, NOW, state=digest(o.other.history[0].state)), NOW,
    ),
    "another tap's state": (
        e.UnknownTapError, lambda o: signed(o.card, 1, D05, 1, NOW, state=digest(o.card.history[1].state)), NOW,
    ),
    "a state that nobody signed": (e.UnknownTapError, lambda o: signed(o.card, 1, D05, 1, NOW, state=b"s" * 32), NOW),
    "a tap that is not there": (e.UnknownTapError, lambda o: signed(o.card, 9, D05, 1, NOW, state=b"s" * 32), NOW),
    "after a year": (e.DisputeTimeError, lambda o: signed(o.card, 1, D05, 1, NOW), YEAR_OVER),
    "from the future": (e.DisputeTimeError, lambda o: signed(o.card, 1, D05, 1, NOW + 3_600), NOW),
    "from before its tap": (e.DisputeTimeError, lambda o: signed(o.card, 1, D05, 1, MORNING - 3_600), NOW),
    "more than was charged": (e.ClaimError, lambda o: signed(o.card, 1, D05, 1_751, NOW), NOW),
    "a huge claim": (e.ClaimError, lambda o: signed(o.card, 1, D05, 1_600_000, NOW), NOW),
    "a penalty that was not charged": (e.ClaimError, lambda o: signed(o.card, 3, D03, 1, NOW), NOW),
    "a voucher's part that was none": (e.ClaimError, lambda o: signed(o.card, 1, D07, 1, NOW), NOW),
    "the same tap and code in other words": (
        e.DisputedTwiceError, lambda o: o.open(1, D05, 1) and signed(o.card, 1, D05, 2, NOW), NOW,
    ),
    "nothing": (StatementEncodingError, lambda _: b"", NOW),
    "no document": (StatementEncodingError, lambda _: b'{"kind":"FareDispute"}', NOW),
    "cut short": (StatementEncodingError, lambda o: signed(o.card, 1, D05, 1, NOW)[:-1], NOW),
    "too long": (StatementEncodingError, lambda _: b" " * (MAX_STATEMENT_BYTES + 1), NOW),
}  # fmt: skip


@pytest.mark.parametrize("fault", OPENINGS)
def test_must_fail_openings(office: Office, fault: str) -> None:
    error, make, now = OPENINGS[fault]
    document = make(office)
    before = office.rows()
    with pytest.raises(error) as caught:
        office.desk.open(document, now=now)
    assert type(caught.value) is error
    assert isinstance(caught.value, e.DisputeError | WalletError)
    assert office.rows() == before


LATE = rules.evidence_due_at(NOW)
EVIDENCE: dict[str, tuple[type[e.DisputeError], Callable[[Office, bytes], None]]] = {
    "to nothing": (e.UnknownDisputeError, lambda o, _: o.evidence(b"n" * 32)),
    "empty": (e.EvidenceError, lambda o, name: o.evidence(name, shown=b"")),
    "too long": (e.EvidenceError, lambda o, name: o.evidence(name, shown=bytes(MAX_EVIDENCE_BYTES + 1))),
    "of an operator that was not there": (e.NotConcernedError, lambda o, name: o.evidence(name, KORAIL)),
    "of the clearing house": (
        e.NotConcernedError,
        lambda o, name: o.desk.give_evidence(name, 4, SHOWN, bytes(65), now=NOW),
    ),
    "signed by another operator": (
        e.EvidenceError,
        lambda o, name: o.desk.give_evidence(
            name, METRO, SHOWN, said(name, METRO, SHOWN, OPERATORS[BUS]), now=NOW
        ),
    ),
    "signed by the rider": (
        e.EvidenceError,
        lambda o, name: o.desk.give_evidence(name, METRO, SHOWN, said(name, METRO, SHOWN, o.card.key), now=NOW),
    ),
    "signed for another dispute": (
        e.EvidenceError,
        lambda o, name: o.desk.give_evidence(name, METRO, SHOWN, said(b"n" * 32, METRO, SHOWN), now=NOW),
    ),
    "signed for another document": (
        e.EvidenceError,
        lambda o, name: o.desk.give_evidence(name, METRO, SHOWN, said(name, METRO, b"x"), now=NOW),
    ),
    "a signature of nothing": (
        e.EvidenceError, lambda o, name: o.desk.give_evidence(name, METRO, SHOWN, b"", now=NOW),
    ),
    "after its five business days": (e.EvidenceLateError, lambda o, name: o.evidence(name, now=LATE)),
    "in other words": (
        e.EvidenceTwiceError, lambda o, name: o.evidence(name) or o.evidence(name, shown=b"something else"),
    ),
    "after the credit": (
        e.DisputeMoveError,
        lambda o, name: (o.evidence(name), o.desk.credit(name, CAUSE, now=NOW), o.evidence(name, BUS))[2],
    ),
    "after the answer": (
        e.DisputeMoveError,
        lambda o, name: (o.evidence(name), o.desk.uphold(name, CAUSE, now=NOW), o.evidence(name, BUS))[2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", EVIDENCE)
def test_must_fail_evidence(office: Office, fault: str) -> None:
    error, give = EVIDENCE[fault]
    name = office.open(1, D05, 1_750)
    with pytest.raises(error) as caught:
        give(office, name)
    assert type(caught.value) is error


ANSWERS: dict[str, tuple[type[e.DisputeError], Callable[[Office, bytes], object]]] = {
    "upheld without evidence": (e.DisputeMoveError, lambda o, name: o.desk.uphold(name, CAUSE, now=NOW)),
    "upheld without evidence after its time": (
        e.DisputeMoveError, lambda o, name: o.desk.uphold(name, CAUSE, now=LATE),
    ),
    "credited before the operators could speak": (
        e.DisputeMoveError, lambda o, name: o.desk.credit(name, CAUSE, now=LATE - 1),
    ),
    "credited with nothing to give back": (
        e.DisputeMoveError, lambda o, _: o.desk.credit(o.open(2, D06, 100), CAUSE, now=NOW),
    ),
    "without a cause": (e.CauseError, lambda o, name: o.desk.credit(name, "", now=LATE)),
    "upheld without a cause": (e.CauseError, lambda o, name: o.desk.uphold(name, " ", now=LATE)),
    "to nothing": (e.UnknownDisputeError, lambda o, _: o.desk.credit(b"n" * 32, CAUSE, now=LATE)),
    "credited twice": (
        e.DisputeMoveError, lambda o, name: [o.desk.credit(name, CAUSE, now=LATE) for _ in range(2)],
    ),
    "upheld after the credit": (
        e.DisputeMoveError,
        lambda o, name: (o.desk.credit(name, CAUSE, now=LATE), o.desk.uphold(name, CAUSE, now=LATE)),
    ),
    "credited after silence was answered": (
        e.DisputeMoveError,
        lambda o, name: (o.desk.lapse(now=NOW + 14 * DAY_S), o.desk.credit(name, CAUSE, now=NOW + 14 * DAY_S)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", ANSWERS)
def test_must_fail_answers(office: Office, fault: str) -> None:
    error, answer = ANSWERS[fault]
    name = office.open(1, D05, 1_750)
    with pytest.raises(error) as caught:
        answer(office, name)
    assert type(caught.value) is error


def test_nothing_of_a_dispute_shows_more_than_its_card_and_tap(office: Office) -> None:
    with pytest.raises(e.ClaimError) as caught:
        office.open(1, D05, 1_751)
    assert "시청" not in str(caught.value)
