"""The bank as guarantor on a real chain: cards, top-ups, what it owes for settled states, a month's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from coincurve import PrivateKey
from sqlalchemy import Engine

from contracts.codes import CardCode, RiderClass
from contracts.hashing import keccak, sha256
from contracts.merkle import root
from contracts.messages import FareState
from contracts.records import CardAccount, Leaf, SettlementRecord, table_word
from contracts.signatures import address_of, recover, sign
from services.bank.cards import CardOrder
from services.bank.desk import Desk
from services.bank.errors import BankError, BankLimitError, CardOrderError, DepositError, OwedError
from services.bank.issuing import TopUp
from services.bank.service import Bank, check_supply
from services.days import DAY_S, day_end, day_number, day_start, month_last_day, month_of
from services.outbox import Outbox
from tests.services.chain import BANK, BUS, CLEARING, METRO, OTHER_BANK, Chain, key
from tests.services.consenting import let_debit

DAY = day_number(date(2025, 10, 1))
MONTH = month_of(DAY)
PERSONS = [sha256(b"person %d" % number) for number in range(4)]


class Town:
    """A bank with four riders, 50,000 won each, and their cards."""

    def __init__(self, chain: Chain, organisation: int = BANK) -> None:
        self.chain = chain
        self.rides: dict[int, tuple[int, int, int, int]] = {}  # seq, sum, last day and the sum before it, by rider
        self.bank = Bank(Desk(chain.engine, chain.client, chain.outbox(organisation), organisation, key("guarantor")))
        self.riders = self.bank.accounts.open(PERSONS)
        self.bank.accounts.deposit("salaries", dict.fromkeys(self.riders, 50_000), now=0)
        self.bank.issuing.approve_fares()
        let_debit(self.bank, self.riders, now=chain.now)

    def card(self, number: int, month: int = MONTH) -> PrivateKey:
        return key(f"card {number} of {month}")

    def order(self, number: int, month: int = MONTH, cap_won: int = 100_000) -> CardOrder:
        card = address_of(self.card(number, month))
        return CardOrder(self.riders[number], card, month, RiderClass.ADULT, 0, 0, cap_won, 150_000)

    def enrol(self, month: int = MONTH) -> None:
        orders = [self.order(number, month) for number in range(4)]
        self.bank.cards.enrol(f"cards {month}", CLEARING, orders, now=self.chain.now)
        self.seal()

    def top_up(self, *won: int) -> None:
        orders = [
            TopUp(self.riders[number], address_of(self.card(number)), each) for number, each in enumerate(won) if each
        ]
        self.bank.issuing.top_up("october", orders, now=self.chain.now)
        self.seal()

    def seal(self) -> int:
        head = self.chain.seal()
        self.bank.after_block()
        check_supply(self.chain.client, [self.bank], head)
        return head

    def account(self, number: int, month: int = MONTH) -> CardAccount:
        words = self.chain.client.call("Fares", "card", [address_of(self.card(number, month))])
        return CardAccount.unpack(words)

    def settle(self, *fares_won: int, day: int = DAY) -> tuple[int, list[Leaf]]:
        """One record a card: its next ride, shared by metro and bus; batch number and leaves. Days do not fall."""
        client, fares = self.chain.client, self.chain.client.address("Fares")
        table = table_word([METRO, BUS])
        records, leaves = [], []
        for number, won in enumerate(fares_won):
            card = self.card(number)
            seq, cum, last_day, opening = self.rides.get(number, (0, 0, 0, 0))
            opening = opening if day == last_day else cum
            seq, cum = seq + 1, cum + won
            self.rides[number] = seq, cum, day, opening
            time = day_start(day) + 3_600 * seq
            state = FareState(address_of(card), seq, cum, 0, opening, 0, won, 0, day, time, sha256(b"context"))
            digest = state.digest(client.chain_id, fares)
            record = SettlementRecord(state, sign(digest, card), {METRO: won - won // 3, BUS: won // 3})
            records.append(record.words(table))
            held = min(won, self.account(number).slot.balance_won)
            leaves.append(Leaf(address_of(card), seq, day, 0, time, won, cum, 0, 0, 0, held, won - held, 0, digest))
        name = f"settle {leaves[0].seq} of day {day}"
        self.chain.outbox(CLEARING).once(name, "Fares", "settle", [day, table, b"\0" * 32, 0, [], records])
        self.seal()
        event = client.events("Fares", "Settled")[-1]
        assert event.args["records_root"] == root([leaf.pack() for leaf in leaves], keccak)
        return int(event.args["batch"]), leaves


@pytest.fixture
def town(tmp_path: Path, sqlite_engine: Engine) -> Iterator[Town]:
    chain = Chain(tmp_path / "chain", sqlite_engine, ["Won", "Vouchers", "Fares", "Credits"])
    yield Town(chain)
    chain.close()


def test_cards_are_enrolled_once_and_certified(town: Town) -> None:
    with pytest.raises(CardOrderError):
        town.bank.cards.certify(address_of(town.card(0)))
    town.enrol()
    town.enrol()
    certificates = town.bank.cards.certificates(MONTH)
    assert len(certificates) == 4
    fares = town.chain.client.address("Fares")
    for card, (certificate, signature) in certificates.items():
        assert certificate.card == card
        assert (certificate.first_day, certificate.last_day) == (DAY, month_last_day(MONTH))
        assert recover(certificate.digest(town.chain.client.chain_id, fares), signature) == address_of(key("guarantor"))
        assert town.bank.cards.certify(card) == (certificate, signature)
    slot = town.account(0).slot
    assert (slot.guarantor, slot.clearing_house, slot.cap_won) == (BANK, CLEARING, 100_000)
    assert len(town.chain.client.events("Fares", "Enrolled")) == 1


def test_a_card_of_another_bank_is_refused_by_code_and_hurts_no_other(town: Town) -> None:
    other = Town(town.chain, OTHER_BANK)
    stolen = replace(other.order(0), card=address_of(town.card(1)))
    other.bank.cards.enrol("first", CLEARING, [stolen], now=town.chain.now)
    town.chain.seal()
    town.bank.cards.enrol("all", CLEARING, [town.order(number) for number in range(4)], now=town.chain.now)
    town.chain.seal()
    town.bank.after_block()
    assert town.bank.cards.refused() == {address_of(town.card(1)): CardCode.ENROLLED}
    assert len(town.bank.cards.certificates(MONTH)) == 3


def test_top_ups_reach_the_purses_and_leave_the_accounts(town: Town) -> None:
    town.enrol()
    town.top_up(10_000, 20_000, 0, 5_000)
    town.top_up(10_000, 20_000, 0, 5_000)
    assert [town.account(number).slot.balance_won for number in range(4)] == [10_000, 20_000, 0, 5_000]
    held = town.bank.accounts.held_by(town.riders)
    assert [held[rider] for rider in town.riders] == [40_000, 30_000, 50_000, 45_000]
    assert town.chain.client.call("Won", "totalSupply") == 35_000


def test_what_the_bank_owes_is_collected_once_and_paid_in(town: Town) -> None:
    town.enrol()
    town.top_up(1_000, 0, 0, 0)
    batch, leaves = town.settle(1_550, 3_000, 60_000)
    assert town.bank.guarantee.owed_won() == 550 + 3_000 + 60_000
    with pytest.raises(OwedError):
        town.bank.guarantee.collect("too early", now=town.chain.now)
    assert town.bank.guarantee.record_settled(batch, leaves) == 63_550
    assert town.bank.guarantee.record_settled(batch, leaves) == 63_550
    assert town.bank.guarantee.collect("2025-10-01", now=town.chain.now) == 63_550
    assert town.bank.guarantee.collect("2025-10-01", now=town.chain.now) == 63_550
    town.seal()
    assert town.bank.guarantee.owed_won() == 0
    assert town.bank.guarantee.collect("again", now=town.chain.now) == 0
    held = town.bank.accounts.held_by(town.riders)
    assert [held[rider] for rider in town.riders] == [48_450, 47_000, 0, 50_000]
    assert town.bank.accounts.receivables() == {town.riders[2]: 10_000}
    client = town.chain.client
    assert client.call("Won", "balanceOf", [client.address("Fares")]) == 64_550


@pytest.mark.parametrize("sent", [0, 1], ids=["before the mint was sent", "before the payment was sent"])
def test_a_crash_while_collecting_is_finished_by_the_next_start(
    town: Town, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.enrol()
    town.bank.guarantee.record_settled(*town.settle(1_550, 3_000))
    calls = 0
    send = Outbox.send

    def die(outbox: Outbox, item: object) -> None:
        nonlocal calls
        calls += 1
        if calls > sent:
            raise KeyboardInterrupt
        send(outbox, item)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "send", die)
        with pytest.raises(KeyboardInterrupt):
            town.bank.guarantee.collect("2025-10-01", now=town.chain.now)
    town.chain.restart()
    again = Town(town.chain)
    again.bank.recover()
    assert again.bank.guarantee.collect("2025-10-01", now=town.chain.now) == 4_550
    again.seal()
    assert again.bank.guarantee.owed_won() == 0
    assert town.chain.client.call("Won", "totalSupply") == 4_550


def test_corrections_lower_what_is_collected(town: Town) -> None:
    town.enrol()
    batch, leaves = town.settle(1_550)
    town.bank.guarantee.record_settled(batch, leaves)
    for _ in range(2):
        town.bank.guarantee.record_correction(batch, 0, 1, leaves[0].card, DAY, -50)
    with pytest.raises(OwedError, match="1,500"):
        town.bank.guarantee.collect("x", now=town.chain.now)
    town.bank.guarantee.record_correction(batch, 0, 1, b"\1" * 20, DAY, -50)


@pytest.fixture
def town_on_both(tmp_path: Path, engine: Engine) -> Iterator[Town]:
    chain = Chain(tmp_path / "chain", engine, ["Won", "Vouchers", "Fares", "Credits"])
    yield Town(chain)
    chain.close()


def test_a_months_end_moves_remainders_to_new_cards(town_on_both: Town) -> None:
    town = town_on_both
    town.enrol()
    town.top_up(12_345, 999, 3_000, 0)
    last = month_last_day(MONTH)
    town.chain.wait_until(day_end(last) + 80 * 3_600)
    town.chain.outbox(CLEARING).once("close", "Fares", "close_day", [last])
    town.seal()
    left = town.bank.months.withdraw("october", MONTH)
    assert (left.cards, left.balance_won, left.moved_won, left.kept_won) == (3, 16_344, 15_000, 1_344)
    with pytest.raises(CardOrderError):
        town.bank.months.move("october", {})
    town.seal()
    town.enrol(MONTH + 1)
    new_cards = {rider: address_of(town.card(number, MONTH + 1)) for number, rider in enumerate(town.riders)}
    for _ in range(2):
        town.bank.months.move("october", new_cards)
    town.seal()
    assert [town.account(number, MONTH + 1).slot.balance_won for number in range(4)] == [12_000, 0, 3_000, 0]
    assert [town.account(number).slot.balance_won for number in range(4)] == [0, 0, 0, 0]
    order = TopUp(town.riders[1], new_cards[town.riders[1]], 5_000)
    for _ in range(2):
        town.bank.issuing.top_up("november", [order], now=town.chain.now)
    town.seal()
    assert town.account(1, MONTH + 1).slot.balance_won == 5_999
    assert town.chain.client.call("Won", "totalSupply") == 21_344


def test_a_lost_cards_remainder_goes_to_the_next_instance_after_72_hours(town: Town) -> None:
    town.enrol()
    town.top_up(12_345, 9_000, 0, 0)
    lost = address_of(town.card(0))
    for _ in range(2):
        town.bank.cards.report_lost("rider 0", [lost])
    town.seal()
    town.chain.wait_until(town.chain.now + 72 * 3_600 + 60)
    left = town.bank.months.withdraw("lost rider 0", MONTH, [lost])
    assert (left.cards, left.moved_won, left.kept_won) == (1, 12_000, 345)
    town.seal()
    again = replace(town.order(0), card=address_of(key("next instance")), instance=1)
    town.bank.cards.enrol("next instance", CLEARING, [again], now=town.chain.now)
    town.seal()
    town.bank.months.move("lost rider 0", {town.riders[0]: again.card})
    town.seal()
    words = town.chain.client.call("Fares", "card", [again.card])
    assert CardAccount.unpack(words).slot.balance_won == 12_000
    assert town.account(1).slot.balance_won == 9_000
    assert town.bank.cards.cards_of(town.riders[:1], MONTH) == {lost: town.riders[0], again.card: town.riders[0]}


def test_a_swept_card_is_gone_and_a_living_one_is_not(town: Town) -> None:
    town.enrol()
    last = month_last_day(MONTH)
    town.chain.wait_until(day_end(last) + 91 * DAY_S)
    town.bank.cards.sweep("2026", [address_of(town.card(0))])
    town.seal()
    assert town.account(0).slot.status == 0
    assert town.account(1).slot.status == 1


MUST_FAIL: dict[str, tuple[type[BankError], Callable[[Town], Sequence[CardOrder]]]] = {
    "two months at once": (CardOrderError, lambda town: [town.order(0), town.order(1, MONTH + 1)]),
    "no cards": (CardOrderError, lambda _town: []),
    "a card twice": (CardOrderError, lambda town: [town.order(0), town.order(0)]),
    "a cap that is no whole thousand": (CardOrderError, lambda town: [town.order(0, cap_won=1_500)]),
    "a cap above what fits": (CardOrderError, lambda town: [town.order(0, cap_won=65_536_000)]),
    "a negative cap": (CardOrderError, lambda town: [town.order(0, cap_won=-1_000)]),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_orders_that_must_fail(town: Town, fault: str) -> None:
    error, orders = MUST_FAIL[fault]
    with pytest.raises(error):
        town.bank.cards.enrol("x", CLEARING, orders(town), now=town.chain.now)
    assert town.bank.cards.certificates(MONTH) == {}


def test_a_card_ordered_before_is_not_ordered_again(town: Town) -> None:
    town.enrol()
    with pytest.raises(CardOrderError):
        town.bank.cards.enrol("another name", CLEARING, [town.order(0)], now=town.chain.now)


@pytest.mark.parametrize(
    ("won", "error"), [(0, BankLimitError), (-1, BankLimitError), (2_000_001, BankLimitError), (50_001, DepositError)]
)
def test_top_ups_that_must_fail_book_nothing(town: Town, won: int, error: type[BankError]) -> None:
    town.enrol()
    with pytest.raises(error):
        town.bank.issuing.top_up("x", [TopUp(town.riders[0], address_of(town.card(0)), won)], now=town.chain.now)
    assert town.bank.accounts.held_by(town.riders[:1]) == {town.riders[0]: 50_000}
    assert town.chain.node.pending() == []
