"""Won, Vouchers, Fares and Credits driven through the EVM against their twins (issue 3, Done-when 3).

After every step: supply = deposits, money.md §3's conservation on both sides, and every view equals the twin's.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts import records
from contracts.codes import Act
from contracts.hashing import sha256
from contracts.messages import FareState
from contracts.records import Batch
from contracts.twins.fares import month_days
from contracts.twins.fares_rules import service_day
from tests.contracts import fares_city as city
from tests.contracts.fares_city import BUS_143, CITY, CLEARING, KOOKMIN, KORAIL, METRO, sender
from tests.contracts.fares_corrections import CorrectionRules
from tests.contracts.fares_machine import (
    CARDS,
    DAY_S,
    ISSUERS,
    SETTLES,
    SETTLES_TOO,
    TABLES,
    amount,
    bank,
    card,
    pick,
    signed,
)
from tests.contracts.harness import Outcome

HOUR_S = 3_600
FAULTS = ("", "", "", "", "", "", "signature", "sum", "lane", "spare", "another", "suspense", "opening", "seq")

any_sender = st.sampled_from((SETTLES, SETTLES, SETTLES, SETTLES_TOO, ISSUERS[KOOKMIN], sender(METRO, "approve")))


class Machine(CorrectionRules):
    """Wallets tap; clearing, operators and the council act on what they gave them, rightly or not."""

    # --- taps and settling

    def words_of(self, number: int, state: FareState, table: int, fault: str, fork: bool) -> records.RecordWords:
        """A record as clearing makes it, or with one fault."""
        twin = self.pair.fares.cards.get(city.card(number))
        settled = twin.cum_won if twin else 0
        due = state.charge_won if fork else max(0, state.cum_won - settled)
        gap = 0 if fork else max(0, state.day_start_cum_won - settled)
        suspense = min(due, gap + (100 if fault == "suspense" else 0))
        first = (due - suspense) // 3
        lanes = [first, due - suspense - first] if len(records.table_of(table)) > 1 else [due - suspense]
        lanes += [0] * (records.SUSPENSE_LANE - len(lanes)) + [suspense]
        if fault == "sum":
            lanes[0] += 1
        if fault == "lane":
            lanes[6] += 1
        if fault == "opening":
            state = replace(state, day_start_cum_won=state.cum_won + 1)
        if fault == "seq":
            state = replace(state, seq=max(1, state.seq - 1))
        head, sums, context, r, vs = signed(number, state)
        if fault == "signature":
            r ^= 1
        if fault == "spare":
            sums |= 1 << 200
        if fault == "another":
            head ^= 1
        return head, sums, context, r, vs, sum(won << 32 * at for at, won in enumerate(lanes))

    @rule(
        chosen=st.lists(st.tuples(card, pick, st.sampled_from(FAULTS)), min_size=1, max_size=5),
        table=st.sampled_from((city.TABLE, city.TABLE, *TABLES)),
        by=any_sender,
        fork=st.sampled_from((False, False, False, True)),
    )
    def settle(self, chosen: list[tuple[int, int, str]], table: int, by: bytes, fork: bool) -> None:
        words = []
        for number, which, fault in chosen:
            taps = self.taps[number] or [city.state(number)]
            # Mostly the last, sometimes an older or a repeated one.
            state = taps[-1] if which % 3 else taps[which % len(taps)]
            words.append(self.words_of(number, state, table, fault, fork))
        day = service_day(self.pair.clock.time)
        outcome = self.pair.settle(by, day, table, words, fork=fork)
        if isinstance(outcome, Outcome):
            self.keep(outcome, words)

    @rule(
        taps=st.lists(
            st.tuples(card, st.sampled_from((100, 1_550, 3_000)), st.sampled_from((0, 0, 1)), st.booleans()),
            min_size=1,
            max_size=6,
        ),
        ahead=st.sampled_from((0, 0, 1, 4)),
        others=st.booleans(),
    )
    def settle_day(self, taps: list[tuple[int, int, int, bool]], ahead: int, others: bool) -> None:
        """The good case: riders tap, and once the day is over every card's last state is settled."""
        self.tap(taps)
        self.pair.advance(ahead * DAY_S)
        table = city.TABLE if others else TABLES[1]
        words = [self.words_of(number, states[-1], table, "", False) for number, states in self.taps.items() if states]
        if words:
            outcome = self.pair.settle(SETTLES, service_day(self.pair.clock.time), table, words)
            assert isinstance(outcome, Outcome)
            self.keep(outcome, words)

    @rule(
        number=card, charges=st.tuples(*[st.sampled_from((100, 1_550))] * 2), patient=st.booleans(), own=st.booleans()
    )
    def reader_offline(self, number: int, charges: tuple[int, int], patient: bool, own: bool) -> None:
        """A day's last state is missing; the next day's is settled after 72 h, with suspense."""
        self.sign_next(number, charges[0], own, False)
        self.pair.advance(DAY_S)
        self.sign_next(number, charges[1], False, False)
        self.pair.advance((4 if patient else 1) * DAY_S)
        words = [self.words_of(number, self.taps[number][-1], city.TABLE, "", False)]
        outcome = self.pair.settle(SETTLES, service_day(self.pair.clock.time), city.TABLE, words)
        assert isinstance(outcome, Outcome)
        self.keep(outcome, words)

    @precondition(lambda self: self.pair.fares.lots_won)
    @rule(closed=st.booleans())
    def lots_end(self, closed: bool) -> None:
        """The first lot's last day passes, is closed, and what is left goes back."""
        cards = self.pair.fares.cards
        last = min(lot.last_service_day for one in cards.values() for lot in one.lots)
        while service_day(self.pair.clock.time) < last + (4 if closed else 31):
            self.pair.advance(DAY_S)
        if closed:
            self.pair.take(SETTLES, "Fares", "close_day", last)
        words = [records.card_word(city.card(number)) for number in CARDS]
        self.pair.take(SETTLES, "Fares", "lapse", [*words, words[0]])

    def keep(self, outcome: Outcome, words: list[records.RecordWords]) -> None:
        """What an outsider learns of the batch: leaves from the twin, whose root the chain's event confirmed."""
        number = outcome.event("Settled")["batch"]
        refused = {f["index"] for _, event, f in outcome.events if event == "Refused"}
        self.leaves[number] = self.pair.fares.last_leaves
        self.settled += [(number, index) for index in range(len(words)) if index not in refused]

    @rule(number=card, which=pick, change=st.sampled_from(("context", "spare", "seq", "card")))
    def prove_clone(self, number: int, which: int, change: str) -> None:
        if not self.taps[number] or which % 4:
            return
        state = self.taps[number][-1]
        other = replace(state, context=sha256(b"clone"), seq=state.seq + (change == "seq"))
        first, second = signed(number, state), list(signed(number, other))
        if change == "spare":
            second = list(first)
            second[1] |= 1 << 200
        if change == "card":
            second[0] ^= 1
        self.pair.take(sender(METRO, "approve"), "Fares", "prove_clone", (*first, 0), (*second, 0))

    def close_day(self, back: int, by: bytes) -> None:
        self.pair.take(by, "Fares", "close_day", service_day(self.pair.clock.time) - back)

    def close_month(self, by: bytes, back: int) -> None:
        """So that months end, lots lapse and remainders are withdrawn within one run."""
        self.pair.take(by, "Fares", "close_day", month_days(self.month - 1)[1])

    @rule(seconds=st.sampled_from((1, HOUR_S, 24 * HOUR_S, 24 * HOUR_S, 4 * DAY_S)))
    def wait(self, seconds: int) -> None:
        self.pair.advance(seconds)

    def wait_long(self, days: int, which: int) -> None:
        if which % 8 == 0:
            self.pair.advance(days * DAY_S)

    @rule(
        act=st.sampled_from(("deposits", "payout", "distribute", "cover", "cover", "risk pool")),
        by=bank,
        won=amount,
        table=st.sampled_from(TABLES),
    )
    def keep_books(self, act: str, by: int, won: int, table: int) -> None:
        """Money between organisations."""
        if act == "deposits":
            self.move_deposits(by, won)
        elif act == "payout":
            self.payout()
        elif act == "risk pool":
            self.fund_risk_pool(won)
        else:
            self.hand_on(won, act, table)

    @precondition(lambda self: self.pair.credits.batches)
    @rule(
        act=st.sampled_from(("approve", "object", "object", "end", "case", "wrong case")),
        by=st.sampled_from((METRO, BUS_143, CITY, CLEARING)),
        behind=st.sampled_from((0, 1, -1)),
        which=pick,
    )
    def review(self, act: str, by: int, behind: int, which: int) -> None:
        """What organisations say of batches."""
        if act == "approve":
            self.approve(by, behind)
        elif act in ("object", "end"):
            self.object(which, by, act == "end", which % 2 == 0)
        elif self.pair.credits.objected:
            self.council_case(act == "case")

    @rule(
        act=st.sampled_from(("day", "day", "month", "wait")),
        back=st.sampled_from((0, 3, 4, 5, 29, 31, 35)),
        by=st.sampled_from((SETTLES, SETTLES, SETTLES_TOO)),
        days=st.sampled_from((16, 31, 35, 91, 130)),
        which=pick,
    )
    def close(self, act: str, back: int, by: bytes, days: int, which: int) -> None:
        """Days and months end; now and then a long time passes."""
        if act == "day":
            self.close_day(back, by)
        elif act == "month":
            self.close_month(by, back)
        else:
            self.wait_long(days, which)

    # --- credits

    @property
    def batches(self) -> list[Batch]:
        """All batches with credits."""
        return list(self.pair.credits.batches.values())

    def approve(self, by: int, behind: int) -> None:
        through = max(0, self.pair.fares.batches - behind)
        self.pair.take(sender(by, "approve"), "Credits", "approve", CLEARING, through)

    def object(self, which: int, by: int, end: bool, wrong: bool) -> None:
        batch = self.batches[which % len(self.batches)]
        if wrong and which % 4 == 0:
            batch = replace(batch, sums=batch.sums + 1)
        if end:
            self.pair.with_batch(sender(by, "approve"), "end_objection", batch, by if which % 3 else METRO, 0)
        else:
            self.pair.with_batch(sender(by, "approve"), "object", batch)

    def council_case(self, decided: bool) -> None:
        number, lane = sorted(self.pair.credits.objected)[0]
        batch = self.pair.credits.batches[number]
        organisation = records.table_of(batch.table)[lane]
        proposal = self.council_decides(number, organisation if decided else 99)
        self.pair.with_batch(sender(KOOKMIN, "issue"), "end_objection", batch, organisation, proposal)

    def council_decides(self, *arguments: int) -> int:
        """The council passes a decision to end an objection; its proposal."""
        words, number, pair = [*arguments, 0, 0], 0, self.pair
        for organisation, function in ((CITY, "propose"), (KOOKMIN, "approve")):
            by, twin = sender(organisation, "approve"), getattr(pair.organisations, function)
            args = [Act.END_OBJECTION, words] if function == "propose" else [number, Act.END_OBJECTION, words]
            outcome = pair.step(by, "Organisations", function, args, lambda by=by, t=twin, a=args: t(by, *a))
            assert isinstance(outcome, Outcome)
            number = outcome.value or number
        return number

    @precondition(lambda self: self.pair.credits.batches)
    @rule(which=pick, many=st.integers(1, 4))
    def release(self, which: int, many: int) -> None:
        at = which % len(self.batches)
        self.pair.release(sender(CITY, "issue"), self.batches[at : at + many])

    @precondition(lambda self: self.pair.credits.pending_won)
    @rule(approved=st.booleans())
    def release_day(self, approved: bool) -> None:
        """The good case: guarantors pay, everybody approves or 24 hours pass, the last batches are released, and the
        clearing house hands on what it holds for others."""
        for by in ISSUERS:
            if self.pair.credits.owed_through[by] > self.pair.credits.paid_through[by]:
                self.pay_in(by, 1)
        for by in (METRO, KORAIL, BUS_143, CITY, CLEARING) if approved else ():
            self.approve(by, 0)
        self.pair.advance(1 if approved else DAY_S)
        self.pair.release(sender(CITY, "issue"), self.batches[-4:])
        if self.pair.credits.others[CLEARING] > 0:
            self.hand_on(1, "distribute", 0)

    def payout(self) -> None:
        self.pair.take(sender(CITY, "issue"), "Credits", "payout", [METRO, KORAIL, BUS_143, CITY])

    def hand_on(self, won: int, source: str, table: int) -> None:
        """To distribute 1 won stands for all there is, to the last won, to operators alone: that must succeed. After
        corrections `others` may be below 0; then a single won is too much."""
        tables, sums = [METRO, table], [won, won // 2]
        if source == "distribute" and won == 1:
            everything = max(1, self.pair.credits.others[CLEARING])
            tables, sums = [METRO, KORAIL], [everything - everything // 2, everything // 2]
        day = service_day(self.pair.clock.time)
        self.pair.take(SETTLES, "Credits", source, day, tables, sums)

    def fund_risk_pool(self, won: int) -> None:
        self.pair.take(sender(CITY, "issue"), "Fares", "fund_risk_pool", won)


def run(examples: int, steps: int) -> None:
    """The machine, the same for both budgets: it reads no environment."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_agreements_equal_their_twins_for_2000_steps() -> None:
    run(40, 50)


@pytest.mark.long
def test_the_agreements_equal_their_twins_for_100000_steps() -> None:
    run(1_000, 100)


def test_a_correction_that_fares_cannot_pay_back_to_a_lapsed_lot_changes_nothing() -> None:
    """All that Fares held was paid out: both refuse by the same name, and both are as before."""
    machine = Machine()
    machine.first_cards(caps=[3_000, 0, 0, 0, 0, 3_000], lots=False)
    machine.settle_day([(5, 100, 0, False), (6, 1_550, 0, True), (2, 100, 0, False), (2, 3_000, 0, True)], 0, False)
    machine.lots_end(closed=False)
    machine.guarantee(act="withdraw", ahead=1, by=KOOKMIN, cap=0, numbers=[1, 2, 3, 5], won=0)
    machine.release_day(approved=False)
    machine.payout()
    assert machine.give_back(1_986, 3_000, "lapsed") == "BALANCE"
    machine.money_is_conserved()
