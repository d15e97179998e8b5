"""Where a reader keeps its chain until clearing has it: one small SQLite file, durable at every tap.

Several readers of one station or vehicle may share a file, each with its own chain. `group` makes many taps durable
at once, for whoever opens its gates only when the group ends.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final, TypeAlias

from contracts.messages import FareState
from services.fares.errors import ReaderError, ReaderFullError
from services.fares.limits import COMPLETION_S, MAX_OFFLINE_TAPS, MAX_SKEW_S
from services.fares.uploads import FIRST_LINK

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    reader BLOB NOT NULL, position INTEGER NOT NULL, line BLOB NOT NULL, link BLOB NOT NULL,
    signer BLOB NOT NULL, own BLOB NOT NULL, certificate BLOB NOT NULL, card BLOB NOT NULL,
    charge_won INTEGER NOT NULL, tap_time INTEGER NOT NULL,
    PRIMARY KEY (reader, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_of_card ON entries (reader, card, charge_won);
CREATE TABLE IF NOT EXISTS certificates (
    signature BLOB PRIMARY KEY, subject BLOB NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS completed (digest BLOB PRIMARY KEY, tap_time INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS completed_by_time ON completed (tap_time);
CREATE TABLE IF NOT EXISTS tips (
    reader BLOB PRIMARY KEY, length INTEGER NOT NULL, link BLOB NOT NULL, kept_from INTEGER NOT NULL) WITHOUT ROWID;
"""


# A completed tap is remembered for as long as its card could be taken for unfinished, by any clock.
_REMEMBERED_S: Final = 4 * (COMPLETION_S + MAX_SKEW_S)
Certified: TypeAlias = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry as it is kept: its line, and the keys (issuer's signatures) of the certificates it needs."""

    position: int
    line: bytes
    link: bytes
    signer: bytes
    own: bytes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Tip:
    """length: of the chain so far · link: its last · kept_from: the first position not yet acknowledged."""

    length: int
    link: bytes
    kept_from: int


class ReaderStoreError(ReaderError):
    """The reader's file of taps is damaged or cannot be opened; nothing in it was changed."""

    code = "FARE-212"
    do = "Take the reader out of service and keep the file: its readable entries can still be uploaded."
    ko = "단말기 저장 파일을 열 수 없습니다."
    exit_code = 4


class ReaderStore:
    """The file. Not for several processes at once. Raises ReaderStoreError for one that is damaged or out of reach."""

    def __init__(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(path)) as db:  # read through before anything is written to it
                found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise ReaderStoreError(f"{path}: {found}")
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ReaderStoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """Closes the file; what was appended is on the disk already."""
        self._db.close()

    @contextmanager
    def group(self) -> Iterator[None]:
        """All appends of the block become durable together when it ends, or none of them."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def tip(self, reader: bytes) -> Tip:
        """Where the reader's chain stands."""
        row = self._db.execute("SELECT length, link, kept_from FROM tips WHERE reader = ?", (reader,)).fetchone()
        return Tip(*row) if row else Tip(0, FIRST_LINK, 0)

    def host(self, reader: bytes) -> None:
        """From now on this store holds the chain of `reader`."""
        with self.group():
            self._db.execute("INSERT OR IGNORE INTO tips VALUES (?, 0, ?, 0)", (reader, FIRST_LINK))

    def hosts(self, reader: bytes) -> bool:
        """Whether the chain of `reader` is kept here, so that `completed` speaks for it too."""
        return self._db.execute("SELECT 1 FROM tips WHERE reader = ?", (reader,)).fetchone() is not None

    def completed(self, digest: bytes) -> bool:
        """Whether a tap of the last minutes stands in a chain kept here, acknowledged or not."""
        return self._db.execute("SELECT 1 FROM completed WHERE digest = ?", (digest,)).fetchone() is not None

    def append(
        self, reader: bytes, kept: Kept, certificates: dict[bytes, Certified], digest: bytes, state: FareState
    ) -> None:
        """Appends an entry, with the certificates (by issuer's signature) that it needs. Durable on return, or when
        the surrounding group ends. Raises ReaderFullError."""
        with self.group():
            tip = self.tip(reader)
            if tip.length - tip.kept_from >= MAX_OFFLINE_TAPS:
                raise ReaderFullError(f"{MAX_OFFLINE_TAPS} taps wait for the upload")
            self._db.executemany(
                "INSERT OR IGNORE INTO certificates VALUES (?, ?, ?)",
                [(signature, subject, body) for signature, (subject, body) in certificates.items()],
            )
            self._db.execute(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (reader, *astuple(kept), state.card, state.charge_won, state.tap_time),
            )
            self._db.execute(
                "UPDATE tips SET length = ?, link = ? WHERE reader = ?", (kept.position + 1, kept.link, reader)
            )
            self._db.execute("INSERT OR IGNORE INTO completed VALUES (?, ?)", (digest, state.tap_time))
            self._db.execute("DELETE FROM completed WHERE tap_time < ?", (state.tap_time - _REMEMBERED_S,))

    def kept(self, reader: bytes, most: int) -> list[Kept]:
        """The oldest `most` entries that clearing has not acknowledged."""
        rows = self._db.execute(
            "SELECT position, line, link, signer, own, certificate FROM entries WHERE reader = ? "
            "ORDER BY position LIMIT ?",
            (reader, most),
        )
        return [Kept(*row) for row in rows]

    def certificate(self, signature: bytes) -> Certified:
        """(whom it is for, its encoded body) of a certificate by its issuer's signature."""
        subject, body = self._db.execute(
            "SELECT subject, body FROM certificates WHERE signature = ?", (signature,)
        ).fetchone()
        return bytes(subject), bytes(body)

    def waiting(self, reader: bytes, card: bytes) -> tuple[int, int]:
        """(taps, their won) of a card that wait for the upload."""
        count, won = self._db.execute(
            "SELECT count(*), coalesce(sum(charge_won), 0) FROM entries INDEXED BY entries_of_card "
            "WHERE reader = ? AND card = ?",
            (reader, card),
        ).fetchone()
        return int(count), int(won)

    def oldest(self, reader: bytes) -> int:
        """Time of the oldest tap that waits for the upload, 0 for none."""
        row = self._db.execute(
            "SELECT tap_time FROM entries WHERE reader = ? ORDER BY position LIMIT 1", (reader,)
        ).fetchone()
        return int(row[0]) if row else 0

    def forget(self, reader: bytes, before: int) -> None:
        """Clearing has everything before `before` on its disk."""
        with self.group():
            self._db.execute("DELETE FROM entries WHERE reader = ? AND position < ?", (reader, before))
            self._db.execute(
                "UPDATE tips SET kept_from = max(kept_from, min(?, length)) WHERE reader = ?", (before, reader)
            )
            if self._db.execute("SELECT 1 FROM entries").fetchone() is None:  # then no certificate is needed either
                self._db.execute("DELETE FROM certificates")
