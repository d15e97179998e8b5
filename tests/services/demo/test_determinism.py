"""The same seed makes the same chain on another day, in another process; anybody executes its blocks again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from services.demo.report import DemoReport
from tests.services.demo.runs import SEED, chain, played, report

PLACE = {"PYTHONHASHSEED": "4294967295", "TZ": "Pacific/Kiritimati", "LC_ALL": "ko_KR.UTF-8"}


def timeless(made: DemoReport) -> DemoReport:
    """A report without the seconds that its run took."""
    return replace(made, phases=())


def test_the_same_seed_makes_the_same_chain(finished_demo: Path, tmp_path: Path) -> None:
    """Whatever the hash seed, time zone and locale of the process."""
    assert played(tmp_path, place=PLACE).returncode == 0
    assert report(tmp_path).head_hash == report(finished_demo).head_hash
    assert timeless(report(tmp_path)) == timeless(report(finished_demo))


def test_another_seed_makes_another_chain(finished_demo: Path, tmp_path: Path) -> None:
    assert played(tmp_path, seed=f"{SEED}0").returncode == 0
    assert report(tmp_path).head_hash != report(finished_demo).head_hash
    with chain(finished_demo) as one, chain(tmp_path) as other:
        assert one.header(0).hash != other.header(0).hash


@pytest.mark.parametrize("engine", ["direct", "stock", "py-evm"])
def test_blocks_execute_again_to_the_same_roots(finished_demo: Path, engine: str) -> None:
    """In a process of its own, from genesis: with both engines, and with py-evm's own import without any override."""
    command = [sys.executable, "-m", "ledger.replay", str(finished_demo / "chain"), "--engine", engine]
    result = subprocess.run(command, capture_output=True, timeout=240, check=False)
    made = report(finished_demo)
    assert (result.returncode, result.stderr) == (0, b"")
    found = json.loads(result.stdout)
    assert (found["engine"], found["number"], found["head_hash"]) == (engine, made.head_number, made.head_hash)
    assert (found["transactions"], found["gas"]) == (made.transactions, made.gas_used)
