"""What a reader acknowledged stands in its file after a crash at any moment; a damaged file is told, not read over."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from services.fares.reader_store import ReaderStore, ReaderStoreError
from services.fares.uploads import Entry, decode_upload
from tests.services.fares.world import MORNING, City, make_card

ROOT = Path(__file__).parents[3]
CHILD = """
    import sys
    from pathlib import Path
    from tests.services.fares.world import MORNING, City, make_card

    city = City(Path(sys.argv[1]))
    reader = city.metro("시청", "2호선")
    for number in range(100_000):
        city.tap_in(make_card(str(number)), reader, MORNING + number)
        print(number, flush=True)
"""


def entries(city: City) -> list[Entry]:
    upload = decode_upload(city.metro("시청", "2호선").upload() or b"")
    assert all(isinstance(entry, Entry) for entry in upload.entries)
    return [entry for entry in upload.entries if isinstance(entry, Entry)]


@pytest.mark.parametrize("taps", [1, 17, 60])
def test_nothing_acknowledged_is_lost_when_the_reader_is_killed(tmp_path: Path, taps: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(taps)]
    child.send_signal(signal.SIGKILL)
    told += [int(line) for line in child.stdout.read().split(b"\n")[:-1]]
    assert child.wait(30) == -signal.SIGKILL
    child.stdout.close()

    city = City(tmp_path, seed=2)
    kept = entries(city)
    assert len(kept) in (len(told), len(told) + 1)  # the last may be on the disk without having been told
    assert [entry.signed.state.card for entry in kept[: len(told)]] == [make_card(str(n)).address for n in told]
    city.tap_in(make_card("next"), city.metro("시청", "2호선"), MORNING + 200_000)  # the chain goes on
    assert [entry.index for entry in entries(city)] == list(range(len(kept) + 1))
    city.store.close()


def test_a_group_is_kept_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    city = City(tmp_path)
    reader = city.metro("시청", "2호선")
    with city.store.group():
        for number in range(3):
            city.tap_in(make_card(str(number)), reader, MORNING + number)
    with suppress(RuntimeError), city.store.group():
        city.tap_in(make_card("lost"), reader, MORNING + 9)
        raise RuntimeError("the power fails")
    city.tap_in(make_card("after"), reader, MORNING + 10)
    city.store.close()
    again = City(tmp_path, seed=2)
    kept = entries(again)
    assert [entry.signed.state.card for entry in kept] == [make_card(name).address for name in ("0", "1", "2", "after")]
    again.store.close()


def test_what_clearing_has_is_forgotten_and_nothing_else(city: City) -> None:
    here, there = city.metro("시청", "2호선"), city.metro("강남", "2호선")
    for number in range(4):
        city.tap_in(make_card(str(number)), here, MORNING + number)
    city.tap_in(make_card("x"), there, MORNING)
    here.acknowledge(3)
    here.acknowledge(2)  # an older acknowledgement that comes late
    assert [entry.index for entry in entries(city)] == [3]
    assert city.store.tip(here.address).kept_from == 3
    here.acknowledge(99)  # more than there is
    assert city.store.tip(here.address).kept_from == 4
    assert here.upload() is None
    assert there.upload() is not None
    city.tap_in(make_card("later"), here, MORNING + 60)
    assert [entry.index for entry in entries(city)] == [4]


def test_the_file_is_for_its_owner_only(city: City) -> None:
    assert (city.folder / "readers.db").stat().st_mode & 0o777 == 0o600


def _written(folder: Path) -> bytes:
    city = City(folder)
    for number in range(20):
        city.tap_in(make_card(str(number)), city.metro("시청", "2호선"), MORNING + number)
    city.store.close()
    return (folder / "readers.db").read_bytes()


TORN: dict[str, Callable[[bytes], bytes]] = {
    "no-database": lambda data: b"no database".ljust(len(data)),
    "header-overwritten": lambda data: b"\xff" * 100 + data[100:],
    "cut-in-the-middle": lambda data: data[: len(data) // 2],
    "last-page-missing": lambda data: data[:-4096],
    "page-of-zeros": lambda data: data[:8192] + bytes(4096) + data[12288:],
}


@pytest.mark.parametrize("fault", TORN)
def test_a_torn_file_is_told_when_it_is_opened(tmp_path: Path, fault: str) -> None:
    data = _written(tmp_path)
    torn = TORN[fault](data)
    (tmp_path / "readers.db").write_bytes(torn)
    with pytest.raises(ReaderStoreError):
        ReaderStore(tmp_path / "readers.db")
    assert (tmp_path / "readers.db").read_bytes() == torn  # nothing is changed: a technician may still save it


def test_a_place_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(ReaderStoreError):
        ReaderStore(tmp_path / "missing" / "readers.db")
