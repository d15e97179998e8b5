"""Disputes as cards sign them: worked sentences, the general EIP-712 encoder, and everything that must not pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Final

import pytest
import rfc8785
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from contracts.addresses import FARES
from contracts.signatures import address_of, sign
from tests.wallets import world as w
from wallets.disputes import DisputeCode, FareDispute
from wallets.errors import WalletError
from wallets.keys import to_text
from wallets.limits import MAX_CLAIMED_WON, MAX_STATEMENT_BYTES
from wallets.statements import SentenceError, StatementEncodingError, StatementError, StatementSignatureError

STATE: Final = bytes(range(32))
DISPUTE: Final = FareDispute(
    card=address_of(w.CARD),
    seq=7,
    state=STATE,
    code=DisputeCode.GATE_FAULT,
    claimed_won=1_550,
    opened_at=w.NOW,
)
DOCUMENT: Final = DISPUTE.document(DISPUTE.sign(w.CARD, w.CHAIN_ID))
CARD: Final = to_text(DISPUTE.card)
KO: Final = (
    f"이의 제기 D04(단말기·개찰구 고장): 교통카드 {CARD}의 7번째 태그에서 낸 요금 가운데 1,550원을 돌려주십시오. "
    "제기 시각 2025-10-15 08:00:00 KST."
)
EN: Final = (
    f"Dispute D04 (gate or reader fault): of what tap 7 of transit card {CARD} was charged, 1,550 won is to come back "
    "to me. Opened 2025-10-15 08:00:00 KST."
)


def test_sentences_as_they_are_read() -> None:
    assert (DISPUTE.sentence("ko"), DISPUTE.sentence("en")) == (KO, EN)
    shown = json.loads(DOCUMENT)
    assert (shown["ko"], shown["en"], shown["code"], shown["claimedWon"]) == (KO, EN, "D04", 1_550)


@pytest.mark.parametrize("code", sorted(set(DisputeCode) - {DisputeCode.OPERATOR_SPLIT}))
def test_every_code_of_a_rider_has_its_own_words(code: DisputeCode) -> None:
    made = replace(DISPUTE, code=code)
    others = [replace(DISPUTE, code=other) for other in DisputeCode if other not in (code, DisputeCode.OPERATOR_SPLIT)]
    for language in ("ko", "en"):
        assert code.value in made.sentence(language)
        words = made.sentence(language).replace(code.value, "")
        assert words not in [other.sentence(language).replace(other.code.value, "") for other in others]
    document = made.document(made.sign(w.CARD, w.CHAIN_ID))
    assert len(document) < MAX_STATEMENT_BYTES / 2
    assert FareDispute.verified(document, w.CHAIN_ID) == made


def test_a_dispute_is_what_the_general_encoder_signs() -> None:
    members = [
        "address card", "uint32 seq", "bytes32 state", "string code", "uint32 claimedWon", "uint32 openedAt",
        "string ko", "string en",
    ]  # fmt: skip
    named = [dict(zip(("type", "name"), each.split(), strict=True)) for each in members]
    values = [CARD, 7, STATE, "D04", 1_550, w.NOW, KO, EN]
    domain = {"name": "Dure Fares", "version": "1", "chainId": w.CHAIN_ID, "verifyingContract": to_text(FARES)}
    message = encode_typed_data(
        domain, {"FareDispute": named}, {each["name"]: value for each, value in zip(named, values, strict=True)}
    )
    assert DISPUTE.sign(w.CARD, w.CHAIN_ID) == bytes(Account.sign_message(message, w.CARD.secret).signature)


# --- what must not pass


@pytest.mark.parametrize(
    "changes",
    [
        {"card": b""}, {"card": b"c" * 21}, {"state": b"s" * 31}, {"state": b""}, {"seq": 0}, {"seq": -1},
        {"seq": 1 << 32}, {"code": DisputeCode.OPERATOR_SPLIT}, {"code": "D00"}, {"claimed_won": 0},
        {"claimed_won": -1}, {"claimed_won": MAX_CLAIMED_WON + 1}, {"claimed_won": 1 << 80}, {"opened_at": -1},
        {"opened_at": 1 << 32},
    ],
)  # fmt: skip
def test_must_fail_disputes(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementError):
        replace(DISPUTE, **changes)


def test_a_card_signs_its_own_disputes_alone() -> None:
    with pytest.raises(StatementSignatureError):
        DISPUTE.sign(w.STRANGER, w.CHAIN_ID)


def _changed(**changes: Any) -> bytes:
    """The document with other values, signed as it was; None takes a key away."""
    body = json.loads(DOCUMENT) | changes
    return rfc8785.dumps({key: value for key, value in body.items() if value is not None})


def _spoken(**sentences: str) -> bytes:
    """A document whose card honestly signed other sentences beside the same values."""

    class Spoken(FareDispute):
        def sentence(self, language: str) -> str:
            return sentences.get(language) or FareDispute.sentence(self, language)

    made = Spoken(*(getattr(DISPUTE, each.name) for each in fields(DISPUTE)))
    return made.document(made.sign(w.CARD, w.CHAIN_ID))


ENCODING, SENTENCE, SIGNATURE = StatementEncodingError, SentenceError, StatementSignatureError
MUST_FAIL: dict[str, tuple[type[WalletError], Callable[[], bytes]]] = {
    "signed by another card": (SIGNATURE, lambda: DISPUTE.document(sign(DISPUTE.digest(w.CHAIN_ID), w.STRANGER))),
    "a signature of zeros": (SIGNATURE, lambda: DISPUTE.document(bytes(65))),
    "another chain's": (SIGNATURE, lambda: DISPUTE.document(DISPUTE.sign(w.CARD, w.CHAIN_ID + 1))),
    "an overwritten state": (SIGNATURE, lambda: _changed(state="0x" + "ab" * 32)),
    "another card": (SENTENCE, lambda: _changed(card=to_text(address_of(w.STRANGER)))),
    "another tap": (SENTENCE, lambda: _changed(seq=8)),
    "a raised claim": (SENTENCE, lambda: _changed(claimedWon=1_551)),
    "another code": (SENTENCE, lambda: _changed(code="D05")),
    "another time": (SENTENCE, lambda: _changed(openedAt=w.NOW + 1)),
    "a signed sentence that claims less": (SENTENCE, lambda: _spoken(ko=KO.replace("1,550", "550"))),
    "a signed sentence that claims less in English": (SENTENCE, lambda: _spoken(en=EN.replace("1,550", "550"))),
    "a split among operators": (StatementError, lambda: _changed(code="D08")),
    "a code that nobody knows": (StatementError, lambda: _changed(code="D09")),
    "a claim of nothing": (StatementError, lambda: _changed(claimedWon=0)),
    "a claim of more than a journey": (StatementError, lambda: _changed(claimedWon=MAX_CLAIMED_WON + 1)),
    "tap number 0": (StatementError, lambda: _changed(seq=0)),
    "a claim that does not fit": (ENCODING, lambda: _changed(claimedWon=1 << 32)),
    "a huge claim": (ENCODING, lambda: _changed(claimedWon=1 << 52)),
    "a negative claim": (ENCODING, lambda: _changed(claimedWon=-1)),
    "another kind": (ENCODING, lambda: _changed(kind="DebitConsent")),
    "a key too few": (ENCODING, lambda: _changed(state=None)),
    "a key too many": (ENCODING, lambda: _changed(rider="나")),
    "a short state": (ENCODING, lambda: _changed(state="0x12")),
    "a number for a code": (ENCODING, lambda: _changed(code=4)),
    "a short signature": (ENCODING, lambda: _changed(signature="0x12")),
    "spaces": (ENCODING, lambda: DOCUMENT.replace(b'":', b'": ', 1)),
    "cut short": (ENCODING, lambda: DOCUMENT[:-1]),
    "nothing": (ENCODING, lambda: b""),
    "too long": (ENCODING, lambda: b" " * (MAX_STATEMENT_BYTES + 1)),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail_documents(fault: str) -> None:
    error, document = MUST_FAIL[fault]
    with pytest.raises(error) as caught:
        FareDispute.verified(document(), w.CHAIN_ID)
    assert type(caught.value) is error


@given(
    st.builds(
        FareDispute,
        card=st.just(DISPUTE.card),
        seq=st.integers(1, (1 << 32) - 1),
        state=st.binary(min_size=32, max_size=32),
        code=st.sampled_from(sorted(set(DisputeCode) - {DisputeCode.OPERATOR_SPLIT})),
        claimed_won=st.integers(1, MAX_CLAIMED_WON),
        opened_at=st.integers(0, (1 << 32) - 1),
    )
)
def test_whatever_is_signed_comes_back(made: FareDispute) -> None:
    assert FareDispute.verified(made.document(made.sign(w.CARD, w.CHAIN_ID)), w.CHAIN_ID) == made


@given(st.integers(0, len(DOCUMENT) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(at: int, letter: int) -> None:
    changed = bytearray(DOCUMENT)
    changed[at] ^= letter
    with pytest.raises(StatementError):
        FareDispute.verified(bytes(changed), w.CHAIN_ID)
