"""How far a run has come: one small file, replaced atomically after every step.

Counters belong to the steps that are done; a step that a crash cut short counts again from its beginning.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from services.demo.errors import DemoResumeError

FORMAT: Final = "dure-demo/1"
_FILE: Final = "demo.json"


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

    def count(self, refused: Counter[str], phase: str, seconds: float) -> None:
        """Adds what a finished step counted."""
        for key, number in refused.items():
            self.refused[key] = self.refused.get(key, 0) + number
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds


def load(directory: Path) -> Progress | None:
    """The run in this directory, None where there is none. Raises DemoResumeError for a file that cannot be read."""
    path = directory / _FILE
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        if document.pop("format") != FORMAT:
            raise DemoResumeError(f"{path} is of another format than {FORMAT}")
        return Progress(**document)
    except (ValueError, KeyError, TypeError) as error:
        raise DemoResumeError(f"{path} cannot be read: {error}") from error


def save(directory: Path, progress: Progress) -> None:
    """Replaces the file; on the disk when this returns."""
    write_atomically(directory / _FILE, json.dumps({"format": FORMAT, **asdict(progress)}, indent=1).encode())


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file beside its place, makes it durable, and moves it there."""
    beside = path.with_suffix(path.suffix + ".new")
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
