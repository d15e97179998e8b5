"""The days after the morning: settled, approved, paid out; what came late, what was missing, what a clone cost.

Each step is safe to begin again: what it asks of the services and the agreements is done once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.days import day_start
from services.demo.citizens import Citizens
from services.demo.city_hall import CityHall, Clock
from services.demo.mischief import Mischief
from services.demo.morning import Morning
from services.demo.streets import Streets
from services.demo.world import CLEARING_HOUSE

HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the run: its phase for the report, its city time (UTC seconds), what it does."""

    phase: str
    time: int
    act: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the city does once the morning `morning` is over; `clock` is the run's."""

    hall: CityHall
    citizens: Citizens
    streets: Streets
    mischief: Mischief
    morning: Morning
    clock: Clock

    @property
    def day(self) -> int:
        """The service day that is settled."""
        return self.morning.service_day

    def steps(self) -> list[Step]:
        """Every step after the service day, in order."""
        first, day = day_start(self.day), 86_400
        return [
            Step("settle", first + day + HOUR_S, self._settle_day),
            Step("settle", first + day + 2 * HOUR_S, self._collect("day 1")),
            Step("settle", first + day + 3 * HOUR_S, self._approve_and_release("day 1")),
            Step("payout", first + day + 6 * HOUR_S, self._pay_out("day 1")),
            Step("late", first + 2 * day + 9 * HOUR_S, self._late_reader),
            Step("late", first + 2 * day + 10 * HOUR_S, self._over_cap),
            Step("late", first + 2 * day + 11 * HOUR_S, self._settle_rest),
            Step("late", first + 2 * day + 12 * HOUR_S, self._late_clones),
            Step("close", first + 4 * day + HOUR_S, self._adjust),
            Step("close", first + 4 * day + 2 * HOUR_S, self._close_day),
            Step("close", first + 4 * day + 3 * HOUR_S, self._lapse),
            Step("close", first + 4 * day + 4 * HOUR_S, self._cover),
            Step("late", first + 4 * day + 9 * HOUR_S, self._rear_door),
            Step("payout", first + 5 * day + HOUR_S, self._collect("day 5")),
            Step("payout", first + 5 * day + 2 * HOUR_S, self._approve_and_release("day 5")),
            Step("payout", first + 5 * day + 3 * HOUR_S, self._distribute),
            Step("payout", first + 5 * day + 6 * HOUR_S, self._pay_out("day 5")),
        ]

    def _settle_day(self) -> None:
        hall = self.hall
        hall.seal(empty=True)
        hall.closing.prove_clones()
        hall.seal()
        hall.settlement.plan(self.day, now=self.clock.now)
        hall.seal()
        forks = hall.closing.settle_forks(self.day)
        hall.seal()
        hall.read_forks(forks)

    def _collect(self, name: str) -> Callable[[], None]:
        def act() -> None:
            self.hall.seal(empty=True)
            for bank in self.hall.banks:
                bank.guarantee.collect(name, now=self.clock.now)
            self.hall.seal()

        return act

    def _approve_and_release(self, name: str) -> Callable[[], None]:
        """Operators and the city approve what is settled so far; what is paid in becomes payable."""

        def act() -> None:
            hall = self.hall
            hall.seal(empty=True)
            waiting = hall.closing.releasable(now=self.clock.now, silence_s=0)
            if not waiting:
                return
            through = waiting[-1].number
            for outbox in hall.approvers:
                outbox.once(f"approve:{through}", "Credits", "approve", [CLEARING_HOUSE, through])
            hall.seal()
            hall.closing.release(name, waiting)
            hall.seal()

        return act

    def _pay_out(self, name: str) -> Callable[[], None]:
        def act() -> None:
            hall, now = self.hall, self.clock.now
            hall.seal(empty=True)
            operators = [party.id for party in hall.world.operators]
            hall.payouts.pay_out(name, operators, service_day=self.day, now=now)
            hall.seal()
            hall.payouts.read_paid(name, hall.operator_outboxes)
            hall.seal()
            hall.payouts.redeem(name, hall.operator_outboxes, now=now)
            hall.seal()

        return act

    def _late_reader(self) -> None:
        """Readers that were offline come back: their taps are taken in, and explain what waited in suspense."""
        self.hall.seal(empty=True)
        self._upload_late()
        self.hall.adjustments.allocate_late(self.day)
        self.hall.seal()

    def _upload_late(self) -> None:
        """What the readers hold that have come back by now."""
        self.streets.offline = self.mischief.offline_at(self.clock.now)
        self.streets.upload(self.streets.online(), self.clock.now)

    def _over_cap(self) -> None:
        """Riders over their cap: the part of their day that fits settles first, the rest after a top-up."""
        hall = self.hall
        hall.seal(empty=True)
        hall.settlement.plan(self.day, now=self.clock.now)
        hall.seal()
        self.citizens.top_up_over_cap(hall, self.clock.now)
        hall.seal()

    def _settle_rest(self) -> None:
        hall = self.hall
        hall.seal(empty=True)
        hall.settlement.plan(self.day, now=self.clock.now)
        hall.seal()

    def _late_clones(self) -> None:
        """Clones that a late reader showed: proven after their card's day was settled. What is above the fork is booked
        state by state; what is below it waits for RISK_POOL."""
        hall = self.hall
        for _ in range(2):  # sent, and known to the chain
            hall.seal(empty=True)
            hall.closing.prove_clones()
        forks = hall.closing.settle_forks(self.day)
        hall.seal()
        hall.read_forks(forks)

    def _adjust(self) -> None:
        self.hall.seal(empty=True)
        self.hall.adjustments.missing_tap_offs(self.day, now=self.clock.now)
        self.hall.seal()

    def _close_day(self) -> None:
        self.hall.seal(empty=True)
        self.hall.closing.close_day(self.day, now=self.clock.now)
        self.hall.seal()

    def _lapse(self) -> None:
        hall = self.hall
        hall.seal(empty=True)
        cards = [self.citizens.addresses[rider.index] for rider in self.morning.riders if rider.programmes]
        hall.expiry.lapse(f"day {self.day}", self.day, cards)
        hall.seal()

    def _cover(self) -> None:
        """RISK_POOL pays the operators what nobody else does."""
        self.hall.seal(empty=True)
        self.hall.closing.cover_losses(self.day, now=self.clock.now)
        self.hall.seal()

    def _rear_door(self) -> None:
        """A tap-off comes that was charged as missing: what was added is given back, and the journey is settled."""
        hall = self.hall
        hall.seal(empty=True)
        self._upload_late()
        hall.adjustments.return_missing_tap_offs(self.day)
        hall.settlement.plan(self.day, now=self.clock.now)
        hall.seal()

    def _distribute(self) -> None:
        self.hall.seal(empty=True)
        self.hall.closing.distribute(self.day)
        self.hall.seal()
