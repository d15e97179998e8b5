"""Opcodes and gas per record, exact figures of the EVM (issue 3, Done-when 7): a rise is a decision, no accident."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from contracts import client
from contracts.records import SettlementRecord
from tests.contracts import fares_city as city
from tests.contracts.fares_city import BUS_143, METRO, record
from tests.contracts.harness import SERVICE_DAY, World

K = 256
CODE_LIMIT_BYTES = 24_576  # EIP-170


@contextmanager
def counted(world: World) -> Iterator[list[int]]:
    """Counts the opcodes that run inside: every one is wrapped, none is changed."""
    computation = world.state.computation_class
    stock, count = computation.opcodes, [0]

    class Counting:
        def __init__(self, opcode: Any) -> None:
            self.opcode = opcode

        def __call__(self, computation: Any) -> Any:
            count[0] += 1
            return self.opcode(computation=computation)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.opcode, name)

    computation.opcodes = {number: Counting(opcode) for number, opcode in stock.items()}
    try:
        yield count
    finally:
        computation.opcodes = stock


@pytest.fixture(scope="module")
def city_of_cards() -> World:
    """256 cards with balance only, 256 with one lot each."""
    world = World()
    city.deploy(world)
    city.enrol(world, range(K))
    city.enrol(world, range(K, 2 * K))
    city.fund(world, dict.fromkeys(range(K), 10_000))
    for first in (K, K + 128):
        assert set(city.issue(world, dict.fromkeys(range(first, first + 128), 50_000), first_lot=first)) == {0}
    return world


def first_day(number: int) -> SettlementRecord:
    return record(number, {METRO: 1_000, BUS_143: 550})


def next_day(number: int) -> SettlementRecord:
    credits = {METRO: 1_000, BUS_143: 550}
    fields = {"seq": 2, "cum_won": 3_100, "day_start_cum_won": 1_550, "service_day": SERVICE_DAY + 1}
    return record(number, credits, **fields)


GATES: list[tuple[str, int, Callable[[int], SettlementRecord], int, int]] = [
    ("balance, first day", 0, first_day, 780, 13_800),
    ("balance, next day", 0, next_day, 780, 13_800),
    ("one lot, first day", K, first_day, 1_085, 19_800),
    ("one lot, next day", K, next_day, 1_085, 19_800),
]


@pytest.mark.parametrize(("first", "make", "opcodes", "gas"), [gate[1:] for gate in GATES], ids=[g[0] for g in GATES])
def test_a_record_costs_no_more(
    city_of_cards: World, first: int, make: Callable[[int], SettlementRecord], opcodes: int, gas: int
) -> None:
    batch = [make(number) for number in range(first, first + K)]
    with counted(city_of_cards) as count:
        outcome = city.settle(city_of_cards, batch)
    settled = outcome.event("Settled")
    assert settled["accepted"] == K
    paid = settled["voucher_won"] if first else settled["balance_won"]
    assert paid == K * 1_550
    assert count[0] <= opcodes * K, f"{count[0] / K:.1f} opcodes a record"
    assert outcome.gas_used <= gas * K, f"{outcome.gas_used / K:.0f} gas a record"
    city.conserve(city_of_cards)


@pytest.mark.parametrize("name", ["Fares", "Credits"])
def test_the_code_fits_where_every_chain_allows_it(name: str) -> None:
    assert len(client.artefact(name).runtime) <= CODE_LIMIT_BYTES
