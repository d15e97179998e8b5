"""The worked checks of voucher.md §8 as tables, and what must hold for every lot."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.days import date_of, day_number
from services.vouchers import clawback, rules, validity
from services.vouchers.errors import AmountError, ConservationError, ProgrammeError
from services.vouchers.programmes import Carry, CarryKind, Period, presets
from services.vouchers.rules import Lot, Split

JULY_31 = day_number(date(2026, 7, 31))
AUGUST_31 = day_number(date(2026, 8, 31))
TODAY = day_number(date(2026, 7, 20))


def lot(number: int, won: int, last: int = AUGUST_31, *, priority: int = 10, rule_set: int = 1, start: int = 0) -> Lot:
    return Lot(number, rule_set, priority, won, won, start, last)


def test_check_1_two_lots_pay_one_fare() -> None:
    split = rules.split_fare(1_550, [lot(2, 50_000), lot(1, 900, JULY_31)], service_day=TODAY, balance_won=0)
    assert split == Split(((1, 900), (2, 650)), 1_550, 0, 0)


def test_check_2_per_tap_cap_then_balance_then_account() -> None:
    split = rules.split_fare(3_000, [lot(1, 50_000)], service_day=TODAY, balance_won=400, per_tap_cap_won=2_000)
    assert (split.voucher_won, split.balance_won, split.account_won) == (2_000, 400, 600)


def test_check_3_refund_after_the_lot_ended_lapses() -> None:
    ended = lot(1, 50_000, JULY_31)
    split = rules.split_fare(3_000, [ended], service_day=JULY_31, balance_won=400, per_tap_cap_won=2_000)
    back = rules.refund(split, 3_000, [ended], service_day=JULY_31 + 1)
    assert (back.account_won, back.balance_won, back.lots, back.lapsed_won) == (600, 400, (), 2_000)
    assert back.rider_won == 1_000


@pytest.mark.parametrize(
    ("cap_won", "expected"), [(50_000, (38_300, 0)), (20_000, (20_000, 18_300))], ids=["cap 50,000", "cap 20,000"]
)
def test_check_4_month_roll(cap_won: int, expected: tuple[int, int]) -> None:
    assert rules.roll(38_300, Carry(CarryKind.CAP, cap_won)) == expected


def test_check_5_disabled_bus_refund() -> None:
    cap = presets()["DISABLED-BUS"].grant_won
    own, companion = rules.monthly_refund([1_500] * 41, [1_500] * 12, cap)
    assert (own, companion, own + companion) == (50_000, 18_000, 68_000)


def test_check_6_youth_mileage() -> None:
    programme = presets()["YOUTH-MILEAGE"]
    assert rules.mileage([310_000, 240_000], programme.rate_bp, programme.grant_won) == [62_000, 38_000]


@pytest.mark.parametrize(
    ("event", "last"),
    [
        (date(2026, 2, 11), date(2026, 8, 31)),
        (date(2026, 2, 28), date(2026, 8, 31)),
        (date(2025, 8, 31), date(2026, 2, 28)),
        (date(2027, 8, 1), date(2028, 2, 29)),
        (date(2026, 12, 1), date(2027, 6, 30)),
    ],
    ids=["born", "due date", "short February", "leap February", "over the year"],
)
def test_check_7_pregnancy_ends_six_months_after_the_birth(event: date, last: date) -> None:
    window = validity.lot_window(presets()["PREGNANCY"], TODAY, event)
    assert date_of(window.last_service_day) == last


@pytest.mark.parametrize(
    ("programme", "granted", "last"),
    [
        ("TW-BASIC", date(2026, 7, 1), date(2026, 7, 31)),
        ("TW-BASIC", date(2026, 7, 31), date(2026, 7, 31)),
        ("TW-BASIC", date(2026, 2, 10), date(2026, 2, 28)),
        ("ENERGY", date(2025, 7, 1), date(2026, 5, 25)),
        ("ENERGY", date(2026, 5, 25), date(2026, 5, 25)),
        ("ENERGY", date(2026, 5, 26), date(2027, 5, 25)),
    ],
)
def test_validity_of_presets(programme: str, granted: date, last: date) -> None:
    window = validity.lot_window(presets()[programme], day_number(granted))
    assert date_of(window.last_service_day) == last


def test_a_licence_return_card_never_ends() -> None:
    assert validity.lot_window(presets()["LICENCE-RETURN"], TODAY).last_service_day == 0xFFFF


def test_tw_basic_with_its_carry_ends_at_four_on_the_first_of_month_plus_two() -> None:
    first = validity.lot_window(presets()["TW-BASIC"], day_number(date(2026, 7, 1)))
    carried = validity.carried_window(CarryKind.CAP, first.last_service_day)
    assert (date_of(carried.start_day), date_of(carried.last_service_day)) == (date(2026, 8, 1), date(2026, 8, 31))
    # 2026-09-01 03:59:59 KST is the last second
    assert validity.expires_at(carried.last_service_day) == 1_788_202_800


@pytest.mark.parametrize(
    ("policy", "counted"), [(validity.SlipPolicy.TAP_TIME, True), (validity.SlipPolicy.SLIP_DATE, False)]
)
def test_a_tap_before_the_end_counts_when_its_slip_is_late(policy: validity.SlipPolicy, counted: bool) -> None:
    end = validity.expires_at(JULY_31)
    assert validity.counts(end - 1, end + 3_600, end, policy) is counted
    assert validity.counts(end, end, end, policy) is False


@pytest.mark.parametrize(
    ("month", "expected"),
    [(2026 * 12 + 6, (date(2026, 7, 20), date(2026, 7, 31))), (2026 * 12 + 7, (date(2026, 8, 1), date(2026, 8, 15)))],
)
def test_a_long_lot_is_cut_to_its_cards_months(month: int, expected: tuple[date, date]) -> None:
    window = validity.card_window(validity.Window(TODAY, day_number(date(2026, 8, 15))), month)
    assert window is not None
    assert (date_of(window.start_day), date_of(window.last_service_day)) == expected


def test_a_lot_outside_the_cards_month_is_none() -> None:
    assert validity.card_window(validity.Window(TODAY, TODAY + 5), 2026 * 12 + 8) is None


def test_spend_order_is_end_then_priority_then_number() -> None:
    lots = [lot(1, 1), lot(2, 1, JULY_31, priority=9), lot(4, 1, JULY_31, priority=5), lot(3, 1, JULY_31, priority=5)]
    assert [one.lot_no for one in rules.spend_order(lots)] == [3, 4, 2, 1]


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"own_won": 1_550}, (0, 100, 1_450)),
        ({"day_cap_won": {1: 20_000}, "used_today_won": {1: 19_500}}, (500, 100, 950)),
        ({"day_cap_won": {1: 20_000}, "used_today_won": {1: 20_000}}, (0, 100, 1_450)),
        ({"service_day": AUGUST_31 + 1}, (0, 100, 1_450)),
        ({"own_won": 550, "per_tap_cap_won": 800}, (800, 100, 650)),
    ],
    ids=["penalty", "day cap nearly used", "day cap used", "lot ended", "own part and per-tap cap"],
)
def test_what_vouchers_may_not_pay(kwargs: dict[str, object], expected: tuple[int, int, int]) -> None:
    arguments: dict[str, object] = {"service_day": TODAY, "balance_won": 100} | kwargs
    split = rules.split_fare(1_550, [lot(1, 50_000)], **arguments)  # type: ignore[arg-type]
    assert (split.voucher_won, split.balance_won, split.account_won) == expected


def test_two_lots_of_one_rule_set_share_its_day_cap() -> None:
    lots = [lot(1, 900, JULY_31), lot(2, 50_000)]
    split = rules.split_fare(3_000, lots, service_day=TODAY, balance_won=0, day_cap_won={1: 1_000})
    assert split.lots == ((1, 900), (2, 100))


@pytest.mark.parametrize("refunded", [0, 1, 600, 601, 1_000, 1_001, 3_000])
def test_refund_reverses_account_balance_voucher(refunded: int) -> None:
    living = lot(1, 50_000)
    split = rules.split_fare(3_000, [living], service_day=TODAY, balance_won=400, per_tap_cap_won=2_000)
    back = rules.refund(split, refunded, [living], service_day=TODAY)
    expected = (min(refunded, 600), max(0, min(refunded - 600, 400)), max(0, refunded - 1_000))
    assert (back.account_won, back.balance_won, sum(won for _, won in back.lots)) == expected


def test_refund_returns_to_the_last_lot_first() -> None:
    lots = [lot(1, 900, JULY_31), lot(2, 50_000)]
    split = rules.split_fare(1_550, lots, service_day=TODAY, balance_won=0)
    assert rules.refund(split, 700, lots, service_day=TODAY).lots == ((2, 650), (1, 50))


MUST_FAIL = {
    "negative fare": lambda: rules.split_fare(-1, [], service_day=TODAY, balance_won=0),
    "negative balance": lambda: rules.split_fare(1, [], service_day=TODAY, balance_won=-1),
    "own part above the fare": lambda: rules.split_fare(1, [], service_day=TODAY, balance_won=0, own_won=2),
    "refund above what was paid": lambda: rules.refund(Split((), 0, 5, 5), 11, [], service_day=TODAY),
    "negative refund": lambda: rules.refund(Split((), 0, 5, 5), -1, [], service_day=TODAY),
    "refund of a lot not given": lambda: rules.refund(Split(((1, 5),), 5, 0, 0), 5, [], service_day=TODAY),
    "negative remainder": lambda: rules.roll(-1, Carry()),
    "reserve more than remains": lambda: rules.reserve(lot(1, 10), 11),
    "reserve nothing": lambda: rules.reserve(lot(1, 10), 0),
    "capture without reservation": lambda: rules.capture(lot(1, 10), 1),
    "release without reservation": lambda: rules.release(lot(1, 10), 1),
    "give back without capture": lambda: rules.give_back(lot(1, 10), 1),
    "lapse while reserved": lambda: rules.lapse(rules.reserve(lot(1, 10), 1)),
    "negative ride": lambda: rules.monthly_refund([-1], [], 50_000),
    "negative rate": lambda: rules.mileage([1], -1, 1),
    "negative clawback": lambda: clawback.claim(-1, 0, [], "rider"),
    "negative bounty": lambda: clawback.bounty(-1),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_amounts_that_must_fail(fault: str) -> None:
    with pytest.raises(AmountError):
        MUST_FAIL[fault]()


def test_a_lot_whose_parts_do_not_add_up_cannot_be() -> None:
    with pytest.raises(ConservationError):
        Lot(1, 1, 10, 100, 99, 0, TODAY)
    with pytest.raises(ConservationError):
        replace(lot(1, 100), captured_won=1)


@pytest.mark.parametrize(
    "call",
    [
        lambda: validity.period_window(Period.ONCE, TODAY),
        lambda: validity.lot_window(presets()["PREGNANCY"], TODAY),
        lambda: validity.carried_window(CarryKind.NONE, TODAY),
    ],
    ids=["a single grant has no period", "no birth given", "nothing carries"],
)
def test_dates_that_cannot_be_known(call: object) -> None:
    with pytest.raises(ProgrammeError):
        call()  # type: ignore[operator]


@given(
    won=st.integers(1, 10_000),
    moves=st.lists(
        st.tuples(st.sampled_from(["reserve", "capture", "release", "give_back"]), st.integers(1, 3_000)), max_size=30
    ),
    end=st.sampled_from(["lapse", "revoke"]),
)
def test_every_sequence_conserves_the_lot(won: int, moves: list[tuple[str, int]], end: str) -> None:
    now = lot(1, won)
    for name, part in moves:
        available = {
            "reserve": now.remaining_won,
            "capture": now.reserved_won,
            "release": now.reserved_won,
            "give_back": now.captured_won,
        }[name]
        if part <= available:
            now = getattr(rules, name)(now, part)
    if end == "revoke" or not now.reserved_won:
        now = getattr(rules, end)(now)
    parts = now.remaining_won + now.reserved_won + now.captured_won + now.lapsed_won + now.revoked_won
    assert parts == now.won == won


@given(
    fare=st.integers(0, 20_000),
    lots=st.lists(st.tuples(st.integers(0, 9_000), st.integers(TODAY - 3, TODAY + 3), st.integers(1, 2)), max_size=4),
    balance=st.integers(0, 9_000),
    cap=st.integers(0, 5_000),
    day_cap=st.integers(0, 5_000),
    refunded=st.integers(0, 20_000),
)
def test_a_split_pays_exactly_and_a_refund_returns_exactly(
    fare: int, lots: list[tuple[int, int, int]], balance: int, cap: int, day_cap: int, refunded: int
) -> None:
    made = [lot(n, won, last, rule_set=rule) for n, (won, last, rule) in enumerate(lots, 1)]
    split = rules.split_fare(
        fare, made, service_day=TODAY, balance_won=balance, per_tap_cap_won=cap, day_cap_won={1: day_cap, 2: day_cap}
    )
    assert split.total_won == fare
    assert split.voucher_won == sum(won for _, won in split.lots)
    assert not cap or split.voucher_won <= cap
    back = rules.refund(split, min(refunded, fare), made, service_day=TODAY + 1)
    assert back.rider_won + back.lapsed_won == min(refunded, fare)


@pytest.mark.parametrize(
    ("improper", "fee", "unspent", "offsets", "receivable"),
    [
        (10_000, 500, (4_000,), ((1, 4_000),), 6_500),
        (3_000, 0, (4_000,), ((1, 3_000),), 0),
        (3_000, 0, (), (), 3_000),
        (5_000, 0, (2_000, 9_000), ((1, 2_000), (2, 3_000)), 0),
    ],
)
def test_clawback_takes_unspent_lots_then_bills(
    improper: int, fee: int, unspent: tuple[int, ...], offsets: tuple[tuple[int, int], ...], receivable: int
) -> None:
    lots = [lot(n, won) for n, won in enumerate(unspent, 1)]
    claim = clawback.claim(improper, fee, lots, "rider", ["operator"])
    assert (claim.offsets, claim.receivable_won) == (offsets, receivable)
    assert sum(won for _, won in claim.offsets) + claim.receivable_won == claim.total_won
    assert claim.liable == ("rider", "operator")


@pytest.mark.parametrize(
    ("share", "reward"), [(0, 0), (1, 30_000), (100_000, 30_000), (100_001, 30_000), (1_000_000, 300_000)]
)
def test_bounty(share: int, reward: int) -> None:
    assert clawback.bounty(share) == reward


def test_taps_after_the_day_of_the_event_and_one_more_are_improper() -> None:
    assert clawback.improper_since([(10, 100), (11, 200), (12, 400), (13, 800)], 10) == 1_200
