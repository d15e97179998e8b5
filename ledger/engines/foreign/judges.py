"""Asks geth and EELS to execute a chain from its two public files, genesis.json and chain.rlp (engines.md).

Both are installed by scripts/engines.sh into .engines/ beside the virtual environment, or where DURE_ENGINES says. A
judge's exit code is no proof: what counts is the hash of the block that it reached.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from ledger.engines.errors import EngineFailed, EngineMissing, UnknownEngine
from ledger.errors import BlockResultError

_REPLAY: Final = Path(__file__).with_name("eels_replay.py")
_HEAD: Final = re.compile(r"headBlock\.(Hash|Number)\W+(\w+)")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far an engine came: the last block's number and hash (32 bytes), what it said of the next, seconds."""

    engine: str
    number: int
    head: bytes
    said: str
    seconds: float

    def require(self, number: int, head: bytes) -> None:
        """Raises BlockResultError unless this is the block that the engine reached."""
        if (self.number, self.head) != (number, head):
            raise BlockResultError(
                f"{self.engine} stops at block {self.number}, 0x{self.head.hex()}; the chain has block {number}, "
                f"0x{head.hex()}: {self.said or 'no reason given'}"
            )


def ask(engine: str, genesis: Path, chain: Path) -> Verdict:
    """Lets `geth` or `eels` execute a chain; the answer is theirs, right or wrong.

    Raises UnknownEngine, EngineMissing, EngineFailed where there was no answer.
    """
    if engine not in _JUDGES:
        raise UnknownEngine(f"no judge is called {engine!r}; there are {', '.join(_JUDGES)}")
    relative, judge = _JUDGES[engine]
    program = _place() / relative
    if not program.is_file():
        raise EngineMissing(f"{engine} is not at {program}")
    began = time.perf_counter()
    number, head, said = judge(program, genesis, chain)
    return Verdict(engine, number, head, said, round(time.perf_counter() - began, 3))


def _place() -> Path:
    return Path(os.environ.get("DURE_ENGINES") or Path(sys.prefix).parent / ".engines")


def _geth(program: Path, genesis: Path, chain: Path) -> tuple[int, bytes, str]:
    with tempfile.TemporaryDirectory(prefix="dure-geth-") as scratch:
        base = [str(program), "--datadir", scratch]
        _run([*base, "--state.scheme", "hash", "init", str(genesis)])
        # An import of no bytes is refused by geth, and there is nothing to be said of it.
        imported = ""
        if chain.stat().st_size:
            imported = _run([*base, "import", "--gcmode", "archive", "--nocompaction", str(chain)], may_fail=True)
        told = dict(_HEAD.findall(_run([*base, "db", "metadata"])))
    try:
        number, head = int(told["Number"]), bytes.fromhex(told["Hash"][2:])
    except (KeyError, ValueError) as error:
        raise EngineFailed(f"geth does not tell its head: {error}") from error
    faults = [line for line in imported.splitlines() if line.startswith(("ERROR", "Fatal")) or "error" in line.lower()]
    return number, head, faults[-1].strip() if faults else ""


def _eels(program: Path, genesis: Path, chain: Path) -> tuple[int, bytes, str]:
    # -I: nothing of the caller's own environment or directory is imported.
    answer = _run([str(program), "-I", str(_REPLAY), str(genesis), str(chain)], quiet=True)
    try:
        document = json.loads(answer)
        return document["number"], bytes.fromhex(document["hash"][2:]), document["refused"] or ""
    except (ValueError, KeyError, TypeError) as error:
        raise EngineFailed(f"EELS does not tell its head: {error}") from error


def _run(command: list[str], *, may_fail: bool = False, quiet: bool = False) -> str:
    """What a command printed; stderr too unless `quiet`. Raises EngineFailed for an exit code that is not 0."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GETH_"))}
    done = subprocess.run(command, capture_output=True, env=clean, check=False)
    if done.returncode and not may_fail:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing said"]
        raise EngineFailed(f"{' '.join(command)} ended with {done.returncode}: {last[0]}")
    return done.stdout.decode(errors="replace") + ("" if quiet else done.stderr.decode(errors="replace"))


_JUDGES: Final[Mapping[str, tuple[str, Callable[[Path, Path, Path], tuple[int, bytes, str]]]]] = MappingProxyType(
    {"geth": ("bin/geth", _geth), "eels": ("eels/bin/python", _eels)}
)
JUDGES: Final = tuple(_JUDGES)
