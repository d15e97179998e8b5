"""Cloned cards: proven once, and only single states above the fork are booked, each once (money.md §2)."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select

from contracts.codes import Refusal
from contracts.signatures import address_of
from services.days import month_last_day, month_of
from services.fares.errors import NotYetError
from services.fares.tables import Clone
from tests.services.chain import BUS, CITY, sender
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, MORNING, Card


def clone(card: Card) -> Card:
    """A copy of the card as it is now, key and all."""
    return Card(card.key, card.certificate, card.guarantor_signature, list(card.history))


def forked(town: Town, name: str, **terms: int) -> tuple[Card, Card]:
    """A card that rode once, was settled, and then rides on in two hands at once."""
    [card] = cards(name)
    town.enrol(card, **terms)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.settle()
    town.until(MORNING + 20_000)
    copy = clone(card)
    town.city.ride(card, MORNING + 20_000)
    town.city.tap_in(copy, town.city.bus("143"), MORNING + 21_000, "강남역")
    town.city.tap_out(copy, town.city.bus("143"), MORNING + 21_900, "신사역", metres=2_400)
    town.upload()
    town.until(after(DAY, 1))
    return card, copy


def charges(card: Card, first: int) -> int:
    return sum(tap.state.charge_won for tap in card.history[first:])


def test_a_clone_is_proven_once_and_both_hands_rides_are_booked_once(town_on_both: Town) -> None:
    town = town_on_both
    card, copy = forked(town, "cloned", balance_won=2_500)
    assert town.settle() == []  # no ordinary record of a clone
    assert town.closing.settle_forks(DAY) == []  # not before the chain knows
    for _ in range(2):
        assert town.closing.prove_clones() == [card.address]
    town.seal()
    assert town.closing.prove_clones() == []
    with Session(town.engine) as session:
        assert session.exec(select(Clone.reported)).all() == [True]
    purposes = town.closing.settle_forks(DAY)
    assert town.closing.settle_forks(DAY) == []  # under way
    [batch] = town.seal()
    assert town.closing.read_forks(purposes)[0].leaves == batch.leaves
    assert sum(leaf.increase_won for leaf in batch.leaves) == charges(card, 2) + charges(copy, 2)
    assert {leaf.code for leaf in batch.leaves} == {0}
    assert len({leaf.state_digest for leaf in batch.leaves}) == 4
    balance = 2_500 - town.settled[0].leaves[0].balance_won
    assert sum(leaf.balance_won for leaf in batch.leaves) == balance
    assert town.account(card).slot.balance_won == 0
    assert town.settlement.settled() == town.settled
    assert town.closing.settle_forks(DAY) == []
    assert sum(batch.credits.values()) == sum(leaf.increase_won for leaf in batch.leaves)
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_a_state_of_a_fork_that_comes_late_is_booked_beside_the_others(town: Town) -> None:
    _, copy = forked(town, "late fork")
    town.closing.prove_clones()
    town.seal()
    town.closing.settle_forks(DAY)
    town.seal()
    town.city.denylist.issued_at = town.chain.now
    town.city.tap_in(copy, town.city.bus("143"), MORNING + 30_000, "신사역")
    town.city.tap_out(copy, town.city.bus("143"), MORNING + 30_600, "압구정", metres=1_000)
    town.upload()
    town.closing.settle_forks(DAY)
    [batch] = town.seal()
    assert sum(leaf.increase_won for leaf in batch.leaves) == charges(copy, 4)
    assert town.closing.settle_forks(DAY) == []


def test_forks_over_the_cap_wait_until_it_leaves_room(town: Town) -> None:
    card, copy = forked(town, "forked over the cap", cap_won=3_000)
    town.closing.prove_clones()
    town.seal()
    town.closing.settle_forks(DAY)
    town.seal()
    booked = sum(leaf.increase_won for leaf in town.settled[-1].leaves if not leaf.code)
    wanted = charges(card, 2) + charges(copy, 2)
    assert booked < wanted
    assert town.closing.settle_forks(DAY) == []
    town.top_up("after all", 10_000, card)
    town.closing.settle_forks(DAY)
    town.seal()
    found = [leaf for batch in town.settled[1:] for leaf in batch.leaves if not leaf.code]
    assert sum(leaf.increase_won for leaf in found) == wanted
    assert len({leaf.state_digest for leaf in found}) == len(found)


def test_a_card_that_only_the_chain_knows_as_forked_is_settled_as_a_fork(town: Town) -> None:
    card, copy = forked(town, "proved elsewhere")
    town.closing.prove_clones()
    town.seal()
    with Session(town.engine) as session:
        session.delete(session.exec(select(Clone)).one())
        session.commit()
    town.settle()
    assert town.settlement.held()[0].code == Refusal.FORKED
    town.closing.settle_forks(DAY)
    [batch] = town.seal()
    assert sum(leaf.increase_won for leaf in batch.leaves) == charges(card, 2) + charges(copy, 2)


def fund_risk_pool(town: Town) -> None:
    """The city puts 5,000 won in."""
    town.bank.accounts.deposit_organisation("pool", CITY, 5_000, now=town.chain.now)
    town.bank.issuing.issue_to("pool", CITY, address_of(sender(CITY)), 5_000, now=town.chain.now)
    town.seal()
    for _ in range(2):
        town.office.fund_risk_pool("pool", 5_000)
        town.seal()


def test_older_losing_states_are_covered_by_the_risk_pool_once(town: Town) -> None:
    [card] = cards("older states")
    copy = clone(card)
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.settle()
    town.city.tap_in(copy, town.city.bus("143"), MORNING + 5_000, "강남역")
    town.city.tap_out(copy, town.city.bus("143"), MORNING + 5_900, "신사역", metres=2_400)
    town.upload()
    town.closing.prove_clones()
    town.seal()
    town.closing.prove_clones()
    assert town.closing.settle_forks(DAY) == []  # both states lie below what is settled
    with pytest.raises(NotYetError, match="0 won are there"):
        town.closing.cover_losses(DAY, now=town.chain.now)
    fund_risk_pool(town)
    for _ in range(2):
        town.closing.cover_losses(DAY, now=town.chain.now)
        town.seal()
    lost = charges(copy, 0)
    assert lost > 0
    assert town.totals()["risk_pool"] == 5_000 - lost
    assert {BUS: lost} in town.closing.pending()


def test_what_a_cap_left_open_is_covered_once_the_card_can_pay_no_more(town: Town) -> None:
    [card] = cards("never paid")
    town.enrol(card, cap_won=2_000)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.city.ride(card, MORNING + 20_000)
    town.upload()
    town.until(after(DAY, 1))
    for _ in range(3):
        town.settle()
    assert town.account(card).slot.seq == 2
    assert town.closing.cover_losses(DAY, now=town.chain.now) is None
    town.until(after(month_last_day(month_of(DAY)), 90 * 24 + 1))
    assert town.settle() == []
    fund_risk_pool(town)
    for _ in range(2):
        town.closing.cover_losses(DAY, now=town.chain.now)
        town.seal()
    assert town.totals()["risk_pool"] == 5_000 - charges(card, 2)
