"""What makes an uploaded tap acceptable: pure rules, no clock, no database (money.md §2, §3).

An entry that fails is refused by its error's code and hurts no other. Signatures and certificates are E's numbered
steps in wallets/presentation.py; here follow the reader's chain, the clocks and what the sums must satisfy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from contracts.errors import DureError, SignatureError
from contracts.messages import FareState, ReaderCertificate
from contracts.signatures import recover
from services.days import service_day_at
from services.fares.errors import (
    ChainBrokenError,
    FutureClockError,
    HeadSignatureError,
    MalformedError,
    OtherStationError,
    StaleClockError,
    UnknownCardError,
    WrongAmountsError,
)
from services.fares.limits import MAX_AGE_S, MAX_SKEW_S
from services.fares.uploads import Entry, ReaderHead, Unreadable, Upload, link
from wallets.errors import OperatorError
from wallets.presentation import Directory, certificate_signer, check_card_certificate, verify_signed_tap
from wallets.taps import NO_PREVIOUS, Tap

# What Fares holds in one slot per card (settlement.md): larger sums could not be booked.
_MAX_CUM_WON: Final = 1 << 40
_MAX_SEQ: Final = 1 << 24

CheckTap: TypeAlias = Callable[[Tap], None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One place of an uploaded stretch: its link, and either the state's digest or the error it was refused with."""

    index: int
    link_before: bytes
    link: bytes
    entry: Entry | Unreadable
    digest: bytes
    error: DureError | None


def check_head(upload: Upload, directory: Directory) -> ReaderCertificate:
    """The reader's certificate, after checking who vouches for it and that the reader signed the chain's head.

    Whether it was in force is asked at each tap's own time: a reader may come back after it ran out.
    Raises OperatorError, HeadSignatureError.
    """
    if upload.reader not in upload.readers:
        raise OperatorError(f"no certificate came for reader 0x{upload.reader.hex()}")
    certificate, signature = upload.readers[upload.reader]
    try:
        signer = certificate_signer(certificate, signature, directory.chain_id, directory.fares)
    except SignatureError as error:
        raise OperatorError(error.what) from error
    if signer not in directory.operator_keys(certificate.operator):
        raise OperatorError(f"0x{signer.hex()} is no key of operator {certificate.operator}")
    head = ReaderHead(upload.reader, upload.length, upload.head)
    try:
        signer = recover(head.digest(directory.chain_id, directory.fares), upload.head_signature)
    except SignatureError as error:
        raise HeadSignatureError(error.what) from error
    if signer != upload.reader:
        raise HeadSignatureError(f"signed by 0x{signer.hex()}, not by the reader")
    return certificate


def judge(
    upload: Upload,
    station: ReaderCertificate,
    link_before: bytes | None,
    directory: Directory,
    now: int,
    check_tap: CheckTap,
) -> list[Verdict]:
    """A verdict for every place of the stretch, in its order.

    link_before: the chain's link before the stretch, None where that part has not been uploaded yet · check_tap:
    what the tariff and the network say of a tap (raises FareError).
    """
    verdicts = _linked(upload, directory)
    first = verdicts[0] if verdicts else None
    if first is not None and first.error is None and link_before not in (None, first.link_before):
        broken = ChainBrokenError(f"entry {first.index} joins another link than the one uploaded before it")
        return [replace(verdict, error=broken) for verdict in verdicts]
    judged: list[Verdict] = []
    before = link_before or b""
    for verdict in verdicts:
        error = verdict.error or _first_error(upload, verdict, station, directory, now, check_tap)
        judged.append(replace(verdict, link_before=verdict.link_before or before, error=error))
        before = verdict.link
    return judged


def _linked(upload: Upload, directory: Directory) -> list[Verdict]:
    """Each place with its link, found backwards from the head that the reader signed.

    A line whose link is not the one that the chain goes on from is not what the reader wrote: that place alone is
    refused, as one that cannot be read, and the line before it stands on its own word.
    """
    verdicts: list[Verdict] = []
    expected: bytes | None = upload.head
    for entry in reversed(upload.entries):
        digest, after = b"", b""
        error: DureError | None
        if isinstance(entry, Unreadable):
            error = entry.error
        else:
            digest, error = _digest_of(entry.signed.state, directory)
            after = link(upload.reader, entry.index, entry.link_before, digest, entry.signed.card_signature)
            if error is None and expected not in (None, after):
                error = MalformedError(f"line {entry.index} is not the one that the chain goes on from")
        if error is None and isinstance(entry, Entry):
            verdicts.append(Verdict(entry.index, entry.link_before, after, entry, digest, None))
            expected = entry.link_before
        else:
            verdicts.append(Verdict(entry.index, b"", expected or b"", entry, b"", error))
            expected = None
    verdicts.reverse()
    return verdicts


def _digest_of(state: FareState, directory: Directory) -> tuple[bytes, DureError | None]:
    try:
        return state.digest(directory.chain_id, directory.fares), None
    except DureError as error:  # a number that does not fit its field
        return b"", error


def _first_error(
    upload: Upload, verdict: Verdict, station: ReaderCertificate, directory: Directory, now: int, check_tap: CheckTap
) -> DureError | None:
    entry = verdict.entry
    if isinstance(entry, Unreadable):
        return entry.error
    try:
        check_completion(entry, upload.reader, station)
        verify_entry(entry, upload, directory, verdict.digest)
        check_clock(entry.signed.state, now)
        check_sums(entry.signed.state, entry.signed.tap, entry.signed.previous_digest)
        check_tap(entry.signed.tap)
    except DureError as error:
        return error
    return None


def verify_entry(entry: Entry, upload: Upload, directory: Directory, digest: bytes) -> None:
    """Both signatures and both certificates. Raises UnknownCardError and the errors of wallets.presentation."""
    card = entry.signed.state.card
    if card not in upload.cards:
        raise UnknownCardError(f"no certificate came for card 0x{card.hex()}")
    certificate, signature = upload.cards[card]
    check_card_certificate(certificate, signature, directory)
    verify_signed_tap(entry.signed, certificate, directory, digest)


def check_completion(entry: Entry, reader: bytes, station: ReaderCertificate) -> None:
    """A reader completes its own offers, or those of a reader of its own place. Raises OtherStationError."""
    signer = entry.signed.offer.reader_certificate
    if signer.reader != reader and (signer.place, signer.operator) != (station.place, station.operator):
        raise OtherStationError(f"offered by reader 0x{signer.reader.hex()} of another place")


def check_clock(state: FareState, now: int) -> None:
    """The tap lies neither ahead of `now` nor too far back. Raises FutureClockError, StaleClockError."""
    if state.tap_time > now + MAX_SKEW_S:
        raise FutureClockError(f"the tap is {state.tap_time - now} s ahead of the clearing house's clock")
    if state.tap_time < now - MAX_AGE_S:
        raise StaleClockError(f"the tap is {now - state.tap_time} s old; cards are settled up to {MAX_AGE_S} s")


def check_sums(state: FareState, tap: Tap, previous_digest: bytes) -> None:
    """What must hold between the sums of one state, whatever the fare (money.md §2). Raises WrongAmountsError."""
    day_won = state.cum_won - state.day_start_cum_won
    day_own_won = state.cum_own_won - state.day_start_own_won
    faults: Sequence[tuple[bool, str]] = (
        (not 1 <= state.seq < _MAX_SEQ, "seq counts from 1 and stays below 2^24"),
        (state.cum_won >= _MAX_CUM_WON, "cumWon stays below 2^40"),
        (day_won < state.charge_won, "the day's fares are less than this tap's charge"),
        (not 0 <= day_own_won <= day_won, "the own part of the day is not within its fares"),
        (state.cum_own_won > state.cum_won, "the own part is more than all"),
        ((state.seq == 1) != (previous_digest == NO_PREVIOUS), "only the first state has no predecessor"),
        (state.seq == 1 and state.cum_won != state.charge_won, "the first state's sum is its charge"),
        (not 1 <= tap.journey.first_seq <= state.seq, "the journey begins after this tap"),
        (tap.journey.first_time > state.tap_time + MAX_SKEW_S, "the journey begins later than this tap"),
        (service_day_at(tap.journey.first_time) != state.service_day, "serviceDay is not that of the first tap-on"),
    )
    for fault, what in faults:
        if fault:
            raise WrongAmountsError(what)
