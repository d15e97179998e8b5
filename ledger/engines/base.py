"""What the chain asks of an execution engine, and nothing about how an engine does it (docs/decisions/0003).

An engine is a pure function of a state (trie nodes and codes by their keccak-256), a block environment and an ordered
list of transactions. It reads nodes, never writes them: what is new is handed back for the one atomic write of the
block. Rules: the Ethereum execution specification, fork Cancun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

ZERO_ADDRESS = bytes(20)
ZERO_HASH = bytes(32)


class Nodes(Protocol):
    """Where the state is read from: trie nodes and contract codes by their keccak-256 (32 bytes)."""

    def get(self, key: bytes, /) -> bytes | None:
        """The node or code with this hash, or None."""
        ...


class SignedTransaction(Protocol):
    """A decoded transaction; ledger.chain.transactions.Transaction is one.

    `raw` is its EIP-2718 encoding, `sender` the address recovered from its signature (20 bytes): engines rely on it,
    `inner` py-evm's object.
    """

    @property
    def raw(self) -> bytes: ...
    @property
    def sender(self) -> bytes: ...
    @property
    def inner(self) -> Any: ...


def no_ancestors() -> Sequence[bytes]:
    """The ancestors of a block that BLOCKHASH is not asked about."""
    return ()


@dataclass(frozen=True, slots=True)
class BlockEnvironment:
    """What a block gives its transactions. `timestamp` in UTC epoch seconds, fees in wei.

    `ancestors` gives the hashes of up to 256 blocks before this one, the parent's first; asked only for BLOCKHASH.
    """

    chain_id: int
    number: int
    timestamp: int
    gas_limit: int
    coinbase: bytes = ZERO_ADDRESS
    prev_randao: bytes = ZERO_HASH
    base_fee: int = 0
    excess_blob_gas: int = 0
    parent_beacon_root: bytes = ZERO_HASH
    ancestors: Callable[[], Sequence[bytes]] = field(default=no_ancestors, repr=False)


@dataclass(frozen=True, slots=True)
class Log:
    """An event: who logged it (20 bytes), its topics (32 bytes each), its data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did. `status` 1 success, 0 failure; `bloom` as an integer of 2048 bits.

    `cumulative_gas` counts the block's transactions up to this one; `raw` is the EIP-2718 encoding that the receipts
    trie holds; `contract` the address of a creation; `output` what the call returned, or its revert data.
    """

    status: int
    gas_used: int
    cumulative_gas: int
    bloom: int
    logs: tuple[Log, ...]
    raw: bytes
    contract: bytes | None
    output: bytes


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """A finished block: its roots (32 bytes), gas, bloom and receipts, and the `nodes` to be written before it counts.

    `nodes` maps keccak-256 to trie nodes and codes of the state; the tries of transactions and receipts are not in it,
    since whoever holds a block can rebuild them.
    """

    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    bloom: int
    gas_used: int
    receipts: tuple[Receipt, ...]
    nodes: Mapping[bytes, bytes]


class Execution(Protocol):
    """One block being executed, from `Engine.begin`."""

    @property
    def gas_used(self) -> int:
        """Gas of the transactions applied so far."""
        ...

    def apply(self, transaction: SignedTransaction) -> Receipt:
        """Executes one transaction after those before it.

        A call that reverts or runs out of gas is applied: it has a receipt with status 0. Raises TransactionRejected
        for one that no valid block can hold at this place; the block goes on without it.
        """
        ...

    def finish(self) -> ExecutionResult:
        """Hashes the tries and ends the execution."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the state; `balance` in wei, hashes of 32 bytes. Absent accounts read as empty ones."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A call that changes nothing (eth_call, eth_estimateGas). `gas` includes the intrinsic gas of a transaction.

    `to` without bytes is a creation. The sender needs no balance unless `value` (wei) is above 0.
    """

    to: bytes
    data: bytes = b""
    sender: bytes = ZERO_ADDRESS
    gas: int = 30_000_000
    value: int = 0
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class CallResult:
    """How a call ended: `output` is what it returned, or the revert data where `reverted`.

    `error` names an exceptional halt (out of gas, invalid instruction, …), "revert" for a revert, None for success.
    `gas_used` is what the receipt of the same transaction would show (refunds taken off).
    """

    output: bytes
    gas_used: int
    error: str | None
    reverted: bool


class View(Protocol):
    """The state at one root, from `Engine.view`. Every method raises StateMissing where the state has a hole."""

    def account(self, address: bytes) -> Account:
        """The account at an address (20 bytes)."""
        ...

    def code(self, address: bytes) -> bytes:
        """The code of an account; no bytes if it has none."""
        ...

    def storage(self, address: bytes, slot: int) -> int:
        """A storage word; 0 if it was never set."""
        ...

    def call(self, call: Call) -> CallResult:
        """Runs a call on this state and forgets its changes. Raises TransactionRejected if `gas` < intrinsic gas."""
        ...


class Engine(Protocol):
    """An execution engine. Engines hold caches of hash-addressed data only, so one serves any number of chains."""

    @property
    def name(self) -> str:
        """The name that settings know it by."""
        ...

    def begin(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> Execution:
        """Starts a block on the state of its parent, including what Cancun does before the first transaction."""
        ...

    def view(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> View:
        """The state at a root, read within a block environment (the block of that root, as eth_call has it)."""
        ...


def execute(
    engine: Engine,
    nodes: Nodes,
    state_root: bytes,
    environment: BlockEnvironment,
    transactions: Sequence[SignedTransaction],
) -> ExecutionResult:
    """Executes a whole block. Raises TransactionRejected at the first transaction that makes it invalid."""
    execution = engine.begin(nodes, state_root, environment)
    for transaction in transactions:
        execution.apply(transaction)
    return execution.finish()
