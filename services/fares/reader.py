"""A gate or a bus's reader: decides offline, signs the card's next state, keeps its own chain of taps.

The order is that of zeropay.md §6.1 and money.md §2: certificates and both signatures of what the card shows, the
denylist, pass-back, the price, the ceilings; then the reader signs, the card signs, the tap is on the reader's disk,
and only then does the gate open. Time is handed in; salts come from an injected source.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from coincurve import PrivateKey

from contracts.codes import Mode, RiderClass
from contracts.messages import CardCertificate, FareState, ReaderCertificate
from contracts.signatures import address_of, sign
from services.days import service_day_at
from services.fares.denylist import Denylist
from services.fares.errors import (
    CapError,
    CeilingError,
    ClockError,
    CompletionError,
    OutBeforeInError,
    PassBackError,
    PenaltyError,
    ReaderFullError,
)
from services.fares.journeys import Charge, tap_off, tap_on
from services.fares.limits import (
    COMPLETION_S,
    MAX_OFFLINE_S,
    MAX_OPEN_OFFERS,
    MAX_PENALTY_WON,
    MAX_UPLOAD_ENTRIES,
    OFFLINE_COUNT,
    OFFLINE_SUM_WON,
    PASS_BACK_S,
)
from services.fares.reader_store import Kept, ReaderStore
from services.fares.rules import is_rail, own_part_won
from services.fares.sections import rail_ride
from services.fares.uploads import (
    ReaderHead,
    encode_certificate,
    encode_entry,
    encode_upload,
    link,
)
from wallets.errors import ReaderExpiredError
from wallets.presentation import (
    Directory,
    Offer,
    Presentation,
    SignedTap,
    check_card_signature,
    check_window,
    verify_presentation,
)
from wallets.taps import SALT_BYTES, Tap, TapKind, context, place_of


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a reader stands: a station and line on rail, a route on a bus (whose stop is told at each tap)."""

    mode: Mode
    operator: int
    route: str = ""
    stop: str = ""
    line: str = ""

    @property
    def place(self) -> bytes:
        """ReaderCertificate.place: 32 bytes."""
        return place_of(self.route, self.stop, self.line)


@dataclass(frozen=True, slots=True)
class _Open:
    offer: Offer
    previous_digest: bytes
    certificate: CardCertificate
    guarantor_signature: bytes


class Reader:
    """One reader. `salt` gives that many random bytes; `store` may be shared by the readers of one place."""

    def __init__(
        self,
        *,
        key: PrivateKey,
        gate: Gate,
        certificate: ReaderCertificate,
        operator_signature: bytes,
        directory: Directory,
        denylist: Denylist,
        store: ReaderStore,
        salt: Callable[[int], bytes],
    ) -> None:
        self.address = address_of(key)
        self.gate = gate
        self._key, self._directory, self.denylist, self._store, self._salt = key, directory, denylist, store, salt
        self._open: OrderedDict[bytes, _Open] = OrderedDict()
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self.renew(certificate, operator_signature)
        store.host(self.address)

    def renew(self, certificate: ReaderCertificate, operator_signature: bytes) -> None:
        """Takes a new certificate into use. Raises CompletionError where it names another reader or place."""
        if (certificate.reader, certificate.place) != (self.address, self.gate.place):
            raise CompletionError("the certificate is for another reader or place")
        self.certificate, self._operator_signature = certificate, operator_signature

    # --- a tap

    def resume(self, presentation: Presentation, now: int) -> SignedTap | None:
        """Completes the card's last tap free, if it was offered at this place under a minute ago and its signature
        never arrived (money.md §2); None otherwise. On the disk on return. Raises SignedTapError."""
        last = presentation.last
        if last is None or not 0 <= now - last.state.tap_time < COMPLETION_S:
            return None
        signer = last.offer.reader_certificate
        if signer.place != self.certificate.place or not self._store.hosts(signer.reader):
            return None
        digest = verify_presentation(presentation, self._directory)
        if self._store.completed(digest):
            return None
        self._keep(last, digest, presentation.certificate, presentation.guarantor_signature)
        return last

    def offer(
        self,
        presentation: Presentation,
        kind: TapKind,
        now: int,
        *,
        stop: str = "",
        metres: int = 0,
    ) -> Offer:
        """The next state of the card, signed by this reader. Nothing is charged until the card signs it too.

        stop, metres: of a bus, where it stands and what the leg measured along its route (tap-off). Raises
        SignedTapError, ReaderError, FareError; of these NoPathError where the network has no distance between tap-on
        and tap-off (fares.md §12), FareNotInTablesError where the tables have no price of a surcharged section (§7).
        """
        if not self.certificate.valid_from <= now <= self.certificate.valid_to:
            raise ReaderExpiredError(f"this reader's certificate ran out at {self.certificate.valid_to}")
        previous = verify_presentation(presentation, self._directory)
        card = presentation.certificate.card
        self.denylist.check(card, now)
        if now - self._seen.get(card, -PASS_BACK_S) < PASS_BACK_S:
            raise PassBackError(f"card 0x{card.hex()} was here {now - self._seen[card]} s ago")
        charge = self._price(presentation, kind, now, stop, metres)
        self._check_ceilings(presentation, kind, charge, now)
        tap = Tap(
            kind=kind,
            mode=self.gate.mode,
            operator=self.gate.operator,
            route=self.gate.route,
            stop=stop or self.gate.stop,
            line=self.gate.line,
            time=now,
            rider_class=charge.rider_class,
            tariff=charge.tariff,
            journey=charge.journey,
        )
        offer = self._sign(presentation, previous, charge, tap)
        digest = offer.state.digest(self._directory.chain_id, self._directory.fares)
        self._open[digest] = _Open(offer, previous, presentation.certificate, presentation.guarantor_signature)
        if len(self._open) > MAX_OPEN_OFFERS:
            self._open.popitem(last=False)
        return offer

    def complete(self, offer: Offer, card_signature: bytes, now: int) -> SignedTap:
        """The card signed: the tap is on the disk on return (or when the store's group ends), the gate may open.

        Raises CompletionError for an offer that is not open here, CardSignatureError.
        """
        digest = offer.state.digest(self._directory.chain_id, self._directory.fares)
        found = self._open.get(digest)
        if found is None:
            raise CompletionError("this reader has no such offer open")
        signed = SignedTap(found.offer, found.previous_digest, card_signature)
        check_card_signature(signed, digest)
        self._keep(signed, digest, found.certificate, found.guarantor_signature)
        del self._open[digest]
        self._seen[offer.state.card] = now
        self._seen.move_to_end(offer.state.card)
        while now - next(iter(self._seen.values())) > PASS_BACK_S:
            self._seen.popitem(last=False)
        return signed

    def _price(self, presentation: Presentation, kind: TapKind, now: int, stop: str, metres: int) -> Charge:
        gate, last = self.gate, presentation.last
        if kind == "IN":
            return tap_on(
                last.tap if last else None,
                last.state.missing_out_won if last else 0,
                seq=last.state.seq + 1 if last else 1,
                time=now,
                mode=gate.mode,
                route=gate.route,
                stop=stop or gate.stop,
                line=gate.line,
                rider_class=RiderClass(presentation.certificate.rider_class),
            )
        if last is None or last.tap.kind != "IN" or last.tap.mode is not gate.mode:
            raise OutBeforeInError("the card has no open leg that could end here")
        sections: tuple[str, ...] = ()
        if is_rail(gate.mode):
            metres, sections = rail_ride(gate.mode, _rail_place(last.tap), _rail_place(gate))
        return tap_off(
            last.tap,
            time=now,
            mode=gate.mode,
            route=gate.route,
            stop=stop or gate.stop,
            line=gate.line,
            metres=metres,
            sections=sections,
        )

    def _check_ceilings(self, presentation: Presentation, kind: TapKind, charge: Charge, now: int) -> None:
        last, certificate = presentation.last, presentation.certificate
        cum_won = last.state.cum_won if last else 0
        if cum_won + charge.charge_won + charge.missing_out_won > certificate.offline_cap_won:
            raise CapError(
                f"{cum_won} won charged and {charge.charge_won + charge.missing_out_won} to come exceed "
                f"{certificate.offline_cap_won}"
            )
        oldest = self._store.oldest(self.address)
        if oldest and now - oldest > MAX_OFFLINE_S:
            raise ReaderFullError(f"the oldest tap waits {now - oldest} s for the upload")
        if kind == "OUT":
            return  # a rider who is inside may always leave within the card's own cap
        if charge.penalty_won >= MAX_PENALTY_WON:
            raise PenaltyError(f"{charge.penalty_won} won are outstanding for a missing tap-off")
        divisor = self.denylist.ceiling_divisor(now)
        count, won = self._store.waiting(self.address, certificate.card)
        if count + 1 > OFFLINE_COUNT // divisor or won + charge.charge_won > OFFLINE_SUM_WON // divisor:
            raise CeilingError(f"{count} taps with {won} won of this card wait here for the upload")

    def _sign(self, presentation: Presentation, previous: bytes, charge: Charge, tap: Tap) -> Offer:
        certificate = presentation.certificate
        last = presentation.last.state if presentation.last else None
        day = service_day_at(charge.journey.first_time)
        if last is not None and day < last.service_day:
            raise ClockError(f"service day {day} lies before the card's {last.service_day}")
        check_window(certificate, day, tap.time)
        cum_won, own_won = (last.cum_won, last.cum_own_won) if last else (0, 0)
        same_day = last is not None and last.service_day == day
        own = own_part_won(
            charge.charge_won, charge.penalty_won, tap.mode, certificate.modes, certificate.per_tap_cap_won
        )
        salt = self._salt(SALT_BYTES)
        state = FareState(
            card=certificate.card,
            seq=last.seq + 1 if last else 1,
            cum_won=cum_won + charge.charge_won,
            cum_own_won=own_won + own,
            day_start_cum_won=last.day_start_cum_won if last and same_day else cum_won,
            day_start_own_won=last.day_start_own_won if last and same_day else own_won,
            charge_won=charge.charge_won,
            missing_out_won=charge.missing_out_won,
            service_day=day,
            tap_time=tap.time,
            context=context(self.address, previous, salt, tap.canonical()),
        )
        digest = state.digest(self._directory.chain_id, self._directory.fares)
        return Offer(state, tap, salt, sign(digest, self._key), self.certificate, self._operator_signature)

    # --- the chain and its upload

    def _keep(self, signed: SignedTap, digest: bytes, certificate: CardCertificate, guarantor_signature: bytes) -> None:
        tip = self._store.tip(self.address)
        offer = signed.offer
        kept = Kept(
            position=tip.length,
            line=encode_entry(tip.length, tip.link, signed),
            link=link(self.address, tip.length, tip.link, digest, signed.card_signature),
            signer=offer.operator_signature,
            own=self._operator_signature,
            certificate=guarantor_signature,
        )
        signer = offer.reader_certificate
        certificates = {
            offer.operator_signature: (signer.reader, encode_certificate(signer, offer.operator_signature)),
            self._operator_signature: (self.address, encode_certificate(self.certificate, self._operator_signature)),
            guarantor_signature: (certificate.card, encode_certificate(certificate, guarantor_signature)),
        }
        self._store.append(self.address, kept, certificates, digest, signed.state)

    def upload(self, most: int = MAX_UPLOAD_ENTRIES) -> bytes | None:
        """The oldest taps that clearing has not acknowledged, as one upload; None if there are none.

        A stretch ends where a certificate changes, so that each address in it has one.
        """
        stretch: list[Kept] = []
        signers: dict[bytes, bytes] = {}
        cards: dict[bytes, bytes] = {}
        for kept in self._store.kept(self.address, most):
            joined = all(
                (
                    _joins(signers, kept.signer, self._store),
                    _joins(signers, kept.own, self._store),
                    _joins(cards, kept.certificate, self._store),
                )
            )
            if not joined:
                break
            stretch.append(kept)
        if not stretch:
            return None
        head = ReaderHead(self.address, stretch[-1].position + 1, stretch[-1].link)
        return encode_upload(
            head=head,
            first_index=stretch[0].position,
            head_signature=sign(head.digest(self._directory.chain_id, self._directory.fares), self._key),
            readers=signers.values(),
            cards=cards.values(),
            lines=[kept.line for kept in stretch],
        )

    def acknowledge(self, next_index: int) -> None:
        """Clearing has everything before `next_index` on its disk; it may be forgotten here."""
        self._store.forget(self.address, next_index)


def _rail_place(gate: Tap | Gate) -> str:
    return f"{gate.stop}:{gate.line}" if gate.line else gate.stop


def _joins(chosen: dict[bytes, bytes], signature: bytes, store: ReaderStore) -> bool:
    """Whether this certificate is the one already chosen for its address, or the first; then it is chosen."""
    subject, body = store.certificate(signature)
    return chosen.setdefault(subject, body) == body
