"""What a council looks at before it approves code (money.md §6): linear disassembly, no opcode that hides another.

Read from the start, each PUSH skipping its immediate, the code holds no CREATE, CREATE2, DELEGATECALL, CALLCODE or
SELFDESTRUCT. Data behind the code (selector tables, immutables) is never executed unless something jumps there, so it
may hold no byte that could be a JUMPDEST (5b). Which precompiles a source calls is seen by reading it, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contracts.errors import ContractsError

FORBIDDEN: Final = {0xF0: "CREATE", 0xF2: "CALLCODE", 0xF4: "DELEGATECALL", 0xF5: "CREATE2", 0xFF: "SELFDESTRUCT"}
TERMINATORS: Final = {0x00, 0x56, 0xF3, 0xFD, 0xFE}  # STOP, JUMP, RETURN, REVERT, INVALID
JUMPDEST: Final = 0x5B
_PUSH1, _PUSH32 = 0x60, 0x7F


class BytecodeError(ContractsError):
    """The code holds what no agreement may hold."""

    code = "CONTRACT-007"
    do = "Rewrite the source without it; no proxies, no creation, no self-destruction."
    ko = "허용되지 않는 코드가 들어 있습니다."


@dataclass(frozen=True, slots=True)
class Instruction:
    """One opcode with its place; `size` counts its immediate."""

    at: int
    opcode: int
    size: int


def disassemble(code: bytes) -> Iterator[Instruction]:
    """The instructions from the first byte on, as the EVM finds its jump destinations."""
    at = 0
    while at < len(code):
        opcode = code[at]
        size = opcode - _PUSH1 + 2 if _PUSH1 <= opcode <= _PUSH32 else 1
        yield Instruction(at, opcode, size)
        at += size


def check_runtime(code: bytes) -> int:
    """Where the data behind the code begins; raises BytecodeError unless the code in front of it may be approved.

    Data is what follows the first terminating instruction behind which no byte 5b stands: nothing falls into it and
    nothing can jump into it.
    """
    last_destination = code.rfind(JUMPDEST)
    for instruction in disassemble(code):
        if instruction.opcode in FORBIDDEN:
            raise BytecodeError(f"{FORBIDDEN[instruction.opcode]} at byte {instruction.at}")
        end = instruction.at + instruction.size
        if end > len(code):
            raise BytecodeError(f"the PUSH at byte {instruction.at} is cut short")
        if instruction.opcode in TERMINATORS and end > last_destination:
            return end
    raise BytecodeError("the code runs off its end")
