"""Fares, said again in plain Python (contracts/fares.vy and its modules in contracts/lib)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeAlias

from contracts import addresses, merkle, records
from contracts.codes import CardCode, Purpose, Refusal, Role
from contracts.hashing import keccak, sha256
from contracts.records import Leaf
from contracts.twins.base import Clock, Log, require
from contracts.twins.credits import Credits
from contracts.twins.fares_rules import (
    CLOSED_AFTER_DAYS,
    LIVE_LOTS,
    WINDOW_DAYS,
    Card,
    Claim,
    Lot,
    claim_of,
    eligible_won,
    judge,
    judge_fork,
    service_day,
    spend,
)
from contracts.twins.organisations import Organisations
from contracts.twins.vouchers import Vouchers
from contracts.twins.won import Won

_MAX_ORGANISATION: Final = (1 << 12) - 1
_MAX_U32: Final = (1 << 32) - 1
_LOST_WAIT_S: Final = 72 * 3600
_ENROL_AHEAD_DAYS: Final = 62
_GROUPS: Final = 16
Outcome: TypeAlias = tuple[CardCode, int]  # a code, and the sum that moves


def month_days(month: int) -> tuple[int, int]:
    """(first, last) day of a month, since 1970-01-01; month = year * 12 + (month - 1)."""
    first, following = (
        int(datetime(at // 12, at % 12 + 1, 1, tzinfo=UTC).timestamp()) // 86_400 for at in (month, month + 1)
    )
    return first, following - 1


@dataclass
class Fares:
    """The whole agreement. Words are those of contracts/records.py."""

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
            leaves.append(records.enrolled_leaf(address, month, house, (cap & 0xFFFF) * 1000, code, guarantor))
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
            leaves.append(records.enrolled_leaf(address, 0, 0, (cap & 0xFFFF) * 1000, code, guarantor))
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
            leaves.append(records.purse_leaf(address, won & _MAX_U32, balances.get(address, 0), code, bank))
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

    def pay_in(self, sender: bytes, won: int) -> None:
        """A guarantor pays what he owes."""
        guarantor = self.may(sender, Role.GUARANTOR, Purpose.ISSUE)
        require(0 < won <= self.credits.owed_through[guarantor] - self.credits.paid_through[guarantor], "OWED")
        self._take(guarantor, won)
        self.credits.paid_in(guarantor, won)

    def fund_risk_pool(self, sender: bytes, won: int) -> None:
        """A city's Won into RISK_POOL."""
        city = self.may(sender, Role.CITY, Purpose.ISSUE)
        self._take(city, won)
        self.credits.change_risk_pool(city, won)

    # --- Vouchers

    def issue(
        self,
        sender: bytes,
        rule_set: int,
        start_day: int,
        last_service_day: int,
        day_cap_won: int,
        priority: int,
        profile: int,
        first_lot: int,
        words: Sequence[int],
    ) -> list[int]:
        """New lots of one rule-set; a code for each word."""
        require(sender == self.vouchers.at, "SENDER")
        require(start_day <= last_service_day and last_service_day != 0, "DAYS")
        require(first_lot + len(words) <= _MAX_U32, "LOT NUMBER")
        require(profile != 0 and self.profiles.get(rule_set, profile) == profile, "PROFILE")
        self.profiles[rule_set] = profile
        codes = []
        for lot_no, word in enumerate(words, first_lot):
            card = self.cards.get((word & ((1 << 160) - 1)).to_bytes(20, "big"))
            won = word >> 160
            if not 0 < won <= _MAX_U32:
                code = CardCode.MALFORMED
            elif card is None:
                code = CardCode.UNKNOWN
            elif not card.first_day <= last_service_day <= card.last_day:
                code = CardCode.OUTLIVES
            elif len(card.lots) == LIVE_LOTS:
                code = CardCode.FULL
            elif any(self.profiles[lot.rule_set] != profile for lot in card.lots):
                code = CardCode.PROFILE
            else:
                code = CardCode.DONE
                card.lots.append(Lot(lot_no, rule_set, won, won, start_day, last_service_day, day_cap_won, priority))
                card.lots.sort(key=lambda lot: lot.order)
            codes.append(int(code))
        return codes

    # --- clearing house

    def settle(
        self,
        sender: bytes,
        day: int,
        table: int,
        journeys: tuple[bytes, int],
        foregone: Sequence[int],
        batch: Sequence[Sequence[int]],
    ) -> int:
        """Books one record a card and service day. journeys: root and size."""
        house = self.may(sender, Role.CLEARING_HOUSE, Purpose.SETTLE)
        require(bool(batch), "EMPTY")
        self.credits.check_table(table, house)

        def book(claim: Claim, card: Card | None, address: bytes, others: set[int]) -> tuple[Refusal, int, int, int]:
            state = claim.state
            code = judge(claim, card, address, table, house, self.today, others)
            increase = max(0, state.cum_won - (card.cum_won if card else 0))
            own_increase = max(0, state.cum_own_won - (card.own_won if card else 0))
            voucher = 0
            if code == Refusal.ACCEPTED and card is not None:
                voucher, card.lots = spend(card.lots, state.service_day, eligible_won(state, card))
                card.cum_won, card.own_won, card.seq = state.cum_won, state.cum_own_won, state.seq
                card.settled_day = state.service_day
            return code, increase, own_increase, voucher

        return self._settle(house, day, table, journeys, foregone, batch, book)

    def settle_fork(self, sender: bytes, day: int, table: int, batch: Sequence[Sequence[int]]) -> int:
        """Books single states of forked cards, each once."""
        house = self.may(sender, Role.CLEARING_HOUSE, Purpose.SETTLE)
        require(bool(batch), "EMPTY")
        self.credits.check_table(table, house)

        def book(claim: Claim, card: Card | None, address: bytes, others: set[int]) -> tuple[Refusal, int, int, int]:
            code = judge_fork(claim, card, address, table, house, self.today, others, self.booked)
            if code == Refusal.ACCEPTED:
                self.booked.add(claim.digest)
            return code, claim.state.charge_won, 0, 0

        return self._settle(house, day, table, (sha256(b""), 0), [], batch, book)

    def _settle(
        self,
        house: int,
        day: int,
        table: int,
        journeys: tuple[bytes, int],
        foregone: Sequence[int],
        batch: Sequence[Sequence[int]],
        book: Callable[[Claim, Card | None, bytes, set[int]], tuple[Refusal, int, int, int]],
    ) -> int:
        number = self.next_batch()
        leaves: list[Leaf] = []
        owed: dict[int, int] = {}
        sums = [0] * records.LANES
        for index, words in enumerate(batch):
            claim = claim_of(words, self.clock.chain_id, self.at)
            card = self.cards.get(claim.state.card)
            code, increase, own_increase, voucher = book(claim, card, claim.state.card, set(owed))
            balance = guarantor = suspense = 0
            if code == Refusal.ACCEPTED and card is not None:
                balance = min(increase - voucher, card.balance_won)
                guarantor = increase - voucher - balance
                card.balance_won -= balance
                card.used_won += guarantor
                suspense = claim.suspense_won
                sums = [total + won for total, won in zip(sums, claim.lanes, strict=True)]
                if guarantor:
                    owed[card.guarantor] = owed.get(card.guarantor, 0) + guarantor
            else:
                self.log("Refused", batch=number, index=index, code=int(code))
            state = claim.state
            numbers = (state.seq, state.service_day, int(code), state.tap_time)
            sums_claimed = (increase, state.cum_won, own_increase, state.cum_own_won)
            paid = (voucher, balance, guarantor, suspense)
            leaves.append(Leaf(state.card, *numbers, *sums_claimed, *paid, claim.digest))
        for word in foregone:
            self.log("Foregone", batch=number, operator=word & 0xFFFF, foregone_won=word >> 16 & (1 << 64) - 1)
        self.last_leaves = leaves
        root = merkle.root([leaf.pack() for leaf in leaves], keccak)
        refused = sum(leaf.code != 0 for leaf in leaves)
        self.log(
            "Settled",
            batch=number,
            clearing_house=house,
            service_day=day,
            accepted=len(leaves) - refused,
            refused=refused,
            voucher_won=sum(leaf.voucher_won for leaf in leaves),
            balance_won=sum(leaf.balance_won for leaf in leaves),
            guarantor_won=sum(leaf.guarantor_won for leaf in leaves),
            suspense_won=sum(leaf.suspense_won for leaf in leaves),
            records_root=root,
            size=len(leaves),
            journeys_root=journeys[0],
            journeys_size=journeys[1],
        )
        self.credits.open(number, house, day, (root, len(leaves)), table, sums, owed)
        return number

    def prove_clone(self, sender: bytes, first: Sequence[int], second: Sequence[int]) -> None:
        """Two signatures over different digests of one seq."""
        require(self.organisations.standing(sender) != 0, "SENDER")
        one, other = (claim_of(words, self.clock.chain_id, self.at) for words in (first, second))
        card = self.cards.get(one.state.card)
        require(card is not None, "UNKNOWN")
        require(card is not None and not card.forked, "FORKED")
        # Bits that no field owns are not signed, so they make no second state.
        same = other.state.card == one.state.card and other.state.seq == one.state.seq
        require(same and one.digest != other.digest, "SAME")
        require(one.signer == other.signer == one.state.card, "SIGNATURE")
        self.cards[one.state.card].forked = True
        self.log("Forked", card=one.state.card, seq=one.state.seq, digest=one.digest, other_digest=other.digest)

    def close_day(self, sender: bytes, day: int) -> None:
        """All records of a day are in."""
        house = self.may(sender, Role.CLEARING_HOUSE, Purpose.SETTLE)
        require(self.today > day + 3, "EARLY")
        require(not self.is_closed(house, day), "CLOSED")
        self.closed.add((house, day))
        self.log("DayClosed", clearing_house=house, service_day=day)

    def lapse(self, sender: bytes, words: Sequence[int]) -> int:
        """Ended lots of these cards go back to the pools of their rule-sets."""
        require(self.organisations.standing(sender) != 0, "SENDER")
        require(all(word >> 160 == 0 for word in words), "CARD")
        ended: list[tuple[bytes, Lot]] = []
        for word in dict.fromkeys(words):
            address = word.to_bytes(20, "big")
            card = self.cards.get(address)
            for lot in card.lots if card else ():
                if card and self.is_closed(card.clearing_house, lot.last_service_day):
                    ended.append((address, lot))
        require(bool(ended), "NONE")
        groups: dict[tuple[int, int], int] = {}
        for address, lot in ended:
            key = (lot.rule_set, lot.last_service_day)
            groups[key] = groups.get(key, 0) + lot.remaining_won
            require(len(groups) <= _GROUPS, "GROUPS")
            self.cards[address].lots.remove(lot)
        number = self.next_batch()
        for (rule_set, last), won in groups.items():
            if won:
                self.give_lapsed(rule_set, last, won)
        leaves = [
            records.lapsed_leaf(address, lot.remaining_won, lot.lot_no, lot.rule_set, lot.last_service_day)
            for address, lot in ended
        ]
        root = merkle.root(leaves, keccak)
        self.log("Lapsed", batch=number, amount_won=sum(groups.values()), lots_root=root, size=len(leaves))
        return number

    def give_lapsed(self, rule_set: int, last_service_day: int, won: int) -> None:
        """Won of a lapsed lot back to its pool."""
        self.won.transfer(self.at, self.vouchers.at, won)
        self.vouchers.returned(self.at, rule_set, last_service_day, won)

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
            leaves.append(records.purse_leaf(address, won, 0, code, guarantor))
        if pays and total:
            self.won.transfer(self.at, self.organisations.account_of(guarantor), total)
        amount = {"amount_won": total} if pays else {}
        self._log_cards(event, codes, leaves, guarantor=guarantor, **amount)
        return codes

    def _log_cards(self, event: str, codes: Sequence[int], leaves: Sequence[bytes], **fields: int) -> None:
        root = merkle.root(leaves, keccak)
        number = self.next_batch()
        self.log(event, batch=number, **fields, accepted=codes.count(0), cards_root=root, size=len(leaves))

    def lot_back(self, address: bytes, lot_no: int, day: int, won: int) -> None:
        """A correction returns won to a live lot (Credits)."""
        card = self.cards[address]
        for at, lot in enumerate(card.lots):
            if lot.lot_no == lot_no:
                used = max(0, lot.used_won - won) if lot.used_day == day else lot.used_won
                card.lots[at] = replace(lot, remaining_won=lot.remaining_won + won, used_won=used)
