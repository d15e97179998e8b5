"""Plain Cancun blocks, as bytes and as objects (engines.md, "Set exactly")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import rlp
from eth.abc import BlockHeaderAPI
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth_typing import Address, Hash32
from rlp.exceptions import RLPException

from ledger.chain import transactions
from ledger.chain.items import decode_items
from ledger.chain.transactions import Transaction
from ledger.errors import BlockFormatError, BlockTransactionError, TransactionError
from ledger.limits import MAX_BLOCK_BYTES

HEADER_FIELDS: Final = 20
ZERO_ADDRESS: Final = Address(bytes(20))
ZERO_HASH: Final = Hash32(bytes(32))
ZERO_NONCE: Final = bytes(8)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A block: its header, its transactions in order, and its RLP as `geth import` takes it."""

    header: BlockHeaderAPI
    transactions: tuple[Transaction, ...]
    raw: bytes

    @property
    def number(self) -> int:
        """Height; genesis is 0."""
        return self.header.block_number

    @property
    def hash(self) -> bytes:
        """keccak-256 of the header: 32 bytes."""
        return self.header.hash

    @property
    def timestamp(self) -> int:
        """UTC epoch seconds."""
        return self.header.timestamp


def draft_header(parent: BlockHeaderAPI, timestamp: int) -> BlockHeaderAPI:
    """The header of the block after `parent` before execution, every field given explicitly.

    py-evm's defaults are wrong for this chain: they let the gas limit drift and take the wall clock (engines.md).
    """
    draft: BlockHeaderAPI = CancunVM.create_header_from_parent(
        parent,
        timestamp=timestamp,
        gas_limit=parent.gas_limit,
        coinbase=ZERO_ADDRESS,
        extra_data=b"",
        mix_hash=ZERO_HASH,
        parent_beacon_block_root=ZERO_HASH,
    )
    return draft


def encode_header(header: BlockHeaderAPI) -> bytes:
    """RLP of a header, whose keccak is the block's hash."""
    encoded: bytes = rlp.codec.encode_raw(CancunBlockHeader.serialize(header))
    return encoded


def decode_header(raw: bytes) -> BlockHeaderAPI:
    """A header from its RLP. Raises BlockFormatError."""
    try:
        fields = decode_items(raw)
    except RLPException as error:
        raise BlockFormatError(f"the header is no RLP: {error}") from error
    header = _header(fields)
    if encode_header(header) != raw:
        raise BlockFormatError("the header differs from its canonical form")
    return header


def build(header: BlockHeaderAPI, body: Sequence[Transaction]) -> Block:
    """The block of a finished header and its transactions."""
    items = [transactions.body_item(transaction) for transaction in body]
    raw: bytes = rlp.codec.encode_raw([CancunBlockHeader.serialize(header), items, [], []])
    return Block(header, tuple(body), raw)


def decode(raw: bytes) -> Block:
    """A block from its RLP.

    Raises BlockFormatError (step 1 of rules.py), or BlockTransactionError where a transaction does not decode.
    """
    if len(raw) > MAX_BLOCK_BYTES:
        raise BlockFormatError(f"a block has at most {MAX_BLOCK_BYTES} bytes, this one {len(raw)}")
    try:
        parts = decode_items(raw)
    except RLPException as error:
        raise BlockFormatError(f"no RLP: {error}") from error
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[1], list):
        raise BlockFormatError("a Cancun block is [header, transactions, uncles, withdrawals]")
    if parts[2] != [] or parts[3] != []:
        raise BlockFormatError("a block has no uncles and no withdrawals")
    header = _header(parts[0])
    body = []
    for index, item in enumerate(parts[1]):
        try:
            body.append(transactions.from_body(item))
        except TransactionError as error:
            raise BlockTransactionError(f"transaction {index}: {error.what}") from error
    block = build(header, body)
    if block.raw != raw:
        raise BlockFormatError("the bytes differ from the block's canonical form")
    return block


def _header(fields: Any) -> BlockHeaderAPI:
    if not isinstance(fields, list) or len(fields) != HEADER_FIELDS:
        raise BlockFormatError(f"a Cancun header has {HEADER_FIELDS} fields")
    try:
        return CancunBlockHeader.deserialize(fields)
    except (RLPException, TypeError, ValueError) as error:
        raise BlockFormatError(f"a header field has the wrong form: {error}") from error
