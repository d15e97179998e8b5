"""Chains for tests: one that admits everybody, with a counter; one with real agreements and two organisations."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

from coincurve import PrivateKey

from contracts.addresses import ORGANISATIONS, WON
from contracts.client import encode_constructor
from contracts.codes import Purpose, Role
from contracts.hashing import keccak, sha256
from contracts.messages import Finality
from contracts.signatures import address_of, sign
from ledger.chain import transactions
from ledger.chain.blocks import Block
from ledger.chain.genesis import Agreement, ChainConfig, Signer
from ledger.node import Node
from ledger.store import Store

CHAIN_ID: Final = 20_251
GENESIS_S: Final = 1_760_000_000
BACKGROUND: Final = ("num-running-compactions", "num-running-flushes", "compaction-pending", "mem-table-flush-pending")
QUIET_S: Final = 60


def key(name: str) -> PrivateKey:
    """A key made from a name."""
    return PrivateKey(keccak(name.encode()))


AUTHORITY: Final = key("authority")
CITY: Final = key("city")
BANK: Final = key("bank")
OUTSIDER: Final = key("outsider")
USERS: Final = tuple(key(f"user {number}") for number in range(3))

COUNTER: Final = bytes.fromhex("00" * 18 + "c001")
# Adds one to slot 0, logs and returns it; reverts if it is given any data.
COUNTER_CODE: Final = bytes.fromhex("36156008575f5ffd5b5f54600101805f55805f5260205fa160205ff3")
COUNTER_GAS: Final = 60_000


def initcode(code: bytes, first_slot: int = 0) -> bytes:
    """Initcode that puts `first_slot` (0 to 255) into slot 0 and leaves `code`."""
    prefix = bytes([0x60, first_slot, 0x5F, 0x55]) if first_slot else b""
    length = len(code)
    return prefix + bytes([0x60, length, 0x60, len(prefix) + 10, 0x5F, 0x39, 0x60, length, 0x5F, 0xF3]) + code


def open_config(name: str = "Test", gas_limit: int = 60_000_000) -> ChainConfig:
    """A chain without Organisations: everybody may transact."""
    return ChainConfig(
        name=name,
        chain_id=CHAIN_ID,
        timestamp=GENESIS_S,
        authority=Signer("Authority", address_of(AUTHORITY)),
        agreements=(Agreement("Counter", COUNTER, initcode(COUNTER_CODE, 7)),),
        gas_limit=gas_limit,
    )


def civic_config() -> ChainConfig:
    """A chain with Organisations and Won: a city (organisation 1) and a bank (2), a council of one of both."""
    every = Purpose.ADMINISTER | Purpose.ISSUE | Purpose.SETTLE | Purpose.APPROVE | Purpose.ATTEST
    organisations = [
        (1, address_of(CITY), 1 << Role.CITY),
        (2, address_of(BANK), 1 << Role.BANK),
    ]
    keys = [(address_of(CITY), 1, int(every)), (address_of(BANK), 2, int(every))]
    agreements = [(WON, b"Won".ljust(32, b"\0")), (ORGANISATIONS, b"Organisations".ljust(32, b"\0"))]
    return ChainConfig(
        name="시험 원장",
        chain_id=CHAIN_ID,
        timestamp=GENESIS_S,
        authority=Signer("City of Seoul", address_of(AUTHORITY)),
        agreements=(
            Agreement(
                "Organisations",
                ORGANISATIONS,
                encode_constructor("Organisations", [organisations, keys, [1], 1, agreements, []]),
            ),
            Agreement("Won", WON, encode_constructor("Won", [ORGANISATIONS, [(2, 10_000_000)]])),
        ),
        witnesses=(Signer("Auditor", address_of(key("auditor"))),),
    )


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = GENESIS_S

    def __call__(self) -> int:
        return self.now


def make(path: Path, config: ChainConfig, engine: str = "direct", *, authority: bool = True) -> Node:
    """A new node whose clock is far ahead of genesis."""
    return Node.create(path, config, key=AUTHORITY if authority else None, engine=engine)


def count(user: PrivateKey, nonce: int, *, data: bytes = b"", gas: int = COUNTER_GAS, to: bytes = COUNTER) -> bytes:
    """A signed transaction that adds one to the counter."""
    return transactions.sign(user, CHAIN_ID, nonce, gas, to, data)


def finality(block: Block, genesis_hash: bytes, signer: PrivateKey = AUTHORITY, chain_id: int = CHAIN_ID) -> bytes:
    """A signature on a block."""
    return sign(Finality(chain_id, genesis_hash, block.number, block.hash).digest(), signer)


def digest(text: str) -> bytes:
    """32 bytes made from a text."""
    return sha256(text.encode())


def crash_image(node: Node, source: Path, target: Path) -> None:
    """The disk as kill -9 would leave it at this moment, in another directory. Nothing is flushed or closed for it.

    RocksDB drops tables that a compaction made superfluous in a thread of its own. A copy takes a while, and would mix
    the disk before with the disk after; so it begins once that thread has nothing to do. The caller alone writes.
    """
    store = node.archive.store
    assert isinstance(store, Store)
    deadline = time.monotonic() + QUIET_S
    while busy := [name for name in BACKGROUND if store._database.property_int_value(f"rocksdb.{name}")]:
        assert time.monotonic() < deadline, f"after {QUIET_S} s the store still has {busy}"
    shutil.copytree(source, target)
