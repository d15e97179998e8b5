"""Buffered tries have the roots, the values and the nodes of `trie.HexaryTrie`."""

from __future__ import annotations

import random

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from contracts.hashing import keccak
from ledger.engines.errors import StateMissing
from ledger.engines.tries import BLANK_ROOT, NodeCache, Trie

# Few letters make keys that share prefixes; lengths vary, so that keys end within other keys' paths.
KEYS = st.one_of(
    st.lists(st.sampled_from((0x00, 0x01, 0x10, 0x11, 0xFF)), max_size=5).map(bytes),
    st.sampled_from(range(40)).map(lambda n: keccak(bytes([n]))),
)
VALUES = st.one_of(st.just(b""), st.binary(min_size=1, max_size=3), st.binary(min_size=30, max_size=80))
BATCHES = st.lists(st.lists(st.tuples(KEYS, VALUES), max_size=12), max_size=8)


def compare(batches: list[list[tuple[bytes, bytes]]], cache_size: int) -> None:
    """Applies batches to both, with a new Trie on the stored nodes for every batch.

    Roots are HexaryTrie's; values a dictionary's, since HexaryTrie cannot look up a key that ends within an extension.
    """
    reference = HexaryTrie({})
    model: dict[bytes, bytes] = {}
    nodes: dict[bytes, bytes] = {}
    cache = NodeCache(cache_size)
    root = BLANK_ROOT
    for batch in batches:
        trie = Trie(nodes, root, cache)
        trie.update(batch)
        for key, value in batch:
            if value:
                reference[key] = model[key] = value
            elif model.pop(key, None) is not None:
                del reference[key]
        for key, _ in batch:
            assert trie.get(key) == model.get(key, b"")
        root = trie.commit(nodes)
        assert root == reference.root_hash
        assert trie.commit({}) == root
    fresh = Trie(nodes, root, NodeCache(1))
    for key in {key for batch in batches for key, _ in batch}:
        assert fresh.get(key) == model.get(key, b"")


@settings(max_examples=400, deadline=None)
@given(BATCHES, st.sampled_from((1, 1000)))
def test_batches_of_writes_and_deletes(batches: list[list[tuple[bytes, bytes]]], cache_size: int) -> None:
    compare(batches, cache_size)


@pytest.mark.long
@settings(max_examples=50_000, deadline=None)
@given(BATCHES, st.sampled_from((1, 1000)))
def test_batches_of_writes_and_deletes_long(batches: list[list[tuple[bytes, bytes]]], cache_size: int) -> None:
    compare(batches, cache_size)


def test_ten_thousand_hashed_keys_come_and_go() -> None:
    rng = random.Random(7)
    keys = [keccak(n.to_bytes(4, "big")) for n in range(3_000)]
    batches = [[(key, rng.randbytes(rng.randint(1, 33))) for key in keys]]
    for _ in range(3):
        batches.append([(rng.choice(keys), rng.choice((b"", rng.randbytes(32)))) for _ in range(1_000)])
    batches.append([(key, b"") for key in keys])
    compare(batches, 1000)


def test_indexes_of_a_block_as_keys() -> None:
    compare([[(rlp.encode(index), b"\x02" + bytes([index % 256]) * 40) for index in range(300)]], 1)


def test_a_missing_node_is_named() -> None:
    nodes: dict[bytes, bytes] = {}
    trie = Trie(nodes, BLANK_ROOT, NodeCache(1))
    trie.update((keccak(bytes([n])), b"value") for n in range(100))
    root = trie.commit(nodes)
    victim = next(key for key in nodes if key != root)
    del nodes[victim]
    with pytest.raises(StateMissing, match=victim.hex()):
        _read_all(Trie(nodes, root, NodeCache(1)))


def _read_all(trie: Trie) -> None:
    for n in range(100):
        trie.get(keccak(bytes([n])))
