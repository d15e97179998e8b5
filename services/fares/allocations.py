"""Suspense to whom it belongs, once late taps explain it; after 90 days the rest to RISK_POOL (money.md §3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlmodel import Session, col, select

from contracts.records import SettlementRecord, sums_word, table_word
from services.days import day_end
from services.fares import settlement_rules as rules
from services.fares.corrections import Corrections, Planned, each_record
from services.fares.errors import NotYetError
from services.fares.gaps import missing_days, settled_before
from services.fares.limits import MAX_AGE_S
from services.fares.settlement_rows import stored_tap
from services.fares.tables import Correction, CorrectionStatus, Journey, Record, Tap
from services.fares.tap_journeys import CardJourney, StoredTap

NO_MISSING: Final = (0, 0, 0, 0, 0, 0)


class Allocations(Corrections):
    """The allocations of one clearing house."""

    def allocate_late(self, service_day: int) -> list[str]:
        """Gives suspense of a day's records to the operators whose late taps explain it by now; the purposes.

        A missing earlier day's signed state goes along once all of that day is there, so that its voucher part is paid
        by the lots of that day instead (money.md §3, Gap). What is still incomplete keeps waiting. Call again for
        records that another correction holds up.
        """
        return self._send_each(each_record(self._in_suspense(service_day), self._planned), now=self._now())

    def expire_suspense(self, service_day: int, *, now: int) -> list[str]:
        """What is left in suspense of a day's records to RISK_POOL; the purposes. Raises NotYetError before 90 days."""
        if now < day_end(service_day) + MAX_AGE_S:
            raise NotYetError(f"suspense of day {service_day} waits 90 days for its taps")
        return self._send_each(each_record(self._in_suspense(service_day), self._expiry), now=now)

    def _now(self) -> int:
        return self._client.head().timestamp

    def _in_suspense(self, service_day: int) -> Sequence[Record]:
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Record).where(Record.service_day == service_day, Record.code == 0, Record.suspense_won > 0)
            return session.exec(query.order_by(col(Record.id))).all()

    def _expiry(self, record: Record) -> Iterable[Planned]:
        with Session(self._engine) as session:
            left = record.suspense_won - sum(one.delta_won for one in _allocated(session, record))
        if left:
            body = {"card": f"0x{record.card.hex()}", "seq": record.seq, "won": left}
            yield Planned("expire_suspense", record, record.digest, left, body, [])

    def _planned(self, record: Record) -> list[Planned]:
        """What can be allocated of a record's suspense: first its own journeys, then missing days, each whole."""
        with Session(self._engine, expire_on_commit=False) as session:
            done = _allocated(session, record)
            left = record.suspense_won - sum(one.delta_won for one in done)
            booked = set(session.exec(select(Journey.first_seq).where(Journey.record_id == record.id)).all())
            for one in done:
                booked.update(json.loads(one.body).get("journeys", []))
            fresh = [
                journey
                for journey in self._own_journeys(session, record)
                if journey.explained and journey.first_seq not in booked
            ]
            planned = [self._allocation(record, fresh, None)]
            known = {one.digest for one in done}
            for last, journeys in self._missing(session, record):
                if last.digest not in known:
                    planned.append(self._allocation(record, journeys, last))
        fitting = []
        for allocation in planned:
            if 0 < allocation.delta_won <= left:
                left -= allocation.delta_won
                fitting.append(allocation)
        return fitting

    def _own_journeys(self, session: Session, record: Record) -> Sequence[CardJourney]:
        """The journeys of a record's own day, with every tap that is there by now."""
        settled, _ = settled_before(session, record)
        query = select(Tap).where(Tap.card == record.card, Tap.service_day == record.service_day)
        rows = session.exec(query.where(Tap.seq <= record.seq).order_by(col(Tap.seq))).all()
        return self._journeys_above(session, [stored_tap(row) for row in rows], settled)

    def _journeys_above(self, session: Session, taps: Sequence[StoredTap], settled_seq: int) -> Sequence[CardJourney]:
        ahead = [tap for tap in taps if tap.state.seq > settled_seq]
        first = ahead[0].tap.journey.first_seq
        opening = [tap for tap in taps if tap.state.seq <= settled_seq and tap.tap.journey.first_seq == first]
        before = self._settlement.tap_before(session, (opening or ahead)[0])
        return rules.journeys_above(ahead, before, opening, self._settlement.is_operator)

    def _missing(self, session: Session, record: Record) -> Iterable[tuple[StoredTap, Sequence[CardJourney]]]:
        """The days that a record overtook and whose taps are all there by now: each day's last state and journeys."""
        settled_seq, settled_won = settled_before(session, record)
        own = session.exec(select(Tap).where(Tap.card == record.card, Tap.digest == record.digest)).one()
        days = list(missing_days(session, record).items())
        if not days:
            return
        following = [taps[0].day_start_cum_won for _, taps in days[1:]] + [own.day_start_cum_won]
        for (day, _), opens_won in zip(days, following, strict=True):
            query = select(Tap).where(Tap.card == record.card, Tap.service_day == day, Tap.seq < record.seq)
            taps = [stored_tap(row) for row in session.exec(query.order_by(col(Tap.seq))).all()]
            last = taps[-1].state
            journeys = self._journeys_above(session, taps, settled_seq)
            charged = last.cum_won - max(settled_won, last.day_start_cum_won)
            whole = last.cum_won == opens_won and all(journey.explained for journey in journeys)
            if whole and sum(journey.charged_won for journey in journeys) == charged:
                yield taps[-1], journeys

    def _allocation(self, record: Record, journeys: Sequence[CardJourney], missing: StoredTap | None) -> Planned:
        house = self._settlement.organisation
        shares: dict[int, int] = {}
        for journey in journeys:
            for one, won in journey.shares.items():
                shares[one] = shares.get(one, 0) + won
        shares = {one: won for one, won in sorted(shares.items()) if won}
        lanes = rules.lane_credits(shares, house)
        table = table_word(lanes)
        body: dict[str, Any] = {
            "card": f"0x{record.card.hex()}",
            "seq": record.seq,
            "shares": _pairs(shares),
            "others": _pairs(rules.behind_others(shares, house)),
            "journeys": [journey.first_seq for journey in journeys],
        }
        words = NO_MISSING
        digest = record.digest
        if missing is not None:
            words = SettlementRecord(missing.state, missing.card_signature, {}).words(0)
            digest = missing.digest
        arguments = [table, sums_word(table, lanes), words]
        return Planned("allocate", record, digest, sum(shares.values()), body, arguments)


def _allocated(session: Session, record: Record) -> list[Correction]:
    """Allocations of a record that are booked or under way."""
    query = select(Correction).where(
        Correction.record_id == record.id,
        col(Correction.kind).in_(("allocate", "expire_suspense")),
        Correction.status != CorrectionStatus.REFUSED,
    )
    return list(session.exec(query).all())


def _pairs(shares: Mapping[int, int]) -> list[list[int]]:
    return [[one, won] for one, won in sorted(shares.items())]
