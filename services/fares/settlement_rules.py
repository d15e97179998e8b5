"""What a card's service day comes to on the chain: one record, its credits, its journeys' leaves (money.md §3, §8).

Pure. The signed states say what is settled; the journeys priced again say whom it is credited to. What no whole
journey explains waits in suspense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import rfc8785

from contracts.messages import FareState
from contracts.records import CREDIT_BITS, CardAccount, SettlementRecord
from contracts.twins.fares_rules import eligible_won, spend
from services.fares.errors import SettlementError, SumFallsError
from services.fares.limits import CREDITED_ACCOUNTS, MAX_FOREGONE, RECORDS_PER_BATCH
from services.fares.settlement_leaves import twin_of
from services.fares.splits import largest_remainder
from services.fares.tap_journeys import CardJourney, Finding, StoredTap, journeys_of

SALT_BYTES: Final = 16
MONEY_TAG: Final = b"\x01"
ROUTE_TAG: Final = b"\x02"


@dataclass(frozen=True, slots=True)
class Settled:
    """How far a card is settled: the sums and day of its last record, zeros before the first."""

    seq: int = 0
    cum_won: int = 0
    own_won: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class DayRecord:
    """A card's last state of a service day, whom it credits (organisation → won), and its journeys. `owed_later`: to
    whom a missing tap-off after it would be owed, then the operators of journeys that wait in suspense; they have a
    place in the batch's table, so that what they get later can come back from them (Credits.adjust_down)."""

    last: StoredTap
    increase_won: int
    own_increase_won: int
    credits: Mapping[int, int]
    suspense_won: int
    journeys: tuple[CardJourney, ...]
    owed_later: tuple[int, ...] = ()

    @property
    def card(self) -> bytes:
        """The card, 20 bytes."""
        return self.last.state.card

    @property
    def foregone(self) -> dict[int, int]:
        """What free rides of the record cost each operator, in won: the largest that one settle can name."""
        sums: dict[int, int] = {}
        for journey in self.journeys:
            for organisation, won in journey.foregone.items():
                sums[organisation] = sums.get(organisation, 0) + won
        return dict(sorted(sums.items(), key=lambda each: (-each[1], each[0]))[:MAX_FOREGONE])

    def record(self, credits: Mapping[int, int]) -> SettlementRecord:
        """What goes to Fares, with these credits."""
        return SettlementRecord(self.last.state, self.last.card_signature, credits, self.suspense_won)


def day_record(
    taps: Sequence[StoredTap],
    before: StoredTap | None,
    settled: Settled,
    opening: Sequence[StoredTap] = (),
    is_operator: Callable[[int], bool] = lambda _: True,
) -> DayRecord:
    """The record of one card's taps of one service day above what is settled, in order of seq.

    opening: taps of the first one's journey that are settled already · before: the tap just before all of these, if
    clearing has it · is_operator: whether an organisation can be credited on the chain. Raises SumFallsError where the
    card's sum is below the settled one, SettlementError where the journeys explain more than its sums grew, neither of
    which signed states of one card can do, and where a sum is larger than a lane of a record.
    """
    last = taps[-1]
    if last.state.cum_won < settled.cum_won:
        fall_won = settled.cum_won - last.state.cum_won
        raise SumFallsError(f"the sum of card 0x{last.state.card.hex()} is {fall_won:,} won below what is settled")
    journeys = journeys_above(taps, before, opening, is_operator)
    credits: dict[int, int] = {}
    for journey in journeys:
        for organisation, won in journey.shares.items():
            credits[organisation] = credits.get(organisation, 0) + won
    increase = last.state.cum_won - settled.cum_won
    suspense = increase - sum(credits.values())
    if suspense < 0:
        raise SettlementError(f"journeys of card 0x{last.state.card.hex()} come to {-suspense} won more than its sums")
    if increase >> CREDIT_BITS:
        raise SettlementError(f"card 0x{last.state.card.hex()}: {increase:,} won in one record")
    own_increase = last.state.cum_own_won - settled.own_won
    waiting = {journey.first_seq for journey in journeys if not journey.explained}
    later = [last.tap.operator] if last.state.missing_out_won else []
    later += [one.tap.operator for one in (*opening, *taps) if one.tap.journey.first_seq in waiting]
    owed = tuple(one for one in dict.fromkeys(later) if is_operator(one))
    return DayRecord(last, increase, own_increase, credits, suspense, journeys, owed)


def journeys_above(
    taps: Sequence[StoredTap],
    before: StoredTap | None,
    opening: Sequence[StoredTap],
    is_operator: Callable[[int], bool],
) -> tuple[CardJourney, ...]:
    """The journeys of these taps. One that was begun in an earlier record is priced whole and counts here with what
    its later taps charged; its leaves, which name all its taps, stand for those of the earlier record.

    A journey waits in suspense while its end is missing (the next one begins more than one seq later), and while it
    would credit somebody who is no operator on the chain.
    """
    found = journeys_of([*opening, *taps], before)
    if opening:
        [earlier] = journeys_of(opening, before)
        found[0] = _rest_of(found[0], earlier)
    ends = [one.first_seq - 1 for one in found[1:]] + [found[-1].last_seq]
    for at, (journey, end) in enumerate(zip(found, ends, strict=True)):
        if journey.last_seq < end:
            found[at] = _waiting(journey, Finding.INCOMPLETE)
        elif not all(map(is_operator, journey.shares)):
            found[at] = _waiting(journey, Finding.UNPRICED)
    return tuple(found)


def _waiting(journey: CardJourney, finding: Finding) -> CardJourney:
    return replace(journey, finding=finding, shares={}, foregone={}, money={}, route={})


def _rest_of(whole: CardJourney, earlier: CardJourney) -> CardJourney:
    """What a journey credits beyond its settled part. Nobody loses by a record: who got too much before keeps it until
    a correction, so the rest goes to those who are short, by what they are short of."""
    charged = whole.charged_won - earlier.charged_won
    if not whole.shares:
        return replace(whole, charged_won=charged)
    short = {one: max(0, won - earlier.shares.get(one, 0)) for one, won in whole.shares.items()}
    parts = largest_remainder(charged, list(short.values()))
    return replace(whole, charged_won=charged, shares=dict(zip(short, parts, strict=True)), foregone={})


def gap_won(state: FareState, settled: Settled) -> int:
    """Won that earlier days of the card charged and that no record holds yet; 0 without a gap (money.md §3, Gap)."""
    return max(0, state.day_start_cum_won - settled.cum_won)


def covered(state: FareState, account: CardAccount) -> bool:
    """Whether vouchers, balance and the guarantor's cap together pay up to this state (money.md §3, CAP)."""
    card = twin_of(account)
    voucher, _ = spend(card.lots, state.service_day, max(0, eligible_won(state, card)))
    return state.cum_won - card.cum_won - voucher - card.balance_won <= card.headroom_won


def fitting(taps: Sequence[StoredTap], account: CardAccount) -> Sequence[StoredTap]:
    """The taps up to the last one that ends no journey in its middle and that the card can pay as it stands now.

    Where a guarantor's cap is reached during a day, this much of it settles at once (money.md §3).
    """
    for end in range(len(taps), 0, -1):
        follows = end < len(taps) and taps[end].tap.journey.first_seq == taps[end - 1].tap.journey.first_seq
        if not follows and covered(taps[end - 1].state, account):
            return taps[:end]
    return ()


def lane_credits(credits: Mapping[int, int], house: int) -> dict[int, int]:
    """Credits within a record's lanes: the smallest beyond six go to the clearing house's account `others`.

    Organisations that are listed with 0 won take no lane (money.md §3).
    """
    ranked = sorted(((won, one) for one, won in credits.items() if won), key=lambda each: (-each[0], each[1]))
    if len(ranked) <= CREDITED_ACCOUNTS:
        return {one: won for won, one in ranked}
    kept = {one: won for won, one in ranked[: CREDITED_ACCOUNTS - 1]}
    kept[house] = kept.get(house, 0) + sum(won for won, _ in ranked[CREDITED_ACCOUNTS - 1 :])
    return kept


def behind_others(credits: Mapping[int, int], house: int) -> dict[int, int]:
    """Won per operator that `lane_credits` put into the account `others`."""
    kept = lane_credits(credits, house)
    if house not in kept:
        return {}
    return {one: won for one, won in credits.items() if won and one not in kept}


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Records that one transaction settles, and the credits of each."""

    organisations: tuple[int, ...]
    records: tuple[DayRecord, ...]
    credits: tuple[Mapping[int, int], ...]

    @property
    def foregone(self) -> dict[int, int]:
        """What free rides of the batch cost each operator, in won."""
        sums: dict[int, int] = {}
        for record in self.records:
            for organisation, won in record.foregone.items():
                sums[organisation] = sums.get(organisation, 0) + won
        return dict(sorted(sums.items()))


def accounts(record: DayRecord, credits: Mapping[int, int]) -> set[int]:
    """The accounts that a record needs in its batch's table: those it credits and, where they leave room, those who are
    owed something later."""
    later = [one for one in record.owed_later if one not in credits]
    return {*credits, *later[: max(0, CREDITED_ACCOUNTS - len(credits))]}


class _Packing:
    """A batch while it is being filled."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.organisations: set[int] = set()
        self._foregone: set[int] = set()
        self.chosen: list[tuple[DayRecord, Mapping[int, int]]] = []

    def takes(self, record: DayRecord, credits: Mapping[int, int]) -> bool:
        """Adds the record if the batch has room for it and for its organisations."""
        foregone = self._foregone | record.foregone.keys()
        organisations = self.organisations | accounts(record, credits)
        if len(self.chosen) == self._size or len(organisations) > CREDITED_ACCOUNTS or len(foregone) > MAX_FOREGONE:
            return False
        self.organisations, self._foregone = organisations, foregone
        self.chosen.append((record, credits))
        return True


def batches(records: Sequence[DayRecord], house: int, size: int = RECORDS_PER_BATCH) -> list[PlannedBatch]:
    """Records packed so that each batch credits at most seven organisations and holds at most `size` records.

    Records of equal organisations stand together; within a batch the order is by card and seq, which says nothing.
    """
    lanes = [(record, lane_credits(record.credits, house)) for record in records]
    lanes.sort(key=lambda each: (tuple(sorted(accounts(*each))), each[0].card, each[0].last.state.seq))
    packed: list[_Packing] = []
    for record, credits in lanes:
        if not any(one.takes(record, credits) for one in packed):
            packed.append(_Packing(size))
            packed[-1].takes(record, credits)
    return [_planned(one) for one in packed]


def _planned(packing: _Packing) -> PlannedBatch:
    chosen = sorted(packing.chosen, key=lambda each: (each[0].card, each[0].last.state.seq, each[0].last.digest))
    records, credits = zip(*chosen, strict=True)
    return PlannedBatch(tuple(sorted(packing.organisations)), records, credits)


def fork_record(tap: StoredTap) -> DayRecord:
    """A single state of a forked card: its charge, to the operator of its reader (money.md §2)."""
    charge = tap.state.charge_won
    return DayRecord(tap, charge, 0, {tap.tap.operator: charge} if charge else {}, 0, ())


def journey_leaves(journey: CardJourney, salt: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """The money leaf and the route leaf: salt 16 ‖ tag ‖ canonical JSON (receipts.md §4). Empty bodies have none."""
    return (
        salt(SALT_BYTES) + MONEY_TAG + rfc8785.dumps(dict(journey.money)),
        salt(SALT_BYTES) + ROUTE_TAG + rfc8785.dumps(dict(journey.route)),
    )
