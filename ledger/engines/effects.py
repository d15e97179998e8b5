"""The instructions with effects that direct dispatch runs itself: memory growth, storage, logs, cheap precompiles."""

from __future__ import annotations

from typing import Any, Final

from eth.exceptions import OutOfGas as OutOfGasError
from eth.exceptions import WriteProtection

from ledger.engines.accounts import DirectAccountDB
from ledger.engines.precompiles import CHEAP_PRECOMPILES

# EIP-2929, EIP-2200, EIP-3529, in gas.
_COLD_SLOAD: Final = 2100
_WARM_READ: Final = 100
_SSTORE_SET: Final = 20_000
_SSTORE_RESET: Final = 5_000 - _COLD_SLOAD
_SSTORE_CLEARS: Final = 4_800
_SSTORE_SENTRY: Final = 2_300
_LOG_TOPIC: Final = 375
_LOG_BYTE: Final = 8
_MAX_DEPTH: Final = 1024


def expand(computation: Any, gas: int, start: int, length: int) -> int:
    """Grows memory to cover `length` bytes from `start`; returns the gas left. Raises OutOfGas."""
    memory = computation._memory
    words = (start + length + 31) >> 5
    had = len(memory._bytes) >> 5
    if words <= had:
        return gas
    gas -= 3 * (words - had) + words * words // 512 - had * had // 512
    if gas < 0:
        raise OutOfGasError("out of gas for memory")
    memory.extend(start, length)
    return gas


def sload_gas(accounts: DirectAccountDB, address: bytes, slot: int) -> int:
    """What reading a slot costs; it is warm from now on (EIP-2929)."""
    if (address, slot) in accounts.warm:
        return _WARM_READ
    accounts.mark_storage_warm(address, slot)
    return _COLD_SLOAD


def sstore(computation: Any, accounts: DirectAccountDB, address: bytes, gas: int, slot: int, value: int) -> int:
    """Writes a slot and books its refund; returns what it costs (EIP-2200 with EIP-2929's and EIP-3529's figures)."""
    if computation.msg.is_static:
        raise WriteProtection("SSTORE within STATICCALL")
    if gas <= _SSTORE_SENTRY:
        raise OutOfGasError("SSTORE needs more than 2300 gas left")
    current = accounts.get_storage(address, slot)
    cost, refund = _WARM_READ, 0
    if current != value:
        original = accounts.get_storage(address, slot, from_journal=False)
        if original == current:
            cost = _SSTORE_RESET if original else _SSTORE_SET
            if original and not value:
                refund = _SSTORE_CLEARS
        else:
            if original:
                refund += _SSTORE_CLEARS * ((value == 0) - (current == 0))
            if original == value:
                refund += (_SSTORE_RESET if original else _SSTORE_SET) - _WARM_READ
    if (address, slot) not in accounts.warm:
        accounts.mark_storage_warm(address, slot)
        cost += _COLD_SLOAD
    if cost <= gas:
        if refund:
            computation.refund_gas(refund)
        accounts.set_storage(address, slot, value)
    return cost


def log(computation: Any, stack: list[int], gas: int, topics: int) -> int:
    """Logs with `topics` topics; returns the gas left."""
    if computation.msg.is_static:
        raise WriteProtection("LOG within STATICCALL")
    start, length = stack.pop(), stack.pop()
    words = tuple(stack.pop() for _ in range(topics))
    gas -= _LOG_BYTE * length + _LOG_TOPIC * topics
    if gas < 0:
        raise OutOfGasError("out of gas")
    if length:
        gas = expand(computation, gas, start, length)
    counter = computation.transaction_context.get_next_log_counter()
    entry = (counter, computation.msg.storage_address, words, computation._memory.read_bytes(start, length))
    computation._log_entries.append(entry)
    return gas


def call_precompile(computation: Any, accounts: DirectAccountDB, stack: list[int], gas: int) -> int | None:
    """Runs STATICCALL to a cheap precompile without a frame; returns the gas left, or None to have py-evm do it.

    A frame of a precompile leaves nothing but its output: the one account it touches is removed again at the end of
    the transaction (EIP-161). Where that account stands in the state, which a genesis can bring about, py-evm does it.
    """
    if len(stack) < 6:
        return None
    precompile = CHEAP_PRECOMPILES.get(stack[-2])
    if precompile is None or computation.msg.depth >= _MAX_DEPTH:
        return None
    if accounts.account(stack[-2].to_bytes(20, "big")) is not None:
        return None
    wanted, _, start, length, out_start, out_length = (stack.pop() for _ in range(6))
    if length:
        gas = expand(computation, gas, start, length)
    if out_length:
        gas = expand(computation, gas, out_start, out_length)
    # Precompiles are always warm.
    gas -= _WARM_READ
    if gas < 0:
        raise OutOfGasError("out of gas")
    memory = computation._memory
    allowed = min(wanted, gas - gas // 64)
    cost, execute = precompile
    data = memory.read_bytes(start, length)
    fee = cost(length)
    if fee > allowed:
        computation.return_data = b""
        stack.append(0)
        return gas - allowed
    output = execute(data)
    computation.return_data = output
    stack.append(1)
    written = min(out_length, len(output))
    memory._bytes[out_start : out_start + written] = output[:written]
    return gas - fee
