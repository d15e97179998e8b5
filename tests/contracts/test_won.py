"""Won: ERC-20, EIP-2612, EIP-3009; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account
from eth_utils import to_checksum_address

from contracts import addresses
from contracts.twins.won import CANCEL, PERMIT, RECEIVE, TRANSFER, UNLIMITED
from tests.contracts.harness import Outcome, key
from tests.contracts.won_steps import ALICE, BOB, CARRIER, Steps, high_s, reference, split


@pytest.fixture
def city() -> Steps:
    steps = Steps()
    steps.endow(ALICE, 10_000)
    return steps


# --- ERC-20


def test_metadata(city: Steps) -> None:
    answers = {name: city.world.call("Won", name) for name in ("name", "symbol", "decimals", "version")}
    assert answers == {"name": "Dure Won", "symbol": "KRW", "decimals": 0, "version": "1"}


def test_transfers(city: Steps) -> None:
    outcome = city.transfer(ALICE, BOB, 4_000)
    assert isinstance(outcome, Outcome)
    assert outcome.value is True
    assert (city.balance(ALICE), city.balance(BOB)) == (6_000, 4_000)
    assert isinstance(city.transfer(ALICE, ALICE, 6_000), Outcome)
    assert isinstance(city.transfer(ALICE, BOB, 0), Outcome)
    assert city.balance(ALICE) == 6_000


def test_transfers_refuse(city: Steps) -> None:
    assert city.transfer(ALICE, BOB, 10_001) == "BALANCE"
    assert city.transfer(BOB, ALICE, 1) == "BALANCE"
    assert city.transfer(ALICE, BOB, 2**256 - 1) == "BALANCE"
    assert city.transfer(ALICE, bytes(20), 1) == "RECEIVER"
    for agreement in addresses.BY_NAME.values():
        assert city.transfer(ALICE, agreement, 1) == "RECEIVER"
    assert city.transfer_from(BOB, ALICE, BOB, 1) == "ALLOWANCE"
    city.approve(ALICE, BOB, 5)
    assert city.transfer_from(BOB, ALICE, addresses.FARES, 1) == "RECEIVER"
    assert city.transfer_from(BOB, ALICE, CARRIER, 6) == "ALLOWANCE"
    city.approve(ALICE, BOB, UNLIMITED)
    assert city.transfer_from(BOB, ALICE, CARRIER, 10_001) == "BALANCE"


def test_allowances(city: Steps) -> None:
    city.approve(ALICE, BOB, 500)
    assert isinstance(city.transfer_from(BOB, ALICE, CARRIER, 200), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == 300
    city.approve(ALICE, BOB, UNLIMITED)
    assert isinstance(city.transfer_from(BOB, ALICE, CARRIER, 200), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == UNLIMITED


def test_an_agreement_takes_by_its_own_hand(city: Steps) -> None:
    city.approve(ALICE, addresses.FARES, 700)
    assert isinstance(city.transfer_from(addresses.FARES, ALICE, addresses.FARES, 700), Outcome)
    assert isinstance(city.transfer(addresses.FARES, addresses.VOUCHERS, 300), Outcome)
    assert isinstance(city.transfer(addresses.FARES, BOB, 400), Outcome)
    assert (city.balance(addresses.FARES), city.balance(addresses.VOUCHERS)) == (0, 300)


# --- EIP-2612


def test_a_permit_is_used_once_and_by_anyone(city: Steps) -> None:
    deadline = city.clock.time
    signature = city.signed(key("alice"), PERMIT, [ALICE, BOB, 900, 0, deadline])
    assert isinstance(city.permit(ALICE, BOB, 900, deadline, signature), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == 900
    assert city.world.call("Won", "nonces", [ALICE]) == 1
    assert city.permit(ALICE, BOB, 900, deadline, signature) == "SIGNATURE"


def test_permits_refuse(city: Steps) -> None:
    now = city.clock.time
    signature = city.signed(key("alice"), PERMIT, [ALICE, BOB, 900, 0, now])
    assert city.permit(ALICE, BOB, 901, now, signature) == "SIGNATURE"
    assert city.permit(BOB, BOB, 900, now, signature) == "SIGNATURE"
    assert city.permit(bytes(20), BOB, 900, now, (27, bytes(32), bytes(32))) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, high_s(signature)) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (29, *signature[1:])) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (signature[0] - 27, *signature[1:])) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (signature[0], bytes(32), signature[2])) == "SIGNATURE"
    city.advance(1)
    assert city.permit(ALICE, BOB, 900, now, signature) == "DEADLINE"


# --- EIP-3009


def values_of(city: Steps, holder: bytes = ALICE, to: bytes = BOB, amount: int = 100) -> Any:
    return holder, to, amount, city.clock.time - 10, city.clock.time + 10, reference(99)


def test_an_authorisation_is_used_once(city: Steps) -> None:
    values = values_of(city)
    signature = city.signed(key("alice"), TRANSFER, list(values))
    assert isinstance(city.authorised(CARRIER, values, signature), Outcome)
    assert city.balance(BOB) == 100
    assert city.world.call("Won", "authorizationState", [ALICE, values[5]]) is True
    assert city.authorised(CARRIER, values, signature) == "NONCE"


def test_authorisations_refuse(city: Steps) -> None:
    values = values_of(city)
    signature = city.signed(key("alice"), TRANSFER, list(values))
    wrong = [
        (values, high_s(signature)),
        (values, (26, *signature[1:])),
        (values, city.signed(key("bob"), TRANSFER, list(values))),
        (values, city.signed(key("alice"), RECEIVE, list(values))),
        ((BOB, *values[1:]), signature),
        ((ALICE, CARRIER, *values[2:]), signature),
        ((ALICE, BOB, 101, *values[3:]), signature),
    ]
    for changed, by in wrong:
        assert city.authorised(CARRIER, changed, by) == "SIGNATURE"
    for at, reason in ((3, "EARLY"), (4, "LATE")):
        late = (*values[:at], city.clock.time, *values[at + 1 :])
        assert city.authorised(CARRIER, late, city.signed(key("alice"), TRANSFER, list(late))) == reason
    poor = values_of(city, amount=10_001)
    assert city.authorised(CARRIER, poor, city.signed(key("alice"), TRANSFER, list(poor))) == "BALANCE"
    into = values_of(city, to=addresses.FARES)
    assert city.authorised(CARRIER, into, city.signed(key("alice"), TRANSFER, list(into))) == "RECEIVER"


def test_only_the_receiver_carries_a_receive(city: Steps) -> None:
    values = values_of(city, to=addresses.FARES)
    signature = city.signed(key("alice"), RECEIVE, list(values))
    assert city.authorised(CARRIER, values, signature, receive=True) == "SENDER"
    assert city.authorised(addresses.FARES, values, high_s(signature), receive=True) == "SIGNATURE"
    assert isinstance(city.authorised(addresses.FARES, values, signature, receive=True), Outcome)
    assert city.balance(addresses.FARES) == 100


def test_a_cancelled_authorisation_is_spoilt(city: Steps) -> None:
    values = values_of(city)
    nonce = values[5]
    signature = city.signed(key("alice"), CANCEL, [ALICE, nonce])
    assert city.cancel(BOB, nonce, signature) == "SIGNATURE"
    assert city.cancel(ALICE, nonce, high_s(signature)) == "SIGNATURE"
    assert isinstance(city.cancel(ALICE, nonce, signature), Outcome)
    assert city.cancel(ALICE, nonce, signature) == "NONCE"
    assert city.authorised(CARRIER, values, city.signed(key("alice"), TRANSFER, list(values))) == "NONCE"


def test_digests_are_those_of_eth_account(city: Steps) -> None:
    values = {"owner": ALICE, "spender": BOB, "value": 5, "nonce": 0, "deadline": city.clock.time + 5}
    signed = Account.sign_typed_data(
        key("alice").secret,
        {"name": "Dure Won", "version": "1", "chainId": city.clock.chain_id, "verifyingContract": addresses.WON},
        {"Permit": [{"name": n, "type": t} for t, n in (part.split() for part in PERMIT[7:-1].split(","))]},
        {name: to_checksum_address(v) if isinstance(v, bytes) else v for name, v in values.items()},
    )
    assert isinstance(city.permit(ALICE, BOB, 5, city.clock.time + 5, split(bytes(signed.signature))), Outcome)
