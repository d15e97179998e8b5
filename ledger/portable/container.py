"""The ZIP of a portable ledger: stored, flags 0, 1980-01-01, no extras but needed ZIP64 (receipts.md §6).

There is one way to write given entries, so the reader makes every header anew and compares: what a general ZIP library
overlooks (gaps, bytes before and behind, duplicates, headers that contradict the directory) is a difference here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final

from ledger.portable.errors import PortableFormatError, PortableManifestError
from ledger.portable.limits import MAX_ENTRIES, MAX_SMALL_BYTES, PIECE_BYTES

Chunks = Callable[[], Iterable[bytes]]
Tick = Callable[[str, int, int], None]

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
_END: Final = struct.Struct("<4s4H2IH")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_LOCATOR: Final = struct.Struct("<4sIQI")
_DATE: Final = 0x21  # 1980-01-01
_PLAIN, _ZIP64 = 20, 45  # version needed
_FULL32: Final = 0xFFFFFFFF
_FULL16: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it lies in the file: `offset` of its local header, `start` of its bytes."""

    name: str
    length: int
    crc: int
    sha256: str
    offset: int
    start: int


def local_header(name: str, length: int, crc: int) -> bytes:
    """The header before an entry's bytes."""
    large = length >= _FULL32
    extra = struct.pack("<2H2Q", 1, 16, length, length) if large else b""
    size = _FULL32 if large else length
    encoded = name.encode("ascii")
    need = _ZIP64 if large else _PLAIN
    return _LOCAL.pack(b"PK\3\4", need, 0, 0, 0, _DATE, crc, size, size, len(encoded), len(extra)) + encoded + extra


def directory(entries: list[Entry], at: int) -> bytes:
    """The central directory with its end, as it stands at offset `at`."""
    body = b"".join(_central(entry) for entry in entries)
    count = len(entries)
    if at >= _FULL32 or len(body) >= _FULL32 or count >= _FULL16:
        end64 = _END64.pack(b"PK\6\6", 44, _ZIP64, _ZIP64, 0, 0, count, count, len(body), at)
        body_end = end64 + _LOCATOR.pack(b"PK\6\7", 0, at + len(body), 1)
    else:
        body_end = b""
    few, size, start = min(count, _FULL16), min(len(body), _FULL32), min(at, _FULL32)
    return body + body_end + _END.pack(b"PK\5\6", 0, 0, few, few, size, start, 0)


def _central(entry: Entry) -> bytes:
    large = entry.length >= _FULL32
    extra = struct.pack("<2Q", entry.length, entry.length) if large else b""
    extra += struct.pack("<Q", entry.offset) if entry.offset >= _FULL32 else b""
    need = _ZIP64 if extra else _PLAIN
    if extra:
        extra = struct.pack("<2H", 1, len(extra)) + extra
    size, offset = (_FULL32 if large else entry.length), min(entry.offset, _FULL32)
    name = entry.name.encode("ascii")
    fields = (need, need, 0, 0, 0, _DATE, entry.crc, size, size, len(name), len(extra), 0, 0, 0, 0, offset)
    return _CENTRAL.pack(b"PK\1\2", *fields) + name + extra


class ContainerWriter:
    """Writes entries one after the other; memory stays at one piece whatever they hold."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.entries: list[Entry] = []

    def add(self, name: str, chunks: Chunks) -> Entry:
        """Writes an entry. `chunks` gives its bytes, the same each time: once to measure them, once to write."""
        length = crc = 0
        digest = sha256()
        for piece in chunks():
            length, crc = length + len(piece), zlib.crc32(piece, crc)
            digest.update(piece)
        offset = self._file.tell()
        header = local_header(name, length, crc)
        self._file.write(header)
        for piece in chunks():
            self._file.write(piece)
        entry = Entry(name, length, crc, digest.hexdigest(), offset, offset + len(header))
        if self._file.tell() != entry.start + length:
            raise PortableFormatError(f"{name} changed while it was written")
        self.entries.append(entry)
        return entry

    def finish(self) -> None:
        """Writes the directory."""
        self._file.write(directory(self.entries, self._file.tell()))


class ContainerReader:
    """The entries of a file, in order. Opening reads all of it once and checks the ZIP, byte for byte.

    Raises PortableFormatError with the offset for any other form, PortableManifestError for a CRC-32 that is not
    the entry's.
    """

    def __init__(self, file: BinaryIO, tick: Tick | None = None) -> None:
        self._file = file
        file.seek(0, 2)
        self._size = file.tell()
        self.entries: dict[str, Entry] = {}
        at = 0
        while self._at(at, 4) == b"PK\3\4":
            entry = self._entry(at)
            self.entries[entry.name] = entry
            at = entry.start + entry.length
            if tick:
                tick("read", at, self._size)
        self._check_directory(at)

    def _at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(length)

    def _entry(self, at: int) -> Entry:
        raw = self._at(at, _LOCAL.size)
        if len(raw) < _LOCAL.size:
            raise PortableFormatError(f"the file ends within the header at offset {at}")
        crc, size, name_size, extra_size = (_LOCAL.unpack(raw)[place] for place in (6, 7, 9, 10))
        tail = self._at(at + _LOCAL.size, name_size + extra_size)
        try:
            name = tail[:name_size].decode("ascii")
        except UnicodeDecodeError as error:
            raise PortableFormatError(f"the entry's name at offset {at + _LOCAL.size} is not ASCII") from error
        if size == _FULL32 and extra_size == 20:
            size = int.from_bytes(tail[name_size + 4 : name_size + 12], "little")
        wanted = local_header(name, size, crc)
        _compare(raw + tail, wanted, at, f"the header of entry {name!r}")
        if name in self.entries:
            raise PortableFormatError(f"entry {name!r} at offset {at} stands twice")
        if len(self.entries) >= MAX_ENTRIES:
            raise PortableFormatError(f"over {MAX_ENTRIES} entries at offset {at}")
        start = at + len(wanted)
        if start + size > self._size:
            raise PortableFormatError(f"entry {name!r} at offset {at} is longer than the file")
        found, digest = 0, sha256()
        for piece in self._pieces(start, size):
            found = zlib.crc32(piece, found)
            digest.update(piece)
        if found != crc:
            raise PortableManifestError(
                f"entry {name!r}, bytes {start} to {start + size}: the CRC-32 is {found:08x}, its header says {crc:08x}"
            )
        return Entry(name, size, crc, digest.hexdigest(), at, start)

    def _check_directory(self, at: int) -> None:
        entries = list(self.entries.values())
        if not entries:
            raise PortableFormatError("no entry at offset 0: the file is no portable ledger")
        wanted = directory(entries, at)
        _compare(self._at(at, len(wanted) + 1), wanted, at, "the directory")

    def _pieces(self, start: int, length: int) -> Iterator[bytes]:
        end = start + length
        while start < end:
            piece = self._at(start, min(PIECE_BYTES, end - start))
            if not piece:
                raise PortableFormatError(f"the file ends at offset {start}")
            yield piece
            start += len(piece)

    def small(self, name: str) -> bytes:
        """An entry as a whole. Raises PortableFormatError where it is absent or too large for that."""
        entry = self.entry(name)
        if entry.length > MAX_SMALL_BYTES:
            raise PortableFormatError(f"entry {name!r} has {entry.length} bytes, at most {MAX_SMALL_BYTES}")
        return self._at(entry.start, entry.length)

    def entry(self, name: str) -> Entry:
        """Raises PortableFormatError where there is none of this name."""
        if name not in self.entries:
            raise PortableFormatError(f"entry {name!r} is missing")
        return self.entries[name]

    def piece(self, name: str, offset: int, length: int) -> bytes:
        """At most `length` bytes of an entry from `offset` on."""
        entry = self.entry(name)
        return self._at(entry.start + offset, max(0, min(length, entry.length - offset)))

    def lines(self, name: str, most_bytes: int) -> Iterator[tuple[int, bytes]]:
        """(offset, line without its LF) of an entry. Raises PortableFormatError for a line that is too long or open."""
        offset, length = 0, self.entry(name).length
        while offset < length:
            self._file.seek(self.entries[name].start + offset)
            line = self._file.readline(min(most_bytes, length - offset))
            if not line.endswith(b"\n"):
                raise PortableFormatError(
                    f"entry {name!r}, offset {offset}: a line without an end within {most_bytes} bytes"
                )
            yield offset, line[:-1]
            offset += len(line)


def _compare(found: bytes, wanted: bytes, at: int, what: str) -> None:
    if found != wanted:
        raise PortableFormatError(f"{what} at offset {at + difference(found, wanted)} has another form")


def difference(found: Sequence[object], wanted: Sequence[object]) -> int:
    """The first place where two texts, or two lists, differ."""
    return next(
        (n for n, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]),
        min(len(found), len(wanted)),
    )
