"""What the chain made of a record: who paid it, and the leaf under its batch's root (money.md §3, receipts.md §4).

Pure. `paid_by` says it by the rule from the card as it stood before; `paid_between` reads it off the card before and
after, which holds too where the same block topped the card up or issued a lot before the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from contracts.codes import Refusal
from contracts.hashing import keccak
from contracts.merkle import root
from contracts.messages import FareState
from contracts.records import CardAccount, Leaf
from contracts.twins.fares_rules import Card as CardTwin
from contracts.twins.fares_rules import Lot, eligible_won, spend
from services.fares.errors import SettlementError

FORKED: Final = 2  # CardSlot.status


@dataclass(frozen=True, slots=True)
class LotPart:
    """What one voucher lot paid of a record, won."""

    lot_no: int
    rule_set: int
    last_service_day: int
    won: int


@dataclass(frozen=True, slots=True)
class Paid:
    """Who paid a record: voucher lots, the card's own won, the guarantor. Won."""

    lots: tuple[LotPart, ...] = ()
    balance_won: int = 0
    guarantor_won: int = 0

    @property
    def voucher_won(self) -> Mapping[int, int]:
        """Won by rule-set."""
        found: dict[int, int] = {}
        for lot in self.lots:
            found[lot.rule_set] = found.get(lot.rule_set, 0) + lot.won
        return found


NOBODY: Final = Paid()


def twin_of(account: CardAccount) -> CardTwin:
    """The card as the rules of Fares take it (contracts/twins/fares_rules.py)."""
    slot = account.slot
    return CardTwin(
        guarantor=slot.guarantor,
        clearing_house=slot.clearing_house,
        first_day=slot.first_day,
        last_day=slot.last_day,
        cap_won=slot.cap_won,
        balance_won=slot.balance_won,
        used_won=slot.used_won,
        cum_won=slot.cum_won,
        own_won=slot.own_won,
        seq=slot.seq,
        settled_day=slot.settled_day,
        forked=slot.status == FORKED,
        lots=[
            Lot(
                lot_no=lot.lot_no,
                rule_set=lot.rule_set,
                won=lot.won,
                remaining_won=lot.remaining_won,
                start_day=lot.start_day,
                last_service_day=lot.last_service_day,
                day_cap_won=lot.day_cap_won,
                priority=lot.priority,
                used_day=lot.used_day,
                used_won=lot.used_won,
            )
            for lot in account.lots.values()
        ],
    )


def paid_by(state: FareState, before: CardAccount) -> Paid:
    """Who pays an accepted state of a card that stood so before (money.md §3, Paid)."""
    card = twin_of(before)
    remaining = {lot.lot_no: lot.remaining_won for lot in card.lots}
    voucher, after = spend(card.lots, state.service_day, eligible_won(state, card))
    parts = [
        LotPart(lot.lot_no, lot.rule_set, lot.last_service_day, remaining[lot.lot_no] - lot.remaining_won)
        for lot in after
    ]
    increase = state.cum_won - card.cum_won
    balance = min(increase - voucher, card.balance_won)
    return Paid(tuple(part for part in parts if part.won), balance, increase - voucher - balance)


def paid_between(state: FareState, before: CardAccount, after: CardAccount) -> Paid:
    """Who paid an accepted state, by what lots and the guarantor's used sum changed."""
    remaining = {lot.lot_no: lot.remaining_won for lot in before.lots.values()}
    parts = [
        LotPart(
            lot.lot_no,
            lot.rule_set,
            lot.last_service_day,
            remaining.get(lot.lot_no, lot.won) - lot.remaining_won,
        )
        for lot in after.lots.values()
    ]
    guarantor = after.slot.used_won - before.slot.used_won
    voucher = sum(part.won for part in parts)
    increase = state.cum_won - before.slot.cum_won
    return Paid(tuple(part for part in parts if part.won), increase - voucher - guarantor, guarantor)


def fork_paid(state: FareState, before: CardAccount, spent_won: int) -> Paid:
    """Who pays a single state of a forked card: chargeWon from balance, then guarantor (money.md §2).

    spent_won: what earlier states of the batch took from the card's balance.
    """
    balance = min(state.charge_won, before.slot.balance_won - spent_won)
    return Paid((), balance, state.charge_won - balance)


def settlement_leaf(
    state: FareState, digest: bytes, before: CardAccount, code: Refusal, paid: Paid, suspense_won: int
) -> Leaf:
    """The 128-byte leaf that Fares built of a record (receipts.md §4): a refused one carries sums as claimed."""
    accepted = code is Refusal.ACCEPTED
    return Leaf(
        card=state.card,
        seq=state.seq,
        service_day=state.service_day,
        code=int(code),
        tap_time=state.tap_time,
        increase_won=max(0, state.cum_won - before.slot.cum_won),
        cum_won=state.cum_won,
        own_increase_won=max(0, state.cum_own_won - before.slot.own_won),
        cum_own_won=state.cum_own_won,
        voucher_won=sum(lot.won for lot in paid.lots) if accepted else 0,
        balance_won=paid.balance_won if accepted else 0,
        guarantor_won=paid.guarantor_won if accepted else 0,
        suspense_won=suspense_won if accepted else 0,
        state_digest=digest,
    )


def fork_leaf(state: FareState, digest: bytes, before: CardAccount, code: Refusal, paid: Paid) -> Leaf:
    """The leaf of a single state of a forked card, whose increase is its charge alone."""
    plain = settlement_leaf(state, digest, before, code, paid, 0)
    return replace(plain, increase_won=state.charge_won, own_increase_won=0)


def under_root(leaves: Sequence[Leaf], records_root: bytes) -> bool:
    """Whether these leaves are the ones under an event's root."""
    return root([leaf.pack() for leaf in leaves], keccak) == records_root


def check_root(leaves: Sequence[Leaf], records_root: bytes) -> None:
    """Raises SettlementError unless these leaves are the ones under an event's root."""
    if not under_root(leaves, records_root):
        raise SettlementError("the records recomputed here are not those under the batch's root")
