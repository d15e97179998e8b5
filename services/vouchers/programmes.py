"""Voucher programmes: what a funder promises to whom, when it ends, where it may be spent (voucher.md §4).

The presets (voucher.md §2) stand in data/programmes.json with their sources. On the chain programmes with equal
rules share a rule-set; which programme a lot belongs to never leaves the funder (money.md §4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from contracts.codes import Carry as ChainCarry
from contracts.codes import Mode
from services.vouchers.errors import ProgrammeError
from services.vouchers.limits import MAX_GRANT_WON, MAX_NAME_CHARACTERS

_STRICT: Final = ConfigDict(extra="forbid")
MODE_BITS: Final = 32


class EligibilityClass(StrEnum):
    """Classes that an attestation may state (voucher.md §4); never a diagnosis or an income."""

    BASIC_LIVELIHOOD = "BASIC_LIVELIHOOD"  # 기초생활수급·차상위
    DISABLED = "DISABLED"  # 장애인
    DISABLED_SEVERE = "DISABLED_SEVERE"  # 중증 장애인
    AGED_65 = "AGED_65"  # 65세 이상
    AGED_70_NO_LICENCE = "AGED_70_NO_LICENCE"  # 운전면허 반납
    PREGNANT = "PREGNANT"  # 임산부
    MULTI_CHILD = "MULTI_CHILD"  # 다자녀
    YOUTH_19_24 = "YOUTH_19_24"  # 청년
    NATIONAL_MERIT = "NATIONAL_MERIT"  # 유공자


class Period(StrEnum):
    """How often a programme grants."""

    ONCE = "ONCE"
    MONTHLY = "MONTHLY"
    QUARTERLY = "QUARTERLY"
    HALF_YEARLY = "HALF_YEARLY"
    YEARLY = "YEARLY"


class CarryKind(StrEnum):
    """What happens to the remainder of a lot at its end."""

    NONE = "NONE"
    CAP = "CAP"
    ROLL_TO_NEXT = "ROLL_TO_NEXT"
    ROLL_SEASON = "ROLL_SEASON"


class ExpiryKind(StrEnum):
    """When a lot ends."""

    END_OF_PERIOD = "END_OF_PERIOD"
    MONTHS_AFTER_EVENT_END = "MONTHS_AFTER_EVENT_END"
    FIXED_DATE = "FIXED_DATE"
    NEVER = "NEVER"


class Payment(StrEnum):
    """How the money reaches the rider: a lot on the card, or a rebate of what was paid."""

    LOT = "LOT"
    MONTHLY_REFUND = "MONTHLY_REFUND"
    MILEAGE = "MILEAGE"
    BEARER_CARD = "BEARER_CARD"
    BILL = "BILL"


@validated(frozen=True, config=_STRICT)
class Carry:
    """`cap_won` counts for CAP alone."""

    kind: CarryKind = CarryKind.NONE
    cap_won: int = 0


@validated(frozen=True, config=_STRICT)
class Expiry:
    """`months` counts for MONTHS_AFTER_EVENT_END, `month_day` ("05-25") for FIXED_DATE."""

    kind: ExpiryKind = ExpiryKind.END_OF_PERIOD
    months: int = 0
    month_day: str = ""


@validated(frozen=True, config=_STRICT)
class Programme:
    """A programme as voucher.md §4 specifies it. Won are whole; caps of 0 mean none.

    `exclusion_group` is the group in which one person has one programme at a time (money.md §4); `rate_bp` the rebate
    in 1/10,000 of what was spent (Payment.MILEAGE); `mcc_allow` merchant categories of ISO 18245 (voucher.md §4.4).
    """

    id: str
    name_ko: str
    name_en: str
    payment: Payment
    period: Period
    grant_won: int
    valid_from: str
    valid_to: str
    eligibility: frozenset[EligibilityClass]
    exclusion_group: int
    source: str
    carry: Carry = Carry()
    expiry: Expiry = Expiry()
    modes_allow: frozenset[str] = frozenset()
    mcc_allow: frozenset[str] = frozenset()
    region: frozenset[str] = frozenset()
    exclusive_with: frozenset[str] = frozenset()
    per_tap_cap_won: int = 0
    per_day_cap_won: int = 0
    rides_per_day_cap: int = 0
    rate_bp: int = 0
    companion: bool = False
    priority: int = 0

    @property
    def profile(self) -> int:
        """Mode bitmap | per-tap cap << 32: what a card's certificate carries as its voucher profile (money.md §2)."""
        bits = sum(1 << Mode[name] for name in self.modes_allow)
        return bits | self.per_tap_cap_won << MODE_BITS

    def allows(self, mode: Mode) -> bool:
        """Whether a charge in `mode` may be paid by this programme."""
        return mode.name in self.modes_allow


@dataclass(frozen=True, slots=True)
class RuleSet:
    """What the chain knows of a programme (money.md §4): equal for every programme with equal rules."""

    exclusion_group: int
    modes: int
    per_tap_cap_won: int
    day_cap_won: int
    priority: int
    carry: ChainCarry
    carry_cap_won: int
    max_grant_won: int

    @property
    def profile(self) -> int:
        """modes | per_tap_cap_won << 32, as a card's live lots must all have it (money.md §2)."""
        return self.modes | self.per_tap_cap_won << MODE_BITS

    def words(self, fares: bytes) -> tuple[int, int, int, int, int, int, int, int, bytes]:
        """The struct that Vouchers.set_rule_set takes."""
        return (
            self.exclusion_group,
            self.modes,
            self.per_tap_cap_won,
            self.day_cap_won,
            self.priority,
            self.carry,
            self.carry_cap_won,
            self.max_grant_won,
            fares,
        )


def rule_set_of(programme: Programme) -> RuleSet:
    """The rule-set of a programme that pays by lots. Raises ProgrammeError for one that pays otherwise.

    No lot outlives its card's month (money.md §1): a programme that runs on is rolled whole to the next month's card,
    until the office stops at its end. Without a day cap the grant itself is the cap.
    """
    if programme.payment is not Payment.LOT:
        raise ProgrammeError(f"{programme.id} pays by {programme.payment}, it has no lots on the chain")
    carry, cap_won = ChainCarry.NONE, 0
    if programme.carry.kind is CarryKind.CAP:
        carry, cap_won = ChainCarry.CAP, programme.carry.cap_won
    elif programme.carry.kind is not CarryKind.NONE or programme.expiry.kind in (
        ExpiryKind.MONTHS_AFTER_EVENT_END,
        ExpiryKind.NEVER,
    ):
        carry = ChainCarry.ROLL
    return RuleSet(
        exclusion_group=programme.exclusion_group,
        modes=programme.profile & (1 << MODE_BITS) - 1,
        per_tap_cap_won=programme.per_tap_cap_won,
        day_cap_won=programme.per_day_cap_won or programme.grant_won,
        priority=programme.priority,
        carry=carry,
        carry_cap_won=cap_won,
        max_grant_won=programme.grant_won,
    )


def check(programme: Programme) -> None:
    """Raises ProgrammeError where a specification contradicts itself or leaves its bounds."""
    amounts = (
        programme.grant_won,
        programme.per_tap_cap_won,
        programme.per_day_cap_won,
        programme.rides_per_day_cap,
        programme.carry.cap_won,
    )
    if min(amounts) < 0 or max(amounts) > MAX_GRANT_WON:
        raise ProgrammeError(f"{programme.id}: amounts stand between 0 and {MAX_GRANT_WON} won")
    if not programme.id or max(map(len, (programme.id, programme.name_ko, programme.name_en))) > MAX_NAME_CHARACTERS:
        raise ProgrammeError(f"names have 1 to {MAX_NAME_CHARACTERS} characters")
    unknown = programme.modes_allow - set(Mode.__members__)
    if unknown:
        raise ProgrammeError(f"{programme.id}: no such modes: {sorted(unknown)}")
    if programme.carry.kind is CarryKind.CAP and not programme.carry.cap_won:
        raise ProgrammeError(f"{programme.id}: a carry by CAP needs its cap")
    if programme.payment is Payment.MILEAGE and not 0 < programme.rate_bp <= 10_000:
        raise ProgrammeError(f"{programme.id}: a mileage programme needs a rate of 1 to 10,000 bp")
    if programme.payment is not Payment.MILEAGE and programme.rate_bp:
        raise ProgrammeError(f"{programme.id}: only mileage has a rate")
    if programme.id in programme.exclusive_with:
        raise ProgrammeError(f"{programme.id} excludes itself")
    if not programme.eligibility:
        raise ProgrammeError(f"{programme.id}: nobody is eligible")


def parse(documents: list[dict[str, Any]]) -> dict[str, Programme]:
    """Programmes by id. Raises ProgrammeError for an unknown field, a wrong type, a duplicate or a contradiction."""
    try:
        programmes = TypeAdapter(list[Programme]).validate_python(documents)
    except ValidationError as error:
        first = error.errors()[0]
        raise ProgrammeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    found: dict[str, Programme] = {}
    for programme in programmes:
        check(programme)
        if programme.id in found:
            raise ProgrammeError(f"{programme.id} stands twice")
        found[programme.id] = programme
    for programme in found.values():
        missing = programme.exclusive_with - set(found)
        if missing:
            raise ProgrammeError(f"{programme.id} excludes unknown programmes: {sorted(missing)}")
        if any(found[other].exclusion_group != programme.exclusion_group for other in programme.exclusive_with):
            # The nullifier is per group: what excludes each other must share one (money.md §4).
            raise ProgrammeError(f"{programme.id} excludes a programme of another exclusion group")
    return found


@lru_cache(maxsize=1)
def presets() -> dict[str, Programme]:
    """The known programmes of voucher.md §2 and §4, by id."""
    text = resources.files("services.vouchers").joinpath("data/programmes.json").read_text("utf-8")
    return parse(json.loads(text)["programmes"])
