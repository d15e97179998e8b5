"""Settling good records and reading what was paid, for the tests of money and of credits."""

from __future__ import annotations

from typing import Any

from contracts import addresses, records
from contracts.records import CardAccount, Leaf
from tests.contracts import fares_city as city
from tests.contracts.fares_city import Settlement
from tests.contracts.fares_pair import fresh_world
from tests.contracts.harness import CHAIN_ID, World


def four_cards() -> World:
    """Cards 1 to 4 with a cap of 20,000 won each, nothing in them."""
    world = fresh_world()
    city.open_books(world)
    city.enrol(world, range(1, 5))
    return world


def account(world: World, number: int) -> CardAccount:
    return CardAccount.unpack(world.call("Fares", "card", [city.card(number)]))


def settle(world: World, *batch: records.SettlementRecord) -> Settlement:
    """Settles good records and reads the batch off the transaction."""
    before = {number: account(world, number).slot for number in range(1, 5)}
    outcome = city.settle(world, batch)
    assert not [1 for _, event, _ in outcome.events if event == "Refused"]
    leaves = []
    for one in batch:
        [number] = [n for n in before if city.card(n) == one.state.card]
        leaves.append(leaf_of(world, one, before[number], account(world, number).slot))
    found = Settlement(outcome, city.batch_of(world, outcome), leaves)
    assert found.batch.commitment() == world.call("Credits", "commitment", [found.batch.number])
    city.conserve(world)
    return found


def leaf_of(world: World, one: records.SettlementRecord, before: Any, after: Any) -> Leaf:
    """The record's leaf, from the card before and after: one record a card."""
    increase = one.state.cum_won - before.cum_won
    balance, guarantor = before.balance_won - after.balance_won, after.used_won - before.used_won
    return Leaf(
        one.state.card,
        one.state.seq,
        one.state.service_day,
        0,
        one.state.tap_time,
        increase,
        one.state.cum_won,
        one.state.cum_own_won - before.own_won,
        one.state.cum_own_won,
        increase - balance - guarantor,
        balance,
        guarantor,
        one.suspense_won,
        one.state.digest(CHAIN_ID, addresses.FARES),
    )


def sources(found: Settlement) -> tuple[int, int, int]:
    settled = found.outcome.event("Settled")
    return settled["voucher_won"], settled["balance_won"], settled["guarantor_won"]
