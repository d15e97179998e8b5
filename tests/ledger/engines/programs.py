"""Random EVM programs: valid enough to run for a while, wrong often enough to end in every way a program can."""

from __future__ import annotations

import random
from dataclasses import dataclass

from eth.vm import opcode_values as op

ALICE = bytes.fromhex("aa" * 20)
ORIGIN = bytes.fromhex("0a" * 20)
MAIN = bytes.fromhex("c0" * 20)
HELPERS = tuple(bytes([0xD0 + n]) * 20 for n in range(3))
RICH = bytes.fromhex("ee" * 20)
NOBODY = bytes.fromhex("77" * 20)
COINBASE = bytes.fromhex("cb" * 20)
# Addresses a program may call: itself, helpers, precompiles, empty and rich accounts.
TARGETS = (
    MAIN,
    *HELPERS,
    *(n.to_bytes(20, "big") for n in (1, 1, 2, 4, 4, 3, 5, 9)),
    RICH,
    NOBODY,
    COINBASE,
    ORIGIN,
)
INTERESTING = (
    *range(10),
    31,
    32,
    33,
    64,
    95,
    127,
    128,
    255,
    256,
    257,
    1023,
    4096,
    (1 << 16) - 1,
    1 << 32,
    (1 << 64) - 1,
    1 << 128,
    1 << 255,
    (1 << 255) - 1,
    (1 << 256) - 1,
    (1 << 256) - 31,
    (1 << 256) - 32,
)
_PURE = (
    (op.ADD, 2), (op.MUL, 2), (op.SUB, 2), (op.DIV, 2), (op.SDIV, 2), (op.MOD, 2), (op.SMOD, 2), (op.ADDMOD, 3),
    (op.MULMOD, 3), (op.EXP, 2), (op.SIGNEXTEND, 2), (op.LT, 2), (op.GT, 2), (op.SLT, 2), (op.SGT, 2), (op.EQ, 2),
    (op.ISZERO, 1), (op.AND, 2), (op.OR, 2), (op.XOR, 2), (op.NOT, 1), (op.BYTE, 2), (op.SHL, 2), (op.SHR, 2),
    (op.SAR, 2), (op.CALLDATALOAD, 1), (op.BLOCKHASH, 1), (op.BLOBHASH, 1), (op.BALANCE, 1), (op.EXTCODESIZE, 1),
    (op.EXTCODEHASH, 1),
)  # fmt: skip
_CONTEXT = (
    op.ADDRESS, op.ORIGIN, op.CALLER, op.CALLVALUE, op.CALLDATASIZE, op.CODESIZE, op.GASPRICE, op.RETURNDATASIZE,
    op.COINBASE, op.TIMESTAMP, op.NUMBER, op.DIFFICULTY, op.GASLIMIT, op.CHAINID, op.SELFBALANCE, op.BASEFEE,
    op.BLOBBASEFEE, op.PC, op.MSIZE, op.GAS,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One program with all that surrounds it."""

    code: bytes
    helpers: tuple[bytes, ...]
    data: bytes
    value: int
    gas: int
    static: bool
    create: bool


class _Writer:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.code = bytearray()
        self.height = 0
        self.places: list[int] = []
        self.forward: list[int] = []

    def op(self, opcode: int, pops: int = 0, pushes: int = 0) -> None:
        self.code.append(opcode)
        self.height = max(0, self.height - pops) + pushes

    def push(self, value: int, width: int | None = None) -> None:
        least = (value.bit_length() + 7) // 8
        size = least if width is None else width
        if self.rng.random() < 0.1:
            size = self.rng.randint(least, 32)
        self.code.append(op.PUSH0 + size)
        self.code += value.to_bytes(size, "big")
        self.height += 1

    def small(self) -> int:
        """A memory offset or size: mostly small."""
        rng = self.rng
        return rng.choice((0, 0, 1, 31, 32, 32, 64, 64, 96, 128, rng.randrange(300), rng.randrange(3000)))

    def number(self) -> int:
        rng = self.rng
        roll = rng.random()
        if roll < 0.6:
            return rng.choice(INTERESTING)
        return rng.getrandbits(rng.choice((8, 16, 64, 160, 256)))

    def address(self) -> int:
        rng = self.rng
        return int.from_bytes(rng.choice(TARGETS), "big") | (rng.getrandbits(96) << 160 if rng.random() < 0.05 else 0)

    def operand(self) -> None:
        if self.height and self.rng.random() < 0.4:
            self.op(op.DUP1 + self.rng.randrange(min(16, self.height)), 0, 1)
        else:
            self.push(self.number())

    def place(self, *, everything: bool = False) -> None:
        self.places.append(len(self.code))
        self.op(op.JUMPDEST)
        here = len(self.code) - 1
        while self.forward and (everything or self.rng.random() < 0.7):
            at = self.forward.pop()
            self.code[at : at + 2] = here.to_bytes(2, "big")

    def jump(self) -> None:
        """A jump to a known place, to one not written yet, or to a number."""
        rng = self.rng
        conditional = rng.random() < 0.8
        if conditional:
            self.operand()
            if rng.random() < 0.4:
                self.op(op.ISZERO, 1, 1)
        roll = rng.random()
        if roll < 0.25 and self.places:
            self.push(rng.choice(self.places))
        elif roll < 0.92:
            self.code.append(op.PUSH2)
            self.forward.append(len(self.code))
            self.code += b"\x00\x00"
            self.height += 1
        else:
            self.push(self.small())
        if rng.random() < 0.1:
            self.op(op.DUP1, 0, 1)
        self.op(op.JUMPI if conditional else op.JUMP, 2 if conditional else 1)

    def call(self) -> None:
        rng = self.rng
        kind = rng.choice((op.CALL, op.CALL, op.CALLCODE, op.DELEGATECALL, op.STATICCALL, op.STATICCALL, op.STATICCALL))
        for _ in range(2):
            self.push(self.small())
            self.push(self.small())
        if kind in (op.CALL, op.CALLCODE):
            self.push(rng.choice((0, 0, 0, 1, 1000, 1 << 100)))
        self.push(self.address())
        if rng.random() < 0.6:
            self.op(op.GAS, 0, 1)
        else:
            self.push(rng.choice((0, 100, 2300, 3000, 3001, 5000, 30000, 1 << 64)))
        self.op(kind, 7 if kind in (op.CALL, op.CALLCODE) else 6, 1)

    def recover(self) -> None:
        """An ecrecover with plausible and implausible inputs."""
        rng = self.rng
        for offset, value in ((0, rng.getrandbits(256)), (32, rng.choice((27, 28, 29))), (64, 5), (96, 7)):
            self.push(rng.getrandbits(256) if rng.random() < 0.2 else value)
            self.push(offset)
            self.op(op.MSTORE, 2)
        for word in (32, 0, rng.choice((128, 128, 64)), 0, 1):
            self.push(word)
        self.op(op.GAS, 0, 1)
        self.op(op.STATICCALL, 6, 1)

    def create(self) -> None:
        rng = self.rng
        body = _body(rng, 6) if rng.random() < 0.5 else b""
        initcode = body + bytes((op.PUSH1, rng.choice((0, 1, 32)), op.PUSH0, op.RETURN))
        for at in range(0, len(initcode), 32):
            self.push(int.from_bytes(initcode[at : at + 32].ljust(32, b"\x00"), "big"), 32)
            self.push(at)
            self.op(op.MSTORE, 2)
        two = rng.random() < 0.5
        if two:
            self.push(rng.choice((0, 1)))
        self.push(len(initcode))
        self.push(0)
        self.push(rng.choice((0, 0, 1, 1 << 100)))
        self.op(op.CREATE2 if two else op.CREATE, 4 if two else 3, 1)

    def storage(self) -> None:
        rng = self.rng
        slot = rng.choice((0, 1, 2, 3, 4, 5, rng.getrandbits(256)))
        if rng.random() < 0.5:
            self.push(slot)
            self.op(op.SLOAD, 1, 1)
        else:
            self.push(rng.choice((0, 0, 1, 7, self.number())))
            self.push(slot)
            self.op(op.SSTORE, 2)

    def rewrite(self) -> None:
        """Writes one slot several times: cost and refund of a write depend on what the transaction found."""
        slot = self.rng.randrange(6)
        for _ in range(self.rng.randint(2, 5)):
            self.push(self.rng.choice((0, 0, slot + 1, slot + 1, 9)))
            self.push(slot)
            self.op(op.SSTORE, 2)

    def transient(self) -> None:
        if self.rng.random() < 0.5:
            self.push(self.rng.randrange(3))
            self.op(op.TLOAD, 1, 1)
        else:
            self.operand()
            self.push(self.rng.randrange(3))
            self.op(op.TSTORE, 2)

    def memory(self) -> None:
        rng = self.rng
        kind = rng.choice((op.MLOAD, op.MLOAD, op.MSTORE, op.MSTORE, op.MSTORE8, op.SHA3, op.MCOPY))
        if kind == op.MCOPY:
            self.push(self.small())
            self.push(self.small())
            self.push(self.small())
            self.op(kind, 3)
            return
        if kind in (op.MSTORE, op.MSTORE8):
            self.operand()
        if kind == op.SHA3:
            self.push(self.small())
        self.push(self.number() if rng.random() < 0.01 else self.small())
        if kind == op.SHA3:
            self.op(kind, 2, 1)
        else:
            self.op(kind, 1 if kind == op.MLOAD else 2, 1 if kind == op.MLOAD else 0)

    def copy(self) -> None:
        kind = self.rng.choice((op.CALLDATACOPY, op.CALLDATACOPY, op.CODECOPY, op.RETURNDATACOPY, op.EXTCODECOPY))
        self.push(self.small() if kind != op.RETURNDATACOPY else self.rng.choice((0, 0, 0, 32)))
        self.push(self.number() if self.rng.random() < 0.1 else self.rng.choice((0, 0, 0, self.small())))
        self.push(self.small())
        if kind == op.EXTCODECOPY:
            self.push(self.address())
        self.op(kind, 4 if kind == op.EXTCODECOPY else 3)

    def log(self) -> None:
        topics = self.rng.randrange(5)
        for _ in range(topics):
            self.operand()
        self.push(self.small())
        self.push(self.small())
        self.op(op.LOG0 + topics, topics + 2)

    def pure(self) -> None:
        opcode, pops = self.rng.choice(_PURE)
        while self.height < pops:
            self.operand()
        if self.rng.random() < 0.5:
            self.push(self.number())
        self.op(opcode, pops, 1)

    def shuffle(self) -> None:
        rng = self.rng
        if self.height < 2 or rng.random() < 0.02:
            self.op(rng.choice((op.POP, op.DUP1 + rng.randrange(16), op.SWAP1 + rng.randrange(16))), 0, 0)
        elif rng.random() < 0.4:
            self.op(op.SWAP1 + rng.randrange(min(16, self.height - 1)))
        elif rng.random() < 0.6:
            self.op(op.DUP1 + rng.randrange(min(16, self.height)), 0, 1)
        else:
            self.op(op.POP, 1)

    def context(self) -> None:
        self.op(self.rng.choice(_CONTEXT), 0, 1)

    def flood(self) -> None:
        """Fills the stack in a loop, up to and over its limit."""
        place = len(self.code)
        self.op(op.JUMPDEST)
        for _ in range(self.rng.choice((1, 3, 7))):
            self.push(self.rng.randrange(3))
        self.push(place)
        self.op(op.JUMP, 1)

    def end(self) -> None:
        kind = self.rng.choice((op.STOP, op.RETURN, op.RETURN, op.REVERT, op.REVERT, op.SELFDESTRUCT, 0xFE, None))
        if kind in (op.RETURN, op.REVERT):
            self.push(self.small())
            self.push(self.small())
        if kind == op.SELFDESTRUCT:
            self.push(self.address())
        if kind is not None:
            self.op(kind)


_STEPS = (
    (_Writer.pure, 30), (_Writer.operand, 14), (_Writer.shuffle, 14), (_Writer.memory, 12), (_Writer.storage, 7),
    (_Writer.context, 7), (_Writer.jump, 7), (_Writer.place, 7), (_Writer.copy, 4), (_Writer.log, 2),
    (_Writer.call, 5), (_Writer.recover, 1), (_Writer.create, 1), (_Writer.transient, 2), (_Writer.flood, 0.15),
    (_Writer.end, 0.8), (_Writer.rewrite, 2),
)  # fmt: skip
_WEIGHTS = [weight for _, weight in _STEPS]


def _body(rng: random.Random, steps: int) -> bytes:
    writer = _Writer(rng)
    for step, _ in rng.choices(_STEPS, weights=_WEIGHTS, k=steps):
        step(writer)
    if rng.random() < 0.95:
        writer.place(everything=True)
    writer.end()
    return bytes(writer.code)


def _program(rng: random.Random) -> bytes:
    roll = rng.random()
    if roll < 0.04:
        return rng.randbytes(rng.randrange(200))
    code = _body(rng, rng.choice((3, 10, 25, 60)))
    if roll < 0.12:
        mutable = bytearray(code)
        for _ in range(rng.randint(1, 4)):
            mutable[rng.randrange(len(mutable))] = rng.randrange(256)
        return bytes(mutable)
    return code[: rng.randrange(len(code))] if roll < 0.15 else code


def case(seed: int) -> Case:
    """The case of a seed."""
    rng = random.Random(seed)
    gas = rng.choice(
        (rng.randrange(50), rng.randrange(3_000), rng.randrange(60_000), 200_000, 200_000, 400_000, 400_000)
    )
    return Case(
        code=_program(rng),
        helpers=tuple(_body(rng, 8) for _ in HELPERS),
        data=rng.randbytes(rng.choice((0, 4, 36, 100, 300))),
        value=rng.choice((0, 0, 1, 10**6)),
        gas=gas,
        static=rng.random() < 0.1,
        create=rng.random() < 0.1,
    )
