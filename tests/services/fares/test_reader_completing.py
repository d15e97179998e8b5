"""What stands between an offer and an open gate: completing, other gates of the station, the denylist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.addresses import FARES
from contracts.codes import Mode
from contracts.signatures import address_of, sign
from services.fares import errors as f
from services.fares import reader_store
from services.fares.denylist import Denylist, DenylistUpdate, Reason
from services.fares.reader import Gate, Reader
from services.fares.reader_store import ReaderStore
from services.fares.uploads import decode_upload
from tests.services.fares.test_reader import CITY_HALL
from tests.services.fares.world import (
    CHAIN_ID,
    CLEARING,
    METRO,
    MORNING,
    Card,
    City,
    key,
    make_card,
)
from wallets import errors as w

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
