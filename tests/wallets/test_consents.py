"""Consents as wallets sign them: worked sentences, the general EIP-712 encoder, and everything that must not pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date
from typing import Any, Final

import pytest
import rfc8785
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from contracts.addresses import ORGANISATIONS
from contracts.hashing import sha256
from contracts.signatures import address_of, sign
from tests.wallets import world as w
from wallets.consents import Consent, ConsentStatement, ConsentWithdrawal, DebitConsent, account_commitment
from wallets.errors import WalletError
from wallets.keys import to_text
from wallets.limits import MAX_CONSENT_DAYS, MAX_DAILY_DEBIT_WON, MAX_STATEMENT_BYTES
from wallets.statements import SentenceError, StatementEncodingError, StatementError, StatementSignatureError

SALT: Final = b"s" * 16
OCTOBER: Final = (date(2025, 10, 1) - date(1970, 1, 1)).days
CONSENT: Final = DebitConsent(
    giver=address_of(w.CARD),
    organisation=2,
    organisation_name="한강은행",
    first_day=OCTOBER,
    last_day=OCTOBER + 30,
    account=account_commitment("110-123-456789", SALT),
    daily_limit_won=50_000,
)
DOCUMENT: Final = CONSENT.document(CONSENT.sign(w.CARD, w.CHAIN_ID))
WITHDRAWAL: Final = ConsentWithdrawal.of(CONSENT, w.CHAIN_ID)
WITHDRAWN: Final = WITHDRAWAL.document(WITHDRAWAL.sign(w.CARD, w.CHAIN_ID))

KO: Final = (
    "출금 동의: 한강은행 (기관 2), 내 계좌에서 교통요금을 운행일마다 50,000원까지, 운행일 2025-10-01부터 "
    "2025-10-31까지. 출금이 기록되기 전까지 철회할 수 있고, 이미 탄 요금은 철회해도 갚아야 합니다."
)
EN: Final = (
    "Debit consent: 한강은행 (organisation 2) may debit my account for fares, up to 50,000 won per service day, "
    "service days 2025-10-01 to 2025-10-31. I may withdraw this until a debit is booked; what I have ridden stays owed."
)


# --- what is read and what is signed

SENTENCES: Final = [
    (CONSENT, "ko", KO),
    (CONSENT, "en", EN),
    (WITHDRAWAL, "ko", f"동의 철회: {KO}"),
    (WITHDRAWAL, "en", f"I withdraw this consent: {EN}"),
]


@pytest.mark.parametrize(("statement", "language", "sentence"), SENTENCES)
def test_sentences_as_they_are_read(statement: ConsentStatement, language: str, sentence: str) -> None:
    assert statement.sentence(language) == sentence


def _typed(kind: str, members: list[str], values: list[Any]) -> Any:
    """A message by eth_account's general encoder."""
    named = [dict(zip(("type", "name"), each.split(), strict=True)) for each in members]
    domain = {
        "name": "Dure Consent",
        "version": "1",
        "chainId": w.CHAIN_ID,
        "verifyingContract": to_text(ORGANISATIONS),
    }
    return encode_typed_data(
        domain, {kind: named}, {each["name"]: value for each, value in zip(named, values, strict=True)}
    )


def test_a_consent_is_what_the_general_encoder_signs() -> None:
    message = _typed(
        "DebitConsent",
        [
            "address giver", "uint16 organisation", "string organisationName", "bytes32 account",
            "uint32 dailyLimitWon", "uint16 firstDay", "uint16 lastDay", "string ko", "string en",
        ],
        [to_text(CONSENT.giver), 2, "한강은행", CONSENT.account, 50_000, OCTOBER, OCTOBER + 30, KO, EN],
    )  # fmt: skip
    assert CONSENT.sign(w.CARD, w.CHAIN_ID) == bytes(Account.sign_message(message, w.CARD.secret).signature)


def test_a_withdrawal_is_what_the_general_encoder_signs() -> None:
    message = _typed(
        "ConsentWithdrawal",
        ["address withdrawnBy", "uint16 organisation", "bytes32 consent", "string ko", "string en"],
        [
            to_text(CONSENT.giver), 2, CONSENT.digest(w.CHAIN_ID), f"동의 철회: {KO}",
            f"I withdraw this consent: {EN}",
        ],
    )  # fmt: skip
    assert WITHDRAWAL.sign(w.CARD, w.CHAIN_ID) == bytes(Account.sign_message(message, w.CARD.secret).signature)


def test_documents_come_back_and_show_their_sentences() -> None:
    assert DebitConsent.verified(DOCUMENT, w.CHAIN_ID) == CONSENT
    assert ConsentWithdrawal.verified(WITHDRAWN, CONSENT, w.CHAIN_ID) == WITHDRAWAL
    shown = json.loads(DOCUMENT)
    assert (shown["ko"], shown["en"], shown["dailyLimitWon"]) == (KO, EN, 50_000)


def test_nothing_of_the_account_is_readable() -> None:
    assert CONSENT.account == sha256(SALT + b"110-123-456789")
    assert account_commitment("110-123-456789", b"t" * 16) != CONSENT.account
    assert b"456789" not in DOCUMENT
    assert SALT not in DOCUMENT
    with pytest.raises(StatementError):
        account_commitment("110-123-456789", SALT[1:])


def test_another_wallet_may_withdraw_where_the_organisation_knows_it() -> None:
    other = ConsentWithdrawal.of(CONSENT, w.CHAIN_ID, address_of(w.STRANGER))
    document = other.document(other.sign(w.STRANGER, w.CHAIN_ID))
    assert ConsentWithdrawal.verified(document, CONSENT, w.CHAIN_ID).signer == address_of(w.STRANGER)


# --- what must not pass


@pytest.mark.parametrize(
    "changes",
    [
        {"giver": b""}, {"giver": bytes(20)}, {"giver": b"g" * 21}, {"organisation": 0}, {"organisation": 1 << 16},
        {"organisation_name": ""}, {"organisation_name": "x" * 65}, {"organisation_name": "a\nb"},
        {"organisation_name": "a\u202eb"}, {"organisation_name": "\u1112\u1161\u11ab"}, {"first_day": -1},
        {"last_day": OCTOBER - 1}, {"last_day": 1 << 16}, {"last_day": OCTOBER + MAX_CONSENT_DAYS},
        {"account": b"a" * 31}, {"daily_limit_won": 0}, {"daily_limit_won": -1},
        {"daily_limit_won": MAX_DAILY_DEBIT_WON + 1},
    ],
)  # fmt: skip
def test_must_fail_consents(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError):
        replace(CONSENT, **changes)


def test_a_wallet_signs_its_own_word_alone() -> None:
    for statement in (CONSENT, WITHDRAWAL):
        with pytest.raises(StatementSignatureError):
            statement.sign(w.STRANGER, w.CHAIN_ID)


def _changed(**changes: Any) -> bytes:
    """The document with other values, signed as it was; None takes a key away."""
    body = json.loads(DOCUMENT) | changes
    return rfc8785.dumps({key: value for key, value in body.items() if value is not None})


def _signed_by(key: Any, made: Consent = CONSENT) -> bytes:
    assert isinstance(made, DebitConsent)
    return made.document(sign(made.digest(w.CHAIN_ID), key))


def _spoken(**sentences: str) -> bytes:
    """A document whose wallet honestly signed other sentences beside the same values."""

    class Spoken(DebitConsent):
        def sentence(self, language: str) -> str:
            return sentences.get(language) or DebitConsent.sentence(self, language)

    made = Spoken(*(getattr(CONSENT, each.name) for each in fields(CONSENT)))
    return made.document(made.sign(w.CARD, w.CHAIN_ID))


def _high_s() -> bytes:
    signature = CONSENT.sign(w.CARD, w.CHAIN_ID)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(signature[32:64], "big")
    return CONSENT.document(signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],)))


ENCODING, SENTENCE, SIGNATURE = StatementEncodingError, SentenceError, StatementSignatureError
MUST_FAIL: dict[str, tuple[type[WalletError], Callable[[], bytes]]] = {
    "signed by another wallet": (SIGNATURE, lambda: _signed_by(w.STRANGER)),
    "an overwritten giver": (SIGNATURE, lambda: _changed(giver=to_text(address_of(w.STRANGER)))),
    "a high s": (SIGNATURE, _high_s),
    "a signature of zeros": (SIGNATURE, lambda: CONSENT.document(bytes(65))),
    "another chain's": (SIGNATURE, lambda: CONSENT.document(CONSENT.sign(w.CARD, w.CHAIN_ID + 1))),
    "an overwritten commitment": (SIGNATURE, lambda: _changed(account="0x" + "ab" * 32)),
    "a raised limit": (SENTENCE, lambda: _changed(dailyLimitWon=60_000)),
    "a longer time": (SENTENCE, lambda: _changed(lastDay=OCTOBER + 31)),
    "another bank": (SENTENCE, lambda: _changed(organisation=3)),
    "another name": (SENTENCE, lambda: _changed(organisationName="남산은행")),
    "a changed sentence": (SENTENCE, lambda: _changed(ko=KO.replace("50,000", "5,000"))),
    "a signed sentence that says less": (SENTENCE, lambda: _spoken(ko=KO.replace("50,000", "5,000"))),
    "a signed sentence that says less in English": (SENTENCE, lambda: _spoken(en=EN.replace("50,000", "5,000"))),
    "a limit that no consent has": (StatementError, lambda: _changed(dailyLimitWon=MAX_DAILY_DEBIT_WON + 1)),
    "days in the wrong order": (StatementError, lambda: _changed(lastDay=OCTOBER - 1)),
    "another kind": (ENCODING, lambda: WITHDRAWN),
    "a kind of its own": (ENCODING, lambda: _changed(kind="HealthConsent")),
    "a kind that is no text": (ENCODING, lambda: _changed(kind=["DebitConsent"])),
    "a key too few": (ENCODING, lambda: _changed(en=None)),
    "a key too many": (ENCODING, lambda: _changed(note="")),
    "a number as text": (ENCODING, lambda: _changed(dailyLimitWon="50000")),
    "a truth for a number": (ENCODING, lambda: _changed(organisation=True)),
    "a number that does not fit": (ENCODING, lambda: _changed(firstDay=1 << 16)),
    "a negative number": (ENCODING, lambda: _changed(dailyLimitWon=-1)),
    "a number for text": (ENCODING, lambda: _changed(ko=5)),
    "text not in normal form": (ENCODING, lambda: _changed(ko="\u1112\u1161\u11ab")),
    "a line break": (ENCODING, lambda: _changed(en="a\nb")),
    "an address without its checksum": (ENCODING, lambda: _changed(giver=to_text(CONSENT.giver).lower())),
    "a short address": (ENCODING, lambda: _changed(giver="0x12")),
    "a short commitment": (ENCODING, lambda: _changed(account="0x12")),
    "a commitment in capitals": (ENCODING, lambda: _changed(account="0x" + "AB" * 32)),
    "a commitment with spaces": (ENCODING, lambda: _changed(account="0x" + "ab " * 32)),
    "a short signature": (ENCODING, lambda: _changed(signature="0x" + "12" * 64)),
    "a signature that is no text": (ENCODING, lambda: _changed(signature=7)),
    "spaces": (ENCODING, lambda: DOCUMENT.replace(b'":"', b'": "', 1)),
    "a float": (ENCODING, lambda: DOCUMENT.replace(b"50000", b"5e4")),
    "a key twice": (ENCODING, lambda: DOCUMENT.replace(b"{", b'{"ko":"",', 1)),
    "a lone surrogate": (ENCODING, lambda: DOCUMENT.replace("한강은행".encode(), b"\\ud800", 1)),
    "not UTF-8": (ENCODING, lambda: DOCUMENT.replace("한".encode(), b"\xff", 1)),
    "cut short": (ENCODING, lambda: DOCUMENT[:-1]),
    "nothing": (ENCODING, lambda: b""),
    "a list": (ENCODING, lambda: b"[]"),
    "nested too deep": (ENCODING, lambda: b"[" * MAX_STATEMENT_BYTES),
    "too long": (ENCODING, lambda: b" " * (MAX_STATEMENT_BYTES + 1)),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail_documents(fault: str) -> None:
    error, document = MUST_FAIL[fault]
    with pytest.raises(error) as caught:
        DebitConsent.verified(document(), w.CHAIN_ID)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("error", "document"),
    [
        (SentenceError, lambda: WITHDRAWN.replace(CONSENT.digest(w.CHAIN_ID).hex().encode(), b"ab" * 32)),
        (SentenceError, lambda: WITHDRAWN.replace("50,000원".encode(), "5,000원".encode())),
        (StatementSignatureError, lambda: WITHDRAWAL.document(sign(WITHDRAWAL.digest(w.CHAIN_ID), w.STRANGER))),
        (StatementSignatureError, lambda: WITHDRAWAL.document(CONSENT.sign(w.CARD, w.CHAIN_ID))),
        (StatementEncodingError, lambda: DOCUMENT),
    ],
    ids=["another consent", "a changed sentence", "another wallet", "the consent's signature", "the consent"],
)
def test_must_fail_withdrawals(error: type[WalletError], document: Callable[[], bytes]) -> None:
    with pytest.raises(error):
        ConsentWithdrawal.verified(document(), CONSENT, w.CHAIN_ID)


def test_a_withdrawal_of_one_consent_does_not_serve_for_another() -> None:
    with pytest.raises(SentenceError):
        ConsentWithdrawal.verified(WITHDRAWN, replace(CONSENT, daily_limit_won=40_000), w.CHAIN_ID)


# --- whatever is signed

names = st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=64).filter(
    lambda text: text.isprintable()
)


@st.composite
def consents(draw: st.DrawFn) -> DebitConsent:
    first = draw(st.integers(0, (1 << 16) - 1))
    last = draw(st.integers(first, min(first + MAX_CONSENT_DAYS, 1 << 16) - 1))
    changes: dict[str, Any] = {
        "organisation": draw(st.integers(1, (1 << 16) - 1)),
        "account": draw(st.binary(min_size=32, max_size=32)),
        "daily_limit_won": draw(st.integers(1, MAX_DAILY_DEBIT_WON)),
    }
    name = draw(names)
    try:
        return replace(CONSENT, organisation_name=name, first_day=first, last_day=last, **changes)
    except StatementError:  # the name changes in normal form C
        return replace(CONSENT, first_day=first, last_day=last, **changes)


@given(consents(), consents())
def test_every_consent_comes_back_and_no_two_are_signed_alike(one: DebitConsent, other: DebitConsent) -> None:
    document = one.document(one.sign(w.CARD, w.CHAIN_ID))
    assert DebitConsent.verified(document, w.CHAIN_ID) == one
    assert (one.digest(w.CHAIN_ID) == other.digest(w.CHAIN_ID)) == (one == other)


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_no_byte_of_a_document_can_be_changed(place: int, flip: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[place] ^= flip
    with pytest.raises(WalletError):
        DebitConsent.verified(bytes(changed), w.CHAIN_ID)
