"""Applications, double benefits, objections with their clocks, one-time credentials: on both kinds of database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from contracts.hashing import sha256
from contracts.messages import Credential
from contracts.signatures import address_of, recover, sign
from services.days import DAY_S, day_start
from services.vouchers.attestations import (
    EligibilityAttestation,
    commitment,
    nullifier,
    period_number,
    person_tag,
    source_leaf,
)
from services.vouchers.errors import (
    ApplicationError,
    AttestationError,
    AttestationExpiredError,
    ClockError,
    DuplicateError,
    ProgrammeError,
    TransitionError,
    VoucherLimitError,
)
from services.vouchers.programmes import EligibilityClass, Period, presets
from services.vouchers.registry import Registry, RegistryKeys
from services.vouchers.states import EndReason, Entitlement
from tests.services.chain import key

DAY = 20_376  # 2025-10-15
NOW = day_start(DAY) + 3_600
CHAIN_ID, VOUCHERS = 20_251, b"\0" * 18 + b"\xd0\x03"
ISSUER, SIGNER, WALLET = 6, key("registry"), address_of(key("wallet"))
PERSON = sha256(b"person")


def registry_on(engine: Engine) -> Registry:
    return Registry(
        engine,
        RegistryKeys(sha256(b"k"), SIGNER),
        presets(),
        {ISSUER: frozenset({address_of(key("welfare office"))})},
        chain_id=CHAIN_ID,
        vouchers=VOUCHERS,
    )


@pytest.fixture
def registry(sqlite_engine: Engine) -> Registry:
    return registry_on(sqlite_engine)


def attested(**changes: object) -> tuple[EligibilityAttestation, bytes]:
    made = EligibilityAttestation(PERSON, EligibilityClass.DISABLED, ISSUER, DAY - 10, DAY + 300)
    made = replace(made, **changes)  # type: ignore[arg-type]
    return made, sign(made.digest(CHAIN_ID, VOUCHERS), key("welfare office"))


def apply(registry: Registry, programme: str = "TW-BASIC", device: str = "d", now: int = NOW, **changes: object) -> int:
    return registry.apply(programme, *attested(**changes), device, now=now)


def test_a_credential_says_nothing_but_what_the_chain_needs(engine: Engine) -> None:
    registry = registry_on(engine)
    application = apply(registry)
    assert registry.state_of(application) == (Entitlement.ACTIVE, "")
    signed = registry.credential(application, PERSON, WALLET, now=NOW)
    credential = signed.credential
    assert isinstance(credential, Credential)
    assert recover(credential.digest(CHAIN_ID, VOUCHERS), signed.signature) == address_of(SIGNER)
    period = 2025 * 12 + 9
    assert (credential.group, credential.period, credential.key) == (1, period, WALLET)
    assert credential.nullifier == nullifier(sha256(b"k"), PERSON, 1, period)
    assert (credential.first_day, credential.last_day) == (DAY - 10, DAY + 300)
    assert registry.credential(application, PERSON, WALLET, now=NOW) == signed


def test_a_citizen_whose_answer_was_lost_finds_the_application_that_serves_him(engine: Engine) -> None:
    registry = registry_on(engine)
    asked = [(PERSON, "TW-BASIC"), (PERSON, "TRANSIT-DAY"), (sha256(b"somebody else"), "TW-BASIC")]
    assert registry.serving(asked, now=NOW) == [None, None, None]
    application = apply(registry)
    apply(registry)  # rejected as a double benefit
    assert registry.serving(asked, now=NOW) == [application, None, None]
    after = NOW + 301 * DAY_S
    assert registry.serving(asked, now=after) == [None, None, None]
    again = apply(registry, now=after, last_day=DAY + 600)
    assert registry.serving(asked, now=after) == [again, None, None]
    registry.suspend(again, "moved")
    assert registry.serving(asked, now=after) == [None, None, None]


def test_nobody_is_served_by_an_unknown_programme(registry: Registry) -> None:
    with pytest.raises(ProgrammeError):
        registry.serving([(PERSON, "TW-NONE")], now=NOW)


def test_the_next_month_has_a_credential_of_its_own(registry: Registry) -> None:
    application = apply(registry)
    first = registry.credential(application, PERSON, WALLET, now=NOW)
    later = registry.credential(application, PERSON, address_of(key("other wallet")), now=NOW + 31 * DAY_S)
    assert later.credential.period == first.credential.period + 1
    assert later.credential.nullifier != first.credential.nullifier


def test_the_earlier_entitlement_wins_and_the_later_is_a_duplicate(registry: Registry) -> None:
    first = apply(registry)
    second = apply(registry, "DISABLED-BUS")
    assert registry.state_of(first)[0] is Entitlement.ACTIVE
    assert registry.state_of(second) == (Entitlement.REJECTED_DUPLICATE, DuplicateError.code)
    other_group = apply(registry, "YOUTH-MILEAGE", eligibility=EligibilityClass.YOUTH_19_24)
    assert registry.state_of(other_group)[0] is Entitlement.ACTIVE
    assert registry.state_of(apply(registry, person=sha256(b"somebody else")))[0] is Entitlement.ACTIVE


def test_after_the_first_ended_the_second_wins_its_objection(registry: Registry) -> None:
    first, second = apply(registry), apply(registry, "DISABLED-BUS")
    registry.end(first, EndReason.MOVED_OUT, DAY)
    assert registry.object(second, now=NOW + DAY_S) == NOW + 16 * DAY_S
    assert registry.review(second, *attested(), now=NOW + 2 * DAY_S) is Entitlement.ACTIVE


def test_one_persons_group_has_one_credential_a_period_even_across_programmes(registry: Registry) -> None:
    first = apply(registry)
    registry.credential(first, PERSON, WALLET, now=NOW)
    registry.end(first, EndReason.FRAUD, DAY - 1)
    second = apply(registry, "DISABLED-BUS")
    assert registry.state_of(second)[0] is Entitlement.ACTIVE
    with pytest.raises(DuplicateError):
        registry.credential(second, PERSON, WALLET, now=NOW)


def test_objections_have_clocks(registry: Registry) -> None:
    rejected = apply(registry, eligibility=EligibilityClass.PREGNANT)
    assert registry.state_of(rejected) == (Entitlement.REJECTED, AttestationError.code)
    with pytest.raises(ClockError):
        registry.object(rejected, now=NOW + 90 * DAY_S + 1)
    due = registry.object(rejected, now=NOW + 90 * DAY_S)
    assert due == NOW + 105 * DAY_S
    assert registry.overdue(now=due) == []
    assert registry.overdue(now=due + 1) == [rejected]
    with pytest.raises(TransitionError):
        registry.object(rejected, now=due)
    assert registry.review(rejected, *attested(), now=due) is Entitlement.ACTIVE
    assert registry.overdue(now=due + 1) == []


def test_suspension_stops_credentials_for_its_time(registry: Registry) -> None:
    application = apply(registry)
    registry.suspend(application, "POOLING")
    assert registry.state_of(application) == (Entitlement.SUSPENDED, "POOLING")
    with pytest.raises(ApplicationError):
        registry.credential(application, PERSON, WALLET, now=NOW)
    registry.resume(application)
    registry.credential(application, PERSON, WALLET, now=NOW)


def test_an_ended_entitlement_gives_no_credential(registry: Registry) -> None:
    application = apply(registry)
    registry.end(application, EndReason.DEATH, DAY)
    with pytest.raises(ApplicationError):
        registry.credential(application, PERSON, WALLET, now=NOW)
    with pytest.raises(TransitionError):
        registry.end(application, EndReason.DEATH, DAY)


REJECTED: dict[str, tuple[dict[str, object], str]] = {
    "class that the programme is not for": ({"eligibility": EligibilityClass.PREGNANT}, AttestationError.code),
    "window not begun": ({"first_day": DAY + 1}, AttestationExpiredError.code),
    "window over": ({"last_day": DAY - 1}, AttestationExpiredError.code),
    "window backwards": ({"first_day": DAY + 5, "last_day": DAY - 5}, AttestationError.code),
    "window of three years": ({"last_day": DAY + 1_000}, VoucherLimitError.code),
    "issuer unknown": ({"issuer": 9}, AttestationError.code),
}


@pytest.mark.parametrize("fault", REJECTED)
def test_bad_attestations_are_kept_as_rejected(registry: Registry, fault: str) -> None:
    changes, code = REJECTED[fault]
    assert registry.state_of(apply(registry, **changes)) == (Entitlement.REJECTED, code)


def test_a_changed_attestation_is_rejected(registry: Registry) -> None:
    attestation, signature = attested()
    forged = replace(attestation, eligibility=EligibilityClass.AGED_65)
    application = registry.apply("TW-BASIC", forged, signature, "d", now=NOW)
    assert registry.state_of(application) == (Entitlement.REJECTED, AttestationError.code)
    broken = registry.apply("TW-BASIC", attestation, b"\1" * 65, "d", now=NOW)
    assert registry.state_of(broken) == (Entitlement.REJECTED, AttestationError.code)


def test_the_sixth_application_of_a_device_is_checked_by_hand(registry: Registry) -> None:
    for number in range(5):
        apply(registry, person=sha256(bytes([number])))
    with pytest.raises(VoucherLimitError):
        apply(registry, person=sha256(b"sixth"))
    apply(registry, person=sha256(b"sixth"), device="another")
    apply(registry, person=sha256(b"seventh"), now=NOW + DAY_S)


MUST_FAIL: dict[str, tuple[type[Exception], Callable[[Registry, int], object]]] = {
    "programme unknown": (ProgrammeError, lambda registry, _: apply(registry, "NOTHING")),
    "application unknown": (ApplicationError, lambda registry, _: registry.state_of(999)),
    "another person's application": (
        ApplicationError,
        lambda registry, number: registry.credential(number, sha256(b"other"), WALLET, now=NOW),
    ),
    "another key in the same period": (
        DuplicateError,
        lambda registry, number: (
            registry.credential(number, PERSON, WALLET, now=NOW),
            registry.credential(number, PERSON, b"\1" * 20, now=NOW),
        ),
    ),
    "after the window": (
        AttestationExpiredError,
        lambda registry, number: registry.credential(number, PERSON, WALLET, now=NOW + 302 * DAY_S),
    ),
    "objecting to an approval": (TransitionError, lambda registry, number: registry.object(number, now=NOW)),
    "resuming what runs": (TransitionError, lambda registry, number: registry.resume(number)),
    "review of another person": (
        AttestationError,
        lambda registry, number: registry.review(number, *attested(person=sha256(b"x")), now=NOW),
    ),
}


@pytest.mark.parametrize("fault", MUST_FAIL)
def test_must_fail(registry: Registry, fault: str) -> None:
    error, call = MUST_FAIL[fault]
    application = apply(registry)
    with pytest.raises(error):
        call(registry, application)


@pytest.mark.parametrize(
    "call",
    [
        lambda: nullifier(b"short", PERSON, 1, 1),
        lambda: nullifier(sha256(b"k"), b"short", 1, 1),
        lambda: person_tag(sha256(b"k"), b"short", 1),
        lambda: commitment(b"short", EligibilityClass.DISABLED, 1),
        lambda: source_leaf(b"short", "TW-BASIC", 1),
        lambda: attested(person=b"short"),
        lambda: attested(first_day=-1),
        lambda: attested(last_day=1 << 16),
    ],
)
def test_lengths_and_ranges_are_fixed(call: Callable[[], object]) -> None:
    with pytest.raises(AttestationError):
        call()


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_nullifiers_differ_where_anything_differs(person: bytes, group: int, period: int) -> None:
    registry_key = sha256(b"k")
    mark = nullifier(registry_key, person, group, period)
    others = {
        nullifier(sha256(b"other k"), person, group, period),
        nullifier(registry_key, sha256(person), group, period),
        nullifier(registry_key, person, group ^ 1, period),
        nullifier(registry_key, person, group, period ^ 1),
        person_tag(registry_key, person, group),
    }
    assert len(others | {mark}) == 6


@pytest.mark.parametrize(
    ("period", "number"),
    [
        (Period.ONCE, 0),
        (Period.MONTHLY, 2025 * 12 + 9),
        (Period.QUARTERLY, 2025 * 12 + 9),
        (Period.HALF_YEARLY, 2025 * 12 + 6),
        (Period.YEARLY, 2025 * 12),
    ],
)
def test_period_numbers(period: Period, number: int) -> None:
    assert period_number(period, DAY) == number


def test_secrets_do_not_show() -> None:
    shown = repr(RegistryKeys(sha256(b"k"), SIGNER))
    assert sha256(b"k").hex() not in shown
    assert "PrivateKey" not in shown
