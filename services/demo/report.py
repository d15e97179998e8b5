"""The report of a demo run: what was counted (`DemoReport`), and the page that shows it (`render`).

The page is one file that opens offline: no script, no font, no picture from elsewhere, which its own content security
policy enforces. Everything that varies passes through Jinja's autoescaping.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from contracts.codes import Mode
from services.days import day_start
from services.demo import drawing

Language: TypeAlias = Literal["ko", "en"]
QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Label:
    """A name in both languages of the report."""

    ko: str
    en: str


@dataclass(frozen=True, slots=True)
class Amount:
    """Something with its won, and how many it counts (boardings, journeys)."""

    label: Label
    won: int
    count: int = 0


@dataclass(frozen=True, slots=True)
class LotTotals:
    """Voucher lots of one programme. granted = spent + carried + lapsed + remaining, in won."""

    label: Label
    lots: int
    granted_won: int
    spent_won: int
    carried_won: int
    lapsed_won: int
    remaining_won: int


@dataclass(frozen=True, slots=True)
class Refused:
    """How often something was refused, by whom and why. `expected`: a bad apple was meant to be."""

    where: Label
    code: str
    reason: Label
    count: int
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Healed:
    """What an agreement put right afterwards: `function` says which of its functions, and how often with what won."""

    function: str
    what: Label
    count: int
    won: int


@dataclass(frozen=True, slots=True)
class Check:
    """A conservation check: both sides in won (or a count), and how many times it was made."""

    id: str
    label: Label
    left: int
    right: int
    times: int = 1

    @property
    def holds(self) -> bool:
        """Whether both sides agree."""
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the run and the seconds it took."""

    label: Label
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """A point on the map, metres east and north of Seoul City Hall."""

    name: str
    east_m: int
    north_m: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Riders who went from one place to another."""

    origin: Place
    destination: Place
    riders: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a rail line between neighbouring stations."""

    line: str
    a: Place
    b: Place


@dataclass(frozen=True, slots=True)
class Dot:
    """A station and how many boarded there in the run."""

    place: Place
    boardings: int


@dataclass(frozen=True, slots=True)
class Quarter:
    """Fifteen minutes of fares; `start` is UTC epoch seconds."""

    start: int
    rail_won: int
    bus_won: int


@dataclass(frozen=True, slots=True)
class MoneyFlow:
    """Won on their way: stage 0 from funders to instruments, stage 1 from instruments to operators."""

    stage: Literal[0, 1]
    source: Label
    target: Label
    won: int


@dataclass(frozen=True, slots=True)
class DemoReport:
    """All that a run of the demo reports; plain values, so that the page, the terminal and JSON show the same."""

    seed: str
    service_date: str
    service_day: int
    chain_id: int
    head_number: int
    head_hash: str
    riders: int
    taps: int
    journeys: int
    total_won: int
    sources: tuple[Amount, ...]
    operators: tuple[Amount, ...]
    modes: tuple[Amount, ...]
    lots: tuple[LotTotals, ...]
    blocks: int
    transactions: int
    gas_used: int
    refused: tuple[Refused, ...]
    checks: tuple[Check, ...]
    phases: tuple[Phase, ...]
    segments: tuple[Segment, ...]
    stations: tuple[Dot, ...]
    flows: tuple[Flow, ...]
    quarters: tuple[Quarter, ...]
    money: tuple[MoneyFlow, ...]
    healed: tuple[Healed, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)

    @property
    def refused_count(self) -> int:
        """All refusals together."""
        return sum(refused.count for refused in self.refused)

    @property
    def seconds(self) -> float:
        """All phases together."""
        return sum(phase.seconds for phase in self.phases)


def fares_by_quarter(charges: Iterable[tuple[int, Mode, int]], service_day: int) -> tuple[Quarter, ...]:
    """Charges (UTC seconds, mode, won) summed over quarters of an hour from 04:00 to the last charge."""
    first = day_start(service_day)
    rail: dict[int, int] = {}
    bus: dict[int, int] = {}
    for time, mode, won in charges:
        sums = rail if mode in (Mode.SUBWAY, Mode.GTX) else bus
        quarter = (time - first) // QUARTER_S
        sums[quarter] = sums.get(quarter, 0) + won
    last = max([*rail, *bus], default=-1)
    return tuple(
        Quarter(first + number * QUARTER_S, rail.get(number, 0), bus.get(number, 0)) for number in range(last + 1)
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("services.demo"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["won"] = lambda won: f"{won:,}"
    environment.filters["clock"] = drawing.clock
    return environment


def render(report: DemoReport, language: Language = "ko") -> str:
    """The page as HTML; `language` is what it opens in, the other is one tap away."""
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            language=language,
            map=drawing.city_map(report.segments, report.stations, report.flows),
            bars=drawing.bars(report.quarters),
            sankey=drawing.sankey(report.money),
        )
    )
