"""Writes a portable ledger: the same chain and the same leaves give the same bytes (receipts.md §6)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import rfc8785

from contracts import merkle
from ledger import trust as trust_file
from ledger.portable import contents, leaves
from ledger.portable.container import ContainerWriter, Tick
from ledger.portable.errors import PortableLeavesError
from ledger.portable.leaves import LeafSource, Root
from ledger.portable.limits import MAX_LEAVES_LINE_BYTES
from ledger.reader import Reader
from ledger.store import sync_directory


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: head, bytes, roots for which a service handed leaves over, leaves and how many lie open."""

    number: int
    head_hash: str
    bytes: int
    roots: int
    leaves: int
    open_leaves: int


def export(
    reader: Reader,
    path: Path,
    *,
    trust: bytes | None = None,
    sources: Sequence[LeafSource] = (),
    open_leaves: bool = False,
    tick: Tick | None = None,
) -> Exported:
    """Writes the chain up to the reader's head, beside `path` first; what stood there is replaced.

    `trust` is the trust file to enclose (default: the chain's as it began). Leaves are withheld as hashes unless
    `open_leaves`. `tick(phase, done, of)` is told how far it is. Raises TrustFileError, TrustMismatchError, a
    StoreCorruption from the chain, PortableLeavesError where a service's leaves do not lead to the chain's root.
    """
    draft = path.with_name(path.name + ".new")
    try:
        with draft.open("wb") as file:
            done = _Export(reader, ContainerWriter(file), sources, open_leaves, tick).write(trust)
            size = file.tell()
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_directory(path.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)
    return Exported(reader.head.number, "0x" + reader.head.hash.hex(), size, *done)


class _Export:
    def __init__(
        self,
        reader: Reader,
        out: ContainerWriter,
        sources: Sequence[LeafSource],
        open_leaves: bool,
        tick: Tick | None,
    ) -> None:
        self._reader, self._out, self._sources = reader, out, sources
        self._open_leaves, self._tick = open_leaves, tick or (lambda _phase, _done, _of: None)
        self._head = reader.head

    def write(self, trust: bytes | None) -> tuple[int, int, int]:
        """(roots, leaves, open leaves)."""
        identity, archive = self._reader.identity, self._reader.archive
        enclosed = trust or trust_file.from_chain(archive.chain, identity.genesis_hash)
        read = trust_file.read(enclosed)
        read.check_chain(identity.chain_id, identity.genesis_hash)
        self._small(contents.README, contents.readme(identity.chain_id, identity.genesis_hash))
        self._small(contents.GENESIS, archive.genesis)
        self._small(contents.TRUST, enclosed)
        self._out.add(contents.CHAIN, self._blocks)
        self._out.add(contents.FINALITY, self._finality)
        listed = read.document["contracts"]
        for name, content in contents.contract_entries(json.loads(archive.genesis), listed):
            self._small(name, content)
        counts = [self._leaves(entry) for entry in leaves.ENTRIES]
        self._small(contents.MANIFEST, self._manifest())
        self._out.finish()
        roots, count = (sum(each[place] for each in counts) for place in (0, 1))
        return roots, count, count if self._open_leaves else 0

    def _small(self, name: str, content: bytes) -> None:
        self._out.add(name, lambda: (content,))

    def _blocks(self) -> Iterator[bytes]:
        for number in range(1, self._head.number + 1):
            self._tick("blocks", number, self._head.number)
            yield self._reader.archive.block_record(number)

    def _finality(self) -> Iterator[bytes]:
        for number in range(1, self._head.number + 1):
            self._tick("finality", number, self._head.number)
            yield finality_line(number, self._reader.header(number).hash, self._reader.finality(number)) + b"\n"

    def _leaves(self, entry: str) -> tuple[int, int]:
        lines = count = 0

        def written() -> Iterable[bytes]:
            nonlocal lines, count
            lines = count = 0
            for root, found in self._held(entry):
                lines, count = lines + 1, count + len(found)
                yield leaves.line(root, found, withheld=not self._open_leaves) + b"\n"

        if next(iter(written()), None) is not None:
            self._out.add(f"{contents.LEAVES}{entry}.jsonl", written)
        return lines, count

    def _held(self, entry: str) -> Iterator[tuple[Root, Sequence[bytes]]]:
        for number in range(1, self._head.number + 1):
            self._tick(f"leaves {entry}", number, self._head.number)
            for root in leaves.roots_of(self._reader, number, entry):
                found = self._from_sources(root)
                if found is not None:
                    yield root, found

    def _from_sources(self, root: Root) -> Sequence[bytes] | None:
        for source in self._sources:
            found = source.leaves(root)
            if found is None:
                continue
            hashes = [merkle.leaf_hash(leaf, root.tree.hash) for leaf in found]
            if len(found) != root.size or leaves.computed_root(root, hashes) != root.root:
                raise PortableLeavesError(f"{root.tree.entry} at {root.at}: the service's leaves have another root")
            if sum(map(len, found)) * 2 + len(found) * 80 > MAX_LEAVES_LINE_BYTES:
                raise PortableLeavesError(f"{root.tree.entry} at {root.at}: over {MAX_LEAVES_LINE_BYTES} bytes a line")
            return found
        return None

    def _manifest(self) -> bytes:
        identity = self._reader.identity
        return manifest(identity.chain_id, identity.genesis_hash, self._head.number, self._head.hash, self._out)


def finality_line(number: int, block_hash: bytes, signature: bytes) -> bytes:
    """A line of finality.jsonl without its LF."""
    word = {"kind": "solo", "signature": "0x" + signature.hex()}
    return rfc8785.dumps({"finality": word, "hash": "0x" + block_hash.hex(), "number": number})


def manifest(chain_id: int, genesis_hash: bytes, number: int, head: bytes, out: ContainerWriter) -> bytes:
    """manifest.json over the entries written so far."""
    return rfc8785.dumps(
        {
            "format": contents.FORMAT,
            "chain_id": chain_id,
            "genesis_hash": "0x" + genesis_hash.hex(),
            "head": {"number": number, "hash": "0x" + head.hex()},
            "entries": [{"name": e.name, "length": e.length, "sha256": e.sha256} for e in out.entries],
        }
    )
