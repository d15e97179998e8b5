"""Disputes whole, on a real chain: opened by the card, answered or not, given back off the right accounts, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session, select

from contracts.codes import Mode
from services.days import DAY_S
from services.fares import dispute_rules as rules
from services.fares.adjustments import AdjustReason
from services.fares.dispute_rules import DisputeStatus
from services.fares.disputes import Disputes
from services.fares.intake import ingest
from services.fares.reader import Gate
from services.fares.tables import Dispute
from services.fares.tap_journeys import check_tap
from services.fares.wallet_pricing import public_price
from tests.services.chain import OFFICE
from tests.services.fares.chains import digest
from tests.services.fares.disputing import greedy, name_of, overcharge, said, signed
from tests.services.fares.test_settlement_crash import KilledError, kill_at, restart
from tests.services.fares.test_settlement_forks import forked
from tests.services.fares.town import HOUR_S, Town, after, cards
from tests.services.fares.world import BUS, DAY, METRO, MORNING, Card
from wallets.card import TransitCard
from wallets.disputes import DisputeCode
from wallets.journal import Journal

TWO_WEEKS_S = 14 * DAY_S


def desk(town: Town) -> Disputes:
    """The clearing house's disputes, made anew as after a start."""
    return Disputes(town.settlement, town.adjustments, town.city.directory)


def status(town: Town, document: bytes) -> DisputeStatus:
    with Session(town.engine) as session:
        found = session.exec(select(Dispute).where(Dispute.message == name_of(document))).one()
    return DisputeStatus(found.status)


def run(town: Town) -> tuple[list[str], list[str]]:
    """Runs the disputes now and makes the blocks for it; the corrections sent, and why others wait."""
    ran = desk(town).run(now=town.chain.now)
    assert desk(town).run(now=town.chain.now).answered == ()
    town.seal()
    return list(ran.purposes), list(ran.waiting.values())


def settle(town: Town, *names: str, balance_won: int = 0, overcharged_won: int = 0) -> list[Card]:
    """Cards that rode 시청 to 강남 and on by bus (METRO 988, BUS 762), settled the next morning."""
    found = cards(*names)
    town.enrol(*found, balance_won=balance_won)
    town.until(MORNING)
    gate = greedy("강남", "2호선")
    for card in found:
        town.city.tap_in(card, town.city.metro("시청", "2호선"), MORNING)
        overcharge(town.city, gate, card, "OUT", MORNING + 1_860, won=overcharged_won)
        town.city.tap_in(card, town.city.bus("143"), MORNING + 2_100, "강남역")
        town.city.tap_out(card, town.city.bus("143"), MORNING + 3_000, "신사역", metres=2_400)
    town.upload()
    assert ingest(town.engine, gate.upload(), town.city.directory, after(DAY, 0), check_tap).refused == ()
    town.until(after(DAY, 1))
    town.settle()
    return found


def credits(town: Town) -> dict[int, int]:
    """What operators are owed once it is released, with what was given back."""
    pending = {one: won for batch in town.settled for one, won in batch.credits.items()}
    payable = {one: town.chain.client.call("Credits", "payable_to", [one]) for one in (METRO, BUS)}
    return {one: pending.get(one, 0) + payable[one] for one in payable}


def test_a_wallet_that_was_overcharged_has_it_back_after_two_weeks_of_silence(
    town_on_both: Town, tmp_path: Path
) -> None:
    town = town_on_both
    [card] = settle(town, "overcharged", overcharged_won=100)
    before = credits(town)
    with Journal(tmp_path / "wallet.db") as journal:
        wallet = TransitCard.enrol(card.key, card.certificate, card.guarantor_signature, town.city.directory, journal)
        for tap in card.history:
            assert wallet.accept(tap.offer, tap.state.tap_time) == tap.card_signature
        found = [wallet.review(seq, public_price, town.chain.now) for seq in (1, 2, 3, 4)]
    [document] = [one.document for one in found if one is not None and one.document]
    opened = desk(town).open(document, now=town.chain.now)
    assert (opened.code, opened.claimed_won, opened.due_at) == ("D06", 100, town.chain.now + TWO_WEEKS_S)
    town.until(opened.due_at - HOUR_S)
    assert desk(town).run(now=town.chain.now).answered == ()
    town.until(opened.due_at)
    purposes, waiting = run(town)
    assert (len(purposes), waiting) == (1, [])
    [given] = town.corrected
    assert (given.kind, given.delta_won, given.guarantor_won) == ("adjust_down", -100, -100)
    assert (before, credits(town)) == ({METRO: 1_044, BUS: 806}, {METRO: 988, BUS: 762})
    assert status(town, document) is DisputeStatus.CREDITED
    assert run(town) == ([], [])
    assert status(town, document) is DisputeStatus.REVERSED
    [answer] = desk(town).of_card(card.address)
    assert (answer.delta_won, answer.cause, answer.decided_at) == (100, rules.CAUSE_SILENCE, opened.due_at)
    assert run(town) == ([], [])
    assert len(town.corrected) == 1
    [event] = town.chain.client.events("Credits", "Adjusted")
    assert event.args["reason"] == AdjustReason.OVERCHARGED
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_an_operator_that_shows_the_ride_keeps_the_fare(town: Town) -> None:
    [card] = settle(town, "rode after all")
    document = signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_750, town.chain.now)
    name, shown = name_of(document), "문이 열렸다는 기록".encode()
    desk(town).open(document, now=town.chain.now)
    assert [one.message for one in desk(town).asked(BUS)] == [name]
    desk(town).give_evidence(name, METRO, shown, said(name, METRO, shown), now=town.chain.now + 3 * DAY_S)
    upheld = desk(town).uphold(name, "개찰구 기록과 맞습니다.", now=town.chain.now + 4 * DAY_S)
    assert (upheld.status, upheld.delta_won) == (DisputeStatus.UPHELD, 0)
    town.until(town.chain.now + TWO_WEEKS_S)
    assert run(town) == ([], [])
    assert status(town, document) is DisputeStatus.UPHELD
    assert town.corrected == []


def test_a_clearing_house_that_finds_for_the_rider_gives_back_at_once(town: Town) -> None:
    [card] = settle(town, "gate fault", balance_won=5_000)
    document = signed(card, 3, DisputeCode.GATE_FAULT, 100, town.chain.now)
    name, shown = name_of(document), b"the gate stayed shut"
    desk(town).open(document, now=town.chain.now)
    desk(town).give_evidence(name, BUS, shown, said(name, BUS, shown), now=town.chain.now)
    before, purse = credits(town), town.account(card).slot.balance_won
    desk(town).credit(name, "운송사가 고장을 인정했습니다.", now=town.chain.now)
    assert len(run(town)[0]) == 1
    assert town.account(card).slot.balance_won == purse + 100
    assert {one: before[one] - won for one, won in credits(town).items()} == {METRO: 0, BUS: 100}
    run(town)
    assert status(town, document) is DisputeStatus.REVERSED


def test_disputes_of_one_journey_bring_it_back_once(town: Town) -> None:
    [card] = settle(town, "twice", overcharged_won=100)
    documents = [
        signed(card, 2, DisputeCode.REFUND_NOT_RECEIVED, 100, town.chain.now),
        signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_850, town.chain.now),
        signed(card, 4, DisputeCode.GATE_FAULT, 1_000, town.chain.now),
        signed(card, 4, DisputeCode.REFUND_NOT_RECEIVED, 50, town.chain.now),
    ]
    for document in documents:
        desk(town).open(document, now=town.chain.now)
    town.until(town.chain.now + TWO_WEEKS_S)
    for _ in documents:  # one correction of a record at a time
        run(town)
    run(town)
    answers = desk(town).of_card(card.address)
    assert [(one.delta_won, DisputeStatus(one.status)) for one in answers] == [
        (100, DisputeStatus.REVERSED),
        (1_750, DisputeStatus.REVERSED),
        (0, DisputeStatus.UPHELD),
        (0, DisputeStatus.UPHELD),
    ]
    assert answers[3].cause == rules.CAUSE_PRICED_RIGHT
    assert credits(town) == {METRO: 0, BUS: 0}
    assert [one.delta_won for one in town.corrected] == [-100, -1_750]
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_what_came_back_without_a_dispute_does_not_come_back_again(town: Town) -> None:
    [card] = settle(town, "refunded", overcharged_won=100)
    town.adjustments.give_back(town.records(card)[0].id or 0, 60, AdjustReason.OVERCHARGED)
    town.seal()
    document = signed(card, 2, DisputeCode.REFUND_NOT_RECEIVED, 100, town.chain.now)
    desk(town).open(document, now=town.chain.now)
    answer = desk(town).credit(name_of(document), "단말기 오류", now=town.chain.now)
    assert answer.delta_won == 40
    run(town)
    assert [one.delta_won for one in town.corrected] == [-60, -40]


def test_a_credit_waits_for_its_record_and_for_nothing_else(town: Town) -> None:
    [card] = cards("not settled yet")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    document = signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_650, MORNING + 3_600)
    desk(town).open(document, now=MORNING + 3_600)
    town.until(MORNING + 3_600 + TWO_WEEKS_S)
    purposes, [why] = run(town)
    assert purposes == []
    assert "hold 0 of 1,650 won" in why
    town.settle()
    assert len(run(town)[0]) == 1
    run(town)
    assert status(town, document) is DisputeStatus.REVERSED


def test_a_journey_in_suspense_is_given_back_once_its_late_tap_explains_it(town: Town) -> None:
    [card] = cards("late tap")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.city.tap_in(card, town.city.bus("143"), MORNING + 20_000, "강남역")
    town.city.tap_out(card, town.city.bus("143"), MORNING + 20_900, "신사역", metres=2_400)
    late = town.city.metro("강남", "2호선")
    town.upload(town.city.bus("143"), town.city.metro("시청", "2호선"))
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert batch.leaves[0].suspense_won == card.history[-1].state.cum_won
    document = signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_550, town.chain.now)
    desk(town).open(document, now=town.chain.now)
    town.until(town.chain.now + TWO_WEEKS_S)
    assert run(town)[0] == []
    assert status(town, document) is DisputeStatus.CREDITED
    town.upload(late)
    town.adjustments.allocate_late(DAY)
    town.seal()
    before = credits(town)
    assert len(run(town)[0]) == 1
    run(town)
    assert status(town, document) is DisputeStatus.REVERSED
    assert {one: before[one] - left for one, left in credits(town).items()} == {METRO: 1_550, BUS: 0}


def missing(town: Town, card: Card) -> int:
    """A ride and a bus without tap-off; what is charged for it in the end."""
    town.city.ride(card, MORNING)
    town.city.tap_in(card, town.city.bus("143"), MORNING + 2_400, "강남역")
    return card.history[-1].state.missing_out_won


def test_a_missing_tap_off_that_was_added_comes_back_once(town: Town) -> None:
    part, whole = cards("added part", "added whole")
    town.enrol(part, whole)
    town.until(MORNING)
    for card in (part, whole):
        won = missing(town, card)
    town.upload()
    late = town.city.reader("143 again", Gate(Mode.TRUNK, BUS, route="143"))
    for card in (part, whole):
        town.city.tap_out(card, late, MORNING + 3_000, "신사역", metres=2_400)
    town.until(after(DAY, 73))
    town.settle()
    early = signed(part, 3, DisputeCode.MISSING_TAP_OFF, 1, town.chain.now)
    with pytest.raises(Exception, match="0 won were charged, 1 are claimed back"):
        desk(town).open(early, now=town.chain.now)
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()
    documents = [signed(part, 3, DisputeCode.MISSING_TAP_OFF, won - 50, town.chain.now)]
    documents.append(signed(whole, 3, DisputeCode.MISSING_TAP_OFF, won, town.chain.now))
    for document in documents:
        desk(town).open(document, now=town.chain.now)
    town.until(town.chain.now + TWO_WEEKS_S)
    run(town)
    run(town)
    assert {status(town, document) for document in documents} == {DisputeStatus.REVERSED}
    assert [one.delta_won for one in town.corrected[2:]] == [50 - won, -won]
    # The tap-off comes after all: what is left of it comes back, and no more.
    town.upload(late)
    town.adjustments.return_missing_tap_offs(DAY)
    town.seal()
    assert [(one.card, one.delta_won) for one in town.corrected[4:]] == [(part.address, -50)]


def test_a_missing_tap_off_that_the_next_ride_collected_comes_back_from_its_operator(town: Town) -> None:
    [card] = cards("collected")
    town.enrol(card)
    town.until(MORNING)
    won = missing(town, card)
    town.city.ride(card, MORNING + 9_000)
    town.upload()
    town.until(after(DAY, 1))
    town.settle()
    before = credits(town)
    document = signed(card, 3, DisputeCode.MISSING_TAP_OFF, won, town.chain.now)
    assert desk(town).open(document, now=town.chain.now).organisations == f"[{BUS}]"
    town.until(town.chain.now + TWO_WEEKS_S)
    run(town)
    assert {one: before[one] - left for one, left in credits(town).items()} == {METRO: 0, BUS: won}


def test_a_ride_of_a_clone_comes_back_off_the_single_states_that_booked_it(town: Town) -> None:
    card, copy = forked(town, "cloned ride", balance_won=1_000)
    town.closing.prove_clones()
    town.seal()
    town.closing.settle_forks(DAY)
    town.seal()
    charged = sum(tap.state.charge_won for tap in copy.history[2:])
    document = signed(copy, 4, DisputeCode.NOT_MY_RIDE, charged, town.chain.now)
    assert digest(copy.history[3].state) != digest(card.history[3].state)
    desk(town).open(document, now=town.chain.now)
    before = credits(town)
    town.until(town.chain.now + TWO_WEEKS_S)
    for _ in range(3):
        run(town)
    assert status(town, document) is DisputeStatus.REVERSED
    assert {one: before[one] - left for one, left in credits(town).items()} == {METRO: 0, BUS: charged}


STEPS = ("before the plan is sent", "after the plan is sent")


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_ends_at_a_step_neither_loses_nor_doubles_a_credit(
    town: Town, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    [card] = settle(town, "killed")
    document = signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_750, town.chain.now)
    desk(town).open(document, now=town.chain.now)
    town.until(town.chain.now + TWO_WEEKS_S)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            desk(town).run(now=town.chain.now)
    restart(town)
    sent = [desk(town).run(now=town.chain.now).purposes for _ in range(2)]
    assert sent[0] == sent[1] != ()
    town.seal()
    restart(town)
    assert desk(town).run(now=town.chain.now).purposes == ()
    assert status(town, document) is DisputeStatus.REVERSED
    assert [one.delta_won for one in town.corrected] == [-1_750]


def test_what_the_agreement_refuses_in_a_block_is_given_back_another_way(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lot that paid lapses between the plan and its block: the won go to its funder's pool instead."""
    [card] = cards("lapsed between")
    town.enrol(card)
    town.lot(card, 1_650, DAY, DAY + 1)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 1))
    town.settle()
    document = signed(card, 1, DisputeCode.NOT_MY_RIDE, 1_650, town.chain.now)
    desk(town).open(document, now=town.chain.now)
    town.until(after(DAY + 1, 73))
    town.closing.close_day(DAY + 1, now=town.chain.now)
    town.seal()
    town.until(town.chain.now + TWO_WEEKS_S)
    with monkeypatch.context() as patch:
        kill_at(patch, "before the plan is sent")
        with pytest.raises(KilledError):
            desk(town).run(now=town.chain.now)
    town.chain.outbox(OFFICE).once("lapse", "Fares", "lapse", [[int.from_bytes(card.address, "big")]])
    town.seal()
    restart(town)
    town.seal()
    [refused] = town.adjustments.refused()
    assert '"dispute"' in refused.body
    assert town.corrected == []
    pool = town.chain.client.address("Vouchers")
    before = town.chain.client.call("Won", "balanceOf", [pool])
    for _ in range(2):
        run(town)
    assert town.chain.client.call("Won", "balanceOf", [pool]) == before + 1_650
    assert status(town, document) is DisputeStatus.REVERSED
    assert [one.delta_won for one in town.corrected] == [-1_650]
