"""Hex forms of the execution-apis specification, in both directions."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.chain.archive import BlockReceipt
from ledger.chain.blocks import Block
from ledger.chain.transactions import Transaction
from ledger.reader import LogEntry
from ledger.rpc.dispatch import invalid

_QUANTITY: Final = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]*)")
_DATA: Final = re.compile(r"0x([0-9a-fA-F]{2})*")
_WORD: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
_BLOOM_BYTES: Final = 256
_MAX_QUANTITY_DIGITS: Final = 64
ADDRESS_BYTES: Final = 20
HASH_BYTES: Final = 32


def quantity(value: int) -> str:
    """An integer as QUANTITY."""
    return hex(value)


def data(value: bytes) -> str:
    """Bytes as DATA."""
    return "0x" + value.hex()


def parse_quantity(value: Any, name: str) -> int:
    """An integer from QUANTITY; raises RpcError (invalid params)."""
    if not isinstance(value, str) or len(value) > _MAX_QUANTITY_DIGITS + 2 or not _QUANTITY.fullmatch(value):
        raise invalid(f"{name} is no quantity")
    return int(value, 16)


def parse_word(value: Any, name: str) -> int:
    """An integer of a storage slot, which clients write as QUANTITY and as DATA; raises RpcError (invalid params)."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise invalid(f"{name} is no word of 32 bytes")
    return int(value, 16)


def parse_data(value: Any, name: str, length: int | None = None) -> bytes:
    """Bytes from DATA, of `length` bytes where given; raises RpcError (invalid params)."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise invalid(f"{name} is no data")
    found = bytes.fromhex(value[2:])
    if length is not None and len(found) != length:
        raise invalid(f"{name} has {length} bytes")
    return found


def block_form(block: Block, *, full: bool) -> dict[str, Any]:
    """A block as eth_getBlockBy… gives it."""
    header = block.header
    listed: list[Any] = [
        transaction_form(tx, block, index) if full else data(tx.hash) for index, tx in enumerate(block.transactions)
    ]
    return {
        "number": quantity(header.block_number),
        "hash": data(header.hash),
        "parentHash": data(header.parent_hash),
        "nonce": data(header.nonce),
        "sha3Uncles": data(header.uncles_hash),
        "logsBloom": data(header.bloom.to_bytes(_BLOOM_BYTES, "big")),
        "transactionsRoot": data(header.transaction_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipt_root),
        "miner": data(header.coinbase),
        "difficulty": quantity(header.difficulty),
        "extraData": data(header.extra_data),
        "mixHash": data(header.mix_hash),
        "size": quantity(len(block.raw)),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "baseFeePerGas": quantity(header.base_fee_per_gas or 0),
        "withdrawalsRoot": data(header.withdrawals_root or b""),
        "blobGasUsed": quantity(header.blob_gas_used or 0),
        "excessBlobGas": quantity(header.excess_blob_gas or 0),
        "parentBeaconBlockRoot": data(header.parent_beacon_block_root or b""),
        "transactions": listed,
        "uncles": [],
        "withdrawals": [],
    }


def transaction_form(transaction: Transaction, block: Block | None, index: int | None) -> dict[str, Any]:
    """A transaction as eth_getTransactionBy… gives it; `block` and `index` are None while it waits."""
    inner: Any = transaction.inner
    form: dict[str, Any] = {
        "type": quantity(transaction.type),
        "hash": data(transaction.hash),
        "nonce": quantity(transaction.nonce),
        "blockHash": data(block.hash) if block else None,
        "blockNumber": quantity(block.number) if block else None,
        "transactionIndex": None if index is None else quantity(index),
        "from": data(transaction.sender),
        "to": data(transaction.to) if transaction.to else None,
        "value": quantity(transaction.value),
        "gas": quantity(transaction.gas),
        "gasPrice": "0x0",
        "input": data(transaction.data),
        "chainId": quantity(transaction.chain_id or 0),
        "r": quantity(inner.r),
        "s": quantity(inner.s),
    }
    if transaction.type == 0:
        return {**form, "v": quantity(inner.v)}
    form |= {"v": quantity(inner.y_parity), "yParity": quantity(inner.y_parity)}
    form["accessList"] = [
        {"address": data(address), "storageKeys": [data(slot.to_bytes(HASH_BYTES, "big")) for slot in slots]}
        for address, slots in transaction.access_list
    ]
    if transaction.type == 2:
        form |= {"maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}
    return form


def receipt_form(entry: BlockReceipt, transaction: Transaction, logs: list[LogEntry]) -> dict[str, Any]:
    """A receipt as eth_getTransactionReceipt gives it."""
    receipt = entry.receipt
    form = {
        "type": quantity(transaction.type),
        "transactionHash": data(entry.transaction_hash),
        "transactionIndex": quantity(entry.index),
        "blockHash": data(entry.block_hash),
        "blockNumber": quantity(entry.block_number),
        "from": data(entry.sender),
        "to": data(transaction.to) if transaction.to else None,
        "cumulativeGasUsed": quantity(receipt.cumulative_gas),
        "gasUsed": quantity(receipt.gas_used),
        "contractAddress": data(receipt.contract) if receipt.contract else None,
        "logs": [log_form(log) for log in logs],
        "logsBloom": data(receipt.bloom.to_bytes(_BLOOM_BYTES, "big")),
        "status": quantity(receipt.status),
        "effectiveGasPrice": "0x0",
    }
    # Besu's field, absent in the specification: without it nobody learns why a transaction failed.
    return form if receipt.status or not receipt.output else {**form, "revertReason": data(receipt.output)}


def log_form(log: LogEntry) -> dict[str, Any]:
    """An event as eth_getLogs gives it."""
    return {
        "address": data(log.address),
        "topics": [data(topic) for topic in log.topics],
        "data": data(log.data),
        "blockNumber": quantity(log.block_number),
        "blockHash": data(log.block_hash),
        "transactionHash": data(log.transaction_hash),
        "transactionIndex": quantity(log.transaction_index),
        "logIndex": quantity(log.index),
        "removed": False,
    }
