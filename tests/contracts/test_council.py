"""The council's acts: votes, agreements, validators; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import addresses, client
from contracts.codes import Act, Purpose, Role
from contracts.hashing import keccak
from contracts.twins.organisations import OPEN, PROPOSAL_SECONDS, content_of
from tests.contracts import city
from tests.contracts.city import CITY, CLEARING, KOOKMIN, REGISTRY, WOORI, Pair, account, sender
from tests.contracts.harness import Outcome, World, address
from tests.contracts.organisation_steps import (
    ED25519,
    KEY_WORD,
    NEW_KEY,
    STRANGER,
    approve,
    propose,
    set_key,
    word,
    words,
)


@pytest.fixture
def pair() -> Pair:
    return Pair()


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
    ("retire the council's own", Act.RETIRE_AGREEMENT, (word(addresses.ORGANISATIONS), 99), "AGREEMENT"),
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


def test_a_genesis_with_validators_runs_consensus_from_its_first_block() -> None:
    arguments = city.genesis_arguments()
    arguments[5] = [(CITY, ED25519[0], 10), (KOOKMIN, ED25519[1], 10), (WOORI, ED25519[2], 10)]
    world = World()
    world.deploy("Organisations", arguments)
    assert world.call("Organisations", "consensus_from") == 1
    assert world.call("Organisations", "validators") == tuple(arguments[5])
    by, act = sender(CITY, "approve"), Act.SET_VALIDATOR
    with city.refuses("PENDING"):
        world.transact(by, "Organisations", "propose", [act, words(CLEARING, word(ED25519[3]), 10)])
    world.advance(blocks=1)
    with city.refuses("THIRD"):
        world.transact(by, "Organisations", "propose", [act, words(CLEARING, word(ED25519[3]), 11)])
    world.transact(by, "Organisations", "propose", [act, words(CLEARING, word(ED25519[3]), 10)])


def crowd(size: int) -> list[Any]:
    """Genesis of `size` organisations whose council is the first alone."""
    arguments = city.genesis_arguments()
    arguments[0] = [(n, account(CITY), 2) for n in range(1, size + 1)]
    arguments[1] = [(address(f"crowd {n}"), n, Purpose.ADMINISTER | Purpose.APPROVE) for n in range(1, size + 1)]
    arguments[2], arguments[3] = [1], 1
    return arguments


def test_validators_are_bounded() -> None:
    world, arguments = World(), crowd(101)
    arguments[5] = [(n, keccak(b"%d" % n), 10) for n in range(1, 101)]
    world.deploy("Organisations", arguments)
    world.advance(blocks=2)
    with city.refuses("TOO MANY"):
        world.transact(
            address("crowd 1"), "Organisations", "propose", [Act.SET_VALIDATOR, words(101, word(keccak(b"101")), 10)]
        )


def test_members_are_bounded() -> None:
    world, arguments = World(), crowd(65)
    arguments[2], arguments[3] = list(range(1, 65)), 33
    world.deploy("Organisations", arguments)
    with city.refuses("TOO MANY"):
        world.transact(address("crowd 1"), "Organisations", "propose", [Act.SET_COUNCIL, words(65, 1, 33)])


def test_agreements_are_bounded() -> None:
    world, arguments = World(), crowd(1)
    world.deploy("Organisations", arguments)

    def register(number: int) -> Outcome:
        at = b"\x01" + number.to_bytes(19, "big")
        world.state.set_code(at, b"\x00")
        act = [Act.REGISTER_AGREEMENT, words(word(at), 1, world.block + 1)]
        return world.transact(address("crowd 1"), "Organisations", "propose", act)

    for number in range(256 - len(arguments[4])):
        register(number)
    with city.refuses("TOO MANY"):
        register(999)


def test_a_crowded_council_still_decides_within_a_block() -> None:
    world, arguments = World(), crowd(64)
    arguments[2], arguments[3] = list(range(1, 65)), 64
    world.deploy("Organisations", arguments)
    act, words_ = Act.SET_ROLE, words(1, 5, 1)
    world.transact(address("crowd 1"), "Organisations", "propose", [act, words_])
    for n in range(2, 65):
        last = world.transact(address(f"crowd {n}"), "Organisations", "approve", [1, act, words_])
    assert world.call("Organisations", "holds", [1, 5]) is True
    assert last.gas_used < 5_000_000
