"""Each code under which the chain refuses a record, driven through the service (money.md §8): booked by name, shown to
the operator, nothing lost, no other card of the batch hurt, and healed where the rule says that the next one heals.

GAP stands in test_settlement_late.py, FORKED in test_settlement_forks.py; NOT_ENROLLED and CAP in test_settlement.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session, select

from contracts.codes import Mode, Refusal, RiderClass, Role
from contracts.records import enrol_word
from contracts.signatures import sign
from services.days import day_end, day_start, month_first_day, month_last_day, month_of, service_day_at
from services.fares.errors import NotYetError, WrongAmountsError
from services.fares.intake import ingest
from services.fares.limits import MAX_AGE_S
from services.fares.reader import Gate
from services.fares.settlement import SettledBatch
from services.fares.tables import Refusal as Kept
from services.fares.tables import Tap as TapRow
from services.fares.tap_journeys import check_tap
from services.fares.tariff import TARIFFS
from tests.services import chain as chain_config
from tests.services.chain import CLEARING, OTHER_BANK
from tests.services.fares.chains import Station, certified, next_state, post, tap_at
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import CHAIN_ID, DAY, GUARANTOR, METRO, MORNING, Card, card_certificate, key, make_card
from wallets.errors import CardSignatureError, WindowError
from wallets.presentation import SignedTap
from wallets.taps import JourneyState, Tap

DAY_S = 86_400
FARE_WON = 1_550
GATE = Gate(Mode.SUBWAY, METRO, stop="시청", line="2호선")
NOVEMBER_FIRST = month_first_day(month_of(DAY) + 1)


def enter(card: Card, time: int, charge_won: int = FARE_WON, **changes: Any) -> Station:
    """A reader of its own where the card begins a journey; `changes` replace fields of the signed state."""
    seq = len(card.history) + 1
    tap = Tap(
        "IN",
        Mode.SUBWAY,
        METRO,
        "",
        GATE.stop,
        GATE.line,
        time,
        RiderClass.ADULT,
        TARIFFS.at(time).id,
        JourneyState(seq, time, 1, charge_won),
    )
    station = post(f"시청 {card.address.hex()} {time}", GATE, time)
    tap_at(station, card, tap, next_state(card, tap, charge_won, **changes))
    return station


def other_hand(card: Card) -> Card:
    """A copy of the card as it is now."""
    return Card(card.key, card.certificate, card.guarantor_signature, list(card.history))


def enrol(town: Town, guarantor: int, month: int, *cards: Card, house: int = CLEARING) -> None:
    """Cards of a guarantor whose bank takes no part otherwise."""
    words = [enrol_word(card.address, 100_000) for card in cards]
    town.chain.outbox(guarantor).once(f"enrol {house}", "Fares", "enrol", [month, house, words])
    town.seal()


def hand_over(town: Town, *stations: Station, now: int = 0) -> None:
    """Clearing takes in what these readers hold, at the end of the day unless said otherwise."""
    for station in stations:
        answer = ingest(town.engine, station.upload(), town.city.directory, now or day_end(day_of(town)), check_tap)
        assert answer.refused == ()


def codes(batch: SettledBatch) -> dict[bytes, int]:
    return {leaf.card: leaf.code for leaf in batch.leaves}


def day_of(town: Town) -> int:
    return service_day_at(town.chain.now)


def check_booked(town: Town, card: Card, good: Card, code: Refusal) -> None:
    """Both in one batch: the good card was settled, the other refused by name, shown once, and not sent again."""
    [batch] = town.settled[-1:]
    assert codes(batch) == {good.address: 0, card.address: code}
    [held] = town.settlement.held()
    assert (held.card, held.code, held.seq) == (card.address, code, card.history[-1].state.seq)
    assert held.batch_id > 0
    sent = len(town.records())
    day = card.history[-1].state.service_day
    assert town.settle(day) == []
    assert len(town.records()) == sent


def kept_refusals(town: Town) -> list[tuple[str, bytes]]:
    with Session(town.engine) as session:
        return [(row.code, row.body) for row in session.exec(select(Kept)).all()]


def taps_of(town: Town, card: Card) -> list[int]:
    with Session(town.engine) as session:
        return sorted(session.exec(select(TapRow.seq).where(TapRow.card == card.address)).all())


def payable(town: Town) -> int:
    """What the operators got or will get: pending and payable."""
    totals = town.totals()
    return totals["pending"] + totals["payable"]


# --- codes that arise


def test_window_of_a_card_that_its_guarantor_enrolled_for_another_month_heals_in_that_month(town: Town) -> None:
    good, early = cards("good", "early")
    town.enrol(good)
    enrol(town, OTHER_BANK, month_of(DAY) + 1, early)
    town.until(MORNING)
    hand_over(town, enter(good, MORNING), enter(early, MORNING))
    town.until(after(DAY, 1))
    town.settle()
    check_booked(town, early, good, Refusal.WINDOW)
    town.until(day_start(NOVEMBER_FIRST) + 6 * 3_600)
    later = certified(early, *card_certificate(early.address, day=NOVEMBER_FIRST))
    hand_over(town, enter(later, town.chain.now))
    town.until(after(NOVEMBER_FIRST, 73))  # what October charged is a gap until then
    [batch] = town.settle(NOVEMBER_FIRST)
    assert (batch.leaves[0].code, batch.leaves[0].increase_won, batch.leaves[0].suspense_won) == (0, 3_100, 1_550)
    assert town.settlement.held() == []
    town.adjustments.allocate_late(NOVEMBER_FIRST)
    town.seal()
    assert (town.totals()["suspense"], payable(town)) == (0, 3 * FARE_WON)


def test_window_of_taps_that_clearing_took_in_at_the_last_moment_and_settled_a_day_later(town: Town) -> None:
    [card] = cards("ninety days")
    town.enrol(card)
    last_day = month_last_day(month_of(DAY))
    evening = day_start(last_day) + 19 * 3_600
    town.until(evening)
    station = enter(card, evening)
    town.until(evening + MAX_AGE_S)
    hand_over(town, station, now=evening + MAX_AGE_S)
    town.until(after(last_day + 90, 1))
    for _ in range(2):
        town.settle(last_day)
    [record] = town.records()
    assert (record.code, town.settlement.held()[0].code) == (Refusal.WINDOW, Refusal.WINDOW)
    assert taps_of(town, card) == [1]
    assert town.totals()["pending"] == town.totals()["suspense"] == 0


def test_sums_that_fall_are_refused_before_they_are_sent_until_the_clone_is_known(town: Town) -> None:
    """Its other hand rode at a reader that is offline still: what comes first looks as if the card's sum fell."""
    good, card = cards("good", "sum falls")
    town.enrol(good, card)
    town.until(MORNING)
    hand_over(town, enter(card, MORNING))
    copy = other_hand(card)
    hand_over(town, enter(card, MORNING + 1_000))
    town.settle()
    offline = enter(copy, MORNING + 2_000, 500)
    hand_over(town, enter(good, MORNING), enter(copy, MORNING + 3_000, 500))
    town.until(after(DAY, 1))
    for _ in range(2):
        town.settle()
    assert codes(town.settled[-1]) == {good.address: 0}
    [held] = town.settlement.held()
    assert (held.card, held.code, held.batch_id) == (card.address, Refusal.CUM_FALLS, 0)
    assert kept_refusals(town) == [("FARE-405", copy.history[-1].state.digest(CHAIN_ID, town.city.directory.fares))]
    assert taps_of(town, card) == [1, 2, 3]
    hand_over(town, offline)
    town.closing.prove_clones()
    town.seal()
    town.closing.settle_forks(DAY)
    [fork] = town.seal()
    assert [(leaf.seq, leaf.code, leaf.increase_won) for leaf in fork.leaves] == [(3, 0, 500)]
    assert town.totals()["pending"] == 3 * FARE_WON + 500


def test_sums_that_fell_heal_with_the_next_days_state_that_is_above_what_is_settled(town: Town) -> None:
    [card] = cards("sum rises again")
    town.enrol(card)
    town.until(MORNING)
    hand_over(town, enter(card, MORNING))
    copy = other_hand(card)
    hand_over(town, enter(card, MORNING + 1_000))
    town.settle()
    enter(copy, MORNING + 2_000, 500)
    hand_over(town, enter(copy, MORNING + 3_000, 500))
    town.settle()
    enter(copy, MORNING + 4_000)
    town.until(MORNING + DAY_S)
    hand_over(town, enter(copy, MORNING + DAY_S))
    town.until(after(DAY + 1, 73))
    [batch] = town.settle(DAY + 1)
    [leaf] = batch.leaves
    assert (leaf.code, leaf.increase_won, leaf.suspense_won) == (
        0,
        5_650 - 3_100,
        5_650 - 3_100,
    )  # the tap before is missing
    assert town.settlement.held() == []


def test_own_part_that_falls_is_refused_by_the_chain_and_heals_with_a_state_above_it(town: Town) -> None:
    good, card = cards("good", "own falls")
    town.enrol(good, card)
    town.until(MORNING)
    hand_over(town, enter(card, MORNING))
    copy = other_hand(card)
    hand_over(town, enter(card, MORNING + 1_000, cum_own_won=FARE_WON))
    town.settle()
    enter(copy, MORNING + 2_000, 2_000)  # at a reader that never comes back
    hand_over(town, enter(good, MORNING), enter(copy, MORNING + 3_000))
    town.until(after(DAY, 1))
    town.settle()
    check_booked(town, copy, good, Refusal.OWN)
    town.until(MORNING + DAY_S)
    hand_over(town, enter(copy, MORNING + DAY_S, cum_own_won=FARE_WON))
    town.until(after(DAY + 1, 73))
    [batch] = town.settle(DAY + 1)
    [leaf] = batch.leaves
    assert (leaf.code, leaf.increase_won, leaf.own_increase_won, leaf.suspense_won) == (0, 3_550, 0, 2_000)
    assert town.settlement.held() == []


def test_a_day_before_the_settled_one_is_refused_and_its_operator_gets_it_with_the_next_day(town: Town) -> None:
    """A reader's clock stood a day behind, and the card signed what no wallet does."""
    good, card = cards("good", "day falls")
    town.enrol(good, card)
    town.until(MORNING)
    hand_over(town, enter(card, MORNING))
    town.settle()
    hand_over(town, enter(card, MORNING - DAY_S), enter(good, MORNING - DAY_S))
    town.settle(DAY - 1)
    check_booked(town, card, good, Refusal.DAY)
    town.until(MORNING + DAY_S)
    hand_over(town, enter(card, MORNING + DAY_S))
    assert town.settle(DAY + 1) == []  # a gap within 72 hours
    town.until(after(DAY + 1, 73))
    [batch] = town.settle(DAY + 1)
    assert (batch.leaves[0].code, batch.leaves[0].suspense_won) == (0, FARE_WON)
    assert town.settlement.held() == []
    town.adjustments.allocate_late(DAY + 1)
    town.seal()
    assert (town.totals()["suspense"], payable(town)) == (0, 4 * FARE_WON)


@pytest.fixture
def guarantors(monkeypatch: pytest.MonkeyPatch) -> range:
    """Nine more banks that guarantee cards, known before the town's chain begins."""
    numbers = range(11, 20)
    for number in numbers:
        monkeypatch.setitem(chain_config.ROLES, number, (Role.BANK, Role.GUARANTOR))
    return numbers


def test_a_ninth_guarantors_card_is_refused_and_settled_by_the_next_batch(guarantors: range, town: Town) -> None:
    riders = cards(*map(str, guarantors))
    for number, card in zip(guarantors, riders, strict=True):
        enrol(town, number, month_of(DAY), card)
    town.until(MORNING)
    hand_over(town, *(enter(card, MORNING) for card in riders))
    town.until(after(DAY, 73))
    [first] = town.settle()
    assert sorted(codes(first).values()) == [0] * 8 + [Refusal.RANGE]
    [held] = town.settlement.held()
    assert held.code == Refusal.RANGE
    with pytest.raises(NotYetError, match="1 cards whose taps are not settled"):
        town.closing.close_day(DAY, now=town.chain.now)
    [second] = town.settle()
    assert codes(second) == {held.card: 0}
    assert (town.settlement.held(), town.totals()["pending"]) == ([], 9 * FARE_WON)
    town.closing.close_day(DAY, now=town.chain.now)


def test_the_next_day_of_a_ninth_guarantors_card_waits_for_the_refused_one(guarantors: range, town: Town) -> None:
    riders = cards(*map(str, guarantors))
    for number, card in zip(guarantors, riders, strict=True):
        enrol(town, number, month_of(DAY), card)
    town.until(MORNING)
    hand_over(town, *(enter(card, MORNING) for card in riders))
    town.settle()
    [held] = town.settlement.held()
    [card] = [one for one in riders if one.address == held.card]
    town.until(MORNING + DAY_S)
    hand_over(town, enter(card, MORNING + DAY_S))
    town.until(after(DAY + 1, 73))
    assert town.settle(DAY + 1) == []
    assert [leaf.suspense_won for day in (DAY, DAY + 1) for leaf in town.settle(day)[0].leaves] == [0, 0]


# --- codes that clearing's own checks keep from the chain


def thiefs_signature(signed: SignedTap) -> SignedTap:
    digest = signed.state.digest(CHAIN_ID, signed.offer.reader_certificate.reader)
    return replace(signed, card_signature=sign(digest, key("thief")))


def mirrored_signature(signed: SignedTap) -> SignedTap:
    """s in the upper half: ECDSA takes it, the chain refuses it."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    r, s, v = signed.card_signature[:32], int.from_bytes(signed.card_signature[32:64], "big"), signed.card_signature[64]
    return replace(signed, card_signature=r + (order - s).to_bytes(32, "big") + bytes((55 - v,)))


def signed_anew(change: Callable[[SignedTap], SignedTap]) -> Callable[[Card], Station]:
    def act(card: Card) -> Station:
        station = enter(card, MORNING)
        signed = change(card.history.pop())
        for made in (station.taps, station.lines, station.links):
            made.clear()
        station.append(signed, card)
        return station

    return act


def stated(**changes: Any) -> Callable[[Card], Station]:
    return lambda card: enter(card, MORNING, **changes)


def of_another_month(card: Card) -> Station:
    certificate, signature = card_certificate(card.address, day=NOVEMBER_FIRST, signer=GUARANTOR)
    return enter(certified(card, certificate, signature), MORNING)


PREVENTED: dict[str, tuple[Refusal, Callable[[Card], Station], str]] = {
    "signed by another key": (Refusal.SIGNATURE, signed_anew(thiefs_signature), CardSignatureError.code),
    "signed with a high s": (Refusal.SIGNATURE, signed_anew(mirrored_signature), CardSignatureError.code),
    "day outside the certificate": (Refusal.WINDOW, of_another_month, WindowError.code),
    "own part of the day above its fares": (
        Refusal.RANGE,
        stated(cum_own_won=FARE_WON + 1),
        WrongAmountsError.code,
    ),
    "own part fell in the day": (Refusal.RANGE, stated(day_start_own_won=1), WrongAmountsError.code),
    "day opens above the sum": (Refusal.RANGE, stated(day_start_cum_won=FARE_WON + 1), WrongAmountsError.code),
    "own part above all": (Refusal.OWN, stated(cum_own_won=FARE_WON + 1), WrongAmountsError.code),
}


@pytest.mark.parametrize("fault", PREVENTED)
def test_a_tap_that_the_chain_would_refuse_is_refused_by_name_when_it_comes_in(town: Town, fault: str) -> None:
    code, act, name = PREVENTED[fault]
    good, card = make_card("settlement good"), make_card(f"settlement {code.name}")
    town.enrol(good, card)
    town.until(MORNING)
    hand_over(town, enter(good, MORNING))
    answer = ingest(town.engine, act(card).upload(), town.city.directory, day_end(DAY), check_tap)
    assert [refused for _, refused in answer.refused] == [name]
    assert [kept for kept, _ in kept_refusals(town)] == [name]
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert codes(batch) == {good.address: 0}
    assert town.settlement.held() == []
