"""Transactions that a service owes the chain: each planned durably, signed once, and sent until it is in a block.

A purpose ("enrol:24310:3") names what a transaction is for, once per sender. Planning a purpose again after a crash
finds the first plan, so nothing is done twice and nothing is forgotten:

    planned (nonce, signed bytes on the disk) → sent → in a block: DONE, or REVERTED with the agreement's reason
                                              → not taken by the node: REFUSED; asked for again it is signed anew

The signed bytes are stored before they leave, so sending again is sending the same transaction. One process at a time
sends with one key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, ClassVar, Final

from coincurve import PrivateKey
from sqlalchemy import BigInteger, Engine, Integer, UniqueConstraint
from sqlmodel import Field, Session, SQLModel, col, func, select
from web3 import Web3
from web3.exceptions import Web3Exception

from contracts import client as abi
from contracts.hashing import keccak
from contracts.signatures import address_of
from ledger.chain.transactions import sign
from ledger.client import Client, TransactionReceipt
from ledger.errors import ReceiptTimeout, TransactionError, UnknownTransaction
from services.errors import ServiceError

# SQLite counts up only in INTEGER keys, which have 64 bits there anyway.
_Id: Final = BigInteger().with_variant(Integer, "sqlite")
MAX_PURPOSE_CHARACTERS: Final = 120
# What a batch costs beside its things, twice settlement.md's 91,000: a shorter one than the measured needs it whole.
_BATCH_GAS: Final = 182_000


class OutboxError(ServiceError):
    """A transaction that a service owes the chain cannot be planned or sent."""

    code = "SERVICE-020"
    do = "Look at the purpose and its state; nothing was sent twice."
    ko = "원장에 보낼 거래를 처리할 수 없습니다."


class PurposeConflictError(OutboxError):
    """The purpose is taken by another call."""

    code = "SERVICE-021"
    do = "Give each purpose its own name; the message names the one that is taken."
    ko = "같은 목적의 다른 거래가 이미 있습니다."


class RevertedError(OutboxError):
    """The agreement refused the transaction."""

    code = "SERVICE-022"
    do = "See the reason; correct it and plan under a new purpose."
    ko = "계약이 거래를 거절했습니다."


def purpose_prefix(kind: str, name: str) -> str:
    """ "kind:name:", which a batch's number follows. Raises OutboxError for a name that could look like another's."""
    if not name or ":" in name:
        raise OutboxError(f"a name is not empty and holds no colon, unlike {name!r}")
    return f"{kind}:{name}:"


class ItemStatus(IntEnum):
    """PLANNED: durable, perhaps sent · DONE: in a block and succeeded · REVERTED: in a block and refused ·
    REFUSED: the node did not take it."""

    PLANNED = 0
    DONE = 1
    REVERTED = 2
    REFUSED = 3


class OutboxItem(SQLModel, table=True):
    """One transaction: what it is for, its signed bytes, and what became of it."""

    __tablename__ = "outbox"
    __table_args__: ClassVar = (UniqueConstraint("sender", "purpose"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=_Id)
    sender: bytes = Field(index=True)
    purpose: str = Field(max_length=MAX_PURPOSE_CHARACTERS)
    agreement: str
    data: bytes
    gas: int = Field(sa_type=BigInteger)
    nonce: int = Field(sa_type=BigInteger)
    raw: bytes
    hash: bytes = Field(index=True)
    status: int = Field(default=ItemStatus.PLANNED, index=True)
    block_number: int | None = Field(default=None, sa_type=BigInteger)
    gas_used: int | None = Field(default=None, sa_type=BigInteger)
    reason: str = ""


class Outbox:
    """The transactions of one sender key."""

    def __init__(self, engine: Engine, web3: Web3, client: Client, key: PrivateKey) -> None:
        self._engine = engine
        self._web3 = web3
        self._client = client
        self._key = key
        self.sender = address_of(key)

    def __repr__(self) -> str:
        return f"Outbox(0x{self.sender.hex()})"

    def find(self, purpose: str) -> OutboxItem | None:
        """What was planned for a purpose."""
        with Session(self._engine, expire_on_commit=False) as session:
            return self._find(session, purpose)

    def _find(self, session: Session, purpose: str) -> OutboxItem | None:
        query = select(OutboxItem).where(OutboxItem.sender == self.sender, OutboxItem.purpose == purpose)
        return session.exec(query).first()

    def plan(
        self,
        session: Session,
        purpose: str,
        agreement: str,
        function: str,
        args: Sequence[Any],
        *,
        gas: int | None = None,
    ) -> OutboxItem:
        """Plans a call within the caller's database transaction; `send` it once that is committed.

        Gas is measured on the pending state unless given. A purpose that is planned already answers its first plan.
        Raises PurposeConflictError where that was another call, CallReverted where the agreement would refuse it.
        """
        if not 0 < len(purpose) <= MAX_PURPOSE_CHARACTERS:
            raise OutboxError(f"a purpose has 1 to {MAX_PURPOSE_CHARACTERS} characters")
        data = abi.encode_call(agreement, function, args)
        found = self._find(session, purpose)
        if found is not None:
            if (found.agreement, found.data) != (agreement, data):
                raise PurposeConflictError(f"{purpose} is planned with other arguments")
            if found.status == ItemStatus.REFUSED:
                self._sign_anew(session, found)
            return found
        to = self._client.address(agreement)
        if gas is None:
            gas = self._client.estimate(self.sender, to, data, doing=f"{agreement}.{function}")
        nonce = self._next_nonce(session)
        raw = sign(self._key, self._client.chain_id, nonce, gas, to, data)
        item = OutboxItem(
            sender=self.sender,
            purpose=purpose,
            agreement=agreement,
            data=data,
            gas=gas,
            nonce=nonce,
            raw=raw,
            hash=keccak(raw),
        )
        session.add(item)
        session.flush()
        return item

    def _sign_anew(self, session: Session, item: OutboxItem) -> None:
        """A refused transaction again: with its own nonce while that is free, so that those behind it do not wait."""
        to = self._client.address(item.agreement)
        item.gas = self._client.estimate(self.sender, to, item.data, doing=item.purpose)
        used = self._web3.eth.get_transaction_count(Web3.to_checksum_address(self.sender), "latest")
        taken = session.exec(
            select(OutboxItem.id).where(
                OutboxItem.sender == self.sender,
                OutboxItem.nonce == item.nonce,
                OutboxItem.status == ItemStatus.PLANNED,
            )
        ).first()
        if item.nonce < used or taken is not None:
            item.nonce = self._next_nonce(session)
        item.raw = sign(self._key, self._client.chain_id, item.nonce, item.gas, to, item.data)
        item.hash, item.status, item.reason = keccak(item.raw), int(ItemStatus.PLANNED), ""
        session.add(item)
        session.flush()

    def _next_nonce(self, session: Session) -> int:
        planned = session.exec(
            select(func.max(OutboxItem.nonce)).where(
                OutboxItem.sender == self.sender, OutboxItem.status == ItemStatus.PLANNED
            )
        ).one()
        on_chain = self._web3.eth.get_transaction_count(Web3.to_checksum_address(self.sender), "pending")
        return on_chain if planned is None else max(on_chain, planned + 1)

    def send(self, item: OutboxItem) -> None:
        """Sends a planned transaction. Raises OutboxError where the node does not take it; it is REFUSED then."""
        if item.status != ItemStatus.PLANNED:
            return
        try:
            self._web3.eth.send_raw_transaction(item.raw)
        except Web3Exception as error:
            item.status, item.reason = int(ItemStatus.REFUSED), str(error)
            with Session(self._engine, expire_on_commit=False) as session:
                session.merge(item)
                session.commit()
            raise OutboxError(f"{item.purpose} was not taken: {error}") from error

    def ensure_sent(self, purpose: str) -> None:
        """Signs and sends a purpose anew if the node refused it; otherwise nothing."""
        with Session(self._engine, expire_on_commit=False) as session:
            item = self._find(session, purpose)
            if item is None or item.status != ItemStatus.REFUSED:
                return
            self._sign_anew(session, item)
            session.commit()
        self.send(item)

    def once(
        self, purpose: str, agreement: str, function: str, args: Sequence[Any] = (), *, gas: int | None = None
    ) -> OutboxItem:
        """Plans and sends a call that no row of the caller's own belongs to. A known purpose is not sent again."""
        with Session(self._engine, expire_on_commit=False) as session:
            found = self._find(session, purpose)
            fresh = found is None or found.status == ItemStatus.REFUSED
            item = self.plan(session, purpose, agreement, function, args, gas=gas)
            session.commit()
        if fresh:
            self.send(item)
        return item

    def once_each(self, agreement: str, function: str, calls: Mapping[str, tuple[Sequence[Any], int]]) -> None:
        """`once` for batches of one function: purpose → (arguments, number of things in the batch).

        Gas is measured on the first that is new and given to the others by their size, since each thing costs alike:
        measuring executes a batch once more.
        """
        measured: tuple[int, int] | None = None
        for purpose, (args, size) in calls.items():
            gas = None if measured is None else -(-measured[0] * size // measured[1]) + _BATCH_GAS
            known = self.find(purpose) is not None
            item = self.once(purpose, agreement, function, args, gas=gas)
            if measured is None and not known:
                measured = (item.gas, size)

    def recover(self) -> int:
        """After a start: sends again what a crash kept from the node; how many. Call before anything is planned."""
        sent = 0
        for item in self._planned():
            try:
                self._client.receipt(item.hash)
            except ReceiptTimeout:
                continue
            except (UnknownTransaction, TransactionError):
                try:
                    self.send(item)
                except OutboxError:
                    self.ensure_sent(item.purpose)
                sent += 1
        return sent

    def _planned(self) -> list[OutboxItem]:
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(OutboxItem).where(OutboxItem.sender == self.sender, OutboxItem.status == ItemStatus.PLANNED)
            return list(session.exec(query.order_by(col(OutboxItem.nonce))).all())

    def settle(self) -> list[tuple[OutboxItem, TransactionReceipt]]:
        """After a block: what entered it, each with its receipt, marked in one database transaction.

        What the node dropped is REFUSED; asked for again it is signed anew.
        """
        found: list[tuple[OutboxItem, TransactionReceipt]] = []
        dropped: list[OutboxItem] = []
        for item in self._planned():
            try:
                found.append((item, self._client.receipt(item.hash)))
            except (ReceiptTimeout, UnknownTransaction):
                continue  # waits for a block, or was planned and not sent yet
            except TransactionError as error:
                item.status, item.reason = int(ItemStatus.REFUSED), error.what
                dropped.append(item)
        with Session(self._engine, expire_on_commit=False) as session:
            for item, receipt in found:
                item.status = ItemStatus.DONE if receipt.succeeded else ItemStatus.REVERTED
                item.block_number = receipt.block_number
                item.gas_used = receipt.gas_used
                item.reason = receipt.reason
                session.add(item)
            session.add_all(dropped)
            session.commit()
        return found

    def require_done(self, purpose: str) -> OutboxItem:
        """What was done for a purpose. Raises RevertedError with the reason, OutboxError while it waits."""
        item = self.find(purpose)
        if item is None or item.status in (ItemStatus.PLANNED, ItemStatus.REFUSED):
            raise OutboxError(f"{purpose} is not in a block")
        if item.status == ItemStatus.REVERTED:
            raise RevertedError(f"{purpose}: {item.reason or 'no reason given'}")
        return item
