"""Riders' consents to debits: taken in, kept as evidence, withdrawn, and what was debited under each (art. 15, 22).

A consent is a signed message of the rider's wallet (wallets/consents.py). Nothing of it goes on the chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select as columns
from sqlmodel import Session, col, delete, func, insert, select

from services.bank import rules
from services.bank.books import Books
from services.bank.consent_rules import DayOwed, Terms, debits, evidence_until, in_force
from services.bank.desk import Desk
from services.bank.errors import (
    CommitmentError,
    ConsentOverError,
    ConsentWithdrawnError,
    OtherBankError,
    OtherWalletError,
    UnknownConsentError,
)
from services.bank.tables import BankConsent, BankDebit, BankEntry, BankRider
from services.days import service_day_at
from wallets.consents import ConsentWithdrawal, DebitConsent, account_commitment

# A rider and the fields of Terms.
_TERMS: Final = (
    col(BankConsent.rider),
    col(BankConsent.id),
    col(BankConsent.first_day),
    col(BankConsent.last_day),
    col(BankConsent.daily_limit_won),
    col(BankConsent.given_at),
    col(BankConsent.withdrawn_at),
)


@dataclass(frozen=True, slots=True)
class GivenConsent:
    """A consent as it reaches the bank: whose account it is for, the signed document, and the 16 bytes of salt that
    open the document's commitment to the account."""

    rider: int
    document: bytes
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Collected:
    """What is collected of a rider for a service day: newly owed, debited of that (negative: paid back), and the id of
    the consent in force."""

    rider: int
    service_day: int
    consent: int | None
    owed_won: int
    debited_won: int


class Consents:
    """The consents given to one bank."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def give(self, given: Sequence[GivenConsent], *, now: int) -> None:
        """Takes consents in and keeps them as evidence: all of them, or none. One that stands already stays as it is.

        Raises StatementError for documents that are no signed consent, OtherBankError, OtherWalletError,
        CommitmentError, ConsentOverError, and ConsentWithdrawnError for one that was withdrawn.
        """
        bank, chain_id = self._desk.organisation, self._desk.client.chain_id
        with Session(self._desk.engine) as session:
            query = select(BankConsent.digest, BankConsent.withdrawn_at).where(BankConsent.bank == bank)
            known = dict(session.exec(query).all())
            wallets = dict(session.exec(select(BankRider.id, BankRider.wallet).where(BankRider.bank == bank)).all())
            rows: dict[bytes, dict[str, object]] = {}
            for each in given:
                consent = DebitConsent.verified(each.document, chain_id)
                self._check(consent, each, wallets.get(each.rider))
                digest = consent.digest(chain_id)
                if known.get(digest) is not None:
                    raise ConsentWithdrawnError(f"consent 0x{digest.hex()} was withdrawn")
                if digest in known:
                    continue
                if consent.last_day < service_day_at(now):
                    raise ConsentOverError(f"consent 0x{digest.hex()} ended with service day {consent.last_day}")
                rows[digest] = {
                    "bank": bank,
                    "rider": each.rider,
                    "digest": digest,
                    "first_day": consent.first_day,
                    "last_day": consent.last_day,
                    "daily_limit_won": consent.daily_limit_won,
                    "document": each.document,
                    "salt": each.salt,
                    "given_at": now,
                }
            if rows:
                session.execute(insert(BankConsent), list(rows.values()))
            session.commit()

    def _check(self, consent: DebitConsent, given: GivenConsent, wallet: bytes | None) -> None:
        if consent.organisation != self._desk.organisation:
            raise OtherBankError(f"given to organisation {consent.organisation}, this is {self._desk.organisation}")
        if consent.giver != wallet:
            raise OtherWalletError(f"rider {given.rider} has not registered the wallet that signed")
        if account_commitment(rules.account_number(given.rider), given.salt) != consent.account:
            raise CommitmentError(f"the consent does not commit to the account of rider {given.rider}")

    def withdraw(self, document: bytes, *, now: int) -> int:
        """Withdraws a consent: from now on nothing is debited under it; whose it was. Repeatable.

        Raises StatementError for a document that is no signed withdrawal of a consent, UnknownConsentError for one that
        was not given here, OtherWalletError unless the rider's registered wallet signed.
        """
        values, _ = ConsentWithdrawal.decode(document)
        bank, chain_id = self._desk.organisation, self._desk.client.chain_id
        with Session(self._desk.engine) as session:
            query = select(BankConsent).where(BankConsent.bank == bank, BankConsent.digest == values["consent"])
            row = session.exec(query).first()
            if row is None:
                raise UnknownConsentError(f"no consent 0x{values['consent'].hex()} was given to bank {bank}")
            consent = DebitConsent.verified(row.document, chain_id)
            withdrawal = ConsentWithdrawal.verified(document, consent, chain_id)
            rider = session.get_one(BankRider, row.rider)
            if withdrawal.withdrawn_by != rider.wallet:
                raise OtherWalletError(f"rider {row.rider} has not registered the wallet that signed")
            if row.withdrawn_at is None:
                row.withdrawn_at, row.withdrawal = now, document
                session.add(row)
                session.commit()
            return int(row.rider)

    def evidence_of(self, rider: int) -> list[tuple[bytes, bytes | None]]:
        """A rider's consents in the order of giving, each with its withdrawal: what he may see of them (art. 7)."""
        with Session(self._desk.engine) as session:
            query = select(BankConsent.document, BankConsent.withdrawal).where(
                BankConsent.bank == self._desk.organisation, BankConsent.rider == rider
            )
            return [
                (document, withdrawal) for document, withdrawal in session.exec(query.order_by(col(BankConsent.id)))
            ]

    def terms(self, session: Session, first_day: int, last_day: int) -> dict[int, list[Terms]]:
        """Consents for any of these service days, by rider in the order of giving."""
        query = (
            columns(*_TERMS)
            .where(
                col(BankConsent.bank) == self._desk.organisation,
                col(BankConsent.first_day) <= last_day,
                col(BankConsent.last_day) >= first_day,
            )
            .order_by(col(BankConsent.id))
        )
        found: dict[int, list[Terms]] = {}
        for rider, *values in session.execute(query):
            found.setdefault(rider, []).append(Terms(*values))
        return found

    def collect(self, session: Session, owed: Mapping[tuple[int, int], int], now: int) -> list[Collected]:
        """How much of what riders newly owe, by (rider, service day), is debited now; nothing is booked yet."""
        days = sorted({day for _, day in owed})
        terms = self.terms(session, days[0], days[-1])
        before = self._before(session, days)
        by_rider: dict[int, list[int]] = {}
        for rider, day in sorted(owed):
            by_rider.setdefault(rider, []).append(day)
        accounts = {rider: rules.rider_account(rider) for rider in by_rider}
        held = Books(session, self._desk.organisation).credits(accounts.values())
        found: list[Collected] = []
        for rider, his_days in by_rider.items():
            counted = [in_force(terms.get(rider, ()), day, now) for day in his_days]
            asked = [
                DayOwed(day, owed[rider, day], *before.get((rider, day), (0, 0)), each.daily_limit_won if each else 0)
                for day, each in zip(his_days, counted, strict=True)
            ]
            taken = debits(asked, held.get(accounts[rider], 0))
            found += [
                Collected(rider, day.service_day, each.id if each else None, day.won, won)
                for day, each, won in zip(asked, counted, taken, strict=True)
            ]
        return found

    def _before(self, session: Session, days: Iterable[int]) -> dict[tuple[int, int], tuple[int, int]]:
        """(debited, uncollected) so far by rider and service day."""
        query = (
            select(
                BankDebit.rider, BankDebit.service_day, func.sum(BankDebit.debited_won), func.sum(BankDebit.owed_won)
            )
            .join(BankEntry, col(BankEntry.id) == col(BankDebit.entry))
            .where(
                BankDebit.bank == self._desk.organisation,
                col(BankEntry.void).is_(False),
                col(BankDebit.service_day).in_(days),
            )
            .group_by(col(BankDebit.rider), col(BankDebit.service_day))
        )
        rows = session.exec(query).all()
        return {(rider, day): (int(debited), int(owed) - int(debited)) for rider, day, debited, owed in rows}

    def keep(self, session: Session, entry: int, collected: Sequence[Collected]) -> None:
        """Stores what an entry collects, within the caller's database transaction."""
        rows = [
            {
                "bank": self._desk.organisation,
                "entry": entry,
                "rider": each.rider,
                "service_day": each.service_day,
                "consent": each.consent,
                "owed_won": each.owed_won,
                "debited_won": each.debited_won,
            }
            for each in collected
        ]
        session.execute(insert(BankDebit), rows)

    def erase(self, *, now: int) -> int:
        """Destroys evidence that art. 22 no longer wants (consent_rules.evidence_until), of riders who owe nothing;
        how many consents."""
        bank = self._desk.organisation
        with Session(self._desk.engine) as session:
            last_debit = dict(
                session.exec(
                    select(BankDebit.consent, func.max(BankEntry.booked_at))
                    .join(BankEntry, col(BankEntry.id) == col(BankDebit.entry))
                    .where(BankDebit.bank == bank, col(BankDebit.consent).is_not(None))
                    .group_by(col(BankDebit.consent))
                ).all()
            )
            old = {
                each.id: rider
                for rider, given in self.terms(session, 0, service_day_at(now)).items()
                for each in given
                if evidence_until(each, last_debit.get(each.id)) <= now
            }
            accounts = {rider: rules.receivable_account(rider) for rider in old.values()}
            owing = {account for account, won in Books(session, bank).credits(accounts.values()).items() if won}
            gone = [consent for consent, rider in old.items() if accounts[rider] not in owing]
            for chunk in rules.batches(gone):
                session.execute(delete(BankDebit).where(col(BankDebit.consent).in_(chunk)))
                session.execute(delete(BankConsent).where(col(BankConsent.id).in_(chunk)))
            session.commit()
        return len(gone)
