"""The run of the demo: steps in the order of the city's time, each done once, each safe to begin again.

    two weeks before   agreements' allowances, budgets, rule-sets, cards, top-ups, credentials, grants
    the service day    a minute at a time (streets.py), with its bad apples (mischief.py)
    day + 1            clones proven, the day settled, guarantors pay in, operators approve, credits released and paid
    day + 2            readers that were offline upload; what waited for their taps is allocated, one more clone proven
    day + 4            missing tap-offs adjusted, the day closed, ended lots lapse, RISK_POOL bears that clone's rides;
                       a rear door uploads: what was added for its tap-off comes back
    day + 5            what came since is paid in, released and paid out (from day + 1 on: aftermath.py)

A step's effects are durable before the next begins (progress.py). After a crash the node, every service and the wallets
take up what they had acknowledged, and the step that was cut short is played again.
"""

from __future__ import annotations

import shutil
import time as wall
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from contracts.signatures import address_of, sign
from ledger.node import Node
from services.days import day_start
from services.demo import progress as progresses
from services.demo.aftermath import HOUR_S, Aftermath, Step
from services.demo.citizens import PROGRAMMES, Citizens
from services.demo.city import load
from services.demo.city_hall import CityHall, Clock
from services.demo.mischief import Mischief
from services.demo.morning import morning
from services.demo.shares import RISK_POOL_WON
from services.demo.store import write_report
from services.demo.streets import MINUTE_S, Moment, Streets
from services.demo.summary import Summary
from services.demo.trips import PlannedTap
from services.demo.world import CHAIN_ID, CITY, CLEARING_HOUSE, GENESIS_DAYS_BEFORE, World
from services.fares.denylist import DenylistUpdate
from services.fares.intake import Acknowledgement, denied_now, ingest
from services.fares.tap_journeys import check_tap
from services.vouchers.programmes import presets, rule_set_of

UPLOAD_MINUTES: Final = 10
RULE_SETS: Final = {name: number for number, name in enumerate(PROGRAMMES, start=1)}
TickFunction = Callable[[str, int, int], None]


class Run:
    """One run in one data directory. Raises DemoResumeError where the directory holds other arguments."""

    def __init__(self, directory: Path, riders: int, seed: str) -> None:
        self.morning = morning(riders, seed)
        self.day = self.morning.service_day
        self.directory = directory
        self.progress = progresses.take_up(directory, riders, seed)
        self.world = World(seed, load())
        self.clock = Clock(self.world.genesis_time)
        self.refused: Counter[str] = Counter()

    # --- the whole

    def play(self, tick: TickFunction) -> None:
        """Plays every step that is left. `tick(phase, done, of)` is told how far it is.

        Raises StoreLocked where another process plays it.
        """
        with progresses.held(self.directory):
            # What another process has played since we looked counts.
            self.progress = progresses.take_up(self.directory, self.progress.riders, self.progress.seed)
            if not self.progress.finished:
                self._play(tick)

    def _play(self, tick: TickFunction) -> None:
        self._open()
        try:
            steps = self._steps()
            self.clock.now = max(steps[max(self.progress.step - 1, 0)].time, self.node.head.header.timestamp)
            self.hall.recover()
            self.streets.install(self._planned_taps())
            for number, step in enumerate(steps):
                tick(step.phase, number, len(steps))
                if number >= self.progress.step:
                    self._do(number, step)
            tick("report", len(steps), len(steps))
            report = Summary(self.world, self.morning, self.citizens, self.hall, self.progress, RULE_SETS).report()
            write_report(self.directory, report)
            self.progress.finished = True
            progresses.save(self.directory, self.progress)
        finally:
            self.close()

    def _do(self, number: int, step: Step) -> None:
        begun = wall.perf_counter()
        self.clock.now = max(step.time, self.node.head.header.timestamp + 1)
        self.refused = self.streets.refused = Counter()
        step.act()
        self.progress.count(self.refused, step.phase, wall.perf_counter() - begun)
        self.progress.step = number + 1
        progresses.save(self.directory, self.progress)

    def _open(self) -> None:
        self.progress.starts += 1
        progresses.save(self.directory, self.progress)
        chain = self.directory / "chain"
        key = self.world.key("authority")
        if not chain.exists():  # made beside its place, so that a crash leaves no half of one there
            draft = chain.with_name("chain.new")
            if draft.exists():
                shutil.rmtree(draft)
            Node.create(draft, self.world.chain_config(), key=key, clock=self.clock).close()
            draft.rename(chain)
        self.node = Node.open(chain, key=key, clock=self.clock)
        self.clock.now = self.node.head.header.timestamp
        self.hall = CityHall(self.world, self.directory, self.node, self.clock, self.progress.starts)
        self.citizens = Citizens(self.world, self.morning, self.directory)
        self.streets = Streets(
            self.world,
            self.directory,
            self.citizens.journal,
            self._take_in,
            address_of(self.world.party_key(CLEARING_HOUSE, "settle")),
            day_start(self.day) - HOUR_S,
        )
        self.mischief = Mischief(self.world, self.morning, self.citizens, self.streets, self.directory)
        self.aftermath = Aftermath(self.hall, self.citizens, self.streets, self.mischief, self.morning, self.clock)

    def close(self) -> None:
        """Gives up every file and the lock."""
        self.mischief.close()
        self.streets.close()
        self.citizens.close()
        self.hall.close()

    # --- the plan

    def _steps(self) -> list[Step]:
        start = self.world.genesis_time
        first = day_start(self.day)
        day = 86_400
        before = [
            Step("prepare", start + HOUR_S, self._budgets),
            Step("prepare", start + 2 * HOUR_S, self._fill_pools),
            Step("cards", start + 3 * HOUR_S, self._enrol),
            Step("cards", start + 4 * HOUR_S, self._top_up),
            Step("vouchers", first - (GENESIS_DAYS_BEFORE - 2) * day + HOUR_S, self._grant),
        ]
        return [*before, *self._minutes(), *self.aftermath.steps()]

    def _minutes(self) -> list[Step]:
        by_minute: dict[int, list[tuple[int, int]]] = {}
        self._taps: dict[int, list[PlannedTap]] = {}
        for trip in self.morning.trips:
            self._taps.setdefault(trip.rider, []).extend(trip.taps)
        for rider, taps in self._taps.items():  # a rider's trips follow each other
            taps.sort(key=lambda tap: tap.time)
            for index, tap in enumerate(taps):
                by_minute.setdefault(tap.time // MINUTE_S, []).append((rider, index))
        minutes = [*by_minute, *self.mischief.minutes]
        last = max(minutes)
        return [
            Step("morning", minute * MINUTE_S + MINUTE_S - 1, act)
            for minute in range(min(minutes), last + 1)
            for act in self._minute(minute, by_minute.get(minute, []), last)
        ]

    # --- before the morning

    def _budgets(self) -> None:
        """Allowances, rule-sets, the city's budget as Won."""
        hall, now = self.hall, self.clock.now
        for bank in hall.banks:
            bank.issuing.approve_fares()
        budget = sum(self._budget().values()) + RISK_POOL_WON
        account = address_of(self.world.party_key(CITY, "issuer"))
        hall.banks[0].accounts.deposit_organisation("vouchers", CITY, budget, now=now)
        hall.banks[0].issuing.issue_to("vouchers", CITY, account, budget, now=now)
        for name, number in RULE_SETS.items():
            hall.office.set_rule_set(number, rule_set_of(presets()[name]))
        hall.seal()

    def _budget(self) -> dict[str, int]:
        """Won that each programme needs for its holders; one grant more, so that no pool is empty."""
        holders = Counter(name for rider in self.morning.riders for name in rider.programmes)
        return {name: presets()[name].grant_won * (holders[name] + 1) for name in PROGRAMMES}

    def _fill_pools(self) -> None:
        for name, won in self._budget().items():
            self.hall.office.pay_in(name, RULE_SETS[name], won)
        self.hall.office.fund_risk_pool("demo", RISK_POOL_WON)
        self.hall.seal()

    def _enrol(self) -> None:
        self.citizens.order_cards(self.hall, self.clock.now)
        self.hall.seal()
        self.citizens.take_certificates(self.hall)

    def _top_up(self) -> None:
        self.citizens.top_up(self.hall, self.clock.now)
        self.hall.seal()

    def _grant(self) -> None:
        self.hall.seal(empty=True)
        self.citizens.claim_vouchers(self.hall, RULE_SETS, self.clock.now, self.day - (GENESIS_DAYS_BEFORE - 2))
        self.hall.seal()

    # --- the morning

    def _take_in(self, data: bytes, now: int) -> Acknowledgement:
        return ingest(self.hall.engine, data, self.world.directory, now, check_tap)

    def _minute(self, minute: int, planned: Sequence[tuple[int, int]], last: int) -> list[Callable[[], None]]:
        """What a minute consists of. Bad apples are steps of their own, so that each is counted once."""

        def moments() -> list[Moment]:
            self._renew_denylist(minute)
            found = (self.moment(rider, index) for rider, index in planned)
            return sorted(found, key=lambda each: (each.tap.time, each.rider))

        acts: list[Callable[[], None]] = [lambda: self.streets.minute(moments())]
        if minute in self.mischief.minutes:
            acts.insert(0, lambda: self.mischief.before(minute, moments()))
            acts.append(lambda: self.mischief.after(moments()))
        if minute % UPLOAD_MINUTES == 0 or minute == last:
            acts.append(self._upload)
        return acts

    def _upload(self) -> None:
        self.streets.upload(self.streets.online(), self.clock.now)

    def _planned_taps(self) -> list[PlannedTap]:
        """Every tap that has a reader by now, those of cloned cards too."""
        planned = [tap for trip in self.morning.trips for tap in trip.taps]
        return [tap for tap in [*planned, *self.mischief.extra_taps()] if tap.time <= self.clock.now]

    def moment(self, rider: int, index: int) -> Moment:
        """A rider's planned tap, with where his bus stood at his tap-on."""
        taps = self._taps[rider]
        tap = taps[index]
        boarded = taps[index - 1].metres if tap.kind == "OUT" and index else 0
        return Moment(rider, self.citizens.card(rider), tap, boarded)

    def _renew_denylist(self, minute: int) -> None:
        """A full list every five minutes; an empty one says too that nothing is denied."""
        if self.streets.denylist.issued_at and (minute % 5 or self.streets.denylist.issued_at == minute * MINUTE_S):
            return
        version, denied = denied_now(self.hall.engine)
        update = DenylistUpdate(0, version, minute * MINUTE_S, denied)
        digest = update.digest(CHAIN_ID, self.world.directory.fares)
        self.streets.renew_denylist(update, sign(digest, self.world.party_key(CLEARING_HOUSE, "settle")))
