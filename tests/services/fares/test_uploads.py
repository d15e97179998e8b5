"""Uploads taken in: what is refused, by which name, and that it hurts nothing else (money.md §2; fares.md §11)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from contracts.addresses import FARES
from contracts.codes import RiderClass
from contracts.messages import ReaderCertificate
from contracts.signatures import address_of, sign
from services.database import open_database
from services.days import day_end
from services.fares.denylist import Reason
from services.fares.errors import HeadSignatureError, MalformedError
from services.fares.intake import Acknowledgement, ingest
from services.fares.tables import Certificate, ChainEntry, Clone, Denied, Refusal, Tap
from services.fares.tap_journeys import check_tap
from services.fares.uploads import (
    FIRST_LINK,
    ReaderHead,
    encode_certificate,
    encode_entry,
    encode_upload,
    link,
)
from tests.services.fares.world import (
    BUS,
    CHAIN_ID,
    DAY,
    METRO,
    MORNING,
    OPERATORS,
    Card,
    City,
    card_certificate,
    key,
    make_card,
)
from wallets.errors import OperatorError
from wallets.presentation import SignedTap
from wallets.taps import context, place_of

LATER = MORNING + 7_200


def take(engine: Engine, city: City, data: bytes, now: int = LATER) -> Acknowledgement:
    return ingest(engine, data, city.directory, now, check_tap)


def upload_of(city: City, name: str) -> bytes:
    data = city.readers[name].upload()
    assert data is not None
    return data


def rows(engine: Engine, model: Any) -> list[Any]:
    with Session(engine) as session:
        return list(session.exec(select(model)).all())


def codes(engine: Engine) -> list[str]:
    return [row.code for row in rows(engine, Refusal)]


def forge(
    city: City,
    signed: list[tuple[SignedTap, Card]],
    *,
    reader: str = "시청:2호선",
    first_index: int = 0,
    before: bytes = FIRST_LINK,
    signer: str | None = None,
    breaks: bool = False,
) -> bytes:
    """An upload by the reader's own key over these taps, whatever they say."""
    one = key(f"reader {reader}")
    address, lines, at = address_of(one), [], before
    for index, (tap, _) in enumerate(signed, first_index):
        lines.append(encode_entry(index, at, tap))
        at = link(address, index, at, tap.state.digest(CHAIN_ID, FARES), tap.card_signature)
    head = ReaderHead(address, first_index + len(lines), bytes(32) if breaks else at)
    certificates = {
        tap.offer.reader_certificate.reader: encode_certificate(
            tap.offer.reader_certificate, tap.offer.operator_signature
        )
        for tap, _ in signed
    }
    return encode_upload(
        head=head,
        first_index=first_index,
        head_signature=sign(head.digest(CHAIN_ID, FARES), key(signer) if signer else one),
        readers=certificates.values(),
        cards={
            card.address: encode_certificate(card.certificate, card.guarantor_signature) for _, card in signed
        }.values(),
        lines=lines,
    )


def altered(tap: SignedTap, card: Card, reader: str = "시청:2호선", **changes: Any) -> SignedTap:
    """The tap with other sums or times, signed anew by its reader and its card: both are in it together."""
    in_tap = {name: changes.pop(name) for name in list(changes) if name in ("rider_class", "tariff", "stop", "time")}
    journey = changes.pop("journey", None)
    body = replace(tap.tap, **in_tap)
    if journey:
        body = replace(body, journey=replace(body.journey, **journey))
    address = tap.offer.reader_certificate.reader
    state = replace(
        tap.state, context=context(address, tap.previous_digest, tap.offer.salt, body.canonical()), **changes
    )
    digest = state.digest(CHAIN_ID, FARES)
    offer = replace(tap.offer, state=state, tap=body, reader_signature=sign(digest, key(f"reader {reader}")))
    return SignedTap(offer, tap.previous_digest, sign(digest, card.key))


@pytest.fixture
def tapped(city: City) -> tuple[SignedTap, Card]:
    card = make_card("rider")
    return city.tap_in(card, city.metro("시청", "2호선"), MORNING), card


# --- what is taken


def test_taps_are_stored_once_acknowledged_and_survive_a_restart(engine: Engine, city: City) -> None:
    for number in range(5):
        city.ride(make_card(str(number)), MORNING + number)
    answers = [take(engine, city, upload_of(city, name)) for name in list(city.readers)]
    assert [answer.taken for answer in answers] == [5, 5]
    engine.dispose()
    again = open_database(engine.url.render_as_string(hide_password=False))
    assert len(rows(again, Tap)) == 10
    assert len(rows(again, Certificate)) == 5
    again.dispose()


def test_the_same_upload_again_changes_nothing(engine: Engine, city: City) -> None:
    city.ride(make_card("a"), MORNING)
    data = upload_of(city, "시청:2호선")
    assert take(engine, city, data).taken == 1
    second = take(engine, city, data)
    assert (second.taken, second.repeated, second.refused) == (0, 1, ())
    assert (len(rows(engine, Tap)), len(rows(engine, ChainEntry)), rows(engine, Refusal)) == (1, 1, [])


def test_uploads_arrive_in_any_order(engine: Engine, city: City) -> None:
    reader = city.metro("시청", "2호선")
    parts = []
    for number in range(4):
        city.tap_in(make_card(str(number)), reader, MORNING + number)
    for start in range(4):
        parts.append(reader.upload(1))
        reader.acknowledge(start + 1)
    for data in reversed(parts):
        assert data is not None
        assert take(engine, city, data).taken == 1
    assert codes(engine) == []


def test_a_tap_from_a_reader_that_was_offline_for_26_hours_is_taken(engine: Engine, city: City) -> None:
    city.ride(make_card("a"), MORNING)
    assert take(engine, city, upload_of(city, "강남:2호선"), MORNING + 26 * 3_600).taken == 1


def test_an_unfinished_tap_is_completed_free_by_a_reader_of_the_station(engine: Engine, city: City) -> None:
    card, gate = make_card("a"), city.metro("시청", "2호선")
    card.accept(gate.offer(card.show(), "IN", MORNING))  # the signature never arrives
    done = gate.resume(card.show(), MORNING + 30)
    assert done is not None
    assert done.state.seq == 1
    assert gate.resume(card.show(), MORNING + 31) is None  # once
    assert take(engine, city, upload_of(city, "시청:2호선")).taken == 1


def test_a_clock_90_seconds_ahead_is_taken_and_one_of_91_is_not(
    engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    data = forge(city, [tapped])
    assert take(engine, city, data, MORNING - 91).refused == ((0, "FARE-304"),)
    assert take(engine, city, data, MORNING - 90).taken == 1


def test_a_journey_over_04_00_stays_in_the_day_of_its_first_tap_on(city: City) -> None:
    card, start = make_card("a"), day_end(DAY) - 600
    city.denylist.issued_at = start
    assert city.tap_in(card, city.metro("시청", "2호선"), start).state.service_day == DAY
    assert city.tap_out(card, city.metro("강남", "2호선"), start + 1_200).state.service_day == DAY
    joined = city.tap_in(card, city.bus("143"), start + 1_500, "강남역").state
    assert joined.service_day == DAY
    fresh = city.tap_in(card, city.metro("강남", "2호선"), start + 20_000).state
    assert (fresh.service_day, fresh.day_start_cum_won) == (DAY + 1, joined.cum_won)


# --- what is refused

Change = Callable[[SignedTap, Card], SignedTap]
MUST_FAIL: dict[str, tuple[str, Change]] = {
    "card signature of another key": (
        "WALLET-111",
        lambda tap, _: replace(tap, card_signature=sign(tap.state.digest(CHAIN_ID, FARES), key("thief"))),
    ),
    "card signature of zeros": ("WALLET-111", lambda tap, _: replace(tap, card_signature=bytes(65))),
    "reader signature of another key": (
        "WALLET-107",
        lambda tap, _: replace(
            tap, offer=replace(tap.offer, reader_signature=sign(tap.state.digest(CHAIN_ID, FARES), key("thief")))
        ),
    ),
    "salt exchanged": ("WALLET-108", lambda tap, _: replace(tap, offer=replace(tap.offer, salt=bytes(16)))),
    "another predecessor": ("WALLET-108", lambda tap, _: replace(tap, previous_digest=b"\1" * 32)),
    "tap exchanged": (
        "WALLET-108",
        lambda tap, _: replace(tap, offer=replace(tap.offer, tap=replace(tap.tap, tariff="SEOUL-2023-10-07"))),
    ),
    "class of another rider": ("WALLET-109", lambda tap, card: altered(tap, card, rider_class=RiderClass.CHILD)),
    "time unlike the state's": ("WALLET-109", lambda tap, card: altered(tap, card, tap_time=MORNING + 1)),
    "station of another reader": ("WALLET-110", lambda tap, card: altered(tap, card, stop="강남")),
    "tariff of another date": ("FARE-308", lambda tap, card: altered(tap, card, tariff="SEOUL-2023-10-07")),
    "charge above the sum": ("FARE-309", lambda tap, card: altered(tap, card, charge_won=2_000)),
    "sum above the charge of a first tap": ("FARE-309", lambda tap, card: altered(tap, card, cum_won=9_000)),
    "own part above the sum": ("FARE-309", lambda tap, card: altered(tap, card, cum_own_won=99_000)),
    "a huge sum": ("FARE-309", lambda tap, card: altered(tap, card, cum_won=1 << 41, charge_won=1_550)),
    "day's start above the sum": ("FARE-309", lambda tap, card: altered(tap, card, day_start_cum_won=5_000)),
    "sequence number 0": ("FARE-309", lambda tap, card: altered(tap, card, seq=0)),
    "a first state with seq 2": ("FARE-309", lambda tap, card: altered(tap, card, seq=2)),
    "service day of tomorrow": ("FARE-309", lambda tap, card: altered(tap, card, service_day=DAY + 1)),
    "journey that begins later": (
        "FARE-309",
        lambda tap, card: altered(tap, card, journey={"first_seq": 2}),
    ),
    "a month that is not the card's": ("WALLET-102", lambda tap, card: altered(tap, card, service_day=DAY + 31)),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_a_bad_tap_is_refused_by_name_and_hurts_no_other(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card], fault: str
) -> None:
    code, change = MUST_FAIL[fault]
    tap, card = tapped
    others = [make_card("before"), make_card("after")]
    good = [(city.tap_in(one, city.metro("시청", "2호선"), MORNING + 1), one) for one in others]
    answer = take(sqlite_engine, city, forge(city, [good[0], (change(tap, card), card), good[1]]))
    assert answer.refused == ((1, code),)
    assert answer.taken == 2
    [kept] = rows(sqlite_engine, Refusal)
    assert (kept.code, kept.position) == (code, 1)
    assert b"card_signature" in kept.body
    assert {row.card for row in rows(sqlite_engine, Tap)} == {one.address for one in others}


def test_a_card_without_its_certificate_is_refused(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    data = forge(city, [tapped]).split(b"\n")
    head = json.loads(data[0]) | {"cards": []}
    data[0] = json.dumps(head, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    assert take(sqlite_engine, city, b"\n".join(data)).refused == ((0, "FARE-303"),)


def test_a_card_of_an_unknown_guarantor_is_refused(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    tap, card = tapped
    _, signature = card_certificate(card.address, signer=key("nobody"))
    assert take(sqlite_engine, city, forge(city, [(tap, replace(card, guarantor_signature=signature))])).refused == (
        (0, "WALLET-101"),
    )


def test_a_tap_of_90_days_ago_is_refused(sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]) -> None:
    assert take(sqlite_engine, city, forge(city, [tapped]), MORNING + 90 * 86_400 + 1).refused == ((0, "FARE-305"),)


def test_an_expired_reader_is_refused(sqlite_engine: Engine, city: City) -> None:
    card = make_card("a")
    signed = city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    old = replace(signed.offer.reader_certificate, valid_to=MORNING - 1)
    offer = replace(
        signed.offer, reader_certificate=old, operator_signature=sign(old.digest(CHAIN_ID, FARES), OPERATORS[METRO])
    )
    assert take(sqlite_engine, city, forge(city, [(replace(signed, offer=offer), card)])).refused == (
        (0, "WALLET-106"),
    )


def test_a_reader_completes_no_offer_of_another_station(sqlite_engine: Engine, city: City) -> None:
    card = make_card("a")
    own = city.tap_in(make_card("own"), city.metro("시청", "2호선"), MORNING)
    foreign = city.tap_in(card, city.metro("강남", "2호선"), MORNING)
    answer = take(sqlite_engine, city, forge(city, [(own, make_card("own")), (foreign, card)]))
    assert answer.refused == ((1, "FARE-310"),)


def test_an_unknown_reader_is_refused_whole_and_kept(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    tap, card = tapped
    certificate: ReaderCertificate = tap.offer.reader_certificate
    offer = replace(tap.offer, operator_signature=sign(certificate.digest(CHAIN_ID, FARES), OPERATORS[BUS]))
    with pytest.raises(OperatorError):
        take(sqlite_engine, city, forge(city, [(replace(tap, offer=offer), card)]))
    assert codes(sqlite_engine) == ["WALLET-104"]


def test_a_head_signed_by_somebody_else_is_refused_and_kept(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    with pytest.raises(HeadSignatureError):
        take(sqlite_engine, city, forge(city, [tapped], signer="thief"))
    assert codes(sqlite_engine) == ["FARE-302"]


def test_a_history_other_than_the_one_uploaded_before_is_refused(
    sqlite_engine: Engine, city: City, tapped: tuple[SignedTap, Card]
) -> None:
    other = make_card("other")
    second = city.tap_in(other, city.metro("시청", "2호선"), MORNING + 5)
    assert take(sqlite_engine, city, forge(city, [tapped])).taken == 1
    answer = take(sqlite_engine, city, forge(city, [(second, other)]))
    assert answer.refused == ((0, "FARE-306"),)
    assert len(rows(sqlite_engine, Tap)) == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b'{"index":1.0}',
        b'{"index":NaN}',
        b"[" * 3_000,
        b"null",
        b'{"index":1,"index":1}',
        b'{"index": 1}',
        b"9" * 4_000,
        b"{" + b" " * 5_000 + b"}",
        b'{"index":-1}',
        b'{"tap":"\\ud800"}',
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_line_that_is_no_entry_costs_one_tap_until_it_comes_again(
    sqlite_engine: Engine, city: City, line: bytes
) -> None:
    reader = city.metro("시청", "2호선")
    for number in range(3):
        city.tap_in(make_card(str(number)), reader, MORNING + number)
    data = upload_of(city, "시청:2호선")
    torn = data.split(b"\n")
    torn[2] = line
    answer = take(sqlite_engine, city, b"\n".join(torn))
    assert (answer.taken, answer.refused, answer.next_index) == (2, ((1, "FARE-301"),), 1)
    healed = take(sqlite_engine, city, data)
    assert (healed.taken, healed.repeated, healed.next_index) == (1, 2, 3)
    assert len(rows(sqlite_engine, Tap)) == 3


def test_a_torn_upload_keeps_what_arrived(sqlite_engine: Engine, city: City) -> None:
    reader = city.metro("시청", "2호선")
    for number in range(3):
        city.tap_in(make_card(str(number)), reader, MORNING + number)
    data = upload_of(city, "시청:2호선")
    answer = take(sqlite_engine, city, data[: len(data) - 200])
    assert (answer.taken, answer.next_index) == (2, 2)


@pytest.mark.parametrize("data", [b"", b"\n", b"{}", b"\xff", b"[]", b"x" * 100, b"[" * 100_000])
def test_bytes_that_are_no_upload_are_kept_and_named(sqlite_engine: Engine, city: City, data: bytes) -> None:
    with pytest.raises(MalformedError):
        take(sqlite_engine, city, data)
    assert codes(sqlite_engine) == ["FARE-301"]


def test_two_states_for_one_number_prove_a_clone_and_deny_it(engine: Engine, city: City) -> None:
    card = make_card("cloned")
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    twin = replace(card, history=[])
    city.tap_in(twin, city.metro("강남", "2호선"), MORNING + 60)
    for name in list(city.readers):
        assert take(engine, city, upload_of(city, name)).taken == 1  # facts, both of them
    [clone] = rows(engine, Clone)
    assert (clone.card, clone.seq) == (card.address, 1)
    assert clone.first_digest != clone.second_digest
    [denied] = rows(engine, Denied)
    assert (denied.card, denied.reason) == (card.address, Reason.FRAUD)


def test_place_of_is_what_the_certificate_names(city: City) -> None:
    assert city.metro("시청", "2호선").certificate.place == place_of("", "시청", "2호선")
