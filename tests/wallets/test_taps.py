"""Taps on the wire: canonical bytes only, every other form refused by name; what a card shows, step by step."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unicodedata import normalize

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.codes import Mode, RiderClass
from contracts.signatures import address_of, sign
from tests.wallets import world as w
from wallets import errors as e
from wallets.presentation import Presentation, SignedTap, verify_presentation
from wallets.taps import JourneyState, Tap, service_day, service_day_end

_UINT32 = (1 << 32) - 1
names = st.text(st.characters(categories=["L", "N", "P"], codec="utf-8"), max_size=20).map(
    lambda text: normalize("NFC", text)
)
journeys = st.builds(
    JourneyState,
    first_seq=st.integers(0, _UINT32),
    first_time=st.integers(0, _UINT32),
    legs=st.integers(0, 16),
    max_base_won=st.integers(0, 100_000),
    taken_won=st.integers(0, 1_600_000),
    metres=st.integers(0, 2_000_000),
    last_off_time=st.integers(0, _UINT32),
    last_route=names,
    exit=names,
    reentry_used=st.booleans(),
    express=st.booleans(),
    pending_won=st.integers(0, 100_000),
)
taps = st.builds(
    Tap,
    kind=st.sampled_from(["IN", "OUT"]),
    mode=st.sampled_from(Mode),
    operator=st.integers(0, 65_535),
    route=names,
    stop=names,
    line=names,
    time=st.integers(0, _UINT32),
    rider_class=st.sampled_from(RiderClass),
    tariff=names,
    journey=journeys,
)


@given(taps)
def test_a_tap_comes_back_and_its_bytes_are_rfc8785(tap: Tap) -> None:
    data = tap.canonical()
    assert Tap.from_canonical(data) == tap
    assert rfc8785.dumps(json.loads(data)) == data


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with pytest.raises(e.TapError):
        Tap.from_canonical(data)


@given(taps, st.data())
def test_a_changed_byte_is_another_tap_or_refused(tap: Tap, data: st.DataObject) -> None:
    whole = bytearray(tap.canonical())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    try:
        found = Tap.from_canonical(bytes(whole))
    except e.TapError:
        return
    assert found != tap


def _document(path: str = "", value: Any = None, drop: str = "") -> bytes:
    document = json.loads(w.offer().tap.canonical())
    target = document
    if path:
        *way, last = path.split(".")
        for step in way:
            target = target[step]
        target[last] = value
    if drop:
        *way, last = drop.split(".")
        for step in way:
            target = target[step]
        del target[last]
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


_GOOD = _document()
_MUST_FAIL: dict[str, tuple[type[e.TapError], bytes]] = {
    "empty": (e.TapEncodingError, b""),
    "too-long": (e.TapTooLongError, b" " * 2_049),
    "utf8-broken": (e.TapEncodingError, _GOOD.replace("시".encode(), b"\xec\x8b")),
    "utf8-surrogate": (e.TapEncodingError, _document("stop", "\ud800")),
    "utf16": (e.TapEncodingError, _GOOD.decode().encode("utf-16")),
    "bom": (e.TapEncodingError, b"\xef\xbb\xbf" + _GOOD),
    "json-cut": (e.TapEncodingError, _GOOD[:-1]),
    "json-two": (e.TapEncodingError, _GOOD + _GOOD),
    "json-deep": (e.TapEncodingError, b"[" * 2_000),
    "json-newline": (e.TapEncodingError, _GOOD + b"\n"),
    "json-space": (e.TapEncodingError, _GOOD.replace(b'"IN",', b'"IN", ')),
    "json-escape": (e.TapEncodingError, _GOOD.replace(b'"IN"', b'"\\u0049N"')),
    "json-escaped-surrogate": (e.TapFieldError, _GOOD.replace("시청".encode(), b"\\ud800")),
    "json-key-twice": (e.TapEncodingError, _GOOD.replace(b'"kind":"IN"', b'"kind":"IN","kind":"IN"')),
    "json-nan": (e.TapEncodingError, _document("time", float("nan"))),
    "json-infinity": (e.TapEncodingError, _document("time", float("inf"))),
    "float": (e.TapEncodingError, _document("time", 1760482800.0)),
    "float-exponent": (e.TapEncodingError, _GOOD.replace(b"1760482800", b"1.7604828e9")),
    "list": (e.TapFieldError, b"[]"),
    "number": (e.TapFieldError, b"1"),
    "null": (e.TapFieldError, b"null"),
    "key-missing": (e.TapFieldError, _document(drop="line")),
    "key-extra": (e.TapFieldError, _document("more", 1)),
    "key-journey-missing": (e.TapFieldError, _document(drop="journey.exit")),
    "key-journey-extra": (e.TapFieldError, _document("journey.more", 1)),
    "journey-list": (e.TapFieldError, _document("journey", [])),
    "kind-unknown": (e.TapFieldError, _document("kind", "THROUGH")),
    "kind-number": (e.TapFieldError, _document("kind", 1)),
    "kind-list": (e.TapFieldError, _document("kind", [])),
    "mode-unknown": (e.TapFieldError, _document("mode", "TAXI")),
    "mode-number": (e.TapFieldError, _document("mode", 0)),
    "mode-list": (e.TapFieldError, _document("mode", [])),
    "class-unknown": (e.TapFieldError, _document("class", "SENIOR")),
    "class-null": (e.TapFieldError, _document("class", None)),
    "operator-above": (e.TapFieldError, _document("operator", 65_536)),
    "operator-negative": (e.TapFieldError, _document("operator", -1)),
    "operator-text": (e.TapFieldError, _document("operator", "101")),
    "operator-bool": (e.TapFieldError, _document("operator", True)),
    "time-negative": (e.TapFieldError, _document("time", -1)),
    "time-above": (e.TapFieldError, _document("time", 1 << 32)),
    "time-huge": (e.TapFieldError, _document("time", 10**400)),
    "won-negative": (e.TapFieldError, _document("journey.taken_won", -1)),
    "won-huge": (e.TapFieldError, _document("journey.max_base_won", 100_001)),
    "legs-above": (e.TapFieldError, _document("journey.legs", 17)),
    "metres-above": (e.TapFieldError, _document("journey.metres", 2_000_001)),
    "flag-number": (e.TapFieldError, _document("journey.express", 1)),
    "name-null": (e.TapFieldError, _document("stop", None)),
    "name-long": (e.TapFieldError, _document("stop", "역" * 65)),
    "name-decomposed": (e.TapFieldError, _document("stop", "\u1109\u1175")),
    "name-control": (e.TapFieldError, _document("stop", "a\x1bb")),
    "name-direction": (e.TapFieldError, _document("stop", "a\u202eb")),
}
_MUST_FAIL["json-order"] = (
    e.TapEncodingError,
    json.dumps(dict(reversed(json.loads(_GOOD).items())), separators=(",", ":"), ensure_ascii=False).encode(),
)


@pytest.mark.parametrize("fault", _MUST_FAIL)
def test_must_fail(fault: str) -> None:
    error, data = _MUST_FAIL[fault]
    with pytest.raises(error) as caught:
        Tap.from_canonical(data)
    assert type(caught.value) is error


def test_service_days_roll_at_four() -> None:
    assert service_day(service_day_end(w.DAY) - 1) == w.DAY
    assert service_day(service_day_end(w.DAY)) == w.DAY + 1
    assert w.DAY == 20_376


# --- what a card shows


def _signed(**changes: Any) -> SignedTap:
    made = w.offer(**changes)
    return SignedTap(made, bytes(32), sign(w.digest(made.state), w.CARD))


_PRESENTED: dict[str, tuple[type[e.WalletError], Presentation]] = {
    "guarantor-forged": (e.GuarantorError, Presentation(*w.certificate(w.STRANGER), None)),
    "guarantor-is-operator": (e.GuarantorError, Presentation(*w.certificate(w.OPERATOR_KEY), None)),
    "guarantor-no-signature": (e.GuarantorError, Presentation(w.certificate()[0], b"", None)),
    "certificate-raised": (
        e.GuarantorError,
        Presentation(replace(w.certificate()[0], offline_cap_won=10**6), w.certificate()[1], None),
    ),
    "window": (e.WindowError, Presentation(*w.certificate(first_day=w.DAY + 1), _signed())),
    "other-card": (e.OtherCardError, Presentation(*w.certificate(), _signed(state={"card": address_of(w.READER)}))),
    "operator": (
        e.OperatorError,
        Presentation(*w.certificate(), _signed(reader=w.reader_certificate(signer=w.CARD))),
    ),
    "reader-term": (
        e.ReaderTermError,
        Presentation(*w.certificate(), _signed(reader=w.reader_certificate(valid_to=w.NOW + 10**6))),
    ),
    "reader-expired": (
        e.ReaderExpiredError,
        Presentation(*w.certificate(), _signed(reader=w.reader_certificate(valid_to=w.NOW - 1))),
    ),
    "reader-signature": (e.ReaderSignatureError, Presentation(*w.certificate(), _signed(signer=w.CARD))),
    "context-predecessor": (
        e.ContextError,
        Presentation(*w.certificate(), replace(_signed(), previous_digest=b"p" * 32)),
    ),
    "tap-class": (e.TapMismatchError, Presentation(*w.certificate(rider_class=RiderClass.YOUTH), _signed())),
    "tap-place": (e.PlaceError, Presentation(*w.certificate(), _signed(tap={"stop": "강남"}))),
    "card-signature-of-reader": (
        e.CardSignatureError,
        Presentation(*w.certificate(), replace(_signed(), card_signature=_signed().offer.reader_signature)),
    ),
    "card-signature-missing": (
        e.CardSignatureError,
        Presentation(*w.certificate(), replace(_signed(), card_signature=b"")),
    ),
    "card-signature-high-s": (
        e.CardSignatureError,
        Presentation(*w.certificate(), replace(_signed(), card_signature=b"\1" * 32 + b"\xff" * 32 + b"\x1b")),
    ),
}


@pytest.mark.parametrize("fault", _PRESENTED)
def test_must_fail_presented(fault: str) -> None:
    error, presentation = _PRESENTED[fault]
    with pytest.raises(error) as caught:
        verify_presentation(presentation, w.DIRECTORY)
    assert type(caught.value) is error


def test_a_guarantor_taken_from_the_directory_is_refused_at_once() -> None:
    presentation = Presentation(*w.certificate(), None)
    verify_presentation(presentation, w.DIRECTORY)
    with pytest.raises(e.GuarantorError):
        verify_presentation(presentation, replace(w.DIRECTORY, guarantor_keys=frozenset()))
