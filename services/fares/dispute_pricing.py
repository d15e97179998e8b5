"""What a dispute can bring back: the whole journey priced again as the rider says it was (zeropay.md §7.1). Pure.

    D01, D04  without the leg of the disputed tap      D02, D06  by the public tariff for the certificate's class
    D03       without what was charged for the missing tap-off       D05  without the journey
    D07       what of the tap's charge no voucher was to pay although the certificate says otherwise

What a journey's first tap-on collected for the journey before is owed whatever became of this one; only D03 disputes
that. What tariff or network cannot explain is not held against the rider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.codes import RiderClass
from services.fares.errors import FareError, NothingToAdjustError
from services.fares.rules import own_part_won
from services.fares.splits import largest_remainder
from services.fares.tap_journeys import StoredTap, collected_won, journeys_of, tariff_shares
from wallets.disputes import DisputeCode

_WITHOUT_LEG: Final = (DisputeCode.DOUBLE_TAP, DisputeCode.GATE_FAULT)


@dataclass(frozen=True, slots=True)
class Profile:
    """What the card's certificate says of its fares (money.md §8)."""

    rider_class: RiderClass
    modes: int
    per_tap_cap_won: int


@dataclass(frozen=True, slots=True)
class RiddenJourney:
    """The taps of one journey that clearing has, in order, and the card's tap just before them."""

    taps: tuple[StoredTap, ...]
    before: StoredTap | None

    @property
    def first_seq(self) -> int:
        """Names the journey among those of its card."""
        return self.taps[0].tap.journey.first_seq

    @property
    def charged_won(self) -> int:
        """All that its taps charged."""
        return sum(tap.state.charge_won for tap in self.taps)


@dataclass(frozen=True, slots=True)
class Repriced:
    """What was charged of what is disputed, what was due if the rider is right, and which organisation got how much of
    the difference (adds up to it, or is empty while clearing cannot say). `shares`: who got all that was charged."""

    charged_won: int
    due_won: int
    over: Mapping[int, int] = field(default_factory=dict)
    shares: Mapping[int, int] = field(default_factory=dict)

    @property
    def back_won(self) -> int:
        """What is to come back if the rider is right."""
        return max(0, self.charged_won - self.due_won)


def reprice(code: DisputeCode, journey: RiddenJourney, seq: int, profile: Profile) -> Repriced:
    """The journey priced again as the dispute of its tap `seq` has it; D03 is `reprice_missing`'s."""
    [settled] = journeys_of(journey.taps, journey.before)
    if code is DisputeCode.VOUCHER_REFUSED:
        return _own_part(journey, seq, profile, settled.shares)
    collected = collected_won(journey.before, journey.taps[0])
    due = {journey.before.tap.operator: collected} if journey.before is not None and collected else {}
    if not settled.explained and code is not DisputeCode.NOT_MY_RIDE:
        return Repriced(settled.charged_won, 0)
    try:
        for organisation, won in tariff_shares(_ridden(code, journey.taps, seq), profile.rider_class).items():
            due[organisation] = due.get(organisation, 0) + won
    except FareError:
        return Repriced(settled.charged_won, 0, settled.shares, settled.shares)
    due_won = sum(due.values())
    above = {one: max(0, won - due.get(one, 0)) for one, won in settled.shares.items()}
    return Repriced(settled.charged_won, due_won, _spread(settled.charged_won - due_won, above), settled.shares)


def reprice_missing(tap: StoredTap, following: RiddenJourney | None, added_won: int) -> Repriced:
    """What a missing tap-off after `tap` cost: collected by the journey that follows, or else added to the settled
    record (`added_won`, less what came back since). It went to the tap's operator."""
    collected = collected_won(tap, following.taps[0]) if following and following.taps[0].tap.kind == "IN" else 0
    won = collected or added_won
    shares = {tap.tap.operator: won} if won else {}
    return Repriced(won, 0, shares, shares)


def left_won(code: DisputeCode, repriced: Repriced, journey_won: int, credited: Mapping[DisputeCode, int]) -> int:
    """What a dispute can bring beside what others of its journey brought already, by code; `journey_won`: all that the
    journey charged. A missing tap-off (D03) is no part of that, and a voucher's part (D07) each tap's own."""
    if code is DisputeCode.MISSING_TAP_OFF:
        return repriced.back_won
    inside = {one: won for one, won in credited.items() if one is not DisputeCode.MISSING_TAP_OFF}
    same = sum(won for one, won in inside.items() if one is not DisputeCode.VOUCHER_REFUSED)
    if code is DisputeCode.VOUCHER_REFUSED:
        same = 0
    return max(0, min(repriced.back_won - same, journey_won - sum(inside.values())))


def _ridden(code: DisputeCode, taps: Sequence[StoredTap], seq: int) -> Sequence[StoredTap]:
    """The taps that stand if the rider is right."""
    if code is DisputeCode.NOT_MY_RIDE:
        return ()
    return without_leg(taps, seq) if code in _WITHOUT_LEG else taps


def without_leg(taps: Sequence[StoredTap], seq: int) -> list[StoredTap]:
    """The taps but those of the leg that tap `seq` belongs to: a tap-on and the tap-off that follows it."""
    at = next(index for index, one in enumerate(taps) if one.state.seq == seq)
    if taps[at].tap.kind == "OUT":
        at -= 1
    closed = at + 1 < len(taps) and taps[at + 1].tap.kind == "OUT"
    return [*taps[: max(0, at)], *taps[at + 1 + closed :]]


def _own_part(journey: RiddenJourney, seq: int, profile: Profile, shares: Mapping[int, int]) -> Repriced:
    at = next(index for index, one in enumerate(journey.taps) if one.state.seq == seq)
    tap = journey.taps[at]
    before = journey.taps[at - 1] if at else journey.before
    own_before_won = before.state.cum_own_won if before else 0
    charged = min(tap.state.charge_won, max(0, tap.state.cum_own_won - own_before_won))
    collected = 0 if at else collected_won(before, tap)
    right = own_part_won(tap.state.charge_won, collected, tap.tap.mode, profile.modes, profile.per_tap_cap_won)
    return Repriced(charged, right, _spread(charged - right, shares), shares)


def _spread(won: int, weights: Mapping[int, int]) -> dict[int, int]:
    """`won` by weights, to the won; nothing where there is nothing to give or nobody to take it from."""
    if won <= 0 or not any(weights.values()):
        return {}
    parts = largest_remainder(won, list(weights.values()))
    return {one: part for one, part in zip(weights, parts, strict=True) if part}


def portions(won: int, repriced: Repriced, rooms: Sequence[Mapping[int, int]], house: int) -> list[dict[int, int]]:
    """`won` of a dispute off the records that settled the journey, per record off its accounts.

    First from whom it went too much to, by the journey's split; what these records' accounts do not hold of that, from
    all of them. rooms: what each account of each record can give back still; an operator without one stands in the
    clearing house's account `others` (settlement_rules.lane_credits). Raises NothingToAdjustError where they hold less.
    """
    over = repriced.over if sum(repriced.over.values()) >= won else repriced.shares
    wanted = _spread(won, over)
    taken: list[dict[int, int]] = []
    for room in rooms:
        part: dict[int, int] = {}
        for organisation in wanted:
            account = organisation if organisation in room else house
            some = min(wanted[organisation], room.get(account, 0) - part.get(account, 0))
            if some > 0:
                part[account] = part.get(account, 0) + some
                wanted[organisation] -= some
        taken.append(part)
    left = won - sum(sum(part.values()) for part in taken)
    for room, part in zip(rooms, taken, strict=True):
        free = {account: room[account] - part.get(account, 0) for account in room}
        for account, some in _spread(min(left, sum(free.values())), free).items():
            part[account] = part.get(account, 0) + some
            left -= some
    if left:
        raise NothingToAdjustError(f"the journey's records hold {won - left:,} of {won:,} won")
    return taken
