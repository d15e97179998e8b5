"""How the journal writes down signed taps and certificates: JSON with hex; the journal's checksums cover it."""

from __future__ import annotations

import json
from typing import Any

from contracts.messages import CardCertificate, FareState, ReaderCertificate
from wallets.presentation import Offer, SignedTap
from wallets.taps import Tap


def _flat(message: FareState | CardCertificate | ReaderCertificate) -> list[int | str]:
    values = (getattr(message, name) for name in message.__slots__)
    return [value.hex() if isinstance(value, bytes) else value for value in values]


def _state(values: list[Any]) -> FareState:
    card, *numbers, context = values
    fields: list[Any] = [bytes.fromhex(card), *numbers, bytes.fromhex(context)]
    return FareState(*fields)


def encode_signed_tap(signed: SignedTap) -> bytes:
    """A signed tap as the journal holds it."""
    offer = signed.offer
    return json.dumps(
        {
            "state": _flat(offer.state),
            "tap": offer.tap.canonical().decode(),
            "salt": offer.salt.hex(),
            "reader_signature": offer.reader_signature.hex(),
            "reader": _flat(offer.reader_certificate),
            "operator_signature": offer.operator_signature.hex(),
            "previous": signed.previous_digest.hex(),
            "card_signature": signed.card_signature.hex(),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def decode_signed_tap(data: bytes) -> SignedTap:
    """The signed tap that `encode_signed_tap` wrote."""
    found = json.loads(data)
    reader = found["reader"]
    return SignedTap(
        offer=Offer(
            state=_state(found["state"]),
            tap=Tap.from_canonical(found["tap"].encode()),
            salt=bytes.fromhex(found["salt"]),
            reader_signature=bytes.fromhex(found["reader_signature"]),
            reader_certificate=ReaderCertificate(
                bytes.fromhex(reader[0]), reader[1], bytes.fromhex(reader[2]), reader[3], reader[4]
            ),
            operator_signature=bytes.fromhex(found["operator_signature"]),
        ),
        previous_digest=bytes.fromhex(found["previous"]),
        card_signature=bytes.fromhex(found["card_signature"]),
    )


def encode_certificate(certificate: CardCertificate, signature: bytes) -> bytes:
    """A card's certificate with its guarantor's signature."""
    return json.dumps([_flat(certificate), signature.hex()], separators=(",", ":")).encode()


def decode_certificate(data: bytes) -> tuple[CardCertificate, bytes]:
    """What `encode_certificate` wrote."""
    values, signature = json.loads(data)
    return CardCertificate(bytes.fromhex(values[0]), *values[1:]), bytes.fromhex(signature)
