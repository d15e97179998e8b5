"""Rows of settlement: records and journeys as they are planned, and taps as the rules take them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TypeVar

from contracts.messages import FareState
from services.fares.settlement_rules import DayRecord
from services.fares.tables import Journey, Record, Tap
from services.fares.tap_journeys import CardJourney, StoredTap
from wallets.taps import Tap as TapBody

_LOOKUP = 500  # SQLite takes a bounded number of parameters
T = TypeVar("T")


def stored_tap(row: Tap) -> StoredTap:
    """A tap's row as the rules take it."""
    state = FareState(
        card=row.card,
        seq=row.seq,
        cum_won=row.cum_won,
        cum_own_won=row.cum_own_won,
        day_start_cum_won=row.day_start_cum_won,
        day_start_own_won=row.day_start_own_won,
        charge_won=row.charge_won,
        missing_out_won=row.missing_out_won,
        service_day=row.service_day,
        tap_time=row.tap_time,
        context=row.context,
    )
    return StoredTap(row.digest, state, TapBody.from_canonical(row.tap), row.reader, row.card_signature)


def record_row(batch_id: int, position: int, record: DayRecord) -> Record:
    """A planned record."""
    return Record(
        batch_id=batch_id,
        position=position,
        card=record.card,
        seq=record.last.state.seq,
        digest=record.last.digest,
        service_day=record.last.state.service_day,
        increase_won=record.increase_won,
        own_increase_won=record.own_increase_won,
        suspense_won=record.suspense_won,
        shares=json.dumps(sorted(record.credits.items()), separators=(",", ":")),
    )


def journey_row(record_id: int, position: int, journey: CardJourney, money: bytes, route: bytes) -> Journey:
    """A planned journey; `position` of its money leaf in the batch's tree."""
    return Journey(
        record_id=record_id,
        position=position,
        card=journey.card,
        first_seq=journey.first_seq,
        last_seq=journey.last_seq,
        service_day=journey.service_day,
        charged_won=journey.charged_won,
        priced_won=journey.priced_won,
        finding=journey.finding.value,
        money_leaf=money,
        route_leaf=route,
    )


def shares_of(record: Record) -> dict[int, int]:
    """Won per organisation that a record credits, before `others` is put together."""
    return {int(one): int(won) for one, won in json.loads(record.shares)}


def chunks(values: Sequence[T]) -> Iterable[Sequence[T]]:
    """Values in lists that one statement takes."""
    return (values[at : at + _LOOKUP] for at in range(0, len(values), _LOOKUP))
