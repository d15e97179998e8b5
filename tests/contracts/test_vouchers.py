"""Vouchers: rule-sets, pools, grants, carries; every refusal by its name and code, chain and twin alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses, build, client, merkle
from contracts.codes import Act, Carry, Grant
from contracts.hashing import keccak
from contracts.messages import Claim, Credential
from contracts.signatures import sign, to_compact
from contracts.twins.base import require
from contracts.twins.vouchers import Item, Request, RuleSet, Vouchers, lot_leaf
from contracts.twins.won import UNLIMITED
from tests.contracts.city import CITY, CLEARING, KOOKMIN, REGISTRY, SEOUL_METRO, Pair, account, sender
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, address, key

ISSUER = client.parse(build.compile_source(Path(__file__).parent / "counterparties" / "lot_issuer.vy"))
MONTH = (SERVICE_DAY, SERVICE_DAY + 16)
PERIOD = 2025 * 12 + 9
BASIC = RuleSet(
    group=7,
    modes=0b1111101,
    per_tap_cap_won=3_000,
    day_cap_won=20_000,
    priority=5,
    carry=Carry.CAP,
    carry_cap_won=50_000,
    max_grant_won=50_000,
    fares=addresses.FARES,
)
SOURCE = keccak(b"sources")
ADMINISTERS, ISSUES = sender(CITY, "administer"), sender(CITY, "issue")


class LotIssuer:
    """The twin of counterparties/lot_issuer.vy."""

    def issue(
        self,
        sender: bytes,
        rule_set: int,
        start_day: int,
        last_service_day: int,
        day_cap_won: int,
        priority: int,
        profile: int,
        first_lot: int,
        words: Sequence[int],
    ) -> list[int]:
        require(last_service_day - start_day < 100, "DAYS")
        return [3 if word & 0xFF == 0xEE else 0 for word in words]


def card(number: int) -> bytes:
    """A card that is issued to; card(0xee), card(0x1ee) … are refused."""
    return bytes(16) + number.to_bytes(4, "big")


def nullifier(number: int) -> bytes:
    return keccak(b"person %d" % number)


def request(
    number: int,
    *,
    won: int = 10_000,
    rule_set: int = 1,
    group: int = 7,
    period: int = PERIOD,
    to: int | None = None,
    registry: PrivateKey | None = None,
    claimant: PrivateKey | None = None,
    days: tuple[int, int] = (SERVICE_DAY - 5, SERVICE_DAY + 5),
    claimed: int | None = None,
) -> Request:
    """A request as a service makes it from credential and claim; each keyword can make it wrong."""
    own = key(f"credential {number}")
    at = address(f"credential {number}")
    attestation = keccak(b"attestation %d" % number)
    credential = Credential(at, group, period, nullifier(number), *days, attestation)
    claim = Claim(
        card(number if to is None else to), rule_set, period, won if claimed is None else claimed, nullifier(number)
    )
    by_registry = sign(credential.digest(CHAIN_ID, addresses.VOUCHERS), registry or key("registry attest"))
    by_citizen = sign(claim.digest(CHAIN_ID, addresses.VOUCHERS), claimant or own)
    return Request(
        claim.card, won, nullifier(number), at, *days, attestation, *to_compact(by_registry), *to_compact(by_citizen)
    )


class Steps(Pair):
    """Vouchers' functions, each taken on chain and twin."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.deploy_code("LotIssuer", ISSUER.initcode, addresses.FARES)
        self.vouchers = Vouchers(self.clock, self.organisations, self.won, {addresses.FARES: LotIssuer()})
        self.logs["Vouchers"] = self.vouchers.log
        self.organisations.deployed.add(addresses.FARES)

    def rules(self, by: bytes, number: int, rules: RuleSet) -> Outcome | str:
        args = [number, astuple(rules)]
        return self.step(by, "Vouchers", "set_rule_set", args, lambda: self.vouchers.set_rule_set(by, number, rules))

    def pay_in(self, by: bytes, number: int, amount: int) -> Outcome | str:
        return self.step(by, "Vouchers", "pay_in", [number, amount], lambda: self.vouchers.pay_in(by, number, amount))

    def refund(self, by: bytes, number: int, funder: int, amount: int) -> Outcome | str:
        return self.step(
            by,
            "Vouchers",
            "refund",
            [number, funder, amount],
            lambda: self.vouchers.refund(by, number, funder, amount),
        )

    def grant(
        self,
        requests: Sequence[Request],
        *,
        by: bytes = ISSUES,
        number: int = 1,
        period: int = PERIOD,
        days: tuple[int, int] = MONTH,
        size: int | None = None,
    ) -> list[int] | str:
        """The code of each request, or the name of the refusal."""
        source = (SOURCE, len(requests) if size is None else size)
        args = [number, period, *days, [astuple(r) for r in requests], *source]
        outcome = self.step(
            by, "Vouchers", "grant", args, lambda: self.vouchers.grant(by, number, period, days, requests, source)
        )
        return outcome if isinstance(outcome, str) else list(self.twin_value)

    def carry(
        self,
        items: Sequence[Item],
        *,
        by: bytes = ISSUES,
        number: int = 1,
        lapsed_day: int = MONTH[1],
        days: tuple[int, int] = (MONTH[1] + 1, MONTH[1] + 30),
        size: int | None = None,
    ) -> list[int] | str:
        source = (SOURCE, len(items) if size is None else size)
        args = [number, lapsed_day, *days, [astuple(i) for i in items], *source]
        outcome = self.step(
            by, "Vouchers", "carry", args, lambda: self.vouchers.carry(by, number, lapsed_day, days, items, source)
        )
        return outcome if isinstance(outcome, str) else list(self.twin_value)

    def give_back(self, number: int, day: int, said: int, sent: int) -> Outcome | str:
        """What Fares does when lots lapse: transfer, then returned, in one transaction."""
        args = [addresses.WON, addresses.VOUCHERS, number, day, said, sent]
        data = keccak(b"give_back(address,address,uint16,uint16,uint256,uint256)")[:4] + client.encode(
            ["address", "address", "uint16", "uint16", "uint256", "uint256"], args
        )

        def twin() -> None:
            # The twin has no transactions: what a later refusal undoes is looked at first.
            require(number in self.vouchers.rule_sets, "SENDER")
            held = self.won.balances[addresses.VOUCHERS] + sent
            require(held >= sum(pool.won for pool in self.vouchers.pools.values()) + said, "ARRIVED")
            if sent:
                self.won.transfer(addresses.FARES, addresses.VOUCHERS, sent)
            self.vouchers.returned(addresses.FARES, number, day, said)

        return self.step_raw(address("anyone"), addresses.FARES, data, "give_back", twin)

    def pools_are_alike(self) -> None:
        world = self.world
        assert world.call("Vouchers", "pools_won") == sum(pool.won for pool in self.vouchers.pools.values())
        assert world.call("Won", "balanceOf", [addresses.VOUCHERS]) == self.won.balances[addresses.VOUCHERS]
        for number, pool in self.vouchers.pools.items():
            assert world.call("Vouchers", "pool", [number]) == pool.won
            assert world.call("Vouchers", "totals", [number]) == (
                pool.paid_in_won,
                pool.refunded_won,
                pool.granted_won,
                pool.carried_won,
                pool.returned_won,
            )


@pytest.fixture
def bare() -> Steps:
    """Won in the city's account, allowed to Vouchers; no rule-set yet."""
    steps = Steps()
    for number in (CITY, SEOUL_METRO):
        args: list[Any] = [account(number), 1_000_000, keccak(b"fund %d" % number)]
        steps.step(
            sender(KOOKMIN, "issue"), "Won", "mint", args, lambda a=args: steps.won.mint(sender(KOOKMIN, "issue"), *a)
        )
        steps.step(
            account(number),
            "Won",
            "approve",
            [addresses.VOUCHERS, UNLIMITED],
            lambda n=number: steps.won.approve(account(n), addresses.VOUCHERS, UNLIMITED),
        )
    return steps


@pytest.fixture
def city(bare: Steps) -> Steps:
    """Rule-set 1 with 200,000 won in its pool."""
    assert isinstance(bare.rules(ADMINISTERS, 1, BASIC), Outcome)
    assert isinstance(bare.pay_in(ISSUES, 1, 200_000), Outcome)
    return bare


# --- rule-sets


def test_a_rule_set_reads_as_it_was_set(city: Steps) -> None:
    assert city.world.call("Vouchers", "rule_set", [1]) == astuple(BASIC)
    assert city.world.call("Vouchers", "profile", [1]) == BASIC.profile == BASIC.modes | 3_000 << 32
    assert city.world.call("Vouchers", "city_of", [1]) == CITY
    assert city.world.call("Vouchers", "rule_set", [2])[0] == 0


def test_a_rule_set_changes_until_something_was_granted(city: Steps) -> None:
    assert isinstance(city.rules(ADMINISTERS, 1, replace(BASIC, priority=9)), Outcome)
    assert city.grant([request(1)]) == [0]
    assert city.rules(ADMINISTERS, 1, BASIC) == "IMMUTABLE"
    assert isinstance(city.rules(ADMINISTERS, 2, BASIC), Outcome)


RULE_FAULTS: list[tuple[str, dict[str, Any], str]] = [
    ("no group", {"group": 0}, "RANGE"),
    ("no modes", {"modes": 0}, "RANGE"),
    ("no grant", {"max_grant_won": 0}, "RANGE"),
    ("no day cap", {"day_cap_won": 0}, "RANGE"),
    ("carry unknown", {"carry": 3, "carry_cap_won": 0}, "RANGE"),
    ("carry cap of nothing", {"carry_cap_won": 0}, "RANGE"),
    ("carry cap without carry", {"carry": Carry.NONE}, "RANGE"),
    ("carry cap with roll", {"carry": Carry.ROLL}, "RANGE"),
    ("fares of a stranger", {"fares": address("stranger")}, "FARES"),
    ("fares that is Won", {"fares": addresses.WON}, "FARES"),
]


@pytest.mark.parametrize(("change", "reason"), [f[1:] for f in RULE_FAULTS], ids=[f[0] for f in RULE_FAULTS])
def test_rule_sets_refuse(bare: Steps, change: dict[str, Any], reason: str) -> None:
    assert bare.rules(ADMINISTERS, 1, replace(BASIC, **change)) == reason


def test_only_its_city_sets_a_rule_set(city: Steps) -> None:
    for by in (ISSUES, sender(KOOKMIN, "administer"), address("stranger")):
        assert city.rules(by, 1, BASIC) == "SENDER"
    assert city.rules(ADMINISTERS, 0, BASIC) == "RULE SET"
    city.decide(Act.SET_ROLE, SEOUL_METRO, 1, 1)
    assert city.rules(sender(SEOUL_METRO, "administer"), 1, BASIC) == "RULE SET"
    assert city.grant([request(1)], by=sender(SEOUL_METRO, "issue")) == "SENDER"


# --- pools


def test_funders_pay_in_and_are_refunded(city: Steps) -> None:
    assert isinstance(city.pay_in(sender(SEOUL_METRO, "issue"), 1, 5_000), Outcome)
    assert city.world.call("Vouchers", "paid_in", [1, SEOUL_METRO]) == 5_000
    assert isinstance(city.refund(ISSUES, 1, SEOUL_METRO, 2_000), Outcome)
    assert city.world.call("Won", "balanceOf", [account(SEOUL_METRO)]) == 997_000
    assert city.refund(ISSUES, 1, SEOUL_METRO, 3_001) == "PAID IN"
    city.pools_are_alike()


def test_pools_refuse(city: Steps) -> None:
    assert city.pay_in(ADMINISTERS, 1, 1) == "SENDER"
    assert city.pay_in(address("stranger"), 1, 1) == "SENDER"
    assert city.pay_in(ISSUES, 2, 1) == "RULE SET"
    assert city.pay_in(ISSUES, 1, 0) == "AMOUNT"
    assert city.pay_in(ISSUES, 1, 1_000_000) == "BALANCE"
    assert city.pay_in(sender(KOOKMIN, "issue"), 1, 1) == "ALLOWANCE"
    for by in (ADMINISTERS, sender(SEOUL_METRO, "issue"), sender(CLEARING, "settle")):
        assert city.refund(by, 1, CITY, 1) == "SENDER"
    assert city.refund(ISSUES, 2, CITY, 1) == "SENDER"
    assert city.refund(ISSUES, 1, CITY, 0) == "AMOUNT"
    assert city.refund(ISSUES, 1, CITY, 200_001) == "PAID IN"
    assert city.refund(ISSUES, 1, 99, 1) == "PAID IN"
    assert city.grant([request(1)]) == [0]
    assert city.refund(ISSUES, 1, CITY, 190_001) == "POOL"


# --- grants


def test_a_batch_grants_what_it_can_and_names_the_rest(city: Steps) -> None:
    stranger = key("stranger")
    requests = [
        request(1),
        request(2, won=0),
        request(3, won=50_001),
        request(4, days=(SERVICE_DAY + 1, SERVICE_DAY + 5)),
        request(5, days=(SERVICE_DAY - 5, SERVICE_DAY - 1)),
        request(1),
        request(6, registry=stranger),
        request(7, registry=key("registry issue")),
        request(8, registry=key("city attest")),
        request(9, group=8),
        request(10, period=PERIOD + 1),
        request(11, claimant=stranger),
        request(12, claimed=9_999),
        request(13, rule_set=2),
        replace(request(14), card=card(99)),
        replace(request(15), nullifier=nullifier(99)),
        replace(request(16), registry_vs=0),
        replace(request(17), credential_key=bytes(20)),
        request(0xEE),
        request(18, won=50_000),
    ]
    expected = [0, 1, 1, 2, 2, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 4, 4, 4, Grant.FARES + 3, 0]
    assert city.grant(requests) == expected
    city.pools_are_alike()
    assert city.world.call("Vouchers", "pool", [1]) == 140_000
    for number, spent in ((1, True), (2, False), (6, False), (11, False), (0xEE, False), (18, True)):
        assert city.world.call("Vouchers", "is_spent", [nullifier(number)]) is spent


def test_a_credential_with_no_key_is_nobodys(city: Steps) -> None:
    made = request(1)
    nobody = Credential(bytes(20), 7, PERIOD, nullifier(1), made.first_day, made.last_day, made.attestation)
    signed = to_compact(sign(nobody.digest(CHAIN_ID, addresses.VOUCHERS), key("registry attest")))
    forged = replace(made, credential_key=bytes(20), registry_r=signed[0], registry_vs=signed[1], claim_r=0, claim_vs=0)
    assert city.grant([forged]) == [Grant.CLAIM]


def test_high_s_and_other_chains_are_refused(city: Steps) -> None:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    made = request(1)
    s = made.claim_vs & (2**255 - 1)
    high = replace(made, claim_vs=(order - s) % 2**255 | (made.claim_vs ^ 2**255) & 2**255)
    assert city.grant([high]) == [Grant.CLAIM]
    claim = Claim(made.card, 1, PERIOD, made.won, made.nullifier)
    for chain, at in ((CHAIN_ID + 1, addresses.VOUCHERS), (CHAIN_ID, addresses.FARES)):
        r, vs = to_compact(sign(claim.digest(chain, at), key("credential 1")))
        assert city.grant([replace(made, claim_r=r, claim_vs=vs)]) == [Grant.CLAIM]


def test_a_nullifier_counts_once_across_batches_and_rule_sets(city: Steps) -> None:
    assert city.grant([request(1)]) == [0]
    assert city.grant([request(1, to=5)]) == [Grant.USED]
    assert isinstance(city.rules(ADMINISTERS, 2, BASIC), Outcome)
    city.pay_in(ISSUES, 2, 50_000)
    assert city.grant([request(1, rule_set=2)], number=2) == [Grant.USED]


def test_what_fares_refused_can_be_asked_again_for_another_card(city: Steps) -> None:
    assert city.grant([request(0xEE)]) == [Grant.FARES + 3]
    assert city.world.call("Vouchers", "pool", [1]) == 200_000
    assert city.grant([request(0xEE, to=5)]) == [0]


def test_an_exhausted_pool_refuses_by_code(city: Steps) -> None:
    requests = [request(i, won=50_000) for i in range(1, 6)]
    assert city.grant([*requests, request(9, won=1)]) == [0, 0, 0, 0, Grant.POOL, Grant.POOL]
    city.pools_are_alike()


def test_lots_are_numbered_on(city: Steps) -> None:
    assert city.grant([request(1), request(0xEE), request(2, won=0), request(3)]) == [0, 35, 1, 0]
    assert city.world.call("Vouchers", "lots") == 3
    assert city.grant([request(4)]) == [0]
    assert city.world.call("Vouchers", "lots") == 4
    assert city.world.call("Vouchers", "batches") == 2


def test_a_granted_leaf_is_proved_by_its_path(city: Steps) -> None:
    requests = [request(i) for i in range(1, 8)]
    source = (SOURCE, 7)
    args = [1, PERIOD, *MONTH, [astuple(r) for r in requests], *source]
    fields = city.world.transact(ISSUES, "Vouchers", "grant", args).event("Granted")
    leaves = [lot_leaf(1, Item(r.card, r.won, r.nullifier), 0, i, *MONTH) for i, r in enumerate(requests, 1)]
    assert {len(leaf) for leaf in leaves} == {72}
    for index, leaf in enumerate(leaves):
        merkle.verify(leaf, index, fields["size"], merkle.path(leaves, index, keccak), fields["lots_root"], keccak)


def test_grants_refuse(city: Steps) -> None:
    for by in (ADMINISTERS, sender(KOOKMIN, "issue"), sender(REGISTRY, "issue"), sender(CLEARING, "settle")):
        assert city.grant([request(1)], by=by) == "SENDER"
    assert city.grant([request(1)], number=2) == "SENDER"
    assert city.grant([]) == "EMPTY"
    assert city.grant([request(1)], days=(MONTH[1], MONTH[0])) == "DAYS"
    assert city.grant([request(1)], size=2) == "SOURCES"
    assert city.grant([request(1)], days=(SERVICE_DAY, SERVICE_DAY + 100)) == "DAYS"
    city.decide(Act.RETIRE_AGREEMENT, int.from_bytes(addresses.FARES, "big"), city.world.block + 1)
    city.advance(blocks=2)
    assert city.grant([request(1)]) == "FARES"


def test_a_full_batch_fits_into_half_a_block(city: Steps) -> None:
    for i in range(3):
        city.pay_in(ISSUES, 1, 200_000 + i)
    requests = [request(i, won=5_000) for i in range(0x100, 0x180)]
    args = [1, PERIOD, *MONTH, [astuple(r) for r in requests], SOURCE, 128]
    outcome = city.world.transact(ISSUES, "Vouchers", "grant", args)
    assert outcome.event("Granted")["accepted"] == 128
    # Fares adds 28,220 a lot (settlement.md); half a block is 30 M.
    assert outcome.gas_used + 128 * 28_220 < 15_000_000


# --- lapse and carry


@pytest.fixture
def lapsed(city: Steps) -> Steps:
    """Three lots of 10,000 granted; 21,000 of them lapsed with the month."""
    assert city.grant([request(i) for i in (1, 2, 3)]) == [0, 0, 0]
    assert isinstance(city.give_back(1, MONTH[1], 21_000, 21_000), Outcome)
    return city


def item(number: int, won: int, to: int | None = None) -> Item:
    return Item(card(number if to is None else to), won, keccak(b"carry %d" % number))


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
