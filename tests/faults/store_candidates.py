"""The flip-and-truncate test behind docs/decisions/0002: `python -m tests.faults.store_candidates`.

Each candidate writes the same values and closes. Then one bit is flipped, or one file cut, and a child process reads
everything. Outcomes: found (an error says so), silent (a wrong or missing value without any error), killed (the process
died of a signal), harmless (everything was read right). LMDB takes part where `pip install lmdb` was run; the project
does not need it.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from rocksdict import DBRecoveryMode, Options, Rdict

from ledger.errors import StoreCorruption
from ledger.store import Store

TRIALS: Final = 200
VALUES: Final = {
    f"key {number:05}".encode(): random.Random(number).randbytes(60 + number % 400) for number in range(4_000)
}
FOUND, SILENT, HARMLESS = range(3)
OUTCOMES: Final = ("found", "silent", "harmless", "killed")

Writer = Callable[[Path], None]
Reading = Callable[[Path], dict[bytes, bytes]]


def halves() -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """The values in two parts: the second is written after reopening, so that logs and tables both hold some."""
    items = list(VALUES.items())
    return items[:2_000], items[2_000:]


def write_store(path: Path) -> None:
    for number, part in enumerate(halves()):
        store = Store.open(path) if number else Store.create(path)
        store.write(part)
        store.close()


def read_store(path: Path) -> dict[bytes, bytes]:
    store = Store.open(path)
    try:
        return dict(store.scan(b""))
    finally:
        store.close()


def _rocksdb() -> Options:
    options = Options(raw_mode=True)
    options.set_paranoid_checks(True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    return options


def write_rocksdb(path: Path) -> None:
    for part in halves():
        database = Rdict(str(path), _rocksdb())
        for key, value in part:
            database.put(key, value)
        database.close()


def read_rocksdb(path: Path) -> dict[bytes, bytes]:
    database = Rdict(str(path), _rocksdb())
    return {key: value for key in VALUES if (value := database.get(key)) is not None}


def write_sqlite(path: Path) -> None:
    path.mkdir()
    for part in halves():
        database = sqlite3.connect(path / "data.db")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        with database:
            database.executemany("INSERT INTO pairs VALUES (?, ?)", part)
        database.close()


def read_sqlite(path: Path) -> dict[bytes, bytes]:
    database = sqlite3.connect(path / "data.db")
    return {bytes(key): bytes(value) for key, value in database.execute("SELECT key, value FROM pairs")}


def write_lmdb(path: Path) -> None:
    import lmdb

    for part in halves():
        with lmdb.open(str(path), map_size=64 * 1024 * 1024) as environment, environment.begin(write=True) as txn:
            for key, value in part:
                txn.put(key, value)


def read_lmdb(path: Path) -> dict[bytes, bytes]:
    import lmdb

    with lmdb.open(str(path), map_size=64 * 1024 * 1024) as environment, environment.begin() as txn:
        return {bytes(key): bytes(value) for key, value in txn.cursor()}


CANDIDATES: Final[dict[str, tuple[Writer, Reading]]] = {
    "Store (ours on RocksDB)": (write_store, read_store),
    "RocksDB, paranoid checks": (write_rocksdb, read_rocksdb),
    "SQLite, WAL": (write_sqlite, read_sqlite),
    "LMDB": (write_lmdb, read_lmdb),
}


def outcome(read: Reading, path: Path) -> str:
    """How reading everything ends, in a child process: the parent must outlive SIGBUS."""
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        signal.alarm(60)
        try:
            os._exit(HARMLESS if read(path) == VALUES else SILENT)
        except (StoreCorruption, Exception):  # noqa: BLE001 - whatever the library raises has told of the damage
            os._exit(FOUND)
    _, status = os.waitpid(child, 0)
    return "killed" if os.WIFSIGNALED(status) else OUTCOMES[os.WEXITSTATUS(status)]


def data_files(path: Path) -> list[Path]:
    """Files that hold data, the larger ones as often as they are larger: a disk does not choose."""
    quiet = ("LOG", "OPTIONS", "LOCK", "lock", "IDENTITY", "rocksdict-config.json")
    return [f for f in path.rglob("*") if f.is_file() and f.stat().st_size and not f.name.startswith(quiet)]


def damage(path: Path, how: str, rng: random.Random) -> None:
    """Flips one bit of a byte that the file uses, or cuts one file."""
    found = data_files(path)
    file = rng.choice(found) if how == "truncate" else rng.choices(found, [f.stat().st_size for f in found])[0]
    content = bytearray(file.read_bytes())
    if how == "truncate":
        file.write_bytes(content[: rng.randrange(len(content))])
        return
    place = rng.randrange(len(content))
    content[place] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def run(names: Iterable[str], trials: int = TRIALS) -> dict[tuple[str, str], Counter[str]]:
    """The outcomes by candidate and kind of damage."""
    results = {}
    for name in names:
        write, read = CANDIDATES[name]
        with tempfile.TemporaryDirectory(prefix="dure-candidates-") as home:
            whole, copy = Path(home) / "whole", Path(home) / "copy"
            write(whole)
            for how in ("flip", "truncate"):
                rng = random.Random(f"{how}")
                counts: Counter[str] = Counter()
                for _ in range(trials):
                    shutil.copytree(whole, copy)
                    damage(copy, how, rng)
                    counts[outcome(read, copy)] += 1
                    shutil.rmtree(copy)
                results[name, how] = counts
    return results


def main() -> int:
    """Prints the table."""
    names = [name for name in CANDIDATES if name != "LMDB" or importlib.util.find_spec("lmdb")]
    print("| candidate | damage | " + " | ".join(OUTCOMES) + " |")
    print("|---|---|" + "---|" * len(OUTCOMES))
    for (name, how), counts in run(names).items():
        print(f"| {name} | {how} | " + " | ".join(str(counts[kind]) for kind in OUTCOMES) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
