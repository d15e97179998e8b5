"""Fares.settle itself, with the agreements around it: records per second of process time on both engines.

The state is a small city's (tests/contracts/fares_city.py) filled up to 200,000 cards, since what a card costs to read
depends on the depth of the trie and not on what the others hold. The path is bench_engine's: submit, execute, write.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from eth_account import Account

from contracts import addresses, client
from contracts.hashing import keccak
from ledger.engines.accounts import Caches, DirectAccountDB
from ledger.engines.base import BlockEnvironment, Call
from tests.bench.bench_engine import median_of
from tests.bench.chains import open_copy, prepare
from tests.bench.opcodes import count
from tests.bench.records import World
from tests.contracts import fares_city as city
from tests.contracts import harness

CARDS: Final = 200_000
BATCH: Final = 256
LIVE: Final = 4_096
STOCK_LIVE: Final = 1_024
ROUNDS: Final = 5
FUNDED_WON: Final = 10_000
LOT_WON: Final = 5_000
ISSUE: Final = 128
GAS: Final = 12_000_000
CREDITS: Final = {city.METRO: 1_000, city.KORAIL: 350, city.BUS_143: 200}


def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Figures of both engines, balance only and with one lot, and exact counts per record."""
    figures: dict[str, Any] = {"cards_in_state": CARDS, "records_per_batch": BATCH}
    data = calls()
    for kind, with_lot in (("balance", False), ("one_lot", True)):
        progress(f"{kind}: a city of {CARDS:,} cards")
        start = world(with_lot=with_lot)
        figures[kind] = _counts(start, data[0])
        with tempfile.TemporaryDirectory() as scratch:
            prepared = prepare(start, Path(scratch) / "chain", harness.CHAIN_ID, harness.GENESIS_TIME)
            del start
            figures[kind]["direct"] = _median(prepared, "direct", data, progress)
            figures[kind]["stock"] = _median(prepared, "stock", data[: STOCK_LIVE // BATCH], progress)
        figures[kind]["direct_over_stock"] = round(
            figures[kind]["direct"]["records_per_cpu_s"] / figures[kind]["stock"]["records_per_cpu_s"], 2
        )
    return figures


def world(*, with_lot: bool) -> World:
    """The city with LIVE enrolled and funded cards, with a lot each if asked, and fillers."""
    small = harness.World()
    city.deploy(small)
    for at in range(0, LIVE, BATCH):
        numbers = range(at, at + BATCH)
        city.enrol(small, numbers)
        city.fund(small, dict.fromkeys(numbers, FUNDED_WON))
    if with_lot:
        for at in range(0, LIVE, ISSUE):
            city.issue(small, dict.fromkeys(range(at, at + ISSUE), LOT_WON), first_lot=at + 1)
    small.state.persist()
    nodes = {bytes(key): bytes(value) for key, value in small._db.wrapped_db.kv_store.items()}
    accounts = DirectAccountDB(nodes, bytes(small.state.state_root), Caches())
    for number in range(CARDS - LIVE):
        slot = int.from_bytes(keccak(number.to_bytes(4, "big")), "big")
        accounts.set_storage(addresses.FARES, slot, 1 << 248 | number)
    root = accounts.persist_into(nodes)
    return World(nodes, root)


def calls() -> list[bytes]:
    """Calldata of settle for all live cards, a batch each; nothing of a fare is the rider's own to pay."""
    signed = [city.record(number, CREDITS) for number in range(LIVE)]
    parts = [signed[at : at + BATCH] for at in range(0, LIVE, BATCH)]
    return [
        client.encode_call(
            "Fares",
            "settle",
            [harness.SERVICE_DAY, city.TABLE, city.NO_JOURNEYS, 0, [], city.words_of(part, city.TABLE)],
        )
        for part in parts
    ]


def _environment() -> BlockEnvironment:
    return BlockEnvironment(harness.CHAIN_ID, 1, harness.GENESIS_TIME + 1, 60_000_000)


def _counts(start: World, data: bytes) -> dict[str, Any]:
    call = Call(addresses.FARES, data, city.sender(city.CLEARING, "settle"))
    result, opcodes = count(start.nodes, start.root, _environment(), call)
    if result.error:
        raise RuntimeError(f"settle failed: {result.error} {client.revert_reason(result.output)}")
    return {
        "opcodes_per_record": round(opcodes.total() / BATCH, 1),
        "gas_per_record": round(result.gas_used / BATCH, 1),
    }


def _median(prepared: Path, engine: str, data: list[bytes], progress: Callable[[str], None]) -> dict[str, Any]:
    figures = []
    for number in range(ROUNDS):
        figures.append(settle(prepared, engine, data))
        progress(f"  {engine} {number + 1}/{ROUNDS}: {figures[-1]['records_per_cpu_s']:,.0f} records/s")
    return median_of(figures)


def settle(prepared: Path, engine: str, data: list[bytes]) -> dict[str, Any]:
    """A block for every batch: submitted as bytes, executed, written, durable; none refused."""
    key = harness.key(f"org {city.CLEARING} settle").secret
    raws = [_signed(nonce, one, key) for nonce, one in enumerate(data)]
    settled = len(data) * BATCH
    with tempfile.TemporaryDirectory() as scratch:
        node = open_copy(prepared, Path(scratch) / "chain", engine, harness.GENESIS_TIME)
        cpu, wall = time.process_time(), time.perf_counter()
        for number, raw in enumerate(raws):
            node.submit(raw)
            node.seal(harness.GENESIS_TIME + 1 + number)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        receipts = [node.archive.receipts(number + 1)[0].receipt for number in range(len(raws))]
        node.close()
    totals = [_settled(receipt) for receipt in receipts]
    if sum(total["accepted"] for total in totals) != settled:
        raise RuntimeError("records were refused")
    return {
        "records": settled,
        "records_per_cpu_s": round(settled / cpu, 1),
        "records_per_wall_s": round(settled / wall, 1),
        "ms_per_batch_wall": round(wall / len(raws) * 1000, 1),
        "won_by_vouchers": sum(total["voucher_won"] for total in totals),
        "won_by_balance": sum(total["balance_won"] for total in totals),
    }


def _signed(nonce: int, data: bytes, key: bytes) -> bytes:
    fields = {"nonce": nonce, "gas": GAS, "gasPrice": 0, "to": addresses.FARES, "value": 0, "data": data}
    return bytes(Account.sign_transaction(fields | {"chainId": harness.CHAIN_ID}, key).raw_transaction)


def _settled(receipt: Any) -> dict[str, Any]:
    """The fields of a batch's Settled event. Raises RuntimeError where there is none."""
    for log in receipt.logs:
        if log.address == addresses.FARES:
            event, fields = client.decode_log("Fares", list(log.topics), log.data)
            if event == "Settled":
                return dict(fields)
    raise RuntimeError("settle failed")
