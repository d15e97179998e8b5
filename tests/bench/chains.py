"""Chains with a large state on disk, made once and copied for every run.

What loading a state costs RocksDB in the background (flushing, compaction) is not settlement's, and Python's collector
should not walk a state that only the loading held in memory: so the state is written, tidied and closed first, and a
run begins as a node does, by opening the directory.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from rocksdict import Options, Rdict

from contracts.signatures import address_of
from ledger.chain import genesis
from ledger.chain.archive import Archive
from ledger.chain.genesis import ChainConfig, Signer
from ledger.node import Node
from ledger.store import Store
from tests.bench.records import CHAIN_ID, SENDER, World

GENESIS_TIME: Final = 1_760_000_000


def prepare(start: World, directory: Path, chain_id: int = CHAIN_ID, timestamp: int = GENESIS_TIME) -> Path:
    """Writes a chain whose genesis is the given state, `timestamp` in UTC epoch seconds, and tidies it."""
    config = ChainConfig("Bench", chain_id, timestamp, Signer("Bench", address_of(SENDER)), ())
    beginning = genesis.make(config)
    header = beginning.header.copy(state_root=start.root)
    store = Store.create(directory)
    store.write(Archive.genesis_records(replace(beginning, header=header, nodes=start.nodes)))
    store.close()
    database = Rdict(str(directory / "store"), Options(raw_mode=True))
    database.compact_range(None, None)
    database.close()
    return directory


def open_copy(prepared: Path, directory: Path, engine: str, timestamp: int = GENESIS_TIME) -> Node:
    """A node on a copy of a prepared chain."""
    shutil.copytree(prepared, directory)
    return Node(Store.open(directory), engine, lambda: timestamp + 86_400, directory, SENDER)
