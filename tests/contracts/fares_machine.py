"""The part of test_fares_machine.py that acts on cards, purses and lots, and its invariants."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from contracts import addresses, records
from contracts.hashing import keccak, sha256
from contracts.messages import FareState
from contracts.records import Leaf
from contracts.signatures import sign
from contracts.twins.fares import month_days
from contracts.twins.fares_rules import service_day
from contracts.twins.vouchers import Item
from tests.contracts import fares_city as city
from tests.contracts.fares_city import BUS_143, CLEARING, KOOKMIN, METRO, OTHER_CLEARING, WOORI, sender
from tests.contracts.fares_pair import FaresPair
from tests.contracts.harness import CHAIN_ID, Outcome, key

CARDS = range(1, 7)
SETTLES, SETTLES_TOO = sender(CLEARING, "settle"), sender(OTHER_CLEARING, "settle")
ISSUERS = {KOOKMIN: sender(KOOKMIN, "issue"), WOORI: sender(WOORI, "issue")}
TABLES = (city.TABLE, records.table_word([METRO, BUS_143]), records.table_word([CLEARING]), METRO << 32)
DAY_S = 86_400

card = st.sampled_from(CARDS)
some_cards = st.lists(card, min_size=1, max_size=4)
amount = st.sampled_from((0, 1, 500, 1_550, 3_000, 9_999, 100_000))
bank = st.sampled_from((KOOKMIN, WOORI))
pick = st.integers(0, 2**16)


def signed(number: int, state: FareState) -> tuple[int, ...]:
    """A record's words but its lanes."""
    signature = sign(state.digest(CHAIN_ID, addresses.FARES), key(f"card {number}"))
    return (*records.state_words(state), *records.signature_words(signature))


class CardRules(RuleBasedStateMachine):
    """The world, what must hold in it after every step, and what banks, guarantors and funders do."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = FaresPair()
        self.taps: dict[int, list[FareState]] = {number: [] for number in CARDS}
        self.settled: list[tuple[int, int]] = []  # batch, index of accepted records
        self.leaves: dict[int, list[Leaf]] = {}
        self.count = 0

    # --- what must hold

    @invariant()
    def money_is_conserved(self) -> None:
        self.pair.conserved()

    @invariant()
    def views_equal_the_twin(self) -> None:
        for number in CARDS:
            self.pair.card_alike(number)
        self.pair.batches_alike()

    # --- guarantors and banks

    @initialize(caps=st.lists(st.sampled_from((0, 3_000, 50_000, 50_000)), min_size=6, max_size=6), lots=st.booleans())
    def first_cards(self, caps: list[int], lots: bool) -> None:
        """Six cards of two guarantors: two with money, two or four with lots."""
        for number, cap in zip(CARDS, caps, strict=True):
            word = records.enrol_word(city.card(number), cap)
            self.pair.take(ISSUERS[KOOKMIN if number % 3 else WOORI], "Fares", "enrol", self.month, CLEARING, [word])
        self.pair.take(ISSUERS[KOOKMIN], "Fares", "fund", [records.fund_word(city.card(n), 5_000) for n in (1, 2)])
        days = (service_day(self.pair.clock.time), month_days(self.month)[1])
        self.pair.grant(1, days, [(number, 5_000, 900_000 + number) for number in (2, 3)])
        if lots:
            self.pair.grant(2, (days[0], days[0] + 5), [(number, 3_000, 910_000 + number) for number in (3, 4, 5)])

    @property
    def month(self) -> int:
        """The running month."""
        day = service_day(self.pair.clock.time)
        month = 2025 * 12
        while month_days(month)[1] < day:
            month += 1
        return month

    def enrol(self, numbers: list[int], by: int, cap: int, ahead: int) -> None:
        words = [records.enrol_word(city.card(number), cap) for number in numbers]
        house = CLEARING if cap else OTHER_CLEARING
        outcome = self.pair.take(ISSUERS[by], "Fares", "enrol", self.month + ahead, house, [*words, 1 << 200])
        if isinstance(outcome, Outcome):
            for number, code in zip(numbers, outcome.value, strict=False):
                if code == 0:
                    self.taps[number] = []

    def set_caps(self, numbers: list[int], by: int, cap: int) -> None:
        words = [records.enrol_word(city.card(number), cap) for number in numbers]
        self.pair.take(ISSUERS[by], "Fares", "set_caps", words)

    def fund(self, numbers: list[int], by: int, won: int) -> None:
        words = [records.fund_word(city.card(number), won) for number in numbers]
        self.pair.take(ISSUERS[by], "Fares", "fund", words)

    def tend(self, numbers: list[int], by: int, act: str) -> None:
        words = [records.card_word(city.card(number)) for number in numbers]
        self.pair.take(ISSUERS[by], "Fares", act, words)

    @rule(by=bank, share=st.sampled_from((1, 1, 2, 0)))
    def pay_in(self, by: int, share: int) -> None:
        twin = self.pair.credits
        owed = twin.owed_through[by] - twin.paid_through[by]
        self.pair.take(ISSUERS[by], "Fares", "pay_in", max(0, owed // share if share else owed + 1))

    def move_deposits(self, by: int, won: int) -> None:
        self.count += 1
        reference = keccak(b"entry %d" % self.count)
        if won % 2:
            self.pair.burn(by, won, reference)
        else:
            self.pair.mint(by, by, won, reference)

    @rule(
        act=st.sampled_from(
            ("enrol", "set_caps", "fund", "fund", "report_lost", "withdraw", "withdraw", "sweep", "lapse")
        ),
        numbers=some_cards,
        by=bank,
        cap=st.sampled_from((0, 1_000, 3_000, 20_000, 60_000)),
        won=amount,
        ahead=st.sampled_from((0, 0, 1, 3)),
    )
    def guarantee(self, act: str, numbers: list[int], by: int, cap: int, won: int, ahead: int) -> None:
        """What guarantors and banks do with cards."""
        if act == "enrol":
            self.enrol(numbers, by, cap, ahead)
        elif act == "set_caps":
            self.set_caps(numbers, by, cap)
        elif act == "fund":
            self.fund(numbers, by, won)
        else:
            self.tend(numbers, by, act)

    # --- vouchers

    @rule(numbers=some_cards, rules=st.sampled_from((1, 1, 2, 3)), won=st.sampled_from((1, 900, 5_000, 50_000)))
    def grant(self, numbers: list[int], rules: int, won: int) -> None:
        day = service_day(self.pair.clock.time)
        days = (day - 2 if won % 2 else day, min(month_days(self.month)[1], day + (3 if won == 900 else 31)))
        self.count += 10
        wanted = [(number, won, self.count + at) for at, number in enumerate(numbers)]
        self.pair.grant(rules, days, wanted)

    @rule(number=card, won=amount, rules=st.sampled_from((1, 3)))
    def carry(self, number: int, won: int, rules: int) -> None:
        lapsed = [day for day, one in self.pair.vouchers.pools[rules].lapsed_of.items() if one]
        self.count += 1
        days = (service_day(self.pair.clock.time), month_days(self.month)[1])
        last = lapsed[-1] if lapsed else days[0] - 1
        self.pair.carry(rules, last, days, [Item(city.card(number), won, keccak(b"carry %d" % self.count))])

    # --- wallets

    @rule(
        taps=st.lists(
            st.tuples(card, st.sampled_from((0, 100, 1_550, 3_000)), st.sampled_from((0, 0, 1)), st.booleans()),
            min_size=1,
            max_size=8,
        )
    )
    def tap(self, taps: list[tuple[int, int, int, bool]]) -> None:
        for number, charge, own, missing in taps:
            self.sign_next(number, charge, bool(own), missing)

    def sign_next(self, number: int, charge: int, own: bool, missing: bool) -> None:
        """A wallet signs its next state; nobody has settled it yet."""
        day = service_day(self.pair.clock.time)
        last = self.taps[number][-1] if self.taps[number] else None
        new_day = last is None or last.service_day != day
        blank = city.state(number, seq=0, cum_won=0, charge_won=0, service_day=day)
        before = last or blank
        self.taps[number].append(
            replace(
                before,
                seq=before.seq + 1,
                cum_won=before.cum_won + charge,
                cum_own_won=before.cum_own_won + (charge if own else 0),
                day_start_cum_won=before.cum_won if new_day else before.day_start_cum_won,
                day_start_own_won=before.cum_own_won if new_day else before.day_start_own_won,
                charge_won=charge,
                missing_out_won=1_300 if missing else 0,
                service_day=day,
                tap_time=self.pair.clock.time,
                context=sha256(b"%d %d" % (number, before.seq)),
            )
        )
