"""Exports of a whole demo and of short chains: the same bytes each time, taken up whole, leaves open or withheld."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc8785

from contracts.client import artefact
from ledger import trust as trust_file
from ledger.errors import StoreExists
from ledger.node import Node
from ledger.portable import contents
from ledger.portable.container import ContainerWriter, Entry, directory, local_header
from ledger.portable.errors import PortableError, PortableLeavesError, TrustSelfDeclared
from ledger.portable.leaves import LeafSource
from ledger.portable.taking import take
from ledger.portable.writer import export
from ledger.reader import Reader
from services.database import open_database
from services.fares.portable_leaves import FareLeaves
from services.vouchers.portable_leaves import GrantLeaves
from tests.ledger.chains import GENESIS_S, make, open_config
from tests.ledger.portable.forging import check, enclosed_trust, entries_of, packed


@pytest.fixture(scope="module")
def demo(finished_demo: Path) -> Iterator[Reader]:
    reader = Node.open_for_reading(finished_demo / "chain")
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def services(finished_demo: Path) -> Iterator[list[LeafSource]]:
    engine = open_database(f"sqlite:///{finished_demo / 'services.db'}")
    yield [FareLeaves(engine), GrantLeaves(engine)]
    engine.dispose()


@pytest.fixture(scope="module")
def opened(demo: Reader, services: list[LeafSource], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The demo with its leaves open."""
    path = tmp_path_factory.mktemp("open") / "demo.dure"
    export(demo, path, sources=services, open_leaves=True)
    return path.read_bytes()


def test_the_same_chain_gives_the_same_bytes(demo: Reader, services: list[LeafSource], tmp_path: Path) -> None:
    for name in "ab":
        export(demo, tmp_path / name, sources=services)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_leaves_are_withheld_unless_asked_for(
    demo: Reader, services: list[LeafSource], opened: bytes, tmp_path: Path
) -> None:
    done = export(demo, tmp_path / "closed.dure", sources=services)
    closed = (tmp_path / "closed.dure").read_bytes()
    hidden, shown = (check(raw, enclosed_trust(raw)) for raw in (closed, opened))
    assert (done.leaves, done.open_leaves) == (hidden.leaves, 0)
    assert (hidden.withheld, shown.withheld) == (hidden.leaves, 0)
    assert hidden.leaves == shown.leaves > 100
    for name, content in entries_of(closed).items():
        assert not name.startswith(contents.LEAVES) or b'"bytes"' not in content


def test_an_import_is_the_same_chain(demo: Reader, opened: bytes, tmp_path: Path) -> None:
    source = tmp_path / "demo.dure"
    source.write_bytes(opened)
    done = take(source, tmp_path / "copy", enclosed_trust(opened))
    copy = Node.open_for_reading(tmp_path / "copy" / "chain")
    try:
        assert copy.head.hash == demo.head.hash
        assert done.head_hash == "0x" + demo.head.hash.hex()
        export(copy, tmp_path / "again.dure")
    finally:
        copy.close()
    again = entries_of((tmp_path / "again.dure").read_bytes())
    first = entries_of(opened)
    assert all(again[name] == first[name] for name in again if name != contents.MANIFEST)
    with pytest.raises(StoreExists):
        take(source, tmp_path / "copy", enclosed_trust(opened))


def test_without_trust_nothing_is_written(opened: bytes, tmp_path: Path) -> None:
    source = tmp_path / "demo.dure"
    source.write_bytes(opened)
    with pytest.raises(TrustSelfDeclared):
        take(source, tmp_path / "copy", None)
    assert [path.name for path in tmp_path.iterdir()] == ["demo.dure"]


def test_rewritten_leaves_are_found(opened: bytes) -> None:
    entries = entries_of(opened)
    names = [name for name in entries if name.startswith(contents.LEAVES)]
    trees = ("Fares.journeys", "Fares.records", "Vouchers.source")
    assert names == [f"{contents.LEAVES}{tree}.jsonl" for tree in trees]
    for name in names:
        lines = [json.loads(line) for line in entries[name].splitlines()]
        full = next(line for line in lines if len(line["leaves"]) > 1)
        first = full["leaves"][0]["bytes"]
        full["leaves"][0] = {"bytes": first[:-2] + ("00" if first[-2:] != "00" else "01")}
        changed = b"".join(rfc8785.dumps(line) + b"\n" for line in lines)
        with pytest.raises(PortableLeavesError, match="do not lead to the root"):
            check(packed(entries | {name: changed}), enclosed_trust(opened))


def test_a_service_whose_leaves_have_another_root_exports_nothing(demo: Reader, tmp_path: Path) -> None:
    class Wrong:
        def leaves(self, root: object) -> list[bytes]:
            return [b"invented"]

    with pytest.raises(PortableLeavesError):
        export(demo, tmp_path / "out.dure", sources=[Wrong()])
    assert list(tmp_path.iterdir()) == []


def test_contracts_are_those_that_run(opened: bytes) -> None:
    entries = entries_of(opened)
    listed = [name.split("/")[1].split("-")[0] for name in entries if name.endswith("abi.json")]
    assert listed == ["Organisations", "Won", "Vouchers", "Fares", "Credits"]
    for name in listed:
        abi = next(content for entry, content in entries.items() if entry.startswith(f"contracts/{name}-"))
        assert json.loads(abi) == list(artefact(name).abi)


def test_a_chain_without_blocks(tmp_path: Path) -> None:
    node = make(tmp_path / "node", open_config())
    export(node, tmp_path / "empty.dure")
    node.close()
    raw = (tmp_path / "empty.dure").read_bytes()
    assert check(raw, enclosed_trust(raw)).number == 0


def test_memory_does_not_grow_with_the_chain(tmp_path: Path) -> None:
    node = make(tmp_path / "node", open_config())
    peaks = []
    try:
        for more in (10, 300):
            for _ in range(more):
                node.seal(node.head.timestamp + 1, allow_empty=True)
            tracemalloc.start()
            export(node, tmp_path / "out.dure")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    finally:
        node.close()
    assert node.head.timestamp == GENESIS_S + 310
    assert peaks[1] < peaks[0] * 1.5


def test_sizes_above_4_gib_take_zip64() -> None:
    size = 5 << 30
    header = local_header("a", size, 7)
    assert struct.unpack_from("<2H2Q", header, 31) == (1, 16, size, size)
    entries = [Entry("a", size, 7, "", 0, len(header)), Entry("b", 1, 8, "", size + len(header), size + 100)]
    end = directory(entries, size + 200)
    assert end.count(b"PK\6\6") == end.count(b"PK\6\7") == 1
    assert struct.unpack_from("<Q", end, end.find(b"PK\6\6") + 48) == (size + 200,)


def test_a_name_twice_is_found(opened: bytes) -> None:
    out = io.BytesIO()
    writer = ContainerWriter(out)
    for _ in range(2):
        writer.add(contents.README, lambda: (b"",))
    writer.finish()
    with pytest.raises(PortableError, match="stands twice"):
        check(out.getvalue(), None)


def test_a_declared_bomb_is_refused_before_it_is_read() -> None:
    raw = local_header("manifest.json", 1 << 40, 0) + b"x"
    with pytest.raises(PortableError, match="longer than the file"):
        check(raw, None)


def test_the_trust_file_is_the_chains_as_it_began(demo: Reader) -> None:
    raw = trust_file.from_chain(demo.archive.chain, demo.identity.genesis_hash)
    assert trust_file.read(raw).configuration(demo.identity.gas_limit) == demo.archive.chain
