"""A reader's decision, offline: what it opens for, and what keeps the gate shut by which name (zeropay.md §6.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.addresses import FARES
from contracts.codes import Mode
from contracts.errors import DureError
from contracts.signatures import address_of, sign
from services.fares.denylist import Denylist, DenylistUpdate, Reason
from services.fares.errors import (
    CapError,
    CardDeniedError,
    CeilingError,
    ClockError,
    CompletionError,
    DenylistError,
    DenylistStaleError,
    OutBeforeInError,
    PassBackError,
    ReaderFullError,
)
from services.fares.limits import MAX_OFFLINE_S
from services.fares.reader_store import ReaderStore
from tests.services.fares.world import CHAIN_ID, CLEARING, DAY, MORNING, Card, City, key, make_card
from wallets.errors import CardSignatureError, GuarantorError, ReaderExpiredError, WindowError


def test_a_ride_is_priced_by_the_public_tariff(city: City) -> None:
    card = make_card("a")
    city.ride(card, MORNING)
    assert [tap.state.charge_won for tap in card.history] == [1_550, 100]
    joined = city.tap_in(card, city.bus("143"), MORNING + 2_100, "강남역").state
    assert (joined.charge_won, joined.missing_out_won, joined.cum_won) == (0, 1_500, 1_650)
    late = city.tap_in(card, city.bus("472"), MORNING + 40_000, "강남역").state
    assert (late.charge_won, late.cum_won, late.cum_own_won) == (3_000, 4_650, 1_500)  # the penalty is his own


@pytest.mark.parametrize(("modes", "cap_won", "own_won"), [(0, 20_000, 1_550), (1, 20_000, 0), (1, 1_000, 550)])
def test_the_own_part_follows_profile_and_cap(city: City, modes: int, cap_won: int, own_won: int) -> None:
    card = make_card("a", modes=modes, per_tap_cap_won=cap_won)
    assert city.tap_in(card, city.metro("시청", "2호선"), MORNING).state.cum_own_won == own_won


def _denied(city: City, card: Card) -> None:
    city.denylist.cards[card.address] = Reason.STOLEN
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)


def _stale(city: City, card: Card) -> None:
    city.tap_in(card, city.metro("시청", "2호선"), MORNING + MAX_OFFLINE_S + 1)


def _pass_back(city: City, card: Card) -> None:
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    city.tap_in(card, city.metro("시청", "2호선"), MORNING + 2)


def _over_cap(city: City, card: Card) -> None:
    poor = make_card("poor", offline_cap_won=1_500)
    city.tap_in(poor, city.metro("시청", "2호선"), MORNING)


def _out_first(city: City, card: Card) -> None:
    city.tap_out(card, city.metro("시청", "2호선"), MORNING)


def _out_of_another_mode(city: City, card: Card) -> None:
    city.tap_in(card, city.bus("143"), MORNING, "강남역")
    city.tap_out(card, city.metro("시청", "2호선"), MORNING + 600)


def _back_in_time(city: City, card: Card) -> None:
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    city.tap_in(card, city.metro("강남", "2호선"), MORNING - 91)


def _eleventh(city: City, card: Card) -> None:
    for number in range(11):
        city.denylist.issued_at = MORNING + number * 4_000
        city.tap_in(card, city.metro("시청", "2호선"), MORNING + number * 4_000)


def _sixth_with_an_old_list(city: City, card: Card) -> None:
    for number in range(6):
        city.tap_in(card, city.metro("시청", "2호선"), MORNING + 601 + number * 4_000)


def _long_offline(city: City, card: Card) -> None:
    city.tap_in(make_card("first"), city.metro("시청", "2호선"), MORNING)
    city.denylist.issued_at = MORNING + MAX_OFFLINE_S
    city.tap_in(card, city.metro("시청", "2호선"), MORNING + MAX_OFFLINE_S + 1)


def _next_month(city: City, card: Card) -> None:
    city.now = city.denylist.issued_at = now = MORNING + 20 * 86_400
    city.tap_in(card, city.metro("시청", "2호선"), now)


def _reader_run_out(city: City, card: Card) -> None:
    gate = city.metro("시청", "2호선")
    city.denylist.issued_at = now = MORNING + 8 * 86_400
    city.tap_in(card, gate, now)


def _strange_guarantor(city: City, card: Card) -> None:
    card.guarantor_signature = sign(card.certificate.digest(CHAIN_ID, FARES), key("nobody"))
    city.tap_in(card, city.metro("시청", "2호선"), MORNING)


def _forged_history(city: City, card: Card) -> None:
    last = city.tap_in(card, city.metro("시청", "2호선"), MORNING)
    card.history[-1] = replace(last, card_signature=sign(bytes(32), card.key))
    city.tap_out(card, city.metro("강남", "2호선"), MORNING + 900)


def _other_signature(city: City, card: Card) -> None:
    gate = city.metro("시청", "2호선")
    offer = gate.offer(card.show(), "IN", MORNING)
    gate.complete(offer, sign(offer.state.digest(CHAIN_ID, FARES), key("thief")), MORNING)


def _twice_completed(city: City, card: Card) -> None:
    gate = city.metro("시청", "2호선")
    offer = gate.offer(card.show(), "IN", MORNING)
    signature = card.accept(offer)
    gate.complete(offer, signature, MORNING)
    gate.complete(offer, signature, MORNING)


@pytest.mark.parametrize(
    ("error", "attempt"),
    [
        (CardDeniedError, _denied),
        (DenylistStaleError, _stale),
        (PassBackError, _pass_back),
        (CapError, _over_cap),
        (OutBeforeInError, _out_first),
        (OutBeforeInError, _out_of_another_mode),
        (ClockError, _back_in_time),
        (CeilingError, _eleventh),
        (CeilingError, _sixth_with_an_old_list),
        (ReaderFullError, _long_offline),
        (WindowError, _next_month),
        (ReaderExpiredError, _reader_run_out),
        (GuarantorError, _strange_guarantor),
        (CardSignatureError, _forged_history),
        (CardSignatureError, _other_signature),
        (CompletionError, _twice_completed),
    ],
    ids=lambda value: value.__name__,
)
def test_the_gate_stays_shut(city: City, error: type[DureError], attempt: Callable[[City, Card], None]) -> None:
    with pytest.raises(error):
        attempt(city, make_card("a"))


def test_a_chain_survives_the_reader(city: City) -> None:
    city.ride(make_card("a"), MORNING)
    before = city.readers["시청:2호선"].upload()
    city.store.close()
    again = City(city.folder)
    gate = again.metro("시청", "2호선")
    assert gate.upload() == before
    again.tap_in(make_card("b"), gate, MORNING + 60)
    assert again.store.tip(gate.address).length == 2
    again.store.close()


def test_a_group_that_fails_keeps_nothing(city: City, tmp_path: Path) -> None:
    store = ReaderStore(tmp_path / "group.db")

    def fails() -> None:
        with store.group():
            store.host(b"r" * 20)
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert not store.hosts(b"r" * 20)
    store.close()


def _update(**changes: object) -> DenylistUpdate:
    fields = {"base": 1, "version": 2, "issued_at": MORNING, "denied": ((b"c" * 20, Reason.LOST),), "lifted": ()}
    return DenylistUpdate(**fields | changes)  # type: ignore[arg-type]


def _apply(held: Denylist, update: DenylistUpdate, signer: str = "clearing house") -> None:
    signature = sign(update.digest(CHAIN_ID, FARES), key(signer))
    held.apply(update, signature, {address_of(CLEARING)}, CHAIN_ID, FARES)


def test_a_delta_denies_and_lifts() -> None:
    held = Denylist(version=1)
    _apply(held, _update())
    assert (held.version, held.cards) == (2, {b"c" * 20: Reason.LOST})
    _apply(held, _update(base=2, version=3, denied=(), lifted=(b"c" * 20,)))
    assert held.cards == {}


@pytest.mark.parametrize(
    ("update", "signer"),
    [
        (_update(), "thief"),
        (_update(base=7), "clearing house"),
        (_update(base=0, version=0), "clearing house"),
        (_update(issued_at=1), "clearing house"),
    ],
    ids=["signer", "base", "older version", "older time"],
)
def test_an_update_that_does_not_follow_changes_nothing(update: DenylistUpdate, signer: str) -> None:
    held = Denylist(version=1, issued_at=MORNING - 60)
    with pytest.raises(DenylistError):
        _apply(held, update, signer)
    assert (held.version, held.cards) == (1, {})


def test_a_day_is_the_one_of_the_first_tap_on(city: City) -> None:
    assert city.tap_in(make_card("a"), city.bus("N15", Mode.NIGHT), MORNING, "강남역").state.service_day == DAY
