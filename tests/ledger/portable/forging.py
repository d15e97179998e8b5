"""Portable ledgers to be changed: one of a short chain, and what a forger makes of one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import rfc8785

from contracts.addresses import WON
from contracts.client import encode_call
from contracts.hashing import sha256
from contracts.signatures import address_of
from ledger import trust as trust_file
from ledger.chain import transactions
from ledger.node import Node
from ledger.portable import contents
from ledger.portable.container import ContainerWriter
from ledger.portable.reader import Checked, Portable
from ledger.portable.writer import export
from ledger.trust import Trust
from tests.ledger.chains import BANK, CHAIN_ID, GENESIS_S, USERS, civic_config, digest, make

BLOCKS: Final = 6


def short_ledger(place: Path) -> bytes:
    """A portable ledger of six blocks on a chain with Organisations and Won."""
    node = make(place / "node", civic_config())
    for number in range(BLOCKS):
        data = encode_call("Won", "mint", [address_of(USERS[number % 3]), 1_000, digest(f"mint {number}")])
        node.submit(transactions.sign(BANK, CHAIN_ID, number, 300_000, WON, data))
        node.seal(GENESIS_S + 1 + number)
    export(node, place / "short.dure")
    node.close()
    return (place / "short.dure").read_bytes()


def entries_of(raw: bytes) -> dict[str, bytes]:
    """Every entry's bytes, in order, as another reader of ZIP files sees them."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def enclosed_trust(raw: bytes) -> Trust:
    """The trust file of a ledger that nobody has changed yet."""
    return trust_file.read(entries_of(raw)[contents.TRUST])


def packed(entries: Mapping[str, bytes], *, manifest: bool = True, **said: Any) -> bytes:
    """A file of these entries whose CRCs hold and (with `manifest`) whose manifest names them; `said` is set in it."""
    out = io.BytesIO()
    writer = ContainerWriter(out)
    for name, content in entries.items():
        if name != contents.MANIFEST:
            writer.add(name, lambda content=content: (content,))  # type: ignore[misc]
    document = entries[contents.MANIFEST]
    if manifest:
        listed = [
            {"name": name, "length": len(content), "sha256": sha256(content).hex()}
            for name, content in entries.items()
            if name != contents.MANIFEST
        ]
        document = rfc8785.dumps(json.loads(document) | {"entries": listed} | said)
    writer.add(contents.MANIFEST, lambda: (document,))
    writer.finish()
    return out.getvalue()


def check(raw: bytes, trust: Trust | None) -> Checked:
    """Everything that an import checks, without a disk. Raises a PortableError."""
    portable = Portable(io.BytesIO(raw), trust)
    node = Node.in_memory(portable.beginning)
    return portable.execute(node)
