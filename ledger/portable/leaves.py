"""Leaves under the chain's roots: which events carry a root, who hands the leaves over, and a line of leaves/.

The chain keeps roots only. Services hold the leaves, and hand them to an export through `LeafSource`; what lies open in
the file is decided there by whoever exports: hashes suffice to check every root (RFC 6962).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import rfc8785

from contracts import merkle
from contracts.addresses import BY_NAME
from contracts.client import decode_log, event_topic
from contracts.hashing import keccak, sha256
from ledger.reader import Reader


@dataclass(frozen=True, slots=True)
class Tree:
    """A kind of tree: what the event's root and size are called, and its hash (receipts.md §4)."""

    contract: str
    event: str
    name: str
    size: str
    hash: Callable[[bytes], bytes]

    @property
    def entry(self) -> str:
        """The file of these leaves, without folder and ending."""
        return f"{self.contract}.{self.name}"


@dataclass(frozen=True, slots=True)
class Root:
    """A root in the chain: its tree, place (block, transaction, log within the receipt), hash, number of leaves."""

    tree: Tree
    at: tuple[int, int, int]
    root: bytes
    size: int


class LeafSource(Protocol):
    """A service that holds leaves."""

    def leaves(self, root: Root) -> Sequence[bytes] | None:
        """The leaves under a root, in order; None where this service does not hold them."""
        ...


# Trees that the EVM builds are over keccak-256, the others over SHA-256.
TREES: Final = (
    *(
        Tree("Fares", event, "cards", "size", keccak)
        for event in ("Enrolled", "CapsSet", "Funded", "Lost", "Withdrawn", "Swept")
    ),
    Tree("Fares", "Settled", "journeys", "journeys_size", sha256),
    Tree("Fares", "Lapsed", "lots", "size", keccak),
    Tree("Fares", "Settled", "records", "size", keccak),
    *(Tree("Vouchers", event, "lots", "size", keccak) for event in ("Carried", "Granted")),
    *(Tree("Vouchers", event, "source", "source_size", sha256) for event in ("Carried", "Granted")),
)
ENTRIES: Final = tuple(sorted({tree.entry for tree in TREES}))


def roots_of(reader: Reader, number: int, entry: str) -> Iterator[Root]:
    """The roots of one file's trees in a block, in order. Only the agreements' own addresses count."""
    if reader.header(number).bloom == 0:
        return
    for receipt in reader.receipts(number):
        for index, log in enumerate(receipt.receipt.logs):
            for tree in TREES:
                if tree.entry != entry or log.address != BY_NAME[tree.contract]:
                    continue
                if log.topics and log.topics[0] == event_topic(tree.contract, tree.event):
                    _, values = decode_log(tree.contract, log.topics, log.data)
                    at = (number, receipt.index, index)
                    yield Root(tree, at, values[f"{tree.name}_root"], values[tree.size])


def root_of(reader: Reader, at: tuple[int, int, int], entry: str) -> Root | None:
    """The root at a place of the chain; None if there is none of this file's trees."""
    number = at[0]
    if not 1 <= number <= reader.head.number:
        return None
    return next((root for root in roots_of(reader, number, entry) if root.at == at), None)


def line(root: Root, leaves: Sequence[bytes], *, withheld: bool) -> bytes:
    """A line of leaves/ without its LF."""
    if withheld:
        items = [{"hash": "0x" + merkle.leaf_hash(leaf, root.tree.hash).hex()} for leaf in leaves]
    else:
        items = [{"bytes": "0x" + leaf.hex()} for leaf in leaves]
    return rfc8785.dumps({"at": list(root.at), "leaves": items})


def computed_root(root: Root, hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes with this tree's hash."""
    return merkle.root_of_hashes(hashes, root.tree.hash)


def hash_of(item: Any, tree: Tree) -> tuple[bytes, bool]:
    """(leaf hash, whether it is withheld) of an item of a line. Raises ValueError for another form."""
    if not isinstance(item, dict) or len(item) != 1:
        raise ValueError("a leaf is {bytes} or {hash}")
    ((kind, text),) = item.items()
    if kind not in ("bytes", "hash") or not isinstance(text, str) or not text.startswith("0x"):
        raise ValueError("a leaf is {bytes} or {hash}")
    value = bytes.fromhex(text[2:])
    if "0x" + value.hex() != text or (kind == "hash" and len(value) != 32):
        raise ValueError("DATA is lower-case hex, a hash 32 bytes")
    return (value, True) if kind == "hash" else (merkle.leaf_hash(value, tree.hash), False)
