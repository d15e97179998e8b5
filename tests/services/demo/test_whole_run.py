"""A finished run of the demo: what each bad apple left behind, and every tap priced again by its wallet."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from contracts.codes import Refusal
from contracts.records import CardAccount
from contracts.signatures import address_of
from ledger.client import Client, Event
from ledger.reader import Reader
from ledger.rpc.embedded import EmbeddedProvider
from services.bank.rules import account_number
from services.days import day_start, month_first_day, month_of
from services.demo import progress
from services.demo.citizens import Citizens
from services.demo.city import load
from services.demo.morning import BadApple, morning
from services.demo.shares import OFFLINE_UPLOAD_DAYS, REAR_DOOR_UPLOAD_DAYS, RISK_POOL_WON, BadAppleKind
from services.demo.trips import SERVICE_DAY, PlannedTap
from services.demo.world import CHAIN_ID, FIRST_BANK, World
from services.fares.tables import BatchStatus, CorrectionStatus
from services.fares.wallet_pricing import public_price
from tests.services.demo.runs import RIDERS, SEED, chain, report, rows
from wallets.consents import DebitConsent, account_commitment

FORKED = 2  # CardSlot.status
LATE = day_start(SERVICE_DAY + OFFLINE_UPLOAD_DAYS)


class City:
    """A finished run, read with the plan that it was made from."""

    def __init__(self, directory: Path, reader: Reader) -> None:
        self.directory = directory
        self.client = Client(Web3(EmbeddedProvider(reader)))
        self.morning = morning(RIDERS, SEED)
        self.citizens = Citizens(World(SEED, load()), self.morning, directory)
        found = progress.load(directory)
        assert found is not None
        self.refused = {tuple(key.split("|")[:2]): count for key, count in found.refused.items()}

    @cached_property
    def plan(self) -> list[list[PlannedTap]]:
        """Planned taps by rider, in order."""
        found: list[list[PlannedTap]] = [[] for _ in self.morning.riders]
        for trip in self.morning.trips:
            found[trip.rider] += trip.taps
        return [sorted(taps, key=lambda tap: tap.time) for taps in found]

    def apples(self, kind: BadAppleKind) -> list[BadApple]:
        found = [apple for apple in self.morning.bad_apples if apple.kind is kind]
        assert found, kind
        return found

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.directory, query)

    def card(self, rider: int) -> bytes:
        return self.citizens.addresses[rider]

    def of(self, table: str, columns: str, rider: int, where: str = "1") -> list[tuple[Any, ...]]:
        """Rows of a rider's card, in the order in which they were made."""
        card = self.card(rider).hex()
        return self.rows(f"SELECT {columns} FROM {table} WHERE hex(card) = upper('{card}') AND {where} ORDER BY id")  # noqa: S608  names of this file

    def stored(self, rider: int, tap: int) -> list[tuple[Any, ...]]:
        """What clearing holds of a planned tap: (seq, charge_won, missing_out_won, received_at)."""
        time = self.plan[rider][tap].time
        return self.of("fare_taps", "seq, charge_won, missing_out_won, received_at", rider, f"tap_time = {time}")

    def events(self, name: str, event: str) -> list[Event]:
        return self.client.events(name, event)

    def account(self, rider: int) -> CardAccount:
        return CardAccount.unpack(self.client.call("Fares", "card", [self.card(rider)]))

    @cached_property
    def offline(self) -> set[tuple[str, str]]:
        return {(apple.stop, apple.line) for apple in self.apples(BadAppleKind.OFFLINE_READER)}

    def is_offline(self, rider: int, tap: int) -> bool:
        planned = self.plan[rider][tap]
        return (planned.stop, planned.line) in self.offline


@pytest.fixture(scope="module")
def city(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    copy = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(finished_demo, copy)
    with chain(copy) as reader:
        made = City(copy, reader)
        yield made
        made.citizens.close()


# --- bad apples


def replayed(city: City) -> None:
    """Refused at the gate, known already at clearing, stored once."""
    apples = city.apples(BadAppleKind.REPLAYED_TAP)
    assert city.refused["gate", "FARE-210"] == len(apples)
    online = [apple for apple in apples if not city.is_offline(apple.rider, apple.tap)]
    assert city.refused["clearing", "REPEATED"] >= len(online) > 0
    assert all(len(city.stored(apple.rider, apple.tap)) == 1 for apple in apples)


def cloned(city: City) -> None:
    """Proven on the chain, denied at every gate, its single states settled."""
    riders = {apple.rider for apple in city.apples(BadAppleKind.CLONED_CARD)}
    late = {apple.rider for apple in city.apples(BadAppleKind.LATE_CLONE)}
    forked = {event.args["card"] for event in city.events("Fares", "Forked")}
    assert forked == {city.card(rider) for rider in riders | late}
    for rider in riders:
        assert city.of("fare_denied", "reason, lifted", rider) == [("FRAUD", 0)]
        assert city.account(rider).slot.status == FORKED
        seqs = [seq for (seq,) in city.of("fare_taps", "seq", rider)]
        assert len(set(seqs)) < len(seqs)
        signed = {digest for (digest,) in city.of("fare_taps", "digest", rider)}
        settled = [digest for (digest,) in city.of("fare_records", "digest", rider, "code = 0")]
        assert len(settled) == len(set(settled)) == 2
        assert set(settled) <= signed
    assert not any(
        city.account(rider.index).slot.status == FORKED
        for rider in city.morning.riders
        if rider.index not in riders | late
    )


def offline(city: City) -> None:
    """Its taps come two days later; what waited for them in suspense is the operators' by then."""
    others = {tap.time for apple in city.apples(BadAppleKind.LATE_CLONE) for tap in apple.twin}
    others |= {city.plan[apple.rider][apple.tap].time for apple in city.apples(BadAppleKind.LATE_TAP_OFF)}
    rows = city.rows(f"SELECT tap_time FROM fare_taps WHERE received_at >= {LATE}")  # noqa: S608  a number
    late = [time for (time,) in rows if time not in others]
    waited = sum((tap.stop, tap.line) in city.offline for rider in city.plan for tap in rider)
    assert len(late) == waited > 0
    first_batch = min(event.args["batch"] for event in city.events("Fares", "Settled"))
    held = next(e.args["suspense_won"] for e in city.events("Fares", "Settled") if e.args["batch"] == first_batch)
    allocated = [event.args for event in city.events("Credits", "Allocated")]
    assert sum(event["amount_won"] for event in allocated if event["batch"] == first_batch) == held > 0


def missing_tap_off(city: City) -> None:
    """Collected by the next tap-on, or adjusted at the end."""
    adjusted = {}
    for apple in city.apples(BadAppleKind.MISSING_TAP_OFF):
        owed = city.stored(apple.rider, apple.tap)[0][2]
        assert owed > 0
        if apple.tap + 1 < len(city.plan[apple.rider]):
            assert city.stored(apple.rider, apple.tap + 1)[0][1] >= owed
        else:
            adjusted[city.card(apple.rider)] = owed
    assert adjusted
    for apple in city.apples(BadAppleKind.LATE_TAP_OFF):
        adjusted[city.card(apple.rider)] = city.stored(apple.rider, apple.tap - 1)[0][2]
    booked = f"kind = 'adjust_up' AND status = {CorrectionStatus.BOOKED:d}"
    found = city.rows(f"SELECT card, delta_won FROM fare_corrections WHERE {booked}")  # noqa: S608
    assert dict(found) == adjusted
    assert len(found) == len(adjusted)
    deltas = [event.args["delta_won"] for event in city.events("Credits", "Adjusted")]
    assert sorted(won for won in deltas if won > 0) == sorted(adjusted.values())


def over_cap(city: City) -> None:
    """Refused by the chain once, the rest of the day settled after the top-up; the card denied in between only."""
    apples = city.apples(BadAppleKind.OVER_CAP)
    assert [event.args["code"] for event in city.events("Fares", "Refused")] == [Refusal.CAP] * len(apples)
    for apple in apples:
        records = city.of("fare_records", "seq, increase_won, code", apple.rider)
        last = len(city.plan[apple.rider])
        assert records[0][2] == Refusal.CAP
        assert [code for _, _, code in records[1:]] == [0] * (len(records) - 1)
        assert records[-1][0] == last == city.account(apple.rider).slot.seq
        charged = sum(won for (won,) in city.of("fare_taps", "charge_won", apple.rider))
        assert sum(won for _, won, code in records if code == 0) == charged
        [(reason, lifted)] = city.of("fare_denied", "reason, lifted", apple.rider)
        assert (reason, lifted > 0) == ("UNPAID", True)


def forged(city: City) -> None:
    """Refused by the reader by name; the rider's own tap goes through."""
    apples = city.apples(BadAppleKind.FORGED_SIGNATURE)
    assert city.refused["gate", "WALLET-111"] == len(apples)
    assert all(len(city.stored(apple.rider, apple.tap)) == 1 for apple in apples)


def torn(city: City) -> None:
    """Completed free at the same gate: stored once, refused nowhere."""
    for apple in city.apples(BadAppleKind.TORN_TAP):
        assert len(city.stored(apple.rider, apple.tap)) == 1
        seqs = [seq for (seq,) in city.of("fare_taps", "seq", apple.rider)]
        assert sorted(seqs) == list(range(1, len(city.plan[apple.rider]) + 1))
        assert city.of("fare_denied", "reason", apple.rider) == []


def late_tap_off(city: City) -> None:
    """Charged as missing, given back when the rear door's tap came, and the whole journey settled."""
    returned = []
    for apple in city.apples(BadAppleKind.LATE_TAP_OFF):
        missing = city.stored(apple.rider, apple.tap - 1)[0][2]
        [(seq, _, _, received_at)] = city.stored(apple.rider, apple.tap)
        assert received_at >= day_start(SERVICE_DAY + REAR_DOOR_UPLOAD_DAYS)
        booked = f"status = {CorrectionStatus.BOOKED:d}"
        assert city.of("fare_corrections", "kind, delta_won", apple.rider, booked) == [
            ("adjust_up", missing),
            ("adjust_down", -missing),
        ]
        returned.append(-missing)
        charged = sum(won for (won,) in city.of("fare_taps", "charge_won", apple.rider))
        slot = city.account(apple.rider).slot
        assert (slot.seq, slot.cum_won) == (seq, charged)
    deltas = [event.args["delta_won"] for event in city.events("Credits", "Adjusted")]
    assert sorted(won for won in deltas if won < 0) == sorted(returned)


def late_clone(city: City) -> None:
    """Its rides came when the card's day was settled: proven then, denied, and borne by the risk pool to the won."""
    lost = 0
    for apple in city.apples(BadAppleKind.LATE_CLONE):
        times = [tap.time for tap in apple.twin]
        rides = city.of("fare_taps", "charge_won, received_at", apple.rider, f"tap_time IN ({times[0]}, {times[1]})")
        assert len(rides) == 2
        assert all(received_at >= LATE for _, received_at in rides)
        assert city.of("fare_denied", "reason, lifted", apple.rider) == [("FRAUD", 0)]
        slot = city.account(apple.rider).slot
        assert (slot.status, slot.seq) == (FORKED, len(city.plan[apple.rider]))
        lost += sum(won for won, _ in rides)
    [covered] = [e.args["delta_won"] for e in city.events("Credits", "RiskPoolChanged") if e.args["delta_won"] < 0]
    assert -covered == lost > 0
    assert city.client.call("Credits", "totals")[3] == RISK_POOL_WON - lost


TRACES: dict[BadAppleKind, Callable[[City], None]] = {
    BadAppleKind.REPLAYED_TAP: replayed,
    BadAppleKind.CLONED_CARD: cloned,
    BadAppleKind.OFFLINE_READER: offline,
    BadAppleKind.MISSING_TAP_OFF: missing_tap_off,
    BadAppleKind.OVER_CAP: over_cap,
    BadAppleKind.FORGED_SIGNATURE: forged,
    BadAppleKind.TORN_TAP: torn,
    BadAppleKind.LATE_TAP_OFF: late_tap_off,
    BadAppleKind.LATE_CLONE: late_clone,
}


@pytest.mark.parametrize("kind", BadAppleKind)
def test_a_bad_apple_leaves_its_trace(city: City, kind: BadAppleKind) -> None:
    TRACES[kind](city)


def test_nothing_else_was_refused(city: City) -> None:
    named = {("gate", "FARE-210"), ("gate", "WALLET-111"), ("gate", "FARE-201"), ("clearing", "REPEATED")}
    assert set(city.refused) <= named
    clones = {apple.rider for apple in city.apples(BadAppleKind.CLONED_CARD)}
    lost = 0
    for rider, taps in enumerate(city.plan):
        missing = [index for index in range(len(taps)) if not city.stored(rider, index)]
        assert not missing or rider in clones
        lost += len(missing)
    twin = sum(len(apple.twin) for apple in city.apples(BadAppleKind.CLONED_CARD))
    assert city.refused.get(("gate", "FARE-201"), 0) <= lost + twin
    assert city.rows("SELECT code FROM fare_refusals") == []


# --- what a run comes to


def test_every_check_holds_and_every_batch_is_settled(city: City) -> None:
    made = report(city.directory)
    assert made.holds
    assert {check.id for check in made.checks} == {
        "conservation.won",
        "conservation.fares",
        "splits",
        "risk_pool",
        "conservation.lots",
        "consents",
        "books",
    }
    assert {status for (status,) in city.rows("SELECT status FROM fare_batches")} == {BatchStatus.SETTLED}
    assert made.total_won == sum(source.won for source in made.sources) > 0


def test_every_wallet_prices_its_taps_alike(city: City) -> None:
    reviewed = 0
    for rider in city.morning.riders:
        card = city.citizens.card(rider.index)
        last = card.present().last
        for seq in range(1, last.state.seq + 1 if last else 1):
            assert card.review(seq, public_price, 0) is None
            reviewed += 1
        assert card.disputes() == []
    assert reviewed > 2 * RIDERS


def test_every_guaranteed_rider_consented_and_nothing_else_was_debited(city: City) -> None:
    """Each by his own wallet, before his card was ordered; the month's days, and an account that nobody reads."""
    found = {}
    for document, salt, rider in city.rows("SELECT document, salt, rider FROM bank_consents"):
        consent = DebitConsent.verified(document, CHAIN_ID)
        assert consent.account == account_commitment(account_number(rider), salt)
        assert (consent.first_day, consent.last_day) == (month_first_day(month_of(SERVICE_DAY)), consent.first_day + 30)
        found[consent.giver] = consent.organisation
    wallets = {
        address_of(city.citizens.keyring(rider.index).account()): FIRST_BANK + rider.bank
        for rider in city.morning.riders
        if rider.cap_won
    }
    assert found == wallets
    [(debited, booked)] = city.rows(
        "SELECT (SELECT sum(debited_won) FROM bank_debits WHERE consent IS NOT NULL), sum(won) FROM bank_lines "
        "JOIN bank_entries ON bank_entries.id = entry WHERE kind = 'collect' AND account LIKE 'rider:deposit:%'"
    )
    assert debited == booked > 0
