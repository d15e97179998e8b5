"""`dure doctor`: what is installed, what is missing and the line that installs it; disk, clock, data directory."""

from __future__ import annotations

import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Final

import typer
from packaging.requirements import Requirement
from rich.table import Table

from api.cli.output import console, write_json
from api.cli.state import State, state_of
from api.errors import MissingPartError
from api.limits import MIN_FREE_BYTES

# Programs that some commands can use; none is needed for the rest.
_PROGRAMS: Final = (
    ("geth", "dure audit --engine geth", "https://geth.ethereum.org/downloads"),
    ("anvil", "benchmarks against another client", "curl -L https://foundry.paradigm.xyz | bash && foundryup"),
    ("cometbft", "ordering among several organisations", "https://github.com/cometbft/cometbft/releases"),
    ("belenios-tool", "a second opinion on elections", "opam install belenios"),
    ("postgres", "tables where SQLite is outgrown", "apt-get install postgresql"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed`: without it Dure does not work; `fix` is the line that mends it."""

    name: str
    ok: bool
    needed: bool
    found: str
    fix: str = ""


def doctor(context: typer.Context) -> None:
    """Say what is installed, what is missing and how to install it.

    Example: dure doctor
    """
    state = state_of(context)
    findings = [_python(), *_packages(), *_programs(), _disk(state.data), _clock(), _directory(state.data)]
    broken = [finding for finding in findings if finding.needed and not finding.ok]
    if state.json:
        write_json({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
    else:
        _show(findings, state)
    if broken:
        if not state.json:
            raise MissingPartError(f"{broken[0].name}: {broken[0].found}", why=broken[0].fix)
        raise typer.Exit(MissingPartError.exit_code)


def _python() -> Finding:
    ok = sys.version_info >= (3, 11)
    return Finding("python", ok, True, sys.version.split()[0], "install Python 3.11 or newer")


def _packages() -> list[Finding]:
    wanted = [Requirement(text) for text in requires("dure") or ()]
    return [_package(each) for each in wanted if each.marker is None or each.marker.evaluate({"extra": ""})]


def _package(requirement: Requirement) -> Finding:
    try:
        found = distribution(requirement.name).version
    except PackageNotFoundError:
        return Finding(requirement.name, False, True, "missing", f'pip install "{requirement}"')
    ok = requirement.specifier.contains(found, prereleases=True)
    return Finding(requirement.name, ok, True, found, "" if ok else f'pip install "{requirement}"')


def _programs() -> list[Finding]:
    found = [(name, shutil.which(name), use, line) for name, use, line in _PROGRAMS]
    return [
        Finding(name, path is not None, False, path or f"missing; for {use}", "" if path else line)
        for name, path, use, line in found
    ]


def _existing(directory: Path) -> Path:
    path = directory.absolute()
    while not path.exists():
        path = path.parent
    return path


def _disk(data: Path) -> Finding:
    free = shutil.disk_usage(_existing(data)).free
    found = f"{free / (1 << 30):.1f} GiB free at {_existing(data)}"
    return Finding("disk", free >= MIN_FREE_BYTES, True, found, "free some space, or choose another --data")


def _clock() -> Finding:
    """A clock before the installed files were made is set wrong; no network is asked."""
    newest = Path(__file__).stat().st_mtime
    now = time.time()
    ok = now >= newest - 86_400
    found = datetime.fromtimestamp(int(now), UTC).isoformat()
    return Finding("clock", ok, True, found, "set the clock: timedatectl set-ntp true")


def _directory(data: Path) -> Finding:
    if not data.exists():
        return Finding("data directory", True, False, f"{data} does not exist yet; dure demo or dure init makes it")
    if not data.is_dir():
        return Finding("data directory", False, True, f"{data} is no directory", "choose another --data")
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data directory", False, True, f"{data} cannot be written", f"chmod u+rwx {data}")
    if data.stat().st_mode & 0o002:
        return Finding("data directory", False, True, f"{data} can be written by anybody", f"chmod o-w {data}")
    count = sum(1 for _ in data.iterdir())
    return Finding("data directory", True, False, f"{data}, {count} entries")


def _show(findings: list[Finding], state: State) -> None:
    table = Table(box=None)
    for heading in (("what", "항목"), ("", ""), ("found", "상태"), ("line that mends it", "해결")):
        table.add_column(state.say(*heading))
    for finding in findings:
        mark = "✓" if finding.ok else "✗" if finding.needed else "–"
        table.add_row(finding.name, mark, finding.found, "" if finding.ok else finding.fix)
    console().print(table)
