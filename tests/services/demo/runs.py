"""The demo as real processes: how tests start it, and what they read of the directory it left."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from ledger.node import Node
from ledger.reader import Reader
from services.demo.report import DemoReport
from services.demo.store import read_report

DURE: Final = Path(sys.executable).with_name("dure")
RIDERS: Final = 60
SEED: Final = "6"  # with it a reader that was offline leaves won in suspense, and every other bad apple its trace
TIMEOUT_S: Final = 240


def arguments(directory: Path, riders: int = RIDERS, seed: str = SEED) -> list[str]:
    """A run's command line."""
    return [str(DURE), "--data", str(directory), "--json", "demo", "--riders", str(riders), "--seed", seed]


def environment(**more: str) -> dict[str, str]:
    """The environment of a process under test: nothing of ours or of the locale, and what the test adds."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "DURE_"))}
    return clean | more


def played(
    directory: Path, riders: int = RIDERS, seed: str = SEED, place: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """A run, or the rest of one, to its end; `place` are variables of the process's environment."""
    command = arguments(directory, riders, seed)
    return subprocess.run(command, capture_output=True, env=environment(**place or {}), timeout=TIMEOUT_S, check=False)


def play_once(directory: Path) -> Path:
    """The finished run in `directory`, played by whichever test process comes first."""
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "report.json").exists():
            result = played(directory)
            assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()
    return directory


def rows(directory: Path, query: str, file: str = "services.db", mode: str = "ro") -> list[tuple[Any, ...]]:
    """What a table holds, of a run that no process works on. A copy of one that was killed is opened "rw": a commit
    that it had begun is rolled back first."""
    with closing(sqlite3.connect(f"{(directory / file).absolute().as_uri()}?mode={mode}", uri=True)) as db:
        return db.execute(query).fetchall()


@contextmanager
def chain(directory: Path) -> Iterator[Reader]:
    """The run's chain, for reading."""
    reader = Node.open_for_reading(directory / "chain")
    try:
        yield reader
    finally:
        reader.close()


def report(directory: Path) -> DemoReport:
    """The report of a finished run."""
    return read_report(directory)
