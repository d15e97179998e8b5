"""The benchmarks measure what they say: every record is paid, both engines make the same chain."""

from __future__ import annotations

from pathlib import Path

from contracts.signatures import address_of
from ledger.engines.base import Call
from tests.bench import bench_engine, records
from tests.bench.__main__ import machine, names
from tests.bench.chains import prepare
from tests.bench.opcodes import count


def test_every_benchmark_is_found() -> None:
    assert {"engine", "fares", "peers"} <= set(names())


def test_figures_say_where_they_come_from() -> None:
    assert {"processor", "cores", "python", "packages", "commit"} <= set(machine())


def test_records_are_paid_and_both_engines_make_the_same_head(tmp_path: Path) -> None:
    prepared = prepare(records.world(with_lot=True, live=256, others=100), tmp_path / "chain")
    direct, stock = (bench_engine.settle(prepared, engine, 256) for engine in ("direct", "stock"))
    assert direct["head"] == stock["head"]


def test_counts_are_exact() -> None:
    start = records.world(with_lot=False, live=8, others=0)
    (data,) = records.batches(records.CONTRACT, 8, 8)
    call = Call(records.CONTRACT, data, address_of(records.SENDER))
    result, opcodes = count(start.nodes, start.root, records.environment(1), call)
    again, same = count(start.nodes, start.root, records.environment(1), call)
    assert result.error is None
    assert (opcodes, result.gas_used) == (same, again.gas_used)
    assert opcodes["SLOAD"] == 8 + 3
    assert opcodes["STATICCALL"] == 8
