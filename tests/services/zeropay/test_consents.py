"""Consents at a bank on a real chain: taken in, refused, withdrawn, above their limit, kept as evidence, destroyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from coincurve import PrivateKey
from sqlalchemy import Engine, text
from sqlmodel import Session

from contracts.signatures import address_of, sign
from services.bank import errors as e
from services.bank.books import Books
from services.bank.consents import Collected, GivenConsent
from services.bank.service import Bank
from services.database import transaction
from services.days import DAY_S, month_last_day, service_day_at
from tests.services.chain import BANK, CHAIN_ID, CLEARING, OTHER_BANK, Chain, key
from tests.services.consenting import consent, given, let_debit, salt_of, wallet
from tests.services.zeropay.test_guarantee import DAY, MONTH, Town
from wallets.consents import ConsentWithdrawal, DebitConsent, account_commitment
from wallets.errors import WalletError
from wallets.statements import SentenceError, StatementEncodingError, StatementSignatureError

YEAR_S: Final = 365 * DAY_S


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


def withdrawal(town: Town, number: int, nth: int = 0, signer: PrivateKey | None = None, **changes: object) -> bytes:
    """The withdrawal of a rider's n-th consent, by his wallet unless another signs for himself."""
    rider = town.riders[number]
    made = ConsentWithdrawal.of(consent(BANK, rider, nth, **changes), CHAIN_ID, address_of(signer) if signer else None)
    return made.document(made.sign(signer or wallet(BANK, rider), CHAIN_ID))


def collect(town: Town, name: str) -> int:
    """Collects and seals, and holds every debit against the signed evidence."""
    won = town.bank.guarantee.collect(name, now=town.chain.now)
    town.seal()
    town.bank.check_debits()
    return won


def taken(town: Town) -> list[int]:
    """What is gone from each rider's 50,000 won."""
    held = town.bank.accounts.held_by(town.riders)
    return [50_000 - held[rider] for rider in town.riders]


def owing(town: Town) -> dict[int, int]:
    """Receivables by the riders' places."""
    return {town.riders.index(rider): won for rider, won in town.bank.accounts.receivables().items()}


# --- cards


def test_a_card_with_a_cap_needs_a_consent_for_all_that_is_left_of_its_month(town_on_both: Town) -> None:
    bank, now = town_on_both.bank, town_on_both.chain.now
    [rider] = bank.accounts.open([b"n" * 32])
    last = month_last_day(MONTH)
    order = replace(town_on_both.order(0), rider=rider)
    with pytest.raises(e.NoConsentError):
        bank.cards.enrol("none", CLEARING, [order], now=now)
    bank.cards.enrol("no cap", CLEARING, [replace(order, card=b"\1" * 20, cap_won=0)], now=now)
    let_debit(bank, [rider], now=now, last_day=last - 1)
    with pytest.raises(e.NoConsentError):
        bank.cards.enrol("a day short", CLEARING, [order], now=now)
    bank.consents.give([given(BANK, rider, 1, first_day=last, last_day=last + 5)], now=now)
    bank.cards.enrol("two consents", CLEARING, [order], now=now)
    town_on_both.seal()
    assert bank.cards.certify(order.card)[0].month == MONTH


def test_a_card_ordered_within_its_month_needs_no_consent_for_days_gone_by(town: Town) -> None:
    town.chain.wait_until(town.chain.now + 9 * DAY_S)
    now = town.chain.now
    [rider] = town.bank.accounts.open([b"n" * 32])
    let_debit(town.bank, [rider], now=now, first_day=service_day_at(now))
    town.bank.cards.enrol("late", CLEARING, [replace(town.order(0), rider=rider)], now=now)
    town.seal()


def test_no_card_with_a_cap_after_a_withdrawal(town: Town) -> None:
    town.enrol()
    town.bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now)
    town.enrol()  # what was ordered before goes on where a crash left it
    with pytest.raises(e.NoConsentError):
        town.enrol(MONTH + 1)
    orders = [town.order(number, MONTH + 1) for number in range(1, 4)]
    town.bank.cards.enrol("the others", CLEARING, orders, now=town.chain.now)
    assert len(town.bank.cards.certificates(MONTH)) == 4


# --- debits


def test_what_is_not_booked_at_a_withdrawal_is_owed_and_not_debited(town_on_both: Town) -> None:
    """Art. 15(2): until the debit is booked; the debt stays, and the bank pays Fares whole."""
    town = town_on_both
    town.enrol()
    town.bank.guarantee.record_settled(*town.settle(1_550, 3_000))
    assert collect(town, "first") == 4_550
    town.bank.guarantee.record_settled(*town.settle(1_600, 2_000, day=DAY + 1))
    assert town.bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now) == town.riders[0]
    assert town.bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now + 9) == town.riders[0]
    assert collect(town, "second") == 3_600
    assert taken(town) == [1_550, 5_000, 0, 0]
    assert owing(town) == {0: 1_600}
    assert town.bank.guarantee.owed_won() == 0


def test_a_new_consent_counts_from_its_moment_and_the_withdrawn_one_does_not_come_back(town: Town) -> None:
    town.enrol()
    bank, rider = town.bank, town.riders[0]
    bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now)
    with pytest.raises(e.ConsentWithdrawnError):
        bank.consents.give([given(BANK, rider)], now=town.chain.now)
    bank.consents.give([given(BANK, rider, 1, daily_limit_won=1_000)], now=town.chain.now)
    bank.guarantee.record_settled(*town.settle(1_550))
    collect(town, "first")
    assert (taken(town)[0], owing(town)) == (1_000, {0: 550})


def test_a_day_is_debited_up_to_its_limit_however_often_it_is_collected(town_on_both: Town) -> None:
    town = town_on_both
    town.bank.consents.give([given(BANK, town.riders[0], 1, daily_limit_won=4_000)], now=town.chain.now)
    town.enrol()
    for name, won, debited, owed in (("a", 1_550, 1_550, 0), ("b", 3_000, 4_000, 550), ("c", 900, 4_000, 1_450)):
        town.bank.guarantee.record_settled(*town.settle(won, won))
        assert collect(town, name) == 2 * won
        assert (taken(town)[0], owing(town).get(0, 0)) == (debited, owed)
    town.bank.guarantee.record_settled(*town.settle(2_500, 0, day=DAY + 1))
    collect(town, "the next day")
    assert (taken(town)[:2], owing(town)) == ([6_500, 5_450], {0: 1_450})


def test_a_day_outside_the_consent_is_not_debited(town: Town) -> None:
    """The card was ordered under a consent for the month; a shorter one took its place."""
    town.enrol()
    shorter = given(BANK, town.riders[0], 1, first_day=DAY + 1, last_day=DAY + 1)
    town.bank.consents.give([shorter], now=town.chain.now)
    town.bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now)
    for day in range(3):
        town.bank.guarantee.record_settled(*town.settle(1_000 + day, day=DAY + day))
    collect(town, "three days")
    assert (taken(town)[0], owing(town)) == (1_001, {0: 1_000 + 1_002})


def test_what_a_void_entry_collected_does_not_count(town: Town) -> None:
    bank, rider = town.bank, town.riders[0]
    bank.consents.give([given(BANK, rider, 1, daily_limit_won=4_000)], now=0)
    with Session(town.chain.engine) as session:
        entry = Books(session, BANK).book("collect:x", "collect", [("a", 3_000), ("b", -3_000)], booked_at=0)
        number = entry.id or 0
        bank.consents.keep(session, number, [Collected(rider, DAY, None, 3_000, 3_000)])
        asked = {(rider, DAY): 2_000}
        assert [each.debited_won for each in bank.consents.collect(session, asked, 0)] == [1_000]
        entry.void = True
        session.add(entry)
        session.flush()
        assert [each.debited_won for each in bank.consents.collect(session, asked, 0)] == [2_000]


# --- taking consents in


def test_a_consent_given_again_stays_as_it_is(town_on_both: Town) -> None:
    bank, rider = town_on_both.bank, town_on_both.riders[0]
    for later in (1, 2, YEAR_S * 2):
        bank.consents.give([given(BANK, rider), given(BANK, rider)], now=town_on_both.chain.now + later)
    [(document, withdrawn)] = bank.consents.evidence_of(rider)
    assert DebitConsent.verified(document, CHAIN_ID) == consent(BANK, rider)
    assert withdrawn is None


def other_wallet_of_his_own(town: Town) -> GivenConsent:
    rider, stranger = town.riders[0], key("stranger")
    made = consent(BANK, rider, 1, giver=address_of(stranger))
    return GivenConsent(rider, made.document(made.sign(stranger, CHAIN_ID)), salt_of(rider, 1))


def signed_by_a_stranger(town: Town) -> GivenConsent:
    made = consent(BANK, town.riders[0], 1)
    forged = made.document(sign(made.digest(CHAIN_ID), key("stranger")))
    return GivenConsent(town.riders[0], forged, salt_of(town.riders[0], 1))


def anothers(town: Town) -> GivenConsent:
    return replace(given(BANK, town.riders[1], 1), rider=town.riders[0])


def anothers_account(town: Town) -> GivenConsent:
    account = account_commitment(str(town.riders[1]), salt_of(town.riders[0], 1))
    return given(BANK, town.riders[0], 1, account=account)


def cheaper_sentence(town: Town) -> GivenConsent:
    made = given(BANK, town.riders[0], 1)
    return replace(made, document=made.document.replace("100,000원".encode(), "1,000원".encode()))


MUST_FAIL: dict[str, tuple[type[WalletError] | type[e.BankError], Callable[[Town], GivenConsent]]] = {
    "another bank's": (e.OtherBankError, lambda town: given(BANK, town.riders[0], 1, organisation=OTHER_BANK)),
    "another wallet of his own": (e.OtherWalletError, other_wallet_of_his_own),
    "another rider's": (e.OtherWalletError, anothers),
    "a rider without an account": (e.OtherWalletError, lambda _town: given(BANK, 999_999)),
    "another rider's account": (e.CommitmentError, anothers_account),
    "another salt": (e.CommitmentError, lambda town: replace(given(BANK, town.riders[0], 1), salt=b"t" * 16)),
    "over": (
        e.ConsentOverError,
        lambda town: given(BANK, town.riders[0], 1, first_day=DAY - 9, last_day=DAY - 1),
    ),
    "signed by a stranger": (StatementSignatureError, signed_by_a_stranger),
    "a changed sentence": (SentenceError, cheaper_sentence),
    "a withdrawal": (StatementEncodingError, lambda t: GivenConsent(t.riders[0], withdrawal(t, 0), salt_of(1))),
    "nothing": (StatementEncodingError, lambda town: GivenConsent(town.riders[0], b"", salt_of(1))),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_one_consent_that_must_fail_and_none_is_taken(town: Town, fault: str) -> None:
    error, bad = MUST_FAIL[fault]
    good = given(BANK, town.riders[1], 1)
    with pytest.raises(error):
        town.bank.consents.give([good, bad(town)], now=town.chain.now)
    assert [len(town.bank.consents.evidence_of(rider)) for rider in town.riders] == [1, 1, 1, 1]


WITHDRAWALS: dict[str, tuple[type[WalletError] | type[e.BankError], Callable[[Town], bytes]]] = {
    "of what was not given": (e.UnknownConsentError, lambda town: withdrawal(town, 0, 7)),
    "of another bank's": (e.UnknownConsentError, lambda town: withdrawal(town, 0, organisation=OTHER_BANK)),
    "by a stranger": (e.OtherWalletError, lambda town: withdrawal(town, 0, signer=key("stranger"))),
    "by another rider": (e.OtherWalletError, lambda t: withdrawal(t, 0, signer=wallet(BANK, t.riders[1]))),
    "a changed sentence": (SentenceError, lambda t: withdrawal(t, 0).replace("100,000원".encode(), "1원".encode())),
    "the consent itself": (StatementEncodingError, lambda town: given(BANK, town.riders[0]).document),
}


@pytest.mark.parametrize("fault", WITHDRAWALS)
def test_withdrawals_that_must_fail_change_nothing(town: Town, fault: str) -> None:
    error, document = WITHDRAWALS[fault]
    with pytest.raises(error):
        town.bank.consents.withdraw(document(town), now=town.chain.now)
    assert all(town.bank.consents.evidence_of(rider)[0][1] is None for rider in town.riders)


def test_who_lost_his_wallet_withdraws_with_the_one_that_took_its_place(town: Town) -> None:
    new = key("new wallet")
    town.bank.accounts.register_wallets({town.riders[0]: address_of(new)})
    with pytest.raises(e.OtherWalletError):
        town.bank.consents.withdraw(withdrawal(town, 0), now=town.chain.now)
    assert town.bank.consents.withdraw(withdrawal(town, 0, signer=new), now=town.chain.now) == town.riders[0]
    [(_, document)] = town.bank.consents.evidence_of(town.riders[0])
    assert document == withdrawal(town, 0, signer=new)
    town.bank.check_debits()


@pytest.mark.parametrize(
    "wallets",
    [
        lambda riders: {riders[0]: b"short"},
        lambda _riders: {999_999: b"w" * 20},
        lambda riders: {riders[0]: address_of(wallet(BANK, riders[1]))},
        lambda riders: {riders[0]: b"w" * 20, riders[1]: b"w" * 20},
    ],
    ids=["short", "no account", "another's", "two at once"],
)
def test_wallets_that_are_not_registered(town: Town, wallets: Callable[[list[int]], dict[int, bytes]]) -> None:
    with pytest.raises(e.AccountError):
        town.bank.accounts.register_wallets(wallets(town.riders))
    let_debit(town.bank, town.riders, now=town.chain.now)  # the first ones stand


# --- evidence


def ridden(town: Town) -> Bank:
    """A bank that debited three riders, one after his withdrawal not."""
    town.enrol()
    town.bank.guarantee.record_settled(*town.settle(1_550, 3_000, 2_000))
    town.bank.consents.withdraw(withdrawal(town, 2), now=town.chain.now)
    collect(town, "first")
    assert town.bank.check_debits() == (4_550, 4_550)
    return town.bank


FORGERIES: Final = {
    "a debit under no consent": ("no consent of his", "UPDATE bank_debits SET consent = NULL"),
    "a debit under another's": ("no consent of his", "UPDATE bank_debits SET consent = 4"),
    "a debit before the consent": ("not in force", "UPDATE bank_consents SET given_at = given_at + 1000000"),
    "a debit after the withdrawal": (
        "not in force",
        "UPDATE bank_debits SET debited_won = owed_won, consent = 3 WHERE consent IS NULL",
    ),
    "more than is in the books": (
        "under consents are",
        "UPDATE bank_debits SET debited_won = debited_won + 1 WHERE debited_won > 0",
    ),
    "another day": ("not a day of", "UPDATE bank_debits SET service_day = 19000"),
    "above the limit": ("above the", "UPDATE bank_debits SET debited_won = 100001 WHERE debited_won > 0"),
    "another's account": ("another account", "UPDATE bank_consents SET salt = zeroblob(16)"),
    "a document that was changed": ("is no evidence", "UPDATE bank_consents SET document = zeroblob(900)"),
    "a withdrawal without its document": ("without a document", "UPDATE bank_consents SET withdrawal = NULL"),
    "a withdrawal forgotten": ("without a document", "UPDATE bank_consents SET withdrawn_at = NULL"),
    "a withdrawal by another document": (
        "is no evidence",
        "UPDATE bank_consents SET withdrawal = document WHERE withdrawn_at > 0",
    ),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_debit_without_its_evidence_is_found(town: Town, forgery: str) -> None:
    bank = ridden(town)
    reason, statement = FORGERIES[forgery]
    with transaction(town.chain.engine) as connection:
        connection.execute(text(statement))
    with pytest.raises(e.DebitError, match=reason):
        bank.check_debits()


def test_evidence_is_destroyed_after_five_years_of_riders_who_owe_nothing(town_on_both: Town) -> None:
    bank = ridden(town_on_both)
    ended = town_on_both.chain.now + YEAR_S
    assert bank.consents.erase(now=ended + 5 * YEAR_S - 2 * DAY_S) == 0
    assert bank.consents.erase(now=ended + 5 * YEAR_S + 5 * DAY_S) == 3
    assert bank.consents.erase(now=ended + 5 * YEAR_S + 5 * DAY_S) == 0
    kept = [len(bank.consents.evidence_of(rider)) for rider in town_on_both.riders]
    assert kept == [0, 0, 1, 0]  # the third still owes 2,000 won
