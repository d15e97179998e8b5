"""Transactions that wait for a block: by sender and nonce, bounded, shared out fairly among organisations.

Pure: durable keeping is the node's. Each organisation has an equal share of a block's gas, what is left goes round
robin (money.md §6), so that no member can crowd out another. What is chosen runs in order of arrival, so that
transactions of different senders that build on each other keep their order.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ledger.chain.transactions import Transaction
from ledger.errors import KnownTransaction, NonceError, PoolFull
from ledger.limits import MAX_BLOCK_BYTES, MAX_PENDING, MAX_PENDING_BYTES, MAX_PENDING_PER_SENDER

# RLP around a block and around each of its transactions, generously.
_BLOCK_OVERHEAD_BYTES: Final = 4_096
_ITEM_OVERHEAD_BYTES: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A waiting transaction, its place in the order of arrival, and its sender's organisation."""

    transaction: Transaction
    arrival: int
    organisation: int


class Mempool:
    """The waiting transactions of one node."""

    def __init__(self) -> None:
        self._by_sender: dict[bytes, dict[int, Pending]] = defaultdict(dict)
        self._by_hash: dict[bytes, Pending] = {}
        self._bytes = 0
        self._next_arrival = 0

    def __len__(self) -> int:
        return len(self._by_hash)

    def __iter__(self) -> Iterator[Pending]:
        return iter(sorted(self._by_hash.values(), key=lambda pending: pending.arrival))

    def get(self, transaction_hash: bytes) -> Pending | None:
        """The waiting transaction of this hash, if there is one."""
        return self._by_hash.get(transaction_hash)

    def next_nonce(self, sender: bytes, chain_nonce: int) -> int:
        """The nonce for the sender's next transaction: after those of the chain and those waiting without a gap."""
        waiting = self._by_sender.get(sender, {})
        while chain_nonce in waiting:
            chain_nonce += 1
        return chain_nonce

    def check(self, transaction: Transaction, chain_nonce: int) -> None:
        """Whether the pool can take the transaction. `chain_nonce` is the sender's next one at the head.

        Raises KnownTransaction, NonceError for a used nonce or one too far ahead, PoolFull.
        """
        if transaction.hash in self._by_hash:
            raise KnownTransaction(f"0x{transaction.hash.hex()} is already pending")
        if transaction.nonce < chain_nonce:
            raise NonceError(f"nonce {transaction.nonce} is used; the sender's next one is {chain_nonce}")
        if transaction.nonce >= chain_nonce + MAX_PENDING_PER_SENDER:
            raise NonceError(
                f"nonce {transaction.nonce} is over {MAX_PENDING_PER_SENDER} ahead of the sender's next, {chain_nonce}"
            )
        if transaction.nonce in self._by_sender.get(transaction.sender, {}):
            return
        if len(self._by_hash) >= MAX_PENDING or self._bytes + len(transaction.raw) > MAX_PENDING_BYTES:
            raise PoolFull(f"{len(self._by_hash)} transactions of {self._bytes} bytes are pending")

    def add(self, transaction: Transaction, organisation: int, arrival: int | None = None) -> Pending | None:
        """Takes a transaction that passed `check`; the one it replaces (same sender and nonce), if any.

        `arrival` is given where the pool is read back after a start.
        """
        if arrival is None:
            arrival = self._next_arrival
        self._next_arrival = max(self._next_arrival, arrival + 1)
        replaced = self._by_sender[transaction.sender].get(transaction.nonce)
        if replaced is not None:
            self.remove([replaced.transaction.hash])
        pending = Pending(transaction, arrival, organisation)
        self._by_sender[transaction.sender][transaction.nonce] = pending
        self._by_hash[transaction.hash] = pending
        self._bytes += len(transaction.raw)
        return replaced

    @property
    def next_arrival(self) -> int:
        """The place that the next transaction takes in the order of arrival."""
        return self._next_arrival

    def remove(self, hashes: Iterable[bytes]) -> None:
        """Forgets transactions; hashes that do not wait are passed over."""
        for transaction_hash in hashes:
            pending = self._by_hash.pop(transaction_hash, None)
            if pending is None:
                continue
            self._bytes -= len(pending.transaction.raw)
            waiting = self._by_sender[pending.transaction.sender]
            del waiting[pending.transaction.nonce]
            if not waiting:
                del self._by_sender[pending.transaction.sender]

    def used_up(self, chain_nonce: Callable[[bytes], int]) -> list[Pending]:
        """Waiting transactions whose nonce the chain has passed: another of the same nonce is in a block."""
        return [
            pending
            for sender, waiting in self._by_sender.items()
            for pending in waiting.values()
            if pending.transaction.nonce < chain_nonce(sender)
        ]

    def select(self, chain_nonce: Callable[[bytes], int], gas_budget: int, first: int = 0) -> list[Pending]:
        """What goes into the next block, in its order: the sum of the gas limits is at most `gas_budget`.

        `first` (the block's number, say) turns the order in which organisations share what is left.
        """
        queues = self._ready(chain_nonce)
        organisations = sorted(queues)
        if not organisations:
            return []
        share, chosen, left = gas_budget // len(organisations), [], gas_budget
        for organisation in organisations:
            own = share
            while (pending := queues[organisation].take(own)) is not None:
                own -= pending.transaction.gas
                left -= pending.transaction.gas
                chosen.append(pending)
        turn = first % len(organisations)
        waiting = organisations[turn:] + organisations[:turn]
        while waiting:
            still = []
            for organisation in waiting:
                queues[organisation].wake()
                pending = queues[organisation].take(left)
                if pending is not None:
                    left -= pending.transaction.gas
                    chosen.append(pending)
                    still.append(organisation)
            waiting = still
        return _within_bytes(_in_order(chosen))

    def _ready(self, chain_nonce: Callable[[bytes], int]) -> dict[int, _Queue]:
        queues: dict[int, _Queue] = {}
        for sender, waiting in self._by_sender.items():
            run = []
            nonce = chain_nonce(sender)
            while nonce in waiting:
                run.append(waiting[nonce])
                nonce += 1
            if run:
                queues.setdefault(run[0].organisation, _Queue()).add(run)
        return queues


class _Queue:
    """One organisation's ready transactions: runs of successive nonces, the earliest arrival first."""

    def __init__(self) -> None:
        self._heads: list[tuple[int, list[Pending]]] = []
        self._asleep: list[tuple[int, list[Pending]]] = []

    def add(self, run: list[Pending]) -> None:
        heapq.heappush(self._heads, (run[0].arrival, run[::-1]))

    def take(self, gas: int) -> Pending | None:
        """The earliest transaction that fits; a sender whose next one does not fit sleeps until `wake`."""
        while self._heads:
            arrival, run = heapq.heappop(self._heads)
            if run[-1].transaction.gas > gas:
                self._asleep.append((arrival, run))
                continue
            pending = run.pop()
            if run:
                heapq.heappush(self._heads, (run[-1].arrival, run))
            return pending
        return None

    def wake(self) -> None:
        for entry in self._asleep:
            heapq.heappush(self._heads, entry)
        self._asleep.clear()


def _within_bytes(ordered: list[Pending]) -> list[Pending]:
    """As many from the front as a block's bytes hold: calldata of zeros is cheap in gas but long."""
    room = MAX_BLOCK_BYTES - _BLOCK_OVERHEAD_BYTES
    for place, pending in enumerate(ordered):
        room -= len(pending.transaction.raw) + _ITEM_OVERHEAD_BYTES
        if room < 0:
            return ordered[:place]
    return ordered


def _in_order(chosen: list[Pending]) -> list[Pending]:
    """By arrival, but never a nonce before the one it follows (a replacement arrives later than its successors)."""
    runs: dict[bytes, list[Pending]] = defaultdict(list)
    for pending in chosen:
        runs[pending.transaction.sender].append(pending)
    heads = [(run[0].arrival, sender) for sender, run in runs.items()]
    heapq.heapify(heads)
    ordered, places = [], dict.fromkeys(runs, 0)
    while heads:
        _, sender = heapq.heappop(heads)
        ordered.append(runs[sender][places[sender]])
        places[sender] += 1
        if places[sender] < len(runs[sender]):
            heapq.heappush(heads, (runs[sender][places[sender]].arrival, sender))
    return ordered
