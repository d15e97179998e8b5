"""What the global options say, for every command (interfaces.md §1)."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

import typer


class Lang(StrEnum):
    """Language of what a person reads; JSON carries both."""

    KO = "ko"
    EN = "en"


def locale_lang() -> Lang:
    """Korean where the locale is Korean, else English."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return Lang.KO if value.startswith("ko") else Lang.EN
    return Lang.EN


@dataclass(frozen=True, slots=True)
class State:
    """The global options of one run. `progress` is off with --no-progress and where stderr is no terminal."""

    data: Path
    json: bool
    lang: Lang
    progress: bool
    debug: bool

    def say(self, en: str, ko: str) -> str:
        """The text in the person's language."""
        return ko if self.lang is Lang.KO else en


def state_of(context: typer.Context) -> State:
    """The global options, from within a command."""
    return cast(State, context.find_root().obj)


def wants_progress(no_progress: bool) -> bool:
    """Whether progress may be drawn on stderr."""
    return not no_progress and sys.stderr.isatty()
