"""Settlement records per second of process time, through the whole path: signature of the transaction, execution with
the cards' signatures, tries, block, one fsynced write. On a chain with 200,000 cards in state.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from contracts.signatures import address_of
from ledger.engines.base import Call
from tests.bench import records
from tests.bench.chains import GENESIS_TIME, open_copy, prepare
from tests.bench.opcodes import count
from tests.bench.records import BATCH, CONTRACT, SENDER, World

CARDS: Final = 200_000
LIVE: Final = 2_048
STOCK_LIVE: Final = 1_024
ROUNDS: Final = 3


def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Figures of both engines, balance only and with one lot, and exact counts per record."""
    figures: dict[str, Any] = {"cards_in_state": CARDS, "records_per_batch": BATCH}
    for kind, with_lot in (("balance", False), ("one_lot", True)):
        progress(f"{kind}: a state of {CARDS:,} cards")
        start = records.world(with_lot=with_lot, live=LIVE, others=CARDS - LIVE)
        figures[kind] = _counts(start)
        with tempfile.TemporaryDirectory() as scratch:
            prepared = prepare(start, Path(scratch) / "chain")
            del start
            figures[kind]["direct"] = _median(prepared, "direct", LIVE, progress)
            figures[kind]["stock"] = _median(prepared, "stock", STOCK_LIVE, progress)
        figures[kind]["direct_over_stock"] = round(
            figures[kind]["direct"]["records_per_cpu_s"] / figures[kind]["stock"]["records_per_cpu_s"], 2
        )
    return figures


def _counts(start: World) -> dict[str, Any]:
    (data,) = records.batches(CONTRACT, BATCH, BATCH)
    call = Call(CONTRACT, data, address_of(SENDER))
    result, opcodes = count(start.nodes, start.root, records.environment(1), call)
    if result.error:
        raise RuntimeError(f"the batch failed: {result.error}")
    return {
        "opcodes_per_record": round(opcodes.total() / BATCH, 1),
        "gas_per_record": round(result.gas_used / BATCH, 1),
        "gas_per_batch": result.gas_used,
        "most_frequent": {name: round(times / BATCH, 1) for name, times in opcodes.most_common(12)},
    }


def _median(prepared: Path, engine: str, live: int, progress: Callable[[str], None]) -> dict[str, Any]:
    figures = []
    for number in range(ROUNDS):
        figures.append(settle(prepared, engine, live))
        progress(f"  {engine} {number + 1}/{ROUNDS}: {figures[-1]['records_per_cpu_s']:,.0f} records/s")
    return median_of(figures)


def median_of(figures: list[dict[str, Any]]) -> dict[str, Any]:
    """The run in the middle by process time, with what all runs reached."""
    figures.sort(key=lambda figure: figure["records_per_cpu_s"])
    return figures[len(figures) // 2] | {"all_records_per_cpu_s": [figure["records_per_cpu_s"] for figure in figures]}


def settle(prepared: Path, engine: str, live: int) -> dict[str, Any]:
    """A block for every batch of the live cards: submitted as bytes, executed, written, durable."""
    data = records.batches(CONTRACT, live, BATCH)
    raws = [records.raw_transaction(nonce, CONTRACT, one, 8_000_000) for nonce, one in enumerate(data)]
    with tempfile.TemporaryDirectory() as scratch:
        node = open_copy(prepared, Path(scratch) / "chain", engine)
        cpu, wall = time.process_time(), time.perf_counter()
        for number, raw in enumerate(raws):
            node.submit(raw)
            node.seal(GENESIS_TIME + 1 + number)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        logs = [receipt.receipt.logs[0] for number in range(len(raws)) for receipt in node.archive.receipts(number + 1)]
        head = node.head.hash
        node.close()
    won = sum(sum(records.paid_of(log.data)) for log in logs)
    if won != live * records.FARE_WON:
        raise RuntimeError(f"{won} won were paid, {live * records.FARE_WON} expected")
    return {
        "records": live,
        "records_per_cpu_s": round(live / cpu, 1),
        "records_per_wall_s": round(live / wall, 1),
        "ms_per_batch_wall": round(wall / len(raws) * 1000, 1),
        "head": head.hex(),
    }
