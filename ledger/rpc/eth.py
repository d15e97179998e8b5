"""The `eth_`, `net_` and `web3_` methods over a node, or over a reader of another process's chain.

One method is ours: `dure_whyDropped(hash)`, why an accepted transaction can never enter the chain, or null.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any, Final

from contracts.hashing import keccak
from ledger.chain.blocks import Block
from ledger.engines.base import Call, CallResult, View
from ledger.errors import CallFailed, LimitExceeded, StoreReadOnly, UnknownBlock, UnknownTransaction
from ledger.limits import MAX_CALL_GAS, MAX_FEE_HISTORY_BLOCKS, MAX_LOG_ADDRESSES, MAX_LOG_TOPIC_CHOICES
from ledger.node import Node
from ledger.reader import LogEntry, Reader, returned, run
from ledger.rpc.dispatch import Method, invalid
from ledger.rpc.forms import (
    ADDRESS_BYTES,
    HASH_BYTES,
    block_form,
    data,
    log_form,
    parse_data,
    parse_quantity,
    parse_word,
    quantity,
    receipt_form,
    transaction_form,
)

_SETTLED_TAGS: Final = ("latest", "safe", "finalized")
_PENDING: Final = "pending"
_MAX_TOPICS: Final = 4
# EIP-150 keeps back a 64th of the gas at each call; a stipend of 2,300 goes with value.
_CALL_RESERVE: Final = (64, 63)
_STIPEND: Final = 2_300
# geth's own tolerance: searching closer costs more executions than the gas it saves is worth.
_ESTIMATE_TOLERANCE: Final = 0.015


class EthApi:
    """The methods by their names: `EthApi(reader).methods`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._node = reader if isinstance(reader, Node) else None
        self.methods: Mapping[str, Method] = {
            "web3_clientVersion": lambda: f"dure/0.1.0/{reader.engine.name}/python{platform.python_version()}",
            "web3_sha3": lambda value: data(keccak(parse_data(value, "data"))),
            "net_version": lambda: str(reader.chain_id),
            "net_listening": lambda: True,
            "net_peerCount": lambda: "0x0",
            "eth_chainId": lambda: quantity(reader.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": list,
            "eth_gasPrice": lambda: "0x0",
            "eth_maxPriorityFeePerGas": lambda: "0x0",
            "eth_blobBaseFee": lambda: "0x1",
            "eth_blockNumber": lambda: quantity(reader.head.number),
            "eth_getBlockByNumber": self._block_by_number,
            "eth_getBlockByHash": self._block_by_hash,
            "eth_getBlockTransactionCountByNumber": self._count_by_number,
            "eth_getBlockReceipts": self._block_receipts,
            "eth_getTransactionByHash": self._transaction_by_hash,
            "eth_getTransactionByBlockNumberAndIndex": self._transaction_at,
            "eth_getTransactionReceipt": self._transaction_receipt,
            "eth_getTransactionCount": self._transaction_count,
            "eth_getBalance": lambda address, block="latest": quantity(
                self._view(block).account(_address(address)).balance
            ),
            "eth_getCode": lambda address, block="latest": data(self._view(block).code(_address(address))),
            "eth_getStorageAt": self._storage_at,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate_gas,
            "eth_sendRawTransaction": self._send,
            "eth_getLogs": self._logs,
            "eth_feeHistory": self._fee_history,
            "dure_whyDropped": lambda value: reader.archive.dropped(parse_data(value, "hash", HASH_BYTES)),
        }

    # --- blocks

    def _number(self, tag: Any) -> int:
        """The height that a block parameter names (EIP-1898 included); `pending` counts as the head."""
        if isinstance(tag, dict):
            if set(tag) - {"requireCanonical"} == {"blockHash"}:
                return self._reader.height(parse_data(tag["blockHash"], "blockHash", HASH_BYTES))
            if set(tag) == {"blockNumber"}:
                return self._reader.height(parse_quantity(tag["blockNumber"], "blockNumber"))
            raise invalid("a block is named by its hash or its number")
        if tag in _SETTLED_TAGS or tag == _PENDING or tag is None:
            return self._reader.head.number
        return 0 if tag == "earliest" else self._reader.height(parse_quantity(tag, "block"))

    def _find_block(self, tag: Any) -> Block | None:
        try:
            return self._reader.block(self._number(tag))
        except UnknownBlock:
            return None

    def _block_by_number(self, tag: Any, full: Any = False) -> dict[str, Any] | None:
        block = self._find_block(tag)
        return None if block is None else block_form(block, full=_flag(full))

    def _block_by_hash(self, block_hash: Any, full: Any = False) -> dict[str, Any] | None:
        block = self._find_block({"blockHash": block_hash})
        return None if block is None else block_form(block, full=_flag(full))

    def _count_by_number(self, tag: Any) -> str | None:
        block = self._find_block(tag)
        return None if block is None else quantity(len(block.transactions))

    def _block_receipts(self, tag: Any) -> list[dict[str, Any]] | None:
        block = self._find_block(tag)
        if block is None:
            return None
        return [self._receipt_at(block, index) for index in range(len(block.transactions))]

    # --- transactions

    def _transaction_by_hash(self, transaction_hash: Any) -> dict[str, Any] | None:
        wanted = parse_data(transaction_hash, "hash", HASH_BYTES)
        try:
            transaction, number, index = self._reader.transaction(wanted)
            return transaction_form(transaction, self._reader.block(number), index)
        except UnknownTransaction:
            waiting = self._node.pending_transaction(wanted) if self._node else None
            return None if waiting is None else transaction_form(waiting, None, None)

    def _transaction_at(self, tag: Any, index: Any) -> dict[str, Any] | None:
        block, place = self._find_block(tag), parse_quantity(index, "index")
        if block is None or place >= len(block.transactions):
            return None
        return transaction_form(block.transactions[place], block, place)

    def _transaction_receipt(self, transaction_hash: Any) -> dict[str, Any] | None:
        try:
            _, number, index = self._reader.transaction(parse_data(transaction_hash, "hash", HASH_BYTES))
        except UnknownTransaction:
            return None
        return self._receipt_at(self._reader.block(number), index)

    def _receipt_at(self, block: Block, index: int) -> dict[str, Any]:
        entry = self._reader.receipts(block.number)[index]
        logs = [
            LogEntry(
                log.address,
                log.topics,
                log.data,
                block.number,
                block.hash,
                entry.transaction_hash,
                index,
                entry.first_log + offset,
            )
            for offset, log in enumerate(entry.receipt.logs)
        ]
        return receipt_form(entry, block.transactions[index], logs)

    def _send(self, raw: Any) -> str:
        if self._node is None:
            raise StoreReadOnly("this chain is open for reading only")
        return data(self._node.submit(parse_data(raw, "transaction")))

    # --- the state

    def _view(self, tag: Any) -> View:
        if tag == _PENDING and self._node is not None:
            return self._node.pending_view()
        return self._reader.view(self._number(tag))

    def _transaction_count(self, address: Any, tag: Any = "latest") -> str:
        if tag == _PENDING and self._node is not None:
            return quantity(self._node.pending_nonce(_address(address)))
        return quantity(self._reader.nonce(_address(address), self._number(tag)))

    def _storage_at(self, address: Any, slot: Any, tag: Any = "latest") -> str:
        word = self._view(tag).storage(_address(address), parse_word(slot, "slot"))
        return data(word.to_bytes(HASH_BYTES, "big"))

    def _call(self, request: Any, tag: Any = "latest") -> str:
        return data(returned(run(self._view(tag), _call_of(request))))

    def _estimate_gas(self, request: Any, tag: Any = _PENDING) -> str:
        call, view = _call_of(request), self._view(tag)
        most = min(call.gas, self._reader.identity.gas_limit // 2)
        result = run(view, _with_gas(call, most))
        returned(result)
        return quantity(_least_gas(view, call, most, result))

    # --- events and fees

    def _logs(self, query: Any) -> list[dict[str, Any]]:
        if not isinstance(query, dict):
            raise invalid("a filter is an object")
        if "blockHash" in query:
            if "fromBlock" in query or "toBlock" in query:
                raise invalid("a filter has a block hash or a range, not both")
            first = last = self._number({"blockHash": query["blockHash"]})
        else:
            first = self._number(query.get("fromBlock", "latest"))
            last = self._number(query.get("toBlock", "latest"))
            if first > last:
                raise invalid("fromBlock lies after toBlock")
        found = self._reader.logs(first, last, _addresses(query.get("address")), _topics(query.get("topics")))
        return [log_form(log) for log in found]

    def _fee_history(self, count: Any, newest: Any, percentiles: Any = None) -> dict[str, Any]:
        # web3.py and geth send the count as a number, the specification has a quantity.
        counted = hex(count) if isinstance(count, int) and not isinstance(count, bool) and count > 0 else count
        blocks = parse_quantity(counted, "block count")
        if percentiles is not None and not isinstance(percentiles, list):
            raise invalid("reward percentiles are a list")
        if not 1 <= blocks <= MAX_FEE_HISTORY_BLOCKS:
            raise invalid(f"1 to {MAX_FEE_HISTORY_BLOCKS} blocks")
        last = self._number(newest)
        first = max(0, last - blocks + 1)
        headers = [self._reader.header(number) for number in range(first, last + 1)]
        answer: dict[str, Any] = {
            "oldestBlock": quantity(first),
            "baseFeePerGas": ["0x0"] * (len(headers) + 1),
            "gasUsedRatio": [header.gas_used / header.gas_limit for header in headers],
            "baseFeePerBlobGas": ["0x1"] * (len(headers) + 1),
            "blobGasUsedRatio": [0] * len(headers),
        }
        if percentiles:
            answer["reward"] = [["0x0"] * len(percentiles)] * len(headers)
        return answer


def _address(value: Any) -> bytes:
    return parse_data(value, "address", ADDRESS_BYTES)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid("full is true or false")
    return value


def _call_of(request: Any) -> Call:
    if not isinstance(request, dict):
        raise invalid("a call is an object")
    payload = request.get("input", request.get("data"))
    to, sender, gas = request.get("to"), request.get("from"), request.get("gas")
    call = Call(
        to=b"" if to is None else _address(to),
        data=b"" if payload is None else parse_data(payload, "data"),
        sender=bytes(ADDRESS_BYTES) if sender is None else _address(sender),
        gas=MAX_CALL_GAS if gas is None else parse_quantity(gas, "gas"),
        value=parse_quantity(request.get("value", "0x0"), "value"),
        access_list=_access_list(request.get("accessList")),
    )
    if call.gas > MAX_CALL_GAS:
        raise LimitExceeded(f"a call has at most {MAX_CALL_GAS} gas, this one {call.gas}")
    return call


def _access_list(value: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if value is None:
        return ()
    try:
        return tuple(
            (
                _address(entry["address"]),
                tuple(
                    int.from_bytes(parse_data(key, "storage key", HASH_BYTES), "big") for key in entry["storageKeys"]
                ),
            )
            for entry in value
        )
    except (TypeError, KeyError) as error:
        raise invalid("accessList is a list of {address, storageKeys}") from error


def _addresses(value: Any) -> list[bytes]:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_LOG_ADDRESSES:
        raise LimitExceeded(f"{len(values)} addresses; at most {MAX_LOG_ADDRESSES}")
    return [_address(item) for item in values]


def _topics(value: Any) -> list[list[bytes] | None]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MAX_TOPICS:
        raise invalid(f"topics is a list of at most {_MAX_TOPICS}")
    return [_choices(item) for item in value]


def _choices(item: Any) -> list[bytes] | None:
    if item is None:
        return None
    choices = item if isinstance(item, list) else [item]
    if len(choices) > MAX_LOG_TOPIC_CHOICES:
        raise LimitExceeded(f"{len(choices)} topics in one place; at most {MAX_LOG_TOPIC_CHOICES}")
    return [parse_data(choice, "topic", HASH_BYTES) for choice in choices]


def _with_gas(call: Call, gas: int) -> Call:
    return Call(call.to, call.data, call.sender, gas, call.value, call.access_list)


def _least_gas(view: View, call: Call, most: int, result: CallResult) -> int:
    """About the least gas with which the call succeeds: its own use, unless refunds or inner calls need more."""

    def succeeds(gas: int) -> bool:
        try:
            return run(view, _with_gas(call, gas)).error is None
        except CallFailed:
            return False

    low, high = result.gas_used, most
    if succeeds(low):
        return low
    likely = min(most, (low + _STIPEND) * _CALL_RESERVE[0] // _CALL_RESERVE[1])
    if likely < high and succeeds(likely):
        high = likely
    while high - low > max(1, int(high * _ESTIMATE_TOLERANCE)):
        middle = min((low + high) // 2, low * 2)
        if succeeds(middle):
            high = middle
        else:
            low = middle
    return high
