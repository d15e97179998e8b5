"""One call a day leaves to the risk pool what the rules leave to it by then, each once (money.md §2, §3)."""

from __future__ import annotations

import pytest

from contracts.codes import Refusal
from services.days import month_last_day, month_of
from services.fares.errors import NotYetError
from services.fares.overdue import leave_to_risk_pool
from tests.services.fares.test_settlement_forks import charges, clone, fund_risk_pool
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import BUS, DAY, METRO, MORNING

DAY_H = 24
MONTH_END = month_last_day(month_of(DAY))


def overdue(town: Town) -> list[str]:
    purposes = leave_to_risk_pool(town.settlement, now=town.chain.now)
    town.seal()
    return purposes


def suspended(town: Town, name: str, day: int = DAY) -> int:
    """A card whose tap-on never comes; what it leaves in suspense."""
    [card] = cards(name)
    town.enrol(card)
    town.until(MORNING + (day - DAY) * 86_400)
    town.city.ride(card, town.chain.now)
    town.upload(town.city.metro("강남", "2호선"))
    town.until(after(day, 1))
    [batch] = town.settle(day)
    return batch.leaves[0].suspense_won


def capped(town: Town, name: str) -> int:
    """A card whose second ride is above its guarantor's cap; what nobody pays of it."""
    [card] = cards(name)
    town.enrol(card, cap_won=2_000)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.city.ride(card, MORNING + 20_000)
    town.upload()
    town.until(after(DAY, 1))
    for _ in range(3):
        town.settle()
    assert town.settlement.held()[0].code == Refusal.CAP
    return charges(card, 2)


def test_suspense_that_nobody_explains_is_left_to_the_pool_from_day_91_on(town_on_both: Town) -> None:
    town = town_on_both
    won = [suspended(town, "one", DAY), suspended(town, "next day", DAY + 1)]
    assert min(won) > 0
    town.until(after(DAY, 90 * DAY_H) - 600)
    assert overdue(town) == []
    town.until(after(DAY, 90 * DAY_H) + 600)
    assert len(overdue(town)) == 1
    assert (town.totals()["suspense"], town.totals()["risk_pool"]) == (won[1], won[0])
    assert overdue(town) == []
    town.until(after(DAY + 5, 90 * DAY_H))  # days on which nobody called
    assert len(overdue(town)) == 1
    assert (town.totals()["suspense"], town.totals()["risk_pool"]) == (0, sum(won))


def test_what_a_cap_left_open_is_borne_91_days_after_the_month_and_not_before(town: Town) -> None:
    lost = capped(town, "never pays")
    fund_risk_pool(town)
    town.until(after(MONTH_END, 90 * DAY_H) - 600)
    assert overdue(town) == []
    town.until(after(MONTH_END, 90 * DAY_H) + 600)
    purposes = overdue(town)
    assert len(purposes) == 1
    assert town.totals()["risk_pool"] == 5_000 - lost
    assert overdue(town) == purposes  # the same transaction
    assert town.totals()["risk_pool"] == 5_000 - lost
    assert {METRO: lost} in town.closing.pending()


def test_a_pool_that_is_short_says_so_and_bears_it_once_it_is_filled(town: Town) -> None:
    [card] = cards("clone below the fork")
    copy = clone(card)
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.settle()
    town.city.tap_in(copy, town.city.bus("143"), MORNING + 5_000, "강남역")
    town.city.tap_out(copy, town.city.bus("143"), MORNING + 5_900, "신사역", metres=2_400)
    town.upload()
    for _ in range(2):
        town.closing.prove_clones()
        town.seal()
    with pytest.raises(NotYetError, match="0 won are there"):
        overdue(town)
    fund_risk_pool(town)
    assert len(overdue(town)) == 1
    assert {BUS: charges(copy, 0)} in town.closing.pending()


def test_suspense_fills_the_pool_before_losses_are_borne(town: Town) -> None:
    lost, won = capped(town, "empties"), suspended(town, "fills", DAY + 1)
    town.until(after(MONTH_END, 90 * DAY_H) + 600)
    with pytest.raises(NotYetError):
        overdue(town)  # the suspense is in no block yet
    town.seal()
    assert town.totals()["risk_pool"] == won >= lost
    assert len(overdue(town)) == 1
    assert town.totals()["risk_pool"] == won - lost
