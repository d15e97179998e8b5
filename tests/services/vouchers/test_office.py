"""From an application to a lot on a card and back into the pool, on a real chain with real signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.codes import Grant, RiderClass
from contracts.errors import SignatureError
from contracts.hashing import sha256
from contracts.messages import Claim
from contracts.signatures import address_of, sign
from services.bank.cards import CardOrder
from services.bank.desk import Desk
from services.bank.service import Bank
from services.days import day_end, day_number, month_last_day, month_of
from services.outbox import Outbox
from services.vouchers.attestations import EligibilityAttestation
from services.vouchers.errors import ClockError, GrantError, VoucherError
from services.vouchers.expiry import Expiry
from services.vouchers.limits import MAX_LAPSES_PER_BATCH
from services.vouchers.programmes import EligibilityClass, presets, rule_set_of
from services.vouchers.registry import Application, CredentialRequest, Registry, RegistryKeys
from services.vouchers.service import GrantRequest, Office
from services.vouchers.tables import GrantStatus
from tests.services.chain import BANK, CITY, CLEARING, GENESIS_S, OFFICE, REGISTRY, Chain, key, sender
from tests.services.consenting import let_debit

FIRST_DAY = day_number(date(2025, 10, 1))
MONTH = month_of(FIRST_DAY)
LAST_DAY = month_last_day(MONTH)
RULE_SET = 7
BASIC = presets()["TW-BASIC"]
HOLDERS = 4


class Town:
    """A city office, a registry, a bank with cards enrolled, and holders with credentials."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.bank = Bank(Desk(chain.engine, chain.client, chain.outbox(BANK), BANK, key("guarantor")))
        self.office = Office(chain.engine, chain.client, chain.outbox(CITY), CITY)
        self.registry = Registry(
            chain.engine,
            RegistryKeys(sha256(b"k"), sender(REGISTRY)),
            presets(),
            {OFFICE: frozenset({address_of(key("welfare office"))})},
            chain_id=chain.client.chain_id,
            vouchers=chain.client.address("Vouchers"),
        )

    def fund(self, won: int = 1_000_000) -> None:
        """The city's budget becomes Won in the pool of TW-BASIC."""
        account = address_of(sender(CITY))
        self.bank.accounts.deposit_organisation("budget", CITY, won, now=self.chain.now)
        self.bank.issuing.issue_to("budget", CITY, account, won, now=self.chain.now)
        self.office.set_rule_set(RULE_SET, rule_set_of(BASIC))
        self.office.pay_in("october", RULE_SET, won)
        self.seal()

    def enrol(self, count: int = HOLDERS, month: int = MONTH) -> list[bytes]:
        """Cards of a month, profile as TW-BASIC wants it."""
        riders = self.bank.accounts.open([sha256(b"rider %d" % number) for number in range(count)])
        cards = [address_of(key(f"card {number} of {month}")) for number in range(count)]
        modes = rule_set_of(BASIC).modes
        orders = [
            CardOrder(rider, card, month, RiderClass.ADULT, modes, 0, 100_000, 150_000)
            for rider, card in zip(riders, cards, strict=True)
        ]
        let_debit(self.bank, riders, now=self.chain.now)
        self.bank.cards.enrol(f"{month}", CLEARING, orders, now=self.chain.now)
        self.seal()
        return cards

    def seal(self) -> int:
        """Blocks until nothing waits; services read them."""
        head = self.chain.seal()
        self.bank.after_block()
        self.office.after_block()
        return head

    def attestation(self, number: int, **changes: object) -> tuple[EligibilityAttestation, bytes]:
        """What the welfare office says of a holder."""
        made = EligibilityAttestation(
            sha256(b"person %d" % number), EligibilityClass.AGED_65, OFFICE, FIRST_DAY, FIRST_DAY + 300
        )
        made = replace(made, **changes)  # type: ignore[arg-type]
        digest = made.digest(self.chain.client.chain_id, self.chain.client.address("Vouchers"))
        return made, sign(digest, key("welfare office"))

    def request(self, number: int, card: bytes, won: int = 50_000) -> GrantRequest:
        """A holder's whole way: application, credential, claim."""
        attestation, signature = self.attestation(number)
        application = self.registry.apply("TW-BASIC", attestation, signature, f"device {number}", now=self.chain.now)
        wallet = key(f"credential {number}")
        signed = self.registry.credential(application, attestation.person, address_of(wallet), now=self.chain.now)
        credential = signed.credential
        claim = Claim(card, RULE_SET, credential.period, won, credential.nullifier)
        digest = claim.digest(self.chain.client.chain_id, self.chain.client.address("Vouchers"))
        return GrantRequest("TW-BASIC", CITY, card, won, credential, signed.signature, sign(digest, wallet))


@pytest.fixture
def town(tmp_path: Path, sqlite_engine: Engine) -> Iterator[Town]:
    chain = Chain(tmp_path / "chain", sqlite_engine, ["Won", "Vouchers", "Fares", "Credits"])
    yield Town(chain)
    chain.close()


@pytest.fixture
def town_on_both(tmp_path: Path, engine: Engine) -> Iterator[Town]:
    chain = Chain(tmp_path / "chain", engine, ["Won", "Vouchers", "Fares", "Credits"])
    yield Town(chain)
    chain.close()


def test_a_month_of_a_lot(town_on_both: Town) -> None:
    town = town_on_both
    town.fund()
    cards = town.enrol()
    requests = [town.request(number, card) for number, card in enumerate(cards)]
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
    town.seal()
    assert [row.status for row in town.office.granted()] == [GrantStatus.GRANTED] * HOLDERS
    for card in cards:
        [lot] = town.office.account_of(card).lots.values()
        assert (lot.won, lot.remaining_won, lot.last_service_day) == (50_000, 50_000, LAST_DAY)
    client = town.chain.client
    assert client.call("Vouchers", "pool", [RULE_SET]) == 1_000_000 - HOLDERS * 50_000
    assert client.call("Won", "balanceOf", [client.address("Fares")]) == HOLDERS * 50_000

    expiry = Expiry(town.office)
    town.chain.wait_until(day_end(LAST_DAY) + 80 * 3_600)
    town.chain.outbox(CLEARING).once("close", "Fares", "close_day", [LAST_DAY])
    town.seal()
    lapse = expiry.lapse("october", LAST_DAY, cards)
    assert (lapse.lots, lapse.remaining_won, lapse.carried_won, lapse.lapsed_won) == (4, 200_000, 200_000, 0)
    town.seal()
    assert client.call("Vouchers", "pool", [RULE_SET]) == 1_000_000
    new_cards = town.enrol(month=MONTH + 1)
    expiry.carry("october", dict(zip(cards, new_cards, strict=True)))
    expiry.carry("october", dict(zip(cards, new_cards, strict=True)))
    town.seal()
    assert expiry.after_block("october") == HOLDERS
    for card in new_cards:
        [lot] = town.office.account_of(card).lots.values()
        assert (lot.won, lot.start_day, lot.last_service_day) == (50_000, LAST_DAY + 1, month_last_day(MONTH + 1))


def test_what_was_carried_is_not_carried_again(town: Town) -> None:
    town.fund()
    cards = town.enrol(1)
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, [town.request(0, cards[0])])
    town.seal()
    expiry = Expiry(town.office)
    months = [(LAST_DAY, "october"), (month_last_day(MONTH + 1), "november")]
    came_to = []
    for number, (last, name) in enumerate(months):
        town.chain.wait_until(day_end(last) + 80 * 3_600)
        town.chain.outbox(CLEARING).once(f"close {name}", "Fares", "close_day", [last])
        town.seal()
        came_to.append(expiry.lapse(name, last, cards))
        town.seal()
        new_cards = town.enrol(1, month=MONTH + 1 + number)
        expiry.carry(name, dict(zip(cards, new_cards, strict=True)))
        town.seal()
        cards = new_cards
    assert [(each.carried_won, each.lapsed_won) for each in came_to] == [(50_000, 0), (0, 50_000)]
    assert town.chain.client.call("Vouchers", "pool", [RULE_SET]) == 1_000_000
    assert town.office.account_of(cards[0]).lots == {}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("amount", Grant.AMOUNT),
        ("used", Grant.USED),
        ("card of nobody", Grant.FARES + 3),
        ("window", Grant.WINDOW),
    ],
)
def test_one_bad_request_is_refused_by_its_code_and_hurts_no_other(town: Town, fault: str, code: int) -> None:
    town.fund()
    cards = town.enrol()
    good = town.request(0, cards[0])
    bad = {
        "amount": lambda: town.request(1, cards[1], won=50_001),
        "used": lambda: town.request(1, cards[1]),
        "card of nobody": lambda: town.request(1, b"\x09" * 20),
        "window": lambda: town.request(1, cards[1]),
    }[fault]()
    start = FIRST_DAY
    if fault == "used":
        other = Office(town.chain.engine, town.chain.client, town.chain.outbox(CITY), CITY)
        other.grant("before", RULE_SET, FIRST_DAY, LAST_DAY, [bad])
        town.seal()
        with pytest.raises(Exception, match="UNIQUE"):
            town.office.grant("again", RULE_SET, FIRST_DAY, LAST_DAY, [bad])
        return
    if fault == "window":
        start = FIRST_DAY - 1
    requests = [bad] if fault == "window" else [good, bad]
    town.office.grant("october", RULE_SET, start, LAST_DAY, requests)
    town.seal()
    codes = {row.nullifier: row.code for row in town.office.granted()}
    assert codes[bad.credential.nullifier] == code
    if fault != "window":
        assert codes[good.credential.nullifier] == 0
        assert len(town.office.account_of(cards[0]).lots) == 1


def test_a_pool_that_is_too_small_grants_what_it_can(town: Town) -> None:
    town.fund(won=70_000)
    cards = town.enrol(2)
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, [town.request(n, c) for n, c in enumerate(cards)])
    town.seal()
    assert sorted(row.code for row in town.office.granted()) == [0, Grant.POOL]
    assert town.chain.client.call("Vouchers", "pool", [RULE_SET]) == 20_000


@pytest.mark.parametrize("moment", ["planned", "in a block"])
def test_a_crash_in_a_grant_neither_loses_nor_doubles_it(
    town: Town, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_outbox: Outbox, _item: object) -> None:
        raise KeyboardInterrupt

    town.fund()
    cards = town.enrol()
    requests = [town.request(number, card) for number, card in enumerate(cards)]
    with monkeypatch.context() as patch:
        if moment == "planned":
            patch.setattr(Outbox, "send", die)
            with pytest.raises(KeyboardInterrupt):
                town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
        else:
            town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
            town.chain.seal()
    town.chain.restart()
    again = Town(town.chain)
    again.office.recover()
    again.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
    again.seal()
    again.office.recover()
    assert [row.status for row in again.office.granted()] == [GrantStatus.GRANTED] * HOLDERS
    assert all(len(again.office.account_of(card).lots) == 1 for card in cards)


def test_a_lot_does_not_lapse_before_its_day_is_closed(town: Town) -> None:
    town.fund()
    cards = town.enrol()
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, [town.request(0, cards[0])])
    town.seal()
    with pytest.raises(ClockError):
        Expiry(town.office).lapse("early", LAST_DAY, cards)
    assert len(town.office.account_of(cards[0]).lots) == 1


MUST_FAIL: dict[str, tuple[type[Exception], Callable[[Town, GrantRequest], list[GrantRequest]]]] = {
    "claim by another key": (
        SignatureError,
        lambda _town, one: [replace(one, claim_signature=sign(b"\1" * 32, key("x")))],
    ),
    "claim for another card": (SignatureError, lambda _town, one: [replace(one, card=b"\2" * 20)]),
    "claim for another amount": (SignatureError, lambda _town, one: [replace(one, won=49_999)]),
    "a nullifier twice": (GrantError, lambda _town, one: [one, one]),
    "two periods": (GrantError, lambda _town, one: [one, replace(one, credential=replace(one.credential, period=1))]),
    "nothing": (GrantError, lambda _town, _one: []),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_grants_that_must_fail_store_nothing(town: Town, fault: str) -> None:
    error, make = MUST_FAIL[fault]
    request = town.request(0, b"\3" * 20)
    with pytest.raises(error):
        town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, make(town, request))
    assert town.office.granted() == []


def test_a_credential_of_no_registry_is_refused_on_the_chain(town: Town) -> None:
    town.fund()
    cards = town.enrol()
    forged = replace(town.request(0, cards[0]), registry_signature=sign(b"\1" * 32, key("forger")))
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, [forged, town.request(1, cards[1])])
    town.seal()
    assert sorted(row.code for row in town.office.granted()) == [0, Grant.CREDENTIAL]


def test_many_at_once_give_each_its_answer(town: Town) -> None:
    good, signature = town.attestation(0)
    bad, _ = town.attestation(1)
    numbers = town.registry.apply_many(
        [
            Application("TW-BASIC", good, signature, "a"),
            Application("NO-SUCH", good, signature, "a"),
            Application("TW-BASIC", bad, signature, "b"),
        ],
        now=GENESIS_S,
    )
    assert isinstance(numbers[1], VoucherError)
    assert isinstance(numbers[0], int)
    assert isinstance(numbers[2], int)
    answers = town.registry.credential_many(
        [CredentialRequest(numbers[0], good.person, b"\4" * 20), CredentialRequest(numbers[2], bad.person, b"\5" * 20)],
        now=GENESIS_S,
    )
    assert not isinstance(answers[0], VoucherError)
    assert isinstance(answers[1], VoucherError)


def test_more_cards_lapse_than_one_transaction_takes(town: Town) -> None:
    holders = MAX_LAPSES_PER_BATCH + 1
    town.fund(holders * 50_000)
    cards = town.enrol(holders)
    requests = [town.request(number, card) for number, card in enumerate(cards)]
    town.office.grant("october", RULE_SET, FIRST_DAY, LAST_DAY, requests)
    town.seal()
    town.chain.wait_until(day_end(LAST_DAY) + 80 * 3_600)
    town.chain.outbox(CLEARING).once("close", "Fares", "close_day", [LAST_DAY])
    town.seal()
    assert Expiry(town.office).lapse("october", LAST_DAY, cards).lots == holders
    town.seal()
    assert town.chain.client.call("Vouchers", "pool", [RULE_SET]) == holders * 50_000
