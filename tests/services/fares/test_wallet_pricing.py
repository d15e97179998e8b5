"""A wallet prices its taps again by the public tariff: an honest reader is believed, an overcharging one disputed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.addresses import FARES
from contracts.signatures import address_of, sign
from services.fares.errors import OutBeforeInError, UnknownStationError
from services.fares.reader import Reader
from services.fares.wallet_pricing import public_price
from tests.services.fares.world import CHAIN_ID, MORNING, City, card_certificate, key
from wallets.card import TransitCard
from wallets.disputes import DisputeCode, FareDispute
from wallets.journal import Journal
from wallets.presentation import Offer
from wallets.taps import context

KEY = key("wallet")


@pytest.fixture
def card(city: City, tmp_path: Path) -> Iterator[TransitCard]:
    with Journal(tmp_path / "wallet.db") as journal:
        yield TransitCard.enrol(KEY, *card_certificate(address_of(KEY)), city.directory, journal)


def accept(card: TransitCard, reader: Reader, offer: Offer, now: int) -> None:
    reader.complete(offer, card.accept(offer, now), now)


def ride(city: City, card: TransitCard, now: int = MORNING) -> None:
    """시청 to 강남 by metro, on by a bus, and back without a tap-off of the bus."""
    on, off, bus = city.metro("시청", "2호선"), city.metro("강남", "2호선"), city.bus("143")
    accept(card, on, on.offer(card.present(), "IN", now), now)
    accept(card, off, off.offer(card.present(), "OUT", now + 1_860), now + 1_860)
    accept(card, bus, bus.offer(card.present(), "IN", now + 2_100, stop="강남역"), now + 2_100)
    accept(card, off, off.offer(card.present(), "IN", now + 9_000), now + 9_000)


def altered(city: City, card: TransitCard, reader: str, offer: Offer, *, more: dict[str, int]) -> Offer:
    """The offer of a reader that writes more than the tariff says, in order otherwise."""
    state, tap = offer.state, offer.tap
    journey = replace(
        tap.journey,
        **{name: getattr(tap.journey, name) + by for name, by in more.items() if hasattr(tap.journey, name)},
    )
    tap = replace(tap, journey=journey)
    last = card.present().last
    previous = last.state.digest(CHAIN_ID, FARES) if last else bytes(32)
    state = replace(
        state,
        **{name: getattr(state, name) + by for name, by in more.items() if hasattr(state, name)},
        context=context(address_of(key(f"reader {reader}")), previous, offer.salt, tap.canonical()),
    )
    signature = sign(state.digest(CHAIN_ID, FARES), key(f"reader {reader}"))
    return replace(offer, state=state, tap=tap, reader_signature=signature)


def test_taps_of_honest_readers_are_what_the_tariff_says(city: City, card: TransitCard) -> None:
    ride(city, card)
    assert [card.review(seq, public_price, MORNING) for seq in (1, 2, 3, 4)] == [None] * 4
    assert card.disputes() == []


CLAIMS = {
    "charge": (DisputeCode.REFUND_NOT_RECEIVED, 100),
    "charge that no voucher may pay": (DisputeCode.VOUCHER_REFUSED, 50),
}
OVERCHARGES = {
    "charge": {"charge_won": 100, "cum_won": 100, "taken_won": 100},
    "charge that no voucher may pay": {"cum_own_won": 50},
    "penalty for a tap-off that follows": {"missing_out_won": 1_500},
    "longer ride than the network's": {"metres": 3_000},
    "higher base fare": {"max_base_won": 300},
}


@pytest.mark.parametrize("fault", OVERCHARGES)
def test_a_reader_that_overcharges_is_disputed(city: City, card: TransitCard, fault: str) -> None:
    on, off = city.metro("시청", "2호선"), city.metro("강남", "2호선")
    accept(card, on, on.offer(card.present(), "IN", MORNING), MORNING)
    more = OVERCHARGES[fault]
    honest = off.offer(card.present(), "OUT", MORNING + 1_860)
    card.accept(altered(city, card, "강남:2호선", honest, more=more), MORNING + 1_860)
    assert card.review(1, public_price, MORNING) is None
    dispute = card.review(2, public_price, MORNING)
    assert dispute is not None
    named = {"own_won" if name == "cum_own_won" else name for name in more} - {"cum_won"}
    assert set(dispute.charged) == set(dispute.expected) == named
    assert all(int(dispute.charged[name]) > int(dispute.expected[name]) for name in named)
    signed = FareDispute.verified(dispute.document, CHAIN_ID) if dispute.document else None
    assert (signed and (signed.code, signed.claimed_won)) == CLAIMS.get(fault)
    assert card.disputes() == [dispute]
    assert card.review(2, public_price, MORNING) == dispute
    assert card.disputes() == [dispute]


def test_taps_that_the_tariff_cannot_price_are_refused_by_name(city: City, card: TransitCard) -> None:
    ride(city, card)
    taps = {seq: card.signed_tap(seq) for seq in (1, 2)}
    first, second = taps[1], taps[2]
    assert first is not None
    assert second is not None
    with pytest.raises(OutBeforeInError):
        public_price(card.certificate, None, second.tap)
    with pytest.raises(OutBeforeInError):
        public_price(card.certificate, second, second.tap)
    with pytest.raises(UnknownStationError):
        public_price(card.certificate, first, replace(second.tap, stop="없는역"))
