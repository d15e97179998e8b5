"""Vouchers, said again in plain Python (contracts/vouchers.vy, contracts/lib/voucher_pools.vy)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts import addresses, merkle
from contracts.codes import Carry, Grant, Purpose, Role
from contracts.hashing import keccak
from contracts.messages import Claim, Credential
from contracts.twins.base import NOBODY, Clock, Log, compact_signer, require
from contracts.twins.organisations import Organisations
from contracts.twins.won import Won

FARES_NAME: Final = b"Fares".ljust(32, b"\0")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules that programmes share; fields in the agreement's order, won and bits of Mode."""

    group: int
    modes: int
    per_tap_cap_won: int
    day_cap_won: int
    priority: int
    carry: Carry
    carry_cap_won: int
    max_grant_won: int
    fares: bytes

    @property
    def profile(self) -> int:
        """What it pays for: modes | per_tap_cap_won << 32."""
        return self.modes | self.per_tap_cap_won << 32


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a grant; fields in the agreement's order, signatures as EIP-2098 words."""

    card: bytes
    won: int
    nullifier: bytes
    credential_key: bytes
    first_day: int
    last_day: int
    attestation: bytes
    registry_r: int
    registry_vs: int
    claim_r: int
    claim_vs: int


@dataclass(frozen=True, slots=True)
class Item:
    """One lot to be made: of a grant (id: nullifier) or of a carry (id: used once)."""

    card: bytes
    won: int
    id: bytes


@dataclass(slots=True)
class Pool:
    """A rule-set's money: all that went through, and by last service day."""

    paid_in_won: int = 0
    refunded_won: int = 0
    granted_won: int = 0
    carried_won: int = 0
    returned_won: int = 0
    by_funder: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    granted_for: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    lapsed_of: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    carried_of: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def won(self) -> int:
        """What is in it."""
        return self.paid_in_won - self.refunded_won - self.granted_won - self.carried_won + self.returned_won


class IssuesLots(Protocol):
    """Fares as Vouchers uses it (contracts/twins/fares.py)."""

    def issue(
        self,
        sender: bytes,
        rule_set: int,
        start_day: int,
        last_service_day: int,
        day_cap_won: int,
        priority: int,
        profile: int,
        first_lot: int,
        words: Sequence[int],
    ) -> list[int]:
        """A code for each word, 0 done."""


def lot_leaf(rule_set: int, item: Item, code: int, lot: int, start_day: int, last_service_day: int) -> bytes:
    """The 72 bytes that a batch's tree holds of one request."""
    numbers = ((rule_set, 2), (code, 2), (lot, 4), (start_day, 2), (last_service_day, 2), (item.won, 8))
    return item.card + b"".join(value.to_bytes(size, "big") for value, size in numbers) + item.id


@dataclass
class Vouchers:
    """The whole agreement. `fares` finds the Fares twin at an address."""

    clock: Clock
    organisations: Organisations
    won: Won
    fares: dict[bytes, IssuesLots]
    at: bytes = addresses.VOUCHERS
    rule_sets: dict[int, tuple[int, RuleSet]] = field(default_factory=dict)
    pools: defaultdict[int, Pool] = field(default_factory=lambda: defaultdict(Pool))
    spent: set[bytes] = field(default_factory=set)
    carry_done: set[bytes] = field(default_factory=set)
    batches: int = 0
    lots: int = 0
    log: Log = field(default_factory=Log)

    # --- city and funders

    def set_rule_set(self, sender: bytes, number: int, rules: RuleSet) -> None:
        """Sets a rule-set, until something was granted from it."""
        city = self.organisations.may(sender, Role.CITY, Purpose.ADMINISTER)
        require(city != 0, "SENDER")
        require(number != 0 and self.rule_sets.get(number, (city, rules))[0] == city, "RULE SET")
        require(self.pools[number].granted_won == 0, "IMMUTABLE")
        require(all((rules.group, rules.modes, rules.max_grant_won, rules.day_cap_won)), "RANGE")
        require(rules.carry <= Carry.ROLL, "RANGE")
        require((rules.carry == Carry.CAP) == (rules.carry_cap_won != 0), "RANGE")
        self._check_fares(rules.fares)
        self.rule_sets[number] = (city, rules)
        fields = {name: getattr(rules, name) for name in RuleSet.__slots__}
        self.log("RuleSetSet", rule_set=number, city=city, **fields)

    def pay_in(self, sender: bytes, number: int, amount: int) -> None:
        """A funder's money into the pool."""
        standing = self.organisations.standing(sender)
        funder = standing & 0xFFFF
        require(bool(standing >> 16 & Purpose.ISSUE), "SENDER")
        require(number in self.rule_sets, "RULE SET")
        require(amount != 0, "AMOUNT")
        self.won.transfer_from(self.at, self.organisations.account_of(funder), self.at, amount)
        self.pools[number].by_funder[funder] += amount
        self.pools[number].paid_in_won += amount
        self.log("PaidIn", rule_set=number, funder=funder, amount_won=amount)

    def refund(self, sender: bytes, number: int, funder: int, amount: int) -> None:
        """Money of the pool back to a funder."""
        pool = self.pools[number]
        require(self._is_city(sender, number), "SENDER")
        require(amount != 0, "AMOUNT")
        require(pool.by_funder[funder] >= amount, "PAID IN")
        require(pool.won >= amount, "POOL")
        self.won.transfer(self.at, self.organisations.account_of(funder), amount)
        pool.by_funder[funder] -= amount
        pool.refunded_won += amount
        self.log("Refunded", rule_set=number, funder=funder, amount_won=amount)

    # --- grants and carries

    def grant(
        self,
        sender: bytes,
        number: int,
        period: int,
        days: tuple[int, int],
        requests: Sequence[Request],
        source: tuple[bytes, int],
    ) -> list[int]:
        """Grants lots usable in `days` (first, last); a code for each request. source: root and size."""
        require(self._is_city(sender, number), "SENDER")
        _, rules = self.rule_sets[number]
        self._check_batch(rules, days, len(requests), source[1])
        budget = self.pools[number].won
        spent = set(self.spent)
        codes: list[int] = []
        for request in requests:
            code = self._judge(rules, number, period, days[0], request, spent, budget)
            if code == Grant.GRANTED:
                budget -= request.won
                spent.add(request.nullifier)
            codes.append(code)
        items = [Item(request.card, request.won, request.nullifier) for request in requests]
        codes, lots = self._issue(number, rules, days, items, codes)
        granted = [item for item, code in zip(items, codes, strict=True) if code == Grant.GRANTED]
        total = sum(item.won for item in granted)
        self.spent.update(item.id for item in granted)
        self.pools[number].granted_won += total
        self.pools[number].granted_for[days[1]] += total
        self._finish("Granted", number, {"period": period}, days, items, codes, lots, total, source)
        return codes

    def carry(
        self,
        sender: bytes,
        number: int,
        lapsed_day: int,
        days: tuple[int, int],
        items: Sequence[Item],
        source: tuple[bytes, int],
    ) -> list[int]:
        """New lots from what lapsed with lapsed_day; a code for each item."""
        clears = self.organisations.may(sender, Role.CLEARING_HOUSE, Purpose.SETTLE) != 0
        require(clears or self._is_city(sender, number), "SENDER")
        require(number in self.rule_sets, "RULE SET")
        _, rules = self.rule_sets[number]
        require(rules.carry != Carry.NONE, "CARRY")
        require(days[0] > lapsed_day, "DAYS")
        self._check_batch(rules, days, len(items), source[1])
        budget, left, done = self.pools[number].won, self.carryable(number, lapsed_day), set(self.carry_done)
        codes: list[int] = []
        for item in items:
            if item.won == 0 or (rules.carry == Carry.CAP and item.won > rules.carry_cap_won):
                codes.append(Grant.AMOUNT)
            elif item.id in done:
                codes.append(Grant.USED)
            elif item.won > budget:
                codes.append(Grant.POOL)
            elif item.won > left:
                codes.append(Grant.LAPSED)
            else:
                budget, left = budget - item.won, left - item.won
                done.add(item.id)
                codes.append(Grant.GRANTED)
        codes, lots = self._issue(number, rules, days, items, codes)
        carried = [item for item, code in zip(items, codes, strict=True) if code == Grant.GRANTED]
        total = sum(item.won for item in carried)
        self.carry_done.update(item.id for item in carried)
        self.pools[number].carried_won += total
        self.pools[number].carried_of[lapsed_day] += total
        self._finish("Carried", number, {"lapsed_day": lapsed_day}, days, items, codes, lots, total, source)
        return codes

    def carryable(self, number: int, lapsed_day: int) -> int:
        """What may still be carried on of lots that ended with lapsed_day."""
        pool, (_, rules) = self.pools[number], self.rule_sets[number]
        bound = pool.lapsed_of[lapsed_day]
        if rules.carry == Carry.CAP:
            bound = min(bound, pool.granted_for[lapsed_day])
        return max(0, bound - pool.carried_of[lapsed_day]) if rules.carry != Carry.NONE else 0

    def returned(self, sender: bytes, number: int, last_service_day: int, amount: int) -> None:
        """Won of lapsed lots has come back."""
        require(number in self.rule_sets and sender == self.rule_sets[number][1].fares, "SENDER")
        held = sum(pool.won for pool in self.pools.values())
        require(self.won.balances[self.at] >= held + amount, "ARRIVED")
        self.pools[number].returned_won += amount
        self.pools[number].lapsed_of[last_service_day] += amount
        self.log("Returned", rule_set=number, last_service_day=last_service_day, amount_won=amount)

    # --- inside

    def _judge(
        self,
        rules: RuleSet,
        number: int,
        period: int,
        start_day: int,
        request: Request,
        spent: set[bytes],
        budget: int,
    ) -> Grant:
        credential = Credential(
            request.credential_key,
            rules.group,
            period,
            request.nullifier,
            request.first_day,
            request.last_day,
            request.attestation,
        ).digest(self.clock.chain_id, self.at)
        claim = Claim(request.card, number, period, request.won, request.nullifier).digest(self.clock.chain_id, self.at)
        registry = compact_signer(credential, request.registry_r, request.registry_vs)
        if not 0 < request.won <= rules.max_grant_won:
            return Grant.AMOUNT
        if not request.first_day <= start_day <= request.last_day:
            return Grant.WINDOW
        if request.nullifier in spent:
            return Grant.USED
        if not self.organisations.may(registry, Role.ELIGIBILITY_REGISTRY, Purpose.ATTEST):
            return Grant.CREDENTIAL
        if compact_signer(claim, request.claim_r, request.claim_vs) not in {request.credential_key} - {NOBODY}:
            return Grant.CLAIM
        return Grant.POOL if request.won > budget else Grant.GRANTED

    def _issue(
        self, number: int, rules: RuleSet, days: tuple[int, int], items: Sequence[Item], codes: list[int]
    ) -> tuple[list[int], list[int]]:
        wanted = [index for index, code in enumerate(codes) if code == Grant.GRANTED]
        words = [int.from_bytes(items[i].card, "big") | items[i].won << 160 for i in wanted]
        found, lots = list(codes), [0] * len(items)
        if words:
            fares = self.fares[rules.fares]
            answers = fares.issue(
                self.at, number, *days, rules.day_cap_won, rules.priority, rules.profile, self.lots + 1, words
            )
            for offset, (index, answer) in enumerate(zip(wanted, answers, strict=True), 1):
                found[index] = Grant.FARES + answer if answer else Grant.GRANTED
                lots[index] = 0 if answer else self.lots + offset
        self.lots += len(words)
        return found, lots

    def _finish(
        self,
        event: str,
        number: int,
        what: dict[str, int],
        days: tuple[int, int],
        items: Sequence[Item],
        codes: list[int],
        lots: list[int],
        total: int,
        source: tuple[bytes, int],
    ) -> None:
        self.batches += 1
        if total:
            self.won.transfer(self.at, self.rule_sets[number][1].fares, total)
        leaves = [lot_leaf(number, item, code, lot, *days) for item, code, lot in zip(items, codes, lots, strict=True)]
        self.log(
            event,
            batch=self.batches,
            rule_set=number,
            **what,
            start_day=days[0],
            last_service_day=days[1],
            accepted=codes.count(Grant.GRANTED),
            amount_won=total,
            lots_root=merkle.root(leaves, keccak),
            size=len(items),
            source_root=source[0],
            source_size=source[1],
        )

    def _check_batch(self, rules: RuleSet, days: tuple[int, int], size: int, source_size: int) -> None:
        self._check_fares(rules.fares)
        require(size != 0, "EMPTY")
        require(days[0] <= days[1], "DAYS")
        require(source_size == size, "SOURCES")

    def _check_fares(self, fares: bytes) -> None:
        require(self.organisations.agreement(fares) == FARES_NAME, "FARES")

    def _is_city(self, sender: bytes, number: int) -> bool:
        city = self.organisations.may(sender, Role.CITY, Purpose.ISSUE)
        return city != 0 and number in self.rule_sets and city == self.rule_sets[number][0]
