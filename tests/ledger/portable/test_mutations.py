"""A portable ledger with any byte changed is refused by name, with CRCs and manifest as they were or made anew."""

from __future__ import annotations

import io
import itertools
import random
import zipfile

import pytest

from ledger.portable import contents
from ledger.portable.errors import PortableError
from tests.ledger.portable.forging import BLOCKS, check, enclosed_trust, entries_of, packed, short_ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return short_ledger(tmp_path_factory.mktemp("short"))


def named(error: PortableError) -> bool:
    """Whether an error says where: an offset, an entry, a block."""
    return any(word in error.what for word in ("offset", "entry", "block", "the file begins"))


def flips(ledger: bytes, count: int, seed: int) -> list[tuple[int, int]]:
    """(place, bit pattern) of changes over the whole file; every entry and its headers have as many as any other."""
    rng = random.Random(seed)
    with zipfile.ZipFile(io.BytesIO(ledger)) as archive:
        starts = [entry.header_offset for entry in archive.infolist()]
        bounds = [*starts, archive.start_dir, len(ledger)]
    spans = list(itertools.pairwise(bounds))
    return [(rng.randrange(*spans[number % len(spans)]), rng.randrange(1, 256)) for number in range(count)]


def check_raw(ledger: bytes, count: int, seed: int) -> None:
    trust = enclosed_trust(ledger)
    for place, pattern in flips(ledger, count, seed):
        changed = bytearray(ledger)
        changed[place] ^= pattern
        with pytest.raises(PortableError) as caught:
            check(bytes(changed), trust)
        assert named(caught.value), (place, pattern, caught.value.what)


def check_forged(ledger: bytes, count: int, seed: int, *, held: bool) -> None:
    """The forger changes a byte of an entry, then mends CRC and manifest."""
    rng = random.Random(seed)
    trust = enclosed_trust(ledger)
    entries = entries_of(ledger)
    names = [name for name in entries if name != contents.MANIFEST]
    for number in range(count):
        name = names[number % len(names)]
        changed = bytearray(entries[name])
        place, pattern = rng.randrange(len(changed)), rng.randrange(1, 256)
        changed[place] ^= pattern
        with pytest.raises(PortableError) as caught:
            check(packed(entries | {name: bytes(changed)}), trust if held else None)
        assert named(caught.value), (name, place, pattern, caught.value.what)


def test_it_holds_as_it_was_written(ledger: bytes) -> None:
    assert check(ledger, enclosed_trust(ledger)).number == BLOCKS
    assert packed(entries_of(ledger)) == ledger


def test_any_byte_changed(ledger: bytes) -> None:
    check_raw(ledger, 200, seed=1)


def test_any_byte_of_an_entry_changed_with_a_recomputed_manifest(ledger: bytes) -> None:
    check_forged(ledger, 120, seed=2, held=True)


def test_any_byte_of_the_manifest_changed_with_a_recomputed_crc(ledger: bytes) -> None:
    entries, rng = entries_of(ledger), random.Random(3)
    for _ in range(60):
        changed = bytearray(entries[contents.MANIFEST])
        changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
        with pytest.raises(PortableError) as caught:
            check(packed(entries | {contents.MANIFEST: bytes(changed)}, manifest=False), enclosed_trust(ledger))
        assert named(caught.value)


def test_any_cut(ledger: bytes) -> None:
    rng = random.Random(4)
    for _ in range(60):
        with pytest.raises(PortableError):
            check(ledger[: rng.randrange(len(ledger))], enclosed_trust(ledger))


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_any_byte_changed_long(ledger: bytes, part: int) -> None:
    check_raw(ledger, 2_000, seed=100 + part)
    check_forged(ledger, 1_000, seed=200 + part, held=True)
