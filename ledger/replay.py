"""Executes a whole chain again from genesis, with nothing but its blocks: `python -m ledger.replay DIRECTORY`.

Our two engines with every step of chain/rules.py; `py-evm`, which is that library's own import of blocks without any
override; `geth` and `eels`, programs that we did not write. All must reach the head that the directory has.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import rlp
from eth.vm.forks.cancun.blocks import CancunBlock
from eth_utils.exceptions import ValidationError

from contracts.errors import DureError
from ledger.chain import genesis
from ledger.engines import DIRECT, STOCK
from ledger.engines.foreign.judges import JUDGES, ask
from ledger.errors import BlockResultError
from ledger.node import Node
from ledger.reader import Reader

PY_EVM: Final = "py-evm"
# A block that stands in the chain was admitted by the clock of its day.
_END_OF_TIME_S: Final = 2**63


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was executed: engine, head (number, hash in hex), transactions, gas and the seconds it took."""

    engine: str
    number: int
    head_hash: str
    transactions: int
    gas: int
    seconds: float


def replay(source: Reader, engine: str, last: int | None = None) -> Replayed:
    """Executes blocks 1 to `last` (default: the head) of `source` again, in memory.

    Raises a BlockError that names the first block that is not valid, BlockResultError for another head.
    """
    began = time.perf_counter()
    end = source.head.number if last is None else last
    wanted = source.header(end).hash
    if engine in JUDGES:
        reached = _by_judge(source, engine, end)
    else:
        reached = _by_py_evm(source, end) if engine == PY_EVM else _by_engine(source, engine, end)
    if reached != wanted:
        raise BlockResultError(f"block {end} comes out as 0x{reached.hex()}, the chain has 0x{wanted.hex()}")
    blocks = [source.block(number) for number in range(1, end + 1)]
    return Replayed(
        engine,
        end,
        "0x" + reached.hex(),
        sum(len(block.transactions) for block in blocks),
        sum(block.header.gas_used for block in blocks),
        round(time.perf_counter() - began, 3),
    )


def _by_engine(source: Reader, engine: str, end: int) -> bytes:
    node = Node.in_memory(genesis.rebuild(source.archive.chain, source.archive.genesis), engine=engine)
    for number in range(1, end + 1):
        node.import_block(source.block(number).raw, source.finality(number), now_s=_END_OF_TIME_S)
    return node.head.hash


def _by_py_evm(source: Reader, end: int) -> bytes:
    chain = genesis.stock_chain(source.archive.chain, source.archive.genesis)
    for number in range(1, end + 1):
        try:
            chain.import_block(rlp.decode(source.block(number).raw, sedes=CancunBlock))
        except ValidationError as error:
            raise BlockResultError(f"block {number}: py-evm refuses it: {error}") from error
    return bytes(chain.get_canonical_head().hash)


def _by_judge(source: Reader, engine: str, end: int) -> bytes:
    with tempfile.TemporaryDirectory(prefix="dure-replay-") as scratch:
        beginning, chain = Path(scratch, "genesis.json"), Path(scratch, "chain.rlp")
        beginning.write_bytes(source.archive.genesis)
        with chain.open("wb") as file:
            for number in range(1, end + 1):
                file.write(source.archive.block_record(number))
        verdict = ask(engine, beginning, chain)
    verdict.require(end, source.header(end).hash)
    return verdict.head


def main(arguments: list[str] | None = None) -> int:
    """The command: prints one JSON document; 0 if the roots agree."""
    parser = argparse.ArgumentParser(prog="python -m ledger.replay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path, help="data directory of a node")
    parser.add_argument("--engine", choices=(DIRECT, STOCK, PY_EVM, *JUDGES), default=STOCK)
    parser.add_argument("--to", type=int, default=None, metavar="N", help="last block; default: the head")
    options = parser.parse_args(arguments)
    try:
        source = Node.open_for_reading(options.directory)
        try:
            done = replay(source, options.engine, options.to)
        finally:
            source.close()
    except DureError as error:
        json.dump({"error": {"code": error.code, "what": error.what, "why": error.why, "do": error.do}}, sys.stdout)
        return error.exit_code
    json.dump(asdict(done), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
