"""The part of test_fares_machine.py that corrects settled records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from contracts import addresses, merkle, records
from contracts.hashing import keccak
from contracts.messages import FareState
from contracts.records import Batch, Leaf, leaf_of
from tests.contracts import fares_city as city
from tests.contracts.fares_city import BUS_143, CITY, KOOKMIN, METRO
from tests.contracts.fares_machine import CARDS, DAY_S, SETTLES, CardRules, pick, signed
from tests.contracts.harness import CHAIN_ID, Outcome


class CorrectionRules(CardRules):
    """Clearing corrects what it settled, rightly or not."""

    def proof(self, which: int) -> tuple[Batch, int, Leaf, list[bytes]]:
        """A settled record with its path; now and then a wrong one."""
        number, index = self.settled[which % len(self.settled)]
        packed = [leaf.pack() for leaf in self.leaves[number]]
        leaf = leaf_of(packed[index])
        if which % 17 == 16:
            leaf = replace(leaf, balance_won=leaf.balance_won + 1)
        return self.pair.credits.batches[number], index, leaf, merkle.path(packed, index, keccak)

    def state_of(self, leaf: Leaf) -> FareState | None:
        """The signed state behind a leaf."""
        for states in self.taps.values():
            for state in states:
                if state.digest(CHAIN_ID, addresses.FARES) == leaf.state_digest:
                    return state
        return None

    def is_open(self, at: int) -> bool:
        """Whether a settled record is its card's last and its journey has no tap-off."""
        number, index = self.settled[at]
        leaf = self.leaves[number][index]
        account, state = self.pair.fares.cards.get(leaf.card), self.state_of(leaf)
        return account is not None and account.seq == leaf.seq and state is not None and state.missing_out_won > 0

    @precondition(lambda self: self.settled)
    @rule(which=pick, operator=st.sampled_from((METRO, METRO, BUS_143, CITY, 0)))
    def adjust_up(self, which: int, operator: int) -> None:
        choice = [at for at in range(len(self.settled)) if self.is_open(at)]
        if not choice or which % 4 == 0:
            choice = list(range(max(0, len(self.settled) - 4), len(self.settled)))
        proof = self.proof(choice[which % len(choice)])
        if which % 2:
            self.pair.advance(4 * DAY_S)
        state = self.state_of(proof[2]) or city.state(1)
        arguments = (records.state_words(state), operator, 3, keccak(b"policy"))
        self.pair.correct(SETTLES, "adjust_up", proof, *arguments)

    @precondition(lambda self: self.settled)
    @rule(
        which=pick,
        won=st.sampled_from((1, 500, 1_550, 3_000)),
        split=st.sampled_from(("live", "live", "lapsed", "none")),
    )
    def adjust_down(self, which: int, won: int, split: str) -> None:
        self.give_back(which, won, split)

    def give_back(self, which: int, won: int, split: str) -> Outcome | str:
        proof = self.proof(which)
        batch, index, leaf, _ = proof
        _, balance, guarantor = self.pair.credits._left(leaf, self.pair.credits.corrections[batch.number, index])
        to_voucher = max(0, won - balance - guarantor)
        card_now = self.pair.fares.cards.get(leaf.card)
        lots: list[int] = []
        if to_voucher and split == "live" and card_now and card_now.lots:
            lots = [records.lot_word(to_voucher, card_now.lots[which % len(card_now.lots)].lot_no)]
        elif to_voucher and split == "lapsed":
            lots = [records.lapsed_lot_word(to_voucher, 1, leaf.service_day)]
        arguments: tuple[Any, ...] = (won << 32 * (which % 3), lots, KOOKMIN, 4, keccak(b"policy"))
        return self.pair.correct(SETTLES, "adjust_down", proof, *arguments)

    @precondition(lambda self: any(leaf.suspense_won for one in self.leaves.values() for leaf in one))
    @rule(which=pick, missing=st.booleans(), share=st.sampled_from((1, 1, 2)))
    def allocate(self, which: int, missing: bool, share: int) -> None:
        held = [(n, i) for n, i in self.settled if self.leaves[n][i].suspense_won]
        number, index = held[which % len(held)]
        proof = self.proof(self.settled.index((number, index)))
        leaf = proof[2]
        states = [s for states in self.taps.values() for s in states if s.card == leaf.card and s.seq < leaf.seq]
        words: tuple[int, ...] = (0,) * 6
        if missing and states:
            state = states[which % len(states)] if which % 2 else states[-1]
            owner = next(n for n in CARDS if city.card(n) == leaf.card)
            words = (*signed(owner, state), 0)
        won = leaf.suspense_won // share
        self.pair.correct(SETTLES, "allocate", proof, city.TABLE, won, words)

    @precondition(lambda self: self.settled)
    @rule(which=pick)
    def expire_suspense(self, which: int) -> None:
        held = [(n, i) for n, i in self.settled if self.leaves[n][i].suspense_won] or self.settled
        at = self.settled.index(held[which % len(held)])
        self.pair.correct(SETTLES, "expire_suspense", self.proof(at))
