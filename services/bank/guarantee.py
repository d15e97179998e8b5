"""What the bank owes Fares as a guarantor, and collects from riders' accounts in one sum a day (money.md §1, §3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlmodel import Session, col, select

from contracts.records import Leaf
from services.bank import rules
from services.bank.books import Books
from services.bank.cards import Cards
from services.bank.consents import Consents
from services.bank.desk import Desk
from services.bank.errors import OwedError
from services.bank.issuing import Issuing, mint_arguments
from services.bank.tables import BankOwed
from services.outbox import OutboxItem


class Guarantee:
    """What one bank owes for its cards."""

    def __init__(self, desk: Desk, cards: Cards, issuing: Issuing, consents: Consents) -> None:
        self._desk = desk
        self._cards = cards
        self._issuing = issuing
        self._consents = consents

    def record_settled(self, batch: int, leaves: Sequence[Leaf]) -> int:
        """Keeps what the bank owes for its own cards of a settled batch (all its leaves in order); the won.

        Repeatable. The leaves are those under the event's records_root; refused ones count nothing.
        """
        bank = self._desk.organisation
        mine = self._cards.riders_of([leaf.card for leaf in leaves])
        owed = [
            BankOwed(
                bank=bank,
                batch=batch,
                position=position,
                card=leaf.card,
                service_day=leaf.service_day,
                won=leaf.guarantor_won,
            )
            for position, leaf in enumerate(leaves)
            if leaf.card in mine and not leaf.code and leaf.guarantor_won
        ]
        won = sum(row.won for row in owed)
        with Session(self._desk.engine) as session:
            query = select(BankOwed.position).where(
                BankOwed.bank == bank, BankOwed.batch == batch, BankOwed.correction == 0
            )
            known = set(session.exec(query).all())
            session.add_all(row for row in owed if row.position not in known)
            session.commit()
        return won

    def record_correction(
        self, batch: int, position: int, correction: int, card: bytes, service_day: int, won: int
    ) -> None:
        """Keeps the n-th correction (from 1) of a record: the guarantor owes `won` more, or less. Repeatable."""
        if not self._cards.riders_of([card]) or not won:
            return
        bank = self._desk.organisation
        with Session(self._desk.engine) as session:
            query = select(BankOwed).where(
                BankOwed.bank == bank,
                BankOwed.batch == batch,
                BankOwed.position == position,
                BankOwed.correction == correction,
            )
            if session.exec(query).first() is not None:
                return
            session.add(
                BankOwed(
                    bank=bank,
                    batch=batch,
                    position=position,
                    correction=correction,
                    card=card,
                    service_day=service_day,
                    won=won,
                )
            )
            session.commit()

    def owed_won(self) -> int:
        """What the chain says the bank owes, with everything that waits for a block."""
        through, paid = self._desk.client.call("Credits", "owed_by", [self._desk.organisation], block="pending")
        return int(through - paid)

    def collect(self, name: str, *, now: int) -> int:
        """Takes from riders' accounts what the bank owes Fares, mints it and pays it in; the won, 0 for nothing.

        Accounts are debited as far as they hold and as a consent in force at `now` allows for each service day; the
        rest is their riders' receivable. The same name again continues where a crash left it. The bank's own records
        must come to what the chain says is owed: raises OwedError before anything is booked.
        """
        entry = f"collect:{name}"
        with Session(self._desk.engine, expire_on_commit=False) as session:
            booked = Books(session, self._desk.organisation).find(entry)
            item = self._book(session, entry, now) if booked is None else None
            session.commit()
        if booked is not None:
            self._desk.issuer.ensure_sent(booked.purpose)
            item = self._desk.issuer.find(booked.purpose)
            if item is None:
                raise OwedError(f"{entry} was booked without its mint")
        elif item is None:
            return 0
        else:
            self._issuing.send_mint(item, now)
        _, won, _ = mint_arguments(item)
        self._desk.issuer.once(f"pay-in:{entry}", "Fares", "pay_in", [won])
        return won

    def _book(self, session: Session, name: str, now: int) -> OutboxItem | None:
        bank = self._desk.organisation
        query = select(BankOwed).where(BankOwed.bank == bank, col(BankOwed.entry).is_(None))
        rows = session.exec(query).all()
        won, on_chain = sum(row.won for row in rows), self.owed_won()
        if won != on_chain:
            raise OwedError(f"the bank's records come to {won:,} won, the chain says {on_chain:,}")
        if won <= 0:
            return None
        riders = self._cards.riders_in(session, [row.card for row in rows])
        owed: dict[tuple[int, int], int] = {}
        for row in rows:
            day = riders[row.card], row.service_day
            owed[day] = owed.get(day, 0) + row.won
        collected = self._consents.collect(session, {day: won for day, won in owed.items() if won}, now)
        lines = rules.collect_lines(
            _by_rider((each.rider, each.owed_won) for each in collected),
            _by_rider((each.rider, each.debited_won) for each in collected),
        )
        item = self._issuing.book_mint(session, name, "collect", lines, self._desk.issuer.sender, now)
        booked = Books(session, bank).find(name)
        number = booked.id if booked is not None and booked.id is not None else 0  # book_mint has numbered it
        self._consents.keep(session, number, collected)
        for row in rows:
            row.entry = number
        session.add_all(rows)
        return item


def _by_rider(sums: Iterable[tuple[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for rider, won in sums:
        found[rider] = found.get(rider, 0) + won
    return found
