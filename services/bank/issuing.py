"""Won in and out of circulation: minted against accounts, burned for organisations (money.md §5).

A mint's entry, its 32 random bytes and its signed transaction are stored in one database transaction before anything is
sent; the agreement takes each reference once. So a crash can neither lose nor double it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import Session, col, insert, select

from contracts.client import decode_call
from contracts.records import fund_word
from services.bank import rules
from services.bank.books import Books
from services.bank.desk import Desk
from services.bank.errors import BankLimitError, DepositError, MintCapError
from services.bank.limits import MAX_CARD_BALANCE_WON
from services.bank.tables import BankRemainder, BankTopUp, CardStatus
from services.days import DAY_S, KST_OFFSET_S
from services.outbox import OutboxItem, purpose_prefix
from services.zeropay.rules import Line

_ALL_WON: Final = 2**256 - 1
_REFERENCE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class TopUp:
    """Won from a rider's account to his card."""

    rider: int
    card: bytes
    won: int


def mint_arguments(item: OutboxItem) -> tuple[bytes, int, bytes]:
    """(receiver, won, reference) of a planned mint."""
    _, (to, won, reference) = decode_call("Won", item.data)
    return to, won, reference


class Issuing:
    """What one bank mints and burns."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def approve_fares(self) -> None:
        """Lets Fares take from the bank's account what the bank tells it to (fund, pay_in); once."""
        desk = self._desk
        desk.issuer.once("approve:Fares", "Won", "approve", [desk.client.address("Fares"), _ALL_WON])

    def issue_to(self, name: str, organisation: int, to: bytes, won: int, *, now: int) -> None:
        """Mints against an organisation's account with the bank to its account on the chain (20 bytes); once.

        Raises DepositError where its account holds less.
        """
        self._mint(f"issue:{name}", {rules.organisation_account(organisation): won}, to, now)

    def top_up(self, name: str, orders: Sequence[TopUp], *, now: int) -> list[str]:
        """Mints the sum against riders' accounts and funds their cards, shuffled, in batches; the funds' purposes.

        The same name again continues where a crash left it. Raises DepositError naming the first account that holds
        less; nothing is booked then.
        """
        prefix = purpose_prefix("fund", name)
        if not self._rows_of(prefix):
            self._store(prefix, orders)
        batches = self._rows_of(prefix)
        takings: dict[str, int] = {}
        for row in (row for rows in batches.values() for row in rows):
            account = rules.rider_account(row.rider)
            takings[account] = takings.get(account, 0) + row.won
        self._mint(f"top-up:{name}", takings, self._desk.issuer.sender, now)
        calls = {
            purpose: ([[fund_word(row.card, row.won + row.remainder_won) for row in rows]], len(rows))
            for purpose, rows in batches.items()
        }
        self._desk.issuer.once_each("Fares", "fund", calls)
        return list(batches)

    def _store(self, prefix: str, orders: Sequence[TopUp]) -> None:
        if any(not 0 < order.won <= MAX_CARD_BALANCE_WON for order in orders):
            raise BankLimitError(f"a top-up is 1 to {MAX_CARD_BALANCE_WON:,} won")
        mixed = rules.shuffled(orders, self._desk.randomness.below)
        with Session(self._desk.engine) as session:
            takings: dict[str, int] = {}
            for order in orders:
                account = rules.rider_account(order.rider)
                takings[account] = takings.get(account, 0) + order.won
            self._check_held(session, takings)
            kept = self._kept(session)
            for number, chunk in enumerate(rules.batches(mixed)):
                purpose = f"{prefix}{number}"
                rows = [
                    {
                        "bank": self._desk.organisation,
                        "purpose": purpose,
                        "card": order.card,
                        "rider": order.rider,
                        "won": order.won,
                        "remainder_won": kept.get(order.rider, 0),
                        "status": int(CardStatus.PLANNED),
                        "code": 0,
                    }
                    for order in chunk
                ]
                self._use_remainders(session, [order.rider for order in chunk if order.rider in kept], purpose)
                for order in chunk:
                    kept.pop(order.rider, None)
                session.execute(insert(BankTopUp), rows)
            session.commit()

    def _kept(self, session: Session) -> dict[int, int]:
        """What was kept of riders' old cards and goes with their next top-up (money.md §1), by rider."""
        query = select(BankRemainder).where(
            BankRemainder.bank == self._desk.organisation, BankRemainder.used_by == "", BankRemainder.fund_purpose != ""
        )
        kept: dict[int, int] = {}
        for row in session.exec(query).all():
            kept[row.rider] = kept.get(row.rider, 0) + row.kept_won
        return kept

    def _use_remainders(self, session: Session, riders: Sequence[int], purpose: str) -> None:
        for rider in riders:
            query = select(BankRemainder).where(
                BankRemainder.bank == self._desk.organisation,
                BankRemainder.rider == rider,
                BankRemainder.used_by == "",
                BankRemainder.fund_purpose != "",
            )
            for row in session.exec(query).all():
                row.used_by = purpose
                session.add(row)

    def _rows_of(self, prefix: str) -> dict[str, list[BankTopUp]]:
        with Session(self._desk.engine) as session:
            query = select(BankTopUp).where(
                BankTopUp.bank == self._desk.organisation, col(BankTopUp.purpose).startswith(prefix, autoescape=True)
            )
            found: dict[str, list[BankTopUp]] = {}
            for row in session.exec(query.order_by(col(BankTopUp.id))).all():
                found.setdefault(row.purpose, []).append(row)
        return found

    def redeem(self, name: str, organisation: int, won: int, *, now: int) -> None:
        """Burns Won that an organisation sent to the bank's account and credits its account with the bank; once."""
        entry = f"redeem:{name}"
        with Session(self._desk.engine, expire_on_commit=False) as session:
            books = Books(session, self._desk.organisation)
            known = books.find(entry)
            if known is None:
                reference = self._desk.randomness.token(_REFERENCE_BYTES)
                lines = rules.redeem_lines(rules.organisation_account(organisation), won)
                purpose = f"burn:{entry}"
                books.book(entry, "redeem", lines, booked_at=now, purpose=purpose, reference=reference)
                item = self._desk.issuer.plan(session, purpose, "Won", "burn", [won, reference])
                session.commit()
        if known is None:
            self._desk.issuer.send(item)
        else:
            self._desk.issuer.ensure_sent(known.purpose)

    def settle_interbank(self, name: str, position_won: int, *, now: int) -> None:
        """Books the day's interbank position, paid in cash outside of this ledger (rules.interbank_positions); once."""
        if not position_won:
            return
        with Session(self._desk.engine) as session:
            books = Books(session, self._desk.organisation)
            entry = books.book(f"interbank:{name}", "interbank", rules.interbank_lines(position_won), booked_at=now)
            entry.block_number = 0  # no transaction of the chain belongs to it
            session.add(entry)
            session.commit()

    def _check_held(self, session: Session, takings: Mapping[str, int]) -> None:
        held = Books(session, self._desk.organisation).credits(takings)
        for account, won in takings.items():
            if not 0 < won <= held.get(account, 0):
                raise DepositError(f"{account} holds {held.get(account, 0):,} won, asked are {won:,}")

    def _mint(self, name: str, takings: Mapping[str, int], to: bytes, now: int) -> None:
        with Session(self._desk.engine, expire_on_commit=False) as session:
            known = Books(session, self._desk.organisation).find(name)
            if known is None:
                self._check_held(session, takings)
                item = self.book_mint(session, name, "issue", rules.issue_lines(takings), to, now)
                session.commit()
        if known is None:
            self.send_mint(item, now)
        else:
            self._desk.issuer.ensure_sent(known.purpose)

    def book_mint(
        self, session: Session, name: str, kind: str, lines: Sequence[Line], to: bytes, now: int
    ) -> OutboxItem:
        """Books an entry and plans its mint, within the caller's database transaction; `send_mint` it after."""
        won = -sum(amount for account, amount in lines if account == rules.FLOAT)
        if self._above_cap(won, now) and self._desk.second is None:
            raise MintCapError(f"{won:,} won exceed what bank {self._desk.organisation} may mint today with one key")
        reference = self._desk.randomness.token(_REFERENCE_BYTES)
        purpose = f"mint:{name}"
        Books(session, self._desk.organisation).book(
            name, kind, lines, booked_at=now, purpose=purpose, reference=reference
        )
        return self._desk.issuer.plan(session, purpose, "Won", "mint", [to, won, reference])

    def _above_cap(self, won: int, now: int) -> bool:
        """Whether a mint needs the second key (money.md §5): the cap is per KST calendar day."""
        desk = self._desk
        day = (now + KST_OFFSET_S) // DAY_S
        minted = desk.client.call("Won", "minted_on", [desk.organisation, day], block="pending")
        return bool(minted + won > desk.client.call("Won", "mint_cap", [desk.organisation]))

    def send_mint(self, item: OutboxItem, now: int) -> None:
        """Sends a planned mint, by both keys where it exceeds the day's cap (money.md §5)."""
        to, won, reference = mint_arguments(item)
        above = self._above_cap(won, now)
        self._desk.issuer.send(item)
        if above and self._desk.second is not None:
            self._desk.second.once(f"{item.purpose}:second", "Won", "mint", [to, won, reference])
