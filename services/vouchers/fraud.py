"""Signals of misuse (voucher.md §6). Pure: a function reads what happened and names what to do; it freezes nobody.

Every automatic act carries its reason code, is shown to the citizen, and can be reviewed within 15 days.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Final

from services.days import service_day_at

SPEED_LIMIT_KMH: Final = 120
BOARDINGS_PER_DAY: Final = 12
BOARDINGS_AT_ONE_GATE: Final = 3
GATE_WINDOW_S: Final = 600
COMPANION_WINDOW_S: Final = 60
VOUCHER_SHARE_PERCENT: Final = 80
TICKET_NEAR_CAP_PERCENT: Final = 1
APPLICATIONS_PER_DEVICE_DAY: Final = 5
_EARTH_METRES: Final = 6_371_000


class Reason(StrEnum):
    """Reason codes that a citizen sees."""

    TWO_PLACES = "TWO_PLACES"
    POOLING = "POOLING"
    COMPANION_WITHOUT_HOLDER = "COMPANION_WITHOUT_HOLDER"
    MERCHANT_COLLUSION = "MERCHANT_COLLUSION"
    RESIDENT_REGISTER = "RESIDENT_REGISTER"
    DOUBLE_PROGRAMME = "DOUBLE_PROGRAMME"
    DOUBLE_SPEND = "DOUBLE_SPEND"
    MASS_ENROLMENT = "MASS_ENROLMENT"


class Action(StrEnum):
    """What the rule asks for."""

    HOLD_SECOND = "HOLD_SECOND"
    FREEZE_AFTER_CHECK = "FREEZE_AFTER_CHECK"
    REFUSE_COMPANION = "REFUSE_COMPANION"
    AUDIT_MERCHANT = "AUDIT_MERCHANT"
    END_AND_CLAW_BACK = "END_AND_CLAW_BACK"
    REJECT = "REJECT"
    RECEIVABLE_AND_FLAG = "RECEIVABLE_AND_FLAG"
    MANUAL_CHECK = "MANUAL_CHECK"


@dataclass(frozen=True, slots=True)
class Signal:
    """One finding about `subject` (a token, device or merchant) at `time` (epoch seconds)."""

    reason: Reason
    action: Action
    subject: str
    time: int


@dataclass(frozen=True, slots=True)
class Boarding:
    """A tap-on: where (degrees), when (epoch seconds), at which gate, with a companion or the holder."""

    token: str
    time: int
    gate: str
    latitude: float
    longitude: float
    companion: bool = False


@dataclass(frozen=True, slots=True)
class Turnover:
    """A merchant's period: turnover, its voucher part, number of voucher tickets, the programme's cap per ticket."""

    merchant: str
    time: int
    turnover_won: int
    voucher_won: int
    voucher_tickets: int
    ticket_cap_won: int


def metres_between(one: Boarding, other: Boarding) -> float:
    """Straight-line distance on the sphere in metres. Used to suspect, never to price."""
    phi, psi = radians(one.latitude), radians(other.latitude)
    across = sin((psi - phi) / 2) ** 2
    along = cos(phi) * cos(psi) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * _EARTH_METRES * asin(sqrt(across + along))


def _by_token(boardings: Iterable[Boarding]) -> dict[str, list[Boarding]]:
    found: dict[str, list[Boarding]] = defaultdict(list)
    for boarding in boardings:
        found[boarding.token].append(boarding)
    for one in found.values():
        one.sort(key=lambda boarding: boarding.time)
    return found


def two_places(boardings: Iterable[Boarding]) -> list[Signal]:
    """Successive tap-ons of one token whose straight-line speed exceeds 120 km/h."""
    signals = []
    for token, ordered in _by_token(boardings).items():
        for before, after in pairwise(ordered):
            # metres * 3.6 > km/h * seconds, without dividing by a gap of 0
            if metres_between(before, after) * 3.6 > SPEED_LIMIT_KMH * (after.time - before.time):
                signals.append(Signal(Reason.TWO_PLACES, Action.HOLD_SECOND, token, after.time))
    return signals


def pooling(boardings: Iterable[Boarding]) -> list[Signal]:
    """Tokens with more than 12 boardings in a service day, or more than 3 within 10 minutes at one gate; each once."""
    signals = []
    for token, ordered in _by_token(boardings).items():
        per_day = Counter(service_day_at(boarding.time) for boarding in ordered)
        hit = None
        if max(per_day.values()) > BOARDINGS_PER_DAY:
            hit = ordered[-1].time
        for index, boarding in enumerate(ordered):
            near = [
                other
                for other in ordered[index:]
                if other.gate == boarding.gate and other.time - boarding.time <= GATE_WINDOW_S
            ]
            if len(near) > BOARDINGS_AT_ONE_GATE:
                hit = near[BOARDINGS_AT_ONE_GATE].time
                break
        if hit is not None:
            signals.append(Signal(Reason.POOLING, Action.FREEZE_AFTER_CHECK, token, hit))
    return signals


def companion_alone(boardings: Iterable[Boarding]) -> list[Signal]:
    """Companion taps with no tap of the holder at the same gate within 60 seconds before or after."""
    signals = []
    for token, ordered in _by_token(boardings).items():
        holders = [boarding for boarding in ordered if not boarding.companion]
        for tap in ordered:
            if tap.companion and not any(
                holder.gate == tap.gate and abs(holder.time - tap.time) <= COMPANION_WINDOW_S for holder in holders
            ):
                signals.append(Signal(Reason.COMPANION_WITHOUT_HOLDER, Action.REFUSE_COMPANION, token, tap.time))
    return signals


def merchant_collusion(turnovers: Iterable[Turnover]) -> list[Signal]:
    """Merchants with a voucher share above 80% whose mean ticket lies within 1% of the cap."""
    signals = []
    for turn in turnovers:
        if not turn.turnover_won or not turn.voucher_tickets or not turn.ticket_cap_won:
            continue
        much = turn.voucher_won * 100 > VOUCHER_SHARE_PERCENT * turn.turnover_won
        gap = abs(turn.ticket_cap_won * turn.voucher_tickets - turn.voucher_won) * 100
        if much and gap <= TICKET_NEAR_CAP_PERCENT * turn.ticket_cap_won * turn.voucher_tickets:
            signals.append(Signal(Reason.MERCHANT_COLLUSION, Action.AUDIT_MERCHANT, turn.merchant, turn.time))
    return signals


def double_spend(spends: Sequence[tuple[str, int, int, str]]) -> list[Signal]:
    """Later of two different spends of one (lot, sequence); each spend is (lot, sequence, time, device).

    The later one becomes the rider's receivable and its device is flagged; a repeated upload is no second spend.
    """
    signals = []
    first: dict[tuple[str, int], tuple[int, str]] = {}
    for lot, sequence, time, device in sorted(spends, key=lambda spend: spend[2]):
        known = first.setdefault((lot, sequence), (time, device))
        if known != (time, device):
            signals.append(Signal(Reason.DOUBLE_SPEND, Action.RECEIVABLE_AND_FLAG, device, time))
    return signals


def mass_enrolment(applications: Iterable[tuple[str, int]]) -> list[Signal]:
    """Devices with more than 5 applications in a service day; each application is (device, time)."""
    counts: Counter[tuple[str, int]] = Counter()
    signals = []
    for device, time in sorted(applications, key=lambda application: application[1]):
        counts[device, service_day_at(time)] += 1
        if counts[device, service_day_at(time)] == APPLICATIONS_PER_DEVICE_DAY + 1:
            signals.append(Signal(Reason.MASS_ENROLMENT, Action.MANUAL_CHECK, device, time))
    return signals


def register_changes(active: Iterable[str], departed: Iterable[tuple[str, int]]) -> list[Signal]:
    """Active persons whom the daily resident-register delta names as dead or moved; each change is (person, time)."""
    known = set(active)
    return [
        Signal(Reason.RESIDENT_REGISTER, Action.END_AND_CLAW_BACK, person, time)
        for person, time in departed
        if person in known
    ]
