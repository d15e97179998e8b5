"""`dure fare quote` as a user meets it: real processes, exit codes, what stands on which stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.fares.test_quote import MUST_FAIL, VECTORS

TRIP = VECTORS / "valid" / "subway-then-bus.json"
DURE = Path(sys.executable).parent / "dure"
AT = ("--at", "2025-10-01T08:10:00+09:00")


def dure(*arguments: str, stdin: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "DURE_"))}
    return subprocess.run(
        [str(DURE), *arguments], input=stdin, capture_output=True, env=clean | environment, timeout=60, check=False
    )


def document(result: subprocess.CompletedProcess[bytes]) -> dict[str, object]:
    """The one JSON document on stdout."""
    lines = result.stdout.decode().splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert isinstance(found, dict)
    return found


def test_a_file_is_answered_to_the_letter() -> None:
    result = dure("--json", "fare", "quote", "--legs", str(TRIP))
    assert (result.returncode, result.stderr) == (0, b"")
    assert document(result) == json.loads(TRIP.with_suffix(".answer.json").read_text("utf-8"))


def test_stdin_and_options_behind_the_command() -> None:
    result = dure("fare", "quote", "--legs", "-", "--json", "--lang=ko", stdin=TRIP.read_bytes())
    assert (result.returncode, document(result)["total_won"]) == (0, 1_850)


def test_from_and_to_are_short_for_one_subway_leg() -> None:
    result = dure("--json", "fare", "quote", "--from", "시청:1호선", "--to", "강남", *AT)
    assert document(result)["total_won"] == 1_650
    youth = dure("--json", "fare", "quote", "--from", "시청:1호선", "--to", "강남", *AT, "--class", "YOUTH")
    assert document(youth)["total_won"] == 980
    single = dure("--json", "fare", "quote", "--from", "시청:1호선", "--to", "강남", *AT, "--media", "SINGLE")
    assert document(single)["total_won"] == 1_750


@pytest.mark.parametrize(("lang", "word"), [("en", "Total: 1,850 won"), ("ko", "합계: 1,850 원")])
def test_a_person_reads_a_table(lang: str, word: str) -> None:
    result = dure("fare", "quote", "--legs", str(TRIP), "--lang", lang)
    assert result.returncode == 0
    text = result.stdout.decode()
    assert word in text
    assert "2호선 → 3호선 → 2호선" in text
    assert "seoul-metro 1,088 · bus-143 762" in text


def test_the_language_follows_the_locale() -> None:
    assert "합계" in dure("fare", "quote", "--legs", str(TRIP), LANG="ko_KR.UTF-8").stdout.decode()
    assert "Total" in dure("fare", "quote", "--legs", str(TRIP), LANG="en_US.UTF-8").stdout.decode()


# One of each exit code and layer; the library meets every file in tests/services/fares/test_quote.py.
@pytest.mark.parametrize(
    "name",
    [
        "not-utf-8",
        "metres-a-whole-float",
        "station-unknown",
        "station-a-lone-surrogate",
        "time-without-offset",
        "pair-without-path",
        "airport-bus-without-table",
        "before-the-first-table",
        "nested-too-deep",
    ],
)
def test_must_fail_by_exit_code_and_error_document(name: str) -> None:
    path = str(VECTORS / "must_fail" / f"{name}.json")
    result = dure("--json", "fare", "quote", "--legs", path)
    error = document(result)["error"]
    assert isinstance(error, dict)
    assert list(error) == ["code", "what", "why", "do", "ko"]
    assert {"code": error["code"], "exit": result.returncode} == MUST_FAIL[name]
    plain = dure("fare", "quote", "--legs", path)
    assert (plain.returncode, plain.stdout) == (result.returncode, b"")
    text = plain.stderr.decode()
    assert text.startswith(f"{error['code']} ")
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="nothing"),
        pytest.param(("--from", "강남"), id="half-a-pair"),
        pytest.param(("--from", "강남", "--to", "시청", "--legs", "-"), id="both-forms"),
        pytest.param(("--from", "강남", "--to", "시청", *AT, "--class", "SENIOR"), id="unknown-class"),
        pytest.param(("--from", "강남", "--to", "시청", *AT, "--media", "PHONE"), id="unknown-media"),
        pytest.param(("--from", "강남", "--to", "시청", *AT, "--policy", "SPLIT_V9"), id="unknown-policy"),
        pytest.param(("--from", "강남", "--to", "시청"), id="no-time"),
        pytest.param(("--from", "강남", "--to", "시청", "--at", "2025-10-01T08:10:00"), id="naive-time"),
        pytest.param(("--from", "강남", "--to", "강냠", *AT), id="unknown-station"),
        pytest.param(("--legs", "no/such/file.json"), id="no-such-file"),
        pytest.param(("--legs", "/"), id="a-directory"),
        pytest.param(("--legs",), id="option-without-value"),
        pytest.param(("--no-such-option",), id="unknown-option"),
        pytest.param(("--lang", "fr", "--from", "강남", "--to", "시청", *AT), id="unknown-language"),
    ],
)
def test_wrong_usage_exits_2_with_its_error(arguments: tuple[str, ...]) -> None:
    result = dure("--json", "fare", "quote", *arguments)
    assert result.returncode == 2
    assert set(document(result)) == {"error"}
    assert b"Traceback" not in result.stderr


def test_an_unknown_station_names_its_neighbours() -> None:
    result = dure("--json", "fare", "quote", "--from", "강냠", "--to", "시청", *AT)
    error = document(result)["error"]
    assert isinstance(error, dict)
    assert "강남" in error["why"]


def test_lines_answer_in_order_and_go_on_after_a_bad_one() -> None:
    good = json.dumps(json.loads(TRIP.read_text("utf-8"))).encode()
    lines = [good, b"not json", b"", b'{"legs":[]}', good, b" " * (1 << 20) + b"  ", good]
    result = dure("fare", "quote", "--lines", stdin=b"\n".join(lines))
    assert result.returncode == 0
    answers = [json.loads(line) for line in result.stdout.decode().splitlines()]
    assert [each.get("total_won") for each in answers] == [1_850, None, None, None, 1_850, None, 1_850]
    assert [each["error"]["code"] for each in answers if "error" in each] == ["FARE-101"] * 3 + ["FARE-108"]


def test_lines_of_nothing_are_nothing() -> None:
    result = dure("fare", "quote", "--lines")
    assert (result.returncode, result.stdout) == (0, b"")


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.write_bytes((json.dumps(json.loads(TRIP.read_text("utf-8"))) + "\n").encode() * 5_000)
    shell = f'"{DURE}" fare quote --lines --legs "{many}" | head -1'
    result = subprocess.run(["bash", "-c", shell], capture_output=True, timeout=60, check=False)
    assert len(result.stdout.splitlines()) == 1
    assert b"Traceback" not in result.stderr
