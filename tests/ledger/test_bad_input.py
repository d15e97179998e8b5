"""Bytes and JSON from anybody: a named refusal, never another exception, never an internal error."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.chain import blocks, transactions
from ledger.chain.genesis import rebuild
from ledger.errors import BlockError, TransactionError
from ledger.node import Node
from ledger.rpc.dispatch import INTERNAL, answer
from ledger.rpc.eth import EthApi
from tests.ledger.chains import CHAIN_ID, COUNTER, GENESIS_S, USERS, count, finality, make, open_config

RELAXED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
GOOD = count(USERS[0], 0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
HEXISH = st.sampled_from(
    ["0x", "0x0", "0x1", "0x00", "0xzz", "0x" + "11" * 20, "0x" + "22" * 32, "latest", "pending", "earliest", "0x-1"]
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = make(tmp_path_factory.mktemp("node"), open_config())
    made.submit(count(USERS[0], 0))
    made.submit(count(USERS[1], 0))
    made.seal(GENESIS_S + 1)
    yield made
    made.close()


@given(st.binary(max_size=200))
@RELAXED
def test_any_bytes_as_a_transaction(raw: bytes) -> None:
    with contextlib.suppress(TransactionError):
        assert transactions.decode(raw).raw == raw


def nested(depth: int) -> bytes:
    """Lists within lists, `depth` times."""
    heads, length = [], 1
    for _ in range(depth):
        size = length.to_bytes((length.bit_length() + 7) // 8, "big")
        heads.append(bytes([0xC0 + length]) if length < 56 else bytes([0xF7 + len(size)]) + size)
        length += len(heads[-1])
    return b"".join(reversed(heads)) + b"\xc0"


def many(length: int) -> bytes:
    """A list of very many small items."""
    return b"\xfa" + length.to_bytes(3, "big") + bytes(length)


@pytest.mark.parametrize("bomb", [nested(500), nested(37_000), many(130_000)], ids=["500", "37000", "many"])
def test_nesting_and_length_bombs(node: Node, bomb: bytes) -> None:
    for raw in (bomb, b"\x01" + bomb, b"\x02" + bomb):
        with pytest.raises(TransactionError):
            node.submit(raw)
    header = blocks.encode_header(node.head.header)
    body = b"\xfb" + (len(header) + len(bomb) + 2).to_bytes(4, "big") + header + bomb + b"\xc0\xc0"
    for raw in (bomb, body, nested(1_000_000), many(4_000_000)):
        with pytest.raises(BlockError):
            node.import_block(raw, bytes(65))


def mutants(raw: bytes, number: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(number):
        changed = bytearray(raw)
        place = rng.randrange(len(changed))
        match rng.randrange(3):
            case 0:
                changed[place] ^= 1 << rng.randrange(8)
            case 1:
                del changed[place : place + rng.randrange(1, 4)]
            case _:
                changed[place:place] = rng.randbytes(rng.randrange(1, 4))
        yield bytes(changed)


def check_transaction_mutants(number: int) -> None:
    original = transactions.decode(GOOD)
    for changed in mutants(GOOD, number, 1):
        with contextlib.suppress(TransactionError):
            found = transactions.decode(changed)
            transactions.check(found, CHAIN_ID, 60_000_000)
            # Another message or signature is another sender's: nobody can change what somebody signed.
            assert found.sender != original.sender or found.raw == original.raw


def check_block_mutants(node: Node, number: int) -> None:
    """Whatever is changed, and signed by the authority itself, is refused; only another time is another good block."""
    genuine = node.block(1)
    for changed in mutants(genuine.raw, number, 2):
        follower = Node.in_memory(rebuild(node.archive.chain, node.archive.genesis))
        try:
            block = blocks.decode(changed)
            follower.import_block(changed, finality(block, node.identity.genesis_hash))
        except BlockError:
            continue
        same_time = block.header.copy(timestamp=genuine.timestamp)
        assert blocks.build(same_time, block.transactions).raw == genuine.raw


def test_changed_transactions() -> None:
    check_transaction_mutants(1_500)


def test_changed_blocks_even_signed_by_the_authority(node: Node) -> None:
    check_block_mutants(node, 400)


@pytest.mark.long
def test_changed_transactions_and_blocks_for_long(node: Node) -> None:
    check_transaction_mutants(200_000)
    check_block_mutants(node, 50_000)


@given(JSON)
@RELAXED
def test_any_json_as_a_request(node: Node, request_: Any) -> None:
    given_ = answer(EthApi(node).methods, request_)
    assert ("result" in given_) != ("error" in given_)
    assert given_.get("error", {}).get("code") != INTERNAL


@given(st.data())
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_parameters_of_any_method(node: Node, data: st.DataObject) -> None:
    methods = EthApi(node).methods
    method = data.draw(st.sampled_from(sorted(methods)))
    keys = st.sampled_from(
        [
            "to",
            "from",
            "gas",
            "value",
            "input",
            "data",
            "accessList",
            "address",
            "topics",
            "fromBlock",
            "toBlock",
            "blockHash",
            "blockNumber",
        ]
    )
    value = st.recursive(
        HEXISH | JSON,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=6,
    )
    params = data.draw(st.lists(value, max_size=4))
    given_ = answer(methods, {"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    assert given_.get("error", {}).get("code") != INTERNAL, (method, params)


def test_nothing_of_this_changed_the_chain(node: Node, tmp_path: Path) -> None:
    assert node.head.number == 1
    assert node.view().storage(COUNTER, 0) == 9
    assert tmp_path.exists()
