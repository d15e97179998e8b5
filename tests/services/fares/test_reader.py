"""What a reader refuses, by name, and what it opens for (money.md §2, zeropay.md §6.1, fares.md §11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.codes import Mode, RiderClass
from contracts.errors import DureError, EncodingError
from services.fares import errors as f
from services.fares.denylist import Reason
from services.fares.limits import DENYLIST_FRESH_S, DENYLIST_STALE_S, MAX_OFFLINE_S
from services.fares.reader import Gate
from tests.services.fares.chains import next_state, post, tap_at
from tests.services.fares.legs import at
from tests.services.fares.world import (
    BUS,
    DAY,
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


def line_without_distances(city: City) -> object:
    """신분당선: its surcharges are known, its distances are not (fares.md §7, §12)."""
    card = make_card("a")
    city.tap_in(card, city.metro("정자", "신분당선"), MORNING)
    return city.metro("강남", "신분당선").offer(card.show(), "OUT", MORNING + 1_500)


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
    (line_without_distances, f.NoPathError),
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
