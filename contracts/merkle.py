"""Merkle trees of RFC 6962 §2.1, over SHA-256 or (records, which the EVM builds) keccak-256.

Leaf H(00 ‖ bytes), node H(01 ‖ left ‖ right), empty H(""); the odd node of a level is promoted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from contracts.errors import ContractsError, LimitError
from contracts.limits import MAX_MERKLE_PATH

Hash: TypeAlias = Callable[[bytes], bytes]


class ProofError(ContractsError):
    """The path does not lead from the leaf to the root."""

    code = "CONTRACT-005"
    do = "Ask for the proof again; the file or the root was changed."
    ko = "증명이 맞지 않습니다."


def leaf_hash(leaf: bytes, hash_: Hash) -> bytes:
    """H(00 ‖ leaf): 32 bytes."""
    return hash_(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes, hash_: Hash) -> bytes:
    """H(01 ‖ left ‖ right): 32 bytes."""
    return hash_(b"\x01" + left + right)


def _levels(hashes: Sequence[bytes], hash_: Hash) -> list[list[bytes]]:
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        above = [node_hash(below[i], below[i + 1], hash_) for i in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            above.append(below[-1])
        levels.append(above)
    return levels


def root_of_hashes(hashes: Sequence[bytes], hash_: Hash) -> bytes:
    """Root over leaf hashes already computed: 32 bytes, H("") for none."""
    return _levels(hashes, hash_)[-1][0] if hashes else hash_(b"")


def root(leaves: Sequence[bytes], hash_: Hash) -> bytes:
    """Root over leaves: 32 bytes, H("") for none."""
    return root_of_hashes([leaf_hash(leaf, hash_) for leaf in leaves], hash_)


def path_of_hashes(hashes: Sequence[bytes], index: int, hash_: Hash) -> list[bytes]:
    """Audit path of the leaf at `index` over leaf hashes, from the bottom up (RFC 6962 §2.1.1)."""
    path: list[bytes] = []
    for level in _levels(hashes, hash_)[:-1]:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index //= 2
    return path


def path(leaves: Sequence[bytes], index: int, hash_: Hash) -> list[bytes]:
    """Audit path of the leaf at `index`, from the bottom up."""
    return path_of_hashes([leaf_hash(leaf, hash_) for leaf in leaves], index, hash_)


def verify(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes, hash_: Hash) -> None:
    """Raises ProofError unless `path` leads from `leaf` at `index` of `size` to `root` (RFC 9162 §2.1.3.2).

    Raises LimitError for a path longer than any tree can have.
    """
    if len(path) > MAX_MERKLE_PATH:
        raise LimitError(f"a path has at most {MAX_MERKLE_PATH} nodes, this one {len(path)}")
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} of {size} does not exist")
    at, last, found = index, size - 1, leaf_hash(leaf, hash_)
    for sibling in path:
        if last == 0:
            raise ProofError("the path is longer than the tree is high")
        if at % 2 or at == last:
            found = node_hash(sibling, found, hash_)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling, hash_)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofError("the path is shorter than the tree is high")
    if found != root:
        raise ProofError("the path leads to another root")
