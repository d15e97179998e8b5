"""py-evm as it is: the slow twin that everything faster is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth.db.atomic import AtomicDB
from eth.db.backends.base import BaseAtomicDB
from eth.db.trie import make_trie_root_and_nodes
from eth.vm.forks.cancun.computation import CancunComputation
from eth.vm.forks.cancun.state import CancunState
from eth.vm.interrupt import EVMMissingData
from eth_typing import Hash32

from ledger.engines.base import (
    Account,
    BlockEnvironment,
    Call,
    CallResult,
    Execution,
    ExecutionResult,
    Nodes,
    View,
)
from ledger.engines.decode import OPCODES
from ledger.engines.errors import StateMissing
from ledger.engines.pyevm import PyEvmExecution, execution_context, run_call


class _Computation(CancunComputation):
    # The same opcodes, without py-evm's DeprecationWarning at every SELFDESTRUCT.
    opcodes = OPCODES


class StockState(CancunState):
    """py-evm's Cancun state."""

    computation_class = _Computation


class Overlay(BaseAtomicDB):
    """Nodes for py-evm to read, and a dictionary for what it writes.

    py-evm asks for a trie's upper nodes again with every slot; what was read stays here while the block lasts, whose
    gas bounds how much that can be.
    """

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._read: dict[bytes, bytes] = {}
        self.new: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self.new.get(key) or self._read.get(key)
        if value is None:
            value = self._nodes.get(key)
            if value is None:
                raise KeyError(key)
            self._read[key] = value
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.new[key] = value

    def __delitem__(self, key: bytes) -> None:
        self.new.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        return key in self.new or self._nodes.get(key) is not None

    @contextmanager
    def atomic_batch(self) -> Iterator[Any]:
        with AtomicDB(self).atomic_batch() as batch:
            yield batch


class _Encoded:
    """What py-evm's trie of receipts and transactions takes: something that encodes itself."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def encode(self) -> bytes:
        return self._raw


def _open(overlay: Overlay, state_root: bytes, environment: BlockEnvironment) -> StockState:
    return StockState(overlay, execution_context(environment), Hash32(state_root))


class StockExecution(PyEvmExecution):
    """A block through stock py-evm."""

    def __init__(self, overlay: Overlay, state: StockState, environment: BlockEnvironment) -> None:
        super().__init__(state, environment)
        self._overlay = overlay

    def finish(self) -> ExecutionResult:
        """See base.Execution.finish."""
        self.state.persist()
        return ExecutionResult(
            state_root=bytes(self.state.state_root),
            transactions_root=_root(self.raws),
            receipts_root=_root([receipt.raw for receipt in self.receipts]),
            bloom=self.bloom,
            gas_used=self.gas_used,
            receipts=tuple(self.receipts),
            nodes=self._overlay.new,
        )


def _root(raws: list[bytes]) -> bytes:
    items: Any = [_Encoded(raw) for raw in raws]
    return bytes(make_trie_root_and_nodes(items)[0])


class StockView:
    """A state through stock py-evm."""

    def __init__(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> None:
        self._nodes = nodes
        self._root = state_root
        self._environment = environment

    def _state(self) -> Any:
        return _open(Overlay(self._nodes), self._root, self._environment)

    def account(self, address: bytes) -> Account:
        """See base.View.account."""
        with _named():
            account = self._state()._account_db._get_account(address)
        return Account(account.nonce, account.balance, bytes(account.storage_root), bytes(account.code_hash))

    def code(self, address: bytes) -> bytes:
        """See base.View.code."""
        with _named():
            return bytes(self._state().get_code(address))

    def storage(self, address: bytes, slot: int) -> int:
        """See base.View.storage."""
        with _named():
            value: int = self._state().get_storage(address, slot)
        return value

    def call(self, call: Call) -> CallResult:
        """See base.View.call."""
        return run_call(self._state(), call)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except EVMMissingData as error:
        raise StateMissing(str(error)) from error


class StockEngine:
    """Stock py-evm behind the interface of engines."""

    name = "stock"

    def begin(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> Execution:
        """See base.Engine.begin."""
        overlay = Overlay(nodes)
        return StockExecution(overlay, _open(overlay, state_root, environment), environment)

    def view(self, nodes: Nodes, state_root: bytes, environment: BlockEnvironment) -> View:
        """See base.Engine.view."""
        return StockView(nodes, state_root, environment)
