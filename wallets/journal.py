"""The wallet's journal: what was signed stands on the disk before a signature leaves (money.md §2).

One SQLite file, in rollback mode with synchronous=EXTRA (docs/decisions/0007-wallet-journal.md). Many cards may share
a journal and one commit. Entries are only ever added; each carries a SHA-256 over itself and the entry before, and a
head row counts them, so that a byte changed anywhere is found when the journal is opened.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from wallets.errors import BatchOpen, JournalCorrupt, JournalLocked, JournalUnavailable, NotDurable, SlotTaken
from wallets.limits import MAX_ENTRY_BYTES, MAX_JOURNAL_ENTRIES

_APPLICATION: Final = 0x44757265  # "Dure"
_TABLES: Final = (
    "CREATE TABLE entry (position INTEGER PRIMARY KEY, kind TEXT NOT NULL, owner BLOB NOT NULL, "
    "number INTEGER NOT NULL, body BLOB NOT NULL, chain BLOB NOT NULL)",
    "CREATE UNIQUE INDEX slot ON entry (kind, owner, number)",
    "CREATE TABLE head (one INTEGER PRIMARY KEY, position INTEGER NOT NULL, chain BLOB NOT NULL)",
)
_UNAVAILABLE: Final = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}


class Batch:
    """Entries with one commit. Never reused: a dropped batch stays not durable, whatever is written after it."""

    __slots__ = ("durable",)

    def __init__(self, durable: bool = False) -> None:
        self.durable = durable


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: `kind` names what it is, (kind, owner, number) is taken once, `body` are its bytes."""

    position: int
    kind: str
    owner: bytes
    number: int
    body: bytes


def _link(before: bytes, kind: str, owner: bytes, number: int, body: bytes) -> bytes:
    head = f"{kind}:{number}:{len(owner)}:{len(body)}:".encode()
    return sha256(before + head + owner + body).digest()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into the wallet's own."""
    try:
        yield
    except UnicodeDecodeError as error:  # SQLite quotes a damaged table definition in its message
        raise JournalCorrupt(f"{path}: a table definition is not text") from error
    except sqlite3.Error as error:
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise JournalLocked(f"{path} is open in another process") from error
        if primary in _UNAVAILABLE:
            raise JournalUnavailable(f"{path}: {error}") from error
        raise JournalCorrupt(f"{path}: {error}") from error


class Journal:
    """A journal, opened by one process at a time. Use as a context manager, or close it.

    Raises JournalLocked, JournalUnavailable (disk full, no permission) and JournalCorrupt (nothing is changed then).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batch: Batch | None = None
        if not path.exists():
            _create(path)
        with _named(path):
            self._db = _connect(path)
            try:
                self._position, self._chain = self._check()
            except BaseException:
                self._db.close()
                raise
        self._durable_position = self._position

    def _check(self) -> tuple[int, bytes]:
        """Reads every entry; returns the last one's position and link."""
        self._db.text_factory = bytes
        if self._db.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
            raise JournalCorrupt(f"{self._path} is no wallet journal")
        schema = {row[0] for row in self._db.execute("SELECT sql FROM sqlite_master")}
        if schema != {table.encode() for table in _TABLES}:
            raise JournalCorrupt(f"{self._path}: its tables are not those of a wallet journal")
        found = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != b"ok":
            raise JournalCorrupt(f"{self._path}: {found.decode(errors='replace')}")
        self._db.text_factory = str
        position, chain = 0, bytes(32)
        rows = self._db.execute("SELECT position, kind, owner, number, body, chain FROM entry ORDER BY position")
        for at, kind, owner, number, body, link in rows:
            position += 1
            typed = isinstance(kind, str) and isinstance(owner, bytes) and isinstance(body, bytes)
            chain = _link(chain, kind, owner, number, body) if typed else b""
            if at != position or link != chain:
                raise JournalCorrupt(f"{self._path}: entry {position} is not as it was written")
        if self._db.execute("SELECT one, position, chain FROM head").fetchall() != [(1, position, chain)]:
            raise JournalCorrupt(f"{self._path}: entries after {position} are missing")
        return position, chain

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Entries added inside become durable together, with one commit, when the block ends.

        An exception inside drops all of them. Raises BatchOpen if one is open already.
        """
        if self._batch is not None:
            raise BatchOpen("a batch is open in this journal")
        with _named(self._path):
            self._db.execute("BEGIN IMMEDIATE")
        before = self._position, self._chain
        self._batch = batch = Batch()
        try:
            yield batch
            with _named(self._path):
                if self._position != before[0]:
                    self._db.execute("UPDATE head SET position = ?, chain = ?", (self._position, self._chain))
                self._db.execute("COMMIT")
        except BaseException:
            self._position, self._chain = before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        finally:
            self._batch = None
        self._durable_position = self._position
        batch.durable = True

    def add(self, kind: str, owner: bytes, number: int, body: bytes) -> int:
        """Adds an entry to the open batch and returns its position; it is durable once the batch has ended.

        Raises NotDurable outside a batch, SlotTaken if (kind, owner, number) exists, JournalUnavailable at its limits.
        """
        if self._batch is None:
            raise NotDurable("entries are added inside a batch")
        if len(body) > MAX_ENTRY_BYTES or self._position >= MAX_JOURNAL_ENTRIES:
            raise JournalUnavailable(
                f"an entry has at most {MAX_ENTRY_BYTES} bytes, a journal {MAX_JOURNAL_ENTRIES} entries"
            )
        chain = _link(self._chain, kind, owner, number, body)
        with _named(self._path):
            try:
                self._db.execute(
                    "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
                    (self._position + 1, kind, owner, number, body, chain),
                )
            except sqlite3.IntegrityError as error:
                raise SlotTaken(f"{kind} {number} of 0x{owner.hex()} stands in the journal already") from error
        self._position, self._chain = self._position + 1, chain
        return self._position

    def add_now(self, kind: str, owner: bytes, number: int, body: bytes) -> int:
        """As `add`, in a batch of its own; inside an open batch it is durable with that one."""
        if self._batch is not None:
            return self.add(kind, owner, number, body)
        with self.batch():
            return self.add(kind, owner, number, body)

    def durable(self, position: int) -> bool:
        """Whether the entry now at `position` is on the disk."""
        return position <= self._durable_position

    def batch_of(self, position: int) -> Batch:
        """The batch that the entry now at `position` is written with, durable if it is on the disk."""
        return Batch(durable=True) if self._batch is None or self.durable(position) else self._batch

    def last(self, kind: str, owner: bytes) -> Entry | None:
        """The entry of highest number, of the open batch too."""
        return self._one("WHERE kind = ? AND owner = ? ORDER BY number DESC LIMIT 1", kind, owner)

    def get(self, kind: str, owner: bytes, number: int) -> Entry | None:
        """The entry in that slot, of the open batch too."""
        return self._one("WHERE kind = ? AND owner = ? AND number = ?", kind, owner, number)

    def entries(self, kind: str, owner: bytes) -> list[Entry]:
        """All entries of an owner, by number."""
        return self._read("WHERE kind = ? AND owner = ? ORDER BY number", kind, owner)

    def _one(self, where: str, *values: object) -> Entry | None:
        found = self._read(where, *values)
        return found[0] if found else None

    def _read(self, where: str, *values: object) -> list[Entry]:
        with _named(self._path):
            rows = self._db.execute(f"SELECT position, kind, owner, number, body FROM entry {where}", values).fetchall()  # noqa: S608
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        """Closes the file; an open batch is dropped."""
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Opens an existing file and locks it for this process."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=0)
    try:
        for setting in ("locking_mode=EXCLUSIVE", "journal_mode=TRUNCATE", "synchronous=EXTRA", "cell_size_check=ON"):
            db.execute(f"PRAGMA {setting}")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    except BaseException:
        db.close()
        raise
    return db


def _create(path: Path) -> None:
    """Makes an empty journal with mode 0600, durable under its name: a file of that name is never half made, so that
    one cut to nothing is told from a new one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            with _named(path), closing(_connect(draft)) as db:
                db.execute("BEGIN")
                for table in _TABLES:
                    db.execute(table)
                db.execute("INSERT INTO head VALUES (1, 0, ?)", (bytes(32),))
                db.execute(f"PRAGMA application_id={_APPLICATION}")
                db.execute("COMMIT")
            with suppress(FileExistsError):  # another process was faster: its journal is used, and locked by it
                os.link(draft, path)
        finally:
            draft.unlink()
            draft.with_name(f"{draft.name}-journal").unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise JournalUnavailable(f"{path}: {error.strerror}") from error
