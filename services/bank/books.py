"""The bank's books: entries whose lines add up to 0, and what the accounts stand at.

An entry that belongs to a transaction counts from the block that the transaction entered; until then its takings are
held back from the accounts all the same, so that no won is promised twice. A reverted transaction voids its entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, func, insert, select

from services.bank.rules import FLOAT
from services.bank.tables import BankEntry, BankLine
from services.zeropay.rules import Line, check_entry


class Books:
    """The books of one bank (organisation id) within somebody's database session."""

    def __init__(self, session: Session, bank: int) -> None:
        self._session = session
        self._bank = bank

    def book(
        self,
        name: str,
        kind: str,
        lines: Sequence[Line],
        *,
        booked_at: int,
        purpose: str = "",
        reference: bytes | None = None,
    ) -> BankEntry:
        """Adds an entry; its name is used once, so a second booking after a crash answers the first.

        Raises UnbalancedError or WonError where the lines are no entry.
        """
        found = self.find(name)
        if found is not None:
            return found
        check_entry(lines)
        made = BankEntry(
            bank=self._bank, name=name, kind=kind, booked_at=booked_at, purpose=purpose, reference=reference
        )
        self._session.add(made)
        self._session.flush()
        number = made.id or 0  # the flush has numbered it
        rows = [{"bank": self._bank, "entry": number, "account": account, "won": won} for account, won in lines]
        self._session.execute(insert(BankLine), rows)
        return made

    def find(self, name: str) -> BankEntry | None:
        """The entry of that name."""
        return self._session.exec(select(BankEntry).where(BankEntry.bank == self._bank, BankEntry.name == name)).first()

    def of_purpose(self, purpose: str) -> list[BankEntry]:
        """Entries that belong to a transaction of the outbox."""
        query = select(BankEntry).where(BankEntry.bank == self._bank, BankEntry.purpose == purpose)
        return list(self._session.exec(query).all())

    def credits(self, accounts: Iterable[str]) -> dict[str, int]:
        """What accounts hold (their credit balances), in won; those without lines are left out."""
        wanted = list(accounts)
        found: dict[str, int] = {}
        for first in range(0, len(wanted), 500):  # SQLite takes a bounded number of parameters
            query = (
                select(BankLine.account, func.sum(BankLine.won))
                .join(BankEntry, col(BankEntry.id) == col(BankLine.entry))
                .where(
                    BankLine.bank == self._bank,
                    col(BankEntry.void).is_(False),
                    col(BankLine.account).in_(wanted[first : first + 500]),
                )
                .group_by(col(BankLine.account))
            )
            found |= {account: -int(won) for account, won in self._session.exec(query).all()}
        return found

    def unread_purposes(self) -> list[str]:
        """Purposes of entries whose transaction is not known to be in a block."""
        query = select(BankEntry.purpose).where(
            BankEntry.bank == self._bank,
            BankEntry.purpose != "",
            col(BankEntry.block_number).is_(None),
            col(BankEntry.void).is_(False),
        )
        return list(self._session.exec(query).all())

    def deposits_behind_won(self, block_number: int, *, kind: str = "") -> int:
        """Money behind the Won in circulation at a block: the credit of won:float, entries in blocks so far.

        `kind` names the only kind of entry that counts, "" for all.
        """
        query = (
            select(func.sum(BankLine.won))
            .join(BankEntry, col(BankEntry.id) == col(BankLine.entry))
            .where(
                BankLine.bank == self._bank,
                BankLine.account == FLOAT,
                col(BankEntry.void).is_(False),
                col(BankEntry.block_number) <= block_number,
            )
        )
        if kind:
            query = query.where(BankEntry.kind == kind)
        return -int(self._session.exec(query).one() or 0)

    def total(self) -> int:
        """The sum of all lines: 0, always."""
        return int(self._session.exec(select(func.sum(BankLine.won)).where(BankLine.bank == self._bank)).one() or 0)
