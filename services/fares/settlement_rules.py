"""What a card's service day comes to on the chain: one record, its credits, its journeys' leaves (money.md §3, §8).

Pure. The signed states say what is settled; the journeys priced again say whom it is credited to. What no whole
journey explains waits in suspense.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import rfc8785

from contracts.codes import Refusal
from contracts.hashing import keccak
from contracts.merkle import root
from contracts.records import CardAccount, Leaf, SettlementRecord
from contracts.twins.fares_rules import Card as CardTwin
from contracts.twins.fares_rules import Lot, eligible_won, spend
from services.fares.errors import SettlementError
from services.fares.limits import CREDITED_ACCOUNTS, RECORDS_PER_BATCH
from services.fares.tap_journeys import CardJourney, StoredTap, journeys_of

SALT_BYTES: Final = 16
MONEY_TAG: Final = b"\x01"
ROUTE_TAG: Final = b"\x02"
MAX_FOREGONE: Final = 16  # words that one settle takes
_CREDIT_MAX_WON: Final = 1 << 23


@dataclass(frozen=True, slots=True)
class Settled:
    """How far a card is settled: the sums and day of its last record, zeros before the first."""

    seq: int = 0
    cum_won: int = 0
    own_won: int = 0
    day: int = 0


@dataclass(frozen=True, slots=True)
class DayRecord:
    """A card's last state of a service day, whom it credits (organisation → won), and its journeys."""

    last: StoredTap
    increase_won: int
    own_increase_won: int
    credits: Mapping[int, int]
    suspense_won: int
    journeys: tuple[CardJourney, ...]

    @property
    def card(self) -> bytes:
        """The card, 20 bytes."""
        return self.last.state.card

    def record(self, credits: Mapping[int, int]) -> SettlementRecord:
        """What goes to Fares, with these credits."""
        return SettlementRecord(self.last.state, self.last.card_signature, credits, self.suspense_won)


def day_record(taps: Sequence[StoredTap], before: StoredTap | None, settled: Settled) -> DayRecord:
    """The record of one card's taps of one service day above what is settled, in order of seq.

    `before`: the tap just before the first, if clearing has it. Raises SettlementError where the journeys explain more
    than the card's sums grew, which no signed states of one card can do.
    """
    last = taps[-1]
    journeys = tuple(journeys_of(taps, before))
    credits: dict[int, int] = {}
    for journey in journeys:
        for organisation, won in journey.shares.items():
            credits[organisation] = credits.get(organisation, 0) + won
    increase = last.state.cum_won - settled.cum_won
    suspense = increase - sum(credits.values())
    if suspense < 0:
        raise SettlementError(f"journeys of card 0x{last.state.card.hex()} come to {-suspense} won more than its sums")
    return DayRecord(last, increase, last.state.cum_own_won - settled.own_won, credits, suspense, journeys)


def fitting(taps: Sequence[StoredTap], headroom_won: int) -> Sequence[StoredTap]:
    """The taps up to the last that ends no journey in its middle and charges no more than `headroom_won` in all.

    Where a guarantor's cap is reached during a day, this much of it settles at once (money.md §3).
    """
    fits = 0
    total = 0
    for at, tap in enumerate(taps):
        total += tap.state.charge_won
        follows = at + 1 < len(taps) and taps[at + 1].tap.journey.first_seq == tap.tap.journey.first_seq
        if total <= headroom_won and not follows:
            fits = at + 1
    return taps[:fits]


def lane_credits(credits: Mapping[int, int], house: int) -> dict[int, int]:
    """Credits within a record's lanes: the smallest beyond six go to the clearing house's account `others`.

    Organisations that are listed with 0 won take no lane (money.md §3).
    """
    ranked = sorted(((won, one) for one, won in credits.items() if won), key=lambda each: (-each[0], each[1]))
    if len(ranked) <= CREDITED_ACCOUNTS:
        return {one: won for won, one in ranked}
    kept = {one: won for won, one in ranked[: CREDITED_ACCOUNTS - 1]}
    kept[house] = kept.get(house, 0) + sum(won for won, _ in ranked[CREDITED_ACCOUNTS - 1 :])
    return kept


@dataclass(frozen=True, slots=True)
class PlannedBatch:
    """Records that one transaction settles, and the credits of each."""

    organisations: tuple[int, ...]
    records: tuple[DayRecord, ...]
    credits: tuple[Mapping[int, int], ...]

    @property
    def foregone(self) -> dict[int, int]:
        """What free rides of the batch cost each operator, in won; at most 16 operators."""
        sums: dict[int, int] = {}
        for record in self.records:
            for journey in record.journeys:
                for organisation, won in journey.foregone.items():
                    sums[organisation] = sums.get(organisation, 0) + won
        return dict(sorted(sums.items())[:MAX_FOREGONE])


def batches(records: Sequence[DayRecord], house: int) -> list[PlannedBatch]:
    """Records packed so that each batch credits at most seven organisations and holds at most 256 records.

    Records of equal organisations stand together; within a batch the order is by card, which says nothing.
    Raises SettlementError for a credit that no lane holds.
    """
    lanes = [(record, lane_credits(record.credits, house)) for record in records]
    for record, credits in lanes:
        if max([*credits.values(), record.suspense_won], default=0) >= _CREDIT_MAX_WON:
            raise SettlementError(f"card 0x{record.card.hex()}: a credit of more than {_CREDIT_MAX_WON} won")
    lanes.sort(key=lambda each: (tuple(sorted(each[1])), each[0].card))
    open_: list[tuple[set[int], list[tuple[DayRecord, Mapping[int, int]]]]] = []
    for record, credits in lanes:
        for organisations, chosen in open_:
            if len(chosen) < RECORDS_PER_BATCH and len(organisations | credits.keys()) <= CREDITED_ACCOUNTS:
                organisations.update(credits)
                chosen.append((record, credits))
                break
        else:
            open_.append((set(credits), [(record, credits)]))
    made = []
    for organisations, chosen in open_:
        chosen.sort(key=lambda each: each[0].card)
        made.append(
            PlannedBatch(
                tuple(sorted(organisations)), tuple(each for each, _ in chosen), tuple(each for _, each in chosen)
            )
        )
    return made


def journey_leaves(journey: CardJourney, salt: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """The money leaf and the route leaf: salt 16 ‖ tag ‖ canonical JSON (receipts.md §4). Empty bodies have none."""
    return (
        salt(SALT_BYTES) + MONEY_TAG + rfc8785.dumps(dict(journey.money)),
        salt(SALT_BYTES) + ROUTE_TAG + rfc8785.dumps(dict(journey.route)),
    )


def _twin(account: CardAccount) -> CardTwin:
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


@dataclass(frozen=True, slots=True)
class Paid:
    """Who paid a record: vouchers by rule-set, the card's own won, the guarantor. Won."""

    voucher_won: Mapping[int, int]
    balance_won: int
    guarantor_won: int


def paid_by(record: SettlementRecord, account: CardAccount) -> Paid:
    """Who pays an accepted record of a card as it stood before (money.md §3, Paid)."""
    card, state = _twin(account), record.state
    before = {lot.lot_no: lot for lot in card.lots}
    voucher, after = spend(card.lots, state.service_day, eligible_won(state, card))
    by_rule_set: dict[int, int] = {}
    for lot in after:
        won = before[lot.lot_no].remaining_won - lot.remaining_won
        if won:
            by_rule_set[lot.rule_set] = by_rule_set.get(lot.rule_set, 0) + won
    increase = state.cum_won - card.cum_won
    balance = min(increase - voucher, card.balance_won)
    return Paid(by_rule_set, balance, increase - voucher - balance)


def settlement_leaf(record: SettlementRecord, digest: bytes, account: CardAccount, code: Refusal, paid: Paid) -> Leaf:
    """The 128-byte leaf that Fares built of a record (receipts.md §4): a refused one carries sums as claimed."""
    state = record.state
    accepted = code is Refusal.ACCEPTED
    return Leaf(
        card=state.card,
        seq=state.seq,
        service_day=state.service_day,
        code=int(code),
        tap_time=state.tap_time,
        increase_won=max(0, state.cum_won - account.slot.cum_won),
        cum_won=state.cum_won,
        own_increase_won=max(0, state.cum_own_won - account.slot.own_won),
        cum_own_won=state.cum_own_won,
        voucher_won=sum(paid.voucher_won.values()) if accepted else 0,
        balance_won=paid.balance_won if accepted else 0,
        guarantor_won=paid.guarantor_won if accepted else 0,
        suspense_won=record.suspense_won if accepted else 0,
        state_digest=digest,
    )


def fork_leaf(record: SettlementRecord, digest: bytes, account: CardAccount, code: Refusal, spent_won: int) -> Leaf:
    """The leaf of a single state of a forked card: chargeWon alone, from balance, then guarantor (money.md §2).

    spent_won: what earlier states of the batch took from the card's balance.
    """
    charge = record.state.charge_won
    balance = min(charge, account.slot.balance_won - spent_won) if code is Refusal.ACCEPTED else 0
    plain = settlement_leaf(record, digest, account, Refusal.NOT_ENROLLED, Paid({}, 0, 0))
    return replace(
        plain,
        code=int(code),
        increase_won=charge,
        own_increase_won=0,
        balance_won=balance,
        guarantor_won=charge - balance if code is Refusal.ACCEPTED else 0,
    )


def check_root(leaves: Sequence[Leaf], records_root: bytes) -> None:
    """Raises SettlementError unless these leaves are the ones under an event's root."""
    if root([leaf.pack() for leaf in leaves], keccak) != records_root:
        raise SettlementError("the records recomputed here are not those under the batch's root")
