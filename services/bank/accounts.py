"""Riders' and organisations' accounts with the bank: who they are, what comes in, what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlmodel import Session, insert, select, update

from contracts.messages import ADDRESS_BYTES
from services.bank import rules
from services.bank.books import Books
from services.bank.desk import Desk
from services.bank.errors import AccountError, BankLimitError
from services.bank.limits import MAX_DEPOSIT_WON
from services.bank.tables import BankRider

_PERSON_BYTES = 32


class Accounts:
    """The accounts of one bank."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(self, persons: Sequence[bytes]) -> list[int]:
        """Account numbers of these persons (the bank's own 32-byte names), in their order; known ones are found.

        Raises AccountError for a name of another length.
        """
        if any(len(person) != _PERSON_BYTES for person in persons):
            raise AccountError(f"a person's name at the bank has {_PERSON_BYTES} bytes")
        bank = self._desk.organisation
        with Session(self._desk.engine) as session:
            query = select(BankRider.person, BankRider.id).where(BankRider.bank == bank)
            known = dict(session.exec(query).all())
            fresh = [{"bank": bank, "person": person} for person in dict.fromkeys(persons) if person not in known]
            if fresh:
                session.execute(insert(BankRider), fresh)
                known = dict(session.exec(query).all())
            session.commit()
        return [rider for person in persons if (rider := known[person]) is not None]

    def register_wallets(self, wallets: Mapping[int, bytes]) -> None:
        """Whose word counts for these riders (rider → address of his wallet, 20 bytes), who were identified for it; a
        later registration takes an earlier one's place. Repeatable.

        Raises AccountError for riders that are not this bank's, addresses of another length, and a wallet that is
        another rider's.
        """
        bank = self._desk.organisation
        if any(len(wallet) != ADDRESS_BYTES for wallet in wallets.values()):
            raise AccountError(f"a wallet's address has {ADDRESS_BYTES} bytes")
        with Session(self._desk.engine) as session:
            known = dict(session.exec(select(BankRider.id, BankRider.wallet).where(BankRider.bank == bank)).all())
            if strangers := sorted(wallets.keys() - known.keys()):
                raise AccountError(f"riders {strangers[:8]} have no account with bank {bank}")
            registered = [wallet for wallet in (known | dict(wallets)).values() if wallet is not None]
            if len(set(registered)) != len(registered):
                raise AccountError("a wallet is one rider's")
            new = [{"id": rider, "wallet": wallet} for rider, wallet in wallets.items() if known[rider] != wallet]
            if new:
                session.execute(update(BankRider), new)
            session.commit()

    def deposit(self, name: str, deposits_won: Mapping[int, int], *, now: int) -> None:
        """Money from outside into riders' accounts (rider → won), as one entry of that name; booked once."""
        self._deposit(name, {rules.rider_account(rider): won for rider, won in deposits_won.items()}, now)

    def deposit_organisation(self, name: str, organisation: int, won: int, *, now: int) -> None:
        """Money from outside into an organisation's account: a city's budget, an operator's. Booked once."""
        self._deposit(name, {rules.organisation_account(organisation): won}, now)

    def _deposit(self, name: str, won_by_account: dict[str, int], now: int) -> None:
        if any(not 0 < won <= MAX_DEPOSIT_WON for won in won_by_account.values()):
            raise BankLimitError(f"a deposit is 1 to {MAX_DEPOSIT_WON:,} won")
        with Session(self._desk.engine) as session:
            lines = [line for account, won in won_by_account.items() for line in ((account, -won),)]
            lines.append((rules.CASH, sum(won_by_account.values())))
            Books(session, self._desk.organisation).book(f"deposit:{name}", "deposit", lines, booked_at=now)
            session.commit()

    def held_by(self, riders: Iterable[int]) -> dict[int, int]:
        """What riders' accounts hold, in won."""
        return self._credits({rules.rider_account(rider): rider for rider in riders})

    def held_by_organisations(self, organisations: Iterable[int]) -> dict[int, int]:
        """What organisations' accounts hold, in won."""
        return self._credits({rules.organisation_account(each): each for each in organisations})

    def receivables(self) -> dict[int, int]:
        """What riders owe because their accounts were empty, or no consent let the bank debit them: their cards are
        denied as UNPAID (money.md §1)."""
        with Session(self._desk.engine) as session:
            query = select(BankRider.id).where(BankRider.bank == self._desk.organisation)
            riders = [rider for rider in session.exec(query).all() if rider is not None]
        owed = self._credits({rules.receivable_account(rider): rider for rider in riders})
        return {rider: -won for rider, won in owed.items() if won}

    def _credits(self, accounts: dict[str, int]) -> dict[int, int]:
        with Session(self._desk.engine) as session:
            found = Books(session, self._desk.organisation).credits(accounts)
        return {number: found.get(account, 0) for account, number in accounts.items()}
