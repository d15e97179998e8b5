"""At a month's end: what is left on old cards goes to new ones (money.md §1).

After close_day of the month's last day the remainders come back to the bank's account and go on, in batches shuffled
anew, to the riders' new cards, rounded down to 1,000 won; the rest waits for the next top-up. No won is minted or
burned for it, and nothing on the chain joins an old card to a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session, col, select

from contracts.records import CardAccount, card_word, fund_word
from services.bank import rules
from services.bank.desk import Desk
from services.bank.errors import CardOrderError
from services.bank.tables import BankCard, BankRemainder, CardStatus
from services.outbox import ItemStatus


@dataclass(frozen=True, slots=True)
class Remainders:
    """What a month's end came to, in won: balance = moved + kept."""

    cards: int
    balance_won: int
    moved_won: int
    kept_won: int


class MonthEnd:
    """The month's ends of one bank."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def withdraw(self, name: str, month: int, cards: Sequence[bytes] = ()) -> Remainders:
        """Takes the remainders of a month's cards (or of `cards` alone) back to the bank's account; once by its name.

        Only after the clearing house closed the month's last day, or 72 hours after a card was reported lost; Fares
        refuses a card before with NOT_YET, which `move` then finds.
        """
        if not self._rows(name):
            self._store(name, month, frozenset(cards))
        rows = self._rows(name)
        by_purpose: dict[str, list[int]] = {}
        for row in rows:
            by_purpose.setdefault(row.withdraw_purpose, []).append(card_word(row.card))
        for purpose, words in by_purpose.items():
            self._desk.issuer.once(purpose, "Fares", "withdraw", [words])
        return Remainders(
            len(rows),
            sum(row.balance_won for row in rows),
            sum(row.moved_won for row in rows),
            sum(row.kept_won for row in rows),
        )

    def _store(self, name: str, month: int, only: frozenset[bytes]) -> None:
        bank = self._desk.organisation
        with Session(self._desk.engine) as session:
            query = select(BankCard).where(
                BankCard.bank == bank, BankCard.month == month, BankCard.status == CardStatus.ENROLLED
            )
            wanted = [card for card in session.exec(query).all() if not only or card.card in only]
            left = [(card, won) for card in wanted if (won := self._balance(card.card))]
            mixed = rules.shuffled(left, self._desk.randomness.below)
            for number, chunk in enumerate(rules.batches(mixed)):
                for card, won in chunk:
                    moved, kept = rules.remainder(won)
                    session.add(
                        BankRemainder(
                            bank=bank,
                            name=name,
                            rider=card.rider,
                            card=card.card,
                            balance_won=won,
                            moved_won=moved,
                            kept_won=kept,
                            withdraw_purpose=f"withdraw:{name}:{number}",
                        )
                    )
            session.commit()

    def _balance(self, card: bytes) -> int:
        return CardAccount.unpack(self._desk.client.call("Fares", "card", [card])).slot.balance_won

    def move(self, name: str, new_card_of: Mapping[int, bytes]) -> list[str]:
        """Funds riders' new cards (rider → card) from what came back; the transactions' purposes. Repeatable.

        Riders without a new card wait for a later call. Raises CardOrderError where a withdrawal is not in a block or
        a card still holds its remainder.
        """
        for row in self._rows(name):
            item = self._desk.issuer.find(row.withdraw_purpose)
            if item is None or item.status != ItemStatus.DONE or (not row.fund_purpose and self._balance(row.card)):
                raise CardOrderError(f"{row.withdraw_purpose} has not come back")
        self._assign(name, new_card_of)
        by_purpose: dict[str, list[BankRemainder]] = {}
        for row in sorted(self._rows(name), key=lambda row: row.new_card or b""):
            if row.fund_purpose and row.moved_won:
                by_purpose.setdefault(row.fund_purpose, []).append(row)
        for purpose, rows in by_purpose.items():
            words = [fund_word(row.new_card, row.moved_won) for row in rows if row.new_card]
            self._desk.issuer.once(purpose, "Fares", "fund", [words])
        return list(by_purpose)

    def _assign(self, name: str, new_card_of: Mapping[int, bytes]) -> None:
        rows = self._rows(name)
        used = len({row.fund_purpose for row in rows if row.fund_purpose})
        waiting = [row for row in rows if not row.fund_purpose and row.rider in new_card_of]
        with Session(self._desk.engine) as session:
            mixed = rules.shuffled(waiting, self._desk.randomness.below)
            for number, chunk in enumerate(rules.batches(mixed)):
                for row in chunk:
                    row.new_card = new_card_of[row.rider]
                    row.fund_purpose = f"remainder:{name}:{used + number}"
                    session.add(row)
            session.commit()

    def _rows(self, name: str) -> list[BankRemainder]:
        with Session(self._desk.engine, expire_on_commit=False) as session:
            query = select(BankRemainder).where(
                BankRemainder.bank == self._desk.organisation, BankRemainder.name == name
            )
            return list(session.exec(query.order_by(col(BankRemainder.id))).all())
