"""A small city for tests: a guarantor, operators, readers and cards, all with keys from a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coincurve import PrivateKey

from contracts.addresses import FARES
from contracts.codes import Mode, RiderClass
from contracts.messages import CardCertificate, ReaderCertificate
from contracts.signatures import address_of, sign
from services.days import day_start, month_first_day, month_last_day, month_of, service_day_at
from services.fares.denylist import Denylist
from services.fares.reader import Gate, Reader
from services.fares.reader_store import ReaderStore
from wallets.presentation import FixedDirectory, Offer, Presentation, SignedTap

CHAIN_ID = 20251
DAY = 20376  # Wednesday 2025-10-15
MORNING = day_start(DAY) + 4 * 3_600  # 08:00 KST
ALL_MODES = (1 << len(Mode)) - 1
METRO, KORAIL, BUS, VILLAGE_BUS = 101, 102, 201, 210


def key(name: str) -> PrivateKey:
    return PrivateKey(hashlib.sha256(name.encode()).digest())


GUARANTOR = key("guarantor")
OPERATORS = {number: key(f"operator {number}") for number in (METRO, KORAIL, BUS, VILLAGE_BUS)}
CLEARING = key("clearing house")


def directory() -> FixedDirectory:
    return FixedDirectory(
        chain_id=CHAIN_ID,
        fares=FARES,
        guarantor_keys=frozenset({address_of(GUARANTOR)}),
        operators={number: frozenset({address_of(one)}) for number, one in OPERATORS.items()},
    )


def card_certificate(
    card: bytes,
    *,
    rider_class: RiderClass = RiderClass.ADULT,
    modes: int = ALL_MODES,
    per_tap_cap_won: int = 20_000,
    offline_cap_won: int = 300_000,
    day: int = DAY,
    signer: PrivateKey = GUARANTOR,
) -> tuple[CardCertificate, bytes]:
    month = month_of(day)
    certificate = CardCertificate(
        card=card,
        month=month,
        instance=0,
        rider_class=rider_class,
        modes=modes,
        per_tap_cap_won=per_tap_cap_won,
        offline_cap_won=offline_cap_won,
        first_day=month_first_day(month),
        last_day=month_last_day(month),
    )
    return certificate, sign(certificate.digest(CHAIN_ID, FARES), signer)


@dataclass
class Card:
    """A card in memory: what a wallet shows and signs. `history` is every state it signed, oldest first."""

    key: PrivateKey
    certificate: CardCertificate
    guarantor_signature: bytes
    history: list[SignedTap] = field(default_factory=list)

    @property
    def address(self) -> bytes:
        return self.certificate.card

    def show(self) -> Presentation:
        return Presentation(self.certificate, self.guarantor_signature, self.history[-1] if self.history else None)

    def previous_digest(self) -> bytes:
        return self.history[-1].state.digest(CHAIN_ID, FARES) if self.history else bytes(32)

    def accept(self, offer: Offer) -> bytes:
        signature = sign(offer.state.digest(CHAIN_ID, FARES), self.key)
        self.history.append(SignedTap(offer, self.previous_digest(), signature))
        return signature


def make_card(name: str, **terms: object) -> Card:
    one = key(f"card {name}")
    certificate, signature = card_certificate(address_of(one), **terms)  # type: ignore[arg-type]
    return Card(one, certificate, signature)


@dataclass
class City:
    """Readers by name, all on one store unless said otherwise."""

    folder: Path
    seed: int = 1
    now: int = MORNING
    readers: dict[str, Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.directory = directory()
        self.random = random.Random(self.seed)
        self.denylist = Denylist(version=1, issued_at=self.now)
        self.store = ReaderStore(self.folder / "readers.db")

    def salt(self, size: int) -> bytes:
        return self.random.randbytes(size)

    def reader(self, name: str, gate: Gate, store: ReaderStore | None = None) -> Reader:
        """The reader of that name, made at its first mention."""
        if name not in self.readers:
            self.readers[name] = make_reader(
                name, gate, self.directory, self.denylist, store or self.store, self.salt, self.now
            )
        return self.readers[name]

    def metro(self, stop: str, line: str) -> Reader:
        return self.reader(f"{stop}:{line}", Gate(Mode.SUBWAY, METRO, stop=stop, line=line))

    def bus(self, route: str, mode: Mode = Mode.TRUNK) -> Reader:
        operator = VILLAGE_BUS if mode is Mode.VILLAGE else BUS
        return self.reader(route, Gate(mode, operator, route=route))

    def tap_in(self, card: Card, reader: Reader, now: int, stop: str = "") -> SignedTap:
        offer = reader.offer(card.show(), "IN", now, stop=stop)
        return reader.complete(offer, card.accept(offer), now)

    def tap_out(self, card: Card, reader: Reader, now: int, stop: str = "", metres: int = 0) -> SignedTap:
        offer = reader.offer(card.show(), "OUT", now, stop=stop, metres=metres)
        return reader.complete(offer, card.accept(offer), now)

    def ride(self, card: Card, now: int) -> None:
        """시청 to 강남 (13,900 m), 31 minutes."""
        self.tap_in(card, self.metro("시청", "2호선"), now)
        self.tap_out(card, self.metro("강남", "2호선"), now + 1_860)


def make_reader(
    name: str,
    gate: Gate,
    known: FixedDirectory,
    denylist: Denylist,
    store: ReaderStore,
    salt: Callable[[int], bytes],
    now: int,
) -> Reader:
    one = key(f"reader {name}")
    start = day_start(service_day_at(now))
    certificate = ReaderCertificate(address_of(one), gate.operator, gate.place, start, start + 7 * 86_400)
    return Reader(
        key=one,
        gate=gate,
        certificate=certificate,
        operator_signature=sign(certificate.digest(CHAIN_ID, FARES), OPERATORS[gate.operator]),
        directory=known,
        denylist=denylist,
        store=store,
        salt=salt,
    )
