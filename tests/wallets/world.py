"""A guarantor, an operator, a reader and a card for the wallets' tests, with plain keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coincurve import PrivateKey

from contracts.addresses import FARES
from contracts.codes import Mode, RiderClass
from contracts.messages import CardCertificate, FareState, ReaderCertificate
from contracts.signatures import address_of, sign
from wallets.presentation import FixedDirectory, Offer, SignedTap
from wallets.taps import NO_PREVIOUS, JourneyState, Tap, context, place_of, service_day

CHAIN_ID = 20251
NOW = 1_760_482_800  # 2025-10-15 08:00 KST
DAY = service_day(NOW)
MONTH = 2025 * 12 + 9
OPERATOR = 101
STOP, LINE = "시청", "2호선"


def key(name: str) -> PrivateKey:
    return PrivateKey(name.encode().rjust(32, b"."))


GUARANTOR, OPERATOR_KEY, READER, CARD, STRANGER = (
    key(name) for name in ("guarantor", "operator", "reader", "card", "stranger")
)
DIRECTORY = FixedDirectory(
    CHAIN_ID, FARES, frozenset({address_of(GUARANTOR)}), {OPERATOR: frozenset({address_of(OPERATOR_KEY)})}
)


def certificate(signer: PrivateKey = GUARANTOR, **changes: Any) -> tuple[CardCertificate, bytes]:
    made = replace(
        CardCertificate(address_of(CARD), MONTH, 0, RiderClass.ADULT, 511, 10_000, 200_000, DAY - 14, DAY + 16),
        **changes,
    )
    return made, sign(made.digest(CHAIN_ID, FARES), signer)


def reader_certificate(signer: PrivateKey = OPERATOR_KEY, **changes: Any) -> tuple[ReaderCertificate, bytes]:
    place = place_of("", STOP, LINE)
    made = replace(ReaderCertificate(address_of(READER), OPERATOR, place, NOW - 86_400, NOW + 6 * 86_400), **changes)
    return made, sign(made.digest(CHAIN_ID, FARES), signer)


def digest(state: FareState) -> bytes:
    return state.digest(CHAIN_ID, FARES)


def journey(seq: int, time: int, **changes: Any) -> JourneyState:
    return replace(JourneyState(first_seq=seq, first_time=time, legs=1, max_base_won=1_550, taken_won=1_550), **changes)


def offer(
    last: SignedTap | None = None,
    *,
    time: int = NOW,
    won: int = 1_550,
    salt: bytes = b"s" * 16,
    state: dict[str, Any] | None = None,
    tap: dict[str, Any] | None = None,
    first: tuple[int, int] | None = None,
    signer: PrivateKey = READER,
    reader: tuple[ReaderCertificate, bytes] | None = None,
    previous: bytes | None = None,
) -> Offer:
    """An honest reader's offer, with what a test changes before the reader signs it."""
    old = last.state if last else None
    seq, cum, own = (old.seq + 1, old.cum_won, old.cum_own_won) if old else (1, 0, 0)
    begun = journey(*(first or (seq, time)))
    made = Tap("IN", Mode.SUBWAY, OPERATOR, "", STOP, LINE, time, RiderClass.ADULT, "SEOUL-2025-06-28", begun)
    made = replace(made, **(tap or {}))
    day = service_day(made.journey.first_time)
    opening = (
        (old.day_start_cum_won, old.day_start_own_won) if old is not None and old.service_day == day else (cum, own)
    )
    before = previous if previous is not None else (digest(old) if old else NO_PREVIOUS)
    vouched, operator_signature = reader or reader_certificate()
    plain = FareState(
        address_of(CARD), seq, cum + won, own, *opening, won, 0, day, time,
        context(address_of(READER), before, salt, made.canonical()),
    )  # fmt: skip
    plain = replace(plain, **(state or {}))
    return Offer(plain, made, salt, sign(digest(plain), signer), vouched, operator_signature)
