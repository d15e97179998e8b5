"""The eligibility registry: applications, decisions, objections with their clocks, one-time credentials.

It alone holds k, from which nullifiers come (money.md §4), and signs credentials with a key of purpose ATTEST.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from coincurve import PrivateKey
from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from contracts.messages import Credential
from contracts.signatures import sign
from services.days import day_start, service_day_at
from services.vouchers import states
from services.vouchers.attestations import (
    SALT_BYTES,
    EligibilityAttestation,
    check_attestation,
    commitment,
    nullifier,
    period_number,
    person_tag,
)
from services.vouchers.errors import (
    ApplicationError,
    AttestationError,
    AttestationExpiredError,
    DuplicateError,
    ProgrammeError,
    VoucherError,
    VoucherLimitError,
)
from services.vouchers.limits import MAX_APPLICATIONS_PER_DEVICE_DAY, MAX_OPEN_APPLICATIONS
from services.vouchers.programmes import EligibilityClass, Programme
from services.vouchers.states import EndReason, Entitlement
from services.vouchers.tables import VoucherCredential, VoucherEntitlement

_HOLDING = (Entitlement.APPROVED, Entitlement.ACTIVE, Entitlement.SUSPENDED)


@dataclass(frozen=True, slots=True)
class SignedCredential:
    """A credential with the registry's signature: all that the citizen takes home. `programme` is for his eyes."""

    credential: Credential
    signature: bytes
    programme: str


@dataclass(frozen=True, slots=True)
class Application:
    """What a citizen hands in: the programme's id, the issuer's attestation and signature, the device it came from."""

    programme: str
    attestation: EligibilityAttestation
    signature: bytes
    device: str


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """A citizen's wish for this period's credential: application number, his name at the registry, his fresh key."""

    application: int
    person: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class RegistryKeys:
    """The registry's secrets: k (32 bytes) and the key that signs credentials."""

    nullifier_key: bytes = field(repr=False)
    signing_key: PrivateKey = field(repr=False)


class Registry:
    """One eligibility registry. `issuers` maps organisation ids to the keys (20-byte addresses) that may attest."""

    def __init__(
        self,
        engine: Engine,
        keys: RegistryKeys,
        programmes: Mapping[str, Programme],
        issuers: Mapping[int, frozenset[bytes]],
        *,
        chain_id: int,
        vouchers: bytes,
        token: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._programmes = programmes
        self._issuers = issuers
        self._chain_id = chain_id
        self._vouchers = vouchers
        self._token = token

    def apply(
        self, programme_id: str, attestation: EligibilityAttestation, signature: bytes, device: str, *, now: int
    ) -> int:
        """Takes an application, verifies its attestation and decides; the application's number.

        A bad attestation or a double benefit is a decision too: the application stands as REJECTED or
        REJECTED_DUPLICATE with its reason, and can be objected to. Raises ProgrammeError for an unknown programme,
        VoucherLimitError for the sixth application of a device in a day.
        """
        with Session(self._engine) as session:
            row = self._apply(session, Application(programme_id, attestation, signature, device), now)
            session.commit()
            return _number(row)

    def apply_many(self, applications: Sequence[Application], *, now: int) -> list[int | VoucherError]:
        """Takes applications in order, all in one database transaction; a number or the error of each."""
        answers: list[VoucherEntitlement | VoucherError] = []
        with Session(self._engine, expire_on_commit=False) as session:
            for application in applications:
                try:
                    answers.append(self._apply(session, application, now))
                except VoucherError as error:
                    answers.append(error)
            session.commit()
        return [answer if isinstance(answer, VoucherError) else _number(answer) for answer in answers]

    def serving(self, people: Sequence[tuple[bytes, str]], *, now: int) -> list[int | None]:
        """The active applications of (person, programme id), in order; None where there is none, or it has ended.

        A citizen whose answer was lost asks this before he applies again. Raises ProgrammeError.
        """
        with Session(self._engine) as session:
            return [self._serving(session, person, self._programme(name), now) for person, name in people]

    def _serving(self, session: Session, person: bytes, programme: Programme, now: int) -> int | None:
        query = select(VoucherEntitlement).where(
            VoucherEntitlement.person_tag == person_tag(self._keys.nullifier_key, person, programme.exclusion_group),
            VoucherEntitlement.programme == programme.id,
            VoucherEntitlement.state == Entitlement.ACTIVE,
        )
        rows = session.exec(query.order_by(col(VoucherEntitlement.id))).all()
        return next((row.id for row in rows if not row.ends_on or row.ends_on > service_day_at(now)), None)

    def _apply(self, session: Session, application: Application, now: int) -> VoucherEntitlement:
        programme = self._programme(application.programme)
        self._check_room(session, application.device, service_day_at(now))
        attestation = application.attestation
        row = VoucherEntitlement(
            programme=programme.id,
            exclusion_group=programme.exclusion_group,
            person_tag=person_tag(self._keys.nullifier_key, attestation.person, programme.exclusion_group),
            device=application.device,
            eligibility=attestation.eligibility.value,
            issuer=attestation.issuer,
            first_day=attestation.first_day,
            last_day=attestation.last_day,
            state=Entitlement.APPLIED,
            applied_at=now,
        )
        self._decide(session, row, programme, attestation, application.signature, now)
        session.add(row)
        session.flush()
        return row

    def _decide(
        self,
        session: Session,
        row: VoucherEntitlement,
        programme: Programme,
        attestation: EligibilityAttestation,
        signature: bytes,
        now: int,
    ) -> None:
        _move(row, "verify")
        row.decided_at, row.answer_due_at, row.reason = now, 0, ""
        try:
            check_attestation(
                attestation,
                signature,
                issuer_keys=self._issuers.get(attestation.issuer, frozenset()),
                programme=programme,
                service_day=service_day_at(now),
                chain_id=self._chain_id,
                vouchers=self._vouchers,
            )
            self._check_single(session, row, programme)
        except DuplicateError as error:
            row.reason = error.code
            _move(row, "reject_duplicate")
        except VoucherError as error:
            row.reason = error.code
            _move(row, "reject")
        else:
            _move(row, "approve")
            _move(row, "activate")
            row.ends_on = attestation.last_day + 1

    def _check_single(self, session: Session, row: VoucherEntitlement, programme: Programme) -> None:
        """The earlier active entitlement of the group wins, across programmes that exclude each other as well."""
        query = select(VoucherEntitlement).where(
            VoucherEntitlement.person_tag == row.person_tag,
            VoucherEntitlement.exclusion_group == programme.exclusion_group,
            col(VoucherEntitlement.state).in_(_HOLDING),
        )
        for other in session.exec(query).all():
            if other.id != row.id and (not other.ends_on or other.ends_on > service_day_at(row.decided_at)):
                raise DuplicateError(f"{other.programme} serves this person already")

    def _check_room(self, session: Session, device: str, day: int) -> None:
        query = select(func.count()).where(
            VoucherEntitlement.device == device, VoucherEntitlement.applied_at >= day_start(day)
        )
        if session.exec(query).one() >= MAX_APPLICATIONS_PER_DEVICE_DAY:
            raise VoucherLimitError(
                f"more than {MAX_APPLICATIONS_PER_DEVICE_DAY} applications of one device in a day are checked by hand"
            )
        # Rows are never deleted, so the last number is their count.
        if (session.exec(select(func.max(VoucherEntitlement.id))).one() or 0) >= MAX_OPEN_APPLICATIONS:
            raise VoucherLimitError(f"the registry holds {MAX_OPEN_APPLICATIONS:,} applications")

    def object(self, application: int, *, now: int) -> int:
        """Objects to a rejection; when it must be answered (UTC seconds). Raises ClockError after 90 days."""
        with Session(self._engine) as session:
            row = self._row(session, application)
            _move(row, "object")
            states.guard_objection(row.decided_at, now)
            row.objected_at, row.answer_due_at = now, states.answer_due_at(now)
            session.add(row)
            session.commit()
            return row.answer_due_at

    def review(
        self, application: int, attestation: EligibilityAttestation, signature: bytes, *, now: int
    ) -> Entitlement:
        """Answers an objection by deciding again on a (new) attestation of the same person; the state it came to.

        Raises AttestationError where the attestation is of another person.
        """
        with Session(self._engine) as session:
            row = self._row(session, application)
            tag = person_tag(self._keys.nullifier_key, attestation.person, row.exclusion_group)
            if tag != row.person_tag:
                raise AttestationError("the attestation is of another person")
            row.eligibility, row.issuer = attestation.eligibility.value, attestation.issuer
            row.first_day, row.last_day = attestation.first_day, attestation.last_day
            self._decide(session, row, self._programme(row.programme), attestation, signature, now)
            session.add(row)
            session.commit()
            return Entitlement(row.state)

    def overdue(self, *, now: int) -> list[int]:
        """Objections whose 15 days (art. 12) have passed without an answer."""
        with Session(self._engine) as session:
            query = select(VoucherEntitlement.id).where(
                VoucherEntitlement.state == Entitlement.OBJECTED, VoucherEntitlement.answer_due_at < now
            )
            return [number for number in session.exec(query).all() if number is not None]

    def suspend(self, application: int, reason: str) -> None:
        """Stops credentials for a while, with a reason code that the citizen sees (voucher.md §6)."""
        self._change(application, "suspend", reason, 0)

    def resume(self, application: int) -> None:
        """Ends a suspension."""
        self._change(application, "resume", "", 0)

    def end(self, application: int, reason: EndReason, event_day: int) -> None:
        """Ends an entitlement the day after the event; grants of the running month stay usable (voucher.md §5)."""
        self._change(application, "end", reason, states.entitlement_ends_on(reason, event_day))

    def _change(self, application: int, event: str, reason: str, ends_on: int) -> None:
        with Session(self._engine) as session:
            row = self._row(session, application)
            _move(row, event)
            row.reason = reason
            row.ends_on = ends_on or row.ends_on
            session.add(row)
            session.commit()

    def state_of(self, application: int) -> tuple[Entitlement, str]:
        """State and reason code of an application: what its citizen sees."""
        with Session(self._engine) as session:
            row = self._row(session, application)
            return Entitlement(row.state), row.reason

    def credential(self, application: int, person: bytes, key: bytes, *, now: int) -> SignedCredential:
        """The one-time credential of this period, bound to the citizen's fresh key (20-byte address).

        Asking again with the same key answers the same credential. Raises ApplicationError where the entitlement is
        not active or is another person's, AttestationExpiredError after its end, DuplicateError where the period's
        credential went to another key or another programme of the group.
        """
        with Session(self._engine) as session:
            made = self._credential(session, CredentialRequest(application, person, key), now)
            session.commit()
            return made

    def credential_many(
        self, requests: Sequence[CredentialRequest], *, now: int
    ) -> list[SignedCredential | VoucherError]:
        """Credentials in order, all in one database transaction; a credential or the error of each."""
        answers: list[SignedCredential | VoucherError] = []
        with Session(self._engine) as session:
            for request in requests:
                try:
                    answers.append(self._credential(session, request, now))
                except VoucherError as error:
                    answers.append(error)
            session.commit()
        return answers

    def _credential(self, session: Session, request: CredentialRequest, now: int) -> SignedCredential:
        day = service_day_at(now)
        row = self._row(session, request.application)
        tag = person_tag(self._keys.nullifier_key, request.person, row.exclusion_group)
        if row.state != Entitlement.ACTIVE or tag != row.person_tag:
            raise ApplicationError(f"application {request.application} gives no credential: {row.state}")
        if not row.first_day <= day < row.ends_on:
            raise AttestationExpiredError(f"the entitlement holds until day {row.ends_on - 1}, this is {day}")
        period = period_number(self._programme(row.programme).period, day)
        mark = nullifier(self._keys.nullifier_key, request.person, row.exclusion_group, period)
        known = session.exec(select(VoucherCredential).where(VoucherCredential.nullifier == mark)).first()
        if known is None:
            known = self._issue(row, period, mark, request.key)
            session.add(known)
            session.flush()
        elif (known.key, known.entitlement) != (request.key, row.id):
            raise DuplicateError("this period's credential was given out")
        return SignedCredential(_credential(known, row.exclusion_group), known.signature, row.programme)

    def _issue(self, row: VoucherEntitlement, period: int, mark: bytes, key: bytes) -> VoucherCredential:
        salt = self._token(SALT_BYTES)
        status_index = int.from_bytes(self._token(6), "big")  # canonical JSON holds 53 bits
        made = VoucherCredential(
            entitlement=_number(row),
            period=period,
            nullifier=mark,
            key=key,
            salt=salt,
            status_index=status_index,
            first_day=row.first_day,
            last_day=row.ends_on - 1,
            attestation=commitment(salt, EligibilityClass(row.eligibility), status_index),
            signature=b"",
        )
        digest = _credential(made, row.exclusion_group).digest(self._chain_id, self._vouchers)
        made.signature = sign(digest, self._keys.signing_key)
        return made

    def _programme(self, programme_id: str) -> Programme:
        if programme_id not in self._programmes:
            raise ProgrammeError(f"no programme is called {programme_id}")
        return self._programmes[programme_id]

    def _row(self, session: Session, application: int) -> VoucherEntitlement:
        row = session.get(VoucherEntitlement, application)
        if row is None:
            raise ApplicationError(f"there is no application {application}")
        return row


def _move(row: VoucherEntitlement, event: str) -> None:
    row.state = states.move(states.ENTITLEMENT_MOVES, Entitlement(row.state), event)


def _credential(row: VoucherCredential, group: int) -> Credential:
    return Credential(row.key, group, row.period, row.nullifier, row.first_day, row.last_day, row.attestation)


def _number(row: VoucherEntitlement) -> int:
    if row.id is None:
        raise ApplicationError("the application has no number yet")
    return row.id
