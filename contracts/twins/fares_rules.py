"""The rules of Fares on one card, said again in plain Python (money.md §1 to §4): what a record may do and who pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from contracts.codes import Refusal
from contracts.messages import FareState
from contracts.records import CREDIT_BITS, SUSPENSE_LANE, lanes_of, state_of, table_of
from contracts.twins.base import compact_signer

WINDOW_DAYS: Final = 90
GAP_DAYS: Final = 3
OWN_HOUSE_DAYS: Final = 14
CLOSED_AFTER_DAYS: Final = 30
LIVE_LOTS: Final = 4
GUARANTORS: Final = 8


def service_day(time: int) -> int:
    """Days since 1970-01-01 of the KST day that rolls at 04:00."""
    return (time + 9 * 3600 - 4 * 3600) // 86_400


@dataclass(frozen=True, slots=True)
class Lot:
    """A voucher lot on a card. used_won: taken from it on used_day."""

    lot_no: int
    rule_set: int
    won: int
    remaining_won: int
    start_day: int
    last_service_day: int
    day_cap_won: int
    priority: int
    used_day: int = 0
    used_won: int = 0

    @property
    def order(self) -> tuple[int, int, int]:
        """Spent first: last day, then priority, then number."""
        return self.last_service_day, self.priority, self.lot_no

    def used_on(self, day: int) -> int:
        """Won taken from it on a day, as far as it still knows."""
        return self.used_won if self.used_day == day else 0

    def pay(self, day: int, won: int) -> Lot:
        """The lot after paying."""
        if day < self.used_day:
            return replace(self, remaining_won=self.remaining_won - won)
        return replace(self, remaining_won=self.remaining_won - won, used_day=day, used_won=self.used_on(day) + won)


@dataclass(slots=True)
class Card:
    """A card as Fares knows it; `lots` in the order of spending. Won and days."""

    guarantor: int
    clearing_house: int
    first_day: int
    last_day: int
    cap_won: int
    balance_won: int = 0
    used_won: int = 0
    cum_won: int = 0
    own_won: int = 0
    seq: int = 0
    settled_day: int = 0
    forked: bool = False
    lots: list[Lot] = field(default_factory=list)

    @property
    def headroom_won(self) -> int:
        """What the guarantor still vouches for this month."""
        return self.cap_won - self.used_won


def spend(lots: Sequence[Lot], day: int, wanted_won: int) -> tuple[int, list[Lot]]:
    """(what lots usable on the day pay of `wanted_won`, the lots after), each within the day's cap of its rule-set."""
    after = list(lots)
    left = wanted_won
    for at, lot in enumerate(after):
        if not lot.start_day <= day <= lot.last_service_day:
            continue
        used_won = sum(other.used_on(day) for other in after if other.rule_set == lot.rule_set)
        won = min(left, lot.remaining_won, max(0, lot.day_cap_won - used_won))
        if won:
            after[at] = lot.pay(day, won)
            left -= won
    return wanted_won - left, after


@dataclass(frozen=True, slots=True)
class Claim:
    """A record as the chain is told it: the signed state, who signed it, its lanes, bits that must be 0."""

    state: FareState
    digest: bytes
    signer: bytes
    lanes: tuple[int, ...]
    spare: int

    @property
    def suspense_won(self) -> int:
        """What clearing cannot yet explain."""
        return self.lanes[SUSPENSE_LANE]

    def credited(self, table: int, suspense: bool) -> int | None:
        """Σ credits + suspense; None where a lane is nobody's or above its bound."""
        bounded = len(table_of(table))
        for at, won in enumerate(self.lanes):
            named = at < bounded or (suspense and at == SUSPENSE_LANE)
            if won >> CREDIT_BITS or (won and not named):
                return None
        return sum(self.lanes)


def claim_of(words: Sequence[int], chain_id: int, fares: bytes) -> Claim:
    """A record's six words, read."""
    state = state_of(words)
    digest = state.digest(chain_id, fares)
    return Claim(state, digest, compact_signer(digest, words[3], words[4]), lanes_of(words[5]), words[1] >> 200)


def eligible_won(state: FareState, card: Card) -> int:
    """What vouchers may pay: the day's new fares less its new own part (money.md §3, Paid)."""
    cum = state.cum_won - max(card.cum_won, state.day_start_cum_won)
    own = state.cum_own_won - max(card.own_won, state.day_start_own_won)
    return cum - own


def in_range(claim: Claim) -> bool:
    """The day's opening values fit the state."""
    state = claim.state
    day_won = state.cum_won - state.day_start_cum_won
    day_own_won = state.cum_own_won - state.day_start_own_won
    return claim.spare == 0 and 0 <= day_own_won <= day_won


def over_cap(claim: Claim, card: Card) -> bool:
    """The guarantor's part is more than he vouches for."""
    increase = claim.state.cum_won - card.cum_won
    voucher = 0
    if in_range(claim):
        voucher, _ = spend(card.lots, claim.state.service_day, eligible_won(claim.state, card))
    return increase - voucher - card.balance_won > card.headroom_won


def out_of_window(state: FareState, card: Card, today: int) -> bool:
    """Not a day of the card's month, or more than 90 days after it."""
    return not card.first_day <= state.service_day <= card.last_day or today > card.last_day + WINDOW_DAYS


def judge(
    claim: Claim, card: Card | None, address: bytes, table: int, house: int, today: int, others: set[int]
) -> Refusal:
    """The lowest code that refuses a record, or ACCEPTED (money.md §8). others: the batch's guarantors so far."""
    state = claim.state
    if card is None:
        return Refusal.NOT_ENROLLED
    increase = state.cum_won - card.cum_won
    own_increase = state.cum_own_won - card.own_won
    gap_won = state.day_start_cum_won - card.cum_won
    if out_of_window(state, card, today):
        return Refusal.WINDOW
    if state.seq <= card.seq:
        return Refusal.STALE
    if increase < 0:
        return Refusal.CUM_FALLS
    if not 0 <= own_increase <= increase:
        return Refusal.OWN
    if claim.signer != address:
        return Refusal.SIGNATURE
    if claim.credited(table, suspense=True) != increase:
        return Refusal.SUM
    if over_cap(claim, card):
        return Refusal.CAP
    if gap_won > 0 and (today <= state.service_day + GAP_DAYS or claim.suspense_won < gap_won):
        return Refusal.GAP
    if state.service_day < card.settled_day:
        return Refusal.DAY
    return _last_checks(claim, card, house, today, others, increase)


def _last_checks(claim: Claim, card: Card, house: int, today: int, others: set[int], increase: int) -> Refusal:
    if card.forked:
        return Refusal.FORKED
    if house != card.clearing_house and today <= claim.state.service_day + OWN_HOUSE_DAYS:
        return Refusal.NOT_ITS_CLEARING_HOUSE
    if not in_range(claim) or _ninth(card, increase, others):
        return Refusal.RANGE
    return Refusal.ACCEPTED


def _ninth(card: Card, increase: int, others: set[int]) -> bool:
    """A batch has at most eight guarantors; a ninth's card waits for the next batch."""
    return increase > card.balance_won and len(others) == GUARANTORS and card.guarantor not in others


def judge_fork(
    claim: Claim,
    card: Card | None,
    address: bytes,
    table: int,
    house: int,
    today: int,
    others: set[int],
    booked: set[bytes],
) -> Refusal:
    """The same for a single state of a forked card (money.md §2)."""
    state = claim.state
    if card is None:
        return Refusal.NOT_ENROLLED
    if out_of_window(state, card, today):
        return Refusal.WINDOW
    if state.seq <= card.seq or claim.digest in booked:
        return Refusal.STALE
    if claim.signer != address:
        return Refusal.SIGNATURE
    if claim.credited(table, suspense=False) != state.charge_won:
        return Refusal.SUM
    if state.charge_won - card.balance_won > card.headroom_won:
        return Refusal.CAP
    if not card.forked:
        return Refusal.FORKED
    if house != card.clearing_house and today <= state.service_day + OWN_HOUSE_DAYS:
        return Refusal.NOT_ITS_CLEARING_HOUSE
    if claim.spare or _ninth(card, state.charge_won, others):
        return Refusal.RANGE
    return Refusal.ACCEPTED
