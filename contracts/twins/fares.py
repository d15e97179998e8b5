"""Fares, said again in plain Python (contracts/fares.vy and its modules in contracts/lib)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from contracts import leaves as card_leaves
from contracts import merkle, records
from contracts.codes import CardCode, Purpose, Refusal, Role
from contracts.hashing import keccak, sha256
from contracts.records import Leaf
from contracts.twins.base import require
from contracts.twins.fares_cards import Cards, month_days
from contracts.twins.fares_rules import (
    LIVE_LOTS,
    Card,
    Claim,
    Lot,
    claim_of,
    eligible_won,
    judge,
    judge_fork,
    spend,
)

__all__ = ["Fares", "month_days"]

_MAX_U32: Final = (1 << 32) - 1
_GROUPS: Final = 16


@dataclass
class Fares(Cards):
    """The whole agreement. Words are those of contracts/records.py."""

    # --- money in

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
            card_leaves.lapsed_leaf(address, lot.remaining_won, lot.lot_no, lot.rule_set, lot.last_service_day)
            for address, lot in ended
        ]
        root = merkle.root(leaves, keccak)
        self.log("Lapsed", batch=number, amount_won=sum(groups.values()), lots_root=root, size=len(leaves))
        return number

    def check_lapsed(self, rule_set: int, won: int) -> None:
        """Refuses what `give_lapsed` of `won` in all would refuse; changes nothing."""
        require(self.won.balances[self.at] >= won, "BALANCE")
        known = self.vouchers.rule_sets.get(rule_set)
        require(known is not None and known[1].fares == self.at, "SENDER")

    def give_lapsed(self, rule_set: int, last_service_day: int, won: int) -> None:
        """Won of a lapsed lot back to its pool."""
        self.won.transfer(self.at, self.vouchers.at, won)
        self.vouchers.returned(self.at, rule_set, last_service_day, won)

    def lot_back(self, address: bytes, lot_no: int, day: int, won: int) -> None:
        """A correction returns won to a live lot (Credits)."""
        card = self.cards[address]
        for at, lot in enumerate(card.lots):
            if lot.lot_no == lot_no:
                used = max(0, lot.used_won - won) if lot.used_day == day else lot.used_won
                card.lots[at] = replace(lot, remaining_won=lot.remaining_won + won, used_won=used)
