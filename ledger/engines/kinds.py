"""What direct dispatch knows of each opcode: its kind, its place on the stack, and the rarer ones as plain functions.

Gas comes from py-evm's own opcode objects (decode.py). Numbers of kinds are by frequency in settlements: the dispatch
compares its way down a tree, the frequent ones near the top. Rules: Yellow Paper, appendix H, and the EIPs named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from eth.vm import opcode_values as op

MASK: Final = (1 << 256) - 1
SIGN: Final = 1 << 255
CEILING: Final = 1 << 256


class Kind:
    """Kinds of decoded instructions; the tree of dispatch.py follows this order."""

    PUSH = 0
    SEGMENT = 1
    DUP = 2
    PUSH_MLOAD = 3
    SWAP = 4
    PUSH_MSTORE = 5
    JUMP_IF_TO = 6
    JUMP_UNLESS_TO = 7
    POP = 8
    SWAP_POP = 9
    PUSH_SHL = 10
    AND = 11
    ADD = 12
    DUP_ADD = 13
    PUSH_SHR = 14
    PUSH_ADD = 15
    OR = 16
    MSTORE = 17
    MLOAD = 18
    XOR = 19
    KECCAK = 20
    SUB = 21
    LT = 22
    GT = 23
    MUL = 24
    ISZERO = 25
    EQ = 26
    JUMP_TO = 27
    PUSH_AND = 28
    SHR = 29
    SHL = 30
    NOT = 31
    CALLDATALOAD = 32
    SLOAD = 33
    SSTORE = 34
    MCOPY = 35
    DIV = 36
    COPY = 37
    JUMP = 38
    JUMPI = 39
    STATICCALL = 40
    CONTEXT = 41
    BINARY = 42
    TERNARY = 43
    LOG = 44
    GAS = 45
    EXP = 46
    RETURN = 47
    REVERT = 48
    STOP = 49
    DELEGATE = 50


INLINE: Final[dict[int, int]] = {
    op.STOP: Kind.STOP,
    op.ADD: Kind.ADD,
    op.MUL: Kind.MUL,
    op.SUB: Kind.SUB,
    op.DIV: Kind.DIV,
    op.EXP: Kind.EXP,
    op.LT: Kind.LT,
    op.GT: Kind.GT,
    op.EQ: Kind.EQ,
    op.ISZERO: Kind.ISZERO,
    op.AND: Kind.AND,
    op.OR: Kind.OR,
    op.XOR: Kind.XOR,
    op.NOT: Kind.NOT,
    op.SHL: Kind.SHL,
    op.SHR: Kind.SHR,
    op.SHA3: Kind.KECCAK,
    op.CALLDATALOAD: Kind.CALLDATALOAD,
    op.POP: Kind.POP,
    op.MLOAD: Kind.MLOAD,
    op.MSTORE: Kind.MSTORE,
    op.SLOAD: Kind.SLOAD,
    op.SSTORE: Kind.SSTORE,
    op.JUMP: Kind.JUMP,
    op.JUMPI: Kind.JUMPI,
    op.GAS: Kind.GAS,
    op.MCOPY: Kind.MCOPY,
    op.RETURN: Kind.RETURN,
    op.REVERT: Kind.REVERT,
}

# SSTORE and GAS see the gas left; after JUMPI there are two ways; after the others there is none.
ENDS_SEGMENT: Final = frozenset({op.SSTORE, op.GAS, op.JUMPI, op.JUMP, op.STOP, op.RETURN, op.REVERT})

JOINED: Final[dict[tuple[int, int], int]] = {
    (Kind.PUSH, Kind.MLOAD): Kind.PUSH_MLOAD,
    (Kind.PUSH, Kind.MSTORE): Kind.PUSH_MSTORE,
    (Kind.PUSH, Kind.ADD): Kind.PUSH_ADD,
    (Kind.PUSH, Kind.AND): Kind.PUSH_AND,
    (Kind.PUSH, Kind.SHR): Kind.PUSH_SHR,
    (Kind.PUSH, Kind.SHL): Kind.PUSH_SHL,
    (Kind.DUP, Kind.ADD): Kind.DUP_ADD,
    (Kind.SWAP, Kind.POP): Kind.SWAP_POP,
    (Kind.PUSH, Kind.JUMP): Kind.JUMP_TO,
    (Kind.PUSH, Kind.JUMPI): Kind.JUMP_IF_TO,
}


def _signed(value: int) -> int:
    return value - CEILING if value & SIGN else value


def _sdiv(a: int, b: int) -> int:
    a, b = _signed(a), _signed(b)
    if not b:
        return 0
    quotient = abs(a) // abs(b)
    return (-quotient if (a < 0) != (b < 0) else quotient) & MASK


def _smod(a: int, b: int) -> int:
    a, b = _signed(a), _signed(b)
    if not b:
        return 0
    rest = abs(a) % abs(b)
    return (-rest if a < 0 else rest) & MASK


def _sar(shift: int, value: int) -> int:
    return (_signed(value) >> min(shift, 255)) & MASK


def _byte(index: int, value: int) -> int:
    return (value >> (8 * (31 - index))) & 255 if index < 32 else 0


def _signextend(size: int, value: int) -> int:
    if size > 31:
        return value
    sign = 1 << (8 * size + 7)
    return value | (CEILING - sign) if value & sign else value & (sign - 1)


# (top of the stack, the next one) → result
BINARY: Final[dict[int, Callable[[int, int], int]]] = {
    op.SDIV: _sdiv,
    op.MOD: lambda a, b: a % b if b else 0,
    op.SMOD: _smod,
    op.SIGNEXTEND: _signextend,
    op.SLT: lambda a, b: 1 if _signed(a) < _signed(b) else 0,
    op.SGT: lambda a, b: 1 if _signed(a) > _signed(b) else 0,
    op.BYTE: _byte,
    op.SAR: _sar,
}

TERNARY: Final[dict[int, Callable[[int, int, int], int]]] = {
    op.ADDMOD: lambda a, b, n: (a + b) % n if n else 0,
    op.MULMOD: lambda a, b, n: (a * b) % n if n else 0,
}


def _word(value: bytes) -> int:
    return int.from_bytes(value, "big")


# What only reads the frame, its transaction or its block; `c` is py-evm's computation.
CONTEXT: Final[dict[int, Callable[[Any], int]]] = {
    op.ADDRESS: lambda c: _word(c.msg.storage_address),
    op.ORIGIN: lambda c: _word(c.transaction_context.origin),
    op.CALLER: lambda c: _word(c.msg.sender),
    op.CALLVALUE: lambda c: c.msg.value,
    op.CALLDATASIZE: lambda c: len(c.msg.data),
    op.GASPRICE: lambda c: c.transaction_context.gas_price,
    op.RETURNDATASIZE: lambda c: len(c.return_data),
    op.COINBASE: lambda c: _word(c.state.coinbase),
    op.TIMESTAMP: lambda c: c.state.timestamp,
    op.NUMBER: lambda c: c.state.block_number,
    op.GASLIMIT: lambda c: c.state.gas_limit,
    op.CHAINID: lambda c: c.state.execution_context.chain_id,
    op.BASEFEE: lambda c: c.state.base_fee,
    op.MSIZE: lambda c: len(c._memory),
}


def _stack_effects() -> dict[int, tuple[int, int]]:
    """(items taken, items put) of every opcode that is not delegated."""
    effects = dict.fromkeys(BINARY, (2, 1)) | dict.fromkeys(TERNARY, (3, 1)) | dict.fromkeys(CONTEXT, (0, 1))
    effects |= dict.fromkeys((op.ADD, op.MUL, op.SUB, op.DIV, op.EXP, op.LT, op.GT, op.EQ), (2, 1))
    effects |= dict.fromkeys((op.AND, op.OR, op.XOR, op.SHL, op.SHR, op.SHA3), (2, 1))
    effects |= dict.fromkeys((op.ISZERO, op.NOT, op.CALLDATALOAD, op.MLOAD, op.SLOAD), (1, 1))
    effects |= dict.fromkeys((op.POP, op.JUMP), (1, 0))
    effects |= dict.fromkeys((op.MSTORE, op.SSTORE, op.JUMPI, op.RETURN, op.REVERT), (2, 0))
    effects |= dict.fromkeys((op.CALLDATACOPY, op.CODECOPY, op.MCOPY), (3, 0))
    effects |= dict.fromkeys((op.STOP, op.JUMPDEST), (0, 0)) | dict.fromkeys((op.GAS, op.PC, op.CODESIZE), (0, 1))
    effects |= dict.fromkeys(range(op.PUSH0, op.PUSH32 + 1), (0, 1))
    effects |= {op.DUP1 + n: (n + 1, n + 2) for n in range(16)}
    effects |= {op.SWAP1 + n: (n + 2, n + 2) for n in range(16)}
    effects |= {op.LOG0 + n: (n + 2, 0) for n in range(5)}
    return effects


STACK: Final = _stack_effects()
