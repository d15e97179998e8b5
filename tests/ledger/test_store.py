"""The store under damage: nothing that was changed on the disk is ever returned as if it were whole."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import (
    StoreCorruption,
    StoreExists,
    StoreLocked,
    StoreMissing,
    StoreReadOnly,
)
from ledger.store import Store
from tests.faults import store_candidates

VALUES = [(f"key {number:05}".encode(), random.Random(number).randbytes(200)) for number in range(2_000)]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A closed store with VALUES: half in a sorted table, half in the log."""
    store = Store.create(tmp_path / "data")
    store.write(VALUES[:1_000])
    store.close()
    store = Store.open(tmp_path / "data")
    store.write(VALUES[1_000:])
    store.close()
    return tmp_path / "data"


def files(path: Path) -> list[Path]:
    return sorted(
        file for file in (path / "store").iterdir() if file.is_file() and file.name not in ("LOCK", "IDENTITY")
    )


def read_all(path: Path) -> dict[bytes, bytes]:
    store = Store.open(path)
    try:
        return dict(store.scan(b""))
    finally:
        store.close()


def test_what_was_written_is_read_after_reopening(written: Path) -> None:
    assert read_all(written) == dict(VALUES)


@given(st.dictionaries(st.binary(min_size=1, max_size=40), st.binary(max_size=300), max_size=30), st.data())
@settings(max_examples=30, deadline=None)
def test_it_is_a_mapping(model: dict[bytes, bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as directory:
        store = Store.create(Path(directory))
        store.write(model.items())
        gone = data.draw(st.lists(st.sampled_from(sorted(model)), unique=True)) if model else []
        store.write([], gone)
        left = {key: value for key, value in model.items() if key not in gone}
        assert dict(store.scan(b"")) == left
        assert all(store.get(key) == left.get(key) for key in model)
        store.close()


def test_a_write_is_all_or_nothing(written: Path) -> None:
    store = Store.open(written)
    with pytest.raises(TypeError):
        store.write([(b"new", b"1"), (b"bad", None)])  # type: ignore[list-item]
    assert store.get(b"new") is None
    store.close()


def test_flipped_bytes_are_found_in_every_file(written: Path) -> None:
    rng = random.Random(7)
    found = 0
    for file in files(written):
        original = file.read_bytes()
        for _ in range(12):
            if not original or file.name.startswith(("LOG", "OPTIONS")):
                continue
            place = rng.randrange(len(original))
            damaged = bytearray(original)
            damaged[place] ^= 1 << rng.randrange(8)
            file.write_bytes(damaged)
            found += _found_or_harmless(written)
        file.write_bytes(original)
    assert found > 5
    assert read_all(written) == dict(VALUES)


def test_truncated_files_are_found(written: Path) -> None:
    rng = random.Random(8)
    found = 0
    for file in files(written):
        original = file.read_bytes()
        if not original or file.name.startswith(("LOG", "OPTIONS")) or file.suffix == ".log":
            continue
        for _ in range(6):
            file.write_bytes(original[: rng.randrange(len(original))])
            found += _found_or_harmless(written)
        file.write_bytes(original)
    assert found > 5


def _found_or_harmless(path: Path) -> int:
    """1 if the damage was named, 0 if nothing was lost by it. Works on a copy, since opening rewrites files."""
    copy = path.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(path, copy)
    try:
        assert read_all(copy) == dict(VALUES)
    except StoreCorruption:
        return 1
    return 0


TORN = """
import os, sys
from pathlib import Path
from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
store.write([(b"a", b"1"), (b"b", b"2" * 500)])
os._exit(0)
"""


def test_no_damage_is_silent_or_kills() -> None:
    """The test that chose the store (docs/decisions/0002), in small."""
    name = "Store (ours on RocksDB)"
    for counts in store_candidates.run([name], trials=20).values():
        assert counts["silent"] == counts["killed"] == 0
        assert counts["found"] > 15


def test_an_unfinished_last_write_is_dropped_whole(written: Path) -> None:
    subprocess.run([sys.executable, "-c", TORN, str(written)], check=True)
    log = max((file for file in files(written) if file.suffix == ".log"), key=lambda file: file.stat().st_mtime)
    log.write_bytes(log.read_bytes()[:-100])
    assert read_all(written) == dict(VALUES)


def test_an_older_copy_of_the_store_is_found(written: Path) -> None:
    shutil.copytree(written / "store", written.with_name("older"))
    store = Store.open(written)
    store.write([(b"a", b"1")])
    store.close()
    shutil.rmtree(written / "store")
    shutil.copytree(written.with_name("older"), written / "store")
    with pytest.raises(StoreCorruption, match="data were lost"):
        Store.open(written)
    with pytest.raises(StoreCorruption, match="data were lost"):
        Store.open_for_reading(written)


def test_a_shortened_manifest_is_found_before_anything_is_changed(written: Path) -> None:
    """Opened for writing, RocksDB would delete the tables that a shortened MANIFEST does not name."""
    manifest = next(file for file in files(written) if file.name.startswith("MANIFEST"))
    original = manifest.read_bytes()
    found = 0
    for cut in range(1, len(original), 7):
        copy = written.with_name("copy")
        shutil.copytree(written, copy)
        (copy / "store" / manifest.name).write_bytes(original[:-cut])
        before = contents(copy)
        try:
            assert read_all(copy) == dict(VALUES)
        except StoreCorruption:
            found += 1
            assert contents(copy) == before
        shutil.rmtree(copy)
    assert found > 5


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in files(path) if not file.name.startswith("LOG")}


def test_a_lost_or_changed_note_of_writes_is_found(written: Path) -> None:
    note = written / "reached"
    original = note.read_bytes()
    note.write_bytes(b"1" + original[1:])
    with pytest.raises(StoreCorruption):
        Store.open(written)
    note.unlink()
    with pytest.raises(StoreCorruption):
        Store.open(written)


def test_a_value_under_another_key_is_found(written: Path) -> None:
    from rocksdict import Options, Rdict

    database = Rdict(str(written / "store"), Options(raw_mode=True))
    database.put(b"key 00001", database.get(b"key 00002"))
    database.put(b"key 00003", b"short")
    database.close()
    store = Store.open(written)
    for key in (b"key 00001", b"key 00003"):
        with pytest.raises(StoreCorruption, match=key.hex()):
            store.get(key)
    with pytest.raises(StoreCorruption):
        store.verify()
    store.close()


def test_an_absent_value_that_must_be_there_is_corruption(written: Path) -> None:
    store = Store.open(written)
    assert store.get(b"nothing") is None
    with pytest.raises(StoreCorruption, match=b"nothing".hex()) as caught:
        store.need(b"nothing")
    assert caught.value.exit_code == 4
    store.close()


def test_one_writer_at_a_time(written: Path) -> None:
    store = Store.open(written)
    with pytest.raises(StoreLocked) as caught:
        Store.open(written)
    assert caught.value.exit_code == 3
    code = f"from pathlib import Path; from ledger.store import Store; Store.open(Path({str(written)!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "StoreLocked" in other.stderr
    store.close()
    Store.open(written).close()


def test_readers_follow_a_writer(written: Path) -> None:
    store = Store.open(written)
    reader = Store.open_for_reading(written)
    assert reader.get(VALUES[0][0]) == VALUES[0][1]
    store.write([(b"later", b"1")])
    assert reader.get(b"later") is None
    reader.refresh()
    assert reader.get(b"later") == b"1"
    with pytest.raises(StoreReadOnly):
        reader.write([(b"x", b"y")])
    reader.close()
    store.close()


def test_directories_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing) as missing:
        Store.open(tmp_path / "nowhere")
    assert missing.value.exit_code == 3
    with pytest.raises(StoreMissing):
        Store.open_for_reading(tmp_path)
    (tmp_path / "something").write_text("x")
    with pytest.raises(StoreExists) as exists:
        Store.create(tmp_path)
    assert exists.value.exit_code == 2


def test_a_lost_current_file_is_corruption(written: Path) -> None:
    (written / "store" / "CURRENT").unlink()
    with pytest.raises(StoreCorruption):
        Store.open(written)


WRITER = """
import sys
from pathlib import Path
from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
for number in range(10**9):
    pair = number.to_bytes(8, "big")
    store.write([(b"a" + pair, pair * 40), (b"b" + pair, pair * 40)])
    print(number, flush=True)
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_in_mid_write_loses_nothing_acknowledged(written: Path, seed: int) -> None:
    wanted = random.Random(seed).randrange(20, 300)
    acknowledged = -1
    command = [sys.executable, "-c", WRITER, str(written)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged == wanted:
                process.send_signal(signal.SIGKILL)
    found = read_all(written)
    first = {int.from_bytes(key[1:], "big") for key in found if key[:1] == b"a"}
    second = {int.from_bytes(key[1:], "big") for key in found if key[:1] == b"b"}
    assert first == second
    assert set(range(acknowledged + 1)) <= first


FULL = """
import resource, signal, sys
from pathlib import Path
from ledger.errors import StoreError, StorePoisoned
from ledger.store import Store
store = Store.open(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))
count = 0
try:
    while True:
        store.write([(b"full" + count.to_bytes(8, "big"), bytes(100_000))])
        count += 1
except StoreError as error:
    first = error
try:
    store.write([(b"x", b"y")])
except StorePoisoned:
    print(type(first).__name__, count)
"""


def test_a_full_disk_stops_writing_and_loses_nothing(written: Path) -> None:
    """A limit on the size of files stands for the end of the disk: the system refuses in the middle of a write."""
    done = subprocess.run([sys.executable, "-c", FULL, str(written)], capture_output=True, text=True, check=True)
    kind, count = done.stdout.split()
    assert kind == "StoreFull"
    found = read_all(written)
    assert {key for key in found if key.startswith(b"full")} == {
        b"full" + number.to_bytes(8, "big") for number in range(int(count))
    }
    assert all(found[key] == value for key, value in VALUES)
