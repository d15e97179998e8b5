"""The solo sequencer's word: signs heads, and never two blocks at one height (money.md §7).

The signed file holds the highest height signed, with the whole signed block. It is on the disk before the signature
leaves this module, apart from the store, so that a store restored from an old copy cannot lead to a second
signature. A crash between signing and writing the store loses nothing either: the node takes the block from here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import rlp
from coincurve import PrivateKey
from rlp.exceptions import RLPException

from contracts.errors import SignatureError
from contracts.hashing import sha256
from contracts.messages import Finality
from contracts.signatures import address_of, sign, verify
from ledger.chain.blocks import Block
from ledger.chain.items import decode_items
from ledger.errors import BlockFinalityError, SecondSignatureError, StoreCorruption, StoreError, StoreFull
from ledger.store import DISK_FULL_ERRNOS, sync_directory

_FILE: Final = "signed"
_DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Signed:
    """The highest block this authority has signed: its height, hash, signature (65 bytes) and RLP."""

    number: int
    hash: bytes
    signature: bytes
    raw: bytes


def check_finality(
    signature: bytes, authority: bytes, chain_id: int, genesis_hash: bytes, number: int, block_hash: bytes
) -> None:
    """Step 13 of rules.py for a solo authority. Raises BlockFinalityError unless `authority` signed this block."""
    digest = Finality(chain_id, genesis_hash, number, block_hash).digest()
    try:
        verify(digest, signature, authority)
    except SignatureError as error:
        raise BlockFinalityError(f"block {number}: {error.what}") from error


class SignedFile:
    """The file beside the store that remembers the highest signed block."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _FILE

    def read(self) -> Signed | None:
        """What was signed last; None if nothing was. Raises StoreCorruption for a damaged file."""
        try:
            stored = self._path.read_bytes()
        except FileNotFoundError:
            return None
        digest, payload = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if sha256(payload) != digest:
            raise StoreCorruption(f"{self._path} does not have its checksum")
        try:
            number, block_hash, signature, raw = decode_items(payload)
        except (RLPException, ValueError) as error:
            raise StoreCorruption(f"{self._path} cannot be read") from error
        return Signed(int.from_bytes(number, "big"), block_hash, signature, raw)

    def write(self, signed: Signed) -> None:
        """Replaces the file durably. Raises StoreFull or StoreError where the disk does not take it."""
        number = signed.number.to_bytes(8, "big").lstrip(b"\0")
        payload = rlp.encode([number, signed.hash, signed.signature, signed.raw])
        fresh = self._path.with_suffix(".new")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(sha256(payload) + payload)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            kind = StoreFull if error.errno in DISK_FULL_ERRNOS else StoreError
            raise kind(f"writing {self._path}: {error.strerror}") from error


class SoloSigner:
    """Signs blocks for one chain with the authority's key."""

    def __init__(self, key: PrivateKey, chain_id: int, genesis_hash: bytes, file: SignedFile) -> None:
        self._key = key
        self._chain_id = chain_id
        self._genesis_hash = genesis_hash
        self._file = file
        self._last = file.read()
        self.address = address_of(key)

    def __repr__(self) -> str:
        return f"SoloSigner(0x{self.address.hex()})"

    @property
    def last(self) -> Signed | None:
        """The highest signed block."""
        return self._last

    def sign(self, block: Block) -> bytes:
        """The 65-byte Finality signature of `block`, remembered on the disk before it is returned.

        Raises SecondSignatureError where another block was signed at this height, or a higher one.
        """
        last = self._last
        if last is not None and block.number <= last.number:
            if block.hash == last.hash:
                return last.signature
            raise SecondSignatureError(
                f"height {last.number} is signed as 0x{last.hash.hex()}; asked to sign 0x{block.hash.hex()} "
                f"at {block.number}"
            )
        digest = Finality(self._chain_id, self._genesis_hash, block.number, block.hash).digest()
        signed = Signed(block.number, block.hash, sign(digest, self._key), block.raw)
        self._file.write(signed)
        self._last = signed
        return signed.signature
