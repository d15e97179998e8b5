"""docs/reference: commands, agreements and messages, from the programs themselves; a test compares the pages.

`python -m api.cli.reference_pages` rewrites them.

A function's sentence is its @notice in the agreement's own sources; a public variable's is the comment it carries.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from contracts import messages
from contracts.client import ARTEFACTS, artefact
from wallets.consents import ConsentWithdrawal, DebitConsent
from wallets.disputes import FareDispute
from wallets.statements import type_text

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path("docs/reference")
STATEMENTS: Final = (DebitConsent, ConsentWithdrawal, FareDispute)
AGREEMENTS: Final = ("Organisations", "Won", "Vouchers", "Fares", "Credits")
_WRITTEN: Final = "Written by `python -m api.cli.reference_pages`; do not edit."


def pages() -> dict[str, str]:
    """Name of each page and what should stand in it."""
    return {"commands.md": commands(), "agreements.md": agreements(), "messages.md": message_types()}


# --- commands


def commands() -> str:
    """Every command with its options, from the command line's own description of itself."""
    from api.cli.main import app

    root = typer.main.get_command(app)
    lines = [
        f"# Commands\n\n{_WRITTEN}\n",
        "Exit codes: 0 done, or what was checked holds · 1 it does not hold, or a rule refused it · 2 wrong usage or",
        "unreadable input · 3 something needed is not there · 4 corruption found, nothing was changed.\n",
        *_options(root),
    ]
    for name, command in _leaves("dure", root):
        lines += [f"\n## {name}\n", _prose(f"{command.help or ''} {command.epilog or ''}"), "", *_options(command)]
    return "\n".join(lines) + "\n"


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word in sorted(below):
        yield from _leaves(f"{name} {word}", below[word])


def _prose(text: str) -> str:
    """The sentences as one paragraph; examples as a code block."""
    prose, _, examples = " ".join(text.split()).partition("Example: ")
    lines = "\n".join(each.strip() for each in examples.split(" or: "))
    return prose.strip() + (f"\n\n```sh\n{lines}\n```" if examples else "")


def _options(command: Any) -> list[str]:
    rows = []
    for option in command.params:
        if option.name == "help":
            continue
        usual = "" if option.default in (None, False, "") or callable(option.default) else str(option.default)
        rows.append(f"| `{', '.join(option.opts)}` | {_cell(option.help or '')} | {usual and f'`{usual}`'} |")
    return ["| option | what | default |", "|---|---|---|", *rows] if rows else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# --- agreements


def agreements() -> str:
    """Functions and events of the agreements, from their artefacts, with sentences from their sources."""
    lines = [
        f"# The agreements\n\n{_WRITTEN}\n",
        "Addresses are fixed in `contracts/addresses.py`. Whoever is refused is told by a code: those that",
        "agreements revert with or return stand in each sentence and in `contracts/codes.py`.",
    ]
    for name in AGREEMENTS:
        made = json.loads((ARTEFACTS / f"{name}.json").read_text("utf-8"))
        sources = [(ROOT / path).read_text("utf-8") for path in made["sources"] if path.endswith(".vy")]
        sources.sort(key=lambda text: "@deploy" not in text)
        abi = artefact(name).abi
        lines += [f"\n## {name}\n", f"Source: {', '.join(f'`{path}`' for path in made['sources'])}\n"]
        lines += _table("function", "acts", [_function(each, sources) for each in abi if _acts(each)])
        lines += _table("function", "reads", [_function(each, sources) for each in abi if _reads(each)])
        lines += _table("event", "fields", [_event(each) for each in abi if each["type"] == "event"])
    return "\n".join(lines) + "\n"


def _acts(entry: dict[str, Any]) -> bool:
    return bool(entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure"))


def _reads(entry: dict[str, Any]) -> bool:
    return bool(entry["type"] == "function" and entry["stateMutability"] in ("view", "pure"))


def _table(left: str, right: str, rows: list[tuple[str, str]]) -> list[str]:
    return ["", f"| {left} | {right} |", "|---|---|", *(f"| `{one}` | {other} |" for one, other in rows)]


def _function(entry: dict[str, Any], sources: list[str]) -> tuple[str, str]:
    given = ", ".join(f"{each['name']} {_type(each)}" for each in entry["inputs"])
    back = ", ".join(_type(each) for each in entry["outputs"])
    return f"{entry['name']}({given}){back and f' → {back}'}", _cell(_sentence(entry["name"], sources))


def _type(entry: dict[str, Any]) -> str:
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ", ".join(f"{each['name']} {_type(each)}" for each in entry["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def _event(entry: dict[str, Any]) -> tuple[str, str]:
    fields = (f"{each['name']} {each['type']}{' indexed' * each['indexed']}" for each in entry["inputs"])
    return entry["name"], _cell(", ".join(fields))


def _sentence(name: str, sources: list[str]) -> str:
    function = re.compile(
        rf"@external\n(?:@\w+.*\n)*def {name}\((?:[^\"#]|\n)*?:\n    \"\"\"\n(.*?)\"\"\"", flags=re.DOTALL
    )
    variable = re.compile(rf"((?:^#.*\n)*)^{name}: public\(.*\)[^#\n]*(#.*)?$", flags=re.MULTILINE)
    for text in sources:
        if found := function.search(text):
            notice, *rest = re.split(r"@return", found[1].replace("@notice", ""))
            return notice + "".join(f" Returns: {each}" for each in rest)
    for text in sources:
        if found := variable.search(text):
            return " ".join((found[1] + (found[2] or "")).replace("#", "").split())
    return ""


# --- messages


def message_types() -> str:
    """What is signed outside transactions: EIP-712 types and the domains that bind them."""
    lines = [
        f"# Messages\n\n{_WRITTEN}\n",
        "What wallets, readers, guarantors and registries sign (EIP-712). Each domain has its name and version `1`;",
        "all but finality's carry the chain id and the agreement's address. Signatures are r ‖ s ‖ v, 65 bytes, s in",
        "the lower half.",
        "Won takes `Permit` (EIP-2612) and `TransferWithAuthorization` (EIP-3009) in the domain `Dure Won`.",
        "Consents are bound to Organisations and carry their sentences (docs/specification/zeropay.md §4.1),",
        "disputes to Fares with theirs (§7.2).",
        "What the messages stand for is told in docs/concepts/fares.md.",
    ]
    kinds: list[Any] = [made for made in vars(messages).values() if inspect.isclass(made)]
    kinds = [*STATEMENTS, *(made for made in kinds if made.__module__ == messages.__name__)]
    for made in sorted(kinds, key=lambda made: made.__name__):
        sentence = inspect.cleandoc(made.__doc__ or "").replace("\n\n", "\n").replace("\n", " ")
        domain = getattr(made, "DOMAIN", "Dure Finality")
        lines += [f"\n## {made.__name__}\n", f"Domain `{domain}`. {sentence}\n", f"```\n{_message_type(made)}\n```"]
    return "\n".join(lines) + "\n"


def _message_type(made: Any) -> str:
    if made in STATEMENTS:
        return type_text(made.KIND, made.FIELDS)
    kind: bytes = getattr(made, "TYPE", b"") or made.__name__.encode() + messages.Finality.FIELDS
    return kind.decode()


if __name__ == "__main__":
    for page, text in pages().items():
        (ROOT / FOLDER / page).write_text(text, "utf-8")
        sys.stdout.write(f"{FOLDER / page}\n")
