"""Runs one program on both engines' states and writes down everything that must be alike."""

from __future__ import annotations

import functools
from typing import Any

from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import VMError
from eth.vm.forks.spurious_dragon._utils import collect_touched_accounts
from eth.vm.message import Message

from ledger.engines.accounts import Caches, DirectAccountDB
from ledger.engines.base import BlockEnvironment
from ledger.engines.direct import DirectState
from ledger.engines.pyevm import execution_context
from ledger.engines.stock import Overlay, StockState
from ledger.engines.tries import BLANK_ROOT
from tests.ledger.engines.programs import ALICE, COINBASE, HELPERS, MAIN, ORIGIN, RICH, Case

CREATED = bytes.fromhex("cc" * 20)
ENVIRONMENT = BlockEnvironment(
    chain_id=4242,
    number=77,
    timestamp=1_760_000_000,
    gas_limit=60_000_000,
    coinbase=COINBASE,
    prev_randao=bytes(range(32)),
    ancestors=lambda: [bytes([n]) * 32 for n in range(1, 78)],
)
_SLOTS = (0, 1, 2, 3, 4, 5)


@functools.cache
def world() -> tuple[dict[bytes, bytes], bytes]:
    """Nodes and root of the state every program starts from."""
    overlay = Overlay({})
    state = StockState(overlay, execution_context(ENVIRONMENT), BLANK_ROOT)
    for address in (RICH, ORIGIN, MAIN, ALICE):
        state.set_balance(address, 10**18)
    for address in (MAIN, *HELPERS):
        state.set_nonce(address, 1)
        for slot in (0, 2, 4):
            state.set_storage(address, slot, slot + 1)
    for n in range(40):
        state.set_balance(bytes([n]) * 19 + b"\x55", n + 1)
    state.persist()
    return overlay.new, state.state_root


def run_stock(case: Case) -> dict[str, Any]:
    """The case on py-evm."""
    nodes, root = world()
    overlay = Overlay(nodes)
    state = StockState(overlay, execution_context(ENVIRONMENT), root)
    seen = _run(state, case)
    state.persist()
    return seen | {"root": bytes(state.state_root)}


_CACHES = Caches()


def run_direct(case: Case) -> dict[str, Any]:
    """The case on direct dispatch."""
    nodes, root = world()
    accounts = DirectAccountDB(nodes, root, _CACHES)
    state = DirectState(accounts, ENVIRONMENT)
    seen = _run(state, case)
    return seen | {"root": accounts.persist_into({})}


def _run(state: Any, case: Case) -> dict[str, Any]:
    for address, code in zip(HELPERS, case.helpers, strict=True):
        state.set_code(address, code)
    state.set_code(MAIN, case.code)
    state.lock_changes()
    for address in (ORIGIN, MAIN):
        state.mark_address_warm(address)
    message = Message(
        gas=case.gas,
        to=CREATE_CONTRACT_ADDRESS if case.create else MAIN,
        sender=ORIGIN,
        value=0 if case.static else case.value,
        data=b"" if case.create else case.data,
        code=case.code,
        create_address=CREATED if case.create else None,
        is_static=case.static and not case.create,
    )
    context = state.get_transaction_context_class()(gas_price=0, origin=ORIGIN)
    kind = state.computation_class
    apply = kind.apply_create_message if case.create else kind.apply_message
    computation = apply(state, message, context)
    error: VMError | None = computation.error if computation.is_error else None
    seen: dict[str, Any] = {
        "status": "success" if error is None else "burns" if error.burns_gas else "revert",
        "gas_left": computation.get_gas_remaining(),
        "refund": computation.get_gas_refund(),
        "logs": computation.get_log_entries(),
        "output": bytes(computation.output),
        "deleted": sorted(computation.get_accounts_for_deletion()),
        "beneficiaries": sorted(set(computation.get_self_destruct_beneficiaries())),
        "storage": [state.get_storage(address, slot) for address in (MAIN, *HELPERS, CREATED) for slot in _SLOTS],
        "balances": [state.get_balance(address) for address in (MAIN, *HELPERS, RICH, ORIGIN, COINBASE, CREATED)],
    }
    if error is None or not error.burns_gas:
        stack = computation._stack.values
        seen["stack"] = [int.from_bytes(item, "big") if isinstance(item, bytes) else item for item in stack]
        seen["memory"] = computation._memory.read_bytes(0, len(computation._memory))
        seen["return_data"] = bytes(computation.return_data)
    for address in computation.get_accounts_for_deletion():
        state.delete_account(address)
    for address in collect_touched_accounts(computation):
        if state.account_exists(address) and state.account_is_empty(address):
            state.delete_account(address)
    state.clear_transient_storage()
    return seen
