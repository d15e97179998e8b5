"""Replay, reorder, drop or duplicate (issue 3, Done-when 6): what a card has paid in the end does not depend on it.

The settled total is the sum of the last state settled: that of the last one offered where it came in order, or smaller
by exactly the missing taps, which the next state heals.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import records
from contracts.hashing import sha256
from contracts.messages import FareState
from contracts.records import CardAccount, RecordWords, SettlementRecord
from tests.contracts import fares_city as city
from tests.contracts.fares_city import BUS_143, CLEARING, DAY_S, METRO, NO_JOURNEYS, TABLE, sender
from tests.contracts.fares_pair import fresh_world
from tests.contracts.harness import SERVICE_DAY, World

BALANCE_WON = 100_000


def a_card(charges: Sequence[tuple[int, int]]) -> list[FareState]:
    """States of card 1 from (charge, days since the tap before); a state each tap."""
    states: list[FareState] = []
    cum = start = day = 0
    for seq, (charge, days) in enumerate(charges, 1):
        if days:
            day, start = day + days, cum
        cum += charge
        states.append(
            city.state(
                1,
                seq=seq,
                cum_won=cum,
                charge_won=charge,
                day_start_cum_won=start,
                service_day=SERVICE_DAY + day,
                tap_time=1_760_480_000 + day * DAY_S + seq,
                context=sha256(b"tap %d" % seq),
            )
        )
    return states


def words_of(state: FareState, settled_won: int) -> RecordWords:
    """A record as clearing makes it from what the chain has settled: credits for the new part, suspense for a gap."""
    due = max(0, state.cum_won - settled_won)
    gap = min(due, max(0, state.day_start_cum_won - settled_won))
    metro = (due - gap) // 2
    credits = {METRO: metro, BUS_143: due - gap - metro}
    return SettlementRecord(state, city.signature(1, state), credits, gap).words(TABLE)


def a_world() -> World:
    """Card 1 with money, long after its taps (the last is at most ten days on): gaps are past their 72 hours."""
    world = fresh_world()
    city.open_books(world)
    city.enrol(world, [1])
    city.fund(world, {1: BALANCE_WON})
    world.time += 16 * DAY_S
    return world


def settled(world: World) -> tuple[int, int]:
    """(settled sum, what the purse paid)."""
    slot = CardAccount.unpack(world.call("Fares", "card", [city.card(1)])).slot
    return slot.cum_won, BALANCE_WON - slot.balance_won


def settle(world: World, batch: Sequence[RecordWords]) -> None:
    arguments = [SERVICE_DAY, TABLE, NO_JOURNEYS, 0, [], list(batch)]
    world.transact(sender(CLEARING, "settle"), "Fares", "settle", arguments)


taps = st.lists(
    st.tuples(st.sampled_from((0, 100, 1_300, 1_550)), st.sampled_from((0, 0, 1, 2))), min_size=1, max_size=5
)


def in_any_order(charges: list[tuple[int, int]], order: list[int], one_batch: bool) -> None:
    """Offers the states in an order with repeats and gaps; then the last state heals what was missing."""
    states = a_card(charges)
    offered = [states[at % len(states)] for at in order]
    world = a_world()
    if one_batch:
        # Clearing prepared them all before any was booked.
        prepared, known = [], 0
        for state in offered:
            prepared.append(words_of(state, known))
            known = max(known, state.cum_won)
        settle(world, prepared)
    else:
        for state in offered:
            settle(world, [words_of(state, settled(world)[0])])
            city.conserve(world)
    reached = max(state.seq for state in offered)
    # All taps up to the last state offered are paid, each once; those after it are missing, nothing else.
    assert settled(world) == (states[reached - 1].cum_won,) * 2
    missing = sum(charge for charge, _ in charges[reached:])
    assert states[-1].cum_won - settled(world)[0] == missing
    settle(world, [words_of(states[-1], settled(world)[0])])
    assert settled(world) == (sum(charge for charge, _ in charges),) * 2
    held = city.conserve(world)
    assert held[0] == BALANCE_WON - states[-1].cum_won
    assert held[2] + held[4] == states[-1].cum_won


orders = given(charges=taps, order=st.lists(st.integers(0, 9), min_size=1, max_size=6), one_batch=st.booleans())
PROFILE = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=60, **PROFILE)  # type: ignore[arg-type]
@orders
def test_states_in_any_order_come_to_the_same_sum(
    charges: list[tuple[int, int]], order: list[int], one_batch: bool
) -> None:
    in_any_order(charges, order, one_batch)


@pytest.mark.long
@settings(max_examples=5_000, **PROFILE)  # type: ignore[arg-type]
@orders
def test_states_in_any_order_come_to_the_same_sum_long(
    charges: list[tuple[int, int]], order: list[int], one_batch: bool
) -> None:
    in_any_order(charges, order, one_batch)


def test_a_record_prepared_twice_is_booked_once() -> None:
    world = a_world()
    [state] = a_card([(1_550, 0)])
    settle(world, [words_of(state, 0)] * 3)
    settle(world, [words_of(state, 0)])
    assert settled(world) == (1_550, 1_550)
    assert records.lanes_of(words_of(state, 1_550)[5]) == (0,) * 8
