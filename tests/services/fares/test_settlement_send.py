"""Batches that the node does not take, or takes and drops, are given to it again; those behind them do not wait."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session, select
from web3.exceptions import Web3RPCError

from services.fares import settlement as settlements
from services.fares import settlement_rules
from services.fares.errors import SettlementError
from services.fares.settlement_rules import DayRecord
from services.fares.tables import Record, Refusal
from services.fares.tap_journeys import StoredTap
from services.outbox import OutboxError
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, MORNING


def ride(town: Town, *names: str) -> int:
    """Cards that rode and wait to be settled; their fares."""
    riders = cards(*names)
    town.enrol(*riders)
    town.until(MORNING)
    for at, card in enumerate(riders):
        town.city.ride(card, MORNING + 60 * at)
    town.upload()
    town.until(after(DAY, 1))
    return sum(card.history[-1].state.cum_won for card in riders)


def test_a_day_is_planned_in_partitions_of_bounded_size(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlements, "CARDS_PER_PARTITION", 2)
    fares = ride(town, "a", "b", "c", "d", "e")
    found = town.settle()
    assert sorted(len(batch.leaves) for batch in found) == [1, 2, 2]
    assert sum(leaf.increase_won for batch in found for leaf in batch.leaves) == fares
    assert town.settle() == []


def test_a_batch_that_the_node_refuses_is_given_to_it_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    fares = ride(town, "refused at first")

    def refuse(_: bytes) -> None:
        raise Web3RPCError("the pool is full")

    with monkeypatch.context() as patch:
        patch.setattr(town.chain.web3.eth, "send_raw_transaction", refuse)
        with pytest.raises(OutboxError, match="was not taken"):
            town.settlement.plan(DAY, now=town.chain.now)
    assert town.seal() == []
    [batch] = town.settle()
    assert sum(leaf.increase_won for leaf in batch.leaves) == fares
    assert len(town.records()) == 1


def test_a_record_that_cannot_be_made_is_shown_once_and_hurts_no_other(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    ride(town, "plain", "impossible")
    odd = cards("impossible")[0].address
    made = settlement_rules.day_record

    def fail(taps: list[StoredTap], *rest: Any) -> DayRecord:
        if taps[0].state.card == odd:
            raise SettlementError("journeys come to more than the sums")
        return made(taps, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(settlement_rules, "day_record", fail)
        [batch] = town.settle()
        assert len(batch.leaves) == 1
        assert town.settle() == []
        [held] = town.settlement.held()
        assert (held.card, held.code.name) == (odd, "SUM")
        with Session(town.engine) as session:
            [refusal] = session.exec(select(Refusal)).all()
            assert (refusal.code, refusal.what) == ("FARE-400", "journeys come to more than the sums")
    [later] = town.settle()
    assert [leaf.card for leaf in later.leaves] == [odd]
    assert town.settlement.held() == []


def test_a_batch_that_cannot_be_read_keeps_no_other_from_being_read(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlements, "CARDS_PER_PARTITION", 1)
    ride(town, "readable", "damaged")
    town.settlement.plan(DAY, now=town.chain.now)
    with Session(town.engine) as session:
        row = session.get_one(Record, 1)
        row.suspense_won += 1
        session.add(row)
        session.commit()
    town.chain.seal()
    with pytest.raises(SettlementError, match="not those under the batch's root"):
        town.settlement.after_block()
    assert len(town.settlement.settled()) == 1
    with Session(town.engine) as session:
        row = session.get_one(Record, 1)
        row.suspense_won -= 1
        session.add(row)
        session.commit()
    assert len(town.settlement.after_block()) == 1
    assert len(town.settlement.settled()) == 2
