"""Vouchers with the real Fares: a lot from grant through settlement and lapse to carry, and every refusal between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

import pytest

from contracts import addresses, merkle
from contracts.codes import Carry
from contracts.hashing import keccak
from contracts.messages import Claim, Credential
from contracts.signatures import sign, to_compact
from contracts.twins.vouchers import Item, Request, RuleSet, lot_leaf
from tests.contracts import fares_city as city
from tests.contracts.fares_city import CITY, CLEARING, DAY_S, FIRST_DAY, KOOKMIN, LAST_DAY, MONTH, REGISTRY, sender
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, Reverted, World, address, key

RULES = RuleSet(7, 0b1111101, 3_000, 20_000, 5, Carry.CAP, 50_000, 50_000, addresses.FARES)
SOURCE = keccak(b"sources")
DAYS = (SERVICE_DAY, LAST_DAY)
ISSUES = sender(CITY, "issue")


def request(number: int, won: int = 30_000) -> Request:
    """A person's claim of a lot for card `number`."""
    at, nullifier = address(f"credential {number}"), keccak(b"person %d" % number)
    attestation = keccak(b"attestation %d" % number)
    credential = Credential(at, RULES.group, MONTH, nullifier, FIRST_DAY, LAST_DAY, attestation)
    claim = Claim(city.card(number), 1, MONTH, won, nullifier)
    by_registry = sign(credential.digest(CHAIN_ID, addresses.VOUCHERS), key(f"org {REGISTRY} attest"))
    by_citizen = sign(claim.digest(CHAIN_ID, addresses.VOUCHERS), key(f"credential {number}"))
    return Request(
        claim.card,
        won,
        nullifier,
        at,
        FIRST_DAY,
        LAST_DAY,
        attestation,
        *to_compact(by_registry),
        *to_compact(by_citizen),
    )


def grant(world: World, requests: list[Request], days: tuple[int, int] = DAYS) -> Outcome:
    args = [1, MONTH, *days, [astuple(r) for r in requests], SOURCE, len(requests)]
    return world.transact(ISSUES, "Vouchers", "grant", args)


def enrol(world: World, month: int, numbers: range) -> None:
    words = [int.from_bytes(city.card(n), "big") | 100 << 160 for n in numbers]
    world.transact(sender(KOOKMIN, "issue"), "Fares", "enrol", [month, CLEARING, words])


@pytest.fixture(scope="module")
def deployed() -> World:
    """All agreements; cards 1 to 9 of October and 101 to 109 of November; a rule-set with a million won."""
    world = World()
    city.deploy(world)
    enrol(world, MONTH, range(1, 10))
    enrol(world, MONTH + 1, range(101, 110))
    world.transact(sender(CITY, "administer"), "Vouchers", "set_rule_set", [1, astuple(RULES)])
    world.transact(ISSUES, "Vouchers", "pay_in", [1, 1_000_000])
    return world


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    with deployed.rolled_back():
        yield deployed


def lapse(world: World, cards: list[int]) -> Outcome:
    return world.transact(ISSUES, "Fares", "lapse", [cards])


def conserved(world: World) -> None:
    """What Vouchers holds is its pools; what Fares holds is what money.md §3 says."""
    city.conserve(world)
    assert world.call("Won", "balanceOf", [addresses.VOUCHERS]) == world.call("Vouchers", "pools_won")


def test_granted_lots_stand_in_fares_with_the_money(world: World) -> None:
    before = world.call("Won", "balanceOf", [addresses.FARES])
    outcome = grant(world, [request(1), request(2, 5_000)])
    granted = outcome.event("Granted")
    assert (granted["accepted"], granted["amount_won"], granted["size"]) == (2, 35_000, 2)
    assert world.call("Won", "balanceOf", [addresses.FARES]) == before + 35_000
    assert world.call("Fares", "lots_won") == 35_000
    leaves = [
        lot_leaf(1, Item(r.card, r.won, r.nullifier), 0, lot, *DAYS)
        for lot, r in enumerate([request(1), request(2, 5_000)], 1)
    ]
    merkle.verify(leaves[1], 1, 2, merkle.path(leaves, 1, keccak), granted["lots_root"], keccak)
    conserved(world)


def test_an_unknown_card_is_refused_and_its_citizen_can_ask_again(world: World) -> None:
    unknown = request(77)
    assert grant(world, [unknown, request(1)]).event("Granted")["accepted"] == 1
    assert world.call("Vouchers", "is_spent", [unknown.nullifier]) is False
    assert world.call("Vouchers", "pool", [1]) == 970_000
    enrol(world, MONTH, range(77, 78))
    assert grant(world, [unknown]).event("Granted")["accepted"] == 1


def test_a_lot_does_not_outlive_its_cards_month(world: World) -> None:
    assert grant(world, [request(1)], (SERVICE_DAY, LAST_DAY + 1)).event("Granted")["accepted"] == 0
    assert world.call("Vouchers", "is_spent", [request(1).nullifier]) is False


def test_unspent_won_lapses_into_the_pool_and_is_carried_to_the_new_card(world: World) -> None:
    grant(world, [request(1), request(2)])
    settled = city.settle(world, [city.record(1, {city.METRO: 12_000}, cum_won=12_000, charge_won=12_000)])
    assert settled.event("Settled")["voucher_won"] == 12_000
    world.advance((LAST_DAY - SERVICE_DAY + 5) * DAY_S)
    cards = [int.from_bytes(city.card(n), "big") for n in (1, 2)]
    with pytest.raises(Reverted, match="NONE"):
        lapse(world, cards)
    world.transact(sender(CLEARING, "settle"), "Fares", "close_day", [LAST_DAY])
    [returned] = lapse(world, cards).events_named("Returned")
    assert returned == {"rule_set": 1, "last_service_day": LAST_DAY, "amount_won": 48_000}
    with pytest.raises(Reverted, match="NONE"):
        lapse(world, cards)
    assert world.call("Vouchers", "pool", [1]) == 1_000_000 - 12_000
    conserved(world)
    items = [
        Item(city.card(101), 18_000, keccak(b"1")),
        Item(city.card(102), 30_001, keccak(b"2")),
        Item(city.card(102), 29_000, keccak(b"2")),
        Item(city.card(999), 1_000, keccak(b"3")),
    ]
    args = [1, LAST_DAY, LAST_DAY + 1, LAST_DAY + 30, [astuple(i) for i in items], SOURCE, len(items)]
    carried = world.transact(sender(CLEARING, "settle"), "Vouchers", "carry", args)
    assert (carried.event("Carried")["accepted"], carried.event("Carried")["amount_won"]) == (2, 47_000)
    assert world.call("Vouchers", "carry_done", [items[3].id]) is False
    assert world.call("Vouchers", "carryable", [1, LAST_DAY]) == 1_000
    assert world.call("Fares", "lots_won") == 47_000
    conserved(world)


def test_fares_alone_gives_back(world: World) -> None:
    for by in (ISSUES, sender(CLEARING, "settle"), addresses.CREDITS):
        with pytest.raises(Reverted, match="SENDER"):
            world.transact(by, "Vouchers", "returned", [1, LAST_DAY, 0])


def test_a_full_batch_fits_into_a_quarter_of_a_block(world: World) -> None:
    enrol(world, MONTH, range(1_000, 1_128))
    outcome = grant(world, [request(n, 1_000) for n in range(1_000, 1_128)])
    assert outcome.event("Granted")["accepted"] == 128
    # 76,000 gas a lot: two signatures, a nullifier, a lot.
    assert outcome.gas_used < 10_000_000
