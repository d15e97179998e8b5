"""Vouchers under random steps: pools stay alike and are covered by Won."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses
from contracts.codes import Carry
from contracts.hashing import keccak
from contracts.twins.won import UNLIMITED
from tests.contracts.city import CITY, KOOKMIN, account, sender
from tests.contracts.harness import SERVICE_DAY, key
from tests.contracts.voucher_steps import (
    ADMINISTERS,
    BASIC,
    ISSUES,
    Steps,
    item,
    request,
)

# --- chain and twin under random steps


class VouchersMachine(RuleBasedStateMachine):
    """Funders, city, registry and Fares do anything; pools stay alike and are covered by Won."""

    def __init__(self) -> None:
        super().__init__()
        self.city = Steps()
        args: list[Any] = [account(CITY), 400_000, keccak(b"fund")]
        by = sender(KOOKMIN, "issue")
        self.city.step(by, "Won", "mint", args, lambda: self.city.won.mint(by, *args))
        self.city.step(
            account(CITY),
            "Won",
            "approve",
            [addresses.VOUCHERS, UNLIMITED],
            lambda: self.city.won.approve(account(CITY), addresses.VOUCHERS, UNLIMITED),
        )
        for number, carry in ((1, Carry.CAP), (2, Carry.ROLL)):
            rules = replace(BASIC, carry=carry, carry_cap_won=9_000 if carry == Carry.CAP else 0)
            self.city.rules(ADMINISTERS, number, rules)
            self.city.pay_in(ISSUES, number, 40_000)

    @rule(number=st.integers(1, 3), amount=st.integers(0, 60_000))
    def pays_in(self, number: int, amount: int) -> None:
        self.city.pay_in(ISSUES, number, amount)

    @rule(number=st.integers(1, 3), amount=st.integers(0, 30_000))
    def refunds(self, number: int, amount: int) -> None:
        self.city.refund(ISSUES, number, CITY, amount)

    @rule(
        number=st.integers(1, 3),
        who=st.lists(
            st.tuples(
                st.integers(0xE8, 0xF2),
                st.sampled_from([0, 1, 5_000, 20_000, 50_000, 50_001]),
                st.sampled_from(["registry attest", "registry attest", "registry attest", "city attest"]),
                st.sampled_from([1, 1, 2]),
                st.integers(0, 8),
            ),
            max_size=6,
        ),
        first=st.integers(-2, 8),
        length=st.integers(-1, 3),
    )
    def grants(self, number: int, who: list[tuple[int, int, str, int, int]], first: int, length: int) -> None:
        requests = [
            request(n, won=won, registry=key(by), rule_set=claimed, days=(SERVICE_DAY, SERVICE_DAY + last))
            for n, won, by, claimed, last in who
        ]
        start = SERVICE_DAY + first
        self.city.grant(requests, number=number, days=(start, start + length))

    @rule(number=st.integers(1, 3), day=st.integers(-1, 11), said=st.integers(0, 9_000), sent=st.integers(-1, 1))
    def lapses(self, number: int, day: int, said: int, sent: int) -> None:
        held = self.city.won.balances[addresses.FARES]
        if held >= said + 1:
            self.city.give_back(number, SERVICE_DAY + day, said, max(0, said + sent))

    @rule(
        number=st.integers(1, 3),
        day=st.integers(-1, 11),
        items=st.lists(st.tuples(st.integers(0xE8, 0xF2), st.sampled_from([0, 1, 3_000, 9_000, 9_001])), max_size=5),
    )
    def carries(self, number: int, day: int, items: list[tuple[int, int]]) -> None:
        lapsed_day = SERVICE_DAY + day
        self.city.carry(
            [item(n, won) for n, won in items],
            number=number,
            lapsed_day=lapsed_day,
            days=(lapsed_day + 1, lapsed_day + 2),
        )

    @invariant()
    def alike(self) -> None:
        self.city.pools_are_alike()
        held = self.city.won.balances[addresses.VOUCHERS]
        assert held >= self.city.world.call("Vouchers", "pools_won")


class TestVouchersMachine(VouchersMachine.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.long
class TestVouchersMachineLong(VouchersMachine.TestCase):  # type: ignore[misc]
    settings = settings(
        max_examples=600, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
