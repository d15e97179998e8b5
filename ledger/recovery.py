"""What a node checks before it goes on with a chain it finds on the disk (architecture.md §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from contracts.hashing import keccak, sha256
from ledger.chain.archive import state_is_present
from ledger.consensus.solo import Signed, check_finality
from ledger.errors import BlockError, StoreCorruption
from ledger.limits import CHECKED_TAIL_BLOCKS

if TYPE_CHECKING:
    from ledger.node import Node
    from ledger.reader import Reader

_END_OF_TIME_S: Final = 2**63


def check_chain(reader: Reader) -> None:
    """Checks the genesis, the head, its state, and the links and signatures of the last blocks.

    Raises StoreCorruption naming the block.
    """
    archive, identity = reader.archive, reader.identity
    if archive.header(0).extra_data != sha256(archive.chain):
        raise StoreCorruption("the chain configuration is not the one that the genesis block names")
    number, block_hash = archive.head()
    if archive.block(number).hash != block_hash:
        raise StoreCorruption(f"block {number}, the head, is not the one that was written")
    state_is_present(archive, archive.header(number))
    expected = block_hash
    for height in range(number, max(0, number - CHECKED_TAIL_BLOCKS), -1):
        block = archive.block(height)
        if block.hash != expected or keccak(archive.header_record(height)) != expected:
            raise StoreCorruption(f"block {height} is not the parent of block {height + 1}")
        try:
            check_finality(
                archive.finality(height), identity.authority, identity.chain_id, identity.genesis_hash, height, expected
            )
        except BlockError as error:
            raise StoreCorruption(f"block {height}: the finality kept for it does not hold: {error.what}") from error
        if len(archive.receipts(height)) != len(block.transactions):
            raise StoreCorruption(f"block {height} has lost receipts")
        expected = block.header.parent_hash


def recover_signed(node: Node, signed: Signed | None, sequencer: bool) -> None:
    """Compares the store with the highest signed block, and takes that block where a crash kept it from the store.

    Raises StoreCorruption where the store has lost blocks, or the two differ.
    """
    head = node.head
    if signed is None:
        if sequencer and head.number:
            raise StoreCorruption("the signed file is missing; without it a second signature could be given")
        return
    if signed.number == head.number + 1:
        # It was signed, so its time was admitted then; nobody has seen it, since publishing comes after the write.
        try:
            node.import_block(signed.raw, signed.signature, now_s=_END_OF_TIME_S)
        except BlockError as error:
            raise StoreCorruption(
                f"block {signed.number} was signed, but does not fit the store: {error.what}"
            ) from error
        return
    if signed.number > head.number:
        raise StoreCorruption(
            f"block {signed.number} was signed, but the store ends at {head.number}: blocks were lost"
        )
    if signed.number < head.number:
        raise StoreCorruption(
            f"the signed file ends at block {signed.number}, the store at {head.number}: the file is an old copy"
        )
    if signed.hash != head.hash:
        raise StoreCorruption(f"block {head.number} in the store is not the one that was signed")
