"""Vouchers: rule-sets, pools, grants; every refusal by its name and code, chain and twin alike."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from contracts import addresses, merkle
from contracts.codes import Act, Carry, Grant
from contracts.hashing import keccak
from contracts.messages import Claim, Credential
from contracts.signatures import sign, to_compact
from contracts.twins.vouchers import Item, lot_leaf
from tests.contracts.city import CITY, CLEARING, KOOKMIN, REGISTRY, SEOUL_METRO, account, sender
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, address, key
from tests.contracts.voucher_steps import (
    ADMINISTERS,
    BASIC,
    ISSUES,
    MONTH,
    PERIOD,
    SOURCE,
    Steps,
    card,
    funded_city,
    nullifier,
    request,
    ruled_city,
)


@pytest.fixture
def bare() -> Steps:
    return funded_city()


@pytest.fixture
def city() -> Steps:
    return ruled_city()


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
