"""The accounts of a state while a block runs: dictionaries with one undo log, on top of buffered tries.

Takes the place of py-evm's AccountDB, which keeps five journals, copies and re-encodes an account at every change and
records every node it reads. The rules are the same ones; the differential tests compare the roots.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from eth.abc import AccountDatabaseAPI
from eth.constants import EMPTY_SHA3
from eth.typing import JournalDBCheckpoint
from eth_typing import Hash32
from lru import LRU
from rlp.codec import decode_raw, encode_raw

from contracts.hashing import keccak
from ledger.engines.base import Nodes
from ledger.engines.errors import StateMissing
from ledger.engines.limits import CODE_CACHE, NODE_CACHE
from ledger.engines.tries import BLANK_ROOT, NodeCache, Trie

_ABSENT: Final = object()
_CLEAR: Final = object()


class Caches:
    """What an engine keeps from block to block: only what a hash names, so nothing in it can be out of date."""

    def __init__(self) -> None:
        self.nodes = NodeCache(NODE_CACHE)
        self.codes: Any = LRU(CODE_CACHE)


class AccountState(NamedTuple):
    """An account as the trie holds it; balance in wei."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = BLANK_ROOT
    code_hash: bytes = EMPTY_SHA3


_EMPTY: Final = AccountState()


class Storage:
    """The words of one account: `values` as they are now, `before` as the transaction found those it wrote."""

    __slots__ = ("before", "trie", "values", "written")

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self.values: dict[int, int] = {}
        self.before: dict[int, int] = {}
        self.written: set[int] = set()

    def get(self, slot: int) -> int:
        """The word of a slot now."""
        value = self.values.get(slot)
        if value is None:
            encoded = self.trie.get(keccak(slot.to_bytes(32, "big")))
            value = int.from_bytes(decode_raw(encoded, True, False)[0], "big") if encoded else 0
            self.values[slot] = value
        return value


class DirectAccountDB(AccountDatabaseAPI):
    """py-evm's account database over dictionaries. `Nodes` are read; `persist_into` hands the new ones over."""

    def __init__(self, nodes: Nodes, state_root: bytes, caches: Caches) -> None:
        self._nodes = nodes
        self._caches = caches
        self._trie = Trie(nodes, state_root, caches.nodes)
        self._root = state_root
        self._accounts: dict[bytes, AccountState | None] = {}
        self._dirty: set[bytes] = set()
        self._codes: dict[bytes, bytes] = {}
        self.storages: dict[bytes, Storage] = {}
        self._stored: set[bytes] = set()
        self.transient: dict[tuple[bytes, int], bytes] = {}
        # Addresses, and (address, slot) pairs, that the transaction has touched (EIP-2929).
        self.warm: dict[Any, bool] = {}
        # (dictionary, key, former value): undone from the end.
        self.undo: list[tuple[Any, Any, Any]] = []
        self._written_now: list[Storage] = []

    # -- accounts

    def account(self, address: bytes) -> AccountState | None:
        """The account, or None where there is none."""
        accounts = self._accounts
        if address in accounts:
            return accounts[address]
        encoded = self._trie.get(keccak(address))
        account = _decoded(encoded) if encoded else None
        accounts[address] = account
        return account

    def _set(self, address: bytes, account: AccountState | None) -> None:
        self.undo.append((self._accounts, address, self.account(address)))
        self._accounts[address] = account
        self._dirty.add(address)

    def get_balance(self, address: bytes) -> int:
        return (self.account(address) or _EMPTY).balance

    def set_balance(self, address: bytes, balance: int) -> None:
        self._set(address, (self.account(address) or _EMPTY)._replace(balance=balance))

    def get_nonce(self, address: bytes) -> int:
        return (self.account(address) or _EMPTY).nonce

    def set_nonce(self, address: bytes, nonce: int) -> None:
        self._set(address, (self.account(address) or _EMPTY)._replace(nonce=nonce))

    def increment_nonce(self, address: bytes) -> None:
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code_hash(self, address: bytes) -> Hash32:
        return Hash32((self.account(address) or _EMPTY).code_hash)

    def get_code(self, address: bytes) -> bytes:
        code_hash = self.get_code_hash(address)
        if code_hash == EMPTY_SHA3:
            return b""
        code: bytes | None = self._codes.get(code_hash) or self._caches.codes.get(code_hash)
        if code is None:
            code = self._nodes.get(code_hash)
            if code is None:
                raise StateMissing(f"code 0x{code_hash.hex()} is missing")
            self._caches.codes[code_hash] = code
        return code

    def set_code(self, address: bytes, code: bytes) -> None:
        code_hash = keccak(code)
        if code:
            self._codes[code_hash] = code
        self._set(address, (self.account(address) or _EMPTY)._replace(code_hash=code_hash))

    def delete_code(self, address: bytes) -> None:
        self._set(address, (self.account(address) or _EMPTY)._replace(code_hash=EMPTY_SHA3))

    def account_exists(self, address: bytes) -> bool:
        return self.account(address) is not None

    def account_has_code_or_nonce(self, address: bytes) -> bool:
        account = self.account(address)
        return account is not None and (account.nonce != 0 or account.code_hash != EMPTY_SHA3)

    def account_is_empty(self, address: bytes) -> bool:
        account = self.account(address)
        return account is None or (account.nonce == 0 and account.balance == 0 and account.code_hash == EMPTY_SHA3)

    def touch_account(self, address: bytes) -> None:
        if self.account(address) is None:
            self._set(address, _EMPTY)

    def delete_account(self, address: bytes) -> None:
        self._wipe(address)
        self._set(address, None)

    # -- storage

    def storage(self, address: bytes) -> Storage:
        """The words of an account."""
        storage = self.storages.get(address)
        if storage is None:
            root = (self.account(address) or _EMPTY).storage_root
            storage = self.storages[address] = Storage(Trie(self._nodes, root, self._caches.nodes))
        return storage

    def get_storage(self, address: bytes, slot: int, from_journal: bool = True) -> int:
        storage = self.storage(address)
        if not from_journal and slot in storage.before:
            return storage.before[slot]
        return storage.get(slot)

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        storage = self.storage(address)
        former = storage.get(slot)
        self.undo.append((storage.values, slot, former))
        if not storage.before:
            self._written_now.append(storage)
        storage.before.setdefault(slot, former)
        storage.values[slot] = value
        storage.written.add(slot)
        self._stored.add(address)

    def delete_storage(self, address: bytes) -> None:
        self._wipe(address)
        self._set(address, (self.account(address) or _EMPTY)._replace(storage_root=BLANK_ROOT))

    def _wipe(self, address: bytes) -> None:
        # The storage is opened first: an undo must find it at its root, not at the one the account has by then.
        self.undo.append((self.storages, address, self.storage(address)))
        self.storages[address] = Storage(Trie(self._nodes, BLANK_ROOT, self._caches.nodes))
        self._stored.add(address)

    # -- what a transaction has touched, and its transient words (EIP-2929, EIP-1153)

    def is_address_warm(self, address: bytes) -> bool:
        return address in self.warm

    def mark_address_warm(self, address: bytes) -> None:
        if address not in self.warm:
            self.undo.append((self.warm, address, _ABSENT))
            self.warm[address] = True

    def is_storage_warm(self, address: bytes, slot: int) -> bool:
        return (address, slot) in self.warm

    def mark_storage_warm(self, address: bytes, slot: int) -> None:
        self.mark_address_warm((address, slot))  # type: ignore[arg-type]  # one dictionary for both kinds

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Sets a transient word of the transaction."""
        key = (address, slot)
        self.undo.append((self.transient, key, self.transient.get(key, _ABSENT)))
        self.transient[key] = value

    # -- checkpoints

    def record(self) -> JournalDBCheckpoint:
        return JournalDBCheckpoint(len(self.undo))

    def discard(self, checkpoint: JournalDBCheckpoint) -> None:
        undo = self.undo
        while len(undo) > checkpoint:
            target, key, former = undo.pop()
            if former is _ABSENT:
                del target[key]
            else:
                target[key] = former

    def commit(self, checkpoint: JournalDBCheckpoint) -> None:
        """Nothing to do: what happened since stays in the log, for an outer checkpoint to undo."""

    def lock_changes(self) -> None:
        """A transaction begins: what its forerunners wrote is what it finds, and nothing is warm."""
        self.undo.clear()
        for storage in self._written_now:
            storage.before.clear()
        self._written_now.clear()
        self.warm.clear()

    # -- roots

    @property
    def state_root(self) -> Hash32:
        return Hash32(self._root)

    @state_root.setter
    def state_root(self, value: Hash32) -> None:
        raise NotImplementedError("a state is opened at its root and stays there")

    def has_root(self, state_root: bytes) -> bool:
        return self._nodes.get(state_root) is not None

    def make_state_root(self) -> Hash32:
        raise NotImplementedError("the engine takes root and nodes with persist_into")

    def persist(self) -> Any:
        raise NotImplementedError("the engine takes the nodes with persist_into")

    def persist_into(self, nodes: dict[bytes, bytes]) -> bytes:
        """Hashes all tries, adds new nodes and codes to `nodes`, and returns the state root."""
        for address in self._stored:
            storage = self.storages[address]
            storage.trie.update(_words(storage))
            root = storage.trie.commit(nodes)
            storage.written.clear()
            account = self.account(address)
            if (account is not None and account.storage_root != root) or (account is None and root != BLANK_ROOT):
                self._accounts[address] = (account or _EMPTY)._replace(storage_root=root)
                self._dirty.add(address)
        updates = []
        for address in self._dirty:
            account = self._accounts[address]
            updates.append((keccak(address), _encoded(account) if account is not None else b""))
            if account is not None and account.code_hash in self._codes:
                nodes[account.code_hash] = self._codes[account.code_hash]
        self._trie.update(updates)
        self._root = self._trie.commit(nodes)
        self._stored.clear()
        self._dirty.clear()
        self.undo.clear()
        return self._root


def _words(storage: Storage) -> list[tuple[bytes, bytes]]:
    values = storage.values
    return [
        (
            keccak(slot.to_bytes(32, "big")),
            encode_raw(values[slot].to_bytes((values[slot].bit_length() + 7) // 8, "big")) if values[slot] else b"",
        )
        for slot in storage.written
        if slot in values
    ]


def _int(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _encoded(account: AccountState) -> bytes:
    encoded: bytes = encode_raw([_int(account.nonce), _int(account.balance), account.storage_root, account.code_hash])
    return encoded


def _decoded(encoded: bytes) -> AccountState:
    nonce, balance, storage_root, code_hash = decode_raw(encoded, True, False)[0]
    return AccountState(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)
