"""Steps of Vouchers that chain and twin take together, with the other side played by counterparties/lot_issuer.vy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from coincurve import PrivateKey

from contracts import addresses, build, client
from contracts.codes import Carry
from contracts.hashing import keccak
from contracts.messages import Claim, Credential
from contracts.signatures import sign, to_compact
from contracts.twins.base import require
from contracts.twins.vouchers import Item, Request, RuleSet, Vouchers
from contracts.twins.won import UNLIMITED
from tests.contracts.city import CITY, KOOKMIN, SEOUL_METRO, Pair, account, sender
from tests.contracts.harness import CHAIN_ID, SERVICE_DAY, Outcome, address, key

ISSUER = client.parse(build.compile_source(Path(__file__).parent / "counterparties" / "lot_issuer.vy"))
MONTH = (SERVICE_DAY, SERVICE_DAY + 16)
PERIOD = 2025 * 12 + 9
BASIC = RuleSet(
    group=7,
    modes=0b1111101,
    per_tap_cap_won=3_000,
    day_cap_won=20_000,
    priority=5,
    carry=Carry.CAP,
    carry_cap_won=50_000,
    max_grant_won=50_000,
    fares=addresses.FARES,
)
SOURCE = keccak(b"sources")
ADMINISTERS, ISSUES = sender(CITY, "administer"), sender(CITY, "issue")


class LotIssuer:
    """The twin of counterparties/lot_issuer.vy."""

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
        require(last_service_day - start_day < 100, "DAYS")
        return [3 if word & 0xFF == 0xEE else 0 for word in words]


def card(number: int) -> bytes:
    """A card that is issued to; card(0xee), card(0x1ee) … are refused."""
    return bytes(16) + number.to_bytes(4, "big")


def nullifier(number: int) -> bytes:
    return keccak(b"person %d" % number)


def request(
    number: int,
    *,
    won: int = 10_000,
    rule_set: int = 1,
    group: int = 7,
    period: int = PERIOD,
    to: int | None = None,
    registry: PrivateKey | None = None,
    claimant: PrivateKey | None = None,
    days: tuple[int, int] = (SERVICE_DAY - 5, SERVICE_DAY + 5),
    claimed: int | None = None,
) -> Request:
    """A request as a service makes it from credential and claim; each keyword can make it wrong."""
    own = key(f"credential {number}")
    at = address(f"credential {number}")
    attestation = keccak(b"attestation %d" % number)
    credential = Credential(at, group, period, nullifier(number), *days, attestation)
    claim = Claim(
        card(number if to is None else to), rule_set, period, won if claimed is None else claimed, nullifier(number)
    )
    by_registry = sign(credential.digest(CHAIN_ID, addresses.VOUCHERS), registry or key("registry attest"))
    by_citizen = sign(claim.digest(CHAIN_ID, addresses.VOUCHERS), claimant or own)
    return Request(
        claim.card, won, nullifier(number), at, *days, attestation, *to_compact(by_registry), *to_compact(by_citizen)
    )


class Steps(Pair):
    """Vouchers' functions, each taken on chain and twin."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.deploy_code("LotIssuer", ISSUER.initcode, addresses.FARES)
        self.vouchers = Vouchers(self.clock, self.organisations, self.won, {addresses.FARES: LotIssuer()})
        self.logs["Vouchers"] = self.vouchers.log
        self.organisations.deployed.add(addresses.FARES)

    def rules(self, by: bytes, number: int, rules: RuleSet) -> Outcome | str:
        args = [number, astuple(rules)]
        return self.step(by, "Vouchers", "set_rule_set", args, lambda: self.vouchers.set_rule_set(by, number, rules))

    def pay_in(self, by: bytes, number: int, amount: int) -> Outcome | str:
        return self.step(by, "Vouchers", "pay_in", [number, amount], lambda: self.vouchers.pay_in(by, number, amount))

    def refund(self, by: bytes, number: int, funder: int, amount: int) -> Outcome | str:
        return self.step(
            by,
            "Vouchers",
            "refund",
            [number, funder, amount],
            lambda: self.vouchers.refund(by, number, funder, amount),
        )

    def grant(
        self,
        requests: Sequence[Request],
        *,
        by: bytes = ISSUES,
        number: int = 1,
        period: int = PERIOD,
        days: tuple[int, int] = MONTH,
        size: int | None = None,
    ) -> list[int] | str:
        """The code of each request, or the name of the refusal."""
        source = (SOURCE, len(requests) if size is None else size)
        args = [number, period, *days, [astuple(r) for r in requests], *source]
        outcome = self.step(
            by, "Vouchers", "grant", args, lambda: self.vouchers.grant(by, number, period, days, requests, source)
        )
        return outcome if isinstance(outcome, str) else list(self.twin_value)

    def carry(
        self,
        items: Sequence[Item],
        *,
        by: bytes = ISSUES,
        number: int = 1,
        lapsed_day: int = MONTH[1],
        days: tuple[int, int] = (MONTH[1] + 1, MONTH[1] + 30),
        size: int | None = None,
    ) -> list[int] | str:
        source = (SOURCE, len(items) if size is None else size)
        args = [number, lapsed_day, *days, [astuple(i) for i in items], *source]
        outcome = self.step(
            by, "Vouchers", "carry", args, lambda: self.vouchers.carry(by, number, lapsed_day, days, items, source)
        )
        return outcome if isinstance(outcome, str) else list(self.twin_value)

    def give_back(self, number: int, day: int, said: int, sent: int) -> Outcome | str:
        """What Fares does when lots lapse: transfer, then returned, in one transaction."""
        args = [addresses.WON, addresses.VOUCHERS, number, day, said, sent]
        data = keccak(b"give_back(address,address,uint16,uint16,uint256,uint256)")[:4] + client.encode(
            ["address", "address", "uint16", "uint16", "uint256", "uint256"], args
        )

        def twin() -> None:
            # The twin has no transactions: what a later refusal undoes is looked at first.
            require(number in self.vouchers.rule_sets, "SENDER")
            held = self.won.balances[addresses.VOUCHERS] + sent
            require(held >= sum(pool.won for pool in self.vouchers.pools.values()) + said, "ARRIVED")
            if sent:
                self.won.transfer(addresses.FARES, addresses.VOUCHERS, sent)
            self.vouchers.returned(addresses.FARES, number, day, said)

        return self.step_raw(address("anyone"), addresses.FARES, data, "give_back", twin)

    def pools_are_alike(self) -> None:
        world = self.world
        assert world.call("Vouchers", "pools_won") == sum(pool.won for pool in self.vouchers.pools.values())
        assert world.call("Won", "balanceOf", [addresses.VOUCHERS]) == self.won.balances[addresses.VOUCHERS]
        for number, pool in self.vouchers.pools.items():
            assert world.call("Vouchers", "pool", [number]) == pool.won
            assert world.call("Vouchers", "totals", [number]) == (
                pool.paid_in_won,
                pool.refunded_won,
                pool.granted_won,
                pool.carried_won,
                pool.returned_won,
            )


def item(number: int, won: int, to: int | None = None) -> Item:
    return Item(card(number if to is None else to), won, keccak(b"carry %d" % number))


def funded_city() -> Steps:
    """Won in the city's account, allowed to Vouchers; no rule-set yet."""
    steps = Steps()
    for number in (CITY, SEOUL_METRO):
        args: list[Any] = [account(number), 1_000_000, keccak(b"fund %d" % number)]
        steps.step(
            sender(KOOKMIN, "issue"), "Won", "mint", args, lambda a=args: steps.won.mint(sender(KOOKMIN, "issue"), *a)
        )
        steps.step(
            account(number),
            "Won",
            "approve",
            [addresses.VOUCHERS, UNLIMITED],
            lambda n=number: steps.won.approve(account(n), addresses.VOUCHERS, UNLIMITED),
        )
    return steps


def ruled_city() -> Steps:
    """Rule-set 1 with 200,000 won in its pool."""
    steps = funded_city()
    assert isinstance(steps.rules(ADMINISTERS, 1, BASIC), Outcome)
    assert isinstance(steps.pay_in(ISSUES, 1, 200_000), Outcome)
    return steps
