"""The state with everything that waits executed on top of the head: what gas is measured on (money.md §6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eth.abc import BlockHeaderAPI

from ledger.chain import blocks
from ledger.chain.transactions import Transaction
from ledger.engines.base import ExecutionResult, Nodes, View
from ledger.engines.errors import TransactionRejected

if TYPE_CHECKING:
    from ledger.reader import Reader


class _Overlay:
    """Nodes that exist in memory only, over those of the store."""

    def __init__(self, below: Nodes) -> None:
        self._below = below
        self.nodes: dict[bytes, bytes] = {}

    def get(self, key: bytes, /) -> bytes | None:
        found = self.nodes.get(key)
        return self._below.get(key) if found is None else found


class PendingState:
    """Executes what waits, once each, on top of one head; the next head gets a new one."""

    def __init__(self, reader: Reader, head: BlockHeaderAPI) -> None:
        self._reader = reader
        self._head = head
        self._reset()

    def _reset(self) -> None:
        self._nodes = _Overlay(self._reader.archive)
        self._root: bytes = self._head.state_root
        self._done: list[bytes] = []

    def view(self, waiting: Sequence[Transaction], now_s: int) -> View:
        """The state after the head and these transactions, in this order; those that cannot run are passed over.

        `now_s` is the time that the next block would have (UTC epoch seconds), at least a second after the head.
        """
        draft = blocks.draft_header(self._head, max(now_s, self._head.timestamp + 1))
        hashes = [transaction.hash for transaction in waiting]
        if hashes[: len(self._done)] != self._done:
            self._reset()
        fresh = waiting[len(self._done) :]
        if fresh:
            self._run(draft, fresh)
            self._done = hashes
        return self._reader.view_of(draft.copy(state_root=self._root), self._nodes)

    def _run(self, draft: BlockHeaderAPI, fresh: Sequence[Transaction]) -> None:
        # What waits may exceed one block; each gets the room of an empty one, since only its effect matters here.
        environment = self._reader.environment(draft)
        execution = self._reader.engine.begin(self._nodes, self._root, environment)
        for transaction in fresh:
            if execution.gas_used + transaction.gas > draft.gas_limit:
                self._keep(execution.finish())
                execution = self._reader.engine.begin(self._nodes, self._root, environment)
            try:
                execution.apply(transaction)
            except TransactionRejected:
                continue
        self._keep(execution.finish())

    def _keep(self, result: ExecutionResult) -> None:
        self._nodes.nodes.update(result.nodes)
        self._root = result.state_root
