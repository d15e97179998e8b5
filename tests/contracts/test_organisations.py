"""Organisations: keys, council, agreements, validators; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses, client
from contracts.codes import Act, Admission, Purpose, Role
from contracts.hashing import keccak
from contracts.twins.organisations import OPEN, PROPOSAL_SECONDS, content_of
from tests.contracts import city
from tests.contracts.city import CITY, CLEARING, KOOKMIN, REGISTRY, SEOUL_METRO, WOORI, Pair, account, sender
from tests.contracts.harness import Outcome, Reverted, World, address

STRANGER = address("stranger")
NEW_KEY = address("new key")
KEY_WORD = int.from_bytes(NEW_KEY, "big")
ED25519 = [keccak(bytes((i,))) for i in range(8)]


def word(value: bytes) -> int:
    return int.from_bytes(value, "big")


def words(*arguments: int) -> list[int]:
    return [*arguments, 0, 0, 0, 0][:4]


@pytest.fixture
def pair() -> Pair:
    return Pair()


def set_key(pair: Pair, by: bytes, key: bytes, purposes: int) -> Outcome | str:
    return pair.step(
        by, "Organisations", "set_key", [key, purposes], lambda: pair.organisations.set_key(by, key, purposes)
    )


def rotate(pair: Pair, by: bytes, old: bytes, new: bytes) -> Outcome | str:
    return pair.step(by, "Organisations", "rotate_key", [old, new], lambda: pair.organisations.rotate_key(by, old, new))


def propose(pair: Pair, by: bytes, act: int, arguments: Sequence[int]) -> Outcome | str:
    return pair.step(
        by,
        "Organisations",
        "propose",
        [act, list(arguments)],
        lambda: pair.organisations.propose(by, act, arguments),
    )


def approve(pair: Pair, by: bytes, number: int, act: int, arguments: Sequence[int]) -> Outcome | str:
    return pair.step(
        by,
        "Organisations",
        "approve",
        [number, act, list(arguments)],
        lambda: pair.organisations.approve(by, number, act, arguments),
    )


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


# --- the council


def test_an_organisation_is_admitted_and_works(pair: Pair) -> None:
    pair.decide(Act.ADMIT, 40, word(STRANGER), KEY_WORD, 1 << Role.OPERATOR)
    assert pair.world.call("Organisations", "account_of", [40]) == STRANGER
    assert isinstance(set_key(pair, NEW_KEY, address("their other key"), Purpose.APPROVE), Outcome)
    pair.decide(Act.SET_ROLE, 40, Role.MERCHANT, 1)
    assert pair.world.call("Organisations", "holds", [40, Role.MERCHANT]) is True
    pair.decide(Act.SET_ROLE, 40, Role.OPERATOR, 0)
    assert pair.world.call("Organisations", "holds", [40, Role.OPERATOR]) is False
    pair.decide(Act.SET_ACCOUNT, 40, word(account(CITY)))
    assert pair.world.call("Organisations", "account_of", [40]) == account(CITY)


def test_the_council_replaces_a_lost_key(pair: Pair) -> None:
    pair.decide(Act.SET_KEY, WOORI, word(sender(WOORI, "administer")), 0)
    pair.decide(Act.SET_KEY, WOORI, KEY_WORD, Purpose.ADMINISTER)
    assert isinstance(set_key(pair, NEW_KEY, address("x"), 2), Outcome)


def test_events_of_receipts_are_those_of_the_kinds() -> None:
    agreement = client.artefact("Organisations")
    assert agreement.event("RoleChanged").fields == (
        ("organisation", "uint16", True),
        ("role", "uint8", True),
        ("active", "bool", False),
        ("proposal", "uint64", False),
    )
    assert agreement.event("TrustExtended").fields == (("entry_hash", "bytes32", True), ("proposal", "uint64", False))
    assert client.artefact("Won").event("Minted").fields == (
        ("bank", "uint16", True),
        ("reference", "bytes32", True),
        ("to", "address", True),
        ("amount_won", "uint64", False),
    )


def test_trust_is_extended(pair: Pair) -> None:
    number = pair.decide(Act.EXTEND_TRUST, word(ED25519[0]))
    assert pair.world.call("Organisations", "decided", [number])[0] == content_of(
        Act.EXTEND_TRUST, words(word(ED25519[0]))
    )


def test_votes_refuse(pair: Pair) -> None:
    act, arguments = Act.SET_ACTIVE, words(WOORI, 0)
    assert propose(pair, sender(WOORI, "approve"), act, arguments) == "SENDER"
    assert propose(pair, sender(CITY, "administer"), act, arguments) == "SENDER"
    proposed = propose(pair, sender(CITY, "approve"), act, arguments)
    assert isinstance(proposed, Outcome)
    number = proposed.value
    assert approve(pair, STRANGER, number, act, arguments) == "SENDER"
    assert approve(pair, sender(KOOKMIN, "approve"), number + 1, act, arguments) == "PROPOSAL"
    assert approve(pair, sender(KOOKMIN, "approve"), number, act, words(WOORI, 1)) == "PROPOSAL"
    assert approve(pair, sender(CITY, "approve"), number, act, arguments) == "TWICE"
    with pair.world.rolled_back():
        pair.world.advance(PROPOSAL_SECONDS + 1)
        with city.refuses("EXPIRED"):
            pair.world.transact(sender(KOOKMIN, "approve"), "Organisations", "approve", [number, act, arguments])
    assert isinstance(approve(pair, sender(KOOKMIN, "approve"), number, act, arguments), Outcome)
    assert approve(pair, sender(CLEARING, "approve"), number, act, arguments) == "DECIDED"


def test_an_approval_expires(pair: Pair) -> None:
    act, arguments = Act.SET_ACTIVE, words(WOORI, 0)
    propose(pair, sender(CITY, "approve"), act, arguments)
    pair.advance(PROPOSAL_SECONDS)
    assert isinstance(approve(pair, sender(KOOKMIN, "approve"), 1, act, arguments), Outcome)
    propose(pair, sender(CITY, "approve"), act, arguments)
    pair.advance(PROPOSAL_SECONDS + 1)
    assert approve(pair, sender(KOOKMIN, "approve"), 2, act, arguments) == "EXPIRED"


def test_who_left_the_council_no_longer_counts(pair: Pair) -> None:
    act, arguments = Act.SET_ACTIVE, words(WOORI, 0)
    pair.decide(Act.SET_COUNCIL, REGISTRY, 1, 3)
    assert isinstance(propose(pair, sender(CLEARING, "approve"), act, arguments), Outcome)
    council = words(CLEARING, 0, 2)
    for by in (CITY, KOOKMIN, REGISTRY):
        if by == CITY:
            number = propose(pair, sender(by, "approve"), Act.SET_COUNCIL, council).value  # type: ignore[union-attr]
        else:
            approve(pair, sender(by, "approve"), number, Act.SET_COUNCIL, council)
    assert pair.world.call("Organisations", "council") == ((CITY, KOOKMIN, REGISTRY), 2)
    approve(pair, sender(CITY, "approve"), number - 1, act, arguments)
    assert pair.world.call("Organisations", "is_active", [WOORI]) is True
    approve(pair, sender(KOOKMIN, "approve"), number - 1, act, arguments)
    assert pair.world.call("Organisations", "is_active", [WOORI]) is False


def test_what_no_longer_holds_at_the_deciding_approval_is_refused(pair: Pair) -> None:
    act, arguments = Act.ADMIT, words(40, word(STRANGER), KEY_WORD, 4)
    propose(pair, sender(CITY, "approve"), act, arguments)
    assert isinstance(set_key(pair, sender(WOORI, "administer"), NEW_KEY, 2), Outcome)
    assert approve(pair, sender(KOOKMIN, "approve"), 1, act, arguments) == "KEY USED"


ACT_FAULTS: list[tuple[str, int, tuple[int, ...], str]] = [
    ("act 0", 0, (1,), "ACT"),
    ("act unknown", 13, (1,), "ACT"),
    ("act below decisions", 63, (1,), "ACT"),
    ("admit one already there", Act.ADMIT, (CITY, 1, 2, 2), "ORGANISATION"),
    ("admit 0", Act.ADMIT, (0, 1, KEY_WORD, 2), "ORGANISATION"),
    ("admit beyond 12 bits", Act.ADMIT, (4096, 1, KEY_WORD, 2), "ORGANISATION"),
    ("admit without account", Act.ADMIT, (40, 0, KEY_WORD, 2), "ACCOUNT"),
    ("admit with a wide account", Act.ADMIT, (40, 2**160, KEY_WORD, 2), "ADDRESS"),
    ("admit with a wide key", Act.ADMIT, (40, 1, 2**160, 2), "ADDRESS"),
    ("admit without key", Act.ADMIT, (40, 1, 0, 2), "KEY"),
    ("admit with another's key", Act.ADMIT, (40, 1, word(sender(CITY, "issue")), 2), "KEY USED"),
    ("admit with role 0", Act.ADMIT, (40, 1, KEY_WORD, 1), "ROLE"),
    ("admit with a role beyond 63", Act.ADMIT, (40, 1, KEY_WORD, 2**64), "ROLE"),
    ("role of nobody", Act.SET_ROLE, (99, 1, 1), "ORGANISATION"),
    ("role of a number beyond", Act.SET_ROLE, (2**255, 1, 1), "ORGANISATION"),
    ("role 0", Act.SET_ROLE, (CITY, 0, 1), "ROLE"),
    ("role 64", Act.SET_ROLE, (CITY, 64, 1), "ROLE"),
    ("role flag", Act.SET_ROLE, (CITY, 1, 2), "FLAG"),
    ("role spare word", Act.SET_ROLE, (CITY, 1, 1, 1), "SPARE"),
    ("active flag", Act.SET_ACTIVE, (CITY, 2), "FLAG"),
    ("active spare word", Act.SET_ACTIVE, (CITY, 1, 1), "SPARE"),
    ("account zero", Act.SET_ACCOUNT, (CITY, 0), "ACCOUNT"),
    ("account wide", Act.SET_ACCOUNT, (CITY, 2**160), "ADDRESS"),
    ("key zero", Act.SET_KEY, (CITY, 0, 1), "KEY"),
    ("key wide", Act.SET_KEY, (CITY, 2**160, 1), "ADDRESS"),
    ("key of another", Act.SET_KEY, (CITY, word(sender(WOORI, "issue")), 1), "KEY USED"),
    ("key purposes", Act.SET_KEY, (CITY, KEY_WORD, 32), "PURPOSES"),
    ("code zero", Act.APPROVE_CODE, (0, 1), "HASH"),
    ("code flag", Act.APPROVE_CODE, (1, 2), "FLAG"),
    ("code spare word", Act.APPROVE_CODE, (1, 1, 1), "SPARE"),
    ("agreement registered", Act.REGISTER_AGREEMENT, (word(addresses.WON), 1, 99), "AGREEMENT"),
    ("agreement without code", Act.REGISTER_AGREEMENT, (word(STRANGER), 1, 99), "CODE"),
    ("agreement wide", Act.REGISTER_AGREEMENT, (2**160, 1, 99), "ADDRESS"),
    ("retire nothing", Act.RETIRE_AGREEMENT, (word(STRANGER), 99), "AGREEMENT"),
    ("retire in the past", Act.RETIRE_AGREEMENT, (word(addresses.WON), 1), "BLOCK"),
    ("retire never", Act.RETIRE_AGREEMENT, (word(addresses.WON), OPEN), "BLOCK"),
    ("retire spare word", Act.RETIRE_AGREEMENT, (word(addresses.WON), 99, 1), "SPARE"),
    ("council flag", Act.SET_COUNCIL, (CITY, 2, 2), "FLAG"),
    ("council of nobody", Act.SET_COUNCIL, (99, 1, 2), "ORGANISATION"),
    ("threshold 0", Act.SET_COUNCIL, (CITY, 1, 0), "THRESHOLD"),
    ("threshold half", Act.SET_COUNCIL, (WOORI, 1, 2), "THRESHOLD"),
    ("threshold above", Act.SET_COUNCIL, (CITY, 1, 4), "THRESHOLD"),
    ("threshold huge", Act.SET_COUNCIL, (CITY, 1, 2**255), "THRESHOLD"),
    ("threshold above after leaving", Act.SET_COUNCIL, (CITY, 0, 3), "THRESHOLD"),
    ("validator key zero", Act.SET_VALIDATOR, (CITY, 0, 1), "KEY"),
    ("validator power", Act.SET_VALIDATOR, (CITY, 1, 1001), "POWER"),
    ("validator power huge", Act.SET_VALIDATOR, (CITY, 1, 2**256 - 1), "POWER"),
    ("validator unknown removed", Act.SET_VALIDATOR, (CITY, 1, 0), "UNKNOWN"),
    ("validator of nobody", Act.SET_VALIDATOR, (99, 1, 1), "ORGANISATION"),
    ("consensus without validators", Act.START_CONSENSUS, (99,), "EMPTY SET"),
    ("consensus spare word", Act.EXTEND_TRUST, (1, 1), "SPARE"),
    ("trust zero", Act.EXTEND_TRUST, (0,), "HASH"),
]


@pytest.mark.parametrize(("act", "arguments", "reason"), [f[1:] for f in ACT_FAULTS], ids=[f[0] for f in ACT_FAULTS])
def test_acts_refuse(act: int, arguments: tuple[int, ...], reason: str, faults: Pair) -> None:
    assert propose(faults, sender(CITY, "approve"), act, words(*arguments)) == reason


@pytest.fixture(scope="module")
def faults() -> Pair:
    return Pair()


def test_more_agreements_refuse(pair: Pair) -> None:
    at = b"\x01" * 20
    pair.world.deploy("Won", [addresses.ORGANISATIONS, []], at=at)
    pair.organisations.deployed.add(at)
    by = sender(CITY, "approve")
    assert propose(pair, by, Act.REGISTER_AGREEMENT, words(word(at), 0, 99)) == "NAME"
    assert propose(pair, by, Act.REGISTER_AGREEMENT, words(word(at), 1, 1)) == "BLOCK"
    pair.decide(Act.RETIRE_AGREEMENT, word(addresses.WON), 50)
    assert propose(pair, by, Act.RETIRE_AGREEMENT, words(word(addresses.WON), 60)) == "AGREEMENT"


# --- validators


def validator(pair: Pair, owner: int, key: bytes, power: int) -> Outcome | str:
    return propose(pair, sender(CITY, "approve"), Act.SET_VALIDATOR, words(owner, word(key), power))


def test_validators_change_by_their_rules(pair: Pair) -> None:
    for owner in (CITY, KOOKMIN, WOORI, CLEARING):
        pair.decide(Act.SET_VALIDATOR, owner, word(ED25519[owner]), 10)
    assert validator(pair, CITY, ED25519[0], 10) == "OWNER"
    assert validator(pair, REGISTRY, ED25519[CITY], 10) == "KEY USED"
    assert validator(pair, CITY, ED25519[0], 0) == "KEY"
    pair.decide(Act.START_CONSENSUS, pair.world.block + 1)
    assert pair.world.call("Organisations", "consensus_from") == pair.world.block + 1
    assert propose(pair, sender(CITY, "approve"), Act.START_CONSENSUS, words(99)) == "CONSENSUS"
    assert validator(pair, REGISTRY, ED25519[REGISTRY], 10) == "PENDING"
    pair.advance(blocks=2)
    assert validator(pair, REGISTRY, ED25519[REGISTRY], 14) == "THIRD"
    pair.decide(Act.SET_VALIDATOR, REGISTRY, word(ED25519[REGISTRY]), 13)
    assert validator(pair, CITY, ED25519[CITY], 0) == "PENDING"
    pair.advance(blocks=2)
    pair.decide(Act.SET_VALIDATOR, CITY, word(ED25519[CITY]), 0)
    expected = {(owner, ED25519[owner], power) for owner, power in ((KOOKMIN, 10), (WOORI, 10), (CLEARING, 10))}
    assert set(pair.world.call("Organisations", "validators")) == expected | {(REGISTRY, ED25519[REGISTRY], 13)}


def test_the_last_validator_stays(pair: Pair) -> None:
    pair.decide(Act.SET_VALIDATOR, CITY, word(ED25519[0]), 10)
    assert validator(pair, CITY, ED25519[0], 0) == "EMPTY SET"
    assert propose(pair, sender(CITY, "approve"), Act.START_CONSENSUS, words(1)) == "BLOCK"


def test_misbehaviour_is_reported_once(pair: Pair) -> None:
    for owner in (CITY, KOOKMIN):
        pair.decide(Act.SET_VALIDATOR, owner, word(ED25519[owner]), 10)

    def report(by: bytes, key: bytes, evidence: bytes = ED25519[7]) -> Outcome | str:
        return pair.step(
            by,
            "Organisations",
            "report_misbehaviour",
            [key, 42, 1, evidence],
            lambda: pair.organisations.report_misbehaviour(by, key, 42, 1, evidence),
        )

    assert report(sender(WOORI, "settle"), ED25519[CITY]) == "SENDER"
    assert report(STRANGER, ED25519[CITY]) == "SENDER"
    assert report(sender(KOOKMIN, "settle"), ED25519[6]) == "UNKNOWN"
    assert report(sender(KOOKMIN, "settle"), ED25519[CITY], bytes(32)) == "HASH"
    assert isinstance(report(sender(KOOKMIN, "settle"), ED25519[CITY]), Outcome)
    assert report(sender(CITY, "settle"), ED25519[CITY]) == "REPORTED"
    assert pair.world.call("Organisations", "reported", [ED25519[CITY], 42, 1]) is True


# --- chain and twin under random steps

ORGANISATION_IDS = st.sampled_from([*city.ROLES, 40, 41, 99])
KEY_POOL = [sender(n, p) for n in (CITY, WOORI) for p in ("administer", "issue")] + [
    address(f"pool {i}") for i in range(4)
]
SENDERS = [sender(n, p) for n in city.ROLES for p in ("administer", "approve")] + [STRANGER]
SMALL = st.integers(0, 4)


@st.composite
def acts(draw: st.DrawFn) -> tuple[int, list[int]]:
    act = draw(st.sampled_from([*Act, 13]))
    owner = draw(ORGANISATION_IDS)
    key = word(draw(st.sampled_from(KEY_POOL)))
    if act == Act.ADMIT:
        return act, [owner, word(STRANGER), key, 1 << draw(st.integers(0, 14))]
    if act in (Act.SET_KEY, Act.SET_ACCOUNT):
        return act, words(owner, key, draw(st.integers(0, 31)) if act == Act.SET_KEY else 0)
    if act == Act.SET_VALIDATOR:
        return act, words(owner, word(draw(st.sampled_from(ED25519))), draw(st.integers(0, 12)))
    if act in (Act.REGISTER_AGREEMENT, Act.RETIRE_AGREEMENT):
        return act, words(word(draw(st.sampled_from([*addresses.BY_NAME.values()]))), draw(st.integers(1, 60)))
    return act, words(owner, draw(SMALL), draw(SMALL))


class OrganisationsMachine(RuleBasedStateMachine):
    """The council and the organisations do anything; chain and twin stay alike."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.open: list[tuple[int, int, list[int]]] = []

    @rule(by=st.sampled_from([sender(n, "approve") for n in (*city.MEMBERS, WOORI)]), act=acts())
    def proposes(self, by: bytes, act: tuple[int, list[int]]) -> None:
        outcome = propose(self.pair, by, *act)
        if isinstance(outcome, Outcome):
            self.open.append((outcome.value, *act))

    @rule(by=st.sampled_from([sender(n, "approve") for n in (*city.MEMBERS, WOORI)]), data=st.data())
    def approves(self, by: bytes, data: st.DataObject) -> None:
        if self.open:
            approve(self.pair, by, *data.draw(st.sampled_from(self.open[-3:])))

    @rule(by=st.sampled_from(SENDERS), key=st.sampled_from(KEY_POOL), purposes=st.integers(0, 33))
    def sets_a_key(self, by: bytes, key: bytes, purposes: int) -> None:
        set_key(self.pair, by, key, purposes)

    @rule(by=st.sampled_from(SENDERS), old=st.sampled_from(KEY_POOL), new=st.sampled_from(KEY_POOL))
    def rotates(self, by: bytes, old: bytes, new: bytes) -> None:
        rotate(self.pair, by, old, new)

    @rule(seconds=st.sampled_from([1, 86_400, PROPOSAL_SECONDS]), blocks=st.integers(1, 3))
    def time_passes(self, seconds: int, blocks: int) -> None:
        self.pair.advance(seconds, blocks)

    @invariant()
    def alike(self) -> None:
        world, twin = self.pair.world, self.pair.organisations
        for key in (*KEY_POOL, *SENDERS):
            assert world.call("Organisations", "standing", [key]) == twin.standing(key)
        assert world.call("Organisations", "council") == (tuple(twin.members), twin.threshold)
        assert set(world.call("Organisations", "validators")) == {
            (owner, key, power) for owner, (key, power) in twin.validators.items()
        }
        assert twin.threshold * 2 > len(twin.members) >= twin.threshold


class TestOrganisationsMachine(OrganisationsMachine.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


def test_a_call_with_an_unknown_selector_reverts(world: World) -> None:
    with pytest.raises(Reverted):
        world.transact_raw(STRANGER, addresses.ORGANISATIONS, b"\xde\xad\xbe\xef")
