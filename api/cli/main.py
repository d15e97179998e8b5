"""The command line `dure` (interfaces.md §1). Each command group is a module of this package, registered here.

Global options may stand before or after the command. Exit codes: 0 done, 1 does not hold or refused, 2 wrong usage or
unreadable input, 3 something is missing, 4 corruption. A traceback is shown with --debug only.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

from api.cli import demo, doctor, fare, portable
from api.cli.output import write_error, write_json
from api.cli.state import Lang, State, locale_lang, wants_progress
from api.errors import InternalError, UsageError
from contracts.errors import DureError

_FLAGS: Final = frozenset({"--json", "--no-progress", "--debug"})
_VALUED: Final = frozenset({"--data", "--lang"})
INTERRUPTED: Final = 130

app = typer.Typer(
    name="dure",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="두레: a civic ledger that a city's organisations run together.",
    epilog="Example: dure fare quote --from 시청:1호선 --to 강남 --at 2025-10-01T08:10:00+09:00",
)
app.add_typer(fare.app, name="fare")
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("export")(portable.export)
app.command("import")(portable.import_)


@app.callback(invoke_without_command=True)
def _globals(
    context: typer.Context,
    data: Annotated[Path, typer.Option(envvar="DURE_DATA", help="Data directory.")] = Path("var"),
    as_json: Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on stdout.")] = False,
    lang: Annotated[Lang | None, typer.Option(help="Language of sentences; default: the locale's.")] = None,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Draw no progress on stderr.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    context.obj = State(
        data=data,
        json=as_json,
        lang=lang or locale_lang(),
        progress=wants_progress(no_progress),
        debug=debug,
    )
    if show_version:
        if as_json:
            write_json({"version": version("dure")})
        else:
            typer.echo(f"dure {version('dure')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UsageError("no command was given", why=f"Commands: {', '.join(sorted(_command_names()))}.")


def _command_names() -> list[str]:
    groups = [group.name for group in app.registered_groups]
    return [str(name) for name in [*groups, *(command.name for command in app.registered_commands)]]


def main(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit code; whatever fails is said by its code."""
    ordered = _globals_first(list(arguments))
    as_json, debug, lang = "--json" in ordered, "--debug" in ordered, _lang(ordered)
    try:
        result = typer.main.get_command(app).main(ordered, prog_name="dure", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  the last line of defence: a person never meets a traceback
        if debug:
            traceback.print_exc()
        failure = _failure(error)
    write_error(failure, as_json=as_json, lang=lang)
    return failure.exit_code


def _failure(error: Exception) -> DureError:
    if isinstance(error, DureError):
        return error
    if isinstance(error, TyperException):
        return UsageError(getattr(error, "format_message", error.__str__)().rstrip("."))
    return InternalError(f"{type(error).__name__}: {error}")


def run() -> None:
    """Entry point of the command `dure`."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1:]))


def _globals_first(arguments: list[str]) -> list[str]:
    """Global options moved before the command, so that they may stand anywhere; nothing behind -- is touched."""
    ours: list[str] = []
    rest: list[str] = []
    while arguments:
        argument = arguments.pop(0)
        if argument == "--":
            rest += [argument, *arguments]
            break
        if argument in _FLAGS or argument.partition("=")[0] in _VALUED:
            ours.append(argument)
            if argument in _VALUED and arguments:
                ours.append(arguments.pop(0))
        else:
            rest.append(argument)
    return ours + rest


def _lang(ordered: list[str]) -> Lang:
    """The language for errors that are met before the options are parsed."""
    text = " ".join(ordered)
    for lang in Lang:
        if f"--lang {lang.value}" in text or f"--lang={lang.value}" in text:
            return lang
    return locale_lang()
