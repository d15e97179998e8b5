"""Rules of the house that no tool enforces (docs/guides/developer.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from api.cli import errors_page

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = ("contracts", "ledger", "wallets", "services", "api")
FOLDERS: Final = (*SHIPPED, "docs", "scripts", "tests", ".ci")
SOURCES: Final = frozenset({".py", ".vy", ".vyi", ".sh"})
TEXTS: Final = SOURCES | {".md", ".toml", ".json", ".html", ".css", ".ini", ".mako", ".yaml", ".lock", ""}
MOST_LINES: Final = 400

# Written as expressions that do not match themselves.
MACHINE_PATH: Final = re.compile(r"(?<![\w.}])/(?:home|root|work|opt|Users)/\w")
REGISTRY_HOST: Final = re.compile(r"\b(?:pypi|pythonhosted|npmjs|crates|golang|maven|debian)\.(?:org|io|com)\b")
UNFINISHED: Final = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")

LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# A path of the repository within backticks: a known folder, a slash, and no placeholder in it.
NAMED_PATH: Final = re.compile(rf"`((?:{'|'.join((*SHIPPED, 'docs', 'scripts', 'tests'))})/[\w./-]+)`")


def files() -> list[Path]:
    """What the repository holds, without what running it makes."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(found)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    """Path and content of what people write; must-fail vectors may be no text at all."""
    for path in files():
        if path.suffix in TEXTS and "must_fail" not in path.parts:
            yield name(path), path.read_text("utf-8")


def documents() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def modules() -> list[Path]:
    """Python modules of what ships."""
    return [path for path in files() if path.suffix == ".py" and name(path).partition("/")[0] in SHIPPED]


def test_canary_assertions_of_tests_hold_under_every_flag() -> None:
    """`make test` runs the refusals under python -O; were assertions gone there, that run would prove nothing."""
    with pytest.raises(AssertionError):
        assert len("canary") == 5


def test_no_module_is_longer_than_400_lines() -> None:
    lengths = {name(path): path.read_text("utf-8").count("\n") for path in files() if path.suffix in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_nothing_that_ships_asserts() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assert)
    ]
    assert found == []


@pytest.mark.parametrize("rule", [MACHINE_PATH, REGISTRY_HOST, UNFINISHED], ids=["path", "registry", "unfinished"])
def test_no_file_names_a_machine_a_registry_or_unfinished_work(rule: re.Pattern[str]) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if rule.search(line)
    ]
    assert found == []


def limits() -> list[Path]:
    return [path for path in modules() if path.name == "limits.py"]


@pytest.mark.parametrize("path", limits(), ids=name)
def test_every_limit_has_a_reason_and_is_used(path: Path) -> None:
    """A reason is a comment on its line, or above it or its group; used is named in another module."""
    lines = path.read_text("utf-8").splitlines()
    elsewhere = "\n".join(other.read_text("utf-8") for other in modules() if other != path)
    bare, unused = [], []
    for node in ast.parse("\n".join(lines)).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        limit = ast.unparse(target)
        if not _reason(lines, node.lineno - 1, node.end_lineno or node.lineno):
            bare.append(limit)
        if not re.search(rf"\b{limit}\b", elsewhere):
            unused.append(limit)
    assert (bare, unused) == ([], [])


def _reason(lines: list[str], first: int, after: int) -> bool:
    """Whether a comment stands within lines[first:after], or above them with no empty line between."""
    if any("#" in line for line in lines[first:after]):
        return True
    if after < len(lines) and lines[after].startswith('"""'):
        return True
    while first > 0 and lines[first - 1].strip():
        first -= 1
        if lines[first].startswith("#"):
            return True
    return False


def test_every_error_says_what_to_do_in_both_languages() -> None:
    errors_page.import_errors()
    silent = []
    for error in errors_page.classes():
        if "code" not in vars(error) or not errors_page.sentence(error) or not error.do.strip():
            silent.append(error.__name__)
        if not re.search("[가-힣]", error.ko):
            silent.append(f"{error.__name__}.ko")
    assert silent == []


def anchors(document: Path) -> set[str]:
    """The fragments that a document's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in documents():
        for target in LINK.findall(document.read_text("utf-8")):
            path, _, fragment = target.partition("#")
            if "://" in path or path.startswith("mailto:"):
                continue
            place = (document.parent / path).resolve() if path else document
            if not place.exists() or (fragment and fragment not in anchors(place)):
                broken.append(f"{name(document)} → {target}")
    assert broken == []


def test_paths_that_documents_name_exist() -> None:
    missing = [
        f"{name(document)} → {path}"
        for document in documents()
        for path in NAMED_PATH.findall(document.read_text("utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_every_page_of_docs_is_reached_from_the_index() -> None:
    linked = {
        (document.parent / target.partition("#")[0]).resolve()
        for document in (ROOT / "docs/README.md", *(ROOT / "docs").glob("*/README.md"))
        for target in LINK.findall(document.read_text("utf-8"))
        if "://" not in target
    }
    assert [name(page) for page in documents() if page.is_relative_to(ROOT / "docs") and page not in linked] == [
        "docs/README.md"
    ]
