"""The node through its public surface: taking, sealing, reading, opening again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import rlp
from eth_account import Account

from contracts.addresses import WON
from contracts.hashing import sha256
from contracts.messages import Finality
from contracts.signatures import address_of, recover
from ledger.chain import transactions
from ledger.chain.genesis import Agreement
from ledger.engines.base import Call
from ledger.errors import (
    BlockTimeError,
    CallReverted,
    ConfigurationError,
    KnownTransaction,
    LimitExceeded,
    NonceError,
    NotSequencerError,
    StoreExists,
    StoreLocked,
    StoreReadOnly,
    TransactionChainError,
    TransactionFeeError,
    TransactionFormatError,
    TransactionGasError,
    TransactionTypeError,
    TransactionValueError,
    UnknownBlock,
    UnknownTransaction,
)
from ledger.node import Node
from tests.ledger.chains import (
    AUTHORITY,
    CHAIN_ID,
    CITY,
    COUNTER,
    COUNTER_CODE,
    GENESIS_S,
    USERS,
    Clock,
    count,
    digest,
    initcode,
    make,
    open_config,
)

ENGINES = ("direct", "stock")


@pytest.fixture
def node(tmp_path: Path):
    made = make(tmp_path / "node", open_config())
    yield made
    made.close()


def counter(node: Node, block: int | None = None) -> int:
    return node.view(block).storage(COUNTER, 0)


def test_genesis_holds_what_the_constructor_leaves(node: Node) -> None:
    assert node.head.number == 0
    assert node.head.timestamp == GENESIS_S
    assert node.view().code(COUNTER) == COUNTER_CODE
    assert counter(node) == 7
    assert node.view().account(COUNTER).nonce == 1
    assert node.head.header.extra_data == sha256(node.archive.chain)


def test_a_block_takes_what_waits_in_order(node: Node) -> None:
    hashes = [node.submit(count(USERS[nonce % 2], nonce // 2)) for nonce in range(6)]
    assert node.pending_nonce(address_of(USERS[0])) == 3
    block = node.seal(GENESIS_S + 1)
    assert block is not None
    assert [tx.hash for tx in block.transactions] == hashes
    assert counter(node) == 13
    assert counter(node, 0) == 7
    assert [node.receipt(h).index for h in hashes] == list(range(6))
    assert all(node.receipt(h).receipt.status == 1 for h in hashes)
    assert node.pending() == []
    assert node.seal() is None
    assert node.nonce(address_of(USERS[0])) == 3


def test_a_block_is_signed_for_this_chain(node: Node) -> None:
    node.submit(count(USERS[0], 0))
    block = node.seal()
    assert block is not None
    message = Finality(CHAIN_ID, node.identity.genesis_hash, 1, block.hash)
    assert recover(message.digest(), node.finality(1)) == address_of(AUTHORITY)


def test_a_failed_transaction_stays_in_its_block_and_says_why(node: Node) -> None:
    transaction_hash = node.submit(count(USERS[0], 0, data=b"\x01"))
    node.seal()
    entry = node.receipt(transaction_hash)
    assert (entry.receipt.status, entry.receipt.logs) == (0, ())
    assert counter(node) == 7


def test_logs_are_found_by_address_and_topic(node: Node) -> None:
    for nonce in range(3):
        node.submit(count(USERS[0], nonce))
        node.seal(GENESIS_S + 1 + nonce)
    found = node.logs(0, 3, [COUNTER])
    assert [int.from_bytes(log.data, "big") for log in found] == [8, 9, 10]
    assert [log.block_number for log in found] == [1, 2, 3]
    ninth = node.logs(0, 3, [], [[(9).to_bytes(32, "big")]])
    assert [log.block_number for log in ninth] == [2]
    assert node.logs(0, 3, [WON]) == []
    assert node.logs(0, 3, [COUNTER], [None, None]) == []
    with pytest.raises(UnknownBlock):
        node.logs(0, 4)
    with pytest.raises(LimitExceeded):
        node.logs(0, 200_000)


def test_calls_change_nothing_and_name_their_failure(node: Node) -> None:
    assert int.from_bytes(node.call(COUNTER), "big") == 8
    assert counter(node) == 7
    with pytest.raises(CallReverted):
        node.call(COUNTER, b"\x01")
    with pytest.raises(LimitExceeded):
        node.call(COUNTER, gas=10**9)
    with pytest.raises(UnknownBlock):
        node.call(COUNTER, block=1)


def test_a_creation_gets_its_address(node: Node) -> None:
    raw = transactions.sign(USERS[0], CHAIN_ID, 0, 200_000, b"", initcode(COUNTER_CODE, 3))
    transaction_hash = node.submit(raw)
    node.seal()
    made = node.receipt(transaction_hash).receipt.contract
    assert made is not None
    assert node.view().code(made) == COUNTER_CODE


def test_a_newer_transaction_of_equal_nonce_replaces(node: Node) -> None:
    first = node.submit(count(USERS[0], 0))
    second = node.submit(count(USERS[0], 0, gas=70_000))
    assert [tx.hash for tx in node.pending()] == [second]
    assert node.archive.dropped(first) is not None
    block = node.seal()
    assert block is not None
    assert [tx.hash for tx in block.transactions] == [second]
    with pytest.raises(UnknownTransaction):
        node.receipt(first)


def test_a_gap_waits_for_what_fills_it(node: Node) -> None:
    node.submit(count(USERS[0], 1))
    assert node.seal() is None
    node.submit(count(USERS[0], 0))
    block = node.seal()
    assert block is not None
    assert len(block.transactions) == 2


def refusals() -> dict[str, tuple[bytes, type[Exception]]]:
    legacy = bytes.fromhex(  # signed before EIP-155, without a chain
        "f85f800182520894095e7baea6a6c7c4c2dfeb977efac326af552d870a801ba048b55bfa915ac795c431978d8a6a992b628d557da5ff"
        "759b307d495a36649353a01fffd310ac743f371de3b9f7f9cb56c0b28ad43601b4ab949f53faa07bd2c804"
    )
    good = count(USERS[0], 0)

    def typed(**fields: object) -> bytes:
        whole = {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": 0,
            "gas": 60_000,
            "to": COUNTER,
            "value": 0,
            "data": b"",
            "maxFeePerGas": 0,
            "maxPriorityFeePerGas": 0,
            **fields,
        }
        return bytes(Account.sign_transaction(whole, USERS[0].secret).raw_transaction)

    blob = b"\x03" + good[1:]
    return {
        "no bytes": (b"", TransactionFormatError),
        "too long": (good + bytes(140_000), TransactionFormatError),
        "not RLP": (b"\x02\xff\xff", TransactionFormatError),
        "trailing byte": (good + b"\0", TransactionFormatError),
        "cut short": (good[:-1], TransactionFormatError),
        "a high s": (_high_s(good), TransactionFormatError),
        "y parity 2": (_with(good, -3, 2), TransactionFormatError),
        "r of zero": (_with(good, -2, 0), TransactionFormatError),
        "a number with a leading zero": (_with(good, 1, b"\0\1"), TransactionFormatError),
        "a receiver of 19 bytes": (_with(good, 5, COUNTER[1:]), TransactionFormatError),
        "a blob": (blob, TransactionTypeError),
        "a type of tomorrow": (b"\x04" + good[1:], TransactionTypeError),
        "no chain id": (legacy, TransactionChainError),
        "another chain": (transactions.sign(USERS[0], 1, 0, 60_000, COUNTER, b""), TransactionChainError),
        "a fee": (typed(maxFeePerGas=1), TransactionFeeError),
        "native value": (typed(value=1), TransactionValueError),
        "over half a block": (count(USERS[0], 0, gas=30_000_001), TransactionGasError),
        "under the intrinsic gas": (count(USERS[0], 0, gas=20_999), TransactionGasError),
        "initcode too long": (
            transactions.sign(USERS[0], CHAIN_ID, 0, 3_000_000, b"", bytes(50_000)),
            TransactionGasError,
        ),
        "a nonce far ahead": (count(USERS[0], 2_000), NonceError),
    }


def _with(raw: bytes, place: int, value: int | bytes) -> bytes:
    fields = rlp.decode(raw[1:])
    fields[place] = value
    return raw[:1] + bytes(rlp.encode(fields))


def _high_s(raw: bytes) -> bytes:
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    fields = rlp.decode(raw[1:])
    high = order - int.from_bytes(fields[-1], "big")
    parity = 1 - int.from_bytes(fields[-3], "big")
    return raw[:1] + bytes(rlp.encode([*fields[:-3], parity, fields[-2], high]))


@pytest.mark.parametrize("fault", refusals())
def test_refused_transactions_are_named_and_hurt_no_other(node: Node, fault: str) -> None:
    raw, error = refusals()[fault]
    answers = node.submit_many([raw, count(USERS[1], 0)])
    assert isinstance(answers[0], error)
    assert isinstance(answers[1], bytes)
    with pytest.raises(error):
        node.submit(raw)
    block = node.seal()
    assert block is not None
    assert len(block.transactions) == 1


def test_a_known_transaction_is_not_taken_twice(node: Node) -> None:
    raw = count(USERS[0], 0)
    node.submit(raw)
    with pytest.raises(KnownTransaction):
        node.submit(raw)
    node.seal()
    with pytest.raises(KnownTransaction):
        node.submit(raw)
    with pytest.raises(NonceError):
        node.submit(count(USERS[0], 0, gas=70_000))


def test_time_rises_and_stays_near_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    node = Node.create(tmp_path, open_config(), key=AUTHORITY, clock=clock)
    node.submit(count(USERS[0], 0))
    with pytest.raises(BlockTimeError):
        node.seal(GENESIS_S)
    with pytest.raises(BlockTimeError):
        node.seal(GENESIS_S + 31)
    assert node.seal(GENESIS_S + 30) is not None
    node.close()


def test_what_was_accepted_survives_closing(tmp_path: Path) -> None:
    node = make(tmp_path, open_config())
    node.submit(count(USERS[0], 0))
    block = node.seal()
    waiting = node.submit(count(USERS[0], 1))
    with pytest.raises(StoreLocked):
        Node.open(tmp_path, key=AUTHORITY)
    node.close()
    again = Node.open(tmp_path, key=AUTHORITY)
    assert block is not None
    assert again.head.hash == block.hash
    assert [tx.hash for tx in again.pending()] == [waiting]
    assert again.seal() is not None
    assert counter(again) == 9
    again.close()


def test_a_chain_is_made_in_an_empty_directory_only(tmp_path: Path) -> None:
    (tmp_path / "something").write_text("x")
    with pytest.raises(StoreExists):
        make(tmp_path, open_config())


def test_another_key_makes_no_blocks(tmp_path: Path) -> None:
    with pytest.raises(NotSequencerError):
        Node.create(tmp_path / "a", open_config(), key=CITY)
    node = make(tmp_path / "b", open_config(), authority=False)
    with pytest.raises(NotSequencerError):
        node.seal()
    node.close()
    with pytest.raises(NotSequencerError):
        Node.open(tmp_path / "b", key=CITY)


def test_a_reader_follows_and_writes_nothing(node: Node, tmp_path: Path) -> None:
    reader = Node.open_for_reading(tmp_path / "node")
    node.submit(count(USERS[0], 0))
    block = node.seal()
    assert block is not None
    assert reader.head.number == 0
    assert reader.refresh().hash == block.hash
    assert reader.view().storage(COUNTER, 0) == 8
    with pytest.raises(StoreReadOnly):
        reader.archive.store.write([])
    reader.close()


@pytest.mark.parametrize(
    "change", [{"chain_id": 0}, {"gas_limit": 1}, {"timestamp": 0}, {"name": "Приклад"}, {"name": ""}]
)
def test_configurations_that_cannot_start(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        make(tmp_path / "x", dataclasses.replace(open_config(), **change))  # type: ignore[arg-type]


def test_names_agreements_and_authority_are_bound_into_genesis(tmp_path: Path) -> None:
    first = make(tmp_path / "1", open_config())
    second = make(tmp_path / "2", open_config())
    other = make(tmp_path / "3", open_config("Another"))
    third = make(tmp_path / "4", dataclasses.replace(open_config(), chain_id=CHAIN_ID + 1))
    hashes = [node.identity.genesis_hash for node in (first, second, other, third)]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    for made in (first, second, other, third):
        made.close()


def test_what_waits_is_measured_at_the_time_of_the_next_block(tmp_path: Path) -> None:
    clock = Clock()
    watch = Agreement("Watch", digest("watch")[:20], initcode(bytes.fromhex("425f5260205ff3")))  # returns its time
    config = dataclasses.replace(open_config(), agreements=(watch,))
    node = Node.create(tmp_path, config, key=AUTHORITY, clock=clock)

    def measured() -> int:
        return int.from_bytes(node.pending_view().call(Call(watch.address)).output, "big")

    assert measured() == GENESIS_S + 1
    clock.now += 86_400
    assert measured() == clock.now
    node.close()
