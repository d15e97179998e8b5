"""A bank on a real chain: Won against its own entries, once, whatever crashes; supply is deposits at every block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from sqlmodel import Session

from contracts.hashing import sha256
from contracts.signatures import address_of
from ledger.errors import CallReverted
from services.bank import rules
from services.bank.books import Books
from services.bank.desk import Desk
from services.bank.errors import AccountError, BankLimitError, BooksError, DepositError, MintCapError
from services.bank.service import Bank, check_supply
from services.outbox import ItemStatus, Outbox, OutboxError, PurposeConflictError, RevertedError
from services.zeropay.errors import UnbalancedError, WonError
from tests.services.chain import BANK, CITY, DAILY_CAP_WON, METRO, OTHER_BANK, Chain, key, second_sender, sender

PERSONS = [sha256(bytes([number])) for number in range(5)]
CITY_ACCOUNT = address_of(sender(CITY))


@pytest.fixture
def chain(tmp_path: Path, sqlite_engine: Engine) -> Iterator[Chain]:
    made = Chain(tmp_path / "chain", sqlite_engine, ["Won"])
    yield made
    made.close()


def bank_of(chain: Chain, organisation: int = BANK) -> Bank:
    second = chain.outbox(organisation, second_sender(organisation))
    desk = Desk(chain.engine, chain.client, chain.outbox(organisation), organisation, key("guarantor"), second)
    return Bank(desk)


def fund_city(bank: Bank, chain: Chain, won: int = 5_000) -> None:
    bank.accounts.deposit_organisation("budget", CITY, 10 * won, now=chain.now)
    bank.issuing.issue_to("october", CITY, CITY_ACCOUNT, won, now=chain.now)


def test_a_mint_is_booked_and_counts_from_its_block(chain: Chain) -> None:
    bank = bank_of(chain)
    fund_city(bank, chain)
    assert bank.accounts.held_by_organisations([CITY]) == {CITY: 45_000}
    assert check_supply(chain.client, [bank], chain.node.head.number) == (0, 0)
    head = chain.seal()
    bank.after_block()
    assert check_supply(chain.client, [bank], head) == (5_000, 5_000)
    assert check_supply(chain.client, [bank], 0) == (0, 0)
    assert chain.client.call("Won", "balanceOf", [CITY_ACCOUNT]) == 5_000


def test_the_same_name_again_mints_nothing_more(chain: Chain) -> None:
    bank = bank_of(chain)
    fund_city(bank, chain)
    fund_city(bank, chain)
    chain.seal()
    fund_city(bank_of(chain), chain)
    chain.seal()
    assert chain.client.call("Won", "totalSupply") == 5_000


@pytest.mark.parametrize("moment", ["before it was sent", "after it was sent", "after it was in a block"])
def test_a_crash_neither_loses_nor_doubles_a_mint(chain: Chain, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_outbox: Outbox, _item: object) -> None:
        raise KeyboardInterrupt

    bank = bank_of(chain)
    bank.accounts.deposit_organisation("budget", CITY, 9_000, now=chain.now)
    with monkeypatch.context() as patch:
        if moment == "before it was sent":
            patch.setattr(Outbox, "send", die)
            with pytest.raises(KeyboardInterrupt):
                bank.issuing.issue_to("october", CITY, CITY_ACCOUNT, 5_000, now=chain.now)
        else:
            bank.issuing.issue_to("october", CITY, CITY_ACCOUNT, 5_000, now=chain.now)
            if moment == "after it was in a block":
                chain.seal()
    chain.restart()
    again = bank_of(chain)
    again.recover()
    again.issuing.issue_to("october", CITY, CITY_ACCOUNT, 5_000, now=chain.now)
    head = chain.seal()
    again.after_block()
    again.recover()
    assert check_supply(chain.client, [again], head) == (5_000, 5_000)
    assert again.accounts.held_by_organisations([CITY]) == {CITY: 4_000}


def test_above_the_days_cap_the_second_key_mints_too(chain: Chain) -> None:
    bank = bank_of(chain)
    won = DAILY_CAP_WON + 1
    bank.accounts.deposit_organisation("budget", CITY, won, now=chain.now)
    bank.issuing.issue_to("large", CITY, CITY_ACCOUNT, won, now=chain.now)
    head = chain.seal()
    bank.after_block()
    assert check_supply(chain.client, [bank], head) == (won, won)


def test_a_name_that_looks_like_the_second_keys_is_a_name_like_any_other(chain: Chain) -> None:
    bank = bank_of(chain)
    bank.accounts.deposit_organisation("budget", CITY, 9_000, now=chain.now)
    bank.issuing.issue_to("second", CITY, CITY_ACCOUNT, 5_000, now=chain.now)
    head = chain.seal()
    bank.after_block()
    assert check_supply(chain.client, [bank], head) == (5_000, 5_000)


def test_above_the_days_cap_one_key_alone_books_nothing(chain: Chain) -> None:
    desk = Desk(chain.engine, chain.client, chain.outbox(BANK), BANK, key("guarantor"))
    bank = Bank(desk)
    won = DAILY_CAP_WON + 1
    bank.accounts.deposit_organisation("budget", CITY, won, now=chain.now)
    with pytest.raises(MintCapError):
        bank.issuing.issue_to("large", CITY, CITY_ACCOUNT, won, now=chain.now)
    assert bank.accounts.held_by_organisations([CITY]) == {CITY: won}
    assert chain.node.pending() == []


def test_an_operator_redeems_at_another_bank_and_the_banks_settle(chain: Chain) -> None:
    bank, other = bank_of(chain), bank_of(chain, OTHER_BANK)
    fund_city(bank, chain)
    chain.seal()
    chain.outbox(CITY).once("to operator", "Won", "transfer", [address_of(sender(METRO)), 3_000])
    chain.seal()
    chain.outbox(METRO).once("to bank", "Won", "transfer", [address_of(sender(OTHER_BANK)), 3_000])
    chain.seal()
    other.issuing.redeem("metro", METRO, 3_000, now=chain.now)
    other.issuing.redeem("metro", METRO, 3_000, now=chain.now)
    head = chain.seal()
    bank.after_block()
    other.after_block()
    assert check_supply(chain.client, [bank, other], head) == (2_000, 2_000)
    issued = {each: chain.client.call("Won", "issued", [each]) for each in (BANK, OTHER_BANK)}
    assert issued == {BANK: 5_000, OTHER_BANK: -3_000}
    positions = rules.interbank_positions(issued)
    assert positions == {BANK: -3_000, OTHER_BANK: 3_000}
    for each in (bank, other):
        each.issuing.settle_interbank("2025-10-16", positions[each.organisation], now=chain.now)
        each.issuing.settle_interbank("2025-10-16", positions[each.organisation], now=chain.now)
    assert check_supply(chain.client, [bank, other], head) == (2_000, 2_000)
    assert bank.deposits_at(head)[0] == 2_000
    assert other.deposits_at(head)[0] == 0
    assert other.accounts.held_by_organisations([METRO]) == {METRO: 3_000}


def test_books_that_the_chain_does_not_know_are_found(chain: Chain) -> None:
    bank = bank_of(chain)
    fund_city(bank, chain)
    chain.seal()
    bank.after_block()
    chain.client.submit(sender(BANK), "Won", "mint", [CITY_ACCOUNT, 1, b"\7" * 32])
    head = chain.seal()
    with pytest.raises(BooksError):
        check_supply(chain.client, [bank], head)


def test_a_burn_takes_what_came_and_no_more(chain: Chain) -> None:
    bank = bank_of(chain)
    fund_city(bank, chain)
    chain.seal()
    chain.outbox(CITY).once("to bank", "Won", "transfer", [address_of(sender(BANK)), 1_000])
    chain.seal()
    bank.issuing.redeem("metro", METRO, 1_000, now=chain.now)
    head = chain.seal()
    bank.after_block()
    assert chain.outbox(BANK).require_done("burn:redeem:metro").block_number == head
    with pytest.raises(CallReverted):
        bank.issuing.redeem("again", METRO, 1_000, now=chain.now)
    assert bank.accounts.held_by_organisations([METRO]) == {METRO: 1_000}


def test_accounts_are_opened_once_and_hold_what_came_in(chain: Chain) -> None:
    bank = bank_of(chain)
    riders = bank.accounts.open(PERSONS)
    assert bank.accounts.open(PERSONS) == riders
    assert len(set(riders)) == len(PERSONS)
    assert set(bank_of(chain, OTHER_BANK).accounts.open(PERSONS)).isdisjoint(riders)
    bank.accounts.deposit("salaries", dict.fromkeys(riders, 30_000), now=0)
    bank.accounts.deposit("salaries", dict.fromkeys(riders, 30_000), now=0)
    assert bank.accounts.held_by(riders) == dict.fromkeys(riders, 30_000)
    with Session(chain.engine) as session:
        assert Books(session, BANK).total() == 0


MUST_FAIL: dict[str, tuple[type[Exception], Callable[[Bank], object]]] = {
    "a short person": (AccountError, lambda bank: bank.accounts.open([b"short"])),
    "a deposit of nothing": (BankLimitError, lambda bank: bank.accounts.deposit("x", {1: 0}, now=0)),
    "a negative deposit": (BankLimitError, lambda bank: bank.accounts.deposit("x", {1: -5}, now=0)),
    "a huge deposit": (BankLimitError, lambda bank: bank.accounts.deposit("x", {1: 10**12}, now=0)),
    "minting what is not there": (
        DepositError,
        lambda bank: bank.issuing.issue_to("x", CITY, CITY_ACCOUNT, 1, now=0),
    ),
    "minting nothing": (DepositError, lambda bank: bank.issuing.issue_to("x", CITY, CITY_ACCOUNT, 0, now=0)),
    "minting less than nothing": (DepositError, lambda bank: bank.issuing.issue_to("x", CITY, CITY_ACCOUNT, -1, now=0)),
    "burning what did not come": (CallReverted, lambda bank: bank.issuing.redeem("x", METRO, 1, now=0)),
    "burning nothing": (UnbalancedError, lambda bank: bank.issuing.redeem("x", METRO, 0, now=0)),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail_and_books_nothing(chain: Chain, fault: str) -> None:
    bank = bank_of(chain)
    error, call = MUST_FAIL[fault]
    with pytest.raises(error):
        call(bank)
    with Session(chain.engine) as session:
        assert Books(session, BANK).credits([rules.FLOAT, rules.CASH]) == {}
    assert chain.node.pending() == []


def test_an_outbox_sends_each_purpose_once_and_names_what_it_refuses(chain: Chain) -> None:
    outbox = chain.outbox(BANK)
    first = outbox.once("approve", "Won", "approve", [CITY_ACCOUNT, 5])
    assert outbox.once("approve", "Won", "approve", [CITY_ACCOUNT, 5]).id == first.id
    with pytest.raises(PurposeConflictError):
        outbox.once("approve", "Won", "approve", [CITY_ACCOUNT, 6])
    with pytest.raises(OutboxError, match="not in a block"):
        outbox.require_done("approve")
    with pytest.raises(OutboxError, match="characters"):
        outbox.once("", "Won", "approve", [CITY_ACCOUNT, 5])
    outbox.once("fails", "Won", "transfer", [CITY_ACCOUNT, 5], gas=100_000)
    chain.seal()
    assert [item.status for item, _ in outbox.settle()] == [ItemStatus.DONE, ItemStatus.REVERTED]
    assert outbox.settle() == []
    with pytest.raises(RevertedError, match="BALANCE"):
        outbox.require_done("fails")
    assert "key" not in repr(outbox)


def test_what_the_node_refuses_is_signed_anew_when_it_is_asked_again(chain: Chain) -> None:
    outbox = chain.outbox(BANK)
    with pytest.raises(OutboxError, match="not taken"):
        outbox.once("too little gas", "Won", "approve", [CITY_ACCOUNT, 5], gas=21_000)
    item = outbox.find("too little gas")
    assert item is not None
    assert item.status == ItemStatus.REFUSED
    with pytest.raises(OutboxError, match="not in a block"):
        outbox.require_done("too little gas")
    outbox.once("behind it", "Won", "approve", [CITY_ACCOUNT, 6])
    outbox.once("too little gas", "Won", "approve", [CITY_ACCOUNT, 5])
    chain.seal()
    assert len(outbox.settle()) == 2
    assert outbox.require_done("too little gas").nonce != outbox.require_done("behind it").nonce


def test_a_refused_mint_is_sent_again_under_its_name(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = bank_of(chain)
    with monkeypatch.context() as patch:
        patch.setattr(type(chain.client), "estimate", lambda *_args, **_kwargs: 21_000)
        with pytest.raises(OutboxError):
            fund_city(bank, chain)
    fund_city(bank, chain)
    head = chain.seal()
    bank.after_block()
    assert check_supply(chain.client, [bank], head) == (5_000, 5_000)


@given(st.dictionaries(st.integers(1, 9), st.integers(-(10**9), 10**9), max_size=6))
def test_interbank_positions_add_up_and_leave_no_bank_short(issued: dict[int, int]) -> None:
    if sum(issued.values()) < 0:
        with pytest.raises(WonError):
            rules.interbank_positions(issued)
        return
    positions = rules.interbank_positions(issued)
    assert sum(positions.values()) == 0
    assert all(issued[bank] + positions[bank] >= 0 for bank in issued)


@given(
    owed=st.dictionaries(st.integers(1, 5), st.integers(1, 9_999), min_size=1, max_size=5),
    debited=st.dictionaries(st.integers(1, 5), st.integers(0, 9_999), max_size=5),
)
def test_what_is_owed_and_not_debited_becomes_a_receivable(owed: dict[int, int], debited: dict[int, int]) -> None:
    lines = dict(rules.collect_lines(owed, debited))
    assert sum(lines.values()) == 0
    assert lines[rules.FLOAT] == -sum(owed.values())
    for rider, won in owed.items():
        taken = lines.get(rules.rider_account(rider), 0)
        assert taken == debited.get(rider, 0)
        assert taken + lines.get(rules.receivable_account(rider), 0) == won


@pytest.mark.parametrize(
    ("balance", "moved", "kept"), [(0, 0, 0), (999, 0, 999), (1_000, 1_000, 0), (12_345, 12_000, 345)]
)
def test_remainders_are_rounded_down_to_a_thousand(balance: int, moved: int, kept: int) -> None:
    assert rules.remainder(balance) == (moved, kept)


def test_a_shuffle_keeps_everything_and_follows_its_source() -> None:
    assert sorted(rules.shuffled(range(50), lambda n: n // 2)) == list(range(50))
    assert rules.shuffled([1, 2, 3], lambda n: n - 1) == [1, 2, 3]
    assert [len(chunk) for chunk in rules.batches(range(600))] == [256, 256, 88]
