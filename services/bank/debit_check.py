"""Every debit once more, from the evidence: a signed consent stood behind it when it was booked (art. 15).

Nothing is taken from what the bank counted with but the documents, their salts, and the times of giving, withdrawal and
booking. An auditor of the bank runs it over the same tables.
"""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from services.bank import rules
from services.bank.errors import DebitError
from services.bank.tables import BankConsent, BankDebit, BankEntry, BankLine
from wallets.consents import ConsentWithdrawal, DebitConsent, account_commitment
from wallets.errors import WalletError


def check_debits(engine: Engine, bank: int, chain_id: int) -> tuple[int, int]:
    """(won that collecting took from riders' accounts by the books, won of it under consents), which agree.

    What was paid back counts negative. Raises DebitError naming the first debit that no consent allows.
    """
    with Session(engine) as session:
        consents = {
            row.id: (row, _consent(row, chain_id))
            for row in session.exec(select(BankConsent).where(BankConsent.bank == bank)).all()
        }
        rows = session.exec(
            select(BankDebit, BankEntry.booked_at)
            .join(BankEntry, col(BankEntry.id) == col(BankDebit.entry))
            .where(BankDebit.bank == bank, col(BankEntry.void).is_(False))
            .order_by(col(BankDebit.id))
        ).all()
        booked = _booked(session, bank)
    so_far: defaultdict[tuple[int, int], int] = defaultdict(int)
    for debit, booked_at in rows:
        day = debit.rider, debit.service_day
        so_far[day] += debit.debited_won
        if debit.debited_won > 0:
            _check(debit, booked_at, so_far[day], consents.get(debit.consent))
    under_consents = sum(so_far.values())
    if booked != under_consents:
        raise DebitError(f"the books debit {booked:,} won, under consents are {under_consents:,}")
    return booked, under_consents


def _booked(session: Session, bank: int) -> int:
    query = (
        select(func.sum(BankLine.won))
        .join(BankEntry, col(BankEntry.id) == col(BankLine.entry))
        .where(
            BankLine.bank == bank,
            BankEntry.kind == "collect",
            col(BankEntry.void).is_(False),
            col(BankLine.account).startswith(rules.RIDER_DEPOSIT),
        )
    )
    return int(session.exec(query).one() or 0)


def _consent(row: BankConsent, chain_id: int) -> DebitConsent:
    """The consent in a row's evidence; its withdrawal is one too. Raises DebitError for evidence that does not hold."""
    try:
        consent = DebitConsent.verified(row.document, chain_id)
        if row.withdrawal is not None:
            ConsentWithdrawal.verified(row.withdrawal, consent, chain_id)
    except WalletError as error:
        raise DebitError(f"consent {row.id} is no evidence: {error.what}") from error
    if (row.withdrawn_at is None) != (row.withdrawal is None):
        raise DebitError(f"consent {row.id} was withdrawn without a document, or the reverse")
    if account_commitment(rules.account_number(row.rider), row.salt) != consent.account:
        raise DebitError(f"consent {row.id} is for another account")
    return consent


def _check(debit: BankDebit, booked_at: int, day_won: int, found: tuple[BankConsent, DebitConsent] | None) -> None:
    what = f"{debit.debited_won:,} won of rider {debit.rider} for service day {debit.service_day}"
    if found is None or found[0].rider != debit.rider or found[1].organisation != debit.bank:
        raise DebitError(f"{what}: no consent of his")
    row, consent = found
    if not consent.first_day <= debit.service_day <= consent.last_day:
        raise DebitError(f"{what}: not a day of consent {row.id}")
    if booked_at < row.given_at or (row.withdrawn_at is not None and booked_at >= row.withdrawn_at):
        raise DebitError(f"{what}: consent {row.id} was not in force when it was booked")
    if day_won > consent.daily_limit_won:
        raise DebitError(f"{what}: above the {consent.daily_limit_won:,} won a day of consent {row.id}")
