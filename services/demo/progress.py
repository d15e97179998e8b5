"""How far a run has come: one small file, replaced atomically after every step.

Counters belong to the steps that are done; a step that a crash cut short counts again from its beginning.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from pydantic_core import from_json

from ledger.errors import StoreLocked
from services.demo.errors import DemoResumeError

FORMAT: Final = "dure-demo/1"
_FILE: Final = "demo.json"
_DRAFT: Final = ".new"


@dataclass(slots=True)
class Progress:
    """seed and riders: the run's arguments · starts: processes that worked on it · step: steps done · refused: how
    often each place refused with each code · seconds: time per phase."""

    riders: int
    seed: str
    starts: int = 0
    step: int = 0
    finished: bool = False
    refused: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.step < 0 or self.starts < 0:
            raise ValueError("a count below 0")

    def count(self, refused: Counter[str], phase: str, seconds: float) -> None:
        """Adds what a finished step counted."""
        for key, number in refused.items():
            self.refused[key] = self.refused.get(key, 0) + number
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds


_PROGRESS: Final = TypeAdapter(Progress)


def take_up(directory: Path, riders: int, seed: str) -> Progress:
    """The run of these arguments in a directory, a new one where it is empty or missing.

    Raises DemoResumeError for a directory that holds anything else or cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = {path.name for path in directory.iterdir()}
        found = load(directory)
        if found is None:
            strangers = names - {_FILE + _DRAFT}  # a crash at the very beginning may leave the file's draft
            if strangers:
                raise DemoResumeError(f"{directory} holds {min(strangers)} and no run of the demo")
            found = Progress(riders, seed)
            save(directory, found)
    except OSError as error:
        raise DemoResumeError(f"{directory}: {error.strerror}") from error
    if (found.riders, found.seed) != (riders, seed):
        raise DemoResumeError(f"{directory} holds a run of {found.riders:,} riders with seed {found.seed}")
    return found


def load(directory: Path) -> Progress | None:
    """The run in this directory, None where there is none. Raises DemoResumeError for a file that cannot be read."""
    path = directory / _FILE
    if not path.exists():
        return None
    try:
        document = from_json(path.read_bytes())
        if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
            raise DemoResumeError(f"{path} is of another format than {FORMAT}")
        return _PROGRESS.validate_json(json.dumps(document), strict=True)  # as JSON: a dictionary is what it holds
    except (OSError, ValueError) as error:
        raise DemoResumeError(f"{path} cannot be read") from error


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Keeps every other process from playing in this directory. Raises StoreLocked where one does."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise StoreLocked(f"{directory} is held by another process") from error
    finally:
        os.close(descriptor)


def save(directory: Path, progress: Progress) -> None:
    """Replaces the file; on the disk when this returns."""
    write_atomically(directory / _FILE, json.dumps({"format": FORMAT, **asdict(progress)}, indent=1).encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file beside its place, makes it durable, and moves it there."""
    beside = path.with_name(path.name + _DRAFT)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
