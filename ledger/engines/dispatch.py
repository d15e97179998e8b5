"""Direct dispatch: runs a decoded contract on Python ints, delegating what it does not know to py-evm's opcodes.

The stack is py-evm's own list, memory its own bytearray, and gas a local variable that is written back whenever
somebody else looks. Why gas may be charged per segment stands in decode.py.
"""

from __future__ import annotations

from typing import Any, Final

from eth.exceptions import FullStack, Halt, InsufficientStack, InvalidInstruction, InvalidJumpDestination
from eth.exceptions import OutOfGas as OutOfGasError
from eth.exceptions import Revert as RevertError
from eth.vm.logic.invalid import InvalidOpcode

from contracts.hashing import keccak
from ledger.engines.decode import program_of
from ledger.engines.effects import call_precompile, expand, log, sload_gas, sstore
from ledger.engines.kinds import MASK

_WORD_GAS_KECCAK: Final = 6
_WORD_GAS_COPY: Final = 3
_BYTE_GAS_EXP: Final = 50


def run(computation: Any) -> None:
    """Runs the code of a computation to its end, as py-evm's own loop does.

    Raises py-evm's VMError subclasses, which the computation's context manager turns into the frame's error.
    """
    instructions, jumps = program_of(computation.msg.code)
    meter = computation._gas_meter
    gas: int = meter.gas_remaining
    stack: list[int] = computation._stack.values
    push = stack.append
    pop = stack.pop
    memory = computation._memory
    mem: bytearray = memory._bytes
    size = len(mem)
    data: bytes = computation.msg.data_as_bytes
    accounts = computation.state._account_db
    address: bytes = computation.msg.storage_address
    at = 0
    while True:
        kind, arg = instructions[at]
        at += 1
        if kind < 8:
            if kind < 4:
                if kind < 2:
                    if kind:  # SEGMENT
                        cost, need, room = arg
                        gas -= cost
                        if gas < 0:
                            raise OutOfGasError("out of gas")
                        if len(stack) < need:
                            raise InsufficientStack("stack underflow")
                        if len(stack) > room:
                            raise FullStack("stack limit reached")
                    else:  # PUSH
                        push(arg)
                elif kind == 2:  # DUP
                    push(stack[arg])
                else:  # PUSH_MLOAD
                    if arg + 32 > size:
                        gas = expand(computation, gas, arg, 32)
                        mem = memory._bytes
                        size = len(mem)
                    push(int.from_bytes(mem[arg : arg + 32], "big"))
            elif kind < 6:
                if kind == 4:  # SWAP
                    stack[-1], stack[arg] = stack[arg], stack[-1]
                else:  # PUSH_MSTORE
                    if arg + 32 > size:
                        gas = expand(computation, gas, arg, 32)
                        mem = memory._bytes
                        size = len(mem)
                    mem[arg : arg + 32] = pop().to_bytes(32, "big")
            elif (pop() != 0) == (kind == 6):  # JUMP_IF_TO, JUMP_UNLESS_TO
                if arg < 0:
                    raise InvalidJumpDestination("no JUMPDEST there")
                at = arg
        elif kind < 19:
            if kind < 12:
                if kind < 10:
                    if kind == 8:  # ADD
                        top = pop()
                        stack[-1] = (stack[-1] + top) & MASK
                    else:  # PUSH_ADD
                        stack[-1] = (stack[-1] + arg) & MASK
                elif kind == 10:  # POP
                    pop()
                else:  # MSTORE
                    top = pop()
                    if top + 32 > size:
                        gas = expand(computation, gas, top, 32)
                        mem = memory._bytes
                        size = len(mem)
                    mem[top : top + 32] = pop().to_bytes(32, "big")
            elif kind < 15:
                if kind == 12:  # MLOAD
                    top = stack[-1]
                    if top + 32 > size:
                        gas = expand(computation, gas, top, 32)
                        mem = memory._bytes
                        size = len(mem)
                    stack[-1] = int.from_bytes(mem[top : top + 32], "big")
                elif kind == 13:  # AND
                    top = pop()
                    stack[-1] &= top
                else:  # PUSH_AND
                    stack[-1] &= arg
            elif kind == 15:  # PUSH_SHR
                stack[-1] = stack[-1] >> arg if arg < 256 else 0
            elif kind == 16:  # PUSH_SHL
                stack[-1] = (stack[-1] << arg) & MASK if arg < 256 else 0
            elif kind == 17:  # JUMP_TO
                if arg < 0:
                    raise InvalidJumpDestination("no JUMPDEST there")
                at = arg
            else:  # ISZERO
                stack[-1] = 0 if stack[-1] else 1
        elif kind < 31:
            if kind < 25:
                if kind < 22:
                    if kind == 19:  # CALLDATALOAD
                        top = stack[-1]
                        word = data[top : top + 32]
                        stack[-1] = int.from_bytes(word if len(word) == 32 else word.ljust(32, b"\x00"), "big")
                    elif kind == 20:  # SUB
                        top = pop()
                        stack[-1] = (top - stack[-1]) & MASK
                    else:  # OR
                        top = pop()
                        stack[-1] |= top
                else:
                    top = pop()
                    if kind == 22:  # EQ
                        stack[-1] = 1 if top == stack[-1] else 0
                    elif kind == 23:  # LT
                        stack[-1] = 1 if top < stack[-1] else 0
                    else:  # GT
                        stack[-1] = 1 if top > stack[-1] else 0
            elif kind == 29:  # NOT
                stack[-1] ^= MASK
            else:
                top = pop()
                if kind == 25:  # MUL
                    stack[-1] = (top * stack[-1]) & MASK
                elif kind == 26:  # SHR
                    stack[-1] = stack[-1] >> top if top < 256 else 0
                elif kind == 27:  # SHL
                    stack[-1] = (stack[-1] << top) & MASK if top < 256 else 0
                elif kind == 28:  # XOR
                    stack[-1] ^= top
                else:  # DIV
                    stack[-1] = top // stack[-1] if stack[-1] else 0
        elif kind < 35:
            if kind == 31:  # KECCAK
                top = pop()
                length = stack[-1]
                if length and top + length > size:
                    gas = expand(computation, gas, top, length)
                    mem = memory._bytes
                    size = len(mem)
                gas -= _WORD_GAS_KECCAK * ((length + 31) >> 5)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                stack[-1] = int.from_bytes(keccak(bytes(mem[top : top + length])), "big")
            elif kind == 32:  # CALLDATACOPY
                top, source, length = pop(), pop(), pop()
                gas -= _WORD_GAS_COPY * ((length + 31) >> 5)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                if length:
                    if top + length > size:
                        gas = expand(computation, gas, top, length)
                        mem = memory._bytes
                        size = len(mem)
                    mem[top : top + length] = data[source : source + length].ljust(length, b"\x00")
            elif kind == 33:  # SLOAD
                slot = stack[-1]
                gas -= sload_gas(accounts, address, slot)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                storage = accounts.storages.get(address) or accounts.storage(address)
                value = storage.values.get(slot)
                stack[-1] = storage.get(slot) if value is None else value
            else:  # SSTORE
                gas -= sstore(computation, accounts, address, gas, pop(), pop())
                if gas < 0:
                    raise OutOfGasError("out of gas")
        elif kind < 39:
            if kind == 35:  # JUMP
                at = jumps.get(pop(), -1)
                if at < 0:
                    raise InvalidJumpDestination("no JUMPDEST there")
            elif kind == 36:  # JUMPI
                top = pop()
                if pop():
                    at = jumps.get(top, -1)
                    if at < 0:
                        raise InvalidJumpDestination("no JUMPDEST there")
            elif kind == 37:  # MCOPY
                top, source, length = pop(), pop(), pop()
                gas -= _WORD_GAS_COPY * ((length + 31) >> 5)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                if length:
                    if max(top, source) + length > size:
                        gas = expand(computation, gas, max(top, source), length)
                        mem = memory._bytes
                        size = len(mem)
                    mem[top : top + length] = mem[source : source + length]
            else:  # STATICCALL
                left = call_precompile(computation, accounts, stack, gas)
                gas = _delegate(computation, meter, gas, arg) if left is None else left
                mem = memory._bytes
                size = len(mem)
        elif kind == 39:  # CONTEXT
            push(arg(computation))
        elif kind == 40:  # BINARY
            top = pop()
            stack[-1] = arg(top, stack[-1])
        elif kind == 41:  # TERNARY
            top, second = pop(), pop()
            stack[-1] = arg(top, second, stack[-1])
        elif kind == 42:  # LOG
            gas = log(computation, stack, gas, arg)
            mem = memory._bytes
            size = len(mem)
        elif kind == 43:  # GAS
            push(gas)
        elif kind == 44:  # EXP
            top = pop()
            exponent = stack[-1]
            gas -= _BYTE_GAS_EXP * ((exponent.bit_length() + 7) >> 3)
            if gas < 0:
                raise OutOfGasError("out of gas")
            stack[-1] = pow(top, exponent, MASK + 1)
        elif kind < 47:  # RETURN, REVERT
            top, length = pop(), pop()
            if length and top + length > size:
                gas = expand(computation, gas, top, length)
            computation.output = memory.read_bytes(top, length)
            meter.gas_remaining = gas
            if kind == 46:
                raise RevertError(computation.output)
            return
        elif kind == 47:  # STOP
            meter.gas_remaining = gas
            return
        else:  # DELEGATE
            try:
                gas = _delegate(computation, meter, gas, arg)
            except Halt:
                return
            mem = memory._bytes
            size = len(mem)


def _delegate(computation: Any, meter: Any, gas: int, arg: Any) -> int:
    """Runs py-evm's own opcode object; returns the gas left."""
    opcode_object, pc, opcode = arg
    if opcode_object is None:
        InvalidOpcode(opcode)(computation)
        raise InvalidInstruction("invalid opcode")
    meter.gas_remaining = gas
    computation.code.program_counter = pc
    opcode_object(computation=computation)
    stack = computation._stack.values
    if stack and type(stack[-1]) is bytes:
        stack[-1] = int.from_bytes(stack[-1], "big")
    left: int = meter.gas_remaining
    return left
