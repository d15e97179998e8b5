"""`dure demo`: a Seoul morning on the embedded chain (interfaces.md §1)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from api.cli.demo_report import report_tables
from api.cli.output import console, write_json
from api.cli.state import State, state_of
from services.demo.report import DemoReport
from services.demo.shares import DEFAULT_RIDERS
from services.demo.store import PAGE, document, read_report

if TYPE_CHECKING:
    from services.demo.run import Run

_PHASES: Final = {
    "prepare": ("city and organisations", "도시와 조직 준비"),
    "cards": ("cards and top-ups", "카드 등록과 충전"),
    "vouchers": ("eligibility and vouchers", "자격 확인과 바우처"),
    "morning": ("the morning, minute by minute", "아침 운행"),
    "settle": ("settlement", "정산"),
    "payout": ("payouts", "지급"),
    "late": ("late taps and caps", "늦은 태그와 한도"),
    "close": ("adjustments and closing", "조정과 마감"),
    "report": ("counting and checking", "집계와 검사"),
}
_NEXT: Final = (
    "{dure} fare quote --from 시청:1호선 --to 강남 --at 2025-10-15T08:10:00+09:00",
    "{dure} --data {data} demo --riders {riders} --seed {seed}",
    "{python} -m ledger.replay {data}/chain --engine py-evm",
)


def demo(
    context: typer.Context,
    riders: Annotated[int, typer.Option(help="How many people travel.")] = DEFAULT_RIDERS,
    seed: Annotated[str, typer.Option(help="Everything random follows from it; the same seed, the same chain.")] = "1",
) -> None:
    """Play a Seoul morning: fares from vouchers, prepaid won and bank guarantees, settled on the embedded chain.

    The same arguments on the same data directory go on where a run was cut short. Example: dure demo --riders 3000
    """
    # The whole city: seconds of imports that `dure fare quote` need not wait for.
    from services.demo.run import Run

    state = state_of(context)
    run = Run(state.data, riders, seed)
    if not run.progress.finished:
        _play(run, state)
    _show(read_report(state.data), state, riders, seed)


def _play(run: Run, state: State) -> None:
    err = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not state.progress) as bar:
        task = bar.add_task("", total=None)

        def tick(phase: str, done: int, of: int) -> None:
            bar.update(task, description=state.say(*_PHASES[phase]), completed=done, total=of)

        run.play(tick)


def _show(report: DemoReport, state: State, riders: int, seed: str) -> None:
    if state.json:
        write_json(document(report))
        return
    out = console()
    for table in report_tables(report, state.lang.value):
        out.print(table)
    out.print(state.say("The report:", "보고서:"), str(Path(state.data, PAGE).resolve()))
    out.print(state.say("Try next:", "다음으로 해 볼 것:"))
    for line in _NEXT:
        out.print("  " + line.format(dure=_dure(), python=sys.executable, data=state.data, riders=riders, seed=seed))


def _dure() -> str:
    """How this command was called, so that the lines work as printed whether its folder is on the PATH or not."""
    return "dure" if shutil.which("dure") else sys.argv[0]
