"""Crashes of real processes and at chosen points: nothing acknowledged is lost, nothing is doubled."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from ledger.errors import (
    SecondSignatureError,
    StoreCorruption,
    StoreFull,
    StorePoisoned,
)
from ledger.node import Node
from ledger.replay import replay
from ledger.store import Store
from tests.ledger.chains import AUTHORITY, COUNTER, GENESIS_S, USERS, count, crash_image, make, open_config

WORKER = """
import sys
from pathlib import Path
from ledger.node import Node
from tests.ledger.chains import AUTHORITY, USERS, count
node = Node.open(Path(sys.argv[1]), key=AUTHORITY)
from contracts.signatures import address_of
next_nonces = [node.pending_nonce(address_of(user)) for user in USERS]
print("open", flush=True)
while True:
    for number, user in enumerate(USERS):
        answers = node.submit_many([count(user, next_nonces[number] + offset) for offset in range(5)])
        next_nonces[number] += 5
        for answer in answers:
            print("tx", answer.hex(), flush=True)
    block = node.seal(node.head.timestamp + 1)
    print("block", block.number, block.hash.hex(), flush=True)
"""


def kill_at_random(path: Path, rng: random.Random) -> tuple[set[bytes], dict[int, bytes]]:
    """Runs the worker, kills it, and returns what it acknowledged: transactions and blocks."""
    transactions: set[bytes] = set()
    blocks: dict[int, bytes] = {}
    command = [sys.executable, "-c", WORKER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(rng.uniform(0.0, 0.4))
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            words = line.split()
            if not line.endswith("\n"):
                break
            if words[0] == "tx":
                transactions.add(bytes.fromhex(words[1]))
            else:
                blocks[int(words[1])] = bytes.fromhex(words[2])
    return transactions, blocks


def run_kills(path: Path, times: int, seed: int) -> None:
    make(path, open_config()).close()
    rng = random.Random(seed)
    transactions: set[bytes] = set()
    blocks: dict[int, bytes] = {}
    for _ in range(times):
        more, made = kill_at_random(path, rng)
        transactions |= more
        blocks |= made
        node = Node.open(path, key=AUTHORITY)
        check(node, transactions, blocks)
        node.close()
    assert transactions
    assert blocks
    node = Node.open(path, key=AUTHORITY)
    node.seal()
    check(node, transactions, blocks)
    assert node.pending() == []
    replay(node, "stock")
    node.close()


def check(node: Node, transactions: Iterable[bytes], blocks: dict[int, bytes]) -> None:
    for number, block_hash in blocks.items():
        assert node.block(number).hash == block_hash
    waiting = {tx.hash for tx in node.pending()}
    included = [tx.hash for number in range(1, node.head.number + 1) for tx in node.block(number).transactions]
    assert len(included) == len(set(included))
    assert set(transactions) <= waiting | set(included)
    assert node.view().storage(COUNTER, 0) == 7 + len(included)


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    run_kills(tmp_path, times=5, seed=1)


@pytest.mark.long
def test_kill_9_at_random_moments_for_long(tmp_path: Path) -> None:
    run_kills(tmp_path, times=200, seed=2)


def interrupted(node: Node, path: Path) -> None:
    """A node that signed block 2 and then lost its store's write, copied to `path` as the disk has it."""
    store = node.archive.store
    assert isinstance(store, Store)
    original = store.write

    def fail(*_args: object) -> None:
        raise StoreFull("no space")

    store.write = fail  # type: ignore[method-assign]
    with pytest.raises(StoreFull):
        node.seal(GENESIS_S + 2)
    store.write = original  # type: ignore[method-assign]
    assert node.head.number == 1


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, bytes]:
    """A directory whose block 2 was signed but not written, and the hash of block 2."""
    node = make(tmp_path / "a", open_config())
    node.submit(count(USERS[0], 0))
    node.seal(GENESIS_S + 1)
    node.submit(count(USERS[0], 1))
    interrupted(node, tmp_path / "b")
    assert node._signer is not None
    assert node._signer.last is not None
    block_hash = node._signer.last.hash
    crash_image(node, tmp_path / "a", tmp_path / "b")
    node.close()
    return tmp_path / "b", block_hash


def test_a_signed_block_that_was_not_written_is_taken_up(two: tuple[Path, bytes]) -> None:
    path, block_hash = two
    node = Node.open(path, key=AUTHORITY)
    assert (node.head.number, node.head.hash) == (2, block_hash)
    assert node.pending() == []
    assert node.seal() is None
    node.close()


def test_a_second_hash_at_a_signed_height_is_refused(two: tuple[Path, bytes]) -> None:
    path, _ = two
    node = Node.open(path, key=AUTHORITY)
    assert node._signer is not None
    block = node.block(2)
    assert node._signer.sign(block) == node.finality(2)
    with pytest.raises(SecondSignatureError):
        node._signer.sign(node.block(1))
    node.close()


def test_a_sealing_that_fails_stops_the_node_cleanly(tmp_path: Path) -> None:
    node = make(tmp_path, open_config())
    waiting = node.submit(count(USERS[0], 0))
    store = node.archive.store
    assert isinstance(store, Store)
    store._poison = StoreFull("no space")
    for _ in range(2):
        with pytest.raises(StorePoisoned):
            node.seal()
    with pytest.raises(StorePoisoned):
        node.submit(count(USERS[0], 1))
    assert node.head.number == 0
    node.close()
    assert not (tmp_path / "signed").exists()
    again = Node.open(tmp_path, key=AUTHORITY)
    block = again.seal()
    assert block is not None
    assert [tx.hash for tx in block.transactions] == [waiting]
    again.close()


def chain_of(path: Path, blocks: int) -> Node:
    node = make(path, open_config())
    for nonce in range(blocks):
        node.submit(count(USERS[0], nonce))
        node.seal(GENESIS_S + 1 + nonce)
    return node


def damaged(name: str, directory: Path) -> None:
    """What may befall a directory of three blocks."""
    store_keys = {
        "the head's block": b"b" + (3).to_bytes(8, "big"),
        "the head's header": b"h" + (3).to_bytes(8, "big"),
        "a block of the tail": b"b" + (2).to_bytes(8, "big"),
        "the head's receipts": b"r" + (3).to_bytes(8, "big"),
        "the head's finality": b"f" + (3).to_bytes(8, "big"),
        "the head": b"mhead",
        "the configuration": b"mchain",
    }
    signed = directory / "signed"
    if name == "the signed file is gone":
        signed.unlink()
    elif name == "the signed file is changed":
        content = bytearray(signed.read_bytes())
        content[-1] ^= 1
        signed.write_bytes(content)
    elif name == "the signed file is cut":
        signed.write_bytes(signed.read_bytes()[:20])
    elif name == "the signed file is old":
        (directory / "older").replace(signed)
    elif name == "a pending transaction is unreadable":
        store = Store.open(directory)
        store.write([(b"p" + bytes(8), b"\x02nothing")])
        store.close()
    else:
        store = Store.open(directory)
        store.write([], [store_keys[name.removesuffix(" is gone")]])
        store.close()


@pytest.mark.parametrize(
    "name",
    [
        "the head's block is gone",
        "the head's header is gone",
        "a block of the tail is gone",
        "the head's receipts is gone",
        "the head's finality is gone",
        "the head is gone",
        "the configuration is gone",
        "a pending transaction is unreadable",
        "the signed file is gone",
        "the signed file is changed",
        "the signed file is cut",
        "the signed file is old",
    ],
)
def test_what_is_lost_or_changed_stops_the_node(tmp_path: Path, name: str) -> None:
    node = chain_of(tmp_path, 2)
    shutil.copy(tmp_path / "signed", tmp_path / "older")
    node.submit(count(USERS[0], 2))
    node.seal(GENESIS_S + 3)
    node.close()
    damaged(name, tmp_path)
    with pytest.raises(StoreCorruption) as caught:
        Node.open(tmp_path, key=AUTHORITY)
    assert caught.value.exit_code == 4


def test_a_store_that_lost_blocks_is_never_built_upon(tmp_path: Path) -> None:
    """An old copy of the store beside the signed file of today: signing on would be proof of fraud."""
    node = chain_of(tmp_path / "a", 1)
    shutil.copytree(tmp_path / "a", tmp_path / "old")
    for nonce in (1, 2):
        node.submit(count(USERS[0], nonce))
        node.seal(GENESIS_S + 1 + nonce)
    node.close()
    shutil.copy(tmp_path / "a" / "signed", tmp_path / "old" / "signed")
    with pytest.raises(StoreCorruption, match="blocks were lost"):
        Node.open(tmp_path / "old", key=AUTHORITY)


def test_every_single_flip_in_the_store_is_found_or_harmless(tmp_path: Path) -> None:
    node = chain_of(tmp_path / "a", 3)
    head = node.head.hash
    node.close()
    rng = random.Random(3)
    told = 0
    files = [f for f in (tmp_path / "a" / "store").iterdir() if f.suffix == ".sst" or f.name.startswith("MANIFEST")]
    for _ in range(40):
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        file = tmp_path / "b" / "store" / rng.choice(files).name
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        try:
            again = Node.open(tmp_path / "b", key=AUTHORITY)
            try:
                found = (again.head.hash, replay(again, "direct").head_hash)
            finally:
                again.close()
            assert found == (head, "0x" + head.hex())
        except StoreCorruption:
            told += 1
        shutil.rmtree(tmp_path / "b")
    assert told > 30


FULL = """
import resource, signal, sys
from pathlib import Path
from ledger.errors import StoreError, StorePoisoned
from ledger.node import Node
from tests.ledger.chains import AUTHORITY, USERS, count
node = Node.open(Path(sys.argv[1]), key=AUTHORITY)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
nonce = 0
try:
    while True:
        for _ in range(7):
            print("tx", node.submit(count(USERS[0], nonce, data=bytes(3_000), gas=200_000)).hex(), flush=True)
            nonce += 1
        block = node.seal(node.head.timestamp + 1)
        print("block", block.number, block.hash.hex(), flush=True)
except StoreError as error:
    print(type(error).__name__, error.exit_code, flush=True)
for act in (lambda: node.submit(count(USERS[1], 0)), node.seal):
    try:
        act()
    except StorePoisoned as error:
        print(type(error).__name__, error.exit_code, flush=True)
"""


def test_a_full_disk_stops_intake_and_loses_nothing(tmp_path: Path) -> None:
    make(tmp_path, open_config()).close()
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[-3:] == [["StoreFull", "3"], ["StorePoisoned", "3"], ["StorePoisoned", "3"]]
    node = Node.open(tmp_path, key=AUTHORITY)
    blocks = {int(words[1]): bytes.fromhex(words[2]) for words in lines if words[0] == "block"}
    assert blocks
    for number, block_hash in blocks.items():
        assert node.block(number).hash == block_hash
    node.seal()
    for words in lines:
        if words[0] == "tx":
            assert node.receipt(bytes.fromhex(words[1])).block_number <= node.head.number
    node.close()
