"""`dure export` and `dure import`: the whole ledger as one file (interfaces.md §1, receipts.md §6)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from api.cli.output import write_json
from api.cli.state import State, state_of
from api.errors import InputFileError

if TYPE_CHECKING:
    from ledger.portable.container import Tick
    from ledger.portable.leaves import LeafSource
    from ledger.trust import Trust

_Trust = Annotated[Path | None, typer.Option("--trust", help="The trust file that you hold.")]


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="OUT.dure", help="The file to write; what stands there is replaced.")],
    leaves: Annotated[bool, typer.Option("--leaves", help="Include leaves openly, not as hashes.")] = False,
    trust: _Trust = None,
) -> None:
    """Write the whole ledger as one file: genesis, blocks, finality, contracts, leaves.

    Without --leaves only the hashes of leaves are in it: who travelled where stays with the services that hold it.
    Example: dure --data var export seoul.dure
    """
    from ledger.node import Node
    from ledger.portable.taking import CHAIN
    from ledger.portable.writer import export as write

    state = state_of(context)
    enclosed = _read_trust(trust)
    reader = Node.open_for_reading(state.data / CHAIN)
    try:
        with _progress(state) as tick, _sources(state.data) as sources, _reading(out):
            done = write(
                reader,
                out,
                trust=enclosed.raw if enclosed else None,
                sources=sources,
                open_leaves=leaves,
                tick=tick,
            )
    finally:
        reader.close()
    _say(
        state,
        asdict(done),
        f"{out}: blocks 1 to {done.number}, {done.leaves} leaves under {done.roots} roots, {done.open_leaves} of them "
        f"open, {done.bytes} bytes; head {done.head_hash}",
        f"{out}: 블록 1~{done.number}, 루트 {done.roots}개와 리프 {done.leaves}개(공개 {done.open_leaves}개), "
        f"{done.bytes}바이트; 마지막 블록 {done.head_hash}",
    )


def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="IN.dure", help="The file to check and take.")],
    trust: _Trust = None,
) -> None:
    """Check a ledger file, all of it, by executing it again; then make the data directory --data from it.

    Without --trust it is checked likewise, but nothing is written. Example: dure --data copy import seoul.dure --trust
    seoul.trust.json
    """
    from ledger.portable.taking import take

    state = state_of(context)
    held = _read_trust(trust)
    with _progress(state) as tick, _reading(source):
        done = take(source, state.data, held, tick)
    _say(
        state,
        asdict(done),
        f"{state.data}: blocks 1 to {done.number} with {done.transactions} transactions executed to the same roots; "
        f"{done.leaves} leaves under {done.roots} roots, {done.withheld} withheld; head {done.head_hash}",
        f"{state.data}: 블록 1~{done.number}, 거래 {done.transactions}건을 다시 실행하여 같은 루트를 얻음; 루트 "
        f"{done.roots}개의 리프 {done.leaves}개(비공개 {done.withheld}개); 마지막 블록 {done.head_hash}",
    )


def _read_trust(path: Path | None) -> Trust | None:
    from ledger import trust as trust_file

    if path is None:
        return None
    with _reading(path):
        return trust_file.read(path.read_bytes())


@contextmanager
def _sources(data: Path) -> Iterator[list[LeafSource]]:
    """The services that hold leaves in this data directory."""
    from services.database import open_database
    from services.fares.portable_leaves import FareLeaves
    from services.vouchers.portable_leaves import GrantLeaves

    database = data / "services.db"
    if not database.is_file():
        yield []
        return
    engine = open_database(f"sqlite:///{database}")
    try:
        yield [FareLeaves(engine), GrantLeaves(engine)]
    finally:
        engine.dispose()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputFileError(f"{path}: {error.strerror}") from error


@contextmanager
def _progress(state: State) -> Iterator[Tick]:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True, disable=not state.progress) as bar:
        task = bar.add_task("", total=None)
        yield lambda phase, done, of: bar.update(task, description=phase, completed=done, total=of)


def _say(state: State, document: dict[str, Any], en: str, ko: str) -> None:
    if state.json:
        write_json(document)
    else:
        typer.echo(state.say(en, ko))
