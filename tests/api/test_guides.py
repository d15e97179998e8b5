"""The commands in README and the guides work as they stand there, in order, in a directory of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.fares.adjustments import Adjustments
from services.fares.closing import DayClosing
from services.fares.settlement import Settlement
from tests.services.demo.runs import RIDERS, SEED

ROOT = Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
BLOCK = re.compile(r"^```sh\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"\bmake ([a-z]+)\b")


def blocks(document: Path) -> list[str]:
    """The shell blocks of a document."""
    return BLOCK.findall(document.read_text("utf-8"))


def run(script: str, directory: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`script` in `directory`; its demo is the finished one, which has a seed of its own."""
    script = re.sub(
        r"demo( --riders \d+)?$|demo --riders \d+(?= \|)", f"demo --riders {RIDERS} --seed {SEED}", script, flags=re.M
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "DURE_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=directory,
        env=clean | {"PATH": path, "LC_ALL": "C.UTF-8"} | more,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_a_guides_commands_work(guide: Path, tmp_path: Path, finished_demo: Path) -> None:
    """Guides play a demo with 60 riders into $DIR; here it was played already, and is shown again."""
    morning = shutil.copytree(finished_demo, tmp_path / "morning")
    (tmp_path / "work").mkdir()
    result = run("\n".join(blocks(guide)), tmp_path / "work", DIR=str(morning))
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_every_guide_has_commands() -> None:
    assert [guide.name for guide in GUIDES if not blocks(guide)] == []


def test_the_operators_timetable_names_functions_that_there_are() -> None:
    """Each call of the table is one of a clearing house's."""
    rows = re.findall(
        r"^\| (`\w+\([^|]*?) \|", (ROOT / "docs/guides/operator.md").read_text("utf-8"), flags=re.MULTILINE
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
    assert {"expire_suspense", "cover_losses", "return_missing_tap_offs", "close_day"} <= named
    house = (Settlement, DayClosing, Adjustments)
    assert {name for name in named if not any(callable(getattr(one, name, None)) for one in house)} == set()


def test_what_readme_offers_next_works(tmp_path: Path, finished_demo: Path) -> None:
    """The demo of README has 3,000 riders; its second line is run on the finished demo."""
    shutil.copytree(finished_demo, tmp_path / "var")
    script = blocks(ROOT / "README.md")[1]
    lines = [line for line in script.splitlines() if "activate" not in line]
    assert len(lines) == len(script.splitlines()) - 1
    result = run("\n".join(lines), tmp_path)
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"


def test_make_knows_every_target_that_documents_name() -> None:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    inline = re.compile(r"`(make [a-z ]+)`|^```sh\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
    named = {
        target
        for document in documents
        for spans in inline.findall(document.read_text("utf-8"))
        for target in TARGET.findall("\n".join(spans))
    }
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    assert phony is not None
    assert {"demo", "test"} <= named
    assert named - set(phony[1].split()) == set()
