"""Cards, purses, days and lapse: each act's codes and clocks (money.md §1, §3; contracts/codes.py, CardCode)."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import addresses, leaves, merkle, records
from contracts.codes import CardCode
from contracts.hashing import keccak
from contracts.records import CardAccount
from contracts.twins.fares import month_days
from tests.contracts import fares_city as city
from tests.contracts.fares_city import (
    CITY,
    CLEARING,
    DAY_S,
    FIRST_DAY,
    KOOKMIN,
    LAST_DAY,
    METRO,
    MONTH,
    OTHER_CLEARING,
    WOORI,
    record,
    sender,
)
from tests.contracts.fares_pair import fresh_world
from tests.contracts.harness import SERVICE_DAY, Outcome, Reverted, World

ROLL_S = 5 * 3_600  # 04:00 KST stands five hours ahead of midnight UTC
KOOKMIN_ISSUES, WOORI_ISSUES = sender(KOOKMIN, "issue"), sender(WOORI, "issue")


@pytest.fixture
def world() -> World:
    world = fresh_world()
    city.open_books(world)
    city.enrol(world, range(1, 5))
    return world


def act(world: World, function: str, numbers: list[int], by: bytes = KOOKMIN_ISSUES) -> Outcome:
    """An act on bare cards."""
    return world.transact(by, "Fares", function, [[records.card_word(city.card(number)) for number in numbers]])


def account(world: World, number: int) -> CardAccount:
    return CardAccount.unpack(world.call("Fares", "card", [city.card(number)]))


def begin(world: World, day: int) -> None:
    """Time is the first second of a service day."""
    world.time = day * DAY_S - ROLL_S


# --- enrolment


def test_a_card_reads_as_it_was_enrolled(world: World) -> None:
    slot = account(world, 1).slot
    assert (slot.first_day, slot.last_day, slot.cap_won) == (FIRST_DAY, LAST_DAY, 20_000)
    assert (slot.guarantor, slot.clearing_house, slot.status, slot.balance_won, slot.seq) == (
        KOOKMIN,
        CLEARING,
        1,
        0,
        0,
    )


def test_enrolment_passes_over_what_it_cannot_take_and_proves_each_word(world: World) -> None:
    words = [records.enrol_word(city.card(n), 5_000) for n in (1, 6, 6)] + [5 << 160, 1 << 176 | 99]
    outcome = world.transact(WOORI_ISSUES, "Fares", "enrol", [MONTH, CLEARING, words])
    codes = [CardCode.ENROLLED, CardCode.DONE, CardCode.ENROLLED, CardCode.MALFORMED, CardCode.MALFORMED]
    assert list(outcome.value) == codes
    cards = [city.card(n) for n in (1, 6, 6)] + [bytes(20), (99).to_bytes(20, "big")]
    tree = [
        leaves.enrolled_leaf(card, MONTH, CLEARING, cap, code, WOORI)
        for card, cap, code in zip(cards, (5_000, 5_000, 5_000, 5_000, 0), codes, strict=True)
    ]
    enrolled = outcome.event("Enrolled")
    assert (enrolled["cards_root"], enrolled["size"], enrolled["accepted"]) == (merkle.root(tree, keccak), 5, 1)


@pytest.mark.parametrize("month", range(2024 * 12, 2029 * 12 + 1, 1))
def test_months_begin_and_end_with_the_calendar(month: int) -> None:
    world = fresh_world()
    first, last = month_days(month)
    begin(world, first)
    world.transact(KOOKMIN_ISSUES, "Fares", "enrol", [month, CLEARING, [records.enrol_word(city.card(1), 0)]])
    slot = account(world, 1).slot
    assert (slot.first_day, slot.last_day) == (first, last)


@pytest.mark.parametrize(
    ("by", "month", "house", "words", "reason"),
    [
        (sender(CITY, "issue"), MONTH, CLEARING, [1], "SENDER"),
        (sender(KOOKMIN, "settle"), MONTH, CLEARING, [1], "SENDER"),
        (KOOKMIN_ISSUES, MONTH - 1, CLEARING, [1], "MONTH"),
        (KOOKMIN_ISSUES, MONTH + 3, CLEARING, [1], "MONTH"),
        (KOOKMIN_ISSUES, 0, CLEARING, [1], "MONTH"),
        (KOOKMIN_ISSUES, 65_535, CLEARING, [1], "MONTH"),
        (KOOKMIN_ISSUES, MONTH, METRO, [1], "CLEARING HOUSE"),
        (KOOKMIN_ISSUES, MONTH, CLEARING + 4_096, [1], "CLEARING HOUSE"),
        (KOOKMIN_ISSUES, MONTH, CLEARING, [], "EMPTY"),
    ],
    ids=["city", "wrong purpose", "ended", "far ahead", "zero", "end of time", "operator", "id too wide", "empty"],
)
def test_enrolment_refuses(world: World, by: bytes, month: int, house: int, words: list[int], reason: str) -> None:
    with pytest.raises(Reverted, match=rf"^{reason}$"):
        world.transact(by, "Fares", "enrol", [month, house, words])


def test_caps_rise_and_never_fall(world: World) -> None:
    words = [records.enrol_word(city.card(n), cap) for n, cap in ((1, 30_000), (2, 19_000), (9, 30_000))]
    assert list(world.transact(KOOKMIN_ISSUES, "Fares", "set_caps", [words]).value) == [
        CardCode.DONE,
        CardCode.CAP_FALLS,
        CardCode.UNKNOWN,
    ]
    assert list(world.transact(WOORI_ISSUES, "Fares", "set_caps", [words[:1]]).value) == [CardCode.NOT_YOURS]
    assert [account(world, n).slot.cap_won for n in (1, 2)] == [30_000, 20_000]


# --- purses


def test_topping_up_moves_won_from_the_banks_account(world: World) -> None:
    before = world.call("Won", "balanceOf", [sender(WOORI, "account")])
    words = [records.fund_word(city.card(n), won) for n, won in ((1, 3_000), (1, 2_000), (9, 5), (2, 0))]
    words.append(records.card_word(city.card(3)) | 1 << 192)
    outcome = world.transact(WOORI_ISSUES, "Fares", "fund", [words])
    assert list(outcome.value) == [0, 0, CardCode.UNKNOWN, CardCode.MALFORMED, CardCode.MALFORMED]
    assert account(world, 1).slot.balance_won == 5_000
    assert before - world.call("Won", "balanceOf", [sender(WOORI, "account")]) == 5_000
    assert outcome.event("Funded")["amount_won"] == 5_000
    assert city.conserve(world)[0] == 5_000


def test_a_top_up_that_the_bank_cannot_pay_changes_nothing(world: World) -> None:
    with pytest.raises(Reverted, match=r"^BALANCE$"):
        city.fund(world, {1: 200_000_001})
    assert account(world, 1).slot.balance_won == 0


def test_a_purse_has_a_bound_and_an_end(world: World) -> None:
    city.fund(world, {1: 1})
    word = records.fund_word(city.card(1), 2**32 - 1)
    assert list(world.transact(KOOKMIN_ISSUES, "Fares", "fund", [[word]]).value) == [CardCode.OVERFLOW]
    begin(world, LAST_DAY + 1)
    assert list(city.fund(world, {1: 1}).value) == [CardCode.MONTH_ENDED]


# --- remainders and sweeping


def test_a_remainder_goes_back_once_the_months_last_day_is_closed(world: World) -> None:
    city.fund(world, {1: 7_000})
    begin(world, LAST_DAY + 4)
    assert list(act(world, "withdraw", [1]).value) == [CardCode.NOT_YET]
    world.transact(sender(CLEARING, "settle"), "Fares", "close_day", [LAST_DAY])
    before = world.call("Won", "balanceOf", [sender(KOOKMIN, "account")])
    assert list(act(world, "withdraw", [1, 1, 2, 9]).value) == [0, CardCode.EMPTY, CardCode.EMPTY, CardCode.UNKNOWN]
    assert world.call("Won", "balanceOf", [sender(KOOKMIN, "account")]) - before == 7_000
    assert city.conserve(world)[0] == 0


def test_a_lost_cards_remainder_goes_back_72_hours_after_the_report(world: World) -> None:
    city.fund(world, {1: 7_000})
    assert list(act(world, "report_lost", [1, 9], WOORI_ISSUES).value) == [CardCode.NOT_YOURS, CardCode.UNKNOWN]
    assert list(act(world, "report_lost", [1, 1]).value) == [0, CardCode.ALREADY]
    world.time += 3 * DAY_S - 1
    assert list(act(world, "withdraw", [1]).value) == [CardCode.NOT_YET]
    world.time += 1
    assert list(act(world, "withdraw", [1]).value) == [0]
    # What it rode before the report is still settled, by its guarantor.
    assert city.settle(world, [record(1, {METRO: 1_550})]).event("Settled")["guarantor_won"] == 1_550


def test_a_card_is_swept_90_days_after_its_month_and_only_empty(world: World) -> None:
    city.fund(world, {2: 1})
    begin(world, LAST_DAY + 91)
    world.time -= 1
    assert list(act(world, "sweep", [1]).value) == [CardCode.NOT_YET]
    world.time += 1
    assert list(act(world, "sweep", [1, 2, 1]).value) == [0, CardCode.NOT_EMPTY, CardCode.UNKNOWN]
    assert not any(world.call("Fares", "card", [city.card(1)]))


# --- closing of days


@pytest.mark.parametrize(
    ("day", "reason"),
    [(SERVICE_DAY - 3, "EARLY"), (SERVICE_DAY + 1, "EARLY"), (SERVICE_DAY - 31, "CLOSED"), (0, "CLOSED")],
)
def test_days_close_between_72_hours_and_30_days(world: World, day: int, reason: str) -> None:
    begin(world, SERVICE_DAY)
    with pytest.raises(Reverted, match=rf"^{reason}$"):
        world.transact(sender(CLEARING, "settle"), "Fares", "close_day", [day])


def test_each_clearing_house_closes_its_own_days_once(world: World) -> None:
    begin(world, SERVICE_DAY)
    day = SERVICE_DAY - 4
    world.transact(sender(CLEARING, "settle"), "Fares", "close_day", [day])
    assert world.call("Fares", "is_closed", [CLEARING, day])
    assert not world.call("Fares", "is_closed", [OTHER_CLEARING, day])
    with pytest.raises(Reverted, match=r"^CLOSED$"):
        world.transact(sender(CLEARING, "settle"), "Fares", "close_day", [day])
    begin(world, day + 31)
    assert world.call("Fares", "is_closed", [OTHER_CLEARING, day])


def test_lots_do_not_lapse_before_their_day_is_closed(world: World) -> None:
    city.issue(world, {1: 1_000}, last=SERVICE_DAY)
    begin(world, SERVICE_DAY + 4)
    with pytest.raises(Reverted, match=r"^NONE$"):
        act(world, "lapse", [1])


@pytest.mark.parametrize("function", ["next_batch", "amend", "give", "give_lapsed"])
def test_what_only_credits_may_ask_of_fares(world: World, function: str) -> None:
    arguments: dict[str, list[Any]] = {
        "next_batch": [],
        "amend": [1, [0, 0, 0, 0, 0]],
        "give": [city.card(1), 1],
        "give_lapsed": [1, 1, 1],
    }
    with pytest.raises(Reverted, match=r"^SENDER$"):
        world.transact(sender(CLEARING, "settle"), "Fares", function, arguments[function])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("open", [9, CLEARING, SERVICE_DAY, keccak(b""), 0, METRO, 1_000_000, 0, [0] * 8]),
        ("paid_in", [KOOKMIN, 1]),
        ("risk_pool_funded", [CITY, 1]),
    ],
)
def test_what_only_fares_may_ask_of_credits(world: World, function: str, arguments: list[Any]) -> None:
    for by in (sender(CLEARING, "settle"), KOOKMIN_ISSUES, addresses.VOUCHERS):
        with pytest.raises(Reverted, match=r"^SENDER$"):
            world.transact(by, "Credits", function, arguments)
