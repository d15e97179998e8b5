"""How commands speak: one JSON document on stdout, or sentences and tables; errors by their code (interfaces.md §1)."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from api.cli.state import Lang
from contracts.errors import DureError


def write_json(document: Any) -> None:
    """One JSON document on stdout as UTF-8, whatever the locale."""
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def error_document(error: DureError) -> dict[str, Any]:
    """The error as --json prints it."""
    return {
        "error": {"code": error.code, "what": error.what, "why": error.why, "do": error.do, "ko": error.ko},
    }


def error_sentence(error: DureError, lang: Lang) -> str:
    """The same for a person: code, what, why and what to do."""
    lead = f"{error.code} {error.ko} " if lang is Lang.KO else f"{error.code} "
    return f"{lead}{error.what}. {error.why} {error.do}".replace(".. ", ". ")


def write_error(error: DureError, *, as_json: bool, lang: Lang) -> None:
    """The error on stdout under --json, else on stderr."""
    if as_json:
        write_json(error_document(error))
    else:
        print(error_sentence(error, lang), file=sys.stderr)


def console() -> Console:
    """A console for tables on stdout; plain text where stdout is no terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())
