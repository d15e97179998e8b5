"""Makes a data directory out of a portable ledger: everything is checked first, and it appears whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from ledger.chain.archive import Archive
from ledger.errors import StoreExists
from ledger.node import Node
from ledger.portable.container import Tick
from ledger.portable.errors import TrustSelfDeclared
from ledger.portable.reader import Checked, Portable
from ledger.store import Store, sync_directory
from ledger.trust import Trust

CHAIN: Final = "chain"


def take(source: Path, directory: Path, trust: Trust | None, tick: Tick | None = None) -> Checked:
    """Checks the file at `source` and writes a new data directory.

    It is made beside its place and renamed once everything held. Raises a PortableError, StoreExists where
    `directory` holds anything, TrustSelfDeclared where all holds but nobody's trust file says so.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise StoreExists(f"{directory} is not empty")
    directory.parent.mkdir(parents=True, exist_ok=True)
    draft = directory.with_name(directory.name + ".importing")
    if draft.exists():
        shutil.rmtree(draft)
    try:
        with source.open("rb") as file:
            checked = check(Portable(file, trust, tick), draft / CHAIN)
        if trust is None:
            raise TrustSelfDeclared(f"everything in {source} fits together, up to block {checked.number}")
        draft.replace(directory)
        sync_directory(directory.absolute().parent)
    finally:
        if draft.exists():
            shutil.rmtree(draft)
    return checked


def check(portable: Portable, place: Path) -> Checked:
    """Executes a portable ledger into a new store at `place`. Raises a PortableError."""
    store = Store.create(place)
    store.write(Archive.genesis_records(portable.beginning))
    store.close()
    node = Node.open(place)
    try:
        return portable.execute(node)
    finally:
        node.close()
