"""The embedded key-value store: RocksDB, with a checksum of our own under every value (docs/decisions/0002).

RocksDB checks its blocks and its log. Our checksum, BLAKE2b-64 over key ‖ value, also finds a value that stands
under another key, and damage done above RocksDB's own check. RocksDB numbers all writes; the number reached at
opening and closing is kept in a file beside it, since a shortened MANIFEST otherwise opens as an older, whole
database. Every write is one atomic batch, on the disk before `write` returns. After a failed write nothing more is
written: what the disk holds is then known only after a new start.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBRecoveryMode,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from ledger.errors import (
    StoreCorruption,
    StoreError,
    StoreExists,
    StoreFull,
    StoreLocked,
    StoreMissing,
    StorePoisoned,
    StoreReadOnly,
)
from ledger.limits import STORE_CACHE_BYTES, STORE_WRITE_BUFFER_BYTES

CHECKSUM_BYTES: Final = 8
_DATABASE: Final = "store"
_LOCK: Final = "lock"
_REACHED: Final = "reached"
# What says that the disk, a quota or a limit on files takes no more.
DISK_FULL_ERRNOS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL: Final = tuple(os.strerror(number) for number in DISK_FULL_ERRNOS)


def _checksum(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=CHECKSUM_BYTES).digest()


def _options(*, create: bool) -> Options:
    table = BlockBasedOptions()
    table.set_block_cache(Cache(STORE_CACHE_BYTES))
    # A third of the look-ups during execution are for absent keys; the filter answers them without a disk read.
    table.set_bloom_filter(10, block_based=False)
    table.set_cache_index_and_filter_blocks(True)
    options = Options(raw_mode=True)
    options.create_if_missing(create)
    options.set_paranoid_checks(True)
    # Only an unfinished record at the very end of the log is dropped: that is a write which was never acknowledged.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_write_buffer_size(STORE_WRITE_BUFFER_BYTES)
    options.set_block_based_table_factory(table)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(4 * 1024 * 1024)
    return options


def _named(error: Exception, doing: str) -> StoreError:
    """The store's error for one of RocksDB's, which come as bare exceptions with a text."""
    text = str(error)
    if any(sign in text for sign in _FULL) or getattr(error, "errno", None) in DISK_FULL_ERRNOS:
        return StoreFull(f"{doing}: {text}")
    if "lock hold" in text or "While lock file" in text:
        return StoreLocked(f"{doing}: {text}")
    if "Corruption" in text or "corrupt" in text or "No such file" in text or "checksum" in text:
        return StoreCorruption(f"{doing}: {text}")
    return StoreError(f"{doing}: {text}")


def sync_directory(path: Path) -> None:
    """Makes the entries of a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Store:
    """One data directory's key-value store. Open it with `create`, `open` or `open_for_reading`."""

    def __init__(
        self, path: Path, database: Rdict, lock: int | None, scratch: tempfile.TemporaryDirectory[str] | None
    ) -> None:
        self._path = path
        self._database = database
        self._lock = lock
        self._scratch = scratch
        self._sync = WriteOptions()
        self._sync.sync = True
        self._poison: StoreError | None = None
        self._closed = False

    @classmethod
    def create(cls, path: Path) -> Store:
        """A new store in `path`, which is made if need be. Raises StoreExists unless it is empty."""
        path.mkdir(parents=True, exist_ok=True)
        if any(entry.name != _LOCK for entry in path.iterdir()):
            raise StoreExists(f"{path} is not empty")
        lock = _take_lock(path)
        try:
            database = Rdict(str(path / _DATABASE), _options(create=True))
        except Exception as error:
            os.close(lock)
            raise _named(error, f"making the store in {path}") from error
        sync_directory(path)
        _note_reached(path, database)
        return cls(path, database, lock, None)

    @classmethod
    def open(cls, path: Path) -> Store:
        """The store in `path`, for writing: one process at a time.

        Raises StoreMissing, StoreLocked, StoreFull, or StoreCorruption where RocksDB finds damage at opening.
        """
        if not (path / _DATABASE / "CURRENT").is_file():
            _raise_absent(path)
        lock = _take_lock(path)
        try:
            # A look without changing anything comes first: opening for writing deletes files that RocksDB does not know
            # any more, and where it has lost track they would be the data.
            _look(path)
            database = Rdict(str(path / _DATABASE), _options(create=False))
            _note_reached(path, database)
        except StoreError:
            os.close(lock)
            raise
        except Exception as error:
            os.close(lock)
            raise _named(error, f"opening the store in {path}") from error
        return cls(path, database, lock, None)

    @classmethod
    def open_for_reading(cls, path: Path) -> Store:
        """The store in `path` as it is now, without the lock, also while another process writes (`refresh`).

        Raises StoreMissing or StoreCorruption.
        """
        if not (path / _DATABASE / "CURRENT").is_file():
            _raise_absent(path)
        # Read before the store: a writer may go on while we open.
        reached = _read_reached(path)
        # RocksDB's "secondary" follows a writer without disturbing it; it keeps its own log in a scratch directory.
        scratch = tempfile.TemporaryDirectory(prefix="dure-reader-")
        options = _options(create=False)
        options.set_max_open_files(-1)
        try:
            database = Rdict(
                str(path / _DATABASE), options, access_type=AccessType.secondary(str(Path(scratch.name) / "log"))
            )
            database.try_catch_up_with_primary()
            _check_reached(reached, database)
        except StoreError:
            scratch.cleanup()
            raise
        except Exception as error:
            scratch.cleanup()
            raise _named(error, f"opening the store in {path} for reading") from error
        return cls(path, database, None, scratch)

    @property
    def writable(self) -> bool:
        """Whether this process holds the lock."""
        return self._lock is not None

    def refresh(self) -> None:
        """Shows a reader what the writer has written since. Nothing to do for the writer itself."""
        if self._lock is None:
            try:
                self._database.try_catch_up_with_primary()
            except Exception as error:
                raise _named(error, "following the writer") from error

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, None if there is none. Raises StoreCorruption for a damaged one."""
        try:
            stored = self._database.get(key)
        except Exception as error:
            raise _named(error, f"reading key 0x{key.hex()}") from error
        return None if stored is None else _checked(key, stored)

    def need(self, key: bytes) -> bytes:
        """The value under `key`, which must be there. Raises StoreCorruption if it is absent or damaged."""
        value = self.get(key)
        if value is None:
            raise StoreCorruption(f"key 0x{key.hex()} is missing")
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix`, with their values, in the order of their bytes."""
        options = ReadOptions()
        options.set_verify_checksums(True)
        try:
            cursor = self._database.iter(options)
            cursor.seek(prefix)
            while cursor.valid():
                key = cursor.key()
                if not key.startswith(prefix):
                    break
                yield key, _checked(key, cursor.value())
                cursor.next()
            cursor.status()
        except StoreError:
            raise
        except Exception as error:
            raise _named(error, f"reading the keys from 0x{prefix.hex()}") from error

    def require_writable(self) -> None:
        """Raises StoreReadOnly, or StorePoisoned after a failed write."""
        if self._lock is None:
            raise StoreReadOnly("this store was opened for reading")
        if self._poison is not None:
            raise StorePoisoned(f"nothing was written; the first error was: {self._poison.what}") from self._poison

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes] = ()) -> None:
        """Writes all or nothing, and returns only when it is on the disk.

        Raises StoreReadOnly, StoreFull, StorePoisoned after an earlier failure.
        """
        self.require_writable()
        batch = WriteBatch(raw_mode=True)
        for key in deletes:
            batch.delete(key)
        for key, value in puts:
            batch.put(key, value + _checksum(key, value))
        try:
            self._database.write(batch, self._sync)
        except Exception as error:
            self._poison = _named(error, "writing")
            raise self._poison from error

    def verify(self) -> int:
        """Reads and checks every value; how many there are. Raises StoreCorruption at the first bad one."""
        return sum(1 for _ in self.scan(b""))

    def close(self) -> None:
        """Closes the store and gives up the lock. Closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._lock is not None and self._poison is None:
                _note_reached(self._path, self._database)
            self._database.close()
        except StoreError:
            raise
        except Exception as error:
            raise _named(error, "closing the store") from error
        finally:
            if self._lock is not None:
                os.close(self._lock)
            if self._scratch is not None:
                self._scratch.cleanup()


def _checked(key: bytes, stored: bytes) -> bytes:
    value = stored[:-CHECKSUM_BYTES]
    if len(stored) < CHECKSUM_BYTES or stored[-CHECKSUM_BYTES:] != _checksum(key, value):
        raise StoreCorruption(f"the value under key 0x{key.hex()} does not have its checksum")
    return value


def _note_reached(path: Path, database: Rdict) -> None:
    """Keeps the number of the last write, durably."""
    number = str(database.latest_sequence_number()).encode()
    fresh = path / f"{_REACHED}.new"
    try:
        with fresh.open("wb") as file:
            file.write(number + b" " + _checksum(_REACHED.encode(), number).hex().encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path / _REACHED)
        sync_directory(path)
    except OSError as error:
        raise _named(error, f"writing {path / _REACHED}") from error


def _look(path: Path) -> None:
    """Opens for reading only and compares with the note. Raises StoreCorruption."""
    reached = _read_reached(path)
    database = Rdict(str(path / _DATABASE), _options(create=False), access_type=AccessType.read_only())
    try:
        _check_reached(reached, database)
    finally:
        database.close()


def _read_reached(path: Path) -> int:
    """The number of the last write that was noted. Raises StoreCorruption for a lost or changed note."""
    try:
        number, _, checksum = (path / _REACHED).read_bytes().partition(b" ")
    except OSError as error:
        raise StoreCorruption(f"{path / _REACHED} cannot be read: {error.strerror}") from error
    if checksum != _checksum(_REACHED.encode(), number).hex().encode():
        raise StoreCorruption(f"{path / _REACHED} does not have its checksum")
    return int(number)


def _check_reached(reached: int, database: Rdict) -> None:
    """Raises StoreCorruption where the database ends before the last write that was noted."""
    found = database.latest_sequence_number()
    if found < reached:
        raise StoreCorruption(f"the store ends at write {found}, but {reached} was reached: data were lost")


def _raise_absent(path: Path) -> None:
    """A directory without a database was never one; one with remains of a database has lost a part of it."""
    if (path / _DATABASE).is_dir() and any((path / _DATABASE).iterdir()):
        raise StoreCorruption(f"{path / _DATABASE} lacks its CURRENT file")
    raise StoreMissing(f"{path} holds no chain")


def _take_lock(path: Path) -> int:
    handle = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreLocked(f"{path} is held by another process") from error
    return handle
