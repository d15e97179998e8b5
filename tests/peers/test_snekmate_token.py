"""Won's ERC-20 and EIP-2612 against snekmate's, step by step: same successes, balances, allowances, nonces, digests."""

from __future__ import annotations

from pathlib import Path

import pytest
import snekmate
from coincurve import PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import addresses, build, client
from contracts.hashing import keccak
from contracts.signatures import sign
from contracts.twins.won import PERMIT, UNLIMITED, digest
from tests.contracts import city
from tests.contracts.harness import Reverted, World, address, key

PEER = client.parse(
    build.compile_source(Path(__file__).with_name("snekmate_token.vy"), [Path(next(iter(snekmate.__path__))).parent])
)
NAMES = ["alice", "bob", "carol"]
OWNER = bytes(20)  # who deploys in a World
AMOUNTS = st.one_of(st.integers(0, 1_500), st.just(UNLIMITED))
NAME = st.sampled_from(NAMES)
STEP = st.one_of(
    st.tuples(st.just("transfer"), NAME, NAME, NAME, AMOUNTS),
    st.tuples(st.just("approve"), NAME, NAME, NAME, AMOUNTS),
    st.tuples(st.just("transferFrom"), NAME, NAME, NAME, AMOUNTS),
    st.tuples(st.just("permit"), NAME, NAME, NAME, AMOUNTS),
)


def peer_data(function: str, args: list[object]) -> bytes:
    found = PEER.function(function)
    return found.selector + client.encode(found.inputs, args)


@pytest.fixture(scope="module")
def worlds() -> tuple[World, World]:
    """Ours and the peer's: the peer stands where Won does, so that their domains are one."""
    ours, peer = World(), World()
    city.deploy_city(ours)
    peer.deploy_code("snekmate", PEER.initcode, addresses.WON)
    for name in NAMES:
        ours.transact(city.sender(city.KOOKMIN, "issue"), "Won", "mint", [address(name), 1_000, keccak(name.encode())])
        peer.transact_raw(OWNER, addresses.WON, peer_data("mint", [address(name), 1_000]))
    return ours, peer


def succeeds(world: World, by: bytes, data: bytes) -> bool:
    try:
        world.transact_raw(by, addresses.WON, data)
    except Reverted:
        return False
    return True


def arguments(world: World, function: str, holder: str, to: str, amount: int, signer: PrivateKey) -> list[object]:
    if function == "transferFrom":
        return [address(holder), address(to), amount]
    if function != "permit":
        return [address(to), amount]
    nonce = world.call("Won", "nonces", [address(holder)])
    signed = sign(digest(world.chain_id, PERMIT, [address(holder), address(to), amount, nonce, world.time]), signer)
    return [address(holder), address(to), amount, world.time, signed[64], signed[:32], signed[32:64]]


def state(world: World) -> list[int]:
    """Won and its peer answer the same selectors, so one codec reads both."""
    read = [world.call("Won", "balanceOf", [address(name)]) for name in NAMES]
    read += [world.call("Won", "nonces", [address(name)]) for name in NAMES]
    read += [world.call("Won", "allowance", [address(a), address(b)]) for a in NAMES for b in NAMES]
    return [*read, world.call("Won", "totalSupply")]


def test_the_domain_is_the_same(worlds: tuple[World, World]) -> None:
    assert worlds[0].call("Won", "DOMAIN_SEPARATOR") == worlds[1].call("Won", "DOMAIN_SEPARATOR")


@given(steps=st.lists(STEP, max_size=25))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_step_ends_alike(worlds: tuple[World, World], steps: list[tuple[str, str, str, str, int]]) -> None:
    ours, peer = worlds
    with ours.rolled_back(), peer.rolled_back():
        for function, by, holder, to, amount in steps:
            args = arguments(ours, function, holder, to, amount, key(by))
            data = client.encode_call("Won", function, args)
            assert data == peer_data(function, args)
            assert succeeds(ours, address(by), data) == succeeds(peer, address(by), data)
            assert state(ours) == state(peer)
