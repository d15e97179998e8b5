"""What a chain's records are kept in, and the kind that needs no disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from ledger.errors import StoreCorruption


class KeyValue(Protocol):
    """What a chain's records are kept in: `Store` on the disk, `MemoryStore` for re-execution."""

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, None if there is none."""
        ...

    def need(self, key: bytes) -> bytes:
        """The value under `key`; raises StoreCorruption if it is absent."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix`, with their values, in order."""
        ...

    def require_writable(self) -> None:
        """Raises StoreReadOnly, or StorePoisoned after a failed write."""
        ...

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes] = ()) -> None:
        """Writes all or nothing."""
        ...

    def refresh(self) -> None:
        """Shows what another process has written since."""
        ...

    def close(self) -> None:
        """Ends the use of the store."""
        ...


class MemoryStore:
    """The same without a disk: for re-execution, whose result is a verdict, and for nothing that must last."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, None if there is none."""
        return self._values.get(key)

    def need(self, key: bytes) -> bytes:
        """The value under `key`. Raises StoreCorruption if it is absent."""
        value = self._values.get(key)
        if value is None:
            raise StoreCorruption(f"key 0x{key.hex()} is missing")
        return value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix`, with their values, in the order of their bytes."""
        yield from sorted(item for item in self._values.items() if item[0].startswith(prefix))

    def require_writable(self) -> None:
        """Always is."""

    def write(self, puts: Iterable[tuple[bytes, bytes]], deletes: Iterable[bytes] = ()) -> None:
        """Writes at once."""
        for key in deletes:
            self._values.pop(key, None)
        self._values.update(puts)

    def refresh(self) -> None:
        """Nothing: nobody else writes here."""

    def close(self) -> None:
        """Forgets everything."""
        self._values.clear()
