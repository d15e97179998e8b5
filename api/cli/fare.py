"""`dure fare`: what a trip costs, by which rules, and who gets it (interfaces.md §2)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.table import Table

from api.cli.output import console, error_document, write_json
from api.cli.state import State, state_of
from api.errors import InputFileError, UsageError
from contracts.codes import RiderClass
from contracts.errors import DureError
from services.fares.errors import FareLimitError
from services.fares.limits import MAX_DOCUMENT_BYTES
from services.fares.quote import Defaults, Request, answer, build, moment, parse
from services.fares.splits import Policy
from services.fares.tariff import Media

app = typer.Typer(help="Fares: what a trip costs and who gets it.")
_RULES_KO = {
    "BASE": "기본운임",
    "EARLY_BIRD": "조조할인",
    "TRANSFER": "환승",
    "REENTRY": "재승차",
    "DISTANCE": "거리비례",
    "SURCHARGE": "별도운임",
    "PENALTY": "하차 미태그",
    "FREE": "무임",
}


@app.command(
    epilog="Example: dure fare quote --from 시청:1호선 --to 강남 --at 2025-10-01T08:10:00+09:00    "
    "or: dure --json fare quote --legs trip.json"
)
def quote(
    context: typer.Context,
    legs: Annotated[str | None, typer.Option(help="A quote document; - reads stdin.")] = None,
    origin: Annotated[str | None, typer.Option("--from", help="Station of one subway ride, as in 시청:1호선.")] = None,
    destination: Annotated[str | None, typer.Option("--to", help="Station where it ends.")] = None,
    at: Annotated[str | None, typer.Option(help="Time with its offset, where no leg carries one.")] = None,
    rider_class: Annotated[str, typer.Option("--class", help="ADULT, YOUTH, CHILD, INFANT or FREE.")] = "ADULT",
    media: Annotated[str, typer.Option(help="CARD, SINGLE or CASH.")] = "CARD",
    policy: Annotated[Policy, typer.Option(help="How operators share the distance part.")] = Policy.SPLIT_V1,
    lines: Annotated[bool, typer.Option("--lines", help="One document a line in, one result a line out.")] = False,
) -> None:
    """Price one person's taps: charges at every gate, rules, operators' shares."""
    state = state_of(context)
    defaults = Defaults(
        _choice(RiderClass, rider_class, "--class"),
        _choice(Media, media, "--media"),
        None if at is None else moment(at, "--at"),
    )
    one_ride = origin is not None or destination is not None
    if lines and not one_ride:
        with _opened(legs or "-") as stream:
            _quote_lines(stream, defaults, policy)
        return
    if one_ride == (legs is not None) or lines:
        raise UsageError("give either --legs FILE, or --from and --to, or --lines")
    if legs is not None:
        with _opened(legs) as stream:
            request = parse(_read(stream), defaults)
    else:
        if origin is None or destination is None:
            raise UsageError("--from and --to go together")
        request = build({"legs": [{"mode": "SUBWAY", "from": origin, "to": destination}]}, defaults)
    result = answer(request, policy)
    if state.json:
        write_json(result)
    else:
        _show(request, result, state)


def _choice(kind: Any, value: str, option: str) -> Any:
    if value not in kind.__members__:
        raise UsageError(f"{option} is one of {', '.join(kind.__members__)}")
    return kind[value]


def _opened(name: str) -> BinaryIO:
    if name == "-":
        return open(sys.stdin.fileno(), "rb", closefd=False)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise InputFileError(f"{name}: {error.strerror}") from None


def _read(stream: BinaryIO) -> bytes:
    """The whole document; one byte beyond the bound is enough for `parse` to refuse it."""
    try:
        return stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InputFileError(f"the input cannot be read: {error.strerror}") from None


def _quote_lines(stream: BinaryIO, defaults: Defaults, policy: Policy) -> None:
    for document in _lines(stream):
        try:
            if document is None:
                raise FareLimitError(f"a line is longer than MAX_DOCUMENT_BYTES, {MAX_DOCUMENT_BYTES}")
            result = answer(parse(document, defaults), policy)
        except DureError as error:
            result = error_document(error)
        write_json(result)


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Each line without its end; None for one beyond the bound, which is skipped without being held."""
    while line := stream.readline(MAX_DOCUMENT_BYTES + 1):
        if len(line) <= MAX_DOCUMENT_BYTES or line.endswith(b"\n"):
            yield line.rstrip(b"\r\n")
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(MAX_DOCUMENT_BYTES)
        yield None


def _show(request: Request, result: dict[str, Any], state: State) -> None:
    output = console()
    rides = iter(request.legs)
    for number, journey in enumerate(result["journeys"], 1):
        table = Table(title=f"{state.say('Journey', '여정')} {number} · {journey['tariff']}", title_justify="left")
        table.add_column(state.say("ride", "이동"))
        for heading in (("metres", "거리(m)"), ("on, won", "승차(원)"), ("off, won", "하차(원)")):
            table.add_column(state.say(*heading), justify="right")
        table.add_column(state.say("path", "경로"))
        for leg in journey["legs"]:
            ride = next(rides)
            path = " → ".join(leg.get("path", ()))
            if leg.get("distance_basis") == "estimated":
                path += state.say(" (estimated)", " (추정 거리)")
            name = f"{ride.mode.name} {ride.route}".rstrip()
            table.add_row(name, f"{leg['metres']:,}", f"{leg['on_won']:,}", f"{leg['off_won']:,}", path)
        output.print(table)
        output.print(_sum_line(journey, state))
        shares = " · ".join(f"{operator} {won:,}" for operator, won in journey["split"]["shares"].items())
        output.print(f"{state.say('Operators', '수입 배분')} ({journey['split']['policy']}): {shares}")
        for row in journey.get("unsure", ()):
            output.print(state.say(f"Unsure: {row}", f"확인되지 않은 운임: {row}"), style="yellow")
    output.print(f"{state.say('Total', '합계')}: {result['total_won']:,} {state.say('won', '원')}", style="bold")
    if "pending_penalty_won" in result:
        text = f"{result['pending_penalty_won']:,}"
        output.print(state.say(f"Not yet collected for a missing tap-off: {text} won", f"하차 미태그 미납: {text}원"))


def _sum_line(journey: dict[str, Any], state: State) -> str:
    parts = [f"{state.say('base', '기본')} {journey['base_won']:,}"]
    for key, en, ko, sign in (
        ("extra_won", "distance", "거리", "+"),
        ("discount_won", "discount", "할인", "−"),
        ("penalty_won", "penalty", "추가운임", "+"),
    ):
        if journey[key]:
            parts.append(f"{sign} {state.say(en, ko)} {journey[key]:,}")
    rules = [state.say(rule, _RULES_KO[rule]) for rule in journey["rules"]]
    return f"{' '.join(parts)} = {journey['total_won']:,} {state.say('won', '원')} · {', '.join(rules)}"
