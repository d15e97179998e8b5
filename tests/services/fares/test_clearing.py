"""What clearing takes and refuses of readers' chains: stored once, and one bad entry hurts no other (money.md §2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from contracts.codes import Mode, RiderClass
from contracts.errors import DureError
from contracts.signatures import sign
from services.database import reading
from services.fares import errors as f
from services.fares.intake import Acknowledgement, ingest, table
from services.fares.limits import MAX_AGE_S, MAX_SKEW_S
from services.fares.reader import Gate
from services.fares.tables import ChainEntry, Refusal
from services.fares.tables import Tap as TapRow
from services.fares.tap_journeys import check_tap
from services.fares.tariff import TARIFFS
from services.fares.uploads import encode_certificate
from tests.services.fares.chains import Station, digest, next_state, post, tap_at
from tests.services.fares.world import BUS, METRO, MORNING, Card, City, key, make_card
from wallets import errors as w
from wallets.presentation import SignedTap
from wallets.taps import JourneyState, Tap

GATE = Gate(Mode.SUBWAY, METRO, stop="시청", line="2호선")
LATER = MORNING + 3_600
TARIFF = TARIFFS.at(MORNING).id


def entrance(time: int = MORNING, seq: int = 1, **changes: Any) -> Tap:
    """A tap-on at 시청 that begins a journey."""
    tap = Tap(
        "IN", Mode.SUBWAY, METRO, "", "시청", "2호선", time, RiderClass.ADULT, TARIFF, JourneyState(seq, time, 1, 1_550)
    )
    return replace(tap, **changes)


def enter(station: Station, card: Card, time: int = MORNING, **changes: Any) -> SignedTap:
    """A card enters where the reader stands; `changes` replace fields of its state."""
    tap = entrance(time, len(card.history) + 1, stop=station.gate.stop)
    return tap_at(station, card, tap, next_state(card, tap, 1_550, **changes))


def take(engine: Engine, data: bytes, city: City, now: int = LATER) -> Acknowledgement:
    return ingest(engine, data, city.directory, now, check_tap)


def stored(engine: Engine) -> list[tuple[bytes, int]]:
    taps = table(TapRow)
    with reading(engine) as connection:
        return [(card, seq) for card, seq in connection.execute(select(taps.c.card, taps.c.seq).order_by(taps.c.id))]


def count(engine: Engine, model: Any) -> int:
    with reading(engine) as connection:
        return connection.execute(select(func.count()).select_from(table(model))).scalar_one()


def refusals(engine: Engine) -> list[tuple[int, str]]:
    rows = table(Refusal)
    with reading(engine) as connection:
        found = connection.execute(select(rows.c.position, rows.c.code).order_by(rows.c.id))
        return [(position, code) for position, code in found]


def three(start: int = MORNING) -> Station:
    """Three cards at one gate."""
    station = post("시청", GATE, start)
    for number in range(3):
        enter(station, make_card(str(number)), start + number)
    return station


# --- taken once


def test_the_same_upload_any_number_of_times(engine: Engine, city: City) -> None:
    data = three().upload()
    assert take(engine, data, city) == Acknowledgement(3, 3, 0)
    assert take(engine, data, city, LATER + 60) == Acknowledgement(3, 0, 3)
    assert (len(stored(engine)), count(engine, ChainEntry), refusals(engine)) == (3, 3, [])


def test_stretches_that_overlap_and_come_out_of_order(engine: Engine, city: City) -> None:
    station = post("시청", GATE, MORNING)
    for number in range(9):
        enter(station, make_card(str(number)), MORNING + number)
    assert take(engine, station.upload(6, 9), city) == Acknowledgement(9, 3, 0)
    assert take(engine, station.upload(2, 5), city) == Acknowledgement(5, 3, 0)
    assert take(engine, station.upload(0, 9), city) == Acknowledgement(9, 3, 6)
    assert take(engine, station.upload(4, 7), city) == Acknowledgement(7, 0, 3)
    assert len(set(stored(engine))) == len(stored(engine)) == 9


def test_a_real_readers_upload_and_its_acknowledgement(engine: Engine, city: City) -> None:
    cards = [make_card(str(number)) for number in range(5)]
    for number, card in enumerate(cards):
        city.ride(card, MORNING + 10 * number)
    for reader in city.readers.values():
        data = reader.upload(most=3)
        while data is not None:
            answer = take(engine, data, city)
            assert answer.refused == ()
            reader.acknowledge(answer.next_index)
            data = reader.upload(most=3)
    assert sorted(stored(engine)) == sorted((card.address, seq) for card in cards for seq in (1, 2))


def test_a_tap_completed_at_the_next_gate_of_the_station(sqlite_engine: Engine, city: City) -> None:
    """One reader offered, another of the same place wrote it down: taken; of another place: refused."""
    first, second, elsewhere = (post(name, GATE, MORNING) for name in ("gate 1", "gate 2", "gate 3"))
    elsewhere = post("강남", replace(GATE, stop="강남"), MORNING)
    card = make_card("a")
    signed = enter(first, card)
    second.append(signed, card)
    assert take(sqlite_engine, second.upload(), city) == Acknowledgement(1, 1, 0)
    elsewhere.append(signed, card)
    assert take(sqlite_engine, elsewhere.upload(), city).refused == ((0, f.OtherStationError.code),)


# --- one bad entry among good ones


def forged_card_signature(station: Station, card: Card) -> None:
    good = enter(station, card)
    _replace_last(station, card, replace(good, card_signature=sign(digest(good.state), key("thief"))))


def torn_card_signature(station: Station, card: Card) -> None:
    _replace_last(station, card, replace(enter(station, card), card_signature=b"\0" * 65))


def high_s_signature(station: Station, card: Card) -> None:
    """The same signature with s mirrored: valid to ECDSA, refused since a digest has one signature here."""
    good = enter(station, card)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    r, s, v = good.card_signature[:32], int.from_bytes(good.card_signature[32:64], "big"), good.card_signature[64]
    mirrored = r + (order - s).to_bytes(32, "big") + bytes((55 - v,))
    _replace_last(station, card, replace(good, card_signature=mirrored))


def forged_reader_signature(station: Station, card: Card) -> None:
    good = enter(station, card)
    offer = replace(good.offer, reader_signature=sign(digest(good.state), key("thief")))
    _replace_last(station, card, replace(good, offer=offer))


def another_salt(station: Station, card: Card) -> None:
    good = enter(station, card)
    _replace_last(station, card, replace(good, offer=replace(good.offer, salt=b"\1" * 16)))


def another_tap(station: Station, card: Card) -> None:
    good = enter(station, card)
    cheaper = replace(good.tap, rider_class=RiderClass.CHILD)
    _replace_last(station, card, replace(good, offer=replace(good.offer, tap=cheaper)))


def _replace_last(station: Station, card: Card, forged: SignedTap) -> None:
    for made in (station.taps, station.lines, station.links):
        made.pop()
    station.append(forged, card)


def tapped(**changes: Any) -> Callable[[Station, Card], None]:
    """Both sign a tap with these fields."""

    def act(station: Station, card: Card) -> None:
        tap = entrance(**changes)
        tap_at(station, card, tap, next_state(card, tap, 1_550))

    return act


def stated(**changes: Any) -> Callable[[Station, Card], None]:
    """Both sign a state with these fields."""

    def act(station: Station, card: Card) -> None:
        enter(station, card, **changes)

    return act


def late_by(seconds: int) -> Callable[[Station, Card], None]:
    return lambda station, card: _at(station, card, LATER - seconds)


def _at(station: Station, card: Card, time: int) -> None:
    enter(station, card, time)


def without_certificate(station: Station, card: Card) -> None:
    enter(station, card)
    station.taps.pop()
    station.taps.append((station.taps[-1][0], make_card("0")))


def strangers_certificate(station: Station, card: Card) -> None:
    enter(station, make_card("bad", signer=key("stranger")))


def months_certificate(station: Station, card: Card) -> None:
    enter(station, make_card("bad", day=20_440))


ENTRIES: dict[str, tuple[Callable[[Station, Card], None], type[DureError]]] = {
    "forged-card-signature": (forged_card_signature, w.CardSignatureError),
    "torn-card-signature": (torn_card_signature, w.CardSignatureError),
    "high-s-card-signature": (high_s_signature, w.CardSignatureError),
    "forged-reader-signature": (forged_reader_signature, w.ReaderSignatureError),
    "salt-of-another-tap": (another_salt, w.ContextError),
    "tap-changed-after-signing": (another_tap, w.ContextError),
    "no-card-certificate": (without_certificate, f.UnknownCardError),
    "card-of-a-stranger": (strangers_certificate, w.GuarantorError),
    "card-of-another-month": (months_certificate, w.WindowError),
    "class-of-another-card": (tapped(rider_class=RiderClass.CHILD), w.TapMismatchError),
    "operator-of-another-reader": (tapped(operator=BUS), w.TapMismatchError),
    "foreign-station": (tapped(stop="도쿄"), w.PlaceError),
    "state-at-another-time": (stated(tap_time=MORNING + 1), w.TapMismatchError),
    "clock-91-s-ahead": (late_by(-MAX_SKEW_S - 1), f.FutureClockError),
    "older-than-90-days": (stated(), f.StaleClockError),
    "tariff-of-another-year": (tapped(tariff="SEOUL-2023-10-07"), f.WrongTariffError),
    "tariff-that-never-was": (tapped(tariff="BUSAN"), f.WrongTariffError),
    "sum-below-the-charge": (stated(cum_won=1_549), f.WrongAmountsError),
    "own-part-above-the-sum": (stated(cum_own_won=1_551), f.WrongAmountsError),
    "day-opens-above-the-sum": (stated(day_start_cum_won=1), f.WrongAmountsError),
    "own-part-opens-above": (stated(day_start_own_won=1), f.WrongAmountsError),
    "seq-zero": (stated(seq=0), f.WrongAmountsError),
    "seq-beyond-the-slot": (stated(seq=1 << 24), f.WrongAmountsError),
    "first-state-with-seq-two": (stated(seq=2), f.WrongAmountsError),
    "sum-beyond-the-slot": (stated(cum_won=1 << 40, day_start_cum_won=1 << 39), f.WrongAmountsError),
    "service-day-of-tomorrow": (stated(service_day=20_377), f.WrongAmountsError),
    "journey-that-begins-later": (tapped(journey=JourneyState(1, MORNING + 91, 1, 1_550)), f.WrongAmountsError),
    "journey-of-a-later-tap": (tapped(journey=JourneyState(2, MORNING, 1, 1_550)), f.WrongAmountsError),
}


@pytest.mark.parametrize("fault", ENTRIES)
def test_one_bad_entry_never_fails_the_others(sqlite_engine: Engine, city: City, fault: str) -> None:
    act, error = ENTRIES[fault]
    station = post("시청", GATE, MORNING)
    enter(station, make_card("0"))
    act(station, make_card("bad"))
    enter(station, make_card("2"), MORNING + 2)
    now = MORNING + MAX_AGE_S + 1 if fault == "older-than-90-days" else LATER
    if fault == "older-than-90-days":
        station = _with_young_neighbours(now)
    answer = take(sqlite_engine, station.upload(), city, now)
    assert (answer.taken, answer.refused) == (2, ((1, error.code),))
    assert answer.next_index == 3  # the reader is not asked for it again
    assert refusals(sqlite_engine) == [(1, error.code)]
    assert take(sqlite_engine, station.upload(), city, now).repeated == 2
    assert refusals(sqlite_engine) == [(1, error.code)]  # a refusal that comes again is kept once


def _with_young_neighbours(now: int) -> Station:
    """A reader that was found after 90 days: its certificates were renewed meanwhile, but this one tap is too old."""
    station = post("시청", GATE, MORNING, valid_to=MORNING + 7 * 86_400)
    station.certificate = replace(station.certificate, valid_from=MORNING)
    station = post("시청", GATE, MORNING)
    enter(station, make_card("0"), now - MAX_AGE_S)
    enter(station, make_card("bad"), now - MAX_AGE_S - 1)
    enter(station, make_card("2"), now - MAX_AGE_S + 1)
    return station


@pytest.mark.parametrize("seconds", [-MAX_SKEW_S, 0, 26 * 3_600, 72 * 3_600, 15 * 86_400])
def test_clocks_within_bounds_and_taps_that_come_late(sqlite_engine: Engine, city: City, seconds: int) -> None:
    """90 s ahead; an offline reader that comes back after 26 hours, after 72, after half a month."""
    station = post("시청", GATE, LATER - seconds)
    day = LATER if seconds < 0 else LATER - seconds
    card = make_card("a", day=(day + 5 * 3_600) // 86_400)
    enter(station, card, LATER - seconds)
    assert take(sqlite_engine, station.upload(), city) == Acknowledgement(1, 1, 0)


def test_places_that_only_the_network_knows(sqlite_engine: Engine, city: City) -> None:
    """Readers certified for places that are none: their operators vouch for them, the network does not."""
    for number, (gate, error) in enumerate(
        (
            (replace(GATE, stop="도쿄"), f.UnknownStationError),
            (replace(GATE, line="42호선"), f.UnknownStationError),
            (Gate(Mode.SUBWAY, METRO, stop="신촌"), f.AmbiguousStationError),
            (Gate(Mode.SUBWAY, METRO, route="143"), f.UnknownPlaceError),
            (Gate(Mode.TRUNK, BUS, stop="시청"), f.UnknownPlaceError),
            (Gate(Mode.TRUNK, METRO, route="143"), f.UnknownPlaceError),
        )
    ):
        station, card = post(f"odd {number}", gate, MORNING), make_card(f"odd {number}")
        tap = entrance(mode=gate.mode, operator=gate.operator, route=gate.route, stop=gate.stop, line=gate.line)
        tap_at(station, card, tap, next_state(card, tap, 1_550))
        assert take(sqlite_engine, station.upload(), city).refused == ((0, error.code),), gate


# --- the head


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no-json", f.MalformedError),
        ("signed-by-another", f.HeadSignatureError),
        ("signed-over-another-length", f.HeadSignatureError),
        ("torn-signature", f.HeadSignatureError),
        ("reader-of-a-stranger", w.OperatorError),
        ("no-reader-certificate", w.OperatorError),
    ],
)
def test_an_unusable_head_takes_nothing_and_is_kept(
    sqlite_engine: Engine, city: City, fault: str, error: type[DureError]
) -> None:
    station = three()
    torn = b"\0" * 65
    stranger = encode_certificate(station.certificate, sign(b"\1" * 32, key("stranger")))
    data = {
        "no-json": lambda: station.upload()[1:],
        "signed-by-another": lambda: station.upload(head_signature=sign(b"\1" * 32, key("thief"))),
        "signed-over-another-length": lambda: station.upload(lines=station.lines[:2]),
        "torn-signature": lambda: station.upload(head_signature=torn),
        "reader-of-a-stranger": lambda: station.upload(readers=[stranger]),
        "no-reader-certificate": lambda: station.upload(readers=[]),
    }[fault]()
    with pytest.raises(error):
        take(sqlite_engine, data, city)
    assert (stored(sqlite_engine), count(sqlite_engine, ChainEntry)) == ([], 0)
    assert [code for _, code in refusals(sqlite_engine)] == [error.code]
    assert take(sqlite_engine, station.upload(), city).taken == 3
