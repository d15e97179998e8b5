"""How lots pay a fare, take a refund, and roll at their end (voucher.md §4; where they differ, money.md §3).

Pure: no clock, no store. Won are whole and not negative. A service day is days since 1970-01-01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from services.vouchers.errors import AmountError, ConservationError
from services.vouchers.programmes import Carry, CarryKind


@dataclass(frozen=True, slots=True)
class Lot:
    """One grant on a card. remaining + reserved + captured + lapsed + revoked = won, always (voucher.md §4.1)."""

    lot_no: int
    rule_set: int
    priority: int
    won: int
    remaining_won: int
    start_day: int
    last_service_day: int
    reserved_won: int = 0
    captured_won: int = 0
    lapsed_won: int = 0
    revoked_won: int = 0

    def __post_init__(self) -> None:
        parts = (self.remaining_won, self.reserved_won, self.captured_won, self.lapsed_won, self.revoked_won)
        if min(parts) < 0:
            raise AmountError(f"lot {self.lot_no}: a part is negative")
        if sum(parts) != self.won:
            raise ConservationError(f"lot {self.lot_no}: parts come to {sum(parts)} won, granted were {self.won}")

    def usable_on(self, service_day: int) -> bool:
        """Whether the lot may pay a state of `service_day`; block time never counts (money.md §3)."""
        return self.start_day <= service_day <= self.last_service_day


@dataclass(frozen=True, slots=True)
class Split:
    """Who pays a fare: lots in the order they were taken, then the rider's balance, then his account."""

    lots: tuple[tuple[int, int], ...]
    voucher_won: int
    balance_won: int
    account_won: int

    @property
    def total_won(self) -> int:
        """What was paid in all."""
        return self.voucher_won + self.balance_won + self.account_won


@dataclass(frozen=True, slots=True)
class Refund:
    """Where a refund goes: account first, then balance, then the lots; what came from ended lots lapses."""

    account_won: int
    balance_won: int
    lots: tuple[tuple[int, int], ...]
    lapsed: tuple[tuple[int, int], ...]

    @property
    def rider_won(self) -> int:
        """What the rider has again, lots included."""
        return self.account_won + self.balance_won + sum(won for _, won in self.lots)

    @property
    def lapsed_won(self) -> int:
        """What returns to the funders because its lot has ended."""
        return sum(won for _, won in self.lapsed)


def spend_order(lots: Sequence[Lot]) -> list[Lot]:
    """Earliest last service day, then lower priority number, then lower lot number (money.md §3)."""
    return sorted(lots, key=lambda lot: (lot.last_service_day, lot.priority, lot.lot_no))


def split_fare(
    fare_won: int,
    lots: Sequence[Lot],
    *,
    service_day: int,
    balance_won: int,
    own_won: int = 0,
    per_tap_cap_won: int = 0,
    day_cap_won: Mapping[int, int] | None = None,
    used_today_won: Mapping[int, int] | None = None,
) -> Split:
    """Splits one charge among lots, balance and account (voucher.md §4.2).

    `own_won` is the part no voucher may pay (penalties, modes outside the profile); `per_tap_cap_won` the most that
    vouchers pay of one tap (0: no cap); `day_cap_won` and `used_today_won` are by rule-set.
    Raises AmountError for negative amounts or an own part above the fare.
    """
    if min(fare_won, balance_won, own_won) < 0 or own_won > fare_won:
        raise AmountError(f"fare {fare_won}, balance {balance_won}, own part {own_won} won")
    payable = fare_won - own_won
    if per_tap_cap_won:
        payable = min(payable, per_tap_cap_won)
    caps, used = dict(day_cap_won or {}), dict(used_today_won or {})
    taken: list[tuple[int, int]] = []
    for lot in spend_order(lots):
        if not payable or not lot.usable_on(service_day):
            continue
        part = min(payable, lot.remaining_won)
        if caps.get(lot.rule_set):
            part = min(part, max(0, caps[lot.rule_set] - used.get(lot.rule_set, 0)))
        if part:
            taken.append((lot.lot_no, part))
            used[lot.rule_set] = used.get(lot.rule_set, 0) + part
            payable -= part
    voucher_won = sum(won for _, won in taken)
    from_balance = min(fare_won - voucher_won, balance_won)
    return Split(tuple(taken), voucher_won, from_balance, fare_won - voucher_won - from_balance)


def refund(split: Split, refund_won: int, lots: Sequence[Lot], *, service_day: int) -> Refund:
    """Reverses a split from its end: account, balance, then lots, last taken first (voucher.md §4.2).

    The voucher part returns to the same lot with its original end; where that lot has ended by `service_day` it
    lapses to the funder, not to the rider. Raises AmountError where more is returned than was paid, or a lot of the
    split is not given.
    """
    if not 0 <= refund_won <= split.total_won:
        raise AmountError(f"{refund_won} won cannot be returned of {split.total_won}")
    account = min(refund_won, split.account_won)
    balance = min(refund_won - account, split.balance_won)
    left = refund_won - account - balance
    by_number = {lot.lot_no: lot for lot in lots}
    back: list[tuple[int, int]] = []
    lapsed: list[tuple[int, int]] = []
    for lot_no, won in reversed(split.lots):
        part = min(left, won)
        if not part:
            break
        if lot_no not in by_number:
            raise AmountError(f"lot {lot_no} paid, but is not given")
        ended = by_number[lot_no].last_service_day < service_day
        (lapsed if ended else back).append((lot_no, part))
        left -= part
    return Refund(account, balance, tuple(back), tuple(lapsed))


def roll(remaining_won: int, carry: Carry) -> tuple[int, int]:
    """(carried, lapsed) of a lot's remainder at its end (voucher.md §4.3)."""
    if remaining_won < 0:
        raise AmountError(f"a remainder of {remaining_won} won")
    if carry.kind is CarryKind.NONE:
        return 0, remaining_won
    carried = min(remaining_won, carry.cap_won) if carry.kind is CarryKind.CAP else remaining_won
    return carried, remaining_won - carried


def reserve(lot: Lot, won: int) -> Lot:
    """remaining → reserved (voucher.md §5). Raises AmountError where the lot holds less."""
    _positive(won, lot.remaining_won, lot)
    return replace(lot, remaining_won=lot.remaining_won - won, reserved_won=lot.reserved_won + won)


def capture(lot: Lot, won: int) -> Lot:
    """reserved → captured. Raises AmountError where less is reserved."""
    _positive(won, lot.reserved_won, lot)
    return replace(lot, reserved_won=lot.reserved_won - won, captured_won=lot.captured_won + won)


def release(lot: Lot, won: int) -> Lot:
    """reserved → remaining. Raises AmountError where less is reserved."""
    _positive(won, lot.reserved_won, lot)
    return replace(lot, reserved_won=lot.reserved_won - won, remaining_won=lot.remaining_won + won)


def give_back(lot: Lot, won: int) -> Lot:
    """captured → remaining: a refund while the lot lives. Raises AmountError where less was captured."""
    _positive(won, lot.captured_won, lot)
    return replace(lot, captured_won=lot.captured_won - won, remaining_won=lot.remaining_won + won)


def lapse(lot: Lot) -> Lot:
    """The whole remainder → lapsed. Raises AmountError while something is reserved."""
    if lot.reserved_won:
        raise AmountError(f"lot {lot.lot_no}: {lot.reserved_won} won are still reserved")
    return replace(lot, remaining_won=0, lapsed_won=lot.lapsed_won + lot.remaining_won)


def revoke(lot: Lot) -> Lot:
    """The whole remainder → revoked, back to the fund."""
    return replace(lot, remaining_won=0, revoked_won=lot.revoked_won + lot.remaining_won)


def _positive(won: int, available_won: int, lot: Lot) -> None:
    if not 0 < won <= available_won:
        raise AmountError(f"lot {lot.lot_no}: {won} won asked, {available_won} there")


def monthly_refund(bus_fares_won: Sequence[int], companion_fares_won: Sequence[int], cap_won: int) -> tuple[int, int]:
    """(own, companion's) refund of a month's bus rides, each up to `cap_won` (voucher.md §2, §8.5)."""
    if min((0, cap_won, *bus_fares_won, *companion_fares_won)) < 0:
        raise AmountError("a fare or cap is negative")
    return min(sum(bus_fares_won), cap_won), min(sum(companion_fares_won), cap_won)


def mileage(spent_won: Sequence[int], rate_bp: int, year_cap_won: int) -> list[int]:
    """Mileage of each successive span of a year: floor(spent × rate), until the year's cap is reached (§8.6)."""
    if min((0, rate_bp, year_cap_won, *spent_won)) < 0:
        raise AmountError("an amount or rate is negative")
    granted: list[int] = []
    for spent in spent_won:
        granted.append(min(spent * rate_bp // 10_000, year_cap_won - sum(granted)))
    return granted
