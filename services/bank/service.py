"""A bank of the city: issuer of Won and guarantor of cards (money.md §1, §5).

    bank.accounts   open, register_wallets, deposit, held_by, receivables
    bank.consents   give, withdraw, evidence_of, erase
    bank.cards      enrol, certify, certificates, refused
    bank.issuing    approve_fares, top_up, issue_to, redeem, settle_interbank
    bank.guarantee  record_settled, record_correction, collect
    bank.months     withdraw, move

After every block `after_block` reads what entered it; after a start `recover` comes first. Whatever has a name may be
asked again under the same name: it is done once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlmodel import Session, and_, col, func, select, update

from contracts.client import decode_call
from ledger.client import Client, TransactionReceipt
from services.bank.accounts import Accounts
from services.bank.books import Books
from services.bank.cards import Cards
from services.bank.consents import Consents
from services.bank.debit_check import check_debits
from services.bank.desk import Desk
from services.bank.errors import BooksError, SupplyError
from services.bank.guarantee import Guarantee
from services.bank.issuing import Issuing
from services.bank.months import MonthEnd
from services.bank.tables import BankCard, BankEntry, BankOwed, BankTopUp, CardStatus
from services.outbox import ItemStatus, OutboxItem

_CARD_MASK = (1 << 160) - 1
_REVERTED = -1  # the whole batch was refused, no card has a code


class Bank:
    """One bank."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.organisation = desk.organisation
        self.accounts = Accounts(desk)
        self.consents = Consents(desk)
        self.cards = Cards(desk, self.consents)
        self.issuing = Issuing(desk)
        self.guarantee = Guarantee(desk, self.cards, self.issuing, self.consents)
        self.months = MonthEnd(desk)

    def __repr__(self) -> str:
        return f"Bank({self.organisation})"

    def after_block(self) -> list[OutboxItem]:
        """Reads what of the bank's transactions entered blocks: books, cards and top-ups move on. Repeatable."""
        settled = self._desk.issuer.settle()
        if self._desk.second is not None:
            settled += self._desk.second.settle()
        for item, receipt in settled:
            self._apply(item, receipt)
        return [item for item, _ in settled]

    def recover(self) -> None:
        """After a start, before anything else: what a crash kept from the node is sent, what it left unread is read."""
        self._desk.issuer.recover()
        if self._desk.second is not None:
            self._desk.second.recover()
        self.after_block()
        for purpose in self._unread():
            item = self._desk.issuer.find(purpose)
            if item is not None and item.status != ItemStatus.PLANNED:
                self._apply(item, self._desk.client.receipt(item.hash))

    def deposits_at(self, block_number: int) -> tuple[int, int]:
        """(money behind Won, interbank positions within it) at a block, in won."""
        with Session(self._desk.engine) as session:
            books = Books(session, self.organisation)
            return books.deposits_behind_won(block_number), books.deposits_behind_won(block_number, kind="interbank")

    def check_debits(self) -> tuple[int, int]:
        """(won that collecting debited, won of it under consents): from the signed evidence. Raises DebitError."""
        return check_debits(self._desk.engine, self.organisation, self._desk.client.chain_id)

    def _unread(self) -> list[str]:
        """Purposes whose rows still wait although their transactions may be in blocks."""
        with Session(self._desk.engine) as session:
            waiting = set(Books(session, self.organisation).unread_purposes())
            for table in (BankCard, BankTopUp):
                query = select(table.purpose).where(table.bank == self.organisation, table.status == CardStatus.PLANNED)
                waiting |= set(session.exec(query.distinct()).all())
        return sorted(waiting)

    def _apply(self, item: OutboxItem, receipt: TransactionReceipt) -> None:
        mine = item.sender == self._desk.issuer.sender  # the second key's purposes are the first's and ":second"
        purpose = item.purpose if mine else item.purpose.removesuffix(":second")
        with Session(self._desk.engine) as session:
            for entry in Books(session, self.organisation).of_purpose(purpose):
                if self._took_effect(item, receipt):
                    entry.block_number = receipt.block_number
                entry.void = not receipt.succeeded
                session.add(entry)
                if entry.void:
                    self._release(session, entry)
            if item.purpose.startswith("enrol:"):
                self._mark(session, BankCard, "enrol", item, receipt)
            elif item.purpose.startswith("fund:"):
                self._mark(session, BankTopUp, "fund", item, receipt)
            session.commit()

    @staticmethod
    def _release(session: Session, entry: BankEntry) -> None:
        """What a void entry was to collect is owed again."""
        for row in session.exec(select(BankOwed).where(BankOwed.entry == entry.id)).all():
            row.entry = None
            session.add(row)

    def _took_effect(self, item: OutboxItem, receipt: TransactionReceipt) -> bool:
        """Whether Won moved: a mint above the day's cap waits for its second key without failing."""
        events = {event.name for event in self._desk.client.events_of(receipt, "Won")}
        return bool(events & {"Minted", "Burned"}) or item.agreement != "Won"

    def _mark(
        self,
        session: Session,
        table: type[BankCard] | type[BankTopUp],
        function: str,
        item: OutboxItem,
        receipt: TransactionReceipt,
    ) -> None:
        """All rows of a batch in one statement, the refused ones after it by their codes."""
        mine = and_(col(table.bank) == self.organisation, col(table.purpose) == item.purpose)
        size = session.exec(select(func.count()).select_from(table).where(mine)).one()
        if not receipt.succeeded:
            session.execute(update(table).where(mine).values(status=CardStatus.REFUSED, code=_REVERTED))
            return
        session.execute(update(table).where(mine).values(status=CardStatus.ENROLLED, code=0))
        for card, code in self._codes(function, item, receipt, size).items():
            refused = update(table).where(mine, col(table.card) == card)
            session.execute(refused.values(status=CardStatus.REFUSED, code=code))

    def _codes(self, function: str, item: OutboxItem, receipt: TransactionReceipt, size: int) -> dict[bytes, int]:
        """Codes other than 0 by card. The event counts the accepted ones; only where some are missing is the call asked
        again on the state before its block."""
        events = self._desk.client.events_of(receipt, "Fares") if receipt.succeeded else []
        if sum(event.args["accepted"] for event in events if event.name in ("Enrolled", "Funded")) == size:
            return {}
        _, arguments = decode_call("Fares", item.data)
        before = receipt.block_number - 1
        codes: Sequence[int] = self._desk.client.call("Fares", function, arguments, sender=item.sender, block=before)
        return {
            (word & _CARD_MASK).to_bytes(20, "big"): code
            for word, code in zip(arguments[-1], codes, strict=True)
            if code
        }


def check_supply(client: Client, banks: Sequence[Bank], block_number: int) -> tuple[int, int]:
    """(supply, deposits) of Won at a block, which must agree (money.md §5: Σ deposits = supply).

    Raises SupplyError where they differ, BooksError where one bank's books differ from what the chain says it issued.
    Interbank positions cancel out in the sum and are left out of the single bank's comparison.
    """
    supply = client.call("Won", "totalSupply", block=block_number)
    deposits = 0
    for bank in banks:
        issued = client.call("Won", "issued", [bank.organisation], block=block_number)
        behind, positions = bank.deposits_at(block_number)
        if behind - positions != issued:
            raise BooksError(f"bank {bank.organisation} books {behind - positions:,} won, the chain says {issued:,}")
        deposits += behind
    if deposits != supply:
        raise SupplyError(f"block {block_number}: supply {supply:,} won, deposits {deposits:,} won")
    return supply, deposits
