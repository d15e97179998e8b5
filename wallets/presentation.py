"""What a wallet and a reader show each other, and how each is verified (money.md §2 and §8).

The wallet shows a `Presentation`, the reader answers with an `Offer`, the wallet's signature over the offered state
completes it to a `SignedTap`, which opens the gate and goes to clearing. Every check is a numbered step that raises
its own error; the numbers are those of wallets/errors.py.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from contracts.errors import SignatureError
from contracts.messages import CardCertificate, FareState, ReaderCertificate
from contracts.signatures import recover
from wallets.errors import (
    CardSignatureError,
    ContextError,
    GuarantorError,
    OperatorError,
    OtherCardError,
    PlaceError,
    ReaderExpiredError,
    ReaderSignatureError,
    ReaderTermError,
    TapMismatchError,
    WindowError,
)
from wallets.limits import CACHED_CERTIFICATES, CARD_GRACE_S, MAX_READER_CERTIFICATE_S
from wallets.taps import Tap, context, place_of, service_day_end


class Directory(Protocol):
    """Whom a wallet or a reader trusts: kept fresh from the Organisations agreement while online.

    Keys are 20-byte addresses. Its owner takes keys away from it; a denylist of cards is the reader's own.
    """

    @property
    def chain_id(self) -> int: ...

    @property
    def fares(self) -> bytes:
        """Address of the Fares agreement, 20 bytes."""

    @property
    def guarantor_keys(self) -> Collection[bytes]: ...

    def operator_keys(self, operator: int) -> Collection[bytes]:
        """Keys that may sign readers of organisation `operator`; empty if it is no operator."""


@dataclass(frozen=True, slots=True)
class FixedDirectory:
    """A directory held in memory: what a wallet or reader loaded last."""

    chain_id: int
    fares: bytes
    guarantor_keys: frozenset[bytes]
    operators: Mapping[int, frozenset[bytes]]

    def operator_keys(self, operator: int) -> frozenset[bytes]:
        """Keys of organisation `operator`, none if unknown."""
        return self.operators.get(operator, frozenset())


@dataclass(frozen=True, slots=True)
class Offer:
    """What a reader asks a card to sign. `salt` 16 bytes, signatures 65 bytes.

    `reader_signature` is over the state's digest, `operator_signature` over the reader certificate's.
    """

    state: FareState
    tap: Tap
    salt: bytes
    reader_signature: bytes
    reader_certificate: ReaderCertificate
    operator_signature: bytes


@dataclass(frozen=True, slots=True)
class SignedTap:
    """An offer that its card signed. `previous_digest`: digest of the state before, 32 bytes, zeros for the first."""

    offer: Offer
    previous_digest: bytes
    card_signature: bytes

    @property
    def state(self) -> FareState:
        return self.offer.state

    @property
    def tap(self) -> Tap:
        return self.offer.tap


@dataclass(frozen=True, slots=True)
class Presentation:
    """What a card shows a reader: who stands behind it, and its last tap, None before the first."""

    certificate: CardCertificate
    guarantor_signature: bytes
    last: SignedTap | None


@lru_cache(maxsize=CACHED_CERTIFICATES)
def certificate_signer(
    certificate: CardCertificate | ReaderCertificate, signature: bytes, chain_id: int, fares: bytes
) -> bytes:
    """Address that signed a certificate, 20 bytes. Raises SignatureError.

    A pure function, hence cached; whether that address is trusted is asked of the directory every time.
    """
    return recover(certificate.digest(chain_id, fares), signature)


def check_card_certificate(certificate: CardCertificate, signature: bytes, directory: Directory) -> None:
    """Step 1: a guarantor stands behind the card. Raises GuarantorError."""
    try:
        signer = certificate_signer(certificate, signature, directory.chain_id, directory.fares)
    except SignatureError as error:
        raise GuarantorError(f"certificate of card 0x{certificate.card.hex()}: {error.what}") from error
    if signer not in directory.guarantor_keys:
        raise GuarantorError(f"0x{signer.hex()}, who signed the certificate, is no guarantor's key")


def check_window(certificate: CardCertificate, day: int, time: int) -> None:
    """Step 2: service day `day` of the journey and `time` of the tap lie in the card's window. Raises WindowError.

    A journey begun on the last day ends on the card: taps hold 6 h longer (money.md §1).
    """
    if not certificate.first_day <= day <= certificate.last_day:
        raise WindowError(f"card holds for days {certificate.first_day} to {certificate.last_day}, not {day}")
    if time > service_day_end(certificate.last_day) + CARD_GRACE_S:
        raise WindowError(f"tap at {time} is more than {CARD_GRACE_S} s after the card's last day")


def check_reader_certificate(offer: Offer, directory: Directory) -> None:
    """Steps 4 and 5: an operator vouches for the reader, for at most seven days, and did so at the tap.

    Raises OperatorError, ReaderTermError, ReaderExpiredError.
    """
    certificate = offer.reader_certificate
    try:
        signer = certificate_signer(certificate, offer.operator_signature, directory.chain_id, directory.fares)
    except SignatureError as error:
        raise OperatorError(f"certificate of reader 0x{certificate.reader.hex()}: {error.what}") from error
    if signer not in directory.operator_keys(certificate.operator):
        raise OperatorError(f"0x{signer.hex()} is no key of operator {certificate.operator}")
    if not 0 <= certificate.valid_to - certificate.valid_from <= MAX_READER_CERTIFICATE_S:
        raise ReaderTermError(f"certificate runs {certificate.valid_to - certificate.valid_from} s")
    if not certificate.valid_from <= offer.state.tap_time <= certificate.valid_to:
        raise ReaderExpiredError(
            f"certificate holds from {certificate.valid_from} to {certificate.valid_to}, the tap is at "
            f"{offer.state.tap_time}"
        )


def check_reader_signature(offer: Offer, digest: bytes) -> None:
    """Step 6: the certificate's reader signed the state. Raises ReaderSignatureError."""
    try:
        signer = recover(digest, offer.reader_signature)
    except SignatureError as error:
        raise ReaderSignatureError(error.what) from error
    if signer != offer.reader_certificate.reader:
        raise ReaderSignatureError(f"signed by 0x{signer.hex()}, not by the certificate's reader")


def check_binding(offer: Offer, previous_digest: bytes, certificate: CardCertificate) -> None:
    """Steps 7 to 9: the state was signed over this tap, salt and predecessor, and they agree with each other.

    Raises ContextError, TapMismatchError, PlaceError.
    """
    state, tap, reader = offer.state, offer.tap, offer.reader_certificate
    if context(reader.reader, previous_digest, offer.salt, tap.canonical()) != state.context:
        raise ContextError("the state's context is not that of its reader, predecessor, salt and tap")
    if tap.time != state.tap_time:
        raise TapMismatchError(f"tap is at {tap.time}, the state at {state.tap_time}")
    if tap.operator != reader.operator:
        raise TapMismatchError(f"tap names operator {tap.operator}, the certificate {reader.operator}")
    if tap.rider_class != certificate.rider_class:
        raise TapMismatchError(f"tap is priced for class {tap.rider_class}, the card's is {certificate.rider_class}")
    if place_of(tap.route, tap.stop, tap.line) != reader.place:
        raise PlaceError("tap names another place than the reader's certificate")


def check_card_signature(signed: SignedTap, digest: bytes) -> None:
    """Step 10: the card signed the state. Raises CardSignatureError."""
    try:
        signer = recover(digest, signed.card_signature)
    except SignatureError as error:
        raise CardSignatureError(error.what) from error
    if signer != signed.offer.state.card:
        raise CardSignatureError(f"signed by 0x{signer.hex()}, not by the card")


def verify_signed_tap(
    signed: SignedTap, certificate: CardCertificate, directory: Directory, digest: bytes = b""
) -> bytes:
    """Steps 2 to 10 for a tap that a card signed: what the next reader, clearing and an audit check.

    `digest`: the state's own, where the caller has it already. Returns the state's digest, 32 bytes, which is the
    `previous_digest` of the card's next state.
    Raises SignedTapError by step; EncodingError where a number does not fit its field.
    """
    offer = signed.offer
    check_window(certificate, offer.state.service_day, offer.state.tap_time)
    if offer.state.card != certificate.card:
        raise OtherCardError(f"state of card 0x{offer.state.card.hex()}, certificate of 0x{certificate.card.hex()}")
    check_reader_certificate(offer, directory)
    digest = digest or offer.state.digest(directory.chain_id, directory.fares)
    check_reader_signature(offer, digest)
    check_binding(offer, signed.previous_digest, certificate)
    check_card_signature(signed, digest)
    return digest


def verify_presentation(presentation: Presentation, directory: Directory) -> bytes:
    """All steps for what a card shows a reader; the next tap's own window is checked by whoever offers it.

    Returns the digest that the next state's context goes on from: 32 bytes, zeros for a card's first tap.
    Raises SignedTapError by step; EncodingError where a number does not fit its field.
    """
    check_card_certificate(presentation.certificate, presentation.guarantor_signature, directory)
    if presentation.last is None:
        return bytes(32)
    return verify_signed_tap(presentation.last, presentation.certificate, directory)
