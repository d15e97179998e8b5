"""What healed in a run, or was borne by those whom the rules name: counted off the chain's events (report.py)."""

from __future__ import annotations

from collections.abc import Iterable

from ledger.client import Client, Event
from services.demo.report import Healed, Label
from services.demo.world import CITY

_PROVEN = Label("복제 카드 증명", "cloned cards proven")
_ALLOCATED = Label("늦은 태그로 밝혀진 요금 배분", "fares that late taps explained, given to operators")
_ADDED = Label("하차 태그가 없어 더 받은 요금", "charged for missing tap-offs")
_GIVEN_BACK = Label("늦게 온 하차 태그로 돌려준 요금", "given back for tap-offs that came late")
_COVERED = Label("복제 카드 손실을 메운 위험기금", "rides of clones, borne by the risk pool")


def healed(client: Client) -> tuple[Healed, ...]:
    """One line for each function of the agreements that put something right, in the order in which a city uses them."""
    adjusted = client.events("Credits", "Adjusted")
    rows = (
        Healed("prove_clone", _PROVEN, len(client.events("Fares", "Forked")), 0),
        _row("allocate", _ALLOCATED, client.events("Credits", "Allocated"), "amount_won"),
        _row("adjust_up", _ADDED, (one for one in adjusted if one.args["delta_won"] > 0), "delta_won"),
        _row("adjust_down", _GIVEN_BACK, (one for one in adjusted if one.args["delta_won"] < 0), "delta_won"),
        _row("cover", _COVERED, _covers(client), "delta_won"),
    )
    return tuple(row for row in rows if row.count)


def covered_won(client: Client) -> int:
    """Won of losses that RISK_POOL bore."""
    return -sum(int(one.args["delta_won"]) for one in _covers(client))


def risk_pool_won(client: Client) -> tuple[int, int]:
    """Won that the city put into RISK_POOL, and won of suspense that nobody explained."""
    funded = forfeited = 0
    for event in client.events("Credits", "RiskPoolChanged"):
        won = max(0, int(event.args["delta_won"]))
        if event.args["organisation"] == CITY:
            funded += won
        else:
            forfeited += won
    return funded, forfeited


def _covers(client: Client) -> list[Event]:
    return [one for one in client.events("Credits", "RiskPoolChanged") if one.args["delta_won"] < 0]


def _row(function: str, what: Label, events: Iterable[Event], field: str) -> Healed:
    won = [abs(int(one.args[field])) for one in events]
    return Healed(function, what, len(won), sum(won))
