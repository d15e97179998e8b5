"""What one can ask of a chain: blocks, transactions, receipts, logs, and calls on the state of any block."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from eth.abc import BlockHeaderAPI
from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError
from eth_bloom.bloom import get_bloom_bits

from contracts.addresses import ORGANISATIONS
from ledger.chain.admission import Gate
from ledger.chain.archive import Archive, BlockReceipt
from ledger.chain.blocks import Block
from ledger.chain.transactions import Transaction
from ledger.engines.base import BlockEnvironment, Call, CallResult, Engine, Nodes, View
from ledger.engines.errors import TransactionRejected
from ledger.errors import CallFailed, CallReverted, LimitExceeded, UnknownBlock, UnknownTransaction
from ledger.limits import ADMISSION_GAS, ANCESTORS, MAX_CALL_GAS, MAX_LOG_RANGE_BLOCKS, MAX_LOG_RESULTS

# A block by number or hash; None for the head.
BlockId: TypeAlias = int | bytes | None
Topics: TypeAlias = Sequence[Sequence[bytes] | None]

_ERROR_STRING: Final = bytes.fromhex("08c379a0")
_PANIC: Final = bytes.fromhex("4e487b71")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event with its place; `index` counts within the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    index: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What names a chain: its name, chain id, genesis hash, gas limit, and the solo authority (20 bytes)."""

    name: str
    chain_id: int
    genesis_hash: bytes
    gas_limit: int
    authority: bytes
    open_to_all: bool

    @classmethod
    def of(cls, archive: Archive) -> Identity:
        """The identity of the chain in an archive."""
        document = json.loads(archive.chain)
        return cls(
            name=document["name"],
            chain_id=document["chain_id"],
            genesis_hash=archive.header(0).hash,
            gas_limit=document["gas_limit"],
            authority=bytes.fromhex(document["finality"][0]["authority"][2:]),
            open_to_all=all(bytes.fromhex(c["address"][2:]) != ORGANISATIONS for c in document["contracts"]),
        )


class Reader:
    """Answers from what is stored. `head` is the last block that is durable and signed."""

    def __init__(self, archive: Archive, engine: Engine) -> None:
        self.archive = archive
        self.engine = engine
        self.identity = Identity.of(archive)
        self._head = archive.block(archive.head()[0])

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self.identity.chain_id

    @property
    def head(self) -> Block:
        """The last block."""
        return self._head

    def refresh(self) -> Block:
        """Follows a writer in another process; the head after that."""
        self.archive.store.refresh()
        self._head = self.archive.block(self.archive.head()[0])
        return self._head

    # --- blocks and transactions

    def header(self, block: BlockId = None) -> BlockHeaderAPI:
        """A header. Raises UnknownBlock."""
        return self._head.header if block is None else self.archive.header(self.height(block))

    def block(self, block: BlockId = None) -> Block:
        """A block. Raises UnknownBlock."""
        return self._head if block is None else self.archive.block(self.height(block))

    def height(self, block: BlockId) -> int:
        """The number of a block. Raises UnknownBlock."""
        if block is None:
            return self._head.number
        if isinstance(block, int):
            if not 0 <= block <= self._head.number:
                raise UnknownBlock(f"block {block}; the head is {self._head.number}")
            return block
        number = self.archive.number_of(block)
        if number is None or number > self._head.number:
            raise UnknownBlock(f"block 0x{block.hex()}")
        return number

    def finality(self, block: BlockId = None) -> bytes:
        """The 65-byte Finality signature on a block; no bytes for genesis. Raises UnknownBlock."""
        return self.archive.finality(self.height(block))

    def receipts(self, block: BlockId = None) -> tuple[BlockReceipt, ...]:
        """The receipts of a block, in order. Raises UnknownBlock."""
        return self.archive.receipts(self.height(block))

    def transaction(self, transaction_hash: bytes) -> tuple[Transaction, int, int]:
        """(transaction, block number, index) of one in the chain. Raises UnknownTransaction."""
        place = self._place(transaction_hash)
        return self.archive.block(place[0]).transactions[place[1]], *place

    def receipt(self, transaction_hash: bytes) -> BlockReceipt:
        """The receipt of a transaction in the chain. Raises UnknownTransaction."""
        number, index = self._place(transaction_hash)
        return self.archive.receipts(number)[index]

    def _place(self, transaction_hash: bytes) -> tuple[int, int]:
        place = self.archive.place_of(transaction_hash)
        if place is None or place[0] > self._head.number:
            raise UnknownTransaction(f"0x{transaction_hash.hex()} is not in the chain")
        return place

    # --- logs

    def logs(self, first: int, last: int, addresses: Sequence[bytes] = (), topics: Topics = ()) -> list[LogEntry]:
        """Events of blocks `first` to `last` (both included) by these addresses (none: all) with these topics.

        `topics` gives for each place the allowed values, None for any (eth_getLogs). Raises LimitExceeded,
        UnknownBlock.
        """
        if last - first >= MAX_LOG_RANGE_BLOCKS:
            raise LimitExceeded(f"{last - first + 1} blocks; at most {MAX_LOG_RANGE_BLOCKS} in one question")
        needed = [{_bloom_mask(address) for address in addresses}] if addresses else []
        needed += [{_bloom_mask(topic) for topic in choices} for choices in topics if choices]
        found: list[LogEntry] = []
        for number in range(self.height(first), self.height(last) + 1):
            bloom = self.archive.header(number).bloom
            if bloom and all(any(bloom & mask == mask for mask in masks) for masks in needed):
                found += _matching(self.archive.receipts(number), addresses, topics)
            if len(found) > MAX_LOG_RESULTS:
                raise LimitExceeded(f"over {MAX_LOG_RESULTS} events up to block {number}; ask for fewer blocks")
        return found

    # --- the state

    def environment(self, header: BlockHeaderAPI) -> BlockEnvironment:
        """The environment of a block, as its transactions and calls on it see it."""
        return BlockEnvironment(
            chain_id=self.identity.chain_id,
            number=header.block_number,
            timestamp=header.timestamp,
            gas_limit=header.gas_limit,
            ancestors=lambda: self._ancestors(header),
        )

    def _ancestors(self, header: BlockHeaderAPI) -> list[bytes]:
        if header.block_number == 0:
            return []
        hashes: list[bytes] = [header.parent_hash]
        for number in range(header.block_number - 1, max(0, header.block_number - ANCESTORS), -1):
            hashes.append(self.archive.header(number).parent_hash)
        return hashes

    def view(self, block: BlockId = None) -> View:
        """The state after a block. Raises UnknownBlock."""
        return self.view_of(self.header(block))

    def view_of(self, header: BlockHeaderAPI, nodes: Nodes | None = None) -> View:
        """The state after the block of this header, read from `nodes` (default: the store)."""
        return self.engine.view(nodes or self.archive, header.state_root, self.environment(header))

    def call(
        self, to: bytes, data: bytes = b"", block: BlockId = None, *, sender: bytes = bytes(20), gas: int = MAX_CALL_GAS
    ) -> bytes:
        """What a call on the state after a block returns; nothing changes.

        Raises CallReverted with the reason, CallFailed, UnknownBlock, LimitExceeded.
        """
        return returned(self.try_call(Call(to, data, sender, gas), block))

    def try_call(self, call: Call, block: BlockId = None) -> CallResult:
        """How a call on the state after a block ends. Raises UnknownBlock, LimitExceeded, CallFailed."""
        if call.gas > MAX_CALL_GAS:
            raise LimitExceeded(f"a call has at most {MAX_CALL_GAS} gas, this one {call.gas}")
        return run(self.view(block), call)

    def nonce(self, address: bytes, block: BlockId = None) -> int:
        """The number of transactions an account has in the chain. Raises UnknownBlock."""
        return self.view(block).account(address).nonce

    def gate_at(self, header: BlockHeaderAPI) -> Gate:
        """Admission to the block after this one: at this one's state, and its time, but the next one's number.

        So what the council set to begin with a block is in force in exactly that block, whatever time its maker gives.
        """
        environment = replace(self.environment(header), number=header.block_number + 1)
        view = self.engine.view(self.archive, header.state_root, environment)

        def ask(to: bytes, data: bytes) -> bytes:
            return returned(run(view, Call(to, data, gas=ADMISSION_GAS)))

        return Gate(ask, open_to_all=self.identity.open_to_all)

    def close(self) -> None:
        """Closes the store."""
        self.archive.store.close()


def run(view: View, call: Call) -> CallResult:
    """A call on a view. Raises CallFailed where its gas does not cover what any transaction costs."""
    try:
        return view.call(call)
    except TransactionRejected as error:
        raise CallFailed(error.what) from error


def returned(result: CallResult) -> bytes:
    """The output of a call that succeeded. Raises CallReverted with the reason, or CallFailed."""
    if result.reverted:
        reason = revert_reason(result.output)
        raise CallReverted(f"reverted: {reason}", data=result.output, reason=reason)
    if result.error is not None:
        raise CallFailed(result.error)
    return result.output


def revert_reason(output: bytes) -> str:
    """The reason in revert data: the text of Error(string), the number of a Panic, else the data in hex."""
    try:
        if output[:4] == _ERROR_STRING:
            return str(abi_decode(["string"], output[4:])[0])
        if output[:4] == _PANIC:
            return f"panic 0x{abi_decode(['uint256'], output[4:])[0]:02x}"
    except (DecodingError, UnicodeDecodeError, OverflowError):
        pass
    return f"0x{output.hex()}" if output else "no reason given"


def _bloom_mask(value: bytes) -> int:
    mask = 0
    for bit in get_bloom_bits(value):
        mask |= bit
    return mask


def _matching(receipts: Sequence[BlockReceipt], addresses: Sequence[bytes], topics: Topics) -> list[LogEntry]:
    found = []
    for entry in receipts:
        for offset, log in enumerate(entry.receipt.logs):
            if addresses and log.address not in addresses:
                continue
            if len(topics) > len(log.topics):
                continue
            if any(choices and log.topics[place] not in choices for place, choices in enumerate(topics)):
                continue
            found.append(
                LogEntry(
                    log.address,
                    log.topics,
                    log.data,
                    entry.block_number,
                    entry.block_hash,
                    entry.transaction_hash,
                    entry.index,
                    entry.first_log + offset,
                )
            )
    return found
