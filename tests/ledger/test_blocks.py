"""Blocks that must fail, each named for its fault, and blocks that hold on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp

from contracts.addresses import WON
from contracts.client import encode_call
from contracts.signatures import address_of
from ledger.chain import blocks, transactions
from ledger.chain.blocks import Block
from ledger.chain.genesis import rebuild
from ledger.engines import open_engine
from ledger.errors import (
    BlockAdmissionError,
    BlockBaseFeeError,
    BlockBodyError,
    BlockError,
    BlockExecutionError,
    BlockFieldError,
    BlockFinalityError,
    BlockFormatError,
    BlockGasLimitError,
    BlockGasUsedError,
    BlockParentError,
    BlockResultError,
    BlockTimeError,
    BlockTransactionError,
)
from ledger.node import Node
from tests.ledger.chains import (
    BANK,
    CHAIN_ID,
    CITY,
    COUNTER_CODE,
    GENESIS_S,
    OUTSIDER,
    USERS,
    Clock,
    civic_config,
    count,
    digest,
    finality,
    initcode,
    key,
    make,
    open_config,
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A chain of three blocks, two transactions each."""
    node = make(tmp_path_factory.mktemp("source"), open_config())
    for nonce in range(3):
        node.submit(count(USERS[0], nonce))
        node.submit(count(USERS[1], nonce))
        node.seal(GENESIS_S + 1 + nonce)
    yield node
    node.close()


@pytest.fixture
def follower(source: Node) -> Node:
    """A node that has the first block."""
    node = Node.in_memory(rebuild(source.archive.chain, source.archive.genesis))
    node.import_block(source.block(1).raw, source.finality(1))
    return node


def altered(block: Block, body: tuple[Any, ...] | None = None, **fields: Any) -> Block:
    """The block with other header fields, and its hash with them."""
    header = block.header.copy(**fields)
    return blocks.build(header, block.transactions if body is None else body)


HEADER_FAULTS: dict[str, tuple[dict[str, Any], type[BlockError]]] = {
    "another parent": ({"parent_hash": b"\1" * 32}, BlockParentError),
    "the number after next": ({"block_number": 3}, BlockParentError),
    "the number again": ({"block_number": 1}, BlockParentError),
    "equal timestamp": ({"timestamp": GENESIS_S + 1}, BlockTimeError),
    "falling timestamp": ({"timestamp": GENESIS_S}, BlockTimeError),
    "timestamp in the year 2242": ({"timestamp": 8_583_451_200}, BlockTimeError),
    "uncles": ({"uncles_hash": b"\1" * 32}, BlockFieldError),
    "a coinbase": ({"coinbase": b"\1" * 20}, BlockFieldError),
    "difficulty": ({"difficulty": 1}, BlockFieldError),
    "extra data": ({"extra_data": b"x"}, BlockFieldError),
    "extra data of 33 bytes": ({"extra_data": bytes(33)}, BlockFieldError),
    "a mix hash": ({"mix_hash": b"\1" * 32}, BlockFieldError),
    "a nonce": ({"nonce": b"\1" * 8}, BlockFieldError),
    "withdrawals": ({"withdrawals_root": b"\1" * 32}, BlockFieldError),
    "blob gas": ({"blob_gas_used": 131_072}, BlockFieldError),
    "excess blob gas": ({"excess_blob_gas": 1}, BlockFieldError),
    "a beacon root": ({"parent_beacon_block_root": b"\1" * 32}, BlockFieldError),
    "gas limit a little lower": ({"gas_limit": 59_999_999}, BlockGasLimitError),
    "gas limit doubled": ({"gas_limit": 120_000_000}, BlockGasLimitError),
    "base fee 1": ({"base_fee_per_gas": 1}, BlockBaseFeeError),
    "over half full": ({"gas_used": 30_000_001}, BlockGasUsedError),
    "other transactions": ({"transaction_root": b"\1" * 32}, BlockBodyError),
    "more gas used than executed": ({"gas_used": 100}, BlockResultError),
    "other receipts": ({"receipt_root": b"\1" * 32}, BlockResultError),
    "another bloom": ({"bloom": 1}, BlockResultError),
    "another state": ({"state_root": b"\1" * 32}, BlockResultError),
}


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_altered_headers_are_refused_by_name(source: Node, follower: Node, fault: str) -> None:
    fields, error = HEADER_FAULTS[fault]
    block = altered(source.block(2), **fields)
    with pytest.raises(error) as caught:
        follower.import_block(block.raw, finality(block, source.identity.genesis_hash))
    assert type(caught.value) is error
    unharmed(source, follower)


def unharmed(source: Node, follower: Node) -> None:
    """A refused block changes nothing: the right ones still follow."""
    for number in range(follower.head.number + 1, 4):
        follower.import_block(source.block(number).raw, source.finality(number))
    assert follower.head.hash == source.head.hash


def body_faults(source: Node) -> dict[str, tuple[tuple[bytes, ...], type[BlockError]]]:
    first, second = (tx.raw for tx in source.block(2).transactions)
    return {
        "reordered": ((second, first), BlockBodyError),
        "one dropped": ((first,), BlockBodyError),
        "one doubled": ((first, first, second), BlockExecutionError),
        "one of the last block": ((source.block(1).transactions[0].raw, first), BlockExecutionError),
        "a nonce too far": ((count(USERS[2], 5),), BlockExecutionError),
        "another chain's": ((transactions.sign(USERS[0], 1, 1, 60_000, b"\1" * 20, b""),), BlockTransactionError),
        "more gas than half a block": ((count(USERS[2], 0, gas=30_000_001),), BlockTransactionError),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "reordered",
        "one dropped",
        "one doubled",
        "one of the last block",
        "a nonce too far",
        "another chain's",
        "more gas than half a block",
    ],
)
def test_altered_bodies_are_refused_by_name(source: Node, follower: Node, fault: str) -> None:
    raws, error = body_faults(source)[fault]
    block = altered(source.block(2), tuple(transactions.decode(raw) for raw in raws))
    with pytest.raises(error) as caught:
        follower.import_block(block.raw, finality(block, source.identity.genesis_hash))
    assert type(caught.value) is error
    unharmed(source, follower)


def form_faults(block: Block) -> dict[str, bytes]:
    header, body, _, _ = rlp.decode(block.raw)
    return {
        "nothing": b"",
        "not RLP": b"\xff\xff",
        "a byte more": block.raw + b"\0",
        "a byte less": block.raw[:-1],
        "a list of three": rlp.encode([header, body, []]),
        "an uncle": rlp.encode([header, body, [header], []]),
        "a withdrawal": rlp.encode([header, body, [], [[b"\1", b"\1", bytes(20), b"\1"]]]),
        "19 header fields": rlp.encode([header[:-1], body, [], []]),
        "21 header fields": rlp.encode([[*header, b""], body, [], []]),
        "a number with a leading zero": rlp.encode([[*header[:8], b"\0\2", *header[9:]], body, [], []]),
        "a hash of 31 bytes": rlp.encode([[header[0][1:], *header[1:]], body, [], []]),
        "a body that is no list": rlp.encode([header, b"", [], []]),
        "over four megabytes": bytes(5 * 1024 * 1024),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "nothing",
        "not RLP",
        "a byte more",
        "a byte less",
        "a list of three",
        "an uncle",
        "a withdrawal",
        "19 header fields",
        "21 header fields",
        "a number with a leading zero",
        "a hash of 31 bytes",
        "a body that is no list",
        "over four megabytes",
    ],
)
def test_bytes_that_are_no_block(source: Node, follower: Node, fault: str) -> None:
    with pytest.raises(BlockFormatError):
        follower.import_block(form_faults(source.block(2))[fault], source.finality(2))
    unharmed(source, follower)


def test_a_transaction_that_does_not_decode(source: Node, follower: Node) -> None:
    header, _, _, _ = rlp.decode(source.block(2).raw)
    for item in (b"\x03\xc0", b"", b"\x02\xc0", [b"\1"]):
        with pytest.raises(BlockTransactionError):
            follower.import_block(rlp.encode([header, [item], [], []]), source.finality(2))
    unharmed(source, follower)


FINALITY_FAULTS: dict[str, Callable[[Node, Block], bytes]] = {
    "no signature": lambda _node, _block: b"",
    "of 64 bytes": lambda node, block: finality(block, node.identity.genesis_hash)[:64],
    "of another key": lambda node, block: finality(block, node.identity.genesis_hash, key("another")),
    "of another chain": lambda node, block: finality(block, node.identity.genesis_hash, chain_id=1),
    "of another genesis": lambda _node, block: finality(block, b"\1" * 32),
    "of another block": lambda node, _block: node.finality(1),
    "a flipped bit": lambda node, block: bytes([node.finality(block.number)[0] ^ 1]) + node.finality(block.number)[1:],
}


@pytest.mark.parametrize("fault", FINALITY_FAULTS)
def test_finality_that_does_not_hold(source: Node, follower: Node, fault: str) -> None:
    block = source.block(2)
    with pytest.raises(BlockFinalityError):
        follower.import_block(block.raw, FINALITY_FAULTS[fault](source, block))
    unharmed(source, follower)


def test_a_block_a_little_ahead_of_the_clock(source: Node) -> None:
    beginning = rebuild(source.archive.chain, source.archive.genesis)
    node = Node.in_memory(beginning)
    with pytest.raises(BlockTimeError):
        node.import_block(source.block(1).raw, source.finality(1), now_s=GENESIS_S - 30)
    node.import_block(source.block(1).raw, source.finality(1), now_s=GENESIS_S - 29)


# --- admission is validity


def forged(node: Node, raws: list[bytes]) -> Block:
    """A block that a dishonest authority makes: right in everything but who may transact."""
    body = [transactions.decode(raw) for raw in raws]
    draft = blocks.draft_header(node.head.header, node.head.timestamp + 1)
    execution = open_engine().begin(node.archive, node.head.header.state_root, node.environment(draft))
    for transaction in body:
        execution.apply(transaction)
    result = execution.finish()
    header = draft.copy(
        state_root=result.state_root,
        transaction_root=result.transactions_root,
        receipt_root=result.receipts_root,
        bloom=result.bloom,
        gas_used=result.gas_used,
    )
    return blocks.build(header, body)


@pytest.fixture
def civic(tmp_path: Path) -> Iterator[Node]:
    node = make(tmp_path, civic_config())
    yield node
    node.close()


MINT = encode_call("Won", "mint", [address_of(CITY), 1_000, digest("x")])

INADMISSIBLE = {
    "a sender that is no organisation": transactions.sign(OUTSIDER, CHAIN_ID, 0, 300_000, WON, MINT),
    "a receiver that is no agreement": transactions.sign(BANK, CHAIN_ID, 0, 300_000, b"\1" * 20, b""),
    "code without approval": transactions.sign(BANK, CHAIN_ID, 0, 300_000, b"", initcode(COUNTER_CODE)),
    "the zero address": transactions.sign(BANK, CHAIN_ID, 0, 300_000, bytes(20), b""),
}


@pytest.mark.parametrize("fault", INADMISSIBLE)
def test_blocks_with_inadmissible_transactions(civic: Node, fault: str) -> None:
    good = transactions.sign(CITY, CHAIN_ID, 0, 100_000, WON, encode_call("Won", "approve", [address_of(BANK), 1]))
    block = forged(civic, [good, INADMISSIBLE[fault]])
    with pytest.raises(BlockAdmissionError, match="transaction 1"):
        civic.import_block(block.raw, finality(block, civic.identity.genesis_hash))
    allowed = forged(civic, [good])
    civic.import_block(allowed.raw, finality(allowed, civic.identity.genesis_hash))
    assert civic.head.hash == allowed.hash


def test_a_block_over_half_full_is_refused_though_its_roots_hold(tmp_path: Path) -> None:
    """What stock rules allow and ours do not: it would move the base fee to 1 for ever (engines.md)."""
    clock = Clock()
    clock.now = GENESIS_S + 100
    node = Node.create(tmp_path, open_config(gas_limit=4_000_000), clock=clock)
    burner = bytes.fromhex("5b5f56")  # loops until its gas ends
    made = transactions.sign(USERS[0], CHAIN_ID, 0, 100_000, b"", initcode(burner))
    block = forged(node, [made])
    node.import_block(block.raw, finality(block, node.identity.genesis_hash))
    contract = node.receipts(1)[0].receipt.contract
    assert contract is not None
    raws = [transactions.sign(user, CHAIN_ID, 0, 1_100_000, contract, b"") for user in USERS[1:]]
    block = forged(node, raws)
    assert block.header.gas_used == 2_200_000
    with pytest.raises(BlockGasUsedError):
        node.import_block(block.raw, finality(block, node.identity.genesis_hash))
    node.close()
