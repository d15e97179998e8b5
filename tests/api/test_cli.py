"""The command line's frame: version, help, global options, doctor, the page of errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.cli import errors_page
from api.cli.main import main
from contracts.errors import DureError
from tests.api.test_fare_quote import document, dure


def test_version() -> None:
    assert dure("--version").stdout == b"dure 0.1.0\n"
    assert document(dure("--json", "--version")) == {"version": "0.1.0"}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("fare", "--help"), ("fare", "quote", "--help"), ("doctor", "--help")]
)
def test_help_exits_0(arguments: tuple[str, ...]) -> None:
    result = dure(*arguments)
    assert result.returncode == 0
    assert result.stdout


def test_help_shows_an_example() -> None:
    for arguments in (("--help",), ("fare", "quote", "--help"), ("doctor", "--help")):
        assert "Example" in dure(*arguments).stdout.decode()


@pytest.mark.parametrize(
    "arguments", [(), ("fare",), ("no-such-command",), ("fare", "no-such-command"), ("--no-such-option",)]
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    result = dure(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"API-001 ")


def test_doctor_finds_what_this_machine_has(tmp_path: Path) -> None:
    result = dure("doctor", "--json", DURE_DATA=str(tmp_path))
    found = document(result)
    assert (result.returncode, found["ok"]) == (0, True)
    findings = {each["name"]: each for each in found["findings"]}  # type: ignore[attr-defined]
    assert findings["typer"]["ok"]
    assert findings["data directory"]["found"] == f"{tmp_path}, 0 entries"
    assert {"python", "disk", "clock", "geth", "web3"} <= set(findings)
    assert "typer" in dure("doctor", "--data", str(tmp_path)).stdout.decode()


def test_doctor_names_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    result = dure("--json", "doctor", "--data", str(file))
    assert (result.returncode, document(result)["ok"]) == (3, False)
    plain = dure("doctor", "--data", str(file))
    assert plain.returncode == 3
    assert plain.stderr.startswith(b"API-003 data directory")


def test_a_fault_of_our_own_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def broken() -> int:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("api.cli.main.wants_progress", lambda _off: broken())
    assert main(["--json", "doctor"]) == 1
    out, err = capfdbinary.readouterr()
    assert json.loads(out)["error"]["code"] == "API-900"
    assert b"Traceback" not in err
    assert main(["--debug", "doctor"]) == 1
    assert b"Traceback" in capfdbinary.readouterr().err


def test_the_page_of_errors_is_what_the_trees_say() -> None:
    page = errors_page.page()
    root = Path(__file__).parents[2]
    assert (root / errors_page.PAGE).read_text("utf-8") == page, "run: python -m api.cli.errors_page"


def test_codes_are_stated_once_each() -> None:
    errors_page.import_errors()
    classes = errors_page.classes()
    codes = [each.code for each in classes]
    assert len(set(codes)) == len(codes)
    assert [each.__name__ for each in classes if "code" not in vars(each)] == []
    for each in classes:
        assert errors_page.sentence(each), each
        assert each.exit_code in (1, 2, 3, 4), each
        assert each.do, each
    assert DureError in classes
