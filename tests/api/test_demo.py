"""`dure demo` as a user meets it: real processes, exit codes, one directory for one run."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from api.cli.main import main
from services.demo import progress, shares
from services.demo.store import document as report_document
from tests.services.demo.runs import RIDERS, SEED, arguments, environment, played, report

POLL_S = 0.02
MORE_RIDERS = 400  # so that a run is still going when others have looked at it


def error_of(result: subprocess.CompletedProcess[bytes]) -> tuple[int, str]:
    """(exit code, error code) of a run that was refused; under --json stdout holds the one document."""
    [line] = result.stdout.decode().splitlines()
    assert result.stderr == b""
    return result.returncode, json.loads(line)["error"]["code"]


def refused(command: list[str], capture: pytest.CaptureFixture[bytes]) -> tuple[int, str]:
    """The same of a command line in this process, which is quicker to start."""
    exit_code = main(command[1:])
    out, err = capture.readouterr()
    return error_of(subprocess.CompletedProcess(command, exit_code, out, err))


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


# --- a finished run


def test_the_same_arguments_show_the_same_report_again(finished_demo: Path) -> None:
    before = contents(finished_demo)
    result = played(finished_demo)
    [line] = result.stdout.decode().splitlines()
    assert (result.returncode, result.stderr) == (0, b"")
    assert json.loads(line) == json.loads(json.dumps(report_document(report(finished_demo))))
    assert contents(finished_demo) == before


def test_a_person_reads_tables_and_what_to_try_next_works(finished_demo: Path) -> None:
    command = [each for each in arguments(finished_demo) if each != "--json"]
    result = subprocess.run([*command, "--lang", "en"], capture_output=True, env=environment(), timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    shown, _, after = result.stdout.decode().partition("Try next:\n")
    page = shown.rstrip().rpartition("The report: ")[2]
    assert Path(page).is_file()
    tries = after.strip().splitlines()
    assert len(tries) == 3
    for line in tries:
        tried = subprocess.run(
            shlex.split(line), capture_output=True, env=environment(LC_ALL="C.UTF-8"), timeout=120, check=False
        )
        assert (tried.returncode, tried.stderr) == (0, b""), line
        assert tried.stdout


def test_a_day_of_one_rider_whose_city_has_a_bank_without_customers(tmp_path: Path) -> None:
    result = played(tmp_path / "run", riders=1)
    assert (result.returncode, result.stderr) == (0, b"")
    made = report(tmp_path / "run")
    assert (made.riders, made.holds, made.healed) == (1, True, ())


# --- directories that are refused


def strangers_directory(path: Path) -> None:
    (path / "letters.txt").write_text("mine")


def progress_not_json(path: Path) -> None:
    (path / "demo.json").write_bytes(b'{"format": "dure-demo/1", ')


def progress_not_utf8(path: Path) -> None:
    (path / "demo.json").write_bytes(b'{"format": "dure-demo/1", "riders": 60, "seed": "\xff"}')


def progress_no_object(path: Path) -> None:
    (path / "demo.json").write_bytes(b"60")


def progress_empty(path: Path) -> None:
    (path / "demo.json").write_bytes(b"")


def progress_nested_deep(path: Path) -> None:
    (path / "demo.json").write_bytes(b"[" * 100_000)


def progress_a_directory(path: Path) -> None:
    (path / "demo.json").mkdir()


def _written(path: Path, **changed: object) -> None:
    document = {"format": progress.FORMAT, "riders": RIDERS, "seed": SEED} | changed
    (path / "demo.json").write_text(json.dumps(document))


def progress_of_another_format(path: Path) -> None:
    _written(path, format="dure-demo/2")


def progress_of_another_type(path: Path) -> None:
    _written(path, step="7")


def progress_below_0(path: Path) -> None:
    _written(path, step=-1)


def other_riders(path: Path) -> None:
    _written(path, riders=RIDERS + 1)


def other_seed(path: Path) -> None:
    _written(path, seed=SEED + "0")


def finished_without_its_report(path: Path) -> None:
    _written(path, finished=True)


def finished_with_half_a_report(path: Path) -> None:
    _written(path, finished=True)
    (path / "report.json").write_text('{"seed": "6"')


REFUSED: list[Callable[[Path], None]] = [
    strangers_directory,
    progress_not_json,
    progress_not_utf8,
    progress_no_object,
    progress_empty,
    progress_nested_deep,
    progress_a_directory,
    progress_of_another_format,
    progress_of_another_type,
    progress_below_0,
    other_riders,
    other_seed,
    finished_without_its_report,
    finished_with_half_a_report,
]


@pytest.mark.parametrize("fault", REFUSED, ids=lambda fault: fault.__name__)
def test_a_directory_that_holds_something_else_is_left_as_it_is(
    fault: Callable[[Path], None], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    fault(tmp_path)
    before = contents(tmp_path)
    assert refused(arguments(tmp_path), capfdbinary) == (2, "DEMO-003")
    assert contents(tmp_path) == before


def test_a_file_in_the_place_of_the_directory(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (tmp_path / "file").write_text("")
    assert refused(arguments(tmp_path / "file"), capfdbinary) == (2, "DEMO-003")


def test_other_arguments_leave_a_finished_run_as_it_is(finished_demo: Path) -> None:
    before = contents(finished_demo)
    assert error_of(played(finished_demo, riders=RIDERS + 1)) == (2, "DEMO-003")
    assert contents(finished_demo) == before


# --- arguments that are refused


@pytest.mark.parametrize(
    ("riders", "seed", "code"),
    [
        ("0", SEED, "DEMO-001"),
        ("-1", SEED, "DEMO-001"),
        (str(shares.MAX_RIDERS + 1), SEED, "DEMO-001"),
        ("9" * 30, SEED, "DEMO-001"),
        ("1.5", SEED, "API-001"),
        ("many", SEED, "API-001"),
        ("", SEED, "API-001"),
        ("60", "", "DEMO-001"),
        ("60", "x" * (shares.MAX_SEED_LETTERS + 1), "DEMO-001"),
        ("60", "a\nb", "DEMO-001"),
        ("60", "\udcff", "DEMO-001"),
    ],
)
def test_arguments_out_of_bounds_leave_no_trace(
    riders: str, seed: str, code: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    command = arguments(tmp_path / "run")
    command[command.index("--riders") + 1], command[command.index("--seed") + 1] = riders, seed
    assert refused(command, capfdbinary) == (2, code)
    assert not (tmp_path / "run").exists()


# --- while a run is going


@contextmanager
def running(directory: Path, step: int) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has done its first steps; it is killed at the end."""
    with subprocess.Popen(
        arguments(directory, MORE_RIDERS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    ) as process:
        try:
            while (found := progress.load(directory)) is None or found.step < step:
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
            yield process
        finally:
            process.kill()


def test_one_process_plays_and_others_read(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    with running(directory, step=2) as process:
        second = played(directory, MORE_RIDERS)
        read = subprocess.run(
            [sys.executable, "-m", "ledger.replay", str(directory / "chain"), "--to", "1"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        doctor = subprocess.run(
            [arguments(directory)[0], "--data", str(directory), "--json", "doctor"],
            capture_output=True,
            env=environment(),
            timeout=60,
            check=False,
        )
        assert process.poll() is None
        found = progress.load(directory)
    assert error_of(second) == (3, "LEDGER-102")
    assert (read.returncode, json.loads(read.stdout)["number"]) == (0, 1)
    assert doctor.returncode == 0
    assert found is not None
    assert found.starts == 1
