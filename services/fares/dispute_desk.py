"""Disputes at the clearing house: opened by the card, evidence by operators, an answer within two weeks (zeropay.md
§7.1; Electronic Financial Transactions Act art. 8). What is credited goes to the chain by disputes.py.

A dispute is named by the digest that its card signed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import rfc8785
from sqlalchemy import Engine
from sqlmodel import Session, col, select

from contracts.errors import SignatureError
from contracts.hashing import sha256
from contracts.messages import DisputeEvidence
from contracts.signatures import recover
from services.fares import dispute_rules as rules
from services.fares import dispute_store as store
from services.fares.adjustments import added_won
from services.fares.dispute_errors import (
    ClaimError,
    DisputedTwiceError,
    DisputeMoveError,
    EvidenceError,
    EvidenceTwiceError,
    NotConcernedError,
    TooManyDisputesError,
    UnknownDisputeError,
    UnknownTapError,
)
from services.fares.dispute_pricing import Repriced, RiddenJourney, left_won, reprice, reprice_missing
from services.fares.dispute_rules import Act, Actor, DisputeStatus
from services.fares.limits import MAX_EVIDENCE_BYTES, MAX_OPEN_DISPUTES
from services.fares.tables import Dispute, Evidence, Tap
from services.fares.tap_journeys import collected_won
from wallets.disputes import DisputeCode, FareDispute
from wallets.presentation import Directory


@dataclass(frozen=True, slots=True)
class Findings:
    """A dispute priced again: its journey (of D03 the one that collected, if any), what that says, and what of it the
    dispute can bring still. `record_id`: of D03, the record that the missing tap-off was added to."""

    journey: RiddenJourney
    repriced: Repriced
    left_won: int
    record_id: int | None = None


class DisputeDesk:
    """The disputes of one clearing house; `directory` knows the operators' keys."""

    def __init__(self, engine: Engine, directory: Directory) -> None:
        self._engine, self._directory = engine, directory

    # --- the rider

    def open(self, document: bytes, *, now: int) -> Dispute:
        """Takes a signed dispute (wallets/disputes.py); the same one again is answered as it stands.

        Raises the StatementErrors of FareDispute.verified, UnknownTapError, DisputeTimeError, DisputedTwiceError,
        TooManyDisputesError, ClaimError for more than was charged.
        """
        signed = FareDispute.verified(document, self._directory.chain_id)
        message = signed.digest(self._directory.chain_id)
        with Session(self._engine, expire_on_commit=False) as session:
            if (known := store.find_dispute(session, message)) is not None:
                return known
            tap = store.find_tap(session, signed.card, signed.seq, signed.state)
            if tap is None:
                raise UnknownTapError(f"no tap {signed.seq} of card 0x{signed.card.hex()} has that state")
            rules.check_opening(tap.tap_time, signed.opened_at, now)
            query = select(Dispute).where(Dispute.digest == signed.state, Dispute.code == signed.code.value)
            if (other := session.exec(query).first()) is not None:
                raise DisputedTwiceError(f"tap {signed.seq} is disputed by {signed.code.value}: {_status(other).name}")
            if len(store.unanswered(session, signed.card)) >= MAX_OPEN_DISPUTES:
                raise TooManyDisputesError(f"the card has {MAX_OPEN_DISPUTES} disputes that wait for their answer")
            found = self._findings(session, tap, signed.code)
            if signed.claimed_won > found.repriced.charged_won:
                charged = f"{found.repriced.charged_won:,} won were charged"
                raise ClaimError(f"{charged}, {signed.claimed_won:,} are claimed back")
            made = _row(signed, message, document, tap, found, now)
            session.add(made)
            session.commit()
        return made

    def of_card(self, card: bytes) -> list[Dispute]:
        """A card's disputes with their answers, in the order of opening (art. 7, 8)."""
        with Session(self._engine, expire_on_commit=False) as session:
            query = select(Dispute).where(Dispute.card == card).order_by(col(Dispute.id))
            return list(session.exec(query).all())

    # --- the operators

    def asked(self, organisation: int) -> list[Dispute]:
        """The disputes to which an organisation may give evidence, by when that ends."""
        with Session(self._engine, expire_on_commit=False) as session:
            given = select(Evidence.dispute_id).where(Evidence.organisation == organisation)
            query = select(Dispute).where(col(Dispute.status).in_(rules.UNANSWERED), col(Dispute.id).not_in(given))
            rows = session.exec(query.order_by(col(Dispute.evidence_due_at), col(Dispute.id))).all()
        return [row for row in rows if organisation in json.loads(row.organisations)]

    def give_evidence(
        self, message: bytes, organisation: int, document: bytes, signature: bytes, *, now: int
    ) -> Dispute:
        """Takes an operator's evidence, 65-byte signature over DisputeEvidence; the same again changes nothing.

        Raises UnknownDisputeError, NotConcernedError, EvidenceError, EvidenceTwiceError, EvidenceLateError,
        DisputeMoveError once the dispute is answered.
        """
        if not 0 < len(document) <= MAX_EVIDENCE_BYTES:
            raise EvidenceError(f"evidence has 1 to {MAX_EVIDENCE_BYTES:,} bytes")
        with Session(self._engine, expire_on_commit=False) as session:
            dispute = _found(session, message)
            if organisation not in json.loads(dispute.organisations):
                raise NotConcernedError(f"organisation {organisation} carried no part of this journey")
            self._check_evidence(message, organisation, document, signature)
            known = session.get(Evidence, (dispute.id, organisation))
            if known is not None:
                if known.document != document:
                    raise EvidenceTwiceError(f"organisation {organisation} gave other evidence before")
                return dispute
            after = rules.move(_status(dispute), Act.GIVE_EVIDENCE, Actor.OPERATOR)
            rules.check_evidence_time(dispute.evidence_due_at, now)
            dispute.status = int(after)
            session.add(dispute)
            session.add(
                Evidence(
                    dispute_id=dispute.id or 0,
                    organisation=organisation,
                    document=document,
                    signature=signature,
                    received_at=now,
                )
            )
            session.commit()
        return dispute

    def _check_evidence(self, message: bytes, organisation: int, document: bytes, signature: bytes) -> None:
        said = DisputeEvidence(message, organisation, sha256(document))
        try:
            signer = recover(said.digest(self._directory.chain_id, self._directory.fares), signature)
        except SignatureError as error:
            raise EvidenceError(error.what) from error
        if signer not in self._directory.operator_keys(organisation):
            raise EvidenceError(f"organisation {organisation} has no key 0x{signer.hex()}")

    def evidence_of(self, message: bytes) -> list[Evidence]:
        """What operators said to a dispute, by organisation. Raises UnknownDisputeError."""
        with Session(self._engine, expire_on_commit=False) as session:
            dispute = _found(session, message)
            query = select(Evidence).where(Evidence.dispute_id == dispute.id)
            return list(session.exec(query.order_by(col(Evidence.organisation))).all())

    # --- the answer

    def findings(self, message: bytes) -> Findings:
        """A dispute priced again with all that clearing has by now. Raises UnknownDisputeError."""
        with Session(self._engine) as session:
            return self._of(session, _found(session, message))

    def uphold(self, message: bytes, cause: str, *, now: int) -> Dispute:
        """Answers that the charge was right: after evidence, or where the tariff leaves nothing to give back.

        Raises UnknownDisputeError, CauseError, DisputeMoveError without either, or once the dispute is answered.
        """
        rules.check_cause(cause)
        with Session(self._engine, expire_on_commit=False) as session:
            dispute = _found(session, message)
            nothing = _status(dispute) in rules.UNANSWERED and not self._of(session, dispute).left_won
            act = Act.UPHOLD_BY_PRICE if nothing else Act.UPHOLD
            return _answer(session, dispute, act, Actor.CLEARING_HOUSE, 0, cause, now)

    def credit(self, message: bytes, cause: str, *, now: int) -> Dispute:
        """Answers for the rider: what was claimed, as far as the journey priced again brings it.

        Raises UnknownDisputeError, CauseError, DisputeMoveError while the operators may speak to what the signed taps
        do not prove, where nothing comes back, or once the dispute is answered.
        """
        rules.check_cause(cause)
        with Session(self._engine, expire_on_commit=False) as session:
            dispute = _found(session, message)
            rules.move(_status(dispute), Act.CREDIT, Actor.CLEARING_HOUSE)
            rules.check_credit_time(DisputeCode(dispute.code), _status(dispute), dispute.evidence_due_at, now)
            won = min(dispute.claimed_won, self._of(session, dispute).left_won)
            if not won:
                raise DisputeMoveError("the journey priced again leaves nothing to give back; the charge is upheld")
            return _answer(session, dispute, Act.CREDIT, Actor.CLEARING_HOUSE, won, cause, now)

    def lapse(self, *, now: int) -> list[Dispute]:
        """Answers what is open after two weeks: for the rider, or that the tariff leaves nothing to give back."""
        with Session(self._engine) as session:
            due = store.due_messages(session, now)
        answered = []
        for message in due:
            with Session(self._engine, expire_on_commit=False) as session:
                dispute = _found(session, message)
                won = min(dispute.claimed_won, self._of(session, dispute).left_won)
                act, cause = Act.LAPSE, rules.CAUSE_SILENCE
                if not won:
                    act, cause = Act.UPHOLD_BY_PRICE, rules.CAUSE_PRICED_RIGHT
                answered.append(_answer(session, dispute, act, Actor.CLOCK, won, cause, now))
        return answered

    # --- pricing again

    def _of(self, session: Session, dispute: Dispute) -> Findings:
        tap = store.find_tap(session, dispute.card, dispute.seq, dispute.digest)
        if tap is None:
            raise UnknownTapError(f"tap {dispute.seq} of card 0x{dispute.card.hex()} is gone")
        return self._findings(session, tap, DisputeCode(dispute.code), dispute)

    def _findings(self, session: Session, tap: Tap, code: DisputeCode, dispute: Dispute | None = None) -> Findings:
        if code is DisputeCode.MISSING_TAP_OFF:
            return self._missing(session, tap)
        journey = store.journey_of(session, tap)
        repriced = reprice(code, journey, tap.seq, store.profile_of(session, tap))
        credited = store.credited_won(session, dispute) if dispute else {}
        if code is DisputeCode.REFUND_NOT_RECEIVED:
            records = store.records_of(session, tap.card, journey)
            credited[code] = credited.get(code, 0) + store.refunded_won(session, tap.card, records)
        return Findings(journey, repriced, left_won(code, repriced, journey.charged_won, credited))

    def _missing(self, session: Session, tap: Tap) -> Findings:
        journey, following = store.journey_of(session, tap), store.journey_after(session, tap)
        disputed = next(one for one in journey.taps if one.digest == tap.digest)
        if following is not None and collected_won(disputed, following.taps[0]):
            repriced = reprice_missing(disputed, following, 0)
            return Findings(following, repriced, repriced.back_won)
        record = store.record_ending(session, tap)
        repriced = reprice_missing(disputed, None, added_won(session, record) if record else 0)
        return Findings(journey, repriced, repriced.back_won, record)


def _row(signed: FareDispute, message: bytes, document: bytes, tap: Tap, found: Findings, now: int) -> Dispute:
    carried = {tap.operator, *found.repriced.shares}
    if signed.code is not DisputeCode.MISSING_TAP_OFF:
        carried |= {one.tap.operator for one in found.journey.taps}
    return Dispute(
        message=message,
        document=document,
        card=signed.card,
        seq=signed.seq,
        digest=signed.state,
        first_seq=tap.first_seq,
        code=signed.code.value,
        claimed_won=signed.claimed_won,
        organisations=rfc8785.dumps(sorted(carried)).decode(),
        opened_at=signed.opened_at,
        received_at=now,
        evidence_due_at=rules.evidence_due_at(now),
        due_at=rules.answer_due_at(now),
    )


def _found(session: Session, message: bytes) -> Dispute:
    dispute = store.find_dispute(session, message)
    if dispute is None:
        raise UnknownDisputeError(f"no dispute 0x{message.hex()}")
    return dispute


def _status(dispute: Dispute) -> DisputeStatus:
    return DisputeStatus(dispute.status)


def _answer(session: Session, dispute: Dispute, act: Act, actor: Actor, won: int, cause: str, now: int) -> Dispute:
    dispute.status = int(rules.move(_status(dispute), act, actor))
    dispute.delta_won, dispute.cause, dispute.decided_at = won, cause, now
    session.add(dispute)
    session.commit()
    return dispute
