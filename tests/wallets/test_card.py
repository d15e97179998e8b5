"""A card's tap: what it signs, what it refuses by name, and that nothing leaves before it is on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from coincurve import PrivateKey

from contracts.codes import RiderClass
from contracts.messages import Claim, Credential
from contracts.signatures import address_of, sign, verify
from tests.wallets import world as w
from tests.wallets.world import NOW, certificate, offer, reader_certificate
from wallets import errors as e
from wallets.card import Price, Staged, TransitCard, claim_instance
from wallets.credentials import check_credential, sign_claim
from wallets.disputes import DisputeCode, FareDispute
from wallets.journal import Journal
from wallets.presentation import Offer, SignedTap, verify_presentation
from wallets.statements import StatementError
from wallets.taps import place_of, service_day_end


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal") as opened:
        yield opened


@pytest.fixture
def card(journal: Journal) -> TransitCard:
    return TransitCard.enrol(w.CARD, *certificate(), w.DIRECTORY, journal)


def test_a_tap_is_signed_shown_and_verified(card: TransitCard) -> None:
    first = offer()
    assert card.present().last is None
    verify_presentation(card.present(), w.DIRECTORY)
    signature = card.accept(first, NOW)
    verify(w.digest(first.state), signature, address_of(w.CARD))
    assert card.present().last == SignedTap(first, bytes(32), signature)
    assert verify_presentation(card.present(), w.DIRECTORY) == w.digest(first.state)
    second = offer(card.present().last, time=NOW + 900, won=300, first=(1, NOW))
    card.accept(second, NOW + 900)
    assert verify_presentation(card.present(), w.DIRECTORY) == w.digest(second.state)


def test_a_new_day_opens_at_the_sums_before_it(card: TransitCard) -> None:
    card.accept(offer(), NOW)
    tomorrow = NOW + 86_400
    card.accept(offer(card.present().last, time=tomorrow), tomorrow)
    assert card.present().last is not None
    assert card.present().last.state.day_start_cum_won == 1_550


def test_a_retry_gets_the_first_signature_at_any_time(card: TransitCard) -> None:
    first = offer()
    signature = card.accept(first, NOW)
    card.accept(offer(card.present().last, time=NOW + 60, first=(1, NOW)), NOW + 60)
    assert card.accept(first, NOW + 100_000) == signature


def test_a_second_state_at_one_number_is_refused(card: TransitCard) -> None:
    card.accept(offer(), NOW)
    with pytest.raises(e.SequenceTaken):
        card.accept(offer(salt=b"t" * 16), NOW)


def test_a_journey_over_the_cards_end_may_end(journal: Journal) -> None:
    card = TransitCard.enrol(w.CARD, *certificate(last_day=w.DAY), w.DIRECTORY, journal)
    late = service_day_end(w.DAY) - 60
    card.accept(offer(time=late), late)
    out = late + 6 * 3_600
    card.accept(offer(card.present().last, time=out, first=(1, late), won=0), out)
    for first, time, clock in ((None, late + 120, late + 120), ((1, late), out + 61, out + 61)):
        with pytest.raises(e.WindowError):
            card.accept(offer(card.present().last, time=time, first=first), clock)


_SECOND: dict[str, tuple[type[e.WalletError], Callable[[SignedTap], Offer]]] = {
    "seq-skipped": (e.SequenceError, lambda t: offer(t, state={"seq": 3})),
    "seq-first-again": (e.SequenceTaken, lambda t: offer(t, state={"seq": 1})),
    "sum-above": (e.SumError, lambda t: offer(t, state={"cum_won": 4_000})),
    "sum-falls": (e.SumError, lambda t: offer(t, state={"cum_won": 1_000})),
    "sum-without-charge": (e.SumError, lambda t: offer(t, state={"charge_won": 0})),
    "own-falls": (e.OwnPartError, lambda t: offer(t, state={"cum_own_won": 0})),
    "own-above-charge": (e.OwnPartError, lambda t: offer(t, state={"cum_own_won": 1_551})),
    "day-start-cum": (e.DayStartError, lambda t: offer(t, state={"day_start_cum_won": 1_550})),
    "day-start-own": (e.DayStartError, lambda t: offer(t, state={"day_start_own_won": 1})),
    "day-falls": (e.ServiceDayError, lambda t: offer(t, state={"service_day": w.DAY - 1})),
    "day-not-the-journeys": (
        e.ServiceDayError,
        lambda t: offer(t, state={"service_day": w.DAY + 1, "day_start_cum_won": 1_550}),
    ),
    "journey-from-the-future": (e.ServiceDayError, lambda t: offer(t, first=(2, NOW + 60))),
    "journey-without-number": (e.ServiceDayError, lambda t: offer(t, first=(0, NOW))),
    "journey-number-ahead": (e.ServiceDayError, lambda t: offer(t, first=(3, NOW))),
    "journey-new-but-old-time": (e.ServiceDayError, lambda t: offer(t, first=(2, NOW - 60))),
    "charge-above-maximum": (e.ChargeError, lambda t: offer(t, won=30_001)),
    "missing-out-above-maximum": (e.ChargeError, lambda t: offer(t, state={"missing_out_won": 30_001})),
    "time-falls": (e.ClockError, lambda t: offer(t, time=NOW - 91)),
    "time-stale": (e.ClockError, lambda t: offer(t, time=NOW - 301)),
    "time-future": (e.ClockError, lambda t: offer(t, time=NOW + 301)),
    "other-card": (e.OtherCardError, lambda t: offer(t, state={"card": address_of(w.STRANGER)})),
    "window-before": (e.WindowError, lambda t: offer(t, state={"service_day": w.DAY - 15})),
    "window-after": (e.WindowError, lambda t: offer(t, state={"service_day": w.DAY + 17})),
    "operator-unknown": (e.OperatorError, lambda t: offer(t, reader=reader_certificate(operator=7))),
    "operator-forged": (e.OperatorError, lambda t: offer(t, reader=reader_certificate(signer=w.STRANGER))),
    "operator-no-signature": (
        e.OperatorError,
        lambda t: replace(offer(t), operator_signature=b"\0" * 65),
    ),
    "reader-eight-days": (e.ReaderTermError, lambda t: offer(t, reader=reader_certificate(valid_to=NOW + 7 * 86_400))),
    "reader-ends-before": (e.ReaderTermError, lambda t: offer(t, reader=reader_certificate(valid_to=NOW - 90_000))),
    "reader-expired": (e.ReaderExpiredError, lambda t: offer(t, reader=reader_certificate(valid_to=NOW - 1))),
    "reader-not-yet": (e.ReaderExpiredError, lambda t: offer(t, reader=reader_certificate(valid_from=NOW + 1))),
    "reader-signature-forged": (e.ReaderSignatureError, lambda t: offer(t, signer=w.STRANGER)),
    "reader-signature-of-card": (e.ReaderSignatureError, lambda t: offer(t, signer=w.CARD)),
    "reader-signature-short": (e.ReaderSignatureError, lambda t: replace(offer(t), reader_signature=b"\1" * 64)),
    "reader-signature-of-another-state": (
        e.ReaderSignatureError,
        lambda t: replace(offer(t), state=replace(offer(t).state, missing_out_won=1)),
    ),
    "context-salt": (e.ContextError, lambda t: replace(offer(t), salt=b"t" * 16)),
    "context-predecessor": (e.ContextError, lambda t: offer(t, previous=bytes(32))),
    "context-tap": (e.ContextError, lambda t: replace(offer(t), tap=replace(offer(t).tap, stop="강남"))),
    "context-free": (e.ContextError, lambda t: offer(t, state={"context": b"c" * 32})),
    "tap-time": (e.TapMismatchError, lambda t: offer(t, tap={"time": NOW - 5})),
    "tap-operator": (e.TapMismatchError, lambda t: offer(t, tap={"operator": 102})),
    "tap-class": (e.TapMismatchError, lambda t: offer(t, tap={"rider_class": RiderClass.YOUTH})),
    "tap-place": (e.PlaceError, lambda t: offer(t, tap={"stop": "강남"})),
    "tap-place-bus": (e.PlaceError, lambda t: offer(t, tap={"route": "143"})),
}


@pytest.mark.parametrize("fault", _SECOND)
def test_must_fail(card: TransitCard, journal: Journal, fault: str) -> None:
    error, forge = _SECOND[fault]
    card.accept(offer(state={"cum_own_won": 500}) if fault == "own-falls" else offer(), NOW)
    last = card.present().last
    assert last is not None
    forged = forge(last)
    with pytest.raises(error) as caught:
        card.accept(forged, NOW)
    assert type(caught.value) is error
    assert card.present().last == last
    card.accept(offer(last, time=NOW, first=(1, NOW)), NOW)


def test_the_guarantors_cap(journal: Journal) -> None:
    card = TransitCard.enrol(w.CARD, *certificate(offline_cap_won=2_000), w.DIRECTORY, journal)
    card.accept(offer(), NOW)
    last = card.present().last
    for state, won in (({}, 451), ({"missing_out_won": 450}, 1)):
        with pytest.raises(e.OfflineCapError):
            card.accept(offer(last, won=won, state=state), NOW)
    card.renew(*certificate(offline_cap_won=2_001))
    card.accept(offer(last, won=451), NOW)
    assert TransitCard(w.CARD, w.DIRECTORY, journal).certificate.offline_cap_won == 2_001


@pytest.mark.parametrize(
    ("error", "signer", "changes"),
    [
        (e.GuarantorError, w.STRANGER, {}),
        (e.CardError, w.GUARANTOR, {"instance": 1}),
        (e.CardError, w.GUARANTOR, {"modes": 1}),
        (e.CardError, w.GUARANTOR, {"rider_class": 2}),
        (e.CardError, w.GUARANTOR, {"card": address_of(w.STRANGER)}),
    ],
)
def test_must_fail_renewal(
    card: TransitCard, error: type[e.WalletError], signer: PrivateKey, changes: dict[str, int]
) -> None:
    with pytest.raises(error):
        card.renew(*certificate(signer, **changes))


def test_must_fail_enrolment(journal: Journal) -> None:
    with pytest.raises(e.GuarantorError):
        TransitCard.enrol(w.CARD, *certificate(w.STRANGER), w.DIRECTORY, journal)
    with pytest.raises(e.CardError):
        TransitCard.enrol(w.STRANGER, *certificate(), w.DIRECTORY, journal)
    with pytest.raises(e.CardError):
        TransitCard(w.CARD, w.DIRECTORY, journal)
    TransitCard.enrol(w.CARD, *certificate(), w.DIRECTORY, journal)
    with pytest.raises(e.SlotTaken):
        TransitCard.enrol(w.CARD, *certificate(), w.DIRECTORY, journal)


def test_signatures_of_a_batch_leave_after_it(card: TransitCard, journal: Journal) -> None:
    with journal.batch():
        staged = card.stage(offer(), NOW)
        with pytest.raises(e.NotDurable):
            _ = staged.signature
        with pytest.raises(e.NotDurable):
            card.present()
        with pytest.raises(e.BatchOpen):
            card.accept(offer(), NOW)
        again = card.stage(offer(), NOW)
        with pytest.raises(e.NotDurable):
            _ = again.signature
    assert staged.signature == again.signature
    assert card.present().last is not None


def _dropped(card: TransitCard, journal: Journal) -> Staged:
    staged: list[Staged] = []

    def interrupted() -> None:
        with journal.batch():
            staged.append(card.stage(offer(), NOW))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    return staged[0]


def test_a_dropped_batch_leaves_no_trace(card: TransitCard, journal: Journal) -> None:
    staged = _dropped(card, journal)
    with pytest.raises(e.NotDurable):
        _ = staged.signature
    assert card.present().last is None
    card.accept(offer(salt=b"t" * 16), NOW)
    with pytest.raises(e.SequenceTaken):
        card.accept(offer(), NOW)


def test_a_dropped_batch_never_releases_its_signature(card: TransitCard, journal: Journal) -> None:
    staged = _dropped(card, journal)
    card.accept(offer(salt=b"t" * 16), NOW)  # takes the position that the dropped one had
    with pytest.raises(e.NotDurable):
        _ = staged.signature


def test_a_wrong_price_opens_one_dispute(card: TransitCard) -> None:
    card.accept(offer(won=1_700), NOW)
    tap = card.present().last.tap
    assert card.review(1, lambda *_: Price(1_700, 0, 0, tap.journey), NOW) is None
    found = card.review(1, lambda *_: Price(1_550, 0, 0, tap.journey), NOW)
    assert found is not None
    assert (found.charged, found.expected) == ({"charge_won": 1_700}, {"charge_won": 1_550})
    assert card.review(1, lambda *_: Price(1_550, 0, 0, tap.journey), NOW + 60) == found
    assert card.disputes() == [found]
    with pytest.raises(e.CardError):
        card.review(2, lambda *_: Price(0, 0, 0, tap.journey), NOW)


def test_a_tap_that_took_too_much_is_disputed_over_the_cards_signature(card: TransitCard) -> None:
    card.accept(offer(won=1_700, state={"cum_own_won": 100}), NOW)
    state, journey = card.present().last.state, card.present().last.tap.journey
    found = card.review(1, lambda *_: Price(1_550, 0, 0, journey), NOW + 5)
    assert found is not None
    dispute = FareDispute.verified(found.document, w.CHAIN_ID)
    assert dispute == FareDispute(
        card.address, 1, w.digest(state), DisputeCode.REFUND_NOT_RECEIVED, 1_700 - 1_550, NOW + 5
    )


def test_a_tap_that_the_voucher_should_have_paid_is_disputed_as_such(card: TransitCard) -> None:
    card.accept(offer(won=1_550, state={"cum_own_won": 100}), NOW)
    journey = card.present().last.tap.journey
    found = card.review(1, lambda *_: Price(1_550, 30, 0, journey), NOW)
    assert found is not None
    dispute = FareDispute.verified(found.document, w.CHAIN_ID)
    assert (dispute.code, dispute.claimed_won) == (DisputeCode.VOUCHER_REFUSED, 70)


@pytest.mark.parametrize("price", [(1_700, 0, 0), (1_550, 0, 500)], ids=["too little", "a penalty that may follow"])
def test_a_tap_that_took_nothing_too_much_is_noted_and_not_disputed(
    card: TransitCard, price: tuple[int, int, int]
) -> None:
    card.accept(offer(won=1_550), NOW)
    found = card.review(1, lambda *_: Price(*price, card.present().last.tap.journey), NOW)
    assert found is not None
    assert found.document == b""


def test_a_rider_disputes_a_tap_once_for_each_code(card: TransitCard) -> None:
    card.accept(offer(won=1_550), NOW)
    first = card.dispute(1, DisputeCode.GATE_FAULT, 1_550, NOW)
    assert card.dispute(1, DisputeCode.GATE_FAULT, 1, NOW + 1) == first
    assert card.dispute(1, DisputeCode.NOT_MY_RIDE, 1_550, NOW) != first
    assert card.disputes() == []
    with pytest.raises(e.CardError):
        card.dispute(2, DisputeCode.GATE_FAULT, 1_550, NOW)
    with pytest.raises(StatementError):
        card.dispute(1, DisputeCode.OPERATOR_SPLIT, 1_550, NOW)


def test_instances_are_never_given_twice(journal: Journal, tmp_path: Path) -> None:
    assert [claim_instance(journal, b"w", w.MONTH) for _ in range(3)] == [0, 1, 2]
    assert claim_instance(journal, b"w", w.MONTH + 1) == 0
    assert claim_instance(journal, b"v", w.MONTH) == 0
    with Journal(tmp_path / "restored") as fresh:
        assert claim_instance(fresh, b"w", w.MONTH, certified=2) == 3
        with pytest.raises(e.InstancesSpent):
            claim_instance(fresh, b"w", w.MONTH, certified=255)


def test_a_credential_serves_one_claim(journal: Journal) -> None:
    key, registry, vouchers = w.STRANGER, w.GUARANTOR, b"v" * 20
    credential = Credential(address_of(key), 1, w.MONTH, b"n" * 32, w.DAY, w.DAY + 9, b"a" * 32)
    signed = sign(credential.digest(1, vouchers), registry)
    check_credential(credential, signed, key, address_of(registry), 1, vouchers)
    with pytest.raises(e.CardError):
        check_credential(credential, signed, w.CARD, address_of(registry), 1, vouchers)
    claim = Claim(address_of(w.CARD), 3, w.MONTH, 40_000, b"n" * 32)
    signature = sign_claim(claim, credential, key, journal, 1, vouchers)
    verify(claim.digest(1, vouchers), signature, credential.key)
    assert sign_claim(claim, credential, key, journal, 1, vouchers) == signature
    with pytest.raises(e.CredentialSpent):
        sign_claim(replace(claim, card=address_of(w.READER)), credential, key, journal, 1, vouchers)
    for wrong in (replace(claim, nullifier=b"m" * 32), replace(claim, period=1)):
        with pytest.raises(e.CardError):
            sign_claim(wrong, credential, key, journal, 1, vouchers)


def test_no_secret_is_readable_by_accident(card: TransitCard, journal: Journal) -> None:
    with journal.batch():
        staged = card.stage(offer(), NOW)
        shown = repr(card) + repr(staged) + str(staged)
    assert w.CARD.secret.hex() not in shown
    assert staged.signature.hex() not in shown
    assert repr(staged.signature)[2:-1] not in repr(staged)


def test_a_place_of_a_bus_is_its_route() -> None:
    assert place_of("143", "a", "") == place_of("143", "b", "") != place_of("144", "a", "")
