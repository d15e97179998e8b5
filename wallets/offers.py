"""What a wallet demands of an offer before its card signs it (money.md §2). Pure: state in, error or digest out."""

from __future__ import annotations

from contracts.messages import CardCertificate, FareState
from wallets.errors import (
    ChargeError,
    ClockError,
    DayStartError,
    OfflineCapError,
    OtherCardError,
    OwnPartError,
    SequenceError,
    ServiceDayError,
    SumError,
)
from wallets.limits import MAX_CLOCK_SKEW_S, MAX_READER_SKEW_S
from wallets.presentation import (
    Directory,
    Offer,
    check_binding,
    check_reader_certificate,
    check_reader_signature,
    check_window,
)
from wallets.taps import service_day


def check_sums(last: FareState | None, state: FareState) -> None:
    """Sequence, sums and the day's opening values follow from the last state (money.md §2 and §3).

    Raises SequenceError, SumError, OwnPartError, ServiceDayError, DayStartError.
    """
    seq, cum, own, day = (last.seq, last.cum_won, last.cum_own_won, last.service_day) if last else (0, 0, 0, 0)
    if state.seq != seq + 1:
        raise SequenceError(f"state {state.seq} after {seq}")
    if state.cum_won != cum + state.charge_won:
        raise SumError(f"sum {state.cum_won} won after {cum} and a charge of {state.charge_won}")
    if not 0 <= state.cum_own_won - own <= state.charge_won:
        raise OwnPartError(f"own part {state.cum_own_won} won after {own} and a charge of {state.charge_won}")
    if state.service_day < day:
        raise ServiceDayError(f"service day {state.service_day} after {day}")
    opening = (last.day_start_cum_won, last.day_start_own_won) if last and state.service_day == day else (cum, own)
    if (state.day_start_cum_won, state.day_start_own_won) != opening:
        raise DayStartError(
            f"day opens at {(state.day_start_cum_won, state.day_start_own_won)} won, the card's sums are {opening}"
        )


def check_journey(last: FareState | None, offer: Offer) -> None:
    """The state's service day is that of its journey's first tap-on (money.md §2). Raises ServiceDayError."""
    state, journey = offer.state, offer.tap.journey
    if not 1 <= journey.first_seq <= state.seq or not 0 < journey.first_time <= state.tap_time:
        raise ServiceDayError(f"journey begins at tap {journey.first_seq}, time {journey.first_time}")
    if journey.first_seq == state.seq and journey.first_time != state.tap_time:
        raise ServiceDayError(f"journey begins with this tap, but at {journey.first_time}")
    if service_day(journey.first_time) != state.service_day:
        raise ServiceDayError(
            f"journey begins on day {service_day(journey.first_time)}, the state says {state.service_day}"
        )
    if last is not None and journey.first_seq <= last.seq and last.service_day != state.service_day:
        raise ServiceDayError(f"journey of day {last.service_day} goes on in day {state.service_day}")


def check_limits(
    certificate: CardCertificate, last: FareState | None, state: FareState, max_won: int, now: int
) -> None:
    """Charge, cap and clock. Raises ChargeError, OfflineCapError, ClockError."""
    if max(state.charge_won, state.missing_out_won) > max_won:
        raise ChargeError(f"{state.charge_won} won, {state.missing_out_won} without a tap-off; at most {max_won} a tap")
    if state.cum_won + state.missing_out_won > certificate.offline_cap_won:
        raise OfflineCapError(
            f"{state.cum_won} and {state.missing_out_won} won exceed the {certificate.offline_cap_won} covered"
        )
    if abs(now - state.tap_time) > MAX_CLOCK_SKEW_S:
        raise ClockError(f"tap is {state.tap_time - now} s from now")
    if last is not None and state.tap_time < last.tap_time - MAX_READER_SKEW_S:
        raise ClockError(f"tap at {state.tap_time} after one at {last.tap_time}")


def check_offer(
    offer: Offer,
    digest: bytes,
    certificate: CardCertificate,
    last: FareState | None,
    previous_digest: bytes,
    directory: Directory,
    max_won: int,
    now: int,
) -> None:
    """Everything a card checks before it signs `digest`, the offered state's.

    `last` and `previous_digest`: the card's last state and its digest, None and 32 zero bytes before the first.
    `max_won`: the wallet's most for one tap. Raises SignedTapError and OfferError by rule.
    """
    state = offer.state
    if state.card != certificate.card:
        raise OtherCardError(f"state of card 0x{state.card.hex()}, this is 0x{certificate.card.hex()}")
    check_window(certificate, state.service_day, state.tap_time)
    check_sums(last, state)
    check_journey(last, offer)
    check_limits(certificate, last, state, max_won, now)
    check_reader_certificate(offer, directory)
    check_reader_signature(offer, digest)
    check_binding(offer, previous_digest, certificate)
