"""The journal under damage, kills and locks: what was acknowledged is there, what is damaged is refused."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.signatures import address_of
from tests.wallets import world as w
from wallets import errors as e
from wallets.card import TransitCard
from wallets.journal import Entry, Journal

OWNER = b"o" * 20


def _filled(path: Path, count: int = 12) -> list[Entry]:
    with Journal(path) as journal:
        for start in range(0, count, 4):
            with journal.batch():
                for number in range(start, start + 4):
                    journal.add("state", OWNER, number, bytes([number]) * 300)
        return journal.entries("state", OWNER)


def _read(path: Path) -> list[Entry]:
    with Journal(path) as journal:
        return journal.entries("state", OWNER)


def test_entries_come_back_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written = _filled(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert _read(path) == written
    with Journal(path) as journal:
        assert journal.last("state", OWNER) == written[-1]
        assert journal.get("state", OWNER, 3) == written[3]
        assert journal.get("state", b"x" * 20, 3) is None
        assert journal.last("other", OWNER) is None


def test_the_rollback_file_of_an_open_batch_is_private(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal, journal.batch():
        journal.add("state", OWNER, 0, b"")
        modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
    assert modes == {0o600}


def _damaged(path: Path, data: bytes, written: list[Entry]) -> bool:
    """Opens the journal with these bytes: True if refused; otherwise it must hold what was written."""
    path.write_bytes(data)
    path.with_name(path.name + "-journal").unlink(missing_ok=True)
    try:
        found = _read(path)
    except e.JournalCorrupt:
        return True
    assert found == written
    return False


def _flips(folder: Path, positions: list[int], bits: list[int]) -> int:
    path = folder / "journal"
    written = _filled(path, 8)
    whole = path.read_bytes()
    refused = 0
    for position, bit in zip(positions, bits, strict=True):
        at = position % len(whole)
        changed = bytearray(whole)
        changed[at] ^= 1 << bit
        refused += _damaged(path, bytes(changed), written)
    return refused


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    source = random.Random(7)
    positions = [*range(100), *(source.randrange(1 << 30) for _ in range(300))]
    assert _flips(tmp_path, positions, [source.randrange(8) for _ in positions]) > 20


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_every_byte_flipped(tmp_path: Path) -> None:
    _filled(tmp_path / "journal", 8)
    size = (tmp_path / "journal").stat().st_size
    (tmp_path / "journal").unlink()
    source = random.Random(8)
    assert _flips(tmp_path, list(range(size)), [source.randrange(8) for _ in range(size)]) > 1_000


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written = _filled(path)
    whole = path.read_bytes()
    for size in (0, *range(1, len(whole), 997), len(whole) - 1):
        assert _damaged(path, whole[:size], written)


def test_an_older_head_or_a_removed_entry_is_refused(tmp_path: Path) -> None:
    for damage in (
        "DELETE FROM entry WHERE position = 12",
        "DELETE FROM entry WHERE position = 3",
        "UPDATE head SET position = 11",
        "DELETE FROM head",
        "UPDATE entry SET number = 99 WHERE position = 5",
        "UPDATE entry SET kind = 'x' WHERE position = 5",
        "UPDATE entry SET owner = 'text' WHERE position = 5",
        "UPDATE entry SET body = x'00' WHERE position = 12",
        "DROP INDEX slot",
        "CREATE TABLE more (a)",
        "PRAGMA application_id = 5",
    ):
        path = tmp_path / "journal"
        path.unlink(missing_ok=True)
        _filled(path)
        raw = sqlite3.connect(path)
        raw.execute(damage)
        raw.commit()
        raw.close()
        with pytest.raises(e.JournalCorrupt):
            _read(path)


def test_another_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"not a journal at all" * 100)
    before = path.read_bytes()
    with pytest.raises(e.JournalCorrupt):
        Journal(path)
    assert path.read_bytes() == before


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal"), pytest.raises(e.JournalLocked):
        Journal(tmp_path / "journal")
    with Journal(tmp_path / "journal"):
        pass
    with pytest.raises(e.JournalUnavailable):
        Journal(tmp_path / "nowhere" / "journal")


def test_slots_batches_and_sizes(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        with pytest.raises(e.NotDurable):
            journal.add("state", OWNER, 0, b"")
        journal.add_now("state", OWNER, 0, b"a")
        with pytest.raises(e.SlotTaken):
            journal.add_now("state", OWNER, 0, b"b")
        with pytest.raises(e.JournalUnavailable):
            journal.add_now("state", OWNER, 1, b"b" * 8_193)
        with journal.batch():
            with pytest.raises(e.BatchOpen), journal.batch():
                pass
            with pytest.raises(e.SlotTaken):
                journal.add("state", OWNER, 0, b"b")
            journal.add("state", OWNER, 1, b"c")
    assert [entry.body for entry in _read(tmp_path / "journal")] == [b"a", b"c"]


def _tapping(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.wallets.tapping", str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )


def test_killed_between_any_two_writes_no_signature_is_lost_or_doubled(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        TransitCard.enrol(w.CARD, *w.certificate(offline_cap_won=4_000_000_000), w.DIRECTORY, journal)
    source = random.Random(9)
    released: dict[int, str] = {}
    for _ in range(6):
        process = _tapping(path)
        assert process.stdout is not None
        for _ in range(source.randrange(1, 12)):
            line = process.stdout.readline()
            seq, digest = line.split()
            assert released.setdefault(int(seq), digest) == digest
        process.kill()
        for line in process.stdout.read().splitlines():
            if line.count(" ") == 1 and len(line.split()[1]) == 64:
                assert released.setdefault(int(line.split()[0]), line.split()[1]) == line.split()[1]
        process.wait()
        process.stdout.close()
        with Journal(path) as journal:
            card = TransitCard(w.CARD, w.DIRECTORY, journal)
            for seq, digest in released.items():
                signed = card.signed_tap(seq)
                assert signed is not None
                assert w.digest(signed.state).hex() == digest
    assert address_of(w.CARD) == card.address
    assert len(released) > 6
