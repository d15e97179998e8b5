"""docs/errors.md: every error a person may meet, from the exception trees. `python -m api.cli.errors_page` rewrites it.

A test compares the page with the trees, and that no code stands twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Final

from contracts.errors import DureError

PACKAGES: Final = ("contracts", "ledger", "wallets", "services", "api")
PAGE: Final = Path("docs/errors.md")
_HEAD: Final = """# Errors

Written by `python -m api.cli.errors_page` from the exception trees; do not edit. Codes are stable: a code once used is
never given another meaning. Exit: 1 refused or does not hold, 2 unusable input, 3 something is missing, 4 corruption.
Under `--json` an error is `{"error":{"code":…,"what":…,"why":…,"do":…,"ko":…}}`.
"""


def import_errors() -> None:
    """Import every module, so that its error classes exist; migrations run only within Alembic."""
    for package in PACKAGES:
        root = import_module(package)
        for module in walk_packages(root.__path__, f"{package}."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                import_module(module.name)


def classes() -> list[type[DureError]]:
    """Every class of the trees, by package and code; tests' own classes do not count."""
    found = {each for each in _below(DureError) if each.__module__.partition(".")[0] in PACKAGES}
    return sorted(
        found, key=lambda each: (PACKAGES.index(each.__module__.partition(".")[0]), each.__module__, each.code)
    )


def _below(parent: type[DureError]) -> Iterator[type[DureError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _below(child)


def sentence(error: type[DureError]) -> str:
    """The first line of the class's docstring."""
    return (error.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def page() -> str:
    """The page as it should stand in docs/errors.md."""
    import_errors()
    lines = [_HEAD]
    module = ""
    for error in classes():
        if error.__module__ != module:
            module = error.__module__
            lines += [
                f"\n## {module}\n",
                "| code | exit | what it says | what to do | 한국어 |",
                "|---|---|---|---|---|",
            ]
        cells = (error.code, str(error.exit_code), " ".join(sentence(error).split()), error.do, error.ko)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE}: {len(classes())} errors\n")
