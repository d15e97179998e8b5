"""The fast engine: py-evm's Cancun with direct dispatch, buffered tries and libsecp256k1 without detours.

All by subclassing; what an instruction or a transaction does stays py-evm's wherever it is not hot. The measures and
what each gained stand in docs/performance.md.
"""

from __future__ import annotations

from typing import Any, Final

import rlp
from eth._utils.address import generate_contract_address
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState, CancunTransactionExecutor
from eth.vm.message import Message
from eth_utils.logging import get_extended_debug_logger

from ledger.engines.accounts import AccountState, Caches, DirectAccountDB
from ledger.engines.base import (
    Account,
    BlockEnvironment,
    Call,
    CallResult,
    Execution,
    ExecutionResult,
    Nodes,
    SignedTransaction,
    View,
)
from ledger.engines.base import Receipt as _Receipt
from ledger.engines.decode import OPCODES
from ledger.engines.dispatch import run
from ledger.engines.precompiles import PRECOMPILES
from ledger.engines.pyevm import PyEvmExecution, execution_context, run_call
from ledger.engines.tries import BLANK_ROOT, NodeCache, Trie

_NO_TRANSIENT: Final = b""
_LOGGER: Final[Any] = get_extended_debug_logger("ledger.engines.direct")
# py-evm's annotation forgets that most messages create nothing.
_NO_ADDRESS: Final[Any] = None


class DirectComputation(CancunComputation):
    """py-evm's frame, whose code runs through dispatch.run."""

    opcodes = OPCODES
    _precompiles = PRECOMPILES

    @classmethod
    def apply_computation(
        cls, state: Any, message: Any, transaction_context: Any, parent_computation: Any = None
    ) -> Any:
        """As BaseComputation.apply_computation, with the loop over opcodes replaced."""
        with cls(state, message, transaction_context) as computation:
            if computation.is_origin_computation:
                computation.contracts_created = []
                if message.is_create:
                    cls.consume_initcode_gas_cost(computation)
            if parent_computation is not None:
                computation.contracts_created = parent_computation.contracts_created
            if message.is_create:
                computation.contracts_created.append(message.storage_address)
            precompile = PRECOMPILES.get(message.code_address)
            if precompile is None:
                run(computation)
            elif not message.is_delegation:
                precompile(computation)
        return computation


class DirectExecutor(CancunTransactionExecutor):
    """py-evm's transaction, without recovering the sender again and without formatting debug lines."""

    def validate_transaction(self, transaction: Any) -> None:
        """Balance and nonce; the signature was checked when the transaction was decoded (base.SignedTransaction)."""
        self.vm_state.validate_transaction(transaction)

    def build_evm_message(self, transaction: Any) -> Message:
        """As CancunTransactionExecutor.build_evm_message; there are no blob transactions (pyevm.py)."""
        state = self.vm_state
        sender = transaction.sender
        state.delta_balance(sender, -transaction.gas * state.get_gas_price(transaction))
        state.increment_nonce(sender)
        creates = transaction.to == CREATE_CONTRACT_ADDRESS
        nonce = state.get_nonce(sender) - 1
        return Message(
            gas=transaction.gas - transaction.intrinsic_gas,
            to=transaction.to,
            sender=sender,
            value=transaction.value,
            data=b"" if creates else transaction.data,
            code=transaction.data if creates else state.get_code(transaction.to),
            create_address=generate_contract_address(sender, nonce) if creates else _NO_ADDRESS,
        )


class DirectState(CancunState):
    """py-evm's state on DirectAccountDB, which journals transient words too."""

    computation_class = DirectComputation
    transaction_executor_class = DirectExecutor

    _account_db: DirectAccountDB

    def __init__(self, accounts: DirectAccountDB, environment: BlockEnvironment) -> None:
        # BaseState.__init__ would build the stock account database, only to be replaced.
        self.execution_context = execution_context(environment)
        self._account_db = accounts

    @property
    def logger(self) -> Any:
        # BaseState looks its logger up by a formatted name at every use, which is a twentieth of a small transaction.
        return _LOGGER

    def snapshot(self) -> Any:
        return self._account_db.record()

    def commit(self, snapshot: Any) -> None:
        self._account_db.commit(snapshot)

    def revert(self, snapshot: Any) -> None:
        self._account_db.discard(snapshot)

    def get_transient_storage(self, address: bytes, slot: int) -> bytes:
        value: bytes = self._account_db.transient.get((address, slot), _NO_TRANSIENT)
        return value

    def set_transient_storage(self, address: bytes, slot: int, value: bytes) -> None:
        self._account_db.set_transient(address, slot, value)

    def clear_transient_storage(self) -> None:
        self._account_db.transient.clear()


class DirectExecution(PyEvmExecution):
    """A block through direct dispatch."""

    def apply(self, transaction: SignedTransaction) -> _Receipt:
        """See base.Execution.apply."""
        # py-evm recovers the sender on first use; the transaction brings it along.
        transaction.inner.__dict__["sender"] = transaction.sender
        return super().apply(transaction)

    def _apply(self, inner: Any) -> tuple[Any, Any]:
        state = self.state
        state.lock_changes()
        computation = state.apply_transaction(inner)
        return CancunVM.make_receipt(self._running, inner, computation, state), computation

    def finish(self) -> ExecutionResult:
        """See base.Execution.finish."""
        nodes: dict[bytes, bytes] = {}
        return ExecutionResult(
            state_root=self.state._account_db.persist_into(nodes),
            transactions_root=_root(self.raws),
            receipts_root=_root([receipt.raw for receipt in self.receipts]),
            bloom=self.bloom,
            gas_used=self.gas_used,
            receipts=tuple(self.receipts),
            nodes=nodes,
        )


class _NoNodes:
    def get(self, _key: bytes, /) -> bytes | None:
        return None


def _root(raws: list[bytes]) -> bytes:
    """Root of the trie of a list: RLP of the index → item (Yellow Paper, section 4.3)."""
    trie = Trie(_NoNodes(), BLANK_ROOT, NodeCache(1))
    trie.update((rlp.encode(index), raw) for index, raw in enumerate(raws))
    return trie.commit({})


class DirectView:
    """A state read through the direct engine's caches."""

    def __init__(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment, caches: Caches) -> None:
        self._nodes = nodes
        self._root = state_root
        self._environment = environment
        self._caches = caches

    def _open(self) -> DirectAccountDB:
        return DirectAccountDB(self._nodes, self._root, self._caches)

    def account(self, address: bytes) -> Account:
        """See base.View.account."""
        return Account(*(self._open().account(address) or AccountState()))

    def code(self, address: bytes) -> bytes:
        """See base.View.code."""
        return self._open().get_code(address)

    def storage(self, address: bytes, slot: int) -> int:
        """See base.View.storage."""
        return self._open().get_storage(address, slot)

    def call(self, call: Call) -> CallResult:
        """See base.View.call."""
        return run_call(DirectState(self._open(), self._environment), call)


class DirectEngine:
    """The fast engine; its caches serve all chains and blocks."""

    name = "direct"

    def __init__(self) -> None:
        self._caches = Caches()

    def begin(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> Execution:
        """See base.Engine.begin."""
        state = DirectState(DirectAccountDB(nodes, state_root, self._caches), environment)
        return DirectExecution(state, environment)

    def view(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> View:
        """See base.Engine.view."""
        return DirectView(nodes, state_root, environment, self._caches)
