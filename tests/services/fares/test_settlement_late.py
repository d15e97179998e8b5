"""What comes late: gaps, open days, taps out of suspense, missing tap-offs, money given back (money.md §3)."""

from __future__ import annotations

import pytest

from contracts.codes import Mode
from services.days import month_last_day, month_of
from services.fares.adjustments import AdjustReason
from services.fares.errors import NothingToAdjustError, NotYetError
from services.fares.limits import CLOSE_LATEST_S
from services.fares.reader import Gate
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import BUS, DAY, METRO, MORNING, Card

DAY_S = 86_400


def test_a_gap_waits_72_hours_and_the_missing_day_is_paid_by_its_lots_when_it_comes(town_on_both: Town) -> None:
    town = town_on_both
    [card] = cards("gap")
    town.enrol(card, balance_won=500)
    town.lot(card, 1_200, DAY, DAY)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    first_day = card.history[-1].state.cum_won
    town.until(MORNING + DAY_S)
    town.city.tap_in(card, town.city.bus("143"), MORNING + DAY_S, "강남역")
    town.city.tap_out(card, town.city.bus("143"), MORNING + DAY_S + 900, "신사역", metres=2_400)
    both_days = card.history[-1].state.cum_won
    town.upload(town.city.bus("143"))  # the first day's readers are offline
    town.until(after(DAY + 1, 1))
    assert town.settle(DAY + 1) == []
    assert town.records() == []  # a gap before 72 hours is not even sent
    town.until(after(DAY + 1, 72) - 600)
    assert town.settle(DAY + 1) == []
    town.until(after(DAY + 1, 72))
    [batch] = town.settle(DAY + 1)
    [leaf] = batch.leaves
    assert (leaf.code, leaf.increase_won, leaf.voucher_won, leaf.balance_won) == (0, both_days, 0, 500)
    assert leaf.suspense_won >= first_day
    with pytest.raises(NotYetError, match="misses states of 1 cards"):
        town.closing.close_day(DAY, now=town.chain.now)
    assert town.adjustments.allocate_late(DAY + 1) == []
    town.upload()
    for _ in range(2):  # a record has one correction under way at a time
        town.adjustments.allocate_late(DAY + 1)
        town.seal()
    assert town.totals()["suspense"] == 0
    assert town.totals()["lots"] == 0
    # 1,200 won of the first day's lot pay the guarantor back.
    assert town.account(card).slot.used_won == both_days - 500
    assert town.bank.guarantee.owed_won() == both_days - 500 - 1_200
    assert town.bank.guarantee.collect("late", now=town.chain.now) == both_days - 500 - 1_200
    town.seal()
    town.closing.close_day(DAY, now=town.chain.now)
    town.seal()
    assert town.settle(DAY) == []  # its taps were overtaken


def test_the_missing_day_that_comes_before_the_72_hours_closes_the_gap(town: Town) -> None:
    [card] = cards("healed gap")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.until(MORNING + DAY_S)
    town.city.tap_in(card, town.city.bus("143"), MORNING + DAY_S, "강남역")
    town.city.tap_out(card, town.city.bus("143"), MORNING + DAY_S + 900, "신사역", metres=2_400)
    town.upload(town.city.bus("143"))
    town.until(after(DAY + 1, 1))
    assert town.settle(DAY + 1) == []
    town.upload()
    assert town.settle(DAY + 1) == []  # the earlier day comes first
    [one] = town.settle(DAY)
    [two] = town.settle(DAY + 1)
    assert one.leaves[0].increase_won + two.leaves[0].increase_won == card.history[-1].state.cum_won
    assert one.leaves[0].suspense_won == two.leaves[0].suspense_won == 0


def test_a_late_tap_in_the_middle_of_a_day_is_allocated_once(town: Town) -> None:
    [card] = cards("late middle")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.city.tap_in(card, town.city.bus("143"), MORNING + 20_000, "강남역")
    town.city.tap_out(card, town.city.bus("143"), MORNING + 20_900, "신사역", metres=2_400)
    town.upload(town.city.bus("143"), town.city.metro("시청", "2호선"))
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert batch.leaves[0].increase_won == card.history[-1].state.cum_won
    waiting = batch.leaves[0].suspense_won
    assert waiting > 0
    assert town.adjustments.allocate_late(DAY) == []
    town.upload()
    assert len(town.adjustments.allocate_late(DAY)) == 1
    assert town.adjustments.allocate_late(DAY) == []
    town.seal()
    assert town.adjustments.allocate_late(DAY) == []
    assert town.totals()["suspense"] == 0
    [one] = town.corrected
    assert (one.kind, one.delta_won, one.guarantor_won, one.number) == ("allocate", waiting, 0, 1)
    assert town.adjustments.booked() == [one]


def test_what_nobody_explains_goes_to_the_risk_pool_after_90_days(town: Town) -> None:
    [card] = cards("never explained")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload(town.city.metro("강남", "2호선"))
    town.until(after(DAY, 1))
    [batch] = town.settle()
    waiting = batch.leaves[0].suspense_won
    assert waiting == card.history[-1].state.cum_won
    with pytest.raises(NotYetError):
        town.adjustments.expire_suspense(DAY, now=after(DAY, 89 * 24))
    town.until(after(DAY, 90 * 24 + 1))
    assert len(town.adjustments.expire_suspense(DAY, now=town.chain.now)) == 1
    town.seal()
    assert (town.totals()["suspense"], town.totals()["risk_pool"]) == (0, waiting)
    assert town.adjustments.expire_suspense(DAY, now=town.chain.now) == []


def _tap_on_only(town: Town, card: Card, time: int) -> int:
    """A village bus without tap-off: what may be added for it."""
    town.city.tap_in(card, town.city.bus("143"), time, "강남역")
    return card.history[-1].state.missing_out_won


def test_a_missing_tap_off_is_adjusted_after_72_hours_once_and_not_once_the_card_moved_on(town_on_both: Town) -> None:
    town = town_on_both
    stays, moves = cards("stays", "moves on")
    town.enrol(stays, moves)
    town.until(MORNING)
    for card in (stays, moves):
        town.city.ride(card, MORNING)
        missing = _tap_on_only(town, card, MORNING + 2_400)
    assert missing > 0
    town.upload()
    town.until(MORNING + DAY_S)
    town.city.ride(moves, MORNING + DAY_S)
    town.upload()
    town.until(after(DAY + 1, -1))
    town.settle()
    assert town.bank.guarantee.owed_won() == sum(leaf.guarantor_won for leaf in town.settled[0].leaves)
    with pytest.raises(NotYetError):
        town.adjustments.missing_tap_offs(DAY, now=after(DAY, 71))
    town.until(after(DAY, 73))
    for _ in range(2):
        assert len(town.adjustments.missing_tap_offs(DAY, now=town.chain.now)) == 1
    town.seal()
    assert len(town.adjustments.missing_tap_offs(DAY, now=town.chain.now)) == 1
    town.seal()
    [one] = town.corrected
    assert (one.kind, one.card, one.delta_won, one.guarantor_won) == ("adjust_up", stays.address, missing, missing)
    assert (
        town.bank.guarantee.collect("all", now=town.chain.now) == town.settled[0].leaves[0].guarantor_won * 2 + missing
    )


def test_what_was_added_for_a_missing_tap_off_comes_back_when_the_tap_off_does(town: Town) -> None:
    off, collected, kept = cards("off after all", "collected by the next", "never came")
    town.enrol(off, collected, kept)
    town.until(MORNING)
    for card in (off, collected, kept):
        town.city.ride(card, MORNING)
        missing = _tap_on_only(town, card, MORNING + 2_400)
    town.upload()
    late = town.city.reader("143 again", Gate(Mode.TRUNK, BUS, route="143"))
    town.city.tap_out(off, late, MORNING + 3_000, "신사역", metres=2_400)
    town.until(MORNING + DAY_S)
    town.city.tap_in(collected, late, MORNING + DAY_S, "강남역")
    town.until(after(DAY, 73))
    town.settle()
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()
    assert len(town.corrected) == 3
    assert town.adjustments.return_missing_tap_offs(DAY) == []
    town.upload(late)
    for _ in range(2):
        town.adjustments.return_missing_tap_offs(DAY)
        town.seal()
    assert {(one.card, one.delta_won, one.guarantor_won) for one in town.corrected[3:]} == {
        (off.address, -missing, -missing),
        (collected.address, -missing, -missing),
    }
    town.settle()
    assert town.account(off).slot.cum_won == off.history[-1].state.cum_won
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_it_comes_back_too_where_the_whole_record_waited_in_suspense(town: Town) -> None:
    """Nobody is credited by the record; the bus of the missing tap-off has a place in its batch all the same."""
    [card] = cards("in suspense, off after all")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    missing = _tap_on_only(town, card, MORNING + 2_400)
    town.upload(town.city.metro("시청", "2호선"), town.city.bus("143"))
    late = town.city.reader("143 rear door", Gate(Mode.TRUNK, BUS, route="143"))
    town.city.tap_out(card, late, MORNING + 3_000, "신사역", metres=2_400)
    town.until(after(DAY, 73))
    [batch] = town.settle()
    assert batch.leaves[0].suspense_won == batch.leaves[0].increase_won
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()
    town.upload()
    assert len(town.adjustments.return_missing_tap_offs(DAY)) == 1
    town.seal()
    assert [one.delta_won for one in town.corrected] == [missing, -missing]
    town.settle()
    for _ in range(2):
        town.adjustments.allocate_late(DAY)
        town.seal()
    assert town.totals()["suspense"] == 0
    town.bank.guarantee.collect("all", now=town.chain.now)


def test_a_missing_tap_off_over_the_cap_stops_no_other(town: Town) -> None:
    poor, rich = cards("poor", "rich")
    town.enrol(poor, cap_won=2_000)
    town.enrol(rich)
    town.until(MORNING)
    for card in (poor, rich):
        town.city.ride(card, MORNING)
        missing = _tap_on_only(town, card, MORNING + 2_400)
    assert 0 < 2_000 - poor.history[-1].state.cum_won < missing
    town.upload()
    town.until(after(DAY, 1))
    town.settle()
    town.until(after(DAY, 73))
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()
    assert [one.card for one in town.corrected] == [rich.address]
    [refused] = town.adjustments.refused()
    assert refused.card == poor.address
    assert '"refused":"CAP"' in refused.body


def test_money_comes_back_to_guarantor_then_balance_then_voucher(town: Town) -> None:
    [card] = cards("gives back")
    town.enrol(card, balance_won=400)
    town.lot(card, 300, DAY, DAY + 1)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    [leaf] = batch.leaves
    assert (leaf.voucher_won, leaf.balance_won) == (300, 400)
    [record] = town.records(card)
    number = record.id or 0
    back = town.adjustments.give_back
    with pytest.raises(NothingToAdjustError):
        back(number, leaf.increase_won + 1, AdjustReason.OVERCHARGED)
    back(number, leaf.guarantor_won - 100, AdjustReason.OVERCHARGED)
    with pytest.raises(NotYetError):
        back(number, 1, AdjustReason.OVERCHARGED)
    town.seal()
    assert town.account(card).slot.balance_won == 0
    back(number, 100 + 350, AdjustReason.OVERCHARGED)
    town.seal()
    assert town.account(card).slot.balance_won == 350
    back(number, 50 + 120, AdjustReason.NOT_MY_RIDE)
    town.seal()
    assert [lot.remaining_won for lot in town.account(card).lots.values()] == [120]
    assert town.bank.guarantee.owed_won() == 0
    assert [one.number for one in town.corrected] == [1, 2, 3]
    town.until(after(DAY + 1, 73))
    town.closing.close_day(DAY + 1, now=town.chain.now)
    town.seal()
    town.chain.outbox(6).once("lapse", "Fares", "lapse", [[int.from_bytes(card.address, "big")]])
    town.seal()
    assert town.account(card).lots == {}
    pool = town.chain.client.address("Vouchers")
    before = town.chain.client.call("Won", "balanceOf", [pool])
    back(number, 180, AdjustReason.NOT_MY_RIDE)  # the rest, to the pool of the lapsed lot
    town.seal()
    assert town.chain.client.call("Won", "balanceOf", [pool]) == before + 180
    with pytest.raises(NothingToAdjustError):
        back(number, 1, AdjustReason.NOT_MY_RIDE)


def test_after_the_cards_month_the_balances_part_goes_to_the_guarantor(town: Town) -> None:
    [card] = cards("month ended")
    town.enrol(card, balance_won=5_000)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert batch.leaves[0].guarantor_won == 0
    town.until(after(month_last_day(month_of(DAY)), 1))
    town.adjustments.give_back(town.records(card)[0].id or 0, 700, AdjustReason.OVERCHARGED)
    town.seal()
    assert town.corrected[0].guarantor_won == -700 == town.bank.guarantee.owed_won()


def test_a_day_closes_after_72_hours_when_its_records_are_in(town: Town) -> None:
    [card] = cards("closing")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 71))
    with pytest.raises(NotYetError, match="72 hours"):
        town.closing.close_day(DAY, now=town.chain.now)
    town.until(after(DAY, 72))
    with pytest.raises(NotYetError, match="1 cards whose taps are not settled"):
        town.closing.close_day(DAY, now=town.chain.now)
    town.settlement.plan(DAY, now=town.chain.now)
    with pytest.raises(NotYetError, match="not in a block"):
        town.closing.close_day(DAY, now=town.chain.now)
    town.seal()
    for _ in range(2):
        town.closing.close_day(DAY, now=town.chain.now)
        town.seal()
    assert len(town.chain.client.events("Fares", "DayClosed")) == 1
    town.until(after(DAY, 24) + CLOSE_LATEST_S)
    town.closing.close_day(DAY + 1, now=town.chain.now)  # counts as closed: nothing to say
    assert town.seal() == []


def test_credits_are_released_only_once_the_guarantor_paid_in(town: Town) -> None:
    [card] = cards("release")
    town.enrol(card)
    town.until(MORNING)
    town.city.ride(card, MORNING)
    town.upload()
    town.until(after(DAY, 1))
    [batch] = town.settle()
    assert town.closing.pending() == [batch.credits]
    town.until(after(DAY, 26))
    assert town.closing.releasable(now=town.chain.now) == []
    town.bank.guarantee.collect("day", now=town.chain.now)
    town.seal()
    assert town.closing.releasable(now=after(DAY, 2)) == []
    waiting = town.closing.releasable(now=town.chain.now)
    assert [one.number for one in waiting] == [batch.number]
    for _ in range(2):
        town.closing.release("day", waiting)
        town.seal()
    assert town.closing.pending() == [] == town.closing.releasable(now=town.chain.now, silence_s=0)
    assert town.chain.client.call("Credits", "payable_to", [METRO]) == batch.credits[METRO]
