"""The pure rules of settlement: lanes, packing of batches, what fits under a cap (money.md §3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import Mode, Refusal, RiderClass
from contracts.messages import FareState
from contracts.records import CardAccount, CardSlot, LotSlot
from services.fares import settlement_rules as rules
from services.fares.errors import SettlementError
from services.fares.limits import CREDITED_ACCOUNTS, MAX_FOREGONE
from services.fares.settlement_leaves import LotPart, check_root, paid_between, paid_by, settlement_leaf
from services.fares.settlement_rules import DayRecord, Settled
from services.fares.tap_journeys import CardJourney, Finding, StoredTap
from tests.services.fares.world import DAY, METRO, MORNING
from wallets.taps import JourneyState, Tap

HOUSE = 4
CARD = bytes(range(20))


def tap(seq: int, cum_won: int, charge_won: int = 0, *, first_seq: int = 1, card: bytes = CARD) -> StoredTap:
    """A metro tap-on of a card, unsigned."""
    state = FareState(card, seq, cum_won, 0, 0, 0, charge_won, 0, DAY, MORNING + seq, bytes(32))
    body = Tap(
        "IN",
        Mode.SUBWAY,
        METRO,
        "",
        "시청",
        "2호선",
        MORNING + seq,
        RiderClass.ADULT,
        "2025-06",
        JourneyState(first_seq=first_seq, first_time=MORNING),
    )
    return StoredTap(seq.to_bytes(32, "big"), state, body, bytes(20), bytes(65))


def account(*, cap_won: int = 0, balance_won: int = 0, lots: tuple[LotSlot, ...] = ()) -> CardAccount:
    slot = CardSlot(0, 0, 0, DAY - 14, DAY - 14, DAY + 16, cap_won, balance_won, 0, HOUSE, 2, 1, (1 << len(lots)) - 1)
    return CardAccount(slot, dict(enumerate(lots)))


def lot(won: int, *, day_cap_won: int = 50_000, start_day: int = DAY) -> LotSlot:
    return LotSlot(won, 0, 0, day_cap_won, start_day, DAY + 1, 7, 1, 99, won)


def record(number: int, credits: dict[int, int], foregone: dict[int, int] | None = None) -> DayRecord:
    card = number.to_bytes(20, "big")
    won = sum(credits.values())
    journey = CardJourney(card, 1, 1, DAY, won, won, Finding.AGREES, credits, foregone or {})
    return DayRecord(tap(1, won, won, card=card), won, 0, credits, 0, (journey,))


@pytest.mark.parametrize(
    ("credits", "lanes"),
    [
        ({1: 5}, {1: 5}),
        ({1: 0, 2: 3}, {2: 3}),
        ({one: one for one in range(11, 18)}, {one: one for one in range(11, 18)}),
        (
            {one: one for one in range(11, 20)},
            {HOUSE: 11 + 12 + 13, 14: 14, 15: 15, 16: 16, 17: 17, 18: 18, 19: 19},
        ),
    ],
    ids=["one", "nothing takes no lane", "seven", "nine: the three smallest share a lane"],
)
def test_lanes_hold_seven_accounts(credits: dict[int, int], lanes: dict[int, int]) -> None:
    assert rules.lane_credits(credits, HOUSE) == lanes
    behind = rules.behind_others(credits, HOUSE)
    assert sum(behind.values()) == lanes.get(HOUSE, 0)


_CREDITS = st.dictionaries(st.integers(100, 130), st.integers(0, 5_000), max_size=12)
_FOREGONE = st.dictionaries(st.integers(100, 130), st.integers(1, 2_000), max_size=10)


@given(st.lists(st.tuples(_CREDITS, _FOREGONE), max_size=40), st.integers(1, 9))
def test_batches_hold_every_record_once_within_their_bounds(
    wanted: list[tuple[dict[int, int], dict[int, int]]], size: int
) -> None:
    records = [record(number, credits, foregone) for number, (credits, foregone) in enumerate(wanted)]
    packed = rules.batches(records, HOUSE, size)
    assert sorted(one.card for batch in packed for one in batch.records) == [one.card for one in records]
    for batch in packed:
        assert 0 < len(batch.records) <= size
        assert len(batch.organisations) <= CREDITED_ACCOUNTS
        assert len(batch.foregone) <= MAX_FOREGONE
        for one, credits in zip(batch.records, batch.credits, strict=True):
            assert sum(credits.values()) == one.increase_won
            assert credits.keys() <= set(batch.organisations)


@pytest.mark.parametrize(
    ("cap_won", "balance_won", "lots", "fits"),
    [
        (0, 0, (), 0),
        (1_000, 0, (), 1),
        (1_000, 999, (), 1),
        (1_000, 1_000, (), 3),
        (0, 0, (lot(1_000),), 1),
        (1_000, 0, (lot(1_000),), 3),
        (1_000, 0, (lot(5_000, day_cap_won=900),), 1),
        (0, 0, (lot(5_000, start_day=DAY + 1),), 0),
        (9_000, 0, (), 4),
    ],
    ids=["nothing", "cap", "a won short", "cap and balance", "lot", "lot and cap", "day cap", "not yet", "all"],
)
def test_what_fits_ends_no_journey_in_its_middle(
    cap_won: int, balance_won: int, lots: tuple[LotSlot, ...], fits: int
) -> None:
    taps = [
        tap(1, 1_000, 1_000, first_seq=1),
        tap(2, 1_500, 500, first_seq=2),
        tap(3, 2_000, 500, first_seq=2),
        tap(4, 3_000, 1_000, first_seq=4),
    ]
    found = rules.fitting(taps, account(cap_won=cap_won, balance_won=balance_won, lots=lots))
    assert list(found) == taps[:fits]


def test_a_gap_is_what_earlier_days_charged_beyond_the_settled() -> None:
    state = replace(tap(5, 4_000).state, day_start_cum_won=2_500)
    assert rules.gap_won(state, Settled(2, 1_000)) == 1_500
    assert rules.gap_won(state, Settled(2, 2_500)) == 0
    assert rules.gap_won(state, Settled(2, 3_000)) == 0


def test_sums_that_do_not_follow_are_refused_by_name() -> None:
    with pytest.raises(SettlementError, match="in one record"):
        rules.day_record([tap(1, 1 << 23, 1_550)], None, Settled())
    with pytest.raises(SettlementError, match="more than its sums"):
        rules.day_record([tap(1, 1_550, 1_550)], None, Settled(cum_won=1_000))


def test_a_leaf_that_is_not_under_the_root_is_noticed() -> None:
    state = tap(1, 1_550, 1_550).state
    paid = paid_by(state, account(cap_won=10_000))
    leaf = settlement_leaf(state, bytes(32), account(cap_won=10_000), Refusal.ACCEPTED, paid, 0)
    with pytest.raises(SettlementError, match="not those under"):
        check_root([leaf], bytes(32))


def test_who_paid_is_the_same_by_the_rule_and_by_what_changed() -> None:
    state = tap(1, 3_000, 3_000).state
    before = account(cap_won=10_000, balance_won=700, lots=(lot(1_200),))
    by_rule = paid_by(state, before)
    assert by_rule.lots == (LotPart(99, 7, DAY + 1, 1_200),)
    assert (by_rule.voucher_won, by_rule.balance_won, by_rule.guarantor_won) == ({7: 1_200}, 700, 1_100)
    spent = replace(before.lots[0], remaining_won=0)
    after = CardAccount(replace(before.slot, balance_won=0, used_won=1_100), {0: spent})
    assert paid_between(state, before, after) == by_rule
