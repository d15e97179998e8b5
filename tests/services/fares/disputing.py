"""Disputes for the tests: what a card signs, what an operator answers, and a reader that takes too much."""

from __future__ import annotations

from dataclasses import replace

from coincurve import PrivateKey

from contracts.addresses import FARES
from contracts.codes import Mode
from contracts.hashing import sha256
from contracts.messages import DisputeEvidence
from contracts.signatures import sign
from services.fares.reader import Gate
from tests.services.fares.chains import Station, digest, post, tap_at
from tests.services.fares.world import CHAIN_ID, METRO, MORNING, OPERATORS, Card, City
from wallets.disputes import DisputeCode, FareDispute
from wallets.presentation import SignedTap


def signed(
    card: Card, seq: int, code: DisputeCode, won: int, now: int, *, key: PrivateKey | None = None, state: bytes = b""
) -> bytes:
    """A card's dispute of one of its taps, as its wallet sends it; `key`, `state` for what no wallet sends."""
    made = FareDispute(card.address, seq, state or digest(card.history[seq - 1].state), code, won, now)
    return made.document(sign(made.digest(CHAIN_ID), key or card.key))


def name_of(document: bytes) -> bytes:
    """The digest that names a dispute."""
    return FareDispute.verified(document, CHAIN_ID).digest(CHAIN_ID)


def said(message: bytes, organisation: int, document: bytes, key: PrivateKey | None = None) -> bytes:
    """An operator's signature over its evidence."""
    evidence = DisputeEvidence(message, organisation, sha256(document))
    return sign(evidence.digest(CHAIN_ID, FARES), key or OPERATORS[organisation])


def greedy(stop: str, line: str) -> Station:
    """A gate of the metro that writes what `overcharge` has it write."""
    return post(f"greedy {stop}", Gate(Mode.SUBWAY, METRO, stop=stop, line=line), MORNING)


def overcharge(
    city: City, station: Station, card: Card, kind: str, now: int, *, won: int = 0, own_won: int = 0
) -> SignedTap:
    """A tap as an honest reader would offer it, with `won` more charged and `own_won` more kept from vouchers."""
    honest = city.metro(station.gate.stop, station.gate.line).offer(card.show(), kind, now)
    state, tap = honest.state, honest.tap
    journey = replace(tap.journey, taken_won=tap.journey.taken_won + won)
    state = replace(
        state,
        charge_won=state.charge_won + won,
        cum_won=state.cum_won + won,
        cum_own_won=state.cum_own_won + own_won,
    )
    return tap_at(station, card, replace(tap, journey=journey), state)
