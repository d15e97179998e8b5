"""A transit card: one key of one month and instance, its certificate and its chain of signed states (money.md §1, §2).

The card itself remembers nothing: what it signed stands in the journal, and is read from there, so that a crash
between two taps loses nothing and a batch that is dropped leaves no trace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final, Protocol

from coincurve import PrivateKey

from contracts.messages import CardCertificate, FareState
from contracts.signatures import address_of, sign
from wallets.disputes import DisputeCode, FareDispute
from wallets.errors import CardError, InstancesSpent, NotDurable, SequenceTaken
from wallets.journal import Batch, Journal
from wallets.limits import MAX_CHARGE_WON, MAX_INSTANCE
from wallets.offers import check_offer
from wallets.presentation import Directory, Offer, Presentation, SignedTap, check_card_certificate
from wallets.records import decode_certificate, decode_signed_tap, encode_certificate, encode_signed_tap
from wallets.taps import NO_PREVIOUS, JourneyState, Tap

_STATE: Final = "state"
_CERTIFICATE: Final = "certificate"
_INSTANCE: Final = "instance"
_DISPUTE: Final = "dispute"


@dataclass(frozen=True, slots=True)
class Price:
    """What the tariff says of one tap: won charged, the part no voucher may pay, won without a tap-off, and the
    journey after it."""

    charge_won: int
    own_won: int
    missing_out_won: int
    journey: JourneyState


class Pricing(Protocol):
    """The public tariff, as the wallet asks it: `tap` as the reader wrote it, after `last` (None for the first)."""

    def __call__(self, certificate: CardCertificate, last: SignedTap | None, tap: Tap) -> Price: ...


@dataclass(frozen=True, slots=True)
class Dispute:
    """A tap that the wallet prices differently. `charged` and `expected` hold what differs, by field name; `document`
    is the signed FareDispute for the clearing house, empty where the tap took nothing too much."""

    card: bytes
    seq: int
    charged: dict[str, int | str]
    expected: dict[str, int | str]
    document: bytes = b""


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What an entry's body says: decoding takes longer than comparing the bytes."""

    body: bytes
    signed: SignedTap
    digest: bytes


@dataclass(frozen=True, slots=True)
class Staged:
    """A signature that waits for its batch to be durable."""

    _batch: Batch
    _signature: bytes

    @property
    def signature(self) -> bytes:
        """The card's signature, 65 bytes. Raises NotDurable until the batch has ended well."""
        if not self._batch.durable:
            raise NotDurable("the batch that holds this signature has not been written")
        return self._signature

    def __repr__(self) -> str:
        return f"Staged(durable={self._batch.durable})"


def claim_instance(journal: Journal, wallet: bytes, month: int, *, certified: int = -1) -> int:
    """The next card instance of a month, written down before its key is shown, so that no key serves twice.

    `certified`: the highest instance that the guarantor has certified for this person, −1 if none: a wallet restored
    from its words has lost its journal and asks. Raises InstancesSpent.
    """
    last = journal.last(f"{_INSTANCE}:{month}", wallet)
    instance = max(certified, last.number if last else -1) + 1
    if instance > MAX_INSTANCE:
        raise InstancesSpent(f"month {month} has had {instance} instances")
    with journal.batch():
        journal.add(f"{_INSTANCE}:{month}", wallet, instance, b"")
    return instance


class TransitCard:
    """A card in use. `TransitCard.enrol` takes a first certificate; the constructor finds the card in its
    journal and raises CardError where it is not.

    max_charge_won: the most this wallet lets one tap take.
    """

    def __init__(
        self, key: PrivateKey, directory: Directory, journal: Journal, *, max_charge_won: int = MAX_CHARGE_WON
    ) -> None:
        self.address = address_of(key)
        self._key, self._directory, self._journal = key, directory, journal
        self._max_charge_won = max_charge_won
        self._decoded: _Decoded | None = None
        entry = journal.last(_CERTIFICATE, self.address)
        if entry is None:
            raise CardError(f"card 0x{self.address.hex()} has no certificate in this journal")
        self.certificate, self._guarantor_signature = decode_certificate(entry.body)

    def __repr__(self) -> str:
        return f"TransitCard(0x{self.address.hex()})"

    @classmethod
    def enrol(
        cls,
        key: PrivateKey,
        certificate: CardCertificate,
        guarantor_signature: bytes,
        directory: Directory,
        journal: Journal,
        *,
        max_charge_won: int = MAX_CHARGE_WON,
    ) -> TransitCard:
        """Takes a card's first certificate; joins a batch that is open. Raises GuarantorError, CardError, SlotTaken."""
        if certificate.card != address_of(key):
            raise CardError(f"certificate of card 0x{certificate.card.hex()}, the key's is 0x{address_of(key).hex()}")
        check_card_certificate(certificate, guarantor_signature, directory)
        body = encode_certificate(certificate, guarantor_signature)
        journal.add_now(_CERTIFICATE, certificate.card, 0, body)
        return cls(key, directory, journal, max_charge_won=max_charge_won)

    def renew(self, certificate: CardCertificate, guarantor_signature: bytes) -> None:
        """Takes the certificate that a top-up brings: same card, month, instance, class and profile.

        Raises GuarantorError, and CardError where more differs than the offline cap and the last day.
        """
        check_card_certificate(certificate, guarantor_signature, self._directory)
        same = replace(
            certificate, offline_cap_won=self.certificate.offline_cap_won, last_day=self.certificate.last_day
        )
        if same != self.certificate:
            raise CardError("the new certificate differs in more than the cap and the last day; a new card is due")
        entry = self._journal.last(_CERTIFICATE, self.address)
        body = encode_certificate(certificate, guarantor_signature)
        self._journal.add_now(_CERTIFICATE, self.address, entry.number + 1 if entry else 0, body)
        self.certificate, self._guarantor_signature = certificate, guarantor_signature

    # --- a tap

    def present(self) -> Presentation:
        """What the card shows a reader. Raises NotDurable while its last signature is not on the disk."""
        last = self._last(durable=True)
        return Presentation(self.certificate, self._guarantor_signature, last.signed if last else None)

    def accept(self, offer: Offer, now: int) -> bytes:
        """Checks, writes down and signs an offer: 65 bytes. A retry of an offer gets the signature of the first time.

        `now`: the wallet's clock, UTC epoch seconds. Raises SignedTapError, OfferError, JournalError; nothing is
        signed then.
        """
        with self._journal.batch():
            staged = self.stage(offer, now)
        return staged.signature

    def stage(self, offer: Offer, now: int) -> Staged:
        """As `accept`, inside a batch of the journal: the signature is readable once the batch has ended."""
        digest = self._digest(offer.state)
        known = self._journal.get(_STATE, self.address, offer.state.seq)
        if known is not None:
            signed = decode_signed_tap(known.body)
            if self._digest(signed.state) != digest:
                raise SequenceTaken(f"card signed another state at {offer.state.seq}")
            return Staged(self._journal.batch_of(known.position), signed.card_signature)
        last = self._last(durable=False)
        previous = last.digest if last else NO_PREVIOUS
        state = last.signed.state if last else None
        check_offer(offer, digest, self.certificate, state, previous, self._directory, self._max_charge_won, now)
        signed = SignedTap(offer, previous, sign(digest, self._key))
        body = encode_signed_tap(signed)
        position = self._journal.add(_STATE, self.address, offer.state.seq, body)
        self._decoded = _Decoded(body, signed, digest)
        return Staged(self._journal.batch_of(position), signed.card_signature)

    # --- afterwards

    def signed_tap(self, seq: int) -> SignedTap | None:
        """The state that this card signed at `seq`, if any."""
        entry = self._journal.get(_STATE, self.address, seq)
        return decode_signed_tap(entry.body) if entry else None

    def review(self, seq: int, pricing: Pricing, now: int) -> Dispute | None:
        """Prices tap `seq` again by the public tariff; where it differs, writes that down and returns it. Where the tap
        took too much, the dispute is signed at once (money.md §2); `now`: the wallet's clock, UTC epoch seconds.

        Raises CardError where the card signed no such tap.
        """
        signed = self._signed(seq)
        before = self.signed_tap(seq - 1)
        price = pricing(self.certificate, before, signed.tap)
        own_before = before.state.cum_own_won if before else 0
        charged = {
            "charge_won": signed.state.charge_won,
            "own_won": signed.state.cum_own_won - own_before,
            "missing_out_won": signed.state.missing_out_won,
            **signed.tap.journey.fields(),
        }
        expected = {
            "charge_won": price.charge_won,
            "own_won": price.own_won,
            "missing_out_won": price.missing_out_won,
            **price.journey.fields(),
        }
        differing = [name for name in charged if charged[name] != expected[name]]
        if not differing:
            return None
        if self._journal.get(_DISPUTE, self.address, seq) is None:
            found = [{name: each[name] for name in differing} for each in (charged, expected)]
            self._journal.add_now(_DISPUTE, self.address, seq, json.dumps(found, ensure_ascii=False).encode())
        over_won = signed.state.charge_won - price.charge_won
        over_own_won = int(charged["own_won"]) - price.own_won
        if over_won > 0:
            self.dispute(seq, DisputeCode.REFUND_NOT_RECEIVED, over_won, now)
        elif over_own_won > 0:
            self.dispute(seq, DisputeCode.VOUCHER_REFUSED, over_own_won, now)
        return next(dispute for dispute in self.disputes() if dispute.seq == seq)

    def dispute(self, seq: int, code: DisputeCode, claimed_won: int, now: int) -> bytes:
        """The signed dispute of tap `seq` for the clearing house, written down; for the same tap and code it is the one
        of the first time. Raises CardError where the card signed no such tap, StatementError for what none can claim.
        """
        kind = f"{_DISPUTE}:{code.value}"
        known = self._journal.get(kind, self.address, seq)
        if known is not None:
            return known.body
        made = FareDispute(self.address, seq, self._digest(self._signed(seq).state), code, claimed_won, now)
        document = made.document(made.sign(self._key, self._directory.chain_id))
        self._journal.add_now(kind, self.address, seq, document)
        return document

    def disputes(self) -> list[Dispute]:
        """Every tap that this wallet found priced differently, by sequence number."""
        documents: dict[int, bytes] = {}
        for code in (DisputeCode.VOUCHER_REFUSED, DisputeCode.REFUND_NOT_RECEIVED):
            kind = f"{_DISPUTE}:{code.value}"
            documents |= {entry.number: entry.body for entry in self._journal.entries(kind, self.address)}
        found = []
        for entry in self._journal.entries(_DISPUTE, self.address):
            charged, expected = json.loads(entry.body)
            found.append(Dispute(self.address, entry.number, charged, expected, documents.get(entry.number, b"")))
        return found

    def _signed(self, seq: int) -> SignedTap:
        signed = self.signed_tap(seq)
        if signed is None:
            raise CardError(f"card signed no tap {seq}")
        return signed

    def _last(self, *, durable: bool) -> _Decoded | None:
        entry = self._journal.last(_STATE, self.address)
        if entry is None:
            return None
        if durable and not self._journal.durable(entry.position):
            raise NotDurable("the card's last signature is not on the disk yet")
        if self._decoded is None or self._decoded.body != entry.body:
            signed = decode_signed_tap(entry.body)
            self._decoded = _Decoded(entry.body, signed, self._digest(signed.state))
        return self._decoded

    def _digest(self, state: FareState) -> bytes:
        return state.digest(self._directory.chain_id, self._directory.fares)
