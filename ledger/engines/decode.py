"""Decodes a contract once: opcodes with their immediates, common pairs joined, gas and stack added up per segment.

A segment is a run of instructions that is entered only at its start and left only at its end. Its fixed gas is
charged and its stack bounds are checked on entry. That changes nothing anybody can see: whichever instruction of a
segment fails, the frame ends with all its gas burnt and its effects undone. Instructions that can see the gas left
(GAS, SSTORE, calls and whatever is delegated to py-evm) end a segment, so they see the exact amount.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from eth.vm import opcode_values as op
from eth.vm.forks.cancun.opcodes import CANCUN_OPCODES
from lru import LRU

from ledger.engines import kinds
from ledger.engines.kinds import BINARY, CONTEXT, INLINE, JOINED, TERNARY, Kind
from ledger.engines.limits import PROGRAM_CACHE

# py-evm wraps SELFDESTRUCT in a DeprecationWarning at every use; the opcode under it is the same.
OPCODES: Final[dict[int, Any]] = {
    value: getattr(opcode, "__wrapped__", opcode) for value, opcode in CANCUN_OPCODES.items()
}
_ENDS_PATH: Final = frozenset({op.STOP, op.JUMP, op.RETURN, op.REVERT})
_JUMPS: Final = frozenset({Kind.JUMP_TO, Kind.JUMP_IF_TO, Kind.JUMP_UNLESS_TO})
_NOWHERE: Final = -1


class Instruction(NamedTuple):
    """A kind and what it needs: an immediate, a target, an opcode object."""

    kind: int
    arg: Any


class Program(NamedTuple):
    """A decoded contract. `jumps` maps each valid JUMPDEST's pc to the index of its instruction."""

    instructions: list[Instruction]
    jumps: dict[int, int]


class _Segment:
    """Sums of a segment: gas, the stack it needs below, the most it adds."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.gas = self.height = self.need = self.grow = 0

    def add(self, opcode: int) -> None:
        pops, pushes = kinds.STACK[opcode]
        self.gas += OPCODES[opcode].gas_cost
        self.need = max(self.need, pops - self.height)
        self.height += pushes - pops
        self.grow = max(self.grow, self.height)


class _Decoder:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._instructions: list[Instruction] = []
        self._jumps: dict[int, int] = {}
        self._segment = _Segment(0)

    def program(self) -> Program:
        self._open()
        pc, reachable = 0, True
        while pc < len(self._code):
            opcode = self._code[pc]
            immediate_bytes = opcode - op.PUSH0 if op.PUSH1 <= opcode <= op.PUSH32 else 0
            if opcode == op.JUMPDEST:
                self._close()
                self._open()
                self._jumps[pc] = self._segment.index
                self._segment.add(opcode)
                reachable = True
            elif reachable:
                self._decode(pc, opcode, immediate_bytes)
                reachable = opcode not in _ENDS_PATH
            pc += 1 + immediate_bytes
        self._emit(Kind.STOP, None)
        self._close()
        resolved = [
            Instruction(kind, self._jumps.get(arg, _NOWHERE)) if kind in _JUMPS else Instruction(kind, arg)
            for kind, arg in self._instructions
        ]
        return Program(resolved, self._jumps)

    def _open(self) -> None:
        self._segment = _Segment(len(self._instructions))
        self._emit(Kind.SEGMENT, None)

    def _close(self) -> None:
        segment = self._segment
        if len(self._instructions) == segment.index + 1 and not segment.gas:
            self._instructions.pop()
            return
        room = 1024 - segment.grow
        self._instructions[segment.index] = Instruction(Kind.SEGMENT, (segment.gas, segment.need, room))

    def _emit(self, kind: int, arg: Any) -> None:
        self._instructions.append(Instruction(kind, arg))

    def _decode(self, pc: int, opcode: int, immediate_bytes: int) -> None:
        if op.PUSH0 <= opcode <= op.PUSH32:
            # Code that ends within an immediate goes on with zeros.
            immediate = self._code[pc + 1 : pc + 1 + immediate_bytes].ljust(immediate_bytes, b"\x00")
            self._inline(opcode, Kind.PUSH, int.from_bytes(immediate, "big"))
        elif op.DUP1 <= opcode <= op.DUP16:
            self._inline(opcode, Kind.DUP, op.DUP1 - opcode - 1)
        elif op.SWAP1 <= opcode <= op.SWAP16:
            self._inline(opcode, Kind.SWAP, op.SWAP1 - opcode - 2)
        elif opcode == op.PC:
            self._inline(opcode, Kind.PUSH, pc)
        elif opcode == op.CODESIZE:
            self._inline(opcode, Kind.PUSH, len(self._code))
        elif opcode == op.CODECOPY:
            self._inline(opcode, Kind.COPY, self._code)
        elif opcode == op.CALLDATACOPY:
            self._inline(opcode, Kind.COPY, None)
        elif op.LOG0 <= opcode <= op.LOG4:
            self._inline(opcode, Kind.LOG, opcode - op.LOG0)
        elif opcode in CONTEXT:
            self._inline(opcode, Kind.CONTEXT, CONTEXT[opcode])
        elif opcode in BINARY:
            self._inline(opcode, Kind.BINARY, BINARY[opcode])
        elif opcode in TERNARY:
            self._inline(opcode, Kind.TERNARY, TERNARY[opcode])
        elif opcode in INLINE:
            self._inline(opcode, INLINE[opcode], pc)
            if opcode in kinds.ENDS_SEGMENT:
                self._close()
                self._open()
        else:
            self._delegate(pc, opcode)

    def _inline(self, opcode: int, kind: int, arg: Any) -> None:
        """Emits an instruction, or joins it with the one before, which must be of the same segment."""
        self._segment.add(opcode)
        former_kind, former_arg = self._instructions[-1]
        joined = JOINED.get((former_kind, kind))
        if joined is None or len(self._instructions) == self._segment.index + 1:
            self._emit(kind, arg)
            return
        self._instructions[-1] = Instruction(joined, former_arg)
        if joined == Kind.JUMP_IF_TO and self._instructions[-2].kind == Kind.ISZERO:
            self._instructions[-2:] = [Instruction(Kind.JUMP_UNLESS_TO, former_arg)]

    def _delegate(self, pc: int, opcode: int) -> None:
        self._close()
        kind = Kind.STATICCALL if opcode == op.STATICCALL else Kind.DELEGATE
        opcode_object: Callable[[Any], None] | None = OPCODES.get(opcode)
        self._emit(kind, (opcode_object, pc + 1, opcode))
        self._open()


_programs: Final[Any] = LRU(PROGRAM_CACHE)


def program_of(code: bytes) -> Program:
    """The decoded form of a contract's code, decoded at its first use and kept while it stays in use."""
    program: Program | None = _programs.get(code)
    if program is None:
        program = _programs[code] = _Decoder(code).program()
    return program
