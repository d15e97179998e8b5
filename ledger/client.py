"""How services speak to the chain: agreements by name over web3, whether the node is in this process or remote."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from coincurve import PrivateKey
from web3 import Web3
from web3.types import RPCEndpoint

from contracts import client as abi
from contracts.addresses import BY_NAME
from contracts.signatures import address_of
from ledger.chain.transactions import sign
from ledger.errors import (
    CallFailed,
    CallReverted,
    ConfigurationError,
    LedgerError,
    ReceiptTimeout,
    RemoteError,
    TransactionError,
    UnknownTransaction,
)
from ledger.limits import MAX_LOG_RANGE_BLOCKS
from ledger.reader import revert_reason

_REVERTED: Final = 3
# money.md §6: gas limits are what was measured on the pending state and 5 %.
_GAS_MARGIN: Final = (105, 100)
_POLL_S: Final = 0.1
# Nonces of one key are given out one at a time, whichever Client of this process asks.
_SENDERS: Final[dict[bytes, threading.Lock]] = defaultdict(threading.Lock)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of an agreement: its fields by ABI name (addresses and bytesN as bytes), and its place.

    `log_index` counts within the block.
    """

    name: str
    args: Mapping[str, Any]
    address: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int


@dataclass(frozen=True, slots=True)
class RawLog:
    """A log as the receipt holds it, with its place in the block."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """What a transaction did. `reason` says why it failed; no text where it succeeded."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    index: int
    succeeded: bool
    gas_used: int
    contract: bytes | None
    logs: tuple[RawLog, ...]
    reason: str

    def require(self) -> TransactionReceipt:
        """Itself if the transaction succeeded. Raises CallReverted with the reason."""
        if not self.succeeded:
            raise CallReverted(f"transaction 0x{self.transaction_hash.hex()}: {self.reason}", reason=self.reason)
        return self


@dataclass(frozen=True, slots=True)
class Head:
    """The last block: number, hash, UTC epoch seconds."""

    number: int
    hash: bytes
    timestamp: int


class Client:
    """Calls and transactions by the names of agreements and functions. `agreements` maps names to addresses.

    One process at a time submits with one key: two would take the same nonce, and the later transaction would replace
    the earlier one.
    """

    def __init__(self, web3: Web3, agreements: Mapping[str, bytes] = BY_NAME) -> None:
        self._request: Callable[[RPCEndpoint, Any], Any] = web3.provider.make_request
        self._agreements = agreements
        self.chain_id = int(self._ask("eth_chainId"), 16)
        self._gas_limit = int(self._ask("eth_getBlockByNumber", "latest", False)["gasLimit"], 16)

    def address(self, name: str) -> bytes:
        """Where an agreement stands. Raises ConfigurationError for one that is not known."""
        try:
            return self._agreements[name]
        except KeyError:
            raise ConfigurationError(f"no agreement is called {name}") from None

    def head(self) -> Head:
        """The last block."""
        block = self._ask("eth_getBlockByNumber", "latest", False)
        return Head(int(block["number"], 16), _bytes(block["hash"]), int(block["timestamp"], 16))

    def block_time(self, number: int) -> int:
        """Timestamp of a block, UTC epoch seconds. Raises RemoteError for one that does not exist."""
        block = self._ask("eth_getBlockByNumber", hex(number), False)
        if block is None:
            raise RemoteError(f"there is no block {number}")
        return int(block["timestamp"], 16)

    # --- reading

    def call(
        self,
        name: str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: bytes = bytes(20),
        block: int | str = "latest",
    ) -> Any:
        """What a function answers on the state of a block; nothing changes.

        Returns None, the value, or a tuple of several. `block` is a number, "latest" or "pending" (with everything that
        waits). Raises CallReverted with the agreement's reason, CallFailed, EncodingError.
        """
        request = _request(sender, self.address(name), abi.encode_call(name, function, args))
        answer = self._ask("eth_call", request, _tag(block), doing=f"{name}.{function}")
        return abi.decode_result(name, function, _bytes(answer))

    def events(self, name: str, event: str, from_block: int = 0, to_block: int | None = None) -> list[Event]:
        """The events of one kind in these blocks (both included; default: to the head), in order."""
        last = self.head().number if to_block is None else to_block
        found: list[Event] = []
        for first in range(from_block, last + 1, MAX_LOG_RANGE_BLOCKS):
            query = {
                "address": _hex(self.address(name)),
                "topics": [_hex(abi.event_topic(name, event))],
                "fromBlock": hex(first),
                "toBlock": hex(min(last, first + MAX_LOG_RANGE_BLOCKS - 1)),
            }
            found += [_event(name, log) for log in self._ask("eth_getLogs", query)]
        return found

    def events_of(self, receipt: TransactionReceipt, name: str) -> list[Event]:
        """The events of one agreement in a receipt, in order."""
        address = self.address(name)
        return [
            Event(
                *abi.decode_log(name, log.topics, log.data),
                address,
                receipt.block_number,
                receipt.block_hash,
                receipt.transaction_hash,
                receipt.index,
                log.log_index,
            )
            for log in receipt.logs
            if log.address == address
        ]

    # --- writing

    def submit(
        self, key: PrivateKey, name: str, function: str, args: Sequence[Any] = (), *, gas: int | None = None
    ) -> bytes:
        """Sends a transaction that calls a function; its hash, once the node has it on the disk.

        `gas` is measured on the pending state with 5 % on top unless given. Raises CallReverted where measuring shows
        that the agreement would refuse it (nothing is sent then), AdmissionError and other TransactionErrors.
        """
        return self.send(
            key, self.address(name), abi.encode_call(name, function, args), gas=gas, doing=f"{name}.{function}"
        )

    def deploy(self, key: PrivateKey, initcode: bytes, *, gas: int | None = None) -> bytes:
        """Sends a deployment that the council approved (money.md §6); its hash. The receipt names the address."""
        return self.send(key, b"", initcode, gas=gas, doing="deployment")

    def send(self, key: PrivateKey, to: bytes, data: bytes, *, gas: int | None = None, doing: str = "") -> bytes:
        """Sends a transaction of raw call data; its hash. Raises as `submit`."""
        sender = address_of(key)
        with _SENDERS[sender]:
            if gas is None:
                gas = self.estimate(sender, to, data, doing=doing)
            nonce = int(self._ask("eth_getTransactionCount", _hex(sender), "pending"), 16)
            raw = sign(key, self.chain_id, nonce, gas, to, data)
            return _bytes(self._ask("eth_sendRawTransaction", _hex(raw), doing=doing))

    def estimate(self, sender: bytes, to: bytes, data: bytes, *, doing: str = "") -> int:
        """Gas for a transaction: measured on the pending state, and 5 %, within half a block."""
        used = int(self._ask("eth_estimateGas", _request(sender, to, data), "pending", doing=doing), 16)
        return min(-(-used * _GAS_MARGIN[0] // _GAS_MARGIN[1]), self._gas_limit // 2)

    def receipt(self, transaction_hash: bytes, *, timeout_s: float = 0) -> TransactionReceipt:
        """The receipt of a transaction, waited for up to `timeout_s` seconds. A failed one says why in `reason`.

        Raises ReceiptTimeout while it waits for a block, UnknownTransaction, TransactionError where it was dropped.
        """
        deadline = time.monotonic() + timeout_s
        while (form := self._ask("eth_getTransactionReceipt", _hex(transaction_hash))) is None:
            if self._ask("eth_getTransactionByHash", _hex(transaction_hash)) is None:
                self._raise_absent(transaction_hash)
            if time.monotonic() >= deadline:
                raise ReceiptTimeout(f"0x{transaction_hash.hex()} is pending")
            time.sleep(_POLL_S)
        return _receipt(form)

    def _raise_absent(self, transaction_hash: bytes) -> None:
        """A transaction that is neither in the chain nor pending; it may have entered a block just now."""
        if self._ask("eth_getTransactionReceipt", _hex(transaction_hash)) is not None:
            return
        reason = self._ask("dure_whyDropped", _hex(transaction_hash))
        if reason is not None:
            raise TransactionError(f"0x{transaction_hash.hex()} was dropped: {reason}")
        raise UnknownTransaction(f"0x{transaction_hash.hex()} is neither pending nor in the chain")

    def _ask(self, method: str, *params: Any, doing: str = "") -> Any:
        answer = self._request(RPCEndpoint(method), list(params))
        if "error" in answer:
            raise _error(answer["error"], doing or method)
        return answer["result"]


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _bytes(value: Any) -> bytes:
    return bytes.fromhex(value[2:]) if isinstance(value, str) else bytes(value)


def _tag(block: int | str) -> str:
    return hex(block) if isinstance(block, int) else block


def _request(sender: bytes, to: bytes, data: bytes) -> dict[str, str]:
    request = {"from": _hex(sender), "input": _hex(data)}
    return {**request, "to": _hex(to)} if to else request


def _event(name: str, log: Mapping[str, Any]) -> Event:
    topics = [_bytes(topic) for topic in log["topics"]]
    return Event(
        *abi.decode_log(name, topics, _bytes(log["data"])),
        _bytes(log["address"]),
        int(log["blockNumber"], 16),
        _bytes(log["blockHash"]),
        _bytes(log["transactionHash"]),
        int(log["transactionIndex"], 16),
        int(log["logIndex"], 16),
    )


def _receipt(form: Mapping[str, Any]) -> TransactionReceipt:
    succeeded = int(form["status"], 16) == 1
    reason = "" if succeeded else revert_reason(_bytes(form.get("revertReason", "0x")))
    return TransactionReceipt(
        transaction_hash=_bytes(form["transactionHash"]),
        block_number=int(form["blockNumber"], 16),
        block_hash=_bytes(form["blockHash"]),
        index=int(form["transactionIndex"], 16),
        succeeded=succeeded,
        gas_used=int(form["gasUsed"], 16),
        contract=_bytes(form["contractAddress"]) if form["contractAddress"] else None,
        logs=tuple(_raw_logs(form["logs"])),
        reason=reason,
    )


def _raw_logs(logs: Sequence[Mapping[str, Any]]) -> Iterator[RawLog]:
    for log in logs:
        topics = tuple(_bytes(topic) for topic in log["topics"])
        yield RawLog(_bytes(log["address"]), topics, _bytes(log["data"]), int(log["logIndex"], 16))


def _error(error: Any, doing: str) -> LedgerError:
    """The error class that the node raised, or RemoteError for one of another program's."""
    if not isinstance(error, Mapping):
        return RemoteError(f"{doing}: {error}")
    message, detail = str(error.get("message", "")), error.get("data")
    if error.get("code") == _REVERTED:
        output = _bytes(detail) if isinstance(detail, str) else b""
        reason = revert_reason(output)
        return CallReverted(f"{doing} refused: {reason}", data=output, reason=reason)
    if isinstance(detail, Mapping) and (known := _by_code().get(str(detail.get("code")))) is not None:
        return known(f"{doing}: {message}")
    return CallFailed(f"{doing}: {message}") if "out of gas" in message.lower() else RemoteError(f"{doing}: {message}")


@cache
def _by_code() -> dict[str, type[LedgerError]]:
    found, waiting = {}, [LedgerError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting += kind.__subclasses__()
    return found
