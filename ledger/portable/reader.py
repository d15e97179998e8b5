"""Checks a portable ledger, all of it, while its chain is executed again into a new store (receipts.md §6).

    1  the ZIP, byte for byte                     container.py
    2  manifest.json, every entry against it, their names and order
    3  trust.json: usable, this chain's, equal to the trust file that is held
    4  genesis.json: canonical, names the configuration that the trust file tells, its agreements' code
    5  README.txt and contracts/                  as this version generates them
    6  chain.rlp and finality.jsonl               block by block: every rule, and the authority's word
    7  the head, leaves/ against the chain's roots

Everything is found by entry and offset within it, or by block.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeAlias

import rfc8785

from contracts.errors import EncodingError, SignatureError
from contracts.hashing import keccak
from contracts.messages import Finality
from contracts.signatures import verify as verify_signature
from contracts.strict_json import loads
from ledger import trust as trust_file
from ledger.chain import genesis
from ledger.chain.genesis import Genesis
from ledger.errors import BlockError, ConfigurationError
from ledger.limits import MAX_BLOCK_BYTES
from ledger.node import Node
from ledger.portable import contents, leaves
from ledger.portable.container import ContainerReader, Tick, difference
from ledger.portable.errors import (
    PortableBlockError,
    PortableContentError,
    PortableFinalityError,
    PortableFormatError,
    PortableGenesisError,
    PortableLeavesError,
    PortableManifestError,
    TrustFileError,
    TrustMismatchError,
)
from ledger.portable.limits import MAX_DEPTH, MAX_FINALITY_LINE_BYTES, MAX_LEAVES_LINE_BYTES
from ledger.portable.writer import finality_line
from ledger.trust import Trust

Kind: TypeAlias = type[PortableFormatError] | type[PortableGenesisError]

_FIRST: Final = (contents.README, contents.GENESIS, contents.TRUST, contents.CHAIN, contents.FINALITY)
# A block that stands in the chain was admitted by the clock of its day.
_END_OF_TIME_S: Final = 2**63


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file was found to hold: head, transactions, roots with leaves, leaves, how many of these are withheld."""

    number: int
    head_hash: str
    transactions: int
    roots: int
    leaves: int
    withheld: int


class Portable:
    """A portable ledger whose ZIP, manifest, genesis and generated entries hold (steps 1 to 5).

    `held` is the owner's trust file; without one the enclosed is used, and the caller says TrustSelfDeclared in the
    end. Raises a PortableError.
    """

    def __init__(self, file: BinaryIO, held: Trust | None, tick: Tick | None = None) -> None:
        self._tick: Tick = tick or (lambda _phase, _done, _of: None)
        self._zip = ContainerReader(file, tick)
        self.manifest = self._read_manifest()
        self.trust = self._read_trust(held)
        self.beginning = self._read_genesis()
        self._check_generated()

    # --- steps 2 to 5

    def _json(self, name: str, kind: Kind = PortableFormatError) -> Any:
        return _canonical(self._zip.small(name), f"entry {name!r}", kind)

    def _read_manifest(self) -> dict[str, Any]:
        document = self._json(contents.MANIFEST)
        where = f"entry {contents.MANIFEST!r}"
        keys = {"format", "chain_id", "genesis_hash", "head", "entries"}
        if not isinstance(document, dict) or set(document) != keys or document["format"] != contents.FORMAT:
            raise PortableFormatError(f"{where}, offset 0: it is no {contents.FORMAT}")
        actual = list(self._zip.entries.values())
        if actual[-1].name != contents.MANIFEST:
            raise PortableFormatError(f"{where} is not the last, entry {actual[-1].name!r} is")
        listed = document["entries"]
        if not isinstance(listed, list) or len(listed) != len(actual) - 1:
            raise PortableManifestError(f"{where} does not list the {len(actual) - 1} entries before it")
        for entry, said in zip(actual, listed, strict=False):
            if said != {"name": entry.name, "length": entry.length, "sha256": entry.sha256}:
                raise PortableManifestError(
                    f"entry {entry.name!r} at offset {entry.offset} is not what {where} says of it"
                )
        names = [entry.name for entry in actual]
        if tuple(names[: len(_FIRST)]) != _FIRST:
            raise PortableFormatError(f"the file begins with other entries than {', '.join(_FIRST)}")
        return document

    def _read_trust(self, held: Trust | None) -> Trust:
        raw = self._zip.small(contents.TRUST)
        where = f"entry {contents.TRUST!r}"
        try:
            enclosed = trust_file.read(raw)
        except TrustFileError as error:
            raise TrustFileError(f"{where}: {error.what}") from error
        if held is not None and held.raw != raw:
            raise TrustMismatchError(
                f"{where} differs from the trust file that you hold at offset {difference(raw, held.raw)}"
            )
        return held or enclosed

    def _read_genesis(self) -> Genesis:
        where = f"entry {contents.GENESIS!r}"
        document = self._json(contents.GENESIS, PortableGenesisError)
        raw = self._zip.small(contents.GENESIS)
        try:
            chain = self.trust.configuration(int(document["gasLimit"], 16))
            beginning = genesis.rebuild(chain, raw)
            wanted = genesis.geth_file(chain, raw)
        except (ConfigurationError, TypeError, KeyError, ValueError, OverflowError) as error:
            raise PortableGenesisError(f"{where} does not name the trust file's chain: {error}") from error
        if wanted != raw:
            raise PortableGenesisError(f"{where}, offset {difference(raw, wanted)}: not as geth takes this chain")
        for contract in self.trust.document["contracts"]:
            account = document["alloc"].get(contract["address"])
            code = bytes.fromhex(account["code"][2:]) if account else b""
            if contract["from_block"] == 0 and "0x" + keccak(code).hex() != contract["code_hash"]:
                raise PortableGenesisError(f"{where}: the code of {contract['name']} is not the trust file's")
        self.trust.check_chain(document["config"]["chainId"], beginning.header.hash)
        named = (self.trust.chain_id, "0x" + beginning.header.hash.hex())
        if (self.manifest["chain_id"], self.manifest["genesis_hash"]) != named:
            raise PortableManifestError(f"entry {contents.MANIFEST!r} names another chain than {where}")
        return beginning

    def _check_generated(self) -> None:
        names = list(self._zip.entries)
        generated = [(contents.README, contents.readme(self.trust.chain_id, self.trust.genesis_hash))]
        account_file = json.loads(self.beginning.geth)
        generated += contents.contract_entries(account_file, self.trust.document["contracts"])
        for name, wanted in generated:
            found = self._zip.small(name)
            if found != wanted:
                at = difference(found, wanted)
                raise PortableContentError(f"entry {name!r}, offset {at}: not what this version generates")
        contracts = [name for name, _ in generated[1:]]
        trees = [name for name in names if name.startswith(contents.LEAVES)]
        allowed = [f"{contents.LEAVES}{entry}.jsonl" for entry in leaves.ENTRIES]
        expected = [*_FIRST, *contracts, *(name for name in allowed if name in trees), contents.MANIFEST]
        if names != expected:
            place = difference(names, expected)
            name = names[place] if place < len(names) else expected[place]
            raise PortableFormatError(f"entry {name!r} does not belong at place {place}")

    # --- steps 6 and 7

    def execute(self, node: Node) -> Checked:
        """Imports every block into `node`, which stands at this genesis, and checks what remains.

        Raises a PortableError; `node` then holds the blocks before the one that it names.
        """
        head = self.manifest["head"]
        finality = self._zip.lines(contents.FINALITY, MAX_FINALITY_LINE_BYTES)
        transactions = number = 0
        for number, (offset, raw) in enumerate(self._blocks(), 1):
            line = next(finality, None)
            if line is None:
                raise PortableFinalityError(f"entry {contents.FINALITY!r} ends before block {number}")
            signature, block_hash = self._finality(number, *line)
            self._import(node, number, offset, raw, signature, block_hash)
            transactions += len(node.head.transactions)
        extra = next(finality, None)
        if extra is not None:
            raise PortableFinalityError(
                f"entry {contents.FINALITY!r}, offset {extra[0]}: a line behind the last block, {number}"
            )
        if head != {"number": number, "hash": "0x" + node.head.hash.hex()}:
            raise PortableManifestError(f"entry {contents.MANIFEST!r} names another head than block {number}")
        roots, count, withheld = self._leaves(node)
        return Checked(number, "0x" + node.head.hash.hex(), transactions, roots, count, withheld)

    def _import(self, node: Node, number: int, offset: int, raw: bytes, signature: bytes, block_hash: bytes) -> None:
        where = f"entry {contents.CHAIN!r}, offset {offset}, block {number}"
        try:
            node.import_block(raw, signature, now_s=_END_OF_TIME_S)
        except BlockError as error:
            raise PortableBlockError(f"{where}: {error.code} {error.what}") from error
        if node.head.number != number or node.head.hash != block_hash:
            raise PortableFinalityError(f"{where}: entry {contents.FINALITY!r} names another hash")

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """(offset, RLP) of the blocks, each read by its own length prefix."""
        length, offset = self._zip.entry(contents.CHAIN).length, 0
        while offset < length:
            prefix = self._zip.piece(contents.CHAIN, offset, 9)
            size = _item_bytes(prefix)
            if size is None or size > MAX_BLOCK_BYTES or offset + size > length:
                raise PortableBlockError(f"entry {contents.CHAIN!r}, offset {offset}: no block begins here")
            self._tick("blocks", offset, length)
            yield offset, self._zip.piece(contents.CHAIN, offset, size)
            offset += size

    def _finality(self, number: int, offset: int, line: bytes) -> tuple[bytes, bytes]:
        where = f"entry {contents.FINALITY!r}, offset {offset}, block {number}"
        document = _canonical(line, where)
        try:
            signature = bytes.fromhex(document["finality"]["signature"][2:])
            block_hash = bytes.fromhex(document["hash"][2:])
        except (TypeError, KeyError, ValueError) as error:
            raise PortableFinalityError(f"{where}: it is no {{finality, hash, number}}") from error
        if len(block_hash) != 32 or line != finality_line(number, block_hash, signature):
            raise PortableFinalityError(f"{where}: it is no word of a solo authority on this block")
        name, authority = self.trust.authority(number)
        digest = Finality(self.trust.chain_id, self.trust.genesis_hash, number, block_hash).digest()
        try:
            verify_signature(digest, signature, authority)
        except SignatureError as error:
            raise PortableFinalityError(f"{where}: not signed by {name}: {error.what}") from error
        return signature, block_hash

    def _leaves(self, node: Node) -> tuple[int, int, int]:
        roots = count = withheld = 0
        for entry in leaves.ENTRIES:
            name = f"{contents.LEAVES}{entry}.jsonl"
            if name not in self._zip.entries:
                continue
            before = (0, 0, -1)
            for offset, line in self._zip.lines(name, MAX_LEAVES_LINE_BYTES):
                self._tick("leaves", offset, self._zip.entries[name].length)
                where = f"entry {name!r}, offset {offset}"
                at, hashes, hidden = _leaves_line(node, entry, line, where)
                if at <= before:
                    raise PortableLeavesError(f"{where}: places do not rise")
                before, roots = at, roots + 1
                count, withheld = count + hashes, withheld + hidden
            if before == (0, 0, -1):
                raise PortableLeavesError(f"entry {name!r}, offset 0: it has no line")
        return roots, count, withheld


def _leaves_line(node: Node, entry: str, line: bytes, where: str) -> tuple[tuple[int, int, int], int, int]:
    """(place, leaves, withheld ones) of a line whose leaves lead to the chain's root."""
    document = _canonical(line, where)
    if not isinstance(document, dict) or set(document) != {"at", "leaves"} or not isinstance(document["leaves"], list):
        raise PortableLeavesError(f"{where}: it is no {{at, leaves}}")
    place = document["at"]
    if not isinstance(place, list) or len(place) != 3 or any(type(part) is not int for part in place):
        raise PortableLeavesError(f"{where}: at is no [block, transaction, log]")
    root = leaves.root_of(node, (place[0], place[1], place[2]), entry)
    if root is None:
        raise PortableLeavesError(f"{where}: the chain has no root of {entry} at {place}")
    try:
        found = [leaves.hash_of(item, root.tree) for item in document["leaves"]]
    except ValueError as error:
        raise PortableLeavesError(f"{where}: {error}") from error
    if len(found) != root.size or leaves.computed_root(root, [hash_ for hash_, _ in found]) != root.root:
        raise PortableLeavesError(f"{where}: the leaves do not lead to the root at {place}")
    return root.at, len(found), sum(hidden for _, hidden in found)


def _canonical(
    raw: bytes, where: str, kind: type[PortableFormatError | PortableGenesisError] = PortableFormatError
) -> Any:
    try:
        document = loads(raw, max_depth=MAX_DEPTH)
        wanted = rfc8785.dumps(document)
    except (EncodingError, rfc8785.CanonicalizationError) as error:
        raise kind(f"{where}: {error}") from error
    if wanted != raw:
        raise kind(f"{where}: not canonical at offset {difference(raw, wanted)} within it")
    return document


def _item_bytes(prefix: bytes) -> int | None:
    """Bytes of the RLP list that begins so; None for anything that is no list."""
    first = prefix[0]
    if first < 0xC0:
        return None
    if first < 0xF8:
        return 1 + first - 0xC0
    count = first - 0xF7
    return 1 + count + int.from_bytes(prefix[1 : 1 + count], "big")
