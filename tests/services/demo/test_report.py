"""The page: whole, self-contained, escaped; its pictures say what the tables say."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from api.cli.demo_report import report_tables
from contracts.codes import Mode
from services.days import day_start
from services.demo import drawing
from services.demo.report import (
    Check,
    DemoReport,
    Label,
    Language,
    MoneyFlow,
    Place,
    Quarter,
    Segment,
    fares_by_quarter,
    render,
)
from tests.services.demo.sample import sample

VOID = {"meta", "input", "br"}


class Balance(HTMLParser):
    """Raises where elements are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)


@pytest.fixture(scope="module")
def report() -> DemoReport:
    return sample(600)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report: DemoReport, language: Language) -> None:
    page = render(report, language)
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert {"svg", "table", "title", "details"} <= parser.seen
    assert not {"script", "link", "img", "iframe", "object"} & parser.seen
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", page)
    assert f'<html lang="{language}">' in page
    assert f'id="in-{language}" checked' in page
    for operator in report.operators:
        assert operator.label.ko in page
        assert f"{operator.won:,}" in page


def test_names_are_escaped(report: DemoReport) -> None:
    evil = Label("<script>alert(1)</script>", '"><img src=x>')
    page = render(replace(report, money=(MoneyFlow(0, evil, evil, 5),), seed="<b>"))
    assert "<script>" not in page
    assert "<img" not in page
    assert "<b>" not in page.split("<footer>")[1]


def test_a_check_that_fails_is_seen_at_the_top(report: DemoReport) -> None:
    page = render(replace(report, checks=(*report.checks, Check("x", Label("엑스", "ex"), 1, 2))))
    assert 'class="state bad"' in page
    assert "일치하지 않는 검산이 있습니다" in page
    assert 'class="state bad"' not in render(report)


def test_an_empty_run_still_has_a_page(report: DemoReport) -> None:
    empty = replace(
        report, riders=0, total_won=0, sources=(), operators=(), modes=(), lots=(), refused=(), checks=(), phases=()
    )
    Balance().feed(render(replace(empty, segments=(), stations=(), flows=(), quarters=(), money=())))


@given(st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from(Mode), st.integers(0, 9_999)), max_size=60))
def test_quarters_lose_no_won(charges: list[tuple[int, Mode, int]]) -> None:
    start = day_start(20_376)
    quarters = fares_by_quarter([(start + second, mode, won) for second, mode, won in charges], 20_376)
    assert sum(quarter.rail_won + quarter.bus_won for quarter in quarters) == sum(won for _, _, won in charges)
    assert [quarter.start for quarter in quarters] == [start + 900 * number for number in range(len(quarters))]
    chart = drawing.bars(quarters)
    assert all(0 <= bar.bus_y <= bar.rail_y <= chart.base + 0.01 for bar in chart.bars)


LABELS = [Label(f"가{number}", f"n{number}") for number in range(20)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(LABELS[:4]),
            st.sampled_from(LABELS[4:7]),
            st.sampled_from(LABELS[7:]),
            st.integers(1, 10**9),
        ),
        max_size=30,
    )
)
def test_sankey_stays_in_its_box_and_labels_do_not_overlap(paths: list[tuple[Label, Label, Label, int]]) -> None:
    flows = [MoneyFlow(0, a, b, won) for a, b, _, won in paths] + [MoneyFlow(1, b, c, won) for _, b, c, won in paths]
    picture = drawing.sankey(flows)
    for node in picture.nodes:
        assert -0.01 <= node.y <= picture.height
        assert 0 <= node.label_y <= picture.height
    for column in range(3):
        heights = sorted(node.label_y for node in picture.nodes if node.column == column)
        assert all(b - a >= 28.8 for a, b in itertools.pairwise(heights))
    assert len(picture.ribbons) == len(flows)


def test_ticks_are_round_and_cover_the_tallest_bar() -> None:
    chart = drawing.bars([Quarter(day_start(20_376), 377_000, 10_000)])
    assert [won for _, won in chart.levels] == [0, 100_000, 200_000, 300_000, 400_000]


def test_lines_that_leave_the_map_are_left_out() -> None:
    far = Segment("1호선", Place("천안", 0, -80_000), Place("두정", 0, -79_000))
    near = Segment("2호선", Place("시청", 0, 0), Place("을지로입구", 900, 0))
    assert [line for line, _ in drawing.city_map([far, near], [], []).lines] == ["2호선"]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_terminal_shows_the_same(report: DemoReport, language: Language) -> None:
    console = Console(width=110, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        for table in report_tables(report, language):
            console.print(table)
    shown = capture.get()
    assert f"{report.total_won:,}" in shown
    for row in report.refused:
        assert row.code in shown
    for mended in report.healed:
        assert mended.function in shown
        assert f"{mended.won:,}" in shown
