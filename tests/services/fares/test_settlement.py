"""A day's taps become one record a card, paid, credited and read back; what is refused hurts no other (money.md §3)."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from contracts.codes import Mode, Refusal, Role
from contracts.records import lanes_of, table_of
from services.fares.chain_batches import check_commitment, read_batches
from services.fares.denylist import Reason
from services.fares.intake import denied_now
from services.fares.reader import Gate
from services.fares.settlement_rows import shares_of
from services.fares.tables import Batch, BatchStatus, Journey
from tests.services import chain as chain_config
from tests.services.chain import CLEARING
from tests.services.fares import world
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, METRO, MORNING


def test_a_day_is_one_record_a_card_and_the_operators_get_it(town_on_both: Town) -> None:
    town = town_on_both
    riders = cards("a", "b", "c")
    town.enrol(*riders, balance_won=2_000)
    town.lot(riders[0], 10_000, DAY, DAY + 10)
    town.until(MORNING)
    for at, card in enumerate(riders):
        town.city.ride(card, MORNING + 60 * at)
        town.city.ride(card, MORNING + 20_000 + 60 * at)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    fare = riders[0].history[-1].state.cum_won
    assert fare > 2_000
    assert len(batch.leaves) == len(town.records()) == 3
    assert {leaf.card: (leaf.seq, leaf.code, leaf.increase_won) for leaf in batch.leaves} == {
        card.address: (4, 0, fare) for card in riders
    }
    paid = {leaf.card: (leaf.voucher_won, leaf.balance_won, leaf.guarantor_won) for leaf in batch.leaves}
    assert paid == {
        riders[0].address: (fare, 0, 0),
        riders[1].address: (0, 2_000, fare - 2_000),
        riders[2].address: (0, 2_000, fare - 2_000),
    }
    found = read_batches(town.chain.client, 0)[batch.number]
    check_commitment(town.chain.client, found)
    credited = dict(zip(table_of(found.table), lanes_of(found.sums), strict=False))
    assert credited == batch.credits
    assert sum(credited.values()) == 3 * fare
    assert town.settlement.settled() == [batch]
    with Session(town.engine) as session:
        assert len(session.exec(select(Journey)).all()) == 6
    assert town.settle() == []
    assert town.bank.guarantee.owed_won() == 2 * (fare - 2_000)
    assert town.bank.guarantee.collect("day", now=town.chain.now) == 2 * (fare - 2_000)
    town.seal()
    assert town.bank.guarantee.owed_won() == 0


@pytest.fixture
def companies(monkeypatch: pytest.MonkeyPatch) -> range:
    """Eight bus companies with one route each, known to readers and, before the town's chain begins, to the chain."""
    numbers = range(301, 309)
    for number in numbers:
        monkeypatch.setitem(world.OPERATORS, number, world.key(f"operator {number}"))
        monkeypatch.setitem(chain_config.ROLES, number, (Role.OPERATOR,))
    return numbers


def test_more_than_seven_operators_share_the_account_of_others(companies: range, town: Town) -> None:
    [card] = cards("many")
    town.enrol(card)
    town.until(MORNING)
    for at, number in enumerate(companies):
        route = f"t{number}"
        bus = town.city.reader(route, Gate(Mode.TRUNK, number, route=route))
        town.city.tap_in(card, bus, MORNING + 6_000 * at, "종로")
        town.city.tap_out(card, bus, MORNING + 6_000 * at + 600, "광화문", metres=900)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert len(batch.credits) == 8
    assert len(set(batch.credits.values())) == 1
    [on_chain] = read_batches(town.chain.client, 0).values()
    assert len(table_of(on_chain.table)) == 7
    assert CLEARING in table_of(on_chain.table)
    assert town.closing.distribute(DAY) is None  # nothing is released yet
    town.bank.guarantee.collect("day", now=town.chain.now)
    town.until(after(DAY, 30))
    town.closing.release("day", town.closing.releasable(now=town.chain.now, silence_s=86_400))
    town.seal()
    held = town.chain.client.call("Credits", "others", [CLEARING])
    assert held == 2 * batch.credits[301]
    purpose = town.closing.distribute(DAY)
    town.seal()
    assert town.chain.client.call("Credits", "others", [CLEARING]) == 0
    assert town.closing.distribute(DAY) == purpose  # once
    town.until(after(DAY, 60))
    town.closing.release("others", town.closing.releasable(now=town.chain.now, silence_s=86_400))
    town.seal()
    payable = [town.chain.client.call("Credits", "payable_to", [number]) for number in companies]
    assert payable == [batch.credits[301]] * 8
    assert town.totals()["pending"] == 0


def test_a_ride_with_no_operator_of_the_chain_waits_in_suspense_and_hurts_no_other(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, stranger = cards("good", "on a stranger's bus")
    town.enrol(good, stranger)
    monkeypatch.setitem(world.OPERATORS, 399, world.key("operator 399"))
    town.city.directory = world.directory()
    town.until(MORNING)
    town.city.ride(good, MORNING)
    bus = town.city.reader("t399", Gate(Mode.TRUNK, 399, route="t399"))
    town.city.tap_in(stranger, bus, MORNING, "종로")
    town.city.tap_out(stranger, bus, MORNING + 600, "광화문", metres=900)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    fares = {card.address: card.history[-1].state.cum_won for card in (good, stranger)}
    assert {leaf.card: leaf.suspense_won for leaf in batch.leaves} == {
        good.address: 0,
        stranger.address: fares[stranger.address],
    }
    assert sum(batch.credits.values()) == fares[good.address]


def test_a_refused_card_hurts_no_other_is_shown_and_tried_again_only_when_it_would_be_taken(town: Town) -> None:
    good, stranger = cards("good", "stranger")
    town.enrol(good)
    town.until(MORNING)
    for card in (good, stranger):
        town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert {leaf.card: leaf.code for leaf in batch.leaves} == {
        good.address: 0,
        stranger.address: Refusal.NOT_ENROLLED,
    }
    [held] = town.settlement.held()
    assert (held.card, held.code, held.service_day, held.seq) == (stranger.address, Refusal.NOT_ENROLLED, DAY, 2)
    for _ in range(2):
        assert town.settle() == []
    assert len(town.records()) == 2
    town.enrol(stranger)
    [later] = town.settle()
    assert [leaf.code for leaf in later.leaves] == [0]
    assert town.settlement.held() == []


def test_a_cap_reached_in_a_day_settles_what_fits_and_the_rest_after_a_top_up(town_on_both: Town) -> None:
    town = town_on_both
    [card] = cards("cap")
    town.enrol(card, cap_won=2_000)
    town.lot(card, 1_000, DAY, DAY + 3)
    town.until(MORNING)
    for at in range(3):
        town.city.ride(card, MORNING + 10_000 * at)
    fares = [tap.state.cum_won for tap in card.history]
    town.upload()
    town.until(after(DAY, 1))
    [refused] = town.settle()
    assert refused.leaves[0].code == Refusal.CAP
    assert denied_now(town.engine)[1] == ((card.address, Reason.UNPAID),)
    [fits] = town.settle()  # vouchers and the cap together pay one ride
    assert (fits.leaves[0].seq, fits.leaves[0].voucher_won, fits.leaves[0].increase_won) == (2, 1_000, fares[1])
    assert denied_now(town.engine)[1] == ((card.address, Reason.UNPAID),)  # the rest is still unpaid
    assert town.settlement.held()[0].code == Refusal.CAP
    assert town.settle() == []
    town.top_up("rest", 10_000, card)
    [rest] = town.settle()
    assert (rest.leaves[0].seq, rest.leaves[0].cum_won) == (6, fares[-1])
    assert denied_now(town.engine)[1] == ()
    assert town.settlement.held() == []
    assert sum(sum(shares_of(row).values()) for row in town.records(card) if row.code == 0) == fares[-1]


def test_a_card_topped_up_in_the_block_of_its_record_is_read_back(town: Town) -> None:
    [card] = cards("busy block")
    town.enrol(card, balance_won=500)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.top_up("at once", 5_000, card, seal=False)
    town.chain.seal()
    town.bank.after_block()  # sends the funding, which waits for the next block as the record does
    town.settlement.plan(DAY, now=town.chain.now)
    [batch] = town.seal()
    fare = card.history[-1].state.cum_won
    assert (batch.leaves[0].balance_won, batch.leaves[0].guarantor_won) == (fare, 0)
    assert town.account(card).slot.balance_won == 5_500 - fare


def test_a_late_last_tap_settles_on_the_same_day_and_its_operators_get_it(town: Town) -> None:
    [card] = cards("late tap-off")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload(town.city.metro("시청", "2호선"))  # the tap-off's reader is offline
    town.until(after(DAY, 1))
    [first] = town.settle()
    assert first.leaves[0].seq == 1
    town.upload()
    [second] = town.settle()
    assert (second.leaves[0].seq, second.leaves[0].suspense_won) == (2, 0)
    assert first.leaves[0].increase_won + second.leaves[0].increase_won == card.history[-1].state.cum_won
    assert sum(second.credits.values()) == second.leaves[0].increase_won > 0


def test_a_batch_that_reverts_is_planned_again(town: Town) -> None:
    [card] = cards("reverted")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    plan = town.settlement.outbox.plan
    town.settlement.outbox.plan = lambda *args: plan(*args, gas=60_000)  # type: ignore[method-assign]
    town.settlement.plan(DAY, now=town.chain.now)
    town.settlement.outbox.plan = plan  # type: ignore[method-assign]
    town.chain.seal()
    with pytest.raises(Exception, match="reverted"):
        town.settlement.after_block()
    with Session(town.engine) as session:
        assert session.exec(select(Batch.status)).all() == [BatchStatus.FAILED]
    [batch] = town.settle()
    assert batch.credits[METRO] > 0
