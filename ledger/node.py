"""A node: keeps one chain in a data directory, takes transactions, makes and imports blocks.

Making a block and importing one go the same way: the steps of chain/rules.py, execution, one atomic write, and only
then is the block the head. What `submit` returned for is on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from coincurve import PrivateKey
from eth.abc import BlockHeaderAPI

from contracts.signatures import address_of
from ledger.chain import blocks, genesis, rules, transactions
from ledger.chain.admission import Gate
from ledger.chain.archive import FORMAT, Archive
from ledger.chain.blocks import Block
from ledger.chain.genesis import ChainConfig, Genesis
from ledger.chain.transactions import Transaction
from ledger.consensus.solo import SignedFile, SoloSigner, check_finality
from ledger.engines import DEFAULT_ENGINE, open_engine
from ledger.engines.base import ExecutionResult, View
from ledger.engines.errors import TransactionRejected
from ledger.errors import (
    AdmissionError,
    BlockExecutionError,
    KnownTransaction,
    NotSequencerError,
    StoreCorruption,
    StoreMissing,
    TransactionError,
)
from ledger.keyvalue import KeyValue, MemoryStore
from ledger.mempool import Mempool, Pending
from ledger.pending import PendingState
from ledger.reader import Reader
from ledger.recovery import check_chain, recover_signed
from ledger.store import Store

Clock: TypeAlias = Callable[[], int]
logger = logging.getLogger(__name__)


def wall_clock() -> int:
    """UTC epoch seconds of this machine."""
    return int(time.time())


class Node(Reader):
    """One chain, open for writing. Readers in other processes use `Node.open_for_reading`."""

    def __init__(
        self, store: KeyValue, engine: str, clock: Clock, directory: Path | None = None, key: PrivateKey | None = None
    ) -> None:
        super().__init__(_archive(store, directory), open_engine(engine))
        self._clock = clock
        self._lock = threading.RLock()
        self._signer = self._open_signer(directory, key)
        self._pool = Mempool()
        self._at_head()

    # --- opening and closing

    @classmethod
    def create(
        cls,
        path: Path | str,
        config: ChainConfig,
        *,
        key: PrivateKey | None = None,
        engine: str = DEFAULT_ENGINE,
        clock: Clock = wall_clock,
    ) -> Node:
        """A new chain in `path`, an empty or absent directory. `key` is the authority's where this node makes blocks.

        Raises ConfigurationError, StoreExists, StoreLocked, NotSequencerError for a key that is not the authority's.
        """
        directory = Path(path)
        if key is not None and address_of(key) != config.authority.address:
            raise NotSequencerError(f"the key is not that of the authority, 0x{config.authority.address.hex()}")
        beginning = genesis.make(config)
        store = Store.create(directory)
        try:
            store.write(Archive.genesis_records(beginning))
            return cls(store, engine, clock, directory, key)
        except BaseException:
            store.close()
            raise

    @classmethod
    def in_memory(cls, beginning: Genesis, *, engine: str = DEFAULT_ENGINE) -> Node:
        """A chain without a disk, for re-execution (replay.py)."""
        store = MemoryStore()
        store.write(Archive.genesis_records(beginning))
        return cls(store, engine, wall_clock)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        key: PrivateKey | None = None,
        engine: str = DEFAULT_ENGINE,
        clock: Clock = wall_clock,
    ) -> Node:
        """The chain in `path`, for writing. Checks head, tail and finality; takes up what a crash left.

        Raises StoreMissing, StoreLocked, StoreCorruption, NotSequencerError.
        """
        directory = Path(path)
        store = Store.open(directory)
        try:
            node = cls(store, engine, clock, directory, key)
            node._recover(directory)
        except BaseException:
            store.close()
            raise
        return node

    @staticmethod
    def open_for_reading(path: Path | str, *, engine: str = DEFAULT_ENGINE) -> Reader:
        """The chain in `path` as it is now, without the lock; `refresh` follows a node that is running.

        Raises StoreMissing, StoreCorruption.
        """
        store = Store.open_for_reading(Path(path))
        try:
            reader = Reader(_archive(store, Path(path)), open_engine(engine))
            check_chain(reader)
        except BaseException:
            store.close()
            raise
        return reader

    def _open_signer(self, directory: Path | None, key: PrivateKey | None) -> SoloSigner | None:
        if key is None or directory is None:
            return None
        signer = SoloSigner(key, self.chain_id, self.identity.genesis_hash, SignedFile(directory))
        if signer.address != self.identity.authority:
            raise NotSequencerError(f"the key is not that of the authority, 0x{self.identity.authority.hex()}")
        return signer

    def _recover(self, directory: Path) -> None:
        check_chain(self)
        for arrival, raw in self.archive.pending():
            try:
                transaction = transactions.decode(raw)
            except TransactionError as error:
                raise StoreCorruption(f"pending transaction {arrival}: {error.what}") from error
            self._pool.add(transaction, self._organisation(transaction.sender), arrival)
        recover_signed(self, SignedFile(directory).read(), self._signer is not None)

    def close(self) -> None:
        """Closes the store and gives up the data directory."""
        with self._lock:
            super().close()

    # --- taking transactions

    def submit(self, raw: bytes) -> bytes:
        """Takes a signed transaction; its hash, once it is on the disk.

        Raises a TransactionError that names the rule, StoreFull or another StoreError where it could not be kept.
        """
        answer = self.submit_many([raw])[0]
        if isinstance(answer, TransactionError):
            raise answer
        return answer

    def submit_many(self, raws: Sequence[bytes]) -> list[bytes | TransactionError]:
        """Takes several transactions with one write to the disk: each one's hash, or why it was not taken.

        One refusal never hurts the others. Raises a StoreError where none could be kept.
        """
        with self._lock:
            puts: dict[bytes, bytes] = {}
            deletes: list[bytes] = []
            answers = [self._take(raw, puts, deletes) for raw in raws]
            if puts:
                self.archive.store.write(puts.items(), deletes)
            return answers

    def _take(self, raw: bytes, puts: dict[bytes, bytes], deletes: list[bytes]) -> bytes | TransactionError:
        try:
            transaction = transactions.decode(raw)
            transactions.check(transaction, self.chain_id, self.identity.gas_limit)
            if self.archive.place_of(transaction.hash) is not None:
                raise KnownTransaction(f"0x{transaction.hash.hex()} is already in the chain")
            self._pool.check(transaction, self._chain_nonce(transaction.sender))
            self._gate.check(transaction)
        except TransactionError as refusal:
            return refusal
        arrival = self._pool.next_arrival
        replaced = self._pool.add(transaction, self._organisation(transaction.sender))
        if replaced is not None:
            earlier = Archive.pending_key(replaced.arrival)
            puts.pop(earlier, None)
            deletes.append(earlier)
            puts.update([Archive.dropped_record(replaced.transaction.hash, "replaced by a newer one of equal nonce")])
        deletes.append(Archive.dropped_key(transaction.hash))
        puts.update([Archive.pending_record(arrival, raw)])
        return transaction.hash

    def pending(self) -> list[Transaction]:
        """The waiting transactions, in order of arrival."""
        with self._lock:
            return [waiting.transaction for waiting in self._pool]

    def pending_transaction(self, transaction_hash: bytes) -> Transaction | None:
        """A waiting transaction by its hash."""
        waiting = self._pool.get(transaction_hash)
        return None if waiting is None else waiting.transaction

    def pending_nonce(self, sender: bytes) -> int:
        """The nonce of the sender's next transaction, those that wait counted."""
        with self._lock:
            return self._pool.next_nonce(sender, self._chain_nonce(sender))

    def pending_view(self) -> View:
        """The state as it would be with everything that waits executed: what gas is measured on."""
        with self._lock:
            waiting = [waiting.transaction for waiting in self._pool]
            return self._pending_state.view(waiting, self._clock())

    # --- blocks

    def seal(self, timestamp: int | None = None, *, allow_empty: bool = False) -> Block | None:
        """Makes, signs and keeps the next block from what waits; None if nothing does.

        `timestamp` in UTC epoch seconds (default: the clock, at least a second after the head). Raises
        NotSequencerError, BlockTimeError, or a StoreError; after that the node has to be opened anew.
        """
        with self._lock:
            if self._signer is None:
                raise NotSequencerError("this node was opened without the authority's key")
            # Nothing is signed that could not be kept.
            self.archive.store.require_writable()
            parent = self._head.header
            when = max(self._clock(), parent.timestamp + 1) if timestamp is None else timestamp
            draft = blocks.draft_header(parent, when)
            rules.check_time(draft, parent, self._clock())
            self._drop(self._inadmissible())
            chosen = self._pool.select(self._chain_nonce, parent.gas_limit // 2, draft.block_number)
            if not chosen and not allow_empty:
                return None
            dropped: list[tuple[Pending, str]] = []
            body, result = self._execute(draft, chosen, dropped)
            if not body and not allow_empty:
                self._drop(dropped)
                return None
            block = blocks.build(_finished(draft, result), body)
            self._check_header(block)
            self._commit(block, result, self._signer.sign(block), dropped)
            return block

    def import_block(self, raw: bytes, finality: bytes, *, now_s: int | None = None) -> Block:
        """Takes a block that the authority made elsewhere, after every step of chain/rules.py.

        `now_s` is the clock it is admitted by (default: the node's). Raises a BlockError that names the step.
        """
        with self._lock:
            block = blocks.decode(raw)
            parent = self._head.header
            rules.check_parent(block.header, parent)
            rules.check_time(block.header, parent, self._clock() if now_s is None else now_s)
            self._check_header(block)
            rules.check_transactions(block, self.chain_id)
            rules.check_admission(block, self._gate)
            draft = blocks.draft_header(parent, block.timestamp)
            result = self._execute_exactly(draft, block.transactions)
            rules.check_body(block, result.transactions_root)
            rules.check_result(block.header, _finished(draft, result))
            check_finality(
                finality, self.identity.authority, self.chain_id, self.identity.genesis_hash, block.number, block.hash
            )
            self._commit(block, result, finality, [])
            return block

    def _check_header(self, block: Block) -> None:
        rules.check_parent(block.header, self._head.header)
        rules.check_fields(block.header)
        rules.check_gas(block.header, self._head.header)

    def _inadmissible(self) -> list[tuple[Pending, str]]:
        """What waits but is not admissible any more at the head, with the reason."""
        found = []
        for waiting in self._pool:
            try:
                self._gate.check(waiting.transaction)
            except AdmissionError as error:
                found.append((waiting, error.what))
        return found

    def _execute(
        self, draft: BlockHeaderAPI, chosen: Sequence[Pending], dropped: list[tuple[Pending, str]]
    ) -> tuple[list[Transaction], ExecutionResult]:
        """Executes what can be executed; one whose predecessor was dropped stays waiting."""
        execution = self.engine.begin(self.archive, self._head.header.state_root, self.environment(draft))
        gone: set[bytes] = set()
        body = []
        for waiting in chosen:
            if waiting.transaction.sender in gone:
                continue
            try:
                execution.apply(waiting.transaction)
                body.append(waiting.transaction)
            except TransactionRejected as error:
                gone.add(waiting.transaction.sender)
                dropped.append((waiting, error.what))
        return body, execution.finish()

    def _execute_exactly(self, draft: BlockHeaderAPI, body: Sequence[Transaction]) -> ExecutionResult:
        execution = self.engine.begin(self.archive, self._head.header.state_root, self.environment(draft))
        for index, transaction in enumerate(body):
            try:
                execution.apply(transaction)
            except TransactionRejected as error:
                raise BlockExecutionError(f"transaction {index}: {error.what}") from error
        return execution.finish()

    def _commit(
        self, block: Block, result: ExecutionResult, finality: bytes, dropped: Sequence[tuple[Pending, str]]
    ) -> None:
        """One atomic write of the block and everything that belongs to it; only then is it the head."""
        included = [waiting for tx in block.transactions if (waiting := self._pool.get(tx.hash)) is not None]
        next_nonces = {tx.sender: tx.nonce + 1 for tx in block.transactions}
        passed = [
            (waiting, "another transaction of its nonce is in the chain")
            for waiting in self._pool.used_up(lambda sender: next_nonces.get(sender, 0))
            if waiting not in included
        ]
        gone = [*dropped, *passed]
        puts = Archive.block_records(block, result, finality)
        puts += [Archive.dropped_record(waiting.transaction.hash, reason) for waiting, reason in gone]
        leaving = [*included, *(waiting for waiting, _ in gone)]
        self.archive.store.write(puts, [Archive.pending_key(waiting.arrival) for waiting in leaving])
        self._pool.remove(waiting.transaction.hash for waiting in leaving)
        self._log_dropped(gone)
        self._head = block
        self._at_head()

    def _drop(self, dropped: Sequence[tuple[Pending, str]]) -> None:
        if not dropped:
            return
        puts = [Archive.dropped_record(waiting.transaction.hash, reason) for waiting, reason in dropped]
        self.archive.store.write(puts, [Archive.pending_key(waiting.arrival) for waiting, _ in dropped])
        self._pool.remove(waiting.transaction.hash for waiting, _ in dropped)
        self._log_dropped(dropped)

    @staticmethod
    def _log_dropped(dropped: Sequence[tuple[Pending, str]]) -> None:
        for waiting, reason in dropped:
            logger.warning("transaction 0x%s left the pool: %s", waiting.transaction.hash.hex(), reason)

    # --- what holds at the head

    def _at_head(self) -> None:
        self._head_view = self.view_of(self._head.header)
        self._nonces: dict[bytes, int] = {}
        self._gate: Gate = self.gate_at(self._head.header)
        self._pending_state = PendingState(self, self._head.header)

    def _chain_nonce(self, sender: bytes) -> int:
        known = self._nonces.get(sender)
        if known is None:
            known = self._nonces[sender] = self._head_view.account(sender).nonce
        return known

    def _organisation(self, sender: bytes) -> int:
        return self._gate.organisation_of(sender)


def _archive(store: KeyValue, directory: Path | None) -> Archive:
    archive = Archive(store)
    if archive.format != FORMAT:
        raise StoreMissing(f"{directory} holds no finished chain of format {FORMAT.decode()}")
    return archive


def _finished(draft: BlockHeaderAPI, result: ExecutionResult) -> BlockHeaderAPI:
    return draft.copy(
        state_root=result.state_root,
        transaction_root=result.transactions_root,
        receipt_root=result.receipts_root,
        bloom=result.bloom,
        gas_used=result.gas_used,
    )
