"""Trees of RFC 6962: known roots, every path of every size, and paths that must not hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import merkle
from contracts.errors import LimitError
from contracts.hashing import keccak, sha256
from contracts.merkle import ProofError

# The reference leaves and roots of the certificate-transparency implementation (merkletree tests).
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_known_roots(size: int) -> None:
    assert merkle.root(LEAVES[:size], sha256).hex() == ROOTS[size - 1]


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert merkle.root([], sha256) == sha256(b"")
    assert merkle.root([], keccak) == keccak(b"")


def recursive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1 word for word: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0])
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return sha256(b"\x01" + recursive_root(leaves[:half]) + recursive_root(leaves[half:]))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=70))
def test_roots_are_those_of_the_recursive_definition(leaves: list[bytes]) -> None:
    assert merkle.root(leaves, sha256) == recursive_root(leaves)


@pytest.mark.parametrize("size", range(1, 36))
def test_every_path_of_every_size_holds_and_no_neighbours_does(size: int) -> None:
    leaves = [bytes((i,)) for i in range(size)]
    root = merkle.root(leaves, keccak)
    for index, leaf in enumerate(leaves):
        path = merkle.path(leaves, index, keccak)
        merkle.verify(leaf, index, size, path, root, keccak)
        for other in range(size):
            if other != index:
                with pytest.raises(ProofError):
                    merkle.verify(leaf, other, size, path, root, keccak)


TREE = [bytes((i,)) for i in range(11)]
ROOT = merkle.root(TREE, sha256)
PATH = merkle.path(TREE, 5, sha256)
LEAF = TREE[5]
FAULTS = {
    "another leaf": (b"x", 5, 11, PATH, ROOT),
    "another root": (LEAF, 5, 11, PATH, bytes(32)),
    "index out of the tree": (LEAF, 11, 11, PATH, ROOT),
    "negative index": (LEAF, -1, 11, PATH, ROOT),
    "empty tree": (LEAF, 0, 0, [], ROOT),
    "node missing": (LEAF, 5, 11, PATH[:-1], ROOT),
    "node too many": (LEAF, 5, 11, [*PATH, bytes(32)], ROOT),
    "nodes swapped": (LEAF, 5, 11, PATH[::-1], ROOT),
    "bit flipped": (LEAF, 5, 11, [bytes((PATH[0][0] ^ 1,)) + PATH[0][1:], *PATH[1:]], ROOT),
    "smaller tree": (LEAF, 5, 8, PATH, ROOT),
    "larger tree": (LEAF, 5, 17, PATH, ROOT),
    "inner node as leaf": (PATH[0] + LEAF, 5, 11, PATH[1:], ROOT),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_must_fail(fault: str) -> None:
    merkle.verify(LEAF, 5, 11, PATH, ROOT, sha256)
    with pytest.raises(ProofError):
        merkle.verify(*FAULTS[fault], sha256)


def test_a_path_longer_than_any_tree_is_refused_unread() -> None:
    with pytest.raises(LimitError):
        merkle.verify(b"", 0, 2**40, [bytes(32)] * 33, bytes(32), sha256)
