"""Fees, the hybrid example of zeropay.md §8, and netting."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.zeropay import rules
from services.zeropay.errors import FeeError, SplitError, UnbalancedError, WonError, ZeropayError


@pytest.mark.parametrize(
    ("net", "basis_points", "expected"),
    [
        (123_457, 30, 370),
        (123_457, 50, 617),
        (123_457, 0, 0),
        (0, 50, 0),
        (333, 30, 0),
        (334, 30, 1),
        (10_000, 120, 120),
    ],
)
def test_merchant_fee(net: int, basis_points: int, expected: int) -> None:
    assert rules.fee(net, basis_points) == expected


@pytest.mark.parametrize(
    ("sales", "tier"),
    [(0, 0), (800_000_000, 0), (800_000_001, 30), (1_200_000_000, 30), (1_200_000_001, 50)],
)
def test_fee_tiers(sales: int, tier: int) -> None:
    assert rules.tier_of(sales) == tier


@pytest.mark.parametrize(
    ("captured", "refunded", "carried", "expected"),
    [
        (123_457, 0, 0, rules.MerchantDay(123_457, 370, 123_087, 0)),
        (5_000, 8_000, 0, rules.MerchantDay(-3_000, 0, 0, -3_000)),
        (10_000, 0, -3_000, rules.MerchantDay(7_000, 21, 6_979, 0)),
        (2_000, 0, -3_000, rules.MerchantDay(-1_000, 0, 0, -1_000)),
    ],
    ids=["a plain day", "refunds exceed", "the next day takes it", "not yet"],
)
def test_a_negative_net_is_carried(captured: int, refunded: int, carried: int, expected: rules.MerchantDay) -> None:
    assert rules.net_day(captured, refunded, carried, 30) == expected


def test_hybrid_fare_of_1750() -> None:
    fare = rules.fare_entry({"L1": 900}, 0, 850, {"metro": 988, "bus": 762})
    assert fare == (
        ("rider:voucher:L1", 900),
        ("rider:account_debit", 850),
        ("operator:payable:bus", -762),
        ("operator:payable:metro", -988),
    )
    next_day = [rules.bank_file_entry(850), rules.payout_entry({"metro": 988, "bus": 762})]
    standing = rules.balances([fare, *next_day])
    assert standing == {"bank:settlement": -900, "rider:voucher:L1": 900}
    assert sum(standing.values()) == 0


@given(
    vouchers=st.dictionaries(st.sampled_from("abc"), st.integers(1, 9_999), max_size=3),
    balance=st.integers(0, 9_999),
    account=st.integers(1, 9_999),
    cut=st.integers(0, 9_999),
)
def test_every_fare_balances(vouchers: dict[str, int], balance: int, account: int, cut: int) -> None:
    paid = sum(vouchers.values()) + balance + account
    shares = {"one": min(cut, paid), "two": paid - min(cut, paid)}
    assert sum(won for _, won in rules.fare_entry(vouchers, balance, account, shares)) == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(0, 10**9)), max_size=30))
def test_net_positions_add_up_to_nothing(claims: list[tuple[str, str, int]]) -> None:
    assert sum(rules.net_positions(claims).values()) == 0


MUST_FAIL: dict[str, tuple[type[ZeropayError], Callable[[], object]]] = {
    "shares above what was paid": (SplitError, lambda: rules.fare_entry({}, 0, 850, {"metro": 851})),
    "shares below what was paid": (SplitError, lambda: rules.fare_entry({}, 0, 850, {"metro": 849})),
    "unbalanced": (UnbalancedError, lambda: rules.check_entry([("a", 1), ("b", -2)])),
    "one line": (UnbalancedError, lambda: rules.check_entry([("a", 1)])),
    "no lines": (UnbalancedError, lambda: rules.entry([])),
    "zero line": (WonError, lambda: rules.check_entry([("a", 0), ("b", 0)])),
    "nameless account": (WonError, lambda: rules.check_entry([("", 1), ("b", -1)])),
    "huge line": (WonError, lambda: rules.check_entry([("a", 1 << 40), ("b", -(1 << 40))])),
    "negative rate": (FeeError, lambda: rules.fee(1, -1)),
    "rate above a card's": (FeeError, lambda: rules.fee(1, 121)),
    "fee on a negative net": (WonError, lambda: rules.fee(-1, 30)),
    "negative sales": (WonError, lambda: rules.tier_of(-1)),
    "negative capture": (WonError, lambda: rules.net_day(-1, 0, 0, 0)),
    "negative refund": (WonError, lambda: rules.net_day(0, -1, 0, 0)),
    "positive carry": (WonError, lambda: rules.net_day(0, 0, 1, 0)),
    "negative claim": (WonError, lambda: rules.net_positions([("a", "b", -1)])),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail(fault: str) -> None:
    error, call = MUST_FAIL[fault]
    with pytest.raises(error):
        call()
