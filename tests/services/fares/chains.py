"""Taps signed directly, and readers' chains made of them: what a reader would write, and what a forger could."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from coincurve import PrivateKey

from contracts.addresses import FARES
from contracts.messages import CardCertificate, FareState, ReaderCertificate
from contracts.signatures import address_of, sign
from services.days import day_start, service_day_at
from services.fares.reader import Gate
from services.fares.uploads import (
    FIRST_LINK,
    ReaderHead,
    encode_certificate,
    encode_entry,
    encode_upload,
    link,
)
from tests.services.fares.world import CHAIN_ID, OPERATORS, Card, key
from wallets.presentation import Offer, SignedTap
from wallets.taps import NO_PREVIOUS, Tap, context


def digest(state: FareState) -> bytes:
    return state.digest(CHAIN_ID, FARES)


def post(name: str, gate: Gate, start: int, **changes: Any) -> Station:
    """A reader of that name at that place, certified for seven days from `start`'s service day."""
    secret = key(f"reader {name}")
    first = day_start(service_day_at(start))
    certificate = ReaderCertificate(address_of(secret), gate.operator, gate.place, first, first + 7 * 86_400)
    certificate = replace(certificate, **changes)
    operator = OPERATORS.get(gate.operator) or key(f"operator {gate.operator}")
    return Station(secret, gate, certificate, sign(certificate.digest(CHAIN_ID, FARES), operator))


@dataclass
class Station:
    """A reader's key, certificate and chain, without any of a reader's checks."""

    key: PrivateKey
    gate: Gate
    certificate: ReaderCertificate
    operator_signature: bytes
    taps: list[tuple[SignedTap, Card]] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> bytes:
        return self.certificate.reader

    def offer(self, state: FareState, tap: Tap, previous_digest: bytes, salt: bytes) -> Offer:
        """The state signed over this tap; its context is filled in."""
        state = replace(state, context=context(self.address, previous_digest, salt, tap.canonical()))
        return Offer(state, tap, salt, sign(digest(state), self.key), self.certificate, self.operator_signature)

    def append(self, signed: SignedTap, card: Card) -> None:
        before = self.links[-1] if self.links else FIRST_LINK
        index = len(self.links)
        self.taps.append((signed, card))
        self.lines.append(encode_entry(index, before, signed))
        self.links.append(link(self.address, index, before, digest(signed.state), signed.card_signature))

    def upload(self, first: int = 0, end: int | None = None, **changes: Any) -> bytes:
        """Entries `first` to `end` as an upload; `changes` replace arguments of `encode_upload`."""
        end = len(self.links) if end is None else end
        head = ReaderHead(self.address, end, self.links[end - 1])
        taken = self.taps[first:end]
        readers = {
            one.offer.operator_signature: encode_certificate(one.offer.reader_certificate, one.offer.operator_signature)
            for one, _ in taken
        }
        readers[self.operator_signature] = encode_certificate(self.certificate, self.operator_signature)
        cards = {card.address: encode_certificate(card.certificate, card.guarantor_signature) for _, card in taken}
        parts: dict[str, Any] = {
            "head": head,
            "first_index": first,
            "head_signature": sign(head.digest(CHAIN_ID, FARES), self.key),
            "readers": list(readers.values()),
            "cards": list(cards.values()),
            "lines": self.lines[first:end],
        }
        return encode_upload(**parts | changes)


def next_state(card: Card, tap: Tap, charge_won: int = 0, **changes: Any) -> FareState:
    """The card's next state for this tap, by its sums so far; `changes` replace fields."""
    last = card.history[-1].state if card.history else None
    day = service_day_at(tap.journey.first_time)
    cum, own = (last.cum_won, last.cum_own_won) if last else (0, 0)
    opening = (last.day_start_cum_won, last.day_start_own_won) if last and last.service_day == day else (cum, own)
    state = FareState(
        card=card.address,
        seq=last.seq + 1 if last else 1,
        cum_won=cum + charge_won,
        cum_own_won=own,
        day_start_cum_won=opening[0],
        day_start_own_won=opening[1],
        charge_won=charge_won,
        missing_out_won=0,
        service_day=day,
        tap_time=tap.time,
        context=bytes(32),
    )
    return replace(state, **changes)


def tap_at(station: Station, card: Card, tap: Tap, state: FareState, salt: bytes = bytes(16)) -> SignedTap:
    """Both sign; the tap stands in the station's chain and in the card's history."""
    previous = card.previous_digest() if card.history else NO_PREVIOUS
    offer = station.offer(state, tap, previous, salt)
    signed = SignedTap(offer, previous, sign(digest(offer.state), card.key))
    card.history.append(signed)
    station.append(signed, card)
    return signed


def certified(card: Card, certificate: CardCertificate, signature: bytes) -> Card:
    """The same card under another certificate."""
    return Card(card.key, certificate, signature, card.history)


def states(taps: Sequence[SignedTap]) -> list[FareState]:
    return [one.state for one in taps]
