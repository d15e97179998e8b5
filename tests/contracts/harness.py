"""A py-evm state with the agreements in it: deploy at the fixed addresses, call, transact. No RPC, no blocks.

Transactions run as stock py-evm runs them (access lists, refunds, intrinsic gas), without signature, nonce or fee.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from coincurve import PrivateKey
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message

from contracts import addresses, client
from contracts.hashing import keccak
from contracts.signatures import address_of

CHAIN_ID = 20251
GENESIS_TIME = 1_760_454_000  # 2025-10-15 00:00 KST, a Wednesday
SERVICE_DAY = 20376  # of 2025-10-15 from 04:00 KST on
TX_GAS = 30_000_000
KNOWN = frozenset(addresses.BY_NAME)  # agreements whose events are decoded


class Reverted(Exception):
    """A transaction or call that reverted; `reason` is the agreement's name for it, "" where it gave none."""

    def __init__(self, reason: str, error: object) -> None:
        super().__init__(reason or repr(error))
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction did: its result decoded, its gas as a receipt states it, its events in order."""

    value: Any
    gas_used: int
    events: list[tuple[str, str, dict[str, Any]]]

    def event(self, name: str) -> dict[str, Any]:
        """The fields of the only event of that name."""
        [found] = self.events_named(name)
        return found

    def events_named(self, name: str) -> list[dict[str, Any]]:
        """The fields of all events of that name, in order."""
        return [fields for _, event, fields in self.events if event == name]


def key(seed: str) -> PrivateKey:
    """A test's private key, the same in every run."""
    return PrivateKey(keccak(b"test key " + seed.encode()))


def address(seed: str) -> bytes:
    """The address of key(seed)."""
    return address_of(key(seed))


def intrinsic_gas(data: bytes) -> int:
    """21,000 and the call data (EIP-2028)."""
    zeros = data.count(0)
    return 21_000 + 4 * zeros + 16 * (len(data) - zeros)


@dataclass
class World:
    """One state. `time` and `block` are what agreements read; set them freely, upwards."""

    chain_id: int = CHAIN_ID
    time: int = GENESIS_TIME
    block: int = 1
    names: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._db = AtomicDB()
        self.state = CancunState(self._db, self._context(), BLANK_ROOT_HASH)

    def _context(self) -> ExecutionContext:
        return ExecutionContext(
            coinbase=b"\0" * 20,
            timestamp=self.time,
            block_number=self.block,
            difficulty=0,
            mix_hash=b"\0" * 32,
            gas_limit=60_000_000,
            prev_hashes=(),
            chain_id=self.chain_id,
            base_fee_per_gas=0,
            excess_blob_gas=0,
        )

    def advance(self, seconds: int = 0, blocks: int = 1) -> None:
        """Lets time pass."""
        self.time += seconds
        self.block += blocks

    def _execute(self, message: Message) -> Any:
        self.state.execution_context._timestamp = self.time
        self.state.execution_context._block_number = self.block
        for warm in (message.sender, message.to, b"\0" * 20, *(i.to_bytes(20, "big") for i in range(1, 11))):
            self.state.mark_address_warm(warm)
        context = CancunTransactionContext(gas_price=0, origin=message.sender)
        computation = self.state.computation_class.apply_message(self.state, message, context)
        self.state.clear_transient_storage()
        if computation.is_error:
            raise Reverted(client.revert_reason(computation.output), computation.error)
        return computation

    def deploy(self, name: str, args: Sequence[Any] = (), at: bytes | None = None) -> bytes:
        """Runs an agreement's initcode at its fixed address (or `at`) and leaves code and storage there."""
        to = at or addresses.BY_NAME[name]
        return self.deploy_code(name, client.encode_constructor(name, args), to)

    def deploy_code(self, name: str, initcode: bytes, to: bytes) -> bytes:
        """The same for initcode that is no artefact's; `name` is whose ABI decodes its events."""
        gas = 1_000_000_000
        message = Message(gas=gas, to=to, sender=b"\0" * 20, value=0, data=b"", code=initcode)
        self.state.lock_changes()
        computation = self._execute(message)
        self.state.set_nonce(to, 1)
        self.state.set_code(to, computation.output)
        self.names[to] = name
        return to

    def _message(self, sender: bytes, to: bytes, data: bytes, gas: int) -> Message:
        return Message(gas=gas, to=to, sender=sender, value=0, data=data, code=self.state.get_code(to))

    def transact_raw(self, sender: bytes, to: bytes, data: bytes, gas: int = TX_GAS) -> tuple[bytes, Outcome]:
        """Sends call data as it is; (output, outcome). Raises Reverted."""
        intrinsic = intrinsic_gas(data)
        self.state.lock_changes()
        computation = self._execute(self._message(sender, to, data, gas - intrinsic))
        used = gas - computation.get_gas_remaining()
        used -= min(computation.get_gas_refund(), used // 5)
        events = []
        for at, topics, log in computation.get_log_entries():
            name = self.names[at]
            if name not in KNOWN:
                continue
            event, fields = client.decode_log(name, [topic.to_bytes(32, "big") for topic in topics], log)
            events.append((name, event, fields))
        return computation.output, Outcome(None, used, events)

    def transact(
        self, sender: bytes, name: str, function: str, args: Sequence[Any] = (), *, at: bytes | None = None
    ) -> Outcome:
        """Calls a function and keeps what it changed. Raises Reverted."""
        data = client.encode_call(name, function, args)
        output, outcome = self.transact_raw(sender, at or addresses.BY_NAME[name], data)
        return Outcome(client.decode_result(name, function, output), outcome.gas_used, outcome.events)

    def call(
        self,
        name: str,
        function: str,
        args: Sequence[Any] = (),
        *,
        sender: bytes = b"\0" * 20,
        at: bytes | None = None,
    ) -> Any:
        """Calls a function and forgets what it changed. Raises Reverted."""
        to = at or addresses.BY_NAME[name]
        before = self.state.snapshot()
        try:
            computation = self._execute(self._message(sender, to, client.encode_call(name, function, args), TX_GAS))
        finally:
            self.state.revert(before)
        return client.decode_result(name, function, computation.output)

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """What happens inside is undone at the end: time, block and state."""
        self.state.persist()
        root, time, block, names = self.state.state_root, self.time, self.block, dict(self.names)
        try:
            yield
        finally:
            self.time, self.block, self.names = time, block, names
            self.state = CancunState(self._db, self._context(), root)
