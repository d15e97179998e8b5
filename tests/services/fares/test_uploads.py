"""Uploads read strictly: whatever is not an upload is named, whatever is not an entry costs one entry (money.md §8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.addresses import FARES
from contracts.errors import DureError
from services.fares.clearing import check_head, judge
from services.fares.errors import MalformedError
from services.fares.limits import MAX_LINE_BYTES, MAX_UPLOAD_BYTES, MAX_UPLOAD_ENTRIES
from services.fares.tap_journeys import check_tap
from services.fares.uploads import FIRST_LINK, Entry, ReaderHead, Unreadable, Upload, decode_upload, link
from tests.services.fares.world import CHAIN_ID, MORNING, City, make_card


@pytest.fixture(scope="module")
def upload(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Three taps of three cards at one gate."""
    city = City(tmp_path_factory.mktemp("reader"))
    for number in range(3):
        city.tap_in(make_card(str(number)), city.metro("시청", "2호선"), MORNING + number)
    data = city.metro("시청", "2호선").upload()
    city.store.close()
    assert data is not None
    return data


def canonical(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def parts(data: bytes) -> list[bytes]:
    return data[:-1].split(b"\n")


def in_head(**changes: Any) -> Callable[[bytes], bytes]:
    """The upload with fields of its head replaced; None takes one away."""

    def forge(data: bytes) -> bytes:
        head, *lines = parts(data)
        return b"\n".join([canonical(_changed(json.loads(head), changes)), *lines]) + b"\n"

    return forge


def in_certificate(kind: str, **changes: Any) -> Callable[[bytes], bytes]:
    def forge(data: bytes) -> bytes:
        head, *lines = parts(data)
        value = json.loads(head)
        value[kind][0] = _changed(value[kind][0], changes)
        return b"\n".join([canonical(value), *lines]) + b"\n"

    return forge


def _changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in (value | changes).items() if item is not None}


def raw_head(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def forge(data: bytes) -> bytes:
        head, *lines = parts(data)
        return b"\n".join([change(head), *lines]) + b"\n"

    return forge


HEADS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one-line-feed": lambda _: b"\n",
    "not-utf-8": raw_head(lambda head: head.replace(b"dure-taps", b"\xff\xfe-taps")),
    "byte-order-mark": raw_head(lambda head: b"\xef\xbb\xbf" + head),
    "utf-16": raw_head(lambda head: head.decode().encode("utf-16")),
    "no-json": raw_head(lambda head: head[:-1]),
    "two-texts": raw_head(lambda head: head + b"{}"),
    "a-list": raw_head(lambda head: b"[" + head + b"]"),
    "a-number": raw_head(lambda _: b"7"),
    "null": raw_head(lambda _: b"null"),
    "space-after-a-colon": raw_head(lambda head: head.replace(b":", b": ", 1)),
    "keys-out-of-order": raw_head(lambda head: canonical_reversed(head)),
    "escaped-letter": raw_head(lambda head: head.replace(b"dure", b"\\u0064ure")),
    "key-twice": raw_head(lambda head: head[:-1] + b',"entries":3}'),
    "nesting-bomb": raw_head(lambda _: b"[" * 1_000_000),
    "nesting-bomb-of-objects": raw_head(lambda _: b'{"a":' * 500_000 + b"1" + b"}" * 500_000),
    "nesting-bomb-in-a-field": in_head(readers=json.loads("[" * 50 + "]" * 50)),
    "lone-surrogate": raw_head(lambda head: head.replace(b"dure-taps/1", b"\\ud800")),
    "unknown-key": in_head(more=1),
    "missing-key": in_head(head=None),
    "another-format": in_head(format="dure-taps/2"),
    "format-is-a-number": in_head(format=1),
    "count-is-a-float": raw_head(lambda head: head.replace(b'"entries":3', b'"entries":3.0')),
    "count-with-an-exponent": raw_head(lambda head: head.replace(b'"entries":3', b'"entries":3e0')),
    "count-is-nan": raw_head(lambda head: head.replace(b'"entries":3', b'"entries":NaN')),
    "count-is-infinite": raw_head(lambda head: head.replace(b'"entries":3', b'"entries":-Infinity')),
    "count-is-text": in_head(entries="3"),
    "count-is-true": in_head(entries=True),
    "count-is-negative": in_head(entries=-1),
    "count-beyond-the-bound": in_head(entries=MAX_UPLOAD_ENTRIES + 1),
    "count-of-5000-digits": raw_head(lambda head: head.replace(b'"entries":3', b'"entries":' + b"9" * 5_000)),
    "fewer-announced-than-follow": in_head(entries=2),
    "first-index-is-negative": in_head(first_index=-1),
    "first-index-beyond-safe-integers": in_head(first_index=1 << 53),
    "reader-in-upper-case": in_head(reader="AB" * 20),
    "reader-with-0x": in_head(reader="0x" + "ab" * 20),
    "reader-with-spaces": in_head(reader="ab " * 20),
    "reader-too-short": in_head(reader="ab" * 19),
    "reader-is-a-number": in_head(reader=7),
    "head-too-long": in_head(head="ab" * 33),
    "signature-too-short": in_head(head_signature="ab" * 64),
    "readers-is-an-object": in_head(readers={}),
    "readers-of-text": in_head(readers=["reader"]),
    "readers-null": in_head(readers=[None]),
    "cards-beyond-the-bound": in_head(cards=[0] * (MAX_UPLOAD_ENTRIES + 1)),
    "certificate-with-unknown-key": in_certificate("readers", more=1),
    "certificate-without-its-end": in_certificate("readers", valid_to=None),
    "certificate-time-beyond-its-field": in_certificate("readers", valid_to=1 << 32),
    "certificate-operator-beyond-its-field": in_certificate("readers", operator=1 << 16),
    "certificate-operator-is-true": in_certificate("readers", operator=True),
    "card-certificate-negative": in_certificate("cards", offline_cap_won=-1),
    "card-certificate-huge": in_certificate("cards", offline_cap_won=1 << 60),
    "card-certificate-null": in_certificate("cards", signature=0),
    "more-bytes-than-an-upload-has": lambda data: data + b"x" * MAX_UPLOAD_BYTES,
}


def canonical_reversed(head: bytes) -> bytes:
    value = json.loads(head)
    return json.dumps(dict(reversed(value.items())), ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("fault", HEADS)
def test_an_upload_that_must_fail(upload: bytes, fault: str) -> None:
    forged = HEADS[fault](upload)
    assert forged != upload
    with pytest.raises(MalformedError):
        decode_upload(forged)


# --- one line is damaged: it alone is unreadable


def in_entry(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda line: canonical(_changed(json.loads(line), changes))


def in_state(**changes: Any) -> Callable[[bytes], bytes]:
    def forge(line: bytes) -> bytes:
        value = json.loads(line)
        value["state"] = _changed(value["state"], changes)
        return canonical(value)

    return forge


def in_tap(**changes: Any) -> Callable[[bytes], bytes]:
    def forge(line: bytes) -> bytes:
        value = json.loads(line)
        value["tap"] = canonical(_changed(json.loads(value["tap"]), changes)).decode()
        return canonical(value)

    return forge


def as_tap(change: Callable[[str], str]) -> Callable[[bytes], bytes]:
    return lambda line: canonical(json.loads(line) | {"tap": change(json.loads(line)["tap"])})


LINES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda line: line[:-1],
    "not-utf-8": lambda line: line.replace(b"link", b"\xffink", 1),
    "a-list": lambda line: b"[" + line + b"]",
    "nesting-bomb": lambda _: b"[" * (MAX_LINE_BYTES - 1),
    "too-long": lambda _: b" " * (MAX_LINE_BYTES + 1),
    "key-twice": lambda line: line[:-1] + b',"index":1}',
    "carriage-return": lambda line: line + b"\r",
    "index-of-another-place": in_entry(index=2),
    "index-is-negative": in_entry(index=-1),
    "unknown-key": in_entry(more=1),
    "missing-key": in_entry(salt=None),
    "signer-without-a-certificate": in_entry(signer="ab" * 20),
    "salt-too-short": in_entry(salt="ab" * 15),
    "signature-too-long": in_entry(card_signature="ab" * 66),
    "signature-in-upper-case": in_entry(card_signature="AB" * 65),
    "link-is-a-number": in_entry(link_before=0),
    "state-is-a-list": in_entry(state=[]),
    "state-with-unknown-key": in_state(more=1),
    "state-without-its-sum": in_state(cum_won=None),
    "won-as-a-float": lambda line: line.replace(b'"charge_won":1550', b'"charge_won":1550.0'),
    "won-negative": in_state(charge_won=-1_550),
    "won-huge": in_state(cum_won=1 << 53),
    "won-as-text": in_state(charge_won="1550"),
    "won-is-true": in_state(charge_won=True),
    "won-is-null": lambda line: line.replace(b'"charge_won":1550', b'"charge_won":null'),
    "card-too-short": in_state(card="ab" * 19),
    "tap-is-an-object": in_entry(tap={}),
    "tap-is-no-json": as_tap(lambda tap: tap[:-1]),
    "tap-not-canonical": as_tap(lambda tap: tap.replace(":", ": ", 1)),
    "tap-nesting-bomb": as_tap(lambda _: "[" * 900),
    "tap-lone-surrogate": lambda line: line.replace("시청".encode(), b"\\ud800", 1),
    "tap-key-twice": as_tap(lambda tap: tap[:-1] + ',"time":1}'),
    "tap-time-as-a-float": as_tap(lambda tap: tap.replace(f'"time":{MORNING + 1}', f'"time":{MORNING + 1}.0')),
    "tap-time-negative": in_tap(time=-1),
    "tap-of-an-unknown-mode": in_tap(mode="FERRY"),
    "tap-of-an-unknown-class": in_tap(**{"class": "SENATOR"}),
    "tap-neither-in-nor-out": in_tap(kind="THROUGH"),
    "tap-with-unknown-key": in_tap(more=1),
    "tap-without-its-journey": in_tap(journey=None),
    "tap-operator-beyond-its-field": in_tap(operator=1 << 16),
    "tap-stop-decomposed": in_tap(stop="\u1109\u1175\u110e\u1165\u11bc"),
    "tap-stop-with-a-control-letter": in_tap(stop="시\u0007청"),
    "tap-stop-too-long": in_tap(stop="가" * 400),
}


@pytest.mark.parametrize("fault", LINES)
def test_a_damaged_line_costs_one_entry(upload: bytes, fault: str) -> None:
    lines = parts(upload)
    forged = LINES[fault](lines[2])
    assert forged != lines[2]
    found = decode_upload(b"\n".join([*lines[:2], forged, lines[3]]) + b"\n")
    assert [type(entry) for entry in found.entries] == [Entry, Unreadable, Entry]
    bad = found.entries[1]
    assert isinstance(bad, Unreadable)
    assert (bad.index, bad.raw, type(bad.error)) == (1, forged, MalformedError)
    assert len(bad.error.what) < 400


def test_lines_that_never_came_are_named(upload: bytes) -> None:
    torn = decode_upload(upload[: upload.rindex(b"link_before")])
    assert [type(entry) for entry in torn.entries] == [Entry, Entry, Unreadable]
    head_only = decode_upload(parts(upload)[0])
    assert [type(entry) for entry in head_only.entries] == [Unreadable] * 3
    assert head_only.length == 3


def test_an_upload_comes_back_as_it_was_kept(upload: bytes) -> None:
    found = decode_upload(upload)
    entries = [entry for entry in found.entries if isinstance(entry, Entry)]
    before = FIRST_LINK
    for index, entry in enumerate(entries):
        assert (entry.index, entry.link_before) == (index, before)
        signed = entry.signed
        before = link(found.reader, index, before, signed.state.digest(CHAIN_ID, FARES), signed.card_signature)
    assert (len(entries), before) == (3, found.head)
    ReaderHead(found.reader, found.length, found.head).digest(CHAIN_ID, FARES)


def _faults(found: Upload, city: City) -> list[int]:
    """Places of the stretch that are refused."""
    station = check_head(found, city.directory)
    verdicts = judge(found, station, FIRST_LINK, city.directory, MORNING + 60, check_tap)
    return [verdict.index for verdict in verdicts if verdict.error is not None]


@settings(max_examples=300)
@given(where=st.floats(0, 1, exclude_max=True), letter=st.integers(1, 255))
def test_one_byte_changed_anywhere_is_noticed(upload: bytes, directory_city: City, where: float, letter: int) -> None:
    """The head is refused, or entries are; never is everything taken as if nothing had happened."""
    at = int(where * len(upload))
    forged = upload[:at] + bytes((upload[at] ^ letter,)) + upload[at + 1 :]
    if at == len(upload) - 1 and letter:  # the last line feed only ends the file
        return
    try:
        refused = _faults(decode_upload(forged), directory_city)
    except DureError:
        return
    assert refused


@settings(max_examples=200)
@given(data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_arbitrary_bytes_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_upload(data)


@pytest.fixture(scope="module")
def directory_city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return City(Path(tmp_path_factory.mktemp("directory")))
