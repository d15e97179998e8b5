"""Credits, said again in plain Python (contracts/credits.vy and its modules in contracts/lib)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts import merkle
from contracts.codes import Role
from contracts.hashing import keccak
from contracts.records import CREDIT_BITS, OPERATOR_LANES, Batch, Leaf, lanes_of, table_of
from contracts.twins.base import require
from contracts.twins.credits_book import Book
from contracts.twins.fares_rules import Card, Claim, claim_of, spend

ADJUST_DAYS: Final = 3
FORFEIT_DAYS: Final = 90
_MAX_U32: Final = (1 << 32) - 1


@dataclass
class Credits(Book):
    """The whole agreement. Proofs are (batch, index, leaf, path)."""

    # --- corrections

    def adjust_up(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        state: Sequence[int],
        operator: int,
        reason: int,
        policy: bytes,
    ) -> int:
        """The missing tap-off of a card's last state, once."""
        batch, index, leaf, card = self._begin(sender, proof)
        opened = claim_of([*state, 0, 0, 0], self.clock.chain_id, self.fares.at)
        require(opened.digest == leaf.state_digest, "STATE")
        require(self.today > leaf.service_day + ADJUST_DAYS, "EARLY")
        correction = self.corrections[batch.number, index]
        require(correction["up_balance_won"] == correction["up_guarantor_won"] == 0, "DONE")
        won = opened.state.missing_out_won
        require(0 < won < 1 << CREDIT_BITS, "STATE")
        require(card is not None and card.seq == leaf.seq, "MOVED ON")
        if card is None:  # said above; for the type checker
            return 0
        balance = min(won, card.balance_won)
        owed = won - balance
        require(owed <= card.headroom_won, "CAP")
        require(operator != 0, "TABLE")
        self.check_table(operator)
        card.balance_won -= balance
        card.used_won += owed
        correction["up_balance_won"], correction["up_guarantor_won"] = balance, owed
        self._log_adjusted(batch, index, won, (0, balance, owed), reason, policy)
        parts = {card.guarantor: owed} if owed else {}
        return self._open_transfer(batch.clearing_house, batch.service_day, operator, won, parts)

    def adjust_down(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        lanes: int,
        lots: Sequence[int],
        guarantor: int,
        reason: int,
        policy: bytes,
    ) -> None:
        """Gives back: guarantor, then balance, then voucher."""
        batch, index, leaf, card = self._begin(sender, proof)
        parts = dict(enumerate(lanes_of(lanes)))
        total = sum(parts.values())
        require(total != 0 and parts[OPERATOR_LANES] == 0, "SOURCES")
        table = dict(enumerate(table_of(batch.table)))
        require(all(lane in table for lane, won in parts.items() if won), "SOURCES")
        taken = {table[lane]: won for lane, won in parts.items() if won}
        house = batch.clearing_house
        left = self._left(leaf, self.corrections[batch.number, index])
        to_guarantor = min(total, left[2])
        to_balance = min(total - to_guarantor, left[1])
        to_voucher = total - to_guarantor - to_balance
        require(to_voucher <= left[0], "SOURCES")
        backer = card.guarantor if card else guarantor
        require(card is not None or self.organisations.holds(backer, Role.GUARANTOR), "GUARANTOR")
        self._check_lots(card, leaf.service_day, to_voucher, lots)
        for organisation, won in taken.items():
            account = self.others if organisation == house else self.payable
            account[organisation] -= won
        correction = self.corrections[batch.number, index]
        for source, won in (("guarantor", to_guarantor), ("balance", to_balance), ("voucher", to_voucher)):
            correction[f"back_{source}_won"] += won
        for word in lots:
            won = word & _MAX_U32
            if word >> 96:
                self.fares.give_lapsed(word >> 64 & 0xFFFF, word >> 80 & 0xFFFF, won)
            else:
                self.fares.lot_back(leaf.card, word >> 32 & _MAX_U32, leaf.service_day, won)
        self._to_rider(card, backer, to_guarantor, to_balance)
        self._log_adjusted(batch, index, -total, (to_voucher, to_balance, to_guarantor), reason, policy)

    def _check_lots(self, card: Card | None, day: int, to_voucher: int, lots: Sequence[int]) -> None:
        """Word by word as the agreement goes, so that it refuses by the same name before anything changes."""
        usable = [lot for lot in (card.lots if card else []) if lot.start_day <= day <= lot.last_service_day]
        room = {lot.lot_no: lot.won - lot.remaining_won for lot in usable}
        left, lapsed_won = to_voucher, 0
        for word in lots:
            won = word & _MAX_U32
            require(0 < won <= left, "LOTS")
            left -= won
            if word >> 96:
                lapsed_won += won
                self.fares.check_lapsed(word >> 64 & 0xFFFF, lapsed_won)
            else:
                number = word >> 32 & _MAX_U32
                require(won <= room.get(number, 0), "LOTS")
                room[number] -= won
        require(left == 0, "LOTS")

    def allocate(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        table: int,
        lanes: int,
        missing: Sequence[int],
    ) -> int:
        """Suspense to whom it belongs; with the missing day's state, lots pay its voucher part."""
        batch, index, leaf, card = self._begin(sender, proof)
        self.check_table(table, batch.clearing_house)
        claim = claim_of([missing[0], *missing[1:5], lanes], self.clock.chain_id, self.fares.at)
        won = claim.credited(table, suspense=False)
        require(won is not None, "TABLE")
        won = won or 0
        correction = self.corrections[batch.number, index]
        require(0 < won <= leaf.suspense_won - correction["allocated_won"], "SUSPENSE")
        taken, digest = 0, bytes(32)
        if missing[0]:
            digest = claim.digest
            self._check_missing(claim, leaf, won)
            taken = self._resource(claim, leaf, card, won, correction)
        correction["allocated_won"] += won
        self.suspense_won -= won
        self.log("Allocated", batch=batch.number, index=index, amount_won=won, voucher_won=taken, digest=digest)
        return self._open_transfer(batch.clearing_house, batch.service_day, table, lanes, {})

    def _check_missing(self, claim: Claim, leaf: Leaf, won: int) -> None:
        state = claim.state
        require(state.card == leaf.card and state.seq < leaf.seq, "STATE")
        require(state.service_day < leaf.service_day and claim.spare == 0, "STATE")
        day_won = state.cum_won - state.day_start_cum_won
        require(0 <= state.cum_own_won - state.day_start_own_won <= day_won and won <= day_won, "STATE")
        require(claim.signer == leaf.card, "SIGNATURE")
        require(claim.digest not in self.allocated, "DONE")
        self.allocated.add(claim.digest)

    def _resource(self, claim: Claim, leaf: Leaf, card: Card | None, won: int, correction: dict[str, int]) -> int:
        if card is None:
            return 0
        state = claim.state
        own_won = state.cum_own_won - state.day_start_own_won
        eligible = state.cum_won - state.day_start_cum_won - own_won
        _, balance_left, guarantor_left = self._left(leaf, correction)
        wanted = min(eligible, won, guarantor_left + balance_left)
        taken, card.lots = spend(card.lots, state.service_day, wanted)
        to_guarantor = min(taken, guarantor_left)
        correction["resourced_guarantor_won"] += to_guarantor
        correction["resourced_balance_won"] += taken - to_guarantor
        self._to_rider(card, card.guarantor, to_guarantor, taken - to_guarantor)
        return taken

    def expire_suspense(self, sender: bytes, proof: tuple[Batch, int, Leaf, Sequence[bytes]]) -> None:
        """What nobody explained in 90 days goes to RISK_POOL."""
        batch, index, leaf, _ = self._begin(sender, proof)
        require(self.today > leaf.service_day + FORFEIT_DAYS, "EARLY")
        correction = self.corrections[batch.number, index]
        won = leaf.suspense_won - correction["allocated_won"]
        require(won != 0, "SUSPENSE")
        correction["allocated_won"] += won
        self.suspense_won -= won
        self.change_risk_pool(batch.clearing_house, won)

    # --- inside

    def _begin(
        self, sender: bytes, proof: tuple[Batch, int, Leaf, Sequence[bytes]]
    ) -> tuple[Batch, int, Leaf, Card | None]:
        batch, index, leaf, path = proof
        require(self._clearing(sender) == batch.clearing_house, "SENDER")
        self._check(batch)
        require(leaf.code == 0, "PROOF")
        try:
            merkle.verify(leaf.pack(), index, batch.size, path, batch.records_root, keccak)
        except merkle.ProofError:
            require(False, "PROOF")
        return batch, index, leaf, self.fares.cards.get(leaf.card)

    @staticmethod
    def _left(leaf: Leaf, correction: Mapping[str, int]) -> tuple[int, int, int]:
        """(voucher, balance, guarantor) won that each source has paid of this record, all corrections counted."""
        resourced = correction["resourced_balance_won"] + correction["resourced_guarantor_won"]
        found: Callable[[str, int], int] = lambda source, won: (  # noqa: E731 — three equal lines
            won
            + correction[f"up_{source}_won"]
            - correction[f"resourced_{source}_won"]
            - correction[f"back_{source}_won"]
        )
        voucher = leaf.voucher_won + resourced - correction["back_voucher_won"]
        return voucher, found("balance", leaf.balance_won), found("guarantor", leaf.guarantor_won)

    def _to_rider(self, card: Card | None, guarantor: int, to_guarantor: int, to_balance: int) -> None:
        """After the card's month what the balance gets back goes to the guarantor too."""
        if card is None or self.today > card.last_day:
            self.paid_through[guarantor] += to_guarantor + to_balance
            return
        self.paid_through[guarantor] += to_guarantor
        card.balance_won += to_balance

    def _log_adjusted(
        self, batch: Batch, index: int, delta: int, paid: tuple[int, int, int], reason: int, policy: bytes
    ) -> None:
        voucher, balance, guarantor = paid
        sums = {"voucher_won": voucher, "balance_won": balance, "guarantor_won": guarantor}
        self.log("Adjusted", batch=batch.number, index=index, delta_won=delta, **sums, reason=reason, policy=policy)
