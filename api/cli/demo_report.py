"""The report of a demo run in a terminal: the same numbers as report.html, as tables."""

from __future__ import annotations

from rich import box
from rich.table import Table

from services.demo.report import DemoReport, Label, Language


def report_tables(report: DemoReport, language: Language = "ko") -> list[Table]:
    """Tables in reading order: the run, sources, modes, operators, lots, refusals, mendings, checks, phases."""

    def say(ko: str, en: str) -> str:
        return ko if language == "ko" else en

    def name(label: Label) -> str:
        return label.ko if language == "ko" else label.en

    def table(title: str, *columns: str) -> Table:
        made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(columns):
            made.add_column(column, justify="left" if number == 0 else "right")
        return made

    run = table(say("서울의 아침", "A Seoul morning") + f" · {report.service_date}", "", "")
    for label, value in (
        (say("탑승객", "riders"), f"{report.riders:,}"),
        (say("여정", "journeys"), f"{report.journeys:,}"),
        (say("태그", "taps"), f"{report.taps:,}"),
        (say("요금 합계(원)", "fares (won)"), f"{report.total_won:,}"),
        (say("블록", "blocks"), f"{report.blocks:,}"),
        (say("거래", "transactions"), f"{report.transactions:,}"),
        (say("가스", "gas"), f"{report.gas_used:,}"),
        (say("마지막 블록", "head"), report.head_hash),
    ):
        run.add_row(label, value)

    sources = table(say("지불 수단", "Paid by"), "", say("원", "won"))
    for row in report.sources:
        sources.add_row(name(row.label), f"{row.won:,}")

    modes = table(say("수단", "By mode"), "", say("승차", "boardings"), say("원", "won"))
    for row in report.modes:
        modes.add_row(name(row.label), f"{row.count:,}", f"{row.won:,}")

    operators = table(say("운송사", "By operator"), "", say("원", "won"))
    for row in sorted(report.operators, key=lambda each: -each.won):
        operators.add_row(name(row.label), f"{row.won:,}")

    lots = table(
        say("바우처", "Voucher lots"),
        "",
        say("건", "lots"),
        say("지급", "granted"),
        say("사용", "spent"),
        say("이월", "carried"),
        say("소멸", "lapsed"),
        say("잔액", "left"),
    )
    for lot in report.lots:
        amounts = (lot.lots, lot.granted_won, lot.spent_won, lot.carried_won, lot.lapsed_won, lot.remaining_won)
        lots.add_row(name(lot.label), *(f"{amount:,}" for amount in amounts))

    refused = table(say("거절", "Refused"), say("이유", "reason"), say("어디서", "where"), "", "#")
    for each in report.refused:
        mark = "" if each.expected else " [red]![/red]"
        refused.add_row(name(each.reason), name(each.where), each.code, f"{each.count:,}{mark}")

    healed = table(
        say("나중에 바로잡힌 것", "Put right afterwards"), "", say("함수", "function"), "#", say("원", "won")
    )
    for mended in report.healed:
        healed.add_row(name(mended.what), mended.function, f"{mended.count:,}", f"{mended.won:,}")

    checks = table(say("검산", "Conservation"), "", say("왼쪽", "left"), say("오른쪽", "right"), say("횟수", "times"))
    for check in report.checks:
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        checks.add_row(f"{mark} {name(check.label)}", f"{check.left:,}", f"{check.right:,}", f"{check.times:,}")

    phases = table(say("걸린 시간", "Time it took"), "", say("초", "s"))
    for phase in report.phases:
        phases.add_row(name(phase.label), f"{phase.seconds:.1f}")
    return [run, sources, modes, operators, lots, refused, healed, checks, phases]
