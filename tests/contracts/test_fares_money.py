"""Who pays a fare, and which lots a card takes (money.md §3; voucher.md §8, checks 1 and 2)."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import CardCode
from contracts.hashing import keccak
from contracts.twins.fares_rules import Card, Lot, spend
from tests.contracts import fares_city as city
from tests.contracts.fares_city import (
    CLEARING,
    DAY_S,
    LAST_DAY,
    METRO,
    record,
    sender,
)
from tests.contracts.fares_money import account, four_cards, settle, sources
from tests.contracts.harness import SERVICE_DAY, Reverted, World

SETTLES = sender(CLEARING, "settle")
POLICY = keccak(b"SPLIT_V1")


@pytest.fixture
def world() -> World:
    return four_cards()


# --- who pays

# voucher.md §8: (lots as (won, last day), fare, own part, balance) -> (voucher, balance, guarantor)
SPLITS: list[tuple[str, list[tuple[int, int]], int, int, int, tuple[int, int, int]]] = [
    ("check 1: two lots, the first to end first", [(50_000, 16), (900, 1)], 1_550, 0, 0, (1_550, 0, 0)),
    ("check 2: what exceeds the per-tap cap is own", [(50_000, 16)], 3_000, 1_000, 400, (2_000, 400, 600)),
    ("hybrid: 900 voucher, 850 account", [(900, 16)], 1_750, 0, 0, (900, 0, 850)),
    ("balance only", [], 1_550, 0, 10_000, (0, 1_550, 0)),
    ("penalty never by voucher", [(50_000, 16)], 1_500, 1_500, 0, (0, 0, 1_500)),
    ("day cap of the rule-set", [(50_000, 16)], 20_500, 0, 1_000, (20_000, 500, 0)),
    ("day cap over two lots of one rule-set", [(19_000, 1), (50_000, 16)], 20_500, 0, 1_000, (20_000, 500, 0)),
    ("guarantor only", [], 1_550, 0, 0, (0, 0, 1_550)),
]


@pytest.mark.parametrize(
    ("lots", "fare", "own", "balance", "paid"), [s[1:] for s in SPLITS], ids=[s[0] for s in SPLITS]
)
def test_who_pays(
    world: World, lots: list[tuple[int, int]], fare: int, own: int, balance: int, paid: tuple[int, int, int]
) -> None:
    for at, (won, days) in enumerate(lots):
        assert city.issue(world, {1: won}, last=SERVICE_DAY + days, first_lot=at + 1) == [0]
    if balance:
        city.fund(world, {1: balance})
    found = settle(world, record(1, {METRO: fare}, cum_won=fare, cum_own_won=own, charge_won=fare))
    assert sources(found) == paid


def test_check_1_takes_the_lot_that_ends_first_to_the_last_won(world: World) -> None:
    city.issue(world, {1: 50_000}, first_lot=7)
    city.issue(world, {1: 900}, last=SERVICE_DAY, first_lot=8)
    settle(world, record(1, {METRO: 1_550}))
    lots = account(world, 1).lots
    assert [(lot.lot_no, lot.remaining_won) for lot in lots.values()] == [(8, 0), (7, 49_350)]


@pytest.mark.parametrize(("start", "last"), [(SERVICE_DAY + 1, LAST_DAY), (SERVICE_DAY - 5, SERVICE_DAY - 1)])
def test_a_lot_pays_on_its_days_only(world: World, start: int, last: int) -> None:
    city.issue(world, {1: 50_000}, start=start, last=last)
    world.time += 3 * DAY_S  # never the block's time
    assert sources(settle(world, record(1, {METRO: 1_550}))) == (0, 0, 1_550)


def test_the_day_cap_counts_what_the_day_took_before(world: World) -> None:
    city.issue(world, {1: 50_000})
    assert sources(settle(world, record(1, {METRO: 19_000}, cum_won=19_000))) == (19_000, 0, 0)
    assert sources(settle(world, record(1, {METRO: 2_000}, seq=2, cum_won=21_000))) == (1_000, 0, 1_000)
    later = {"seq": 3, "cum_won": 23_000, "day_start_cum_won": 21_000, "service_day": SERVICE_DAY + 1}
    assert sources(settle(world, record(1, {METRO: 2_000}, **later))) == (2_000, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"last": LAST_DAY + 1}, CardCode.OUTLIVES),
        ({"last": SERVICE_DAY - 15}, CardCode.OUTLIVES),
        ({"rule_set": 2, "profile": 8}, CardCode.PROFILE),
    ],
)
def test_lots_that_a_card_cannot_take(world: World, arguments: dict[str, Any], code: int) -> None:
    assert city.issue(world, {1: 1_000}) == [0]
    arguments = {"start": SERVICE_DAY - 20, "first_lot": 2, **arguments}
    assert city.issue(world, {1: 1_000}, **arguments) == [code]


def test_a_card_has_four_live_lots_at_most(world: World) -> None:
    for at in range(4):
        assert city.issue(world, {1: 1_000}, first_lot=at + 1, priority=9 - at) == [0]
    assert [lot.priority for lot in account(world, 1).lots.values()] == [6, 7, 8, 9]
    assert city.issue(world, {1: 1_000, 99: 5, 2: 0}, first_lot=5) == [
        CardCode.FULL,
        CardCode.UNKNOWN,
        CardCode.MALFORMED,
    ]


def test_only_vouchers_issues(world: World) -> None:
    with pytest.raises(Reverted, match=r"^SENDER$"):
        world.transact(SETTLES, "Fares", "issue", [1, 0, LAST_DAY, 1, 1, 1, 1, []])


def test_the_twins_spending_order() -> None:
    lots = [Lot(3, 1, 500, 500, 0, 10, 600, 1), Lot(1, 1, 500, 500, 0, 20, 600, 1), Lot(2, 2, 500, 500, 0, 30, 9, 1)]
    taken, after = spend(lots, 5, 10_000)
    assert (taken, [lot.remaining_won for lot in after]) == (609, [0, 400, 491])
    assert Card(1, 1, 0, 30, 5_000, used_won=2_000).headroom_won == 3_000
