"""What becomes of credits, and what corrections move (money.md §3; voucher.md §8, check 3)."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import addresses, records
from contracts.hashing import keccak
from contracts.records import Batch, Correction, Leaf
from tests.contracts import fares_city as city
from tests.contracts.fares_city import (
    BUS_143,
    CITY,
    CLEARING,
    DAY_S,
    KOOKMIN,
    KORAIL,
    METRO,
    NO_RECORD,
    TABLE,
    Settlement,
    record,
    sender,
)
from tests.contracts.fares_money import account, four_cards, settle, sources
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, Reverted, World
from tests.contracts.test_fares_gates import K

SETTLES = sender(CLEARING, "settle")
POLICY = keccak(b"SPLIT_V1")


@pytest.fixture
def world() -> World:
    return four_cards()


# --- credits


def paid_batch(world: World) -> Settlement:
    """A batch of three operators and `others`, paid by the guarantor."""
    return settle(world, record(1, {METRO: 1_000, BUS_143: 300, CLEARING: 250}))


def release(world: World, *batches: Batch) -> Outcome:
    return world.transact(sender(CITY, "issue"), "Credits", "release", [[batch.fields() for batch in batches]])


def pay_in(world: World, won: int) -> Outcome:
    return world.transact(sender(KOOKMIN, "issue"), "Fares", "pay_in", [won])


def test_a_batch_waits_for_its_guarantor_and_for_24_hours(world: World) -> None:
    batch = paid_batch(world).batch
    with pytest.raises(Reverted, match=r"^UNPAID$"):
        release(world, batch)
    with pytest.raises(Reverted, match=r"^OWED$"):
        pay_in(world, 1_551)
    pay_in(world, 1_000)
    with pytest.raises(Reverted, match=r"^UNPAID$"):
        release(world, batch)
    pay_in(world, 550)
    world.time += DAY_S - 1
    with pytest.raises(Reverted, match=r"^EARLY$"):
        release(world, batch)
    world.time += 1
    assert release(world, batch).event("Released")["sums"] == batch.sums
    assert not [1 for _, event, _ in release(world, batch).events if event == "Released"]
    assert world.call("Credits", "payable_to", [METRO]) == 1_000
    assert world.call("Credits", "others", [CLEARING]) == 250
    city.conserve(world)


def test_approval_by_all_and_a_city_releases_at_once(world: World) -> None:
    batch = paid_batch(world).batch
    pay_in(world, 1_550)
    for organisation in (METRO, BUS_143, CLEARING, CITY):
        with pytest.raises(Reverted, match=r"^EARLY$"):
            release(world, batch)
        world.transact(sender(organisation, "approve"), "Credits", "approve", [CLEARING, batch.number])
    release(world, batch)
    city.conserve(world)


def test_payouts_reach_the_accounts_and_nobody_else(world: World) -> None:
    batch = paid_batch(world).batch
    pay_in(world, 1_550)
    world.time += DAY_S
    release(world, batch)
    world.transact(sender(BUS_143, "settle"), "Credits", "payout", [[METRO, BUS_143, KORAIL, METRO]])
    assert world.call("Won", "balanceOf", [sender(METRO, "account")]) == 1_000
    assert world.call("Won", "balanceOf", [sender(BUS_143, "account")]) == 300
    city.conserve(world)


def test_an_objection_holds_the_objectors_credit_only(world: World) -> None:
    batch = paid_batch(world).batch
    pay_in(world, 1_550)
    world.time += DAY_S
    world.transact(sender(METRO, "approve"), "Credits", "object", [batch.fields()])
    release(world, batch)
    assert world.call("Credits", "payable_to", [METRO]) == 0
    assert world.call("Credits", "payable_to", [BUS_143]) == 300
    with pytest.raises(Reverted, match=r"^RELEASED$"):
        world.transact(sender(BUS_143, "approve"), "Credits", "object", [batch.fields()])
    with pytest.raises(Reverted, match=r"^NOT CREDITED$"):
        world.transact(sender(CITY, "approve"), "Credits", "object", [batch.fields()])
    world.transact(sender(METRO, "approve"), "Credits", "end_objection", [batch.fields(), METRO, 0])
    release(world, batch)
    assert world.call("Credits", "payable_to", [METRO]) == 1_000
    city.conserve(world)


@pytest.mark.parametrize("field", ["number", "clearing_house", "settled_at", "records_root", "table", "sums"])
def test_a_batch_that_was_never_committed_to(world: World, field: str) -> None:
    batch = paid_batch(world).batch
    fields = list(batch.fields())
    at = ["number", "clearing_house", "day", "settled_at", "records_root", "size", "table", "sums"].index(field)
    fields[at] = keccak(b"other") if field == "records_root" else fields[at] + 1
    with pytest.raises(Reverted, match=r"^BATCH$"):
        world.transact(sender(CITY, "issue"), "Credits", "release", [[tuple(fields)]])


def test_others_are_distributed_to_the_operators_behind(world: World) -> None:
    batch = paid_batch(world).batch
    pay_in(world, 1_550)
    world.time += DAY_S
    release(world, batch)
    with pytest.raises(Reverted, match=r"^FUNDS$"):
        world.transact(SETTLES, "Credits", "distribute", [SERVICE_DAY, [KORAIL], [251]])
    outcome = world.transact(SETTLES, "Credits", "distribute", [SERVICE_DAY, [KORAIL], [250]])
    second = city.batch_of(world, outcome)
    world.time += DAY_S
    release(world, second)
    assert world.call("Credits", "payable_to", [KORAIL]) == 250
    city.conserve(world)


def test_the_risk_pool_covers_what_nobody_pays(world: World) -> None:
    with pytest.raises(Reverted, match=r"^FUNDS$"):
        world.transact(SETTLES, "Credits", "cover", [SERVICE_DAY, [METRO], [1]])
    world.transact(sender(CITY, "issue"), "Fares", "fund_risk_pool", [5_000])
    world.transact(SETTLES, "Credits", "cover", [SERVICE_DAY, [METRO], [4_000]])
    assert city.conserve(world)[3:5] == (1_000, 4_000)


# --- corrections


def correct(world: World, function: str, found: Settlement, *arguments: Any, index: int = 0) -> Outcome:
    outcome = world.transact(SETTLES, "Credits", function, [*found.proof(index), *arguments])
    city.conserve(world)
    return outcome


def test_a_missing_tap_off_is_added_once_after_72_hours(world: World) -> None:
    city.fund(world, {1: 2_000})
    one = record(1, {METRO: 1_550}, missing_out_won=1_000)
    found = settle(world, one, record(2, {METRO: 1_550}))
    arguments = (records.state_words(one.state), METRO, 1, POLICY)
    with pytest.raises(Reverted, match=r"^EARLY$"):
        correct(world, "adjust_up", found, *arguments)
    world.time += 5 * DAY_S
    with pytest.raises(Reverted, match=r"^STATE$"):
        correct(world, "adjust_up", found, *arguments, index=1)
    adjusted = correct(world, "adjust_up", found, *arguments).event("Adjusted")
    assert (adjusted["balance_won"], adjusted["guarantor_won"]) == (450, 550)
    assert account(world, 1).slot.cum_won == 1_550
    with pytest.raises(Reverted, match=r"^DONE$"):
        correct(world, "adjust_up", found, *arguments)


def test_no_missing_tap_off_once_the_card_moved_on(world: World) -> None:
    one = record(1, {METRO: 1_550}, missing_out_won=1_000)
    found = settle(world, one)
    settle(world, record(1, {METRO: 50}, seq=2, cum_won=1_600))
    world.time += 5 * DAY_S
    with pytest.raises(Reverted, match=r"^MOVED ON$"):
        correct(world, "adjust_up", found, records.state_words(one.state), METRO, 1, POLICY)


@pytest.mark.parametrize("missing_out_won", [0, 1 << 23])
def test_a_missing_tap_off_of_nothing_or_too_much(world: World, missing_out_won: int) -> None:
    one = record(1, {METRO: 1_550}, missing_out_won=missing_out_won)
    found = settle(world, one)
    world.time += 5 * DAY_S
    with pytest.raises(Reverted, match=r"^STATE$"):
        correct(world, "adjust_up", found, records.state_words(one.state), METRO, 1, POLICY)


def test_a_missing_tap_off_stays_within_the_cap(world: World) -> None:
    one = record(1, {METRO: 19_500}, cum_won=19_500, missing_out_won=501)
    found = settle(world, one)
    world.time += 5 * DAY_S
    with pytest.raises(Reverted, match=r"^CAP$"):
        correct(world, "adjust_up", found, records.state_words(one.state), METRO, 1, POLICY)


def to_metro(won: int) -> int:
    """Lanes that take from the metro."""
    return records.sums_word(TABLE, {METRO: won})


def hybrid(world: World) -> Settlement:
    """voucher.md §8, check 2: voucher 2,000, balance 400, guarantor 600; lot 1 has 48,000 left."""
    city.issue(world, {1: 50_000})
    city.fund(world, {1: 400})
    return settle(world, record(1, {METRO: 2_000, BUS_143: 1_000}, cum_won=3_000, cum_own_won=1_000))


def test_check_3_a_refund_goes_guarantor_balance_voucher(world: World) -> None:
    found = hybrid(world)
    for lanes, back in ((700, (0, 100, 600)), (500, (200, 300, 0)), (800, (800, 0, 0))):
        lots = [records.lot_word(back[0], 1)] if back[0] else []
        adjusted = correct(world, "adjust_down", found, to_metro(lanes), lots, 0, 2, POLICY).event("Adjusted")
        assert (adjusted["voucher_won"], adjusted["balance_won"], adjusted["guarantor_won"]) == back
        assert adjusted["delta_won"] == -lanes
    assert account(world, 1).slot.balance_won == 400
    assert account(world, 1).lots[0].remaining_won == 49_000
    assert world.call("Credits", "payable_to", [METRO]) == -2_000
    correction = Correction.unpack(world.call("Credits", "correction", [found.batch.number, 0]))
    assert (correction.back_voucher_won, correction.back_balance_won, correction.back_guarantor_won) == (
        1_000,
        400,
        600,
    )


@pytest.mark.parametrize(
    ("lanes", "lots", "reason"),
    [
        (3_001, [records.lot_word(2_001, 1)], "SOURCES"),
        (0, [], "SOURCES"),
        (1 << 224, [], "SOURCES"),
        (1_500, [], "LOTS"),
        (1_500, [records.lot_word(499, 1)], "LOTS"),
        (1_500, [records.lot_word(500, 2)], "LOTS"),
        (1_500, [records.lot_word(500, 1), 0], "LOTS"),
    ],
    ids=["more than paid", "nothing", "suspense", "lot not named", "too little to lots", "unknown lot", "empty word"],
)
def test_refunds_that_do_not_add_up(world: World, lanes: int, lots: list[int], reason: str) -> None:
    found = hybrid(world)
    with pytest.raises(Reverted, match=rf"^{reason}$"):
        correct(world, "adjust_down", found, lanes if lanes >> 32 else to_metro(lanes), lots, 0, 2, POLICY)


def test_after_the_cards_month_the_balances_part_goes_to_the_guarantor(world: World) -> None:
    found = hybrid(world)
    world.time += 20 * DAY_S
    correct(world, "adjust_down", found, to_metro(1_000), [], 0, 2, POLICY)
    assert account(world, 1).slot.balance_won == 0
    assert world.call("Credits", "owed_by", [KOOKMIN]) == (600, 1_000)


def test_a_forged_leaf_corrects_nothing(world: World) -> None:
    found = hybrid(world)
    batch, index, leaf, path = found.proof(0)
    forged = (leaf[0], leaf[1], leaf[2] + (1 << 64), leaf[3])
    for proof in ((batch, index, forged, path), (batch, 1, leaf, path), (batch, index, leaf, [keccak(b"x")])):
        with pytest.raises(Reverted, match=r"^PROOF$"):
            world.transact(SETTLES, "Credits", "adjust_down", [*proof, 1, [], 0, 2, POLICY])
    with pytest.raises(Reverted, match=r"^SENDER$"):
        world.transact(
            sender(city.OTHER_CLEARING, "settle"),
            "Credits",
            "adjust_down",
            [batch, index, leaf, path, 1, [], 0, 2, POLICY],
        )


def gap(world: World) -> tuple[Settlement, records.SettlementRecord]:
    """Monday's reader is offline: 1,550 won of Monday stand in Tuesday's record as suspense, paid by the guarantor."""
    city.issue(world, {1: 50_000})
    missing = record(1, {METRO: 1_550}, service_day=SERVICE_DAY)
    world.time += 6 * DAY_S
    later = {"seq": 2, "cum_won": 3_050, "day_start_cum_won": 1_550, "service_day": SERVICE_DAY + 1}
    found = settle(world, record(1, {METRO: 1_500}, 1_550, **later))
    assert sources(found) == (1_500, 0, 1_550)
    return found, missing


def test_suspense_is_allocated_and_resourced_to_lots(world: World) -> None:
    found, missing = gap(world)
    assert city.conserve(world)[2] == 1_550
    words = missing.words(TABLE)
    outcome = correct(world, "allocate", found, TABLE, 1_550, words)
    assert outcome.event("Allocated")["voucher_won"] == 1_550
    assert city.conserve(world)[2] == 0
    assert world.call("Credits", "owed_by", [KOOKMIN])[1] == 1_550
    assert account(world, 1).lots[0].remaining_won == 50_000 - 3_050
    for lanes in (1_550, 1):
        with pytest.raises(Reverted, match=r"^SUSPENSE$"):
            correct(world, "allocate", found, TABLE, lanes, NO_RECORD)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("signature", "SIGNATURE"),
        ("card", "STATE"),
        ("later day", "STATE"),
        ("more than the day charged", "STATE"),
        ("bits that are nothing's", "STATE"),
        ("used before", "DONE"),
    ],
)
def test_allocations_with_a_wrong_state(world: World, change: str, reason: str) -> None:
    found, missing = gap(world)
    words, lanes = list(missing.words(TABLE)), 1_000
    if change == "signature":
        words[3] ^= 1
    if change == "card":
        words = list(record(2, {METRO: 1_550}).words(TABLE))
    if change == "later day":
        words = list(record(1, {METRO: 1_550}, service_day=SERVICE_DAY + 1).words(TABLE))
    if change == "more than the day charged":
        words = list(record(1, {METRO: 999}, cum_won=999).words(TABLE))
    if change == "bits that are nothing's":
        words[1] |= 1 << 201
    if change == "used before":
        correct(world, "allocate", found, TABLE, 500, words)
    with pytest.raises(Reverted, match=rf"^{reason}$"):
        correct(world, "allocate", found, TABLE, lanes, words)


def test_unexplained_suspense_falls_to_the_risk_pool_after_90_days(world: World) -> None:
    found, _ = gap(world)
    correct(world, "allocate", found, TABLE, 550, NO_RECORD)
    with pytest.raises(Reverted, match=r"^EARLY$"):
        correct(world, "expire_suspense", found)
    world.time += 90 * DAY_S
    correct(world, "expire_suspense", found)
    assert city.conserve(world)[2:4] == (0, 1_000)
    with pytest.raises(Reverted, match=r"^SUSPENSE$"):
        correct(world, "expire_suspense", found)


def test_a_full_batch_is_settled_and_proved(world: World) -> None:
    """256 records: the last one's path has eight nodes."""
    city.enrol(world, range(1_000, 1_000 + K))
    batch = [record(number, {METRO: 1_550}) for number in range(1_000, 1_000 + K)]
    outcome = city.settle(world, batch)
    leaves = []
    for one in batch:
        numbers = (one.state.seq, one.state.service_day, 0, one.state.tap_time, 1_550, 1_550, 0, 0, 0, 0, 1_550, 0)
        leaves.append(Leaf(one.state.card, *numbers, one.state.digest(CHAIN_ID, addresses.FARES)))
    found = Settlement(outcome, city.batch_of(world, outcome), leaves)
    assert len(found.proof(K - 1)[3]) == 8
    correct(world, "adjust_down", found, to_metro(1_550), [], 0, 2, POLICY, index=K - 1)
    assert world.call("Credits", "owed_by", [KOOKMIN])[1] == 1_550
