"""Every refusal of a record by its code, named for its fault; the lowest code stands; nothing reverts (money.md §8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from contracts import addresses, client, merkle, records
from contracts.codes import Refusal
from contracts.hashing import keccak
from contracts.records import CardAccount, Leaf, RecordWords
from tests.contracts import fares_city as city
from tests.contracts.fares_city import (
    BUS_143,
    CLEARING,
    DAY_S,
    FIRST_DAY,
    KOOKMIN,
    KORAIL,
    LAST_DAY,
    METRO,
    NO_JOURNEYS,
    OTHER_CLEARING,
    TABLE,
    record,
    sender,
)
from tests.contracts.fares_pair import fresh_world
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, World
from tests.contracts.harness import Reverted as ChainReverted

HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
ORDER = 2 * HALF_ORDER + 1
SETTLES = sender(CLEARING, "settle")


@pytest.fixture
def world() -> World:
    """Cards 1 to 9 with 10,000 won and a cap of 20,000 each; 10 and 11 with neither; card 2 settled once."""
    world = fresh_world()
    city.open_books(world)
    city.enrol(world, range(1, 10))
    city.enrol(world, [10, 11], cap_won=0)
    city.fund(world, dict.fromkeys(range(1, 10), 10_000))
    city.issue(world, {9: 50_000})
    world.time += 2 * DAY_S
    city.settle(world, [record(2, {METRO: 1_550}, seq=5)])
    return world


def words(number: int, credits: dict[int, int] | None = None, suspense: int = 0, **fields: Any) -> RecordWords:
    """A record's words; by default its increase goes to the metro."""
    won = {METRO: fields.get("cum_won", 1_550) - suspense} if credits is None else credits
    return record(number, won, suspense, **fields).words(TABLE)


def settle(world: World, batch: list[RecordWords], by: int = CLEARING) -> Outcome:
    table = TABLE if by == CLEARING else records.table_word([METRO, KORAIL, BUS_143])
    return world.transact(sender(by, "settle"), "Fares", "settle", [SERVICE_DAY, table, NO_JOURNEYS, 0, [], batch])


def code_of(world: World, one: RecordWords, by: int = CLEARING) -> int:
    """The record's code, alone in its batch."""
    codes = [fields["code"] for _, event, fields in settle(world, [one], by).events if event == "Refused"]
    city.conserve(world)
    return codes[0] if codes else Refusal.ACCEPTED


def changed(one: RecordWords, at: int, change: Callable[[int], int]) -> RecordWords:
    """The same words with one replaced."""
    found = list(one)
    found[at] = change(found[at])
    return tuple(found)  # type: ignore[return-value]


FAULTS: dict[str, tuple[int, Callable[[], RecordWords]]] = {
    "good": (Refusal.ACCEPTED, lambda: words(1)),
    "zero won": (Refusal.ACCEPTED, lambda: words(1, {}, cum_won=0, charge_won=0)),
    "card never enrolled": (Refusal.NOT_ENROLLED, lambda: words(77)),
    "card zero": (Refusal.NOT_ENROLLED, lambda: changed(words(1), 0, lambda word: word >> 160 << 160)),
    "day before the month": (Refusal.WINDOW, lambda: words(1, service_day=FIRST_DAY - 1)),
    "day after the month": (Refusal.WINDOW, lambda: words(1, service_day=LAST_DAY + 1)),
    "day zero": (Refusal.WINDOW, lambda: words(1, service_day=0)),
    "day at the end of time": (Refusal.WINDOW, lambda: words(1, service_day=65_535)),
    "seq zero": (Refusal.STALE, lambda: words(1, seq=0)),
    "seq already settled": (Refusal.STALE, lambda: words(2, {METRO: 1}, seq=5, cum_won=1_551)),
    "seq before the settled one": (Refusal.STALE, lambda: words(2, {METRO: 1}, seq=4, cum_won=1_551)),
    "sum falls": (Refusal.CUM_FALLS, lambda: words(2, {}, seq=6, cum_won=1_549)),
    "own part above the increase": (Refusal.OWN, lambda: words(1, cum_own_won=1_551)),
    "signature of another key": (Refusal.SIGNATURE, lambda: changed(words(1), 0, lambda word: word ^ 1 << 224)),
    "signature of rubbish": (Refusal.SIGNATURE, lambda: changed(words(1), 3, lambda _: 2**256 - 1)),
    "signature of zeros": (Refusal.SIGNATURE, lambda: changed(changed(words(1), 3, lambda _: 0), 4, lambda _: 0)),
    "signature with high s": (Refusal.SIGNATURE, lambda: changed(words(1), 4, high_s)),
    "signature with the other parity": (Refusal.SIGNATURE, lambda: changed(words(1), 4, lambda vs: vs ^ 1 << 255)),
    "amount changed after signing": (Refusal.SIGNATURE, lambda: changed(words(1, {METRO: 1_600}), 1, lambda w: w + 50)),
    "credits too small": (Refusal.SUM, lambda: words(1, {METRO: 1_549})),
    "credits too large": (Refusal.SUM, lambda: words(1, {METRO: 1_551})),
    "credit to a lane that is nobody's": (Refusal.SUM, lambda: changed(words(1, {}), 5, lambda w: w | 1_550 << 192)),
    "credit above its lane's bound": (Refusal.SUM, lambda: changed(words(1, {}), 5, lambda w: w | 1 << 23)),
    "credits that wrap around": (Refusal.SUM, lambda: changed(words(1), 5, lambda w: w + 2**32 - 1)),
    "rubbish in every lane": (Refusal.SUM, lambda: changed(words(1), 5, lambda _: 2**256 - 1)),
    "above the cap": (Refusal.CAP, lambda: words(1, cum_won=30_001, charge_won=30_001)),
    "no cap at all": (Refusal.CAP, lambda: words(10)),
    "no cap, and lots of another card": (Refusal.CAP, lambda: words(11, cum_won=1, charge_won=1)),
    "gap within 72 hours": (Refusal.GAP, lambda: words(1, {METRO: 550}, 1_000, day_start_cum_won=1_000)),
    "gap larger than all": (Refusal.GAP, lambda: words(1, day_start_cum_won=1_551)),
    "day falls": (Refusal.DAY, lambda: words(2, {METRO: 0}, seq=6, service_day=SERVICE_DAY - 1)),
    "own part fell in the day": (Refusal.RANGE, lambda: words(1, cum_own_won=5, day_start_own_won=6)),
    "opening sum that was never settled": (
        Refusal.GAP,
        lambda: words(2, {METRO: 450}, seq=6, cum_won=2_000, cum_own_won=450, day_start_cum_won=1_551),
    ),
    "bits that are nothing's": (Refusal.RANGE, lambda: changed(words(1), 1, lambda word: word | 1 << 200)),
    "top bit that is nothing's": (Refusal.RANGE, lambda: changed(words(1), 1, lambda word: word | 1 << 255)),
}


def high_s(vs: int) -> int:
    s, parity = vs & (1 << 255) - 1, vs >> 255
    high = ORDER - s
    # s in the upper half fits 255 bits only by chance: then the parity bit is flipped with it.
    return high | (parity ^ 1) << 255 if high < 1 << 255 else HALF_ORDER + 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_record_is_refused_by_its_code(world: World, fault: str) -> None:
    code, make = FAULTS[fault]
    # It stands between two good ones, which it must not hurt.
    outcome = settle(world, [words(7), make(), words(8)])
    refused = [(fields["index"], fields["code"]) for _, event, fields in outcome.events if event == "Refused"]
    assert refused == ([(1, code)] if code else [])
    city.conserve(world)


def test_own_part_falls(world: World) -> None:
    settle(world, [words(3, cum_own_won=500)])
    assert code_of(world, words(3, {}, seq=2, cum_own_won=499)) == Refusal.OWN


def test_own_part_of_the_day_above_its_fares(world: World) -> None:
    settle(world, [words(3, cum_own_won=500)])
    opening = {"day_start_cum_won": 1_550, "day_start_own_won": 0}
    one = words(3, {METRO: 50}, seq=2, cum_won=1_600, cum_own_won=500, **opening)
    assert code_of(world, one) == Refusal.RANGE


def test_a_gap_is_accepted_after_72_hours_with_its_suspense(world: World) -> None:
    opening = {"day_start_cum_won": 1_000, "service_day": SERVICE_DAY}
    world.time = (SERVICE_DAY + 4) * DAY_S - 5 * 3_600 - 1
    assert code_of(world, words(1, {METRO: 550}, 1_000, **opening)) == Refusal.GAP
    world.time += 1
    assert code_of(world, words(1, {METRO: 551}, 999, **opening)) == Refusal.GAP
    outcome = settle(world, [words(1, {METRO: 550}, 1_000, **opening)])
    assert outcome.event("Settled")["suspense_won"] == 1_000
    city.conserve(world)


def test_another_clearing_house_may_settle_after_14_days(world: World) -> None:
    world.time = (SERVICE_DAY + 15) * DAY_S - 5 * 3_600 - 1
    assert code_of(world, words(1), OTHER_CLEARING) == Refusal.NOT_ITS_CLEARING_HOUSE
    world.time += 1
    assert code_of(world, words(1), OTHER_CLEARING) == Refusal.ACCEPTED


def test_the_window_ends_90_days_after_the_month(world: World) -> None:
    world.time = (LAST_DAY + 91) * DAY_S - 5 * 3_600 - 1
    assert code_of(world, words(1)) == Refusal.ACCEPTED
    world.time += 1
    assert code_of(world, words(3)) == Refusal.WINDOW


def test_a_forked_card_is_refused_and_its_states_are_booked_once_each(world: World) -> None:
    first, clone = words(1), words(1, context=keccak(b"clone"))
    world.transact(sender(METRO, "approve"), "Fares", "prove_clone", [first, clone])
    assert code_of(world, first) == Refusal.FORKED
    outcome = world.transact(SETTLES, "Fares", "settle_fork", [SERVICE_DAY, TABLE, [first, clone, first, words(3)]])
    refused = [(f["index"], f["code"]) for _, event, f in outcome.events if event == "Refused"]
    assert refused == [(2, Refusal.STALE), (3, Refusal.FORKED)]
    assert outcome.event("Settled")["balance_won"] == 3_100
    assert CardAccount.unpack(world.call("Fares", "card", [city.card(1)])).slot.balance_won == 6_900
    city.conserve(world)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("same state", "SAME"),
        ("another seq", "SAME"),
        ("another card's state", "SAME"),
        ("bits that are not signed", "SAME"),
        ("second signature forged", "SIGNATURE"),
        ("card unknown", "UNKNOWN"),
    ],
)
def test_no_clone_without_proof(world: World, change: str, reason: str) -> None:
    first = words(1)
    second = {
        "same state": first,
        "another seq": words(1, seq=2),
        "another card's state": words(3),
        "bits that are not signed": changed(first, 1, lambda word: word | 1 << 255),
        "second signature forged": changed(first, 2, lambda word: word ^ 1),
        "card unknown": words(78, context=keccak(b"clone")),
    }[change]
    arguments = [words(78) if change == "card unknown" else first, second]
    with pytest.raises(ChainReverted, match=f"^{reason}$"):
        world.transact(sender(METRO, "approve"), "Fares", "prove_clone", arguments)


LOWEST: list[tuple[str, list[str], int]] = [
    ("sum before cap", ["sum", "cap"], Refusal.SUM),
    ("signature before sum", ["signature", "sum"], Refusal.SIGNATURE),
    ("signature before range", ["signature", "spare"], Refusal.SIGNATURE),
    ("cap before range", ["cap", "spare"], Refusal.CAP),
    ("gap before range", ["gap", "spare"], Refusal.GAP),
    ("cap before gap", ["cap", "gap"], Refusal.CAP),
    ("own before signature", ["own", "signature"], Refusal.OWN),
    ("window before stale", ["window", "stale"], Refusal.WINDOW),
    ("stale before everything after", ["stale", "own", "signature", "sum", "spare"], Refusal.STALE),
]


@pytest.mark.parametrize(("faults", "code"), [one[1:] for one in LOWEST], ids=[one[0] for one in LOWEST])
def test_the_lowest_code_stands(world: World, faults: list[str], code: int) -> None:
    fields: dict[str, Any] = {}
    if "cap" in faults:
        fields |= {"cum_won": 31_000, "charge_won": 31_000}
    if "gap" in faults:
        fields |= {"day_start_cum_won": 1_000}
    if "own" in faults:
        fields |= {"cum_own_won": 2**39}
    if "window" in faults:
        fields |= {"service_day": LAST_DAY + 3}
    if "stale" in faults:
        fields |= {"seq": 0}
    due = fields.get("cum_won", 1_550)
    one = words(1, {METRO: due + (1 if "sum" in faults else 0)}, **fields)
    if "signature" in faults:
        one = changed(one, 3, lambda r: r ^ 1)
    if "spare" in faults:
        one = changed(one, 1, lambda word: word | 1 << 220)
    assert code_of(world, one) == code


def test_every_submitted_record_is_a_leaf_of_the_root(world: World) -> None:
    batch = [words(1), words(77), words(3), changed(words(4), 3, lambda r: r ^ 1), words(2, {}, seq=6, cum_won=1_000)]
    outcome = settle(world, batch)
    leaves = []
    for at, (one, code) in enumerate(zip(batch, (0, 1, 0, 6, 4), strict=True)):
        state = records.state_of(one)
        increase = 0 if at == 4 else state.cum_won
        paid = increase if code == 0 else 0
        sums = (increase, state.cum_won, 0, 0, 0, paid, 0, 0)
        numbers = (state.seq, state.service_day, code, state.tap_time)
        leaves.append(Leaf(state.card, *numbers, *sums, state.digest(CHAIN_ID, addresses.FARES)).pack())
    settled = outcome.event("Settled")
    assert settled["records_root"] == merkle.root(leaves, keccak)
    assert (settled["accepted"], settled["refused"], settled["size"]) == (2, 3, 5)
    assert all(records.leaf_of(leaf).pack() == leaf for leaf in leaves)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 17, 64])
def test_roots_of_every_shape(world: World, size: int) -> None:
    numbers = range(100, 100 + size)
    leaves = []
    for number in numbers:
        state = city.state(number)
        claimed = (state.seq, state.service_day, 1, state.tap_time, 1_550, 1_550, 0, 0, 0, 0, 0, 0)
        leaves.append(Leaf(state.card, *claimed, state.digest(CHAIN_ID, addresses.FARES)).pack())
    outcome = settle(world, [words(number) for number in numbers])
    assert outcome.event("Settled")["records_root"] == merkle.root(leaves, keccak)


def test_the_same_card_twice_in_a_batch(world: World) -> None:
    later = {"seq": 2, "cum_won": 3_000, "charge_won": 1_450}
    outcome = settle(world, [words(1), words(1), words(1, {METRO: 1_450}, **later)])
    assert [f["code"] for _, event, f in outcome.events if event == "Refused"] == [Refusal.STALE]
    assert outcome.event("Settled")["balance_won"] == 3_000


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (METRO << 32, "TABLE"),
        (BUS_143 | METRO << 32, "TABLE"),
        (METRO | METRO << 32, "TABLE"),
        (KOOKMIN, "TABLE"),
        (OTHER_CLEARING, "TABLE"),
        (1 << 20, "TABLE"),
        (METRO | 1 << 224, "TABLE"),
        (99, "TABLE"),
    ],
    ids=[
        "first lane empty",
        "ids fall",
        "one id twice",
        "a bank",
        "another clearing house",
        "id too large",
        "an eighth lane",
        "nobody",
    ],
)
def test_a_bad_table_is_the_clearing_houses_own_fault(world: World, table: int, reason: str) -> None:
    with pytest.raises(ChainReverted, match=f"^{reason}$"):
        world.transact(SETTLES, "Fares", "settle", [SERVICE_DAY, table, NO_JOURNEYS, 0, [], [words(1)]])


@pytest.mark.parametrize("by", [sender(KOOKMIN, "settle"), sender(CLEARING, "approve"), city.card(1)])
def test_only_a_clearing_houses_settling_key_settles(world: World, by: bytes) -> None:
    with pytest.raises(ChainReverted, match=r"^SENDER$"):
        world.transact(by, "Fares", "settle", [SERVICE_DAY, TABLE, NO_JOURNEYS, 0, [], [words(1)]])


def test_an_empty_batch_is_refused(world: World) -> None:
    with pytest.raises(ChainReverted, match=r"^EMPTY$"):
        settle(world, [])


def test_settled_is_the_event_that_receipts_are_made_of() -> None:
    """receipts.md §7's check value."""
    topic = client.event_topic("Fares", "Settled").hex()
    assert (topic[:8], topic[-8:]) == ("59b30e4a", "2393d9a2")


def test_a_batch_logs_what_was_ridden_for_nothing(world: World) -> None:
    words_of_rides = [records.foregone_word(METRO, 3_100), records.foregone_word(BUS_143, 2**40)]
    arguments = [SERVICE_DAY, TABLE, NO_JOURNEYS, 0, words_of_rides, [words(1)]]
    outcome = world.transact(SETTLES, "Fares", "settle", arguments)
    foregone = [(f["operator"], f["foregone_won"]) for _, event, f in outcome.events if event == "Foregone"]
    assert foregone == [(METRO, 3_100), (BUS_143, 2**40)]
