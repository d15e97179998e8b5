"""Merkle-Patricia tries whose writes are buffered: nodes change in memory, and dirty ones are hashed once a block.

The shape and the encoding are the Yellow Paper's appendix D; `trie.HexaryTrie` is the readable twin that the tests
compare with. A node is loaded when a path leads through it and kept decoded in a bounded cache shared by all tries of
an engine: a hash names its content, so an entry never goes stale. Keys are walked as strings of hexadecimal digits,
since slicing and comparing those is one call each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import rlp
from lru import LRU
from rlp.codec import decode_raw, encode_raw

from contracts.hashing import keccak
from ledger.engines.base import Nodes
from ledger.engines.errors import StateMissing

BLANK_ROOT: Final = keccak(rlp.encode(b""))
_HASH_BYTES: Final = 32
_NIBBLE: Final = {digit: value for value, digit in enumerate("0123456789abcdef")}
_DIGITS: Final = "0123456789abcdef"


class Leaf:
    """The end of a path: the rest of the key's digits and the value."""

    __slots__ = ("dirty", "path", "value")

    def __init__(self, path: str, value: bytes, dirty: bool) -> None:
        self.path = path
        self.value = value
        self.dirty = dirty


class Extension:
    """Digits that all keys below share, never none."""

    __slots__ = ("child", "dirty", "path")

    def __init__(self, path: str, child: Ref, dirty: bool) -> None:
        self.path = path
        self.child = child
        self.dirty = dirty


class Branch:
    """Sixteen children by the next digit, and the value of the key that ends here."""

    __slots__ = ("children", "dirty", "value")

    def __init__(self, children: list[Ref], value: bytes, dirty: bool) -> None:
        self.children = children
        self.value = value
        self.dirty = dirty


Node = Leaf | Extension | Branch
# What a parent holds: nothing, the hash of a node that is not loaded, or the node itself.
Ref = Node | bytes | None


class NodeCache:
    """Decoded clean nodes by hash, the least recently used dropped first. Clean nodes are never changed in place."""

    def __init__(self, size: int) -> None:
        self._nodes: Any = LRU(size)
        self.get = self._nodes.get
        self.put = self._nodes.__setitem__


class Trie:
    """One trie on top of the nodes of a store. Values are bytes, never empty: writing none deletes."""

    def __init__(self, nodes: Nodes, root: bytes, cache: NodeCache) -> None:
        self._nodes = nodes
        self._cache = cache
        self._root: Ref = None if root == BLANK_ROOT else root

    def get(self, key: bytes) -> bytes:
        """The value under a key; no bytes if there is none. Raises StateMissing."""
        ref = self._root
        path = key.hex()
        at = 0
        while ref is not None:
            node = self._load(ref) if type(ref) is bytes else ref
            if type(node) is Branch:
                if at == len(path):
                    return node.value
                ref = node.children[_NIBBLE[path[at]]]
                at += 1
            elif type(node) is Leaf:
                return node.value if path[at:] == node.path else b""
            elif path.startswith(node.path, at):  # type: ignore[union-attr]  # bytes were loaded above
                at += len(node.path)  # type: ignore[union-attr]
                ref = node.child  # type: ignore[union-attr]
            else:
                break
        return b""

    def update(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Writes (key, value) pairs; an empty value deletes. Nothing is hashed yet. Raises StateMissing."""
        for key, value in items:
            if value:
                self._root = self._insert(self._root, key.hex(), value)
            else:
                self._root = self._delete(self._root, key.hex())

    def commit(self, into: dict[bytes, bytes]) -> bytes:
        """Hashes the dirty nodes into `into` (hash → encoding) and returns the root (32 bytes)."""
        root = self._root
        if root is None:
            return BLANK_ROOT
        if isinstance(root, bytes):
            return root
        item = self._seal(root, into, top=True)
        self._root = item
        return bytes(item)

    def _load(self, ref: Ref) -> Node:
        if not isinstance(ref, bytes):
            if ref is None:
                raise StateMissing("a trie node has no child where it must have one")
            return ref
        node: Node | None = self._cache.get(ref)
        if node is None:
            encoded = self._nodes.get(ref)
            if encoded is None:
                raise StateMissing(f"trie node 0x{ref.hex()} is missing")
            node = _node(decode_raw(encoded, True, False)[0])
            self._cache.put(ref, node)
        return node

    def _insert(self, ref: Ref, path: str, value: bytes) -> Node:
        if ref is None:
            return Leaf(path, value, True)
        node = self._load(ref)
        if isinstance(node, Branch):
            node = _writable(node)
            if path:
                digit = _NIBBLE[path[0]]
                node.children[digit] = self._insert(node.children[digit], path[1:], value)
            else:
                node.value = value
            return node
        if isinstance(node, Leaf):
            if path == node.path:
                return Leaf(path, value, True)
        elif path.startswith(node.path):
            return Extension(node.path, self._insert(node.child, path[len(node.path) :], value), True)
        return _split(node, path, value)

    def _delete(self, ref: Ref, path: str) -> Ref:
        if ref is None:
            return None
        node = self._load(ref)
        if isinstance(node, Leaf):
            return None if path == node.path else ref
        if isinstance(node, Extension):
            if not path.startswith(node.path):
                return ref
            child = self._delete(node.child, path[len(node.path) :])
            return ref if child is node.child else self._prefixed(node.path, child)
        if path:
            digit = _NIBBLE[path[0]]
            child = self._delete(node.children[digit], path[1:])
            if child is node.children[digit]:
                return ref
            node = _writable(node)
            node.children[digit] = child
        elif node.value:
            node = _writable(node)
            node.value = b""
        else:
            return ref
        return self._collapsed(node)

    def _collapsed(self, node: Branch) -> Ref:
        """A branch with at least two ways is itself; with one it becomes that way."""
        ways = [digit for digit, child in enumerate(node.children) if child is not None]
        if len(ways) + bool(node.value) > 1:
            return node
        if node.value:
            return Leaf("", node.value, True)
        return self._prefixed(_DIGITS[ways[0]], node.children[ways[0]]) if ways else None

    def _prefixed(self, path: str, ref: Ref) -> Ref:
        """What stands below `path` alone: leaves and extensions take the digits up, a branch gets an extension."""
        if ref is None:
            return None
        node = self._load(ref)
        if isinstance(node, Leaf):
            return Leaf(path + node.path, node.value, True)
        if isinstance(node, Extension):
            return Extension(path + node.path, node.child, True)
        return Extension(path, ref, True)

    def _seal(self, node: Node, into: dict[bytes, bytes], *, top: bool = False) -> Any:
        """What the parent's encoding holds: a hash, or the node's own list if it has under 32 bytes."""
        if isinstance(node, Branch):
            children = node.children
            item: list[Any] = []
            for digit, child in enumerate(children):
                if child is None:
                    item.append(b"")
                elif isinstance(child, bytes):
                    item.append(child)
                else:
                    sealed = self._seal(child, into)
                    if isinstance(sealed, bytes):
                        children[digit] = sealed
                    item.append(sealed)
            item.append(node.value)
        elif isinstance(node, Leaf):
            item = [_packed(node.path, 2), node.value]
        else:
            below = node.child if isinstance(node.child, bytes) else self._seal(self._load(node.child), into)
            if isinstance(below, bytes):
                node.child = below
            item = [_packed(node.path, 0), below]
        encoded: bytes = encode_raw(item)
        node.dirty = False
        if len(encoded) < _HASH_BYTES and not top:
            return item
        digest = keccak(encoded)
        into[digest] = encoded
        self._cache.put(digest, node)
        return digest


def _writable(node: Branch) -> Branch:
    return node if node.dirty else Branch(list(node.children), node.value, True)


def _split(node: Leaf | Extension, path: str, value: bytes) -> Node:
    """A branch where `path` leaves the digits of a leaf or an extension."""
    shared = _shared(path, node.path)
    branch = Branch([None] * 16, b"", True)
    rest = node.path[shared:]
    if isinstance(node, Leaf):
        if rest:
            branch.children[_NIBBLE[rest[0]]] = Leaf(rest[1:], node.value, True)
        else:
            branch.value = node.value
    else:
        branch.children[_NIBBLE[rest[0]]] = Extension(rest[1:], node.child, True) if rest[1:] else node.child
    if path[shared:]:
        branch.children[_NIBBLE[path[shared]]] = Leaf(path[shared + 1 :], value, True)
    else:
        branch.value = value
    return Extension(path[:shared], branch, True) if shared else branch


def _shared(one: str, other: str) -> int:
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))


def _packed(path: str, kind: int) -> bytes:
    """Hex-prefix encoding (Yellow Paper, appendix C); `kind` 2 for a leaf, 0 for an extension."""
    return bytes.fromhex(f"{kind | 1}{path}" if len(path) & 1 else f"{kind}0{path}")


def _node(item: list[Any]) -> Node:
    """A clean node from its decoded RLP."""
    if len(item) == 17:
        return Branch([_ref(child) for child in item[:16]], bytes(item[16]), False)
    digits = item[0].hex()
    kind = _NIBBLE[digits[0]]
    path = digits[1:] if kind & 1 else digits[2:]
    if kind & 2:
        return Leaf(path, bytes(item[1]), False)
    return Extension(path, _ref(item[1]), False)


def _ref(item: Any) -> Ref:
    if isinstance(item, list):
        return _node(item)
    return bytes(item) if item else None
