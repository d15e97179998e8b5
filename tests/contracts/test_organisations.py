"""Organisations: genesis, admission, keys; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import addresses
from contracts.codes import Act, Admission, Purpose, Role
from contracts.hashing import keccak
from contracts.twins.organisations import OPEN
from tests.contracts import city
from tests.contracts.city import CITY, KOOKMIN, SEOUL_METRO, WOORI, Pair, account, sender
from tests.contracts.harness import Outcome, Reverted, World, address
from tests.contracts.organisation_steps import (
    ED25519,
    NEW_KEY,
    STRANGER,
    rotate,
    set_key,
    word,
)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_genesis_reads_as_its_constructor_was_told(world: World) -> None:
    for number, roles in city.ROLES.items():
        assert world.call("Organisations", "account_of", [number]) == account(number)
        assert world.call("Organisations", "is_active", [number]) is True
        for role in Role:
            assert world.call("Organisations", "holds", [number, role]) is (role in roles)
    standing = world.call("Organisations", "standing", [sender(KOOKMIN, "issue")])
    assert standing == KOOKMIN | Purpose.ISSUE << 16 | 1 << (32 + Role.BANK) | 1 << (32 + Role.GUARANTOR)
    assert world.call("Organisations", "council") == (tuple(city.MEMBERS), city.THRESHOLD)
    assert world.call("Organisations", "agreements") == tuple(addresses.BY_NAME.values())
    assert world.call("Organisations", "agreement", [addresses.WON]) == city.name("Won")
    assert world.call("Organisations", "agreement_blocks", [addresses.WON]) == (city.name("Won"), 0, OPEN)
    assert world.call("Organisations", "validators") == ()


def test_nobody_stands_and_holds_nothing(world: World) -> None:
    assert world.call("Organisations", "standing", [STRANGER]) == 0
    assert world.call("Organisations", "standing", [account(99 % 6 + 1)]) != 0
    assert world.call("Organisations", "account_of", [99]) == bytes(20)
    assert world.call("Organisations", "holds", [99, 1]) is False
    assert world.call("Organisations", "holds", [CITY, 255]) is False
    assert world.call("Organisations", "agreement", [STRANGER]) == bytes(32)
    assert world.call("Organisations", "decided", [1]) == (bytes(32), 0)


GENESIS_FAULTS: list[tuple[str, str, int, Any]] = [
    ("organisation twice", "ORGANISATION", 0, lambda v: [*v, v[0]]),
    ("organisation 0", "ORGANISATION", 0, lambda v: [(0, account(CITY), 2), *v[1:]]),
    ("organisation beyond 12 bits", "ORGANISATION", 0, lambda v: [*v, (4096, account(CITY), 2)]),
    ("no account", "ACCOUNT", 0, lambda v: [(1, bytes(20), 2), *v[1:]]),
    ("role 0", "ROLE", 0, lambda v: [(1, account(CITY), 1), *v[1:]]),
    ("organisation without a key that administers", "LAST", 0, lambda v: [*v, (77, account(CITY), 2)]),
    ("key of nobody", "ORGANISATION", 1, lambda v: [*v, (NEW_KEY, 99, 1)]),
    ("key of two", "KEY USED", 1, lambda v: [*v, (v[0][0], WOORI, 1)]),
    ("key without purpose", "KEY", 1, lambda v: [*v, (NEW_KEY, CITY, 0)]),
    ("purpose unknown", "PURPOSES", 1, lambda v: [*v, (NEW_KEY, CITY, 32)]),
    ("zero key", "KEY", 1, lambda v: [*v, (bytes(20), CITY, 1)]),
    ("member twice", "MEMBER", 2, lambda v: [*v, v[0]]),
    ("member unknown", "ORGANISATION", 2, lambda v: [*v, 99]),
    ("no members", "THRESHOLD", 2, lambda _: []),
    ("threshold of half", "THRESHOLD", 3, lambda _: 1),
    ("threshold above all", "THRESHOLD", 3, lambda _: 4),
    ("agreement twice", "AGREEMENT", 4, lambda v: [*v, v[0]]),
    ("agreement without name", "NAME", 4, lambda _: [(STRANGER, bytes(32))]),
    ("validator of nobody", "ORGANISATION", 5, lambda _: [(99, ED25519[0], 10)]),
    ("validator without power", "POWER", 5, lambda _: [(CITY, ED25519[0], 0)]),
    ("validator too strong", "POWER", 5, lambda _: [(CITY, ED25519[0], 1001)]),
    ("validator twice", "OWNER", 5, lambda _: [(CITY, ED25519[0], 1), (CITY, ED25519[1], 1)]),
    ("validators with one key", "KEY USED", 5, lambda _: [(CITY, ED25519[0], 1), (KOOKMIN, ED25519[0], 1)]),
]


@pytest.mark.parametrize(
    ("reason", "at", "change"), [f[1:] for f in GENESIS_FAULTS], ids=[f[0] for f in GENESIS_FAULTS]
)
def test_genesis_refuses(reason: str, at: int, change: Any) -> None:
    arguments = city.genesis_arguments()
    arguments[at] = change(arguments[at])
    with city.refuses(reason):
        World().deploy("Organisations", arguments)


# --- admission


def test_admission(pair: Pair) -> None:
    initcode = keccak(b"initcode")

    def admit(by: bytes, to: bytes, code: bytes = bytes(32)) -> int:
        found = pair.world.call("Organisations", "admit", [by, to, code])
        assert found == pair.organisations.admit(by, to, code)
        return int(found)

    assert admit(sender(CITY, "issue"), addresses.FARES) == Admission.ADMISSIBLE
    assert admit(STRANGER, addresses.FARES) == Admission.SENDER
    assert admit(sender(CITY, "issue"), STRANGER) == Admission.RECEIVER
    assert admit(sender(CITY, "issue"), bytes(20), initcode) == Admission.CODE
    assert admit(sender(CITY, "issue"), bytes(20)) == Admission.CODE
    pair.decide(Act.APPROVE_CODE, word(initcode), 1)
    assert admit(sender(CITY, "issue"), bytes(20), initcode) == Admission.ADMISSIBLE
    pair.decide(Act.APPROVE_CODE, word(initcode), 0)
    assert admit(sender(CITY, "issue"), bytes(20), initcode) == Admission.CODE
    pair.decide(Act.SET_ACTIVE, WOORI, 0)
    assert admit(sender(WOORI, "issue"), addresses.FARES) == Admission.SENDER
    assert pair.world.call("Organisations", "holds", [WOORI, Role.BANK]) is True
    pair.decide(Act.SET_ACTIVE, WOORI, 1)
    assert admit(sender(WOORI, "issue"), addresses.FARES) == Admission.ADMISSIBLE
    last = pair.world.block + 3
    pair.decide(Act.RETIRE_AGREEMENT, word(addresses.FARES), last)
    pair.advance(blocks=3)
    assert admit(sender(WOORI, "issue"), addresses.FARES) == Admission.ADMISSIBLE
    pair.advance()
    assert admit(sender(WOORI, "issue"), addresses.FARES) == Admission.RECEIVER


def test_an_agreement_begins_with_its_first_block(pair: Pair) -> None:
    at = addresses.VOUCHERS[:19] + b"\x99"
    pair.world.deploy("Won", [addresses.ORGANISATIONS, []], at=at)
    pair.organisations.deployed.add(at)
    pair.decide(Act.REGISTER_AGREEMENT, word(at), word(city.name("Won")), pair.world.block + 2)
    assert pair.world.call("Organisations", "agreement", [at]) == bytes(32)
    pair.advance(blocks=2)
    assert pair.world.call("Organisations", "agreement", [at]) == city.name("Won")


# --- an organisation's own keys


def test_a_key_is_added_used_rotated_and_revoked_for_ever(pair: Pair) -> None:
    administers = sender(SEOUL_METRO, "administer")
    assert isinstance(set_key(pair, administers, NEW_KEY, Purpose.APPROVE | Purpose.SETTLE), Outcome)
    assert pair.world.call("Organisations", "standing", [NEW_KEY]) >> 16 & 31 == Purpose.APPROVE | Purpose.SETTLE
    other = address("other key")
    assert isinstance(rotate(pair, administers, NEW_KEY, other), Outcome)
    assert pair.world.call("Organisations", "standing", [NEW_KEY]) == 0
    assert pair.world.call("Organisations", "standing", [other]) >> 16 & 31 == Purpose.APPROVE | Purpose.SETTLE
    assert set_key(pair, administers, NEW_KEY, 1) == "KEY USED"
    assert set_key(pair, sender(CITY, "administer"), NEW_KEY, 1) == "KEY USED"
    assert rotate(pair, administers, other, NEW_KEY) == "KEY USED"


def test_keys_refuse(pair: Pair) -> None:
    administers = sender(CITY, "administer")
    assert set_key(pair, sender(CITY, "issue"), NEW_KEY, 1) == "SENDER"
    assert set_key(pair, STRANGER, NEW_KEY, 1) == "SENDER"
    assert set_key(pair, administers, bytes(20), 1) == "KEY"
    assert set_key(pair, administers, NEW_KEY, 0) == "KEY"
    assert set_key(pair, administers, NEW_KEY, 32) == "PURPOSES"
    assert set_key(pair, administers, sender(WOORI, "issue"), 1) == "KEY USED"
    assert set_key(pair, administers, administers, 2) == "LAST"
    assert set_key(pair, administers, administers, 0) == "LAST"
    assert rotate(pair, sender(CITY, "issue"), sender(CITY, "issue"), NEW_KEY) == "SENDER"
    assert rotate(pair, administers, sender(WOORI, "issue"), NEW_KEY) == "KEY"
    assert rotate(pair, administers, NEW_KEY, STRANGER) == "KEY"
    assert rotate(pair, administers, administers, bytes(20)) == "KEY"
    assert isinstance(rotate(pair, administers, administers, NEW_KEY), Outcome)
    assert set_key(pair, administers, STRANGER, 1) == "SENDER"


def test_keys_are_bounded(pair: Pair) -> None:
    administers = sender(CITY, "administer")
    for i in range(64 - len(city.KEYS)):
        assert isinstance(set_key(pair, administers, address(f"key {i}"), Purpose.ISSUE), Outcome)
    assert set_key(pair, administers, NEW_KEY, Purpose.ISSUE) == "TOO MANY"
    assert isinstance(rotate(pair, administers, address("key 0"), NEW_KEY), Outcome)


def test_node_ids(pair: Pair) -> None:
    by, node = sender(CITY, "administer"), b"\x07" * 20
    step = pair.step(by, "Organisations", "set_node", [node], lambda: pair.organisations.set_node(by, node))
    assert isinstance(step, Outcome)
    assert pair.world.call("Organisations", "node_of", [CITY]) == node
    by = sender(CITY, "issue")
    assert pair.step(by, "Organisations", "set_node", [node], lambda: pair.organisations.set_node(by, node)) == "SENDER"


def test_a_call_with_an_unknown_selector_reverts(world: World) -> None:
    with pytest.raises(Reverted):
        world.transact_raw(STRANGER, addresses.ORGANISATIONS, b"\xde\xad\xbe\xef")
