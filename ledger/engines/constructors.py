"""Runs constructors at fixed addresses, so that genesis can hold agreements as they leave them (money.md §6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from eth.abc import BlockHeaderAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.db.atomic import AtomicDB
from eth.vm.chain_context import ChainContext
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.state import CancunState
from eth.vm.message import Message
from eth_typing import Address

from ledger.errors import ConfigurationError

# Constructors run outside of any block; the bound only ends one that never would.
_CONSTRUCTOR_GAS: Final = 1 << 32
# Nobody deploys genesis: msg.sender of a constructor is the zero address.
_NOBODY: Final = Address(bytes(20))


@dataclass(slots=True)
class Account:
    """An account of genesis: code, storage by slot, nonce, native balance in wei."""

    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)
    nonce: int = 0
    balance: int = 0


class _RecordingState(CancunState):
    """Notes which slots are written: the trie keeps only hashes of slot numbers, a genesis file wants the numbers."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.written: set[tuple[bytes, int]] = set()

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        self.written.add((address, slot))
        super().set_storage(address, slot, value)


def run_constructors(
    initcodes: Iterable[tuple[str, bytes, bytes]],
    alloc: dict[bytes, Account],
    header: BlockHeaderAPI,
    chain_id: int,
) -> dict[bytes, Account]:
    """The accounts after running each (name, address, initcode) in order, on top of `alloc`.

    `header` gives the constructors their block (number 0, genesis time). Raises ConfigurationError where a
    constructor fails, names an occupied address, or logs: genesis holds no logs.
    """
    environment = CancunVM.create_execution_context(header, (), ChainContext(chain_id))
    state = _RecordingState(AtomicDB(), environment, header.state_root)
    for address, account in alloc.items():
        _place(state, Address(address), account)
    touched = dict.fromkeys(alloc)
    for name, address, initcode in initcodes:
        _construct(state, name, Address(address), initcode)
        touched[address] = None
    touched |= dict.fromkeys(address for address, _ in sorted(state.written))
    return {address: _read(state, Address(address)) for address in touched}


def _place(state: _RecordingState, address: Address, account: Account) -> None:
    state.set_balance(address, account.balance)
    state.set_nonce(address, account.nonce)
    state.set_code(address, account.code)
    for slot, value in account.storage.items():
        state.set_storage(address, slot, value)


def _construct(state: _RecordingState, name: str, address: Address, initcode: bytes) -> None:
    if state.account_exists(address) and state.has_code_or_nonce(address):
        raise ConfigurationError(f"{name}: 0x{address.hex()} is occupied")
    message = Message(
        gas=_CONSTRUCTOR_GAS,
        to=CREATE_CONTRACT_ADDRESS,
        sender=_NOBODY,
        value=0,
        data=b"",
        code=initcode,
        create_address=address,
    )
    context = state.get_transaction_context_class()(gas_price=0, origin=_NOBODY)
    state.lock_changes()
    computation = state.computation_class.apply_create_message(state, message, context)
    if computation.is_error:
        raise ConfigurationError(f"the constructor of {name} failed: {computation.error!r}")
    if computation.get_log_entries():
        raise ConfigurationError(f"the constructor of {name} logs; genesis holds no logs")


def _read(state: _RecordingState, address: Address) -> Account:
    slots = sorted(slot for owner, slot in state.written if owner == address)
    storage = {slot: value for slot in slots if (value := state.get_storage(address, slot))}
    return Account(state.get_code(address), storage, state.get_nonce(address), state.get_balance(address))
