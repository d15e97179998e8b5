"""kill -9 of the demo at random moments: nothing acknowledged is missing, none is doubled, the run can be finished."""

from __future__ import annotations

import random
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.addresses import FARES
from contracts.client import decode_result, encode_call
from contracts.records import CardAccount
from services.demo import progress
from services.demo.report import DemoReport
from tests.services.demo.runs import arguments, chain, environment, played, report, rows

POLL_S: Final = 0.005
# Columns that say how far work has come; all others of a row stand as they were acknowledged.
WORK: Final = frozenset(
    (
        *("status", "code", "leaf", "reason", "reported", "lifted", "void", "state", "paid_block", "redeemed"),
        *("tx_hash", "number", "block", "time", "log_index", "accepted", "refused", "records_root"),
        *("settled_seq", "settled_cum_won", "settled_own_won", "settled_day", "hold_until", "hold_code"),
        *("nonce", "raw", "hash", "block_number", "gas_used", "reference", "entry", "remainder_won", "purpose"),
        *("lanes", "waits", "next_block"),
    )
)
# Rows whose work is done stand whole.
DONE: Final = {
    "fare_batches": "status = 1",
    "fare_corrections": "status = 1",
    "fare_records": "code IS NOT NULL",
    "outbox": "status IN (1, 2)",
}
JOURNALS: Final = ("wallets.db", "clone-*.db")


@dataclass(frozen=True, slots=True)
class Moment:
    """When to kill: `delay_s` after step `step` of the run was done; 0 after the process's start."""

    step: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a run had made durable: block hashes by number; rows by table, done ones whole; entries of journals by file;
    reader → length of its chain."""

    blocks: dict[int, bytes]
    tables: dict[str, set[tuple[Any, ...]]]
    done: dict[str, set[tuple[Any, ...]]]
    journals: dict[str, set[tuple[Any, ...]]]
    tips: dict[bytes, int]


def moments(rng: random.Random, times: int, steps: int) -> list[Moment]:
    """`times` moments in order; a third each before the morning, in it, and after."""
    parts = (range(6), range(6, steps - 17), range(steps - 17, steps))
    found = [
        Moment(rng.choice(rng.choice(parts)), rng.uniform(0, 0.4) if rng.random() < 0.7 else rng.uniform(0, 3))
        for _ in range(times)
    ]
    return sorted(found, key=lambda moment: moment.step)


def kill(directory: Path, moment: Moment) -> bool:
    """Runs the demo and kills it at the moment; False where it ended before."""
    with subprocess.Popen(
        arguments(directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as process:
        while _step(directory) < moment.step and _runs(process, POLL_S):
            pass
        if _runs(process, moment.delay_s):
            process.kill()
        out, err = process.communicate()
    assert process.returncode in (0, -9), err.decode() + out.decode()
    return process.returncode != 0


def _runs(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _step(directory: Path) -> int:
    found = progress.load(directory)
    return found.step if found else 0


def acknowledged(directory: Path, copy: Path) -> Acknowledged:
    """What stands in the directory, read from a copy, so that nothing is mended but by the demo itself."""
    if not directory.exists():
        return Acknowledged({}, {}, {}, {}, {})
    shutil.copytree(directory, copy)
    try:
        return _read(copy)
    finally:
        shutil.rmtree(copy)


def _read(directory: Path) -> Acknowledged:
    blocks: dict[int, bytes] = {}
    if (directory / "chain").exists() and (directory / "services.db").exists():
        with chain(directory) as reader:
            blocks = {number: reader.header(number).hash for number in range(reader.head.number + 1)}
    tables: dict[str, set[tuple[Any, ...]]] = {}
    done: dict[str, set[tuple[Any, ...]]] = {}
    for table in _tables(directory):
        columns = [row[1] for row in stored(directory, f"PRAGMA table_info({table})")]
        kept = ", ".join(f'"{column}"' for column in columns if column not in WORK)
        tables[table] = set(stored(directory, f"SELECT {kept} FROM {table}"))  # noqa: S608  names from the schema
        if table in DONE:
            query = f"SELECT * FROM {table} WHERE {DONE[table]}"  # noqa: S608  names from the schema
            done[table] = set(stored(directory, query))
    journals = {
        path.name: set(stored(directory, "SELECT * FROM entry", path.name))
        for pattern in JOURNALS
        for path in directory.glob(pattern)
    }
    tips = dict(_reader_rows(directory, "SELECT reader, length FROM tips"))
    return Acknowledged(blocks, tables, done, journals, tips)


def stored(copy: Path, query: str, file: str = "services.db") -> list[tuple[Any, ...]]:
    return rows(copy, query, file, mode="rw")


def _tables(directory: Path) -> list[str]:
    if not (directory / "services.db").exists():
        return []
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'alembic_version'"
    return [name for (name,) in stored(directory, query)]


def _reader_rows(directory: Path, query: str) -> list[tuple[Any, ...]]:
    made = "SELECT name FROM sqlite_master WHERE name = 'tips'"
    if not (directory / "readers.db").exists() or not stored(directory, made, "readers.db"):
        return []
    return stored(directory, query, "readers.db")


def check_nothing_is_missing(before: Acknowledged, now: Acknowledged) -> None:
    assert before.blocks.items() <= now.blocks.items()
    for kind in ("tables", "done", "journals"):
        known: dict[str, set[tuple[Any, ...]]] = getattr(before, kind)
        for name, found in known.items():
            missing = found - getattr(now, kind).get(name, set())
            assert not missing, (name, missing)
    for reader, length in before.tips.items():
        assert now.tips[reader] >= length


def check_nothing_is_doubled(directory: Path) -> None:
    for query in (
        "SELECT card, seq, digest FROM fare_taps",
        "SELECT card, digest FROM fare_records WHERE code = 0",
        "SELECT card, seq FROM fare_records WHERE code = 0 AND card NOT IN (SELECT card FROM fare_clones)",
        "SELECT journeys_root FROM fare_batches WHERE status = 1 AND journeys_size > 0",
        "SELECT digest FROM fare_chain WHERE digest IS NOT NULL",
        "SELECT sender, nonce FROM outbox WHERE status IN (1, 2)",
    ):
        found = rows(directory, query)
        assert len(found) == len(set(found)), query


def check_is_the_same_run(directory: Path, uninterrupted: Path) -> None:
    """The city's money came to the same, card by card and account by account."""
    for query in (
        "SELECT card, seq, digest FROM fare_taps ORDER BY 1, 2, 3",
        "SELECT card, seq, service_day, increase_won, own_increase_won, suspense_won FROM fare_records "
        "WHERE code = 0 ORDER BY 1, 2, 4, digest",
        "SELECT kind, card, delta_won, reason FROM fare_corrections WHERE status = 1 ORDER BY 1, 2",
        "SELECT card, first_seq, last_seq, charged_won, priced_won, finding FROM fare_journeys ORDER BY 1, 2",
        "SELECT bank, account, sum(won) FROM bank_lines GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT account, sum(won) FROM zeropay_lines GROUP BY 1 ORDER BY 1",
        "SELECT bank, card, sum(won) FROM bank_owed GROUP BY 1, 2 ORDER BY 1, 2",
    ):
        assert rows(directory, query) == rows(uninterrupted, query), query
    assert settled(directory) == settled(uninterrupted)
    assert bare(report(directory)) == bare(report(uninterrupted))


def settled(directory: Path) -> dict[bytes, CardAccount]:
    """Every card on the chain; lots without their numbers, which batches are shuffled into anew after a start."""
    found = {}
    with chain(directory) as reader:
        for (card,) in rows(directory, "SELECT card FROM bank_cards"):
            answer = reader.call(FARES, encode_call("Fares", "card", [card]))
            account = CardAccount.unpack(decode_result("Fares", "card", answer))
            lots = {at: replace(lot, lot_no=0) for at, lot in account.lots.items()}
            found[card] = CardAccount(account.slot, lots)
    return found


def bare(made: DemoReport) -> DemoReport:
    """A report without what interruptions change: blocks and seconds."""
    checks = tuple(replace(check, times=0) for check in made.checks)
    return replace(made, head_number=0, head_hash="", blocks=0, transactions=0, gas_used=0, phases=(), checks=checks)


def run_kills(directory: Path, uninterrupted: Path, times: int, seed: int) -> None:
    steps = _step(uninterrupted)
    copy = directory.with_name("copy")
    known: Acknowledged | None = None
    kills = 0
    for moment in moments(random.Random(seed), times, steps):
        kills += kill(directory, moment)
        found = acknowledged(directory, copy)
        if known is not None:
            check_nothing_is_missing(known, found)
        known = found
    assert known is not None
    assert kills == times
    result = played(directory)
    assert result.returncode == 0, result.stderr.decode() + result.stdout.decode()
    check_nothing_is_missing(known, acknowledged(directory, copy))
    check_nothing_is_doubled(directory)
    assert report(directory).holds
    check_is_the_same_run(directory, uninterrupted)


def test_killed_5_times(tmp_path: Path, finished_demo: Path) -> None:
    run_kills(tmp_path / "run", finished_demo, times=5, seed=1)


@pytest.mark.long
def test_killed_50_times(tmp_path: Path, finished_demo: Path) -> None:
    run_kills(tmp_path / "run", finished_demo, times=50, seed=2)
