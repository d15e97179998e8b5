"""How a chain lies in the key-value store: the keys, and the records of one block.

    s ‖ hash                trie node or code, by its keccak-256
    h ‖ number              header RLP                    b ‖ number   block RLP
    f ‖ number              finality signature            r ‖ number   receipts, see `_receipts_record`
    n ‖ block hash          number                        t ‖ transaction hash   number ‖ index
    p ‖ arrival             a pending transaction         d ‖ transaction hash   why an accepted one was dropped
    m ‖ name                head, chain (configuration), genesis (geth's file), format

Numbers and arrivals are 8 bytes, indexes 4, big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import rlp
from eth.abc import BlockHeaderAPI
from eth.constants import BLANK_ROOT_HASH
from rlp.exceptions import RLPException

from contracts.hashing import keccak
from ledger.chain import blocks
from ledger.chain.blocks import Block
from ledger.chain.genesis import Genesis
from ledger.chain.items import decode_items
from ledger.engines.base import ExecutionResult, Log, Receipt
from ledger.errors import BlockError, StoreCorruption
from ledger.keyvalue import KeyValue
from ledger.limits import BLOCK_CACHE, MAX_KEPT_OUTPUT_BYTES

Puts: TypeAlias = list[tuple[bytes, bytes]]

FORMAT: Final = b"dure-store/1"
_HEAD: Final = b"mhead"
_CHAIN: Final = b"mchain"
_GENESIS: Final = b"mgenesis"
_FORMAT: Final = b"mformat"
_FIRST_LEGACY_BYTE: Final = 0xC0


@dataclass(frozen=True, slots=True)
class BlockReceipt:
    """A receipt with its place: block, index, transaction hash and sender; `first_log` counts logs in the block."""

    block_number: int
    block_hash: bytes
    index: int
    transaction_hash: bytes
    sender: bytes
    first_log: int
    receipt: Receipt


def _key(kind: bytes, number: int) -> bytes:
    return kind + number.to_bytes(8, "big")


class Archive:
    """One chain's records in a store."""

    def __init__(self, store: KeyValue) -> None:
        self.store = store
        self.block = lru_cache(maxsize=BLOCK_CACHE)(self._block)
        self.receipts = lru_cache(maxsize=BLOCK_CACHE)(self._receipts)

    # --- the state, as engines read it (engines.base.Nodes)

    def get(self, key: bytes, /) -> bytes | None:
        """The trie node or code of this keccak-256."""
        return self.store.get(b"s" + key)

    # --- reading

    @property
    def chain(self) -> bytes:
        """The canonical chain configuration (receipts.md §5)."""
        return self.store.need(_CHAIN)

    @property
    def genesis(self) -> bytes:
        """The genesis.json for geth."""
        return self.store.need(_GENESIS)

    @property
    def format(self) -> bytes | None:
        """The format of these records; None where making the chain was not finished."""
        return self.store.get(_FORMAT)

    def head(self) -> tuple[int, bytes]:
        """(number, hash) of the last block."""
        record = self.store.need(_HEAD)
        return int.from_bytes(record[:8], "big"), record[8:]

    def header_record(self, number: int) -> bytes:
        """RLP of the header at a height that exists. Raises StoreCorruption."""
        return self.store.need(_key(b"h", number))

    def header(self, number: int) -> BlockHeaderAPI:
        """The header at a height that exists. Raises StoreCorruption."""
        try:
            return blocks.decode_header(self.header_record(number))
        except BlockError as error:
            raise StoreCorruption(f"header {number}: {error.what}") from error

    def block_record(self, number: int) -> bytes:
        """RLP of the block at a height that exists, as `geth import` takes it. Raises StoreCorruption."""
        return self.store.need(_key(b"b", number))

    def _block(self, number: int) -> Block:
        try:
            return blocks.decode(self.block_record(number))
        except BlockError as error:
            raise StoreCorruption(f"block {number}: {error.what}") from error

    def finality(self, number: int) -> bytes:
        """The signature on the block at this height; no bytes for genesis."""
        return self.store.need(_key(b"f", number))

    def number_of(self, block_hash: bytes) -> int | None:
        """The height of a block of this chain."""
        record = self.store.get(b"n" + block_hash)
        return None if record is None else int.from_bytes(record, "big")

    def place_of(self, transaction_hash: bytes) -> tuple[int, int] | None:
        """(block number, index) of a transaction in the chain."""
        record = self.store.get(b"t" + transaction_hash)
        return None if record is None else (int.from_bytes(record[:8], "big"), int.from_bytes(record[8:], "big"))

    def dropped(self, transaction_hash: bytes) -> str | None:
        """Why an accepted transaction can never enter the chain; None if it still may."""
        record = self.store.get(b"d" + transaction_hash)
        return None if record is None else record.decode()

    def pending(self) -> Iterator[tuple[int, bytes]]:
        """(arrival, raw) of the waiting transactions, in order of arrival."""
        for key, raw in self.store.scan(b"p"):
            yield int.from_bytes(key[1:], "big"), raw

    def _receipts(self, number: int) -> tuple[BlockReceipt, ...]:
        header = self.header(number)
        try:
            items = decode_items(self.store.need(_key(b"r", number)))
            return tuple(_read_receipts(items, number, header.hash))
        except (RLPException, ValueError, IndexError) as error:
            raise StoreCorruption(f"receipts of block {number} cannot be read") from error

    # --- records to be written

    @staticmethod
    def genesis_records(genesis: Genesis) -> Puts:
        """Everything of block 0."""
        block = blocks.build(genesis.header, ())
        return [
            *((b"s" + key, value) for key, value in genesis.nodes.items()),
            *_header_records(block),
            (_key(b"b", 0), block.raw),
            (_key(b"f", 0), b""),
            (_key(b"r", 0), rlp.encode([])),
            (_CHAIN, genesis.chain),
            (_GENESIS, genesis.geth),
            (_FORMAT, FORMAT),
        ]

    @staticmethod
    def block_records(block: Block, result: ExecutionResult, finality: bytes) -> Puts:
        """Everything of a later block: its state, itself, receipts, finality, indexes, and the new head."""
        number = block.number.to_bytes(8, "big")
        return [
            *((b"s" + key, value) for key, value in result.nodes.items()),
            *_header_records(block),
            (b"b" + number, block.raw),
            (b"f" + number, finality),
            (b"r" + number, _receipts_record(block, result.receipts)),
            *((b"t" + tx.hash, number + index.to_bytes(4, "big")) for index, tx in enumerate(block.transactions)),
        ]

    @staticmethod
    def pending_record(arrival: int, raw: bytes) -> tuple[bytes, bytes]:
        """A waiting transaction."""
        return _key(b"p", arrival), raw

    @staticmethod
    def pending_key(arrival: int) -> bytes:
        """Where a waiting transaction lies."""
        return _key(b"p", arrival)

    @staticmethod
    def dropped_record(transaction_hash: bytes, reason: str) -> tuple[bytes, bytes]:
        """Why an accepted transaction never enters the chain."""
        return Archive.dropped_key(transaction_hash), reason.encode()

    @staticmethod
    def dropped_key(transaction_hash: bytes) -> bytes:
        """Where that reason lies."""
        return b"d" + transaction_hash


def _header_records(block: Block) -> Puts:
    number = block.number.to_bytes(8, "big")
    return [
        (b"h" + number, blocks.encode_header(block.header)),
        (b"n" + block.hash, number),
        (_HEAD, number + block.hash),
    ]


def _receipts_record(block: Block, receipts: Sequence[Receipt]) -> bytes:
    """RLP list of [transaction hash, sender, contract or nothing, output of a failed one, receipt (EIP-2718)]."""
    items = [
        [
            transaction.hash,
            transaction.sender,
            receipt.contract or b"",
            b"" if receipt.status else receipt.output[:MAX_KEPT_OUTPUT_BYTES],
            receipt.raw,
        ]
        for transaction, receipt in zip(block.transactions, receipts, strict=True)
    ]
    encoded: bytes = rlp.encode(items)
    return encoded


def _read_receipts(items: list[list[bytes]], number: int, block_hash: bytes) -> Iterator[BlockReceipt]:
    cumulative = first_log = 0
    for index, (transaction_hash, sender, contract, output, raw) in enumerate(items):
        status, total, bloom, logs = decode_items(raw if raw[0] >= _FIRST_LEGACY_BYTE else raw[1:])
        gas = int.from_bytes(total, "big")
        receipt = Receipt(
            status=int.from_bytes(status, "big"),
            gas_used=gas - cumulative,
            cumulative_gas=gas,
            bloom=int.from_bytes(bloom, "big"),
            logs=tuple(Log(bytes(a), tuple(bytes(t) for t in topics), bytes(data)) for a, topics, data in logs),
            raw=raw,
            contract=contract or None,
            output=output,
        )
        yield BlockReceipt(number, block_hash, index, transaction_hash, sender, first_log, receipt)
        cumulative, first_log = gas, first_log + len(receipt.logs)


def state_is_present(archive: Archive, header: BlockHeaderAPI) -> None:
    """Raises StoreCorruption unless the root node of a block's state is there and hashes to its name."""
    if header.state_root == BLANK_ROOT_HASH:
        return
    node = archive.get(header.state_root)
    if node is None or keccak(node) != header.state_root:
        raise StoreCorruption(f"the state of block {header.block_number} is missing")
