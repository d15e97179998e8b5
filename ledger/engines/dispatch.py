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
from sha3 import keccak_256

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
        elif kind < 16:
            if kind < 12:
                if kind < 10:
                    if kind == 8:  # POP
                        pop()
                    else:  # SWAP_POP
                        top = pop()
                        stack[arg + 1] = top
                elif kind == 10:  # PUSH_SHL
                    stack[-1] = (stack[-1] << arg) & MASK if arg < 256 else 0
                else:  # AND
                    top = pop()
                    stack[-1] &= top
            elif kind < 14:
                if kind == 12:  # ADD
                    top = pop()
                    stack[-1] = (stack[-1] + top) & MASK
                else:  # DUP_ADD
                    stack[-1] = (stack[-1] + stack[arg]) & MASK
            elif kind == 14:  # PUSH_SHR
                stack[-1] = stack[-1] >> arg if arg < 256 else 0
            else:  # PUSH_ADD
                stack[-1] = (stack[-1] + arg) & MASK
        elif kind < 32:
            if kind < 22:
                if kind < 19:
                    if kind == 16:  # OR
                        top = pop()
                        stack[-1] |= top
                    elif kind == 17:  # MSTORE
                        top = pop()
                        if top + 32 > size:
                            gas = expand(computation, gas, top, 32)
                            mem = memory._bytes
                            size = len(mem)
                        mem[top : top + 32] = pop().to_bytes(32, "big")
                    else:  # MLOAD
                        top = stack[-1]
                        if top + 32 > size:
                            gas = expand(computation, gas, top, 32)
                            mem = memory._bytes
                            size = len(mem)
                        stack[-1] = int.from_bytes(mem[top : top + 32], "big")
                elif kind == 19:  # XOR
                    top = pop()
                    stack[-1] ^= top
                elif kind == 20:  # KECCAK
                    top = pop()
                    length = stack[-1]
                    if length and top + length > size:
                        gas = expand(computation, gas, top, length)
                        mem = memory._bytes
                        size = len(mem)
                    gas -= _WORD_GAS_KECCAK * ((length + 31) >> 5)
                    if gas < 0:
                        raise OutOfGasError("out of gas")
                    stack[-1] = int.from_bytes(keccak_256(mem[top : top + length]).digest(), "big")
                else:  # SUB
                    top = pop()
                    stack[-1] = (top - stack[-1]) & MASK
            elif kind < 27:
                if kind == 25:  # ISZERO
                    stack[-1] = 0 if stack[-1] else 1
                else:
                    top = pop()
                    if kind == 22:  # LT
                        stack[-1] = 1 if top < stack[-1] else 0
                    elif kind == 23:  # GT
                        stack[-1] = 1 if top > stack[-1] else 0
                    elif kind == 24:  # MUL
                        stack[-1] = (top * stack[-1]) & MASK
                    else:  # EQ
                        stack[-1] = 1 if top == stack[-1] else 0
            elif kind == 27:  # JUMP_TO
                if arg < 0:
                    raise InvalidJumpDestination("no JUMPDEST there")
                at = arg
            elif kind == 28:  # PUSH_AND
                stack[-1] &= arg
            elif kind == 31:  # NOT
                stack[-1] ^= MASK
            else:
                top = pop()
                if kind == 29:  # SHR
                    stack[-1] = stack[-1] >> top if top < 256 else 0
                else:  # SHL
                    stack[-1] = (stack[-1] << top) & MASK if top < 256 else 0
        elif kind < 37:
            if kind == 32:  # CALLDATALOAD
                top = stack[-1]
                word = data[top : top + 32]
                stack[-1] = int.from_bytes(word if len(word) == 32 else word.ljust(32, b"\x00"), "big")
            elif kind == 33:  # SLOAD
                slot = stack[-1]
                gas -= sload_gas(accounts, address, slot)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                storage = accounts.storages.get(address) or accounts.storage(address)
                value = storage.values.get(slot)
                stack[-1] = storage.get(slot) if value is None else value
            elif kind == 34:  # SSTORE
                gas -= sstore(computation, accounts, address, gas, pop(), pop())
                if gas < 0:
                    raise OutOfGasError("out of gas")
            elif kind == 35:  # MCOPY
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
            else:  # DIV
                top = pop()
                stack[-1] = top // stack[-1] if stack[-1] else 0
        elif kind < 41:
            if kind == 37:  # COPY: of code, or of calldata where there is no argument
                top, source, length = pop(), pop(), pop()
                gas -= _WORD_GAS_COPY * ((length + 31) >> 5)
                if gas < 0:
                    raise OutOfGasError("out of gas")
                if length:
                    if top + length > size:
                        gas = expand(computation, gas, top, length)
                        mem = memory._bytes
                        size = len(mem)
                    copied = (data if arg is None else arg)[source : source + length]
                    mem[top : top + length] = copied.ljust(length, b"\x00")
            elif kind == 38:  # JUMP
                at = jumps.get(pop(), -1)
                if at < 0:
                    raise InvalidJumpDestination("no JUMPDEST there")
            elif kind == 39:  # JUMPI
                top = pop()
                if pop():
                    at = jumps.get(top, -1)
                    if at < 0:
                        raise InvalidJumpDestination("no JUMPDEST there")
            else:  # STATICCALL
                left = call_precompile(computation, accounts, stack, gas)
                gas = _delegate(computation, meter, gas, arg) if left is None else left
                mem = memory._bytes
                size = len(mem)
        elif kind == 41:  # CONTEXT
            push(arg(computation))
        elif kind == 42:  # BINARY
            top = pop()
            stack[-1] = arg(top, stack[-1])
        elif kind == 43:  # TERNARY
            top, second = pop(), pop()
            stack[-1] = arg(top, second, stack[-1])
        elif kind == 44:  # LOG
            gas = log(computation, stack, gas, arg)
            mem = memory._bytes
            size = len(mem)
        elif kind == 45:  # GAS
            push(gas)
        elif kind == 46:  # EXP
            top = pop()
            exponent = stack[-1]
            gas -= _BYTE_GAS_EXP * ((exponent.bit_length() + 7) >> 3)
            if gas < 0:
                raise OutOfGasError("out of gas")
            stack[-1] = pow(top, exponent, MASK + 1)
        elif kind < 49:  # RETURN, REVERT
            top, length = pop(), pop()
            if length and top + length > size:
                gas = expand(computation, gas, top, length)
            computation.output = memory.read_bytes(top, length)
            meter.gas_remaining = gas
            if kind == 48:
                raise RevertError(computation.output)
            return
        elif kind == 49:  # STOP
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
