"""Vouchers: lapse and carry; every refusal by its name and code, chain and twin alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts import addresses
from contracts.codes import Carry, Grant
from tests.contracts.city import CLEARING, KOOKMIN, sender
from tests.contracts.harness import Outcome, address
from tests.contracts.voucher_steps import (
    ADMINISTERS,
    BASIC,
    ISSUES,
    MONTH,
    Steps,
    funded_city,
    item,
    request,
    ruled_city,
)


@pytest.fixture
def bare() -> Steps:
    return funded_city()


@pytest.fixture
def city() -> Steps:
    return ruled_city()


# --- lapse and carry


@pytest.fixture
def lapsed(city: Steps) -> Steps:
    """Three lots of 10,000 granted; 21,000 of them lapsed with the month."""
    assert city.grant([request(i) for i in (1, 2, 3)]) == [0, 0, 0]
    assert isinstance(city.give_back(1, MONTH[1], 21_000, 21_000), Outcome)
    return city


def test_lapsed_won_returns_to_its_pool_and_is_carried_within_what_lapsed(lapsed: Steps) -> None:
    assert lapsed.world.call("Vouchers", "carryable", [1, MONTH[1]]) == 21_000
    items = [
        item(11, 10_000),
        item(11, 1),
        item(12, 0),
        item(13, 50_001),
        item(0xEE, 1_000),
        item(14, 10_001),
        item(15, 10_000),
    ]
    assert lapsed.carry(items) == [0, Grant.USED, Grant.AMOUNT, Grant.AMOUNT, Grant.FARES + 3, Grant.LAPSED, 0]
    assert lapsed.world.call("Vouchers", "carryable", [1, MONTH[1]]) == 1_000
    assert lapsed.carry([item(0xEE, 1_000, to=16), item(17, 1)]) == [0, Grant.LAPSED]
    assert lapsed.world.call("Vouchers", "carry_done", [items[4].id]) is True
    lapsed.pools_are_alike()


def test_the_clearing_house_carries_too(lapsed: Steps) -> None:
    assert lapsed.carry([item(1, 5)], by=sender(CLEARING, "settle")) == [0]


def test_what_was_carried_under_a_cap_is_not_carried_again(lapsed: Steps) -> None:
    following = MONTH[1] + 30
    assert lapsed.carry([item(1, 10_000)]) == [0]
    assert isinstance(lapsed.give_back(1, following, 10_000, 10_000), Outcome)
    assert lapsed.world.call("Vouchers", "carryable", [1, following]) == 0
    assert lapsed.carry([item(2, 1)], lapsed_day=following, days=(following + 1, following + 30)) == [Grant.LAPSED]


def test_rolled_lots_roll_again(bare: Steps) -> None:
    bare.rules(ADMINISTERS, 1, replace(BASIC, carry=Carry.ROLL, carry_cap_won=0))
    bare.pay_in(ISSUES, 1, 200_000)
    following = MONTH[1] + 30
    assert bare.grant([request(1)]) == [0]
    bare.give_back(1, MONTH[1], 10_000, 10_000)
    assert bare.carry([item(1, 10_000)]) == [0]
    bare.give_back(1, following, 9_000, 9_000)
    assert bare.carry([item(2, 9_000)], lapsed_day=following, days=(following + 1, following + 30)) == [0]


def test_carries_refuse(lapsed: Steps) -> None:
    for by in (ADMINISTERS, sender(KOOKMIN, "issue"), sender(CLEARING, "issue"), address("stranger")):
        assert lapsed.carry([item(1, 1)], by=by) == "SENDER"
    assert lapsed.carry([item(1, 1)], number=2) == "SENDER"
    assert lapsed.carry([item(1, 1)], number=2, by=sender(CLEARING, "settle")) == "RULE SET"
    assert lapsed.carry([]) == "EMPTY"
    assert lapsed.carry([item(1, 1)], size=0) == "SOURCES"
    assert lapsed.carry([item(1, 1)], days=(MONTH[1], MONTH[1] + 3)) == "DAYS"
    assert lapsed.carry([item(1, 1)], days=(MONTH[1] + 3, MONTH[1] + 2)) == "DAYS"
    assert isinstance(lapsed.rules(ADMINISTERS, 2, replace(BASIC, carry=Carry.NONE, carry_cap_won=0)), Outcome)
    assert lapsed.carry([item(1, 1)], number=2) == "CARRY"


def test_an_exhausted_pool_carries_nothing(lapsed: Steps) -> None:
    assert lapsed.grant([request(i, won=47_750) for i in range(20, 24)]) == [0, 0, 0, 0]
    assert lapsed.world.call("Vouchers", "pool", [1]) == 0
    assert lapsed.carry([item(1, 1)]) == [Grant.POOL]


def test_returns_refuse(city: Steps) -> None:
    assert city.grant([request(1)]) == [0]
    assert city.give_back(1, MONTH[1], 10_000, 9_999) == "ARRIVED"
    assert city.give_back(1, MONTH[1], 1, 0) == "ARRIVED"
    assert city.give_back(9, MONTH[1], 10, 10) == "SENDER"
    args = [1, MONTH[1], 1]
    for by in (ISSUES, address("stranger"), addresses.WON):
        step = city.step(by, "Vouchers", "returned", args, lambda b=by: city.vouchers.returned(b, *args))
        assert step == "SENDER"
