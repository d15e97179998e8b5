"""Cards and purses of Fares, said again in plain Python (contracts/lib/fares_cards.vy, fares_store.vy)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from contracts import addresses, merkle
from contracts import leaves as card_leaves
from contracts.codes import CardCode, Purpose, Role
from contracts.hashing import keccak
from contracts.records import Leaf
from contracts.twins.base import Clock, Log, require
from contracts.twins.credits import Credits
from contracts.twins.fares_rules import CLOSED_AFTER_DAYS, WINDOW_DAYS, Card, service_day
from contracts.twins.organisations import Organisations
from contracts.twins.vouchers import Vouchers
from contracts.twins.won import Won

_MAX_ORGANISATION: Final = (1 << 12) - 1
_MAX_U32: Final = (1 << 32) - 1
_LOST_WAIT_S: Final = 72 * 3600
_ENROL_AHEAD_DAYS: Final = 62
Outcome: TypeAlias = tuple[CardCode, int]  # a code, and the sum that moves


def month_days(month: int) -> tuple[int, int]:
    """(first, last) day of a month, since 1970-01-01; month = year * 12 + (month - 1)."""
    first, following = (
        int(datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC).timestamp()) // 86_400 for at in (month, month + 1)
    )
    return first, following - 1


@dataclass
class Cards:
    """Fares' store and its acts of guarantors and banks. Words are those of contracts/records.py."""

    clock: Clock
    organisations: Organisations
    won: Won
    vouchers: Vouchers
    credits: Credits
    at: bytes = addresses.FARES
    cards: dict[bytes, Card] = field(default_factory=dict)
    lost_at: dict[bytes, int] = field(default_factory=dict)
    booked: set[bytes] = field(default_factory=set)
    profiles: dict[int, int] = field(default_factory=dict)
    closed: set[tuple[int, int]] = field(default_factory=set)
    batches: int = 0
    last_leaves: list[Leaf] = field(default_factory=list)
    log: Log = field(default_factory=Log)

    @property
    def today(self) -> int:
        """The service day of this block."""
        return service_day(self.clock.time)

    @property
    def purses_won(self) -> int:
        """Σ of all purses."""
        return sum(card.balance_won for card in self.cards.values())

    @property
    def lots_won(self) -> int:
        """Σ of what remains in lots."""
        return sum(lot.remaining_won for card in self.cards.values() for lot in card.lots)

    def is_closed(self, house: int, day: int) -> bool:
        """All records of a day are in."""
        return (house, day) in self.closed or self.today > day + CLOSED_AFTER_DAYS

    def next_batch(self) -> int:
        """Batches of every kind are counted together."""
        self.batches += 1
        return self.batches

    def may(self, sender: bytes, role: Role, purpose: Purpose) -> int:
        """The sender's organisation; refuses SENDER."""
        organisation = self.organisations.may(sender, role, purpose)
        require(organisation != 0, "SENDER")
        return organisation

    # --- guarantor and bank

    def enrol(self, sender: bytes, month: int, house: int, words: Sequence[int]) -> list[int]:
        """Cards of a month exist from here on."""
        guarantor = self.may(sender, Role.GUARANTOR, Purpose.ISSUE)
        licensed = house <= _MAX_ORGANISATION and self.organisations.holds(house, Role.CLEARING_HOUSE)
        require(licensed, "CLEARING HOUSE")
        require(bool(words), "EMPTY")
        require(1970 * 12 <= month < 3000 * 12, "MONTH")
        first, last = month_days(month)
        require(last >= self.today and first <= self.today + _ENROL_AHEAD_DAYS, "MONTH")
        codes, leaves = [], []
        for word in words:
            address, cap = (word & ((1 << 160) - 1)).to_bytes(20, "big"), word >> 160
            code = CardCode.DONE
            if not any(address) or cap > 0xFFFF:
                code = CardCode.MALFORMED
            elif address in self.cards:
                code = CardCode.ENROLLED
            else:
                self.cards[address] = Card(guarantor, house, first, last, cap * 1000, settled_day=first)
            codes.append(int(code))
            leaves.append(card_leaves.enrolled_leaf(address, month, house, (cap & 0xFFFF) * 1000, code, guarantor))
        self._log_cards("Enrolled", codes, leaves, guarantor=guarantor, clearing_house=house, month=month)
        return codes

    def set_caps(self, sender: bytes, words: Sequence[int]) -> list[int]:
        """Raises what the guarantor vouches for."""
        guarantor = self.may(sender, Role.GUARANTOR, Purpose.ISSUE)
        require(bool(words), "EMPTY")
        codes, leaves = [], []
        for word in words:
            address, cap = (word & ((1 << 160) - 1)).to_bytes(20, "big"), word >> 160
            code = CardCode.MALFORMED if cap > 0xFFFF else self._mine(address, 0, guarantor)
            if code == CardCode.DONE and cap * 1000 < self.cards[address].cap_won:
                code = CardCode.CAP_FALLS
            if code == CardCode.DONE:
                self.cards[address].cap_won = cap * 1000
            codes.append(int(code))
            leaves.append(card_leaves.enrolled_leaf(address, 0, 0, (cap & 0xFFFF) * 1000, code, guarantor))
        self._log_cards("CapsSet", codes, leaves, guarantor=guarantor)
        return codes

    def fund(self, sender: bytes, words: Sequence[int]) -> list[int]:
        """A bank's Won into purses."""
        bank = self.may(sender, Role.BANK, Purpose.ISSUE)
        require(bool(words), "EMPTY")
        balances = {address: card.balance_won for address, card in self.cards.items()}
        codes, leaves, total = [], [], 0
        for word in words:
            address, won = (word & ((1 << 160) - 1)).to_bytes(20, "big"), word >> 160
            code = CardCode.DONE
            if not 0 < won <= _MAX_U32:
                code = CardCode.MALFORMED
            elif address not in self.cards:
                code = CardCode.UNKNOWN
            elif self.cards[address].last_day < self.today:
                code = CardCode.MONTH_ENDED
            elif balances[address] + won > _MAX_U32:
                code = CardCode.OVERFLOW
            else:
                balances[address] += won
                total += won
            codes.append(int(code))
            leaves.append(card_leaves.purse_leaf(address, won & _MAX_U32, balances.get(address, 0), code, bank))
        self._take(bank, total)
        for address, balance_won in balances.items():
            self.cards[address].balance_won = balance_won
        self._log_cards("Funded", codes, leaves, bank=bank, amount_won=total)
        return codes

    def report_lost(self, sender: bytes, words: Sequence[int]) -> list[int]:
        """Starts the 72 hours of a lost wallet's card."""

        def lose(address: bytes, _: Card) -> Outcome:
            if address in self.lost_at:
                return CardCode.ALREADY, 0
            self.lost_at[address] = self.clock.time
            return CardCode.DONE, 0

        return self._each("Lost", sender, words, lose)

    def withdraw(self, sender: bytes, words: Sequence[int]) -> list[int]:
        """Remainders of ended months and lost cards to the guarantor's account."""

        def empty(address: bytes, card: Card) -> Outcome:
            lost = self.lost_at.get(address)
            waited = lost is not None and self.clock.time >= lost + _LOST_WAIT_S
            won = card.balance_won
            if not waited and not self.is_closed(card.clearing_house, card.last_day):
                return CardCode.NOT_YET, won
            if won == 0:
                return CardCode.EMPTY, 0
            card.balance_won = 0
            return CardCode.DONE, won

        return self._each("Withdrawn", sender, words, empty, pays=True)

    def sweep(self, sender: bytes, words: Sequence[int]) -> list[int]:
        """Clears empty cards after their month and 90 days."""

        def clear(address: bytes, card: Card) -> Outcome:
            if self.today <= card.last_day + WINDOW_DAYS:
                return CardCode.NOT_YET, 0
            if card.balance_won or card.lots:
                return CardCode.NOT_EMPTY, 0
            del self.cards[address]
            self.lost_at.pop(address, None)
            return CardCode.DONE, 0

        return self._each("Swept", sender, words, clear)

    # --- inside

    def _take(self, organisation: int, won: int) -> None:
        if won:
            self.won.transfer_from(self.at, self.organisations.account_of(organisation), self.at, won)

    def _mine(self, address: bytes, spare: int, guarantor: int) -> CardCode:
        if spare:
            return CardCode.MALFORMED
        if address not in self.cards:
            return CardCode.UNKNOWN
        return CardCode.DONE if self.cards[address].guarantor == guarantor else CardCode.NOT_YOURS

    def _each(
        self,
        event: str,
        sender: bytes,
        words: Sequence[int],
        act: Callable[[bytes, Card], Outcome],
        *,
        pays: bool = False,
    ) -> list[int]:
        guarantor = self.may(sender, Role.GUARANTOR, Purpose.ISSUE)
        require(bool(words), "EMPTY")
        codes, leaves, total = [], [], 0
        for word in words:
            address = (word & ((1 << 160) - 1)).to_bytes(20, "big")
            code, won = self._mine(address, word >> 160, guarantor), 0
            if code == CardCode.DONE:
                code, won = act(address, self.cards[address])
            total += won if code == CardCode.DONE else 0
            codes.append(int(code))
            leaves.append(card_leaves.purse_leaf(address, won, 0, code, guarantor))
        if pays and total:
            self.won.transfer(self.at, self.organisations.account_of(guarantor), total)
        amount = {"amount_won": total} if pays else {}
        self._log_cards(event, codes, leaves, guarantor=guarantor, **amount)
        return codes

    def _log_cards(self, event: str, codes: Sequence[int], leaves: Sequence[bytes], **fields: int) -> None:
        root = merkle.root(leaves, keccak)
        number = self.next_batch()
        self.log(event, batch=number, **fields, accepted=codes.count(0), cards_root=root, size=len(leaves))
