"""Riders of the services' tests consent to debits with wallets of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from coincurve import PrivateKey

from contracts.hashing import sha256
from contracts.signatures import address_of
from services.bank.consents import GivenConsent
from services.bank.rules import account_number
from services.bank.service import Bank
from services.days import service_day_at
from tests.services.chain import CHAIN_ID, GENESIS_S, key
from wallets.consents import DebitConsent, account_commitment

FIRST_DAY: Final = service_day_at(GENESIS_S)
DAILY_LIMIT_WON: Final = 100_000  # above any test's day that is not about the limit


def wallet(bank: int, rider: int) -> PrivateKey:
    """The key of a rider's wallet."""
    return key(f"wallet of rider {rider} at bank {bank}")


def salt_of(rider: int, number: int = 0) -> bytes:
    """The salt of a rider's n-th consent."""
    return sha256(b"consent %d of rider %d" % (number, rider))[:16]


def consent(bank: int, rider: int, number: int = 0, **changes: Any) -> DebitConsent:
    """A rider's n-th consent, for a year from the chain's first day, with what a test changes."""
    made = DebitConsent(
        giver=address_of(wallet(bank, rider)),
        organisation=bank,
        organisation_name="두레은행",
        first_day=FIRST_DAY,
        last_day=FIRST_DAY + 365,
        account=account_commitment(account_number(rider), salt_of(rider, number)),
        daily_limit_won=DAILY_LIMIT_WON,
    )
    return replace(made, **changes)


def given(bank: int, rider: int, number: int = 0, **changes: Any) -> GivenConsent:
    """The same, signed, as it reaches the bank."""
    made = consent(bank, rider, number, **changes)
    return GivenConsent(rider, made.document(made.sign(wallet(bank, rider), CHAIN_ID)), salt_of(rider, number))


def let_debit(bank: Bank, riders: Sequence[int], *, now: int, **changes: Any) -> None:
    """Every rider registers his wallet and consents; again it changes nothing."""
    number = bank.organisation
    bank.accounts.register_wallets({rider: address_of(wallet(number, rider)) for rider in riders})
    bank.consents.give([given(number, rider, **changes) for rider in riders], now=now)
