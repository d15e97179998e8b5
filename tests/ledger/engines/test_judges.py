"""geth, EELS and stock py-evm reach our head on the demo's chain and on random ones that admit everybody."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from eth_account import Account as Signing

from contracts.signatures import address_of
from ledger.chain import blocks
from ledger.chain.genesis import ChainConfig, Signer
from ledger.engines.constructors import Account
from ledger.engines.errors import EngineMissing, UnknownEngine
from ledger.engines.foreign.judges import JUDGES, ask
from ledger.errors import BlockResultError, TransactionError
from ledger.node import Node
from ledger.portable.writer import export
from ledger.reader import Reader
from ledger.replay import PY_EVM, replay
from tests.ledger.chains import AUTHORITY, GENESIS_S
from tests.ledger.engines.test_blocks import CHAIN_ID, DOOMED, KEYS, SENDERS, genesis_state, random_transaction

PRECOMPILES: Final = range(1, 10)


def open_chain(path: Path, seed: int, length: int) -> tuple[Node, Counter[str]]:
    """A chain of random blocks that admits everybody; what happened in it, counted."""
    rng = random.Random(seed)
    alloc = {
        address: Account(each["code"], each["storage"], each["nonce"], each["balance"])
        for address, each in genesis_state(rng, beacon=False).items()
    }
    config = ChainConfig(
        "Open", CHAIN_ID, GENESIS_S, Signer("Authority", address_of(AUTHORITY)), (), gas_limit=60_000_000, alloc=alloc
    )
    node = Node.create(path, config, key=AUTHORITY)
    for number in range(length):
        nonces = {sender: node.pending_nonce(sender) for sender in SENDERS}
        call_precompile(node, rng, number)
        for _ in range(rng.randrange(10)):
            try:
                node.submit(random_transaction(rng, nonces).raw)
            except TransactionError:
                continue
            nonces |= {sender: node.pending_nonce(sender) for sender in SENDERS}
        node.seal(GENESIS_S + 1 + number, allow_empty=True)
    return node, happened(node)


def call_precompile(node: Node, rng: random.Random, number: int) -> None:
    """Any bytes to one of the precompiled contracts; many are no input that it takes."""
    address = "0x" + PRECOMPILES[number % len(PRECOMPILES)].to_bytes(20, "big").hex()
    fields = {"to": address, "data": rng.randbytes(rng.choice((0, 64, 128, 213))), "gas": 400_000, "gasPrice": 0}
    fields |= {"nonce": node.pending_nonce(SENDERS[0]), "value": 0, "chainId": CHAIN_ID}
    node.submit(bytes(Signing.sign_transaction(fields, KEYS[0].secret).raw_transaction))


def happened(node: Node) -> Counter[str]:
    """Kinds of transactions and of their ends."""
    counts: Counter[str] = Counter()
    for number in range(1, node.head.number + 1):
        for transaction, receipt in zip(node.block(number).transactions, node.receipts(number), strict=True):
            counts[f"type {transaction.type}"] += 1
            ends = transaction.to == DOOMED and transaction.inner.data[63:64] == b"\1"
            counts["destroyed"] += ends and receipt.receipt.status == 1
            counts["listed"] += transaction.type > 0 and len(transaction.inner.access_list) > 0
            counts["out of gas"] += receipt.receipt.status == 0 and receipt.receipt.gas_used == transaction.gas
            counts["failed" if receipt.receipt.status == 0 else "done"] += 1
            counts["created"] += receipt.receipt.contract is not None
    return counts


@pytest.fixture(scope="module")
def random_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    node, counts = open_chain(tmp_path_factory.mktemp("open") / "chain", seed=5, length=20)
    wanted = ("type 0", "type 1", "type 2", "listed", "failed", "out of gas", "done", "created", "destroyed")
    assert min(counts[kind] for kind in wanted) > 0, counts
    yield node
    node.close()


def files(reader: Reader, place: Path) -> tuple[Path, Path]:
    """genesis.json and chain.rlp as an export has them."""
    export(reader, place / "out.dure")
    with zipfile.ZipFile(io.BytesIO((place / "out.dure").read_bytes())) as archive:
        for name in ("genesis.json", "chain.rlp"):
            (place / name).write_bytes(archive.read(name))
    return place / "genesis.json", place / "chain.rlp"


def judge(reader: Reader, place: Path) -> None:
    paths = files(reader, place)
    for engine in JUDGES:
        ask(engine, *paths).require(reader.head.number, reader.head.hash)
    assert replay(reader, PY_EVM).head_hash == "0x" + reader.head.hash.hex()


def test_every_engine_reaches_the_demos_head(finished_demo: Path, tmp_path: Path) -> None:
    reader = Node.open_for_reading(finished_demo / "chain")
    try:
        judge(reader, tmp_path)
    finally:
        reader.close()


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
def test_every_engine_reaches_the_head_of_random_blocks(random_chain: Node, tmp_path: Path) -> None:
    judge(random_chain, tmp_path)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
@pytest.mark.parametrize("seed", range(100, 130))
def test_every_engine_reaches_the_head_of_random_blocks_long(seed: int, tmp_path: Path) -> None:
    node, _ = open_chain(tmp_path / "chain", seed, length=40)
    try:
        judge(node, tmp_path)
    finally:
        node.close()


@pytest.mark.parametrize("engine", JUDGES)
def test_a_judge_stops_before_a_block_with_another_root(random_chain: Node, tmp_path: Path, engine: str) -> None:
    """Whatever its exit code: the head tells."""
    genesis, chain = files(random_chain, tmp_path)
    third = random_chain.block(3)
    forged = blocks.build(third.header.copy(state_root=bytes(32)), third.transactions)
    chain.write_bytes(chain.read_bytes().replace(third.raw, forged.raw))
    verdict = ask(engine, genesis, chain)
    assert verdict.number < 3
    with pytest.raises(BlockResultError, match=f"{engine} stops at block"):
        verdict.require(random_chain.head.number, random_chain.head.hash)


def test_a_judge_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DURE_ENGINES", str(tmp_path))
    for engine in JUDGES:
        with pytest.raises(EngineMissing):
            ask(engine, tmp_path / "genesis.json", tmp_path / "chain.rlp")
    with pytest.raises(UnknownEngine):
        ask("besu", tmp_path / "genesis.json", tmp_path / "chain.rlp")
