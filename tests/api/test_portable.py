"""`dure export` and `dure import` as processes: exit codes and answers of interfaces.md §1."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.services.demo.runs import DURE, TIMEOUT_S, environment, report


def dure(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and the JSON document."""
    command = [str(DURE), "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env=environment(), timeout=TIMEOUT_S, check=False)
    assert done.stderr == b""
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def exported(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the demo as seoul.dure and its trust file."""
    place = tmp_path_factory.mktemp("exported")
    code, answer = dure("--data", finished_demo, "export", place / "seoul.dure")
    assert (code, answer["head_hash"]) == (0, report(finished_demo).head_hash)
    with zipfile.ZipFile(place / "seoul.dure") as archive:
        (place / "trust.json").write_bytes(archive.read("trust.json"))
    return place


def test_import_checks_everything_and_makes_a_data_directory(
    exported: Path, finished_demo: Path, tmp_path: Path
) -> None:
    data = tmp_path / "copy"
    code, answer = dure("--data", data, "import", exported / "seoul.dure", "--trust", exported / "trust.json")
    assert (code, answer["head_hash"]) == (0, report(finished_demo).head_hash)
    assert answer["withheld"] == answer["leaves"] > 0
    assert [path.name for path in data.iterdir()] == ["chain"]
    assert dure("--data", data, "export", tmp_path / "again.dure")[0] == 0
    code, answer = dure("--data", data, "import", exported / "seoul.dure", "--trust", exported / "trust.json")
    assert (code, answer["error"]["code"]) == (2, "LEDGER-107")


def test_without_a_trust_file_it_vouches_for_itself(exported: Path, tmp_path: Path) -> None:
    code, answer = dure("--data", tmp_path / "copy", "import", exported / "seoul.dure")
    assert (code, answer["error"]["code"]) == (1, "TRUST-SELF-DECLARED")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_file_is_named_and_nothing_is_written(exported: Path, tmp_path: Path) -> None:
    changed = bytearray((exported / "seoul.dure").read_bytes())
    changed[200_000] ^= 1
    (tmp_path / "changed.dure").write_bytes(changed)
    code, answer = dure(
        "--data", tmp_path / "c", "import", tmp_path / "changed.dure", "--trust", exported / "trust.json"
    )
    assert (code, answer["error"]["code"]) == (1, "LEDGER-702")
    assert "entry 'chain.rlp'" in answer["error"]["what"]
    assert [path.name for path in tmp_path.iterdir()] == ["changed.dure"]


@pytest.mark.parametrize(("name", "content"), [("absent.dure", None), ("empty.dure", b""), ("text.dure", b"no ZIP")])
def test_what_is_no_ledger_is_unreadable(exported: Path, tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    code, _ = dure("--data", tmp_path / "copy", "import", tmp_path / name, "--trust", exported / "trust.json")
    assert code == 2


def test_there_is_no_chain_to_export(tmp_path: Path) -> None:
    code, answer = dure("--data", tmp_path / "none", "export", tmp_path / "out.dure")
    assert (code, answer["error"]["code"]) == (3, "LEDGER-106")
