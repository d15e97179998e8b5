"""What a reader refuses, by name, and what it opens for (money.md §2, zeropay.md §6.1, fares.md §11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.addresses import FARES
from contracts.codes import Mode, RiderClass
from contracts.errors import DureError, EncodingError
from contracts.signatures import address_of, sign
from services.fares import errors as f
from services.fares import reader_store
from services.fares.denylist import Denylist, DenylistUpdate, Reason
from services.fares.limits import DENYLIST_FRESH_S, DENYLIST_STALE_S, MAX_OFFLINE_S
from services.fares.reader import Gate, Reader
from services.fares.reader_store import ReaderStore
from services.fares.uploads import decode_upload
from tests.services.fares.chains import next_state, post, tap_at
from tests.services.fares.legs import at
from tests.services.fares.world import (
    BUS,
    CHAIN_ID,
    CLEARING,
    DAY,
    METRO,
    MORNING,
    Card,
    City,
    key,
    make_card,
)
from wallets import errors as w
from wallets.presentation import Presentation
from wallets.taps import JourneyState, Tap

CITY_HALL = ("시청", "2호선")
LAST_DAY_END = at("2025-11-01 04:00")


def offer_in(city: City, card: Card, now: int = MORNING) -> object:
    return city.metro(*CITY_HALL).offer(card.show(), "IN", now)


def offer_out(city: City, card: Card, now: int = MORNING) -> object:
    return city.metro(*CITY_HALL).offer(card.show(), "OUT", now)


# --- what the card itself may be refused for


def wrong_guarantor(city: City) -> object:
    return offer_in(city, make_card("a", signer=key("stranger")))


def guarantor_taken_away(city: City) -> object:
    object.__setattr__(city.directory, "guarantor_keys", frozenset())
    return offer_in(city, make_card("a"))


def another_cards_certificate(city: City) -> object:
    card, other = make_card("a"), make_card("b")
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    return city.metro(*CITY_HALL).offer(
        Presentation(other.certificate, other.guarantor_signature, card.history[-1]), "OUT", MORNING + 60
    )


def month_not_begun(city: City) -> object:
    return offer_in(city, make_card("a", day=DAY + 31))


def month_over(city: City) -> object:
    return offer_in(city, make_card("a", day=DAY - 31))


def denied(reason: Reason) -> Callable[[City], object]:
    def act(city: City) -> object:
        card = make_card("a")
        city.denylist.cards[card.address] = reason
        return offer_in(city, card)

    return act


def list_too_old(city: City) -> object:
    return offer_in(city, make_card("a"), MORNING + DENYLIST_STALE_S + 1)


def reader_expired(city: City) -> object:
    reader = city.metro(*CITY_HALL)
    late = reader.certificate.valid_to + 1
    city.denylist.issued_at = late
    return reader.offer(make_card("a").show(), "IN", late)


def reader_not_yet_valid(city: City) -> object:
    reader = city.metro(*CITY_HALL)
    return reader.offer(make_card("a").show(), "IN", reader.certificate.valid_from - 1)


def cap_reached(city: City) -> object:
    return offer_in(city, make_card("a", offline_cap_won=1_549))


def cap_reached_by_what_may_be_missing(city: City) -> object:
    """Rail 1,550, then a bus for 0 that would owe 1,500 without its tap-off."""
    card = make_card("a", offline_cap_won=3_049)
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    city.tap_out(card, city.metro("을지로입구", "2호선"), MORNING + 600)
    return city.bus("143").offer(card.show(), "IN", MORNING + 900)


def pass_back(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    return offer_out(city, card, MORNING + 2)


def eleventh_tap_at_an_offline_reader(city: City) -> object:
    card, bus = make_card("a"), city.bus("143")
    for ride in range(5):
        city.tap_in(card, bus, MORNING + 100 * ride)
        city.tap_out(card, bus, MORNING + 100 * ride + 50, metres=100)
    return bus.offer(card.show(), "IN", MORNING + 590)


def sixth_tap_with_an_older_list(city: City) -> object:
    card, bus = make_card("a"), city.bus("143")
    city.denylist.issued_at = MORNING - DENYLIST_FRESH_S - 1
    for ride in range(5):
        city.tap_in(card, bus, MORNING + 100 * ride)
    return bus.offer(card.show(), "IN", MORNING + 590)


def over_the_offline_sum(city: City) -> object:
    card, bus = make_card("a"), city.bus("9401", Mode.EXPRESS)
    for ride in range(6):
        city.tap_in(card, bus, MORNING + 100 * ride)
    return bus.offer(card.show(), "IN", MORNING + 600)


def large_penalty(city: City) -> object:
    """Only a forger's reader leaves so much: the largest base is 3,000 won."""
    return _after_a_penalty_of(city, 5_000)


def _after_a_penalty_of(city: City, won: int) -> object:
    card = make_card("a")
    bus = post("143", Gate(Mode.TRUNK, BUS, route="143"), MORNING)
    tap = Tap(
        "IN", Mode.TRUNK, BUS, "143", "", "", MORNING, RiderClass.ADULT, "SEOUL-2025-06-28", JourneyState(1, MORNING, 2)
    )
    tap_at(bus, card, tap, next_state(card, tap, 0, missing_out_won=won))
    return offer_in(city, card, MORNING + 600)


# --- order, time and place


def out_before_in(city: City) -> object:
    return offer_out(city, make_card("a"))


def out_twice(city: City) -> object:
    card = make_card("a")
    city.ride(card, MORNING)
    return city.metro("강남", "2호선").offer(card.show(), "OUT", MORNING + 2_000)


def out_of_the_train_at_a_bus(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    return city.bus("143").offer(card.show(), "OUT", MORNING + 100, metres=10)


def out_of_another_bus(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.bus("143"), MORNING)
    return city.bus("472").offer(card.show(), "OUT", MORNING + 100, metres=10)


def clock_behind_the_last_tap(city: City) -> object:
    card = make_card("a")
    city.ride(card, MORNING)
    return offer_in(city, card, MORNING + 1_860 - 91)


def out_before_its_in(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    return city.metro("강남", "2호선").offer(card.show(), "OUT", MORNING - 1)


def service_day_falls(city: City) -> object:
    """A reader 50 seconds behind, at the roll of the day."""
    card, roll = make_card("a"), at("2025-10-16 04:00")
    city.denylist.issued_at = roll
    city.tap_in(card, city.bus("143"), roll)
    return city.bus("472").offer(card.show(), "IN", roll - 50)


def foreign_station(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.metro("도쿄", "2호선"), MORNING)
    return city.metro("강남", "2호선").offer(card.show(), "OUT", MORNING + 600)


def foreign_line(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.metro("강남", "2호선"), MORNING)
    return city.metro("시청", "9호선").offer(card.show(), "OUT", MORNING + 600)


def endless_bus_ride(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.bus("143"), MORNING)
    return city.bus("143").offer(card.show(), "OUT", MORNING + 600, metres=10**9)


def negative_bus_ride(city: City) -> object:
    card = make_card("a")
    city.tap_in(card, city.bus("143"), MORNING)
    return city.bus("143").offer(card.show(), "OUT", MORNING + 600, metres=-1)


def waits_too_long(city: City) -> object:
    city.tap_in(make_card("a"), city.metro(*CITY_HALL), MORNING)
    late = MORNING + MAX_OFFLINE_S + 1
    city.denylist.issued_at = late
    return offer_in(city, make_card("b"), late)


REFUSED: list[tuple[Callable[[City], object], type[DureError]]] = [
    (wrong_guarantor, w.GuarantorError),
    (guarantor_taken_away, w.GuarantorError),
    (another_cards_certificate, w.OtherCardError),
    (month_not_begun, w.WindowError),
    (month_over, w.WindowError),
    (list_too_old, f.DenylistStaleError),
    (reader_expired, w.ReaderExpiredError),
    (reader_not_yet_valid, w.ReaderExpiredError),
    (cap_reached, f.CapError),
    (cap_reached_by_what_may_be_missing, f.CapError),
    (pass_back, f.PassBackError),
    (eleventh_tap_at_an_offline_reader, f.CeilingError),
    (sixth_tap_with_an_older_list, f.CeilingError),
    (over_the_offline_sum, f.CeilingError),
    (large_penalty, f.PenaltyError),
    (out_before_in, f.OutBeforeInError),
    (out_twice, f.OutBeforeInError),
    (out_of_the_train_at_a_bus, f.OutBeforeInError),
    (out_of_another_bus, f.OutBeforeInError),
    (clock_behind_the_last_tap, f.ClockError),
    (out_before_its_in, f.ClockError),
    (service_day_falls, f.ClockError),
    (foreign_station, f.UnknownStationError),
    (foreign_line, f.UnknownStationError),
    (endless_bus_ride, f.DistanceError),
    (negative_bus_ride, f.DistanceError),
    (waits_too_long, f.ReaderFullError),
    *((denied(reason), f.CardDeniedError) for reason in Reason if reason is not Reason.FROZEN_VOUCHER),
]


@pytest.mark.parametrize(("act", "error"), REFUSED, ids=[f"{n}-{act.__name__}" for n, (act, _) in enumerate(REFUSED)])
def test_the_gate_stays_shut(city: City, act: Callable[[City], object], error: type[DureError]) -> None:
    with pytest.raises(error) as caught:
        act(city)
    assert type(caught.value) is error


# --- what a card shows, with one thing changed


def _shown(city: City) -> tuple[Card, Presentation]:
    card = make_card("a")
    city.tap_in(card, city.metro(*CITY_HALL), MORNING)
    return card, card.show()


FORGED: dict[str, tuple[Callable[[Presentation], Presentation], type[DureError]]] = {
    "cheaper-state": (lambda p: _with(p, state={"cum_won": 0}), w.ReaderSignatureError),
    "lower-penalty": (lambda p: _with(p, state={"missing_out_won": 1}), w.ReaderSignatureError),
    "another-salt": (lambda p: _with(p, salt=b"\1" * 16), w.ContextError),
    "another-stop": (lambda p: _with(p, tap={"stop": "강남"}), w.ContextError),
    "tap-of-a-free-rider": (lambda p: _with(p, tap={"rider_class": RiderClass.FREE}), w.ContextError),
    "readers-signature-by-the-card": (
        lambda p: _with(p, reader_signature=p.last.card_signature if p.last else b""),
        w.ReaderSignatureError,
    ),
    "readers-signature-torn": (lambda p: _with(p, reader_signature=b"\0" * 65), w.ReaderSignatureError),
    "operator-is-a-stranger": (lambda p: _with(p, operator_signature=b"\0" * 65), w.OperatorError),
    "reader-certified-for-a-year": (
        lambda p: _with(p, certificate={"valid_to": MORNING + 31_536_000}),
        w.OperatorError,
    ),
    "cards-signature-torn": (lambda p: _signed(p, card_signature=b"\0" * 65), w.CardSignatureError),
    "cards-signature-by-the-reader": (
        lambda p: _signed(p, card_signature=p.last.offer.reader_signature if p.last else b""),
        w.CardSignatureError,
    ),
    "another-predecessor": (lambda p: _signed(p, previous_digest=b"\1" * 32), w.ContextError),
    "higher-cap": (
        lambda p: replace(p, certificate=replace(p.certificate, offline_cap_won=10**6)),
        w.GuarantorError,
    ),
    "guarantors-signature-torn": (lambda p: replace(p, guarantor_signature=b"\0" * 65), w.GuarantorError),
    "number-beyond-its-field": (lambda p: _with(p, state={"seq": 1 << 33}), EncodingError),
}


def _signed(shown: Presentation, **changes: object) -> Presentation:
    assert shown.last is not None
    return replace(shown, last=replace(shown.last, **changes))  # type: ignore[arg-type]


def _with(
    shown: Presentation,
    state: dict[str, object] | None = None,
    tap: dict[str, object] | None = None,
    certificate: dict[str, object] | None = None,
    **changes: object,
) -> Presentation:
    assert shown.last is not None
    offer = shown.last.offer
    offer = replace(
        offer,
        state=replace(offer.state, **(state or {})),  # type: ignore[arg-type]
        tap=replace(offer.tap, **(tap or {})),  # type: ignore[arg-type]
        reader_certificate=replace(offer.reader_certificate, **(certificate or {})),  # type: ignore[arg-type]
        **changes,  # type: ignore[arg-type]
    )
    return _signed(shown, offer=offer)


@pytest.mark.parametrize("fault", FORGED)
def test_a_forged_presentation_is_refused(city: City, fault: str) -> None:
    forge, error = FORGED[fault]
    _, shown = _shown(city)
    with pytest.raises(error) as caught:
        city.metro("강남", "2호선").offer(forge(shown), "OUT", MORNING + 600)
    assert type(caught.value) is error


# --- what opens all the same


def test_what_stands_at_the_edge_opens(city: City) -> None:
    card = make_card("a", offline_cap_won=1_550)
    assert city.tap_in(card, city.metro(*CITY_HALL), MORNING).state.charge_won == 1_550
    city.tap_out(card, city.metro(*CITY_HALL), MORNING + 3)  # three seconds are no pass-back
    slow = make_card("slow")
    city.ride(slow, MORNING)
    behind = city.bus("143").offer(slow.show(), "IN", MORNING + 1_860 - 90)  # 90 s behind: gap 0, joins
    assert behind.tap.journey.legs == 2
    city.denylist.cards[slow.address] = Reason.FROZEN_VOUCHER
    assert city.bus("143").offer(slow.show(), "IN", MORNING + 1_900).state.seq == 3


def test_a_penalty_below_the_bound_is_collected(city: City) -> None:
    offer = _after_a_penalty_of(city, 4_999)
    assert offer.state.charge_won == 1_550 + 4_999  # type: ignore[attr-defined]
    assert offer.state.cum_own_won == 4_999  # type: ignore[attr-defined]


def test_who_is_inside_may_leave_beyond_the_readers_ceilings(city: City) -> None:
    card, bus = make_card("a"), city.bus("143")
    city.denylist.issued_at = MORNING - DENYLIST_FRESH_S - 1
    for ride in range(5):
        city.tap_in(card, bus, MORNING + 100 * ride)
    assert city.tap_out(card, bus, MORNING + 590, metres=100).state.seq == 6
    bus.acknowledge(6)
    assert bus.offer(card.show(), "IN", MORNING + 700).state.seq == 7


# --- completing


def test_only_an_open_offer_signed_by_its_card_is_completed(city: City) -> None:
    card, reader = make_card("a"), city.metro(*CITY_HALL)
    offer = reader.offer(card.show(), "IN", MORNING)
    other = city.metro("강남", "2호선")
    signature = sign(offer.state.digest(CHAIN_ID, FARES), card.key)
    with pytest.raises(f.CompletionError):
        other.complete(offer, signature, MORNING)
    with pytest.raises(w.CardSignatureError):
        reader.complete(offer, sign(offer.state.digest(CHAIN_ID, FARES), key("thief")), MORNING)
    assert reader.upload() is None
    reader.complete(offer, signature, MORNING)
    with pytest.raises(f.CompletionError):
        reader.complete(offer, signature, MORNING)
    upload = decode_upload(reader.upload() or b"")
    assert len(upload.entries) == 1


def unfinished(city: City, card: Card) -> None:
    """The card signed, its signature never came back to the gate."""
    card.accept(city.metro(*CITY_HALL).offer(card.show(), "IN", MORNING))


def test_an_unfinished_tap_is_completed_free_within_a_minute(city: City) -> None:
    card, reader = make_card("a"), city.metro(*CITY_HALL)
    unfinished(city, card)
    assert city.metro("강남", "2호선").resume(card.show(), MORNING + 5) is None
    assert reader.resume(card.show(), MORNING + 60) is None
    assert reader.resume(card.show(), MORNING - 1) is None
    resumed = reader.resume(card.show(), MORNING + 59)
    assert resumed == card.history[-1]
    assert reader.resume(card.show(), MORNING + 59) is None  # it stands in the chain now
    assert len(decode_upload(reader.upload() or b"").entries) == 1


def sibling(city: City, store: ReaderStore) -> Reader:
    """Another reader at the same gates."""
    gate = Gate(Mode.SUBWAY, METRO, stop=CITY_HALL[0], line=CITY_HALL[1])
    return city.reader("시청 second gate", gate, store)


def test_the_next_gate_of_a_station_completes_it_if_they_share_a_store(city: City) -> None:
    card = make_card("a")
    unfinished(city, card)
    with_own_store = ReaderStore(city.folder / "elsewhere.db")
    gate = Gate(Mode.SUBWAY, METRO, stop=CITY_HALL[0], line=CITY_HALL[1])
    assert city.reader("third gate", gate, with_own_store).resume(card.show(), MORNING + 5) is None
    with_own_store.close()
    assert sibling(city, city.store).resume(card.show(), MORNING + 5) is not None
    assert city.metro(*CITY_HALL).resume(card.show(), MORNING + 6) is None


def test_the_next_reader_goes_on_from_an_unfinished_state(city: City) -> None:
    card = make_card("a")
    unfinished(city, card)
    off = city.tap_out(card, city.metro("강남", "2호선"), MORNING + 1_860)
    assert (off.state.seq, off.state.cum_won, off.state.charge_won) == (2, 1_650, 100)


def test_a_full_store_shuts_the_gate(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_store, "MAX_OFFLINE_TAPS", 2)
    reader = city.metro(*CITY_HALL)
    for name in "ab":
        city.tap_in(make_card(name), reader, MORNING)
    with pytest.raises(f.ReaderFullError):
        city.tap_in(make_card("c"), reader, MORNING)
    reader.acknowledge(1)
    city.tap_in(make_card("c"), reader, MORNING)


def test_a_certificate_of_another_place_is_not_taken_into_use(city: City) -> None:
    reader, other = city.metro(*CITY_HALL), city.metro("강남", "2호선")
    for certificate in (other.certificate, replace(reader.certificate, place=other.certificate.place)):
        with pytest.raises(f.CompletionError):
            reader.renew(certificate, b"\0" * 65)


def test_an_upload_ends_where_a_certificate_changes(city: City) -> None:
    reader = city.metro(*CITY_HALL)
    city.tap_in(make_card("a"), reader, MORNING)
    later = replace(reader.certificate, valid_from=MORNING)
    reader.renew(later, sign(later.digest(CHAIN_ID, FARES), key(f"operator {METRO}")))
    city.tap_in(make_card("b"), reader, MORNING + 5)
    first = decode_upload(reader.upload() or b"")
    assert (first.first_index, first.length) == (0, 1)
    reader.acknowledge(first.length)
    second = decode_upload(reader.upload() or b"")
    assert (second.first_index, second.length) == (1, 2)
    assert second.readers[reader.address][0] == later


# --- the denylist


def update(base: int, version: int, issued_at: int = MORNING, denied: tuple[str, ...] = ()) -> DenylistUpdate:
    return DenylistUpdate(base, version, issued_at, tuple((make_card(name).address, Reason.LOST) for name in denied))


def apply(held: Denylist, change: DenylistUpdate, signer: str = "clearing house") -> None:
    signature = sign(change.digest(CHAIN_ID, FARES), key(signer))
    held.apply(change, signature, {address_of(CLEARING)}, CHAIN_ID, FARES)


@pytest.mark.parametrize(
    ("change", "signer"),
    [
        pytest.param(update(5, 7), "thief", id="signed-by-a-stranger"),
        pytest.param(update(4, 7), "clearing house", id="from-another-version"),
        pytest.param(update(5, 4), "clearing house", id="version-falls"),
        pytest.param(update(0, 3), "clearing house", id="full-list-of-an-older-version"),
        pytest.param(update(5, 7, MORNING - 1), "clearing house", id="issued-before-the-one-held"),
    ],
)
def test_an_update_that_does_not_follow_changes_nothing(change: DenylistUpdate, signer: str) -> None:
    held = Denylist(5, MORNING, {make_card("a").address: Reason.LOST})
    with pytest.raises(f.DenylistError):
        apply(held, change, signer)
    assert held == Denylist(5, MORNING, {make_card("a").address: Reason.LOST})


def test_updates_add_and_lift() -> None:
    held = Denylist()
    apply(held, update(0, 3, denied=("a", "b")))
    apply(held, replace(update(3, 4, MORNING + 60, denied=("c",)), lifted=(make_card("a").address,)))
    assert (held.version, held.issued_at) == (4, MORNING + 60)
    assert set(held.cards) == {make_card("b").address, make_card("c").address}
    apply(held, update(0, 9, MORNING + 120, denied=("d",)))
    assert set(held.cards) == {make_card("d").address}
