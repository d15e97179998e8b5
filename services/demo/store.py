"""The finished run's report on the disk: report.json to show it again, report.html for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from services.demo.errors import DemoResumeError
from services.demo.progress import write_atomically
from services.demo.report import DemoReport, render

PAGE: Final = "report.html"
_DATA: Final = "report.json"
_REPORT: Final = TypeAdapter(DemoReport)


def write_report(directory: Path, report: DemoReport) -> Path:
    """Writes both files; the page's path."""
    write_atomically(directory / _DATA, _REPORT.dump_json(report))
    write_atomically(directory / PAGE, render(report).encode())
    return directory / PAGE


def document(report: DemoReport) -> dict[str, Any]:
    """The report as one JSON document."""
    found: dict[str, Any] = _REPORT.dump_python(report, mode="json")
    return found


def read_report(directory: Path) -> DemoReport:
    """The report of a finished run. Raises DemoResumeError where it is missing or unreadable."""
    try:
        return _REPORT.validate_json((directory / _DATA).read_bytes())
    except (OSError, ValidationError) as error:
        raise DemoResumeError(f"the report in {directory} cannot be read") from error
