"""A small city for the agreements' tests: its organisations, keys and council, in a World and in the twins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contracts import addresses, client
from contracts.codes import Act, Purpose, Role
from contracts.twins.base import Clock, Log, Reverted
from contracts.twins.organisations import Key, Organisation, Organisations, content_of
from contracts.twins.won import Won
from tests.contracts.harness import Outcome, World, address
from tests.contracts.harness import Reverted as ChainReverted

CITY, KOOKMIN, WOORI, CLEARING, REGISTRY, SEOUL_METRO = 1, 2, 3, 4, 5, 6
ROLES = {
    CITY: (Role.CITY,),
    KOOKMIN: (Role.BANK, Role.GUARANTOR),
    WOORI: (Role.BANK, Role.GUARANTOR),
    CLEARING: (Role.CLEARING_HOUSE,),
    REGISTRY: (Role.ELIGIBILITY_REGISTRY,),
    SEOUL_METRO: (Role.OPERATOR,),
}
NAMES = {
    CITY: "city",
    KOOKMIN: "kookmin",
    WOORI: "woori",
    CLEARING: "clearing",
    REGISTRY: "registry",
    SEOUL_METRO: "metro",
}
MEMBERS = (CITY, KOOKMIN, CLEARING)
THRESHOLD = 2
MINT_CAP = 10_000_000
ACT_WORDS = 4


def account(organisation: int) -> bytes:
    """Where the organisation's Won lies; it can send as well (to allow agreements to take from it)."""
    return address(f"{NAMES[organisation]} account")


def sender(organisation: int, purpose: str) -> bytes:
    """Its key of that purpose: "administer", "issue", "issue 2", "settle", "approve", "attest"."""
    return address(f"{NAMES[organisation]} {purpose}")


KEYS = {
    "administer": Purpose.ADMINISTER,
    "issue": Purpose.ISSUE,
    "issue 2": Purpose.ISSUE,
    "settle": Purpose.SETTLE,
    "approve": Purpose.APPROVE,
    "attest": Purpose.ATTEST,
    "account": Purpose.SETTLE,
}


def bitmap(roles: Sequence[Role]) -> int:
    """Roles, a bit each."""
    return sum(1 << role for role in roles)


def name(text: str) -> bytes:
    """An agreement's name as its 32 bytes."""
    return text.encode().ljust(32, b"\0")


def genesis_arguments() -> list[Any]:
    """What Organisations' constructor takes."""
    return [
        [(number, account(number), bitmap(ROLES[number])) for number in ROLES],
        [(sender(number, purpose), number, int(bits)) for number in ROLES for purpose, bits in KEYS.items()],
        list(MEMBERS),
        THRESHOLD,
        [(at, name(agreement)) for agreement, at in addresses.BY_NAME.items()],
        [],
    ]


def deploy_city(world: World) -> None:
    """Organisations, Won and Vouchers at their addresses."""
    world.deploy("Organisations", genesis_arguments())
    world.deploy("Won", [addresses.ORGANISATIONS, [(KOOKMIN, MINT_CAP), (WOORI, MINT_CAP)]])
    world.deploy("Vouchers", [addresses.ORGANISATIONS, addresses.WON])


def twin_organisations(clock: Clock) -> Organisations:
    """The same genesis in the twin."""
    return Organisations(
        clock,
        organisations={n: Organisation(account(n), bitmap(ROLES[n])) for n in ROLES},
        keys={sender(n, purpose): Key(n, int(bits)) for n in ROLES for purpose, bits in KEYS.items()},
        members=list(MEMBERS),
        threshold=THRESHOLD,
        agreements={at: (name(agreement), 0, 2**64 - 1) for agreement, at in addresses.BY_NAME.items()},
        deployed={addresses.ORGANISATIONS, addresses.WON, addresses.VOUCHERS},
    )


@dataclass
class Pair:
    """The chain and its twins side by side; every step is taken by both and compared."""

    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        deploy_city(self.world)
        self.clock = Clock(self.world.chain_id, self.world.time, self.world.block)
        self.organisations = twin_organisations(self.clock)
        self.won = Won(self.clock, self.organisations)
        self.won.mint_caps.update({KOOKMIN: MINT_CAP, WOORI: MINT_CAP})
        self.twin_value: Any = None
        self.logs: dict[str, Log] = {"Organisations": self.organisations.log, "Won": self.won.log}

    def advance(self, seconds: int = 0, blocks: int = 1) -> None:
        """Lets time pass for both."""
        self.world.advance(seconds, blocks)
        self.clock.time, self.clock.block = self.world.time, self.world.block

    def step(
        self, by: bytes, agreement: str, function: str, args: Sequence[Any], twin: Callable[[], Any]
    ) -> Outcome | str:
        """Takes one step on both; they succeed alike with the same events, or refuse by the same name."""
        data = client.encode_call(agreement, function, args)
        outcome = self.step_raw(by, addresses.BY_NAME[agreement], data, function, twin)
        if isinstance(outcome, str):
            return outcome
        return replace(outcome, value=client.decode_result(agreement, function, outcome.value))

    def step_raw(self, by: bytes, to: bytes, data: bytes, what: str, twin: Callable[[], Any]) -> Outcome | str:
        """The same for call data as they are; the outcome's value is the bytes answered."""
        for log in self.logs.values():
            log.take()
        try:
            self.twin_value, twin_reason = twin(), None
        except Reverted as refused:
            self.twin_value, twin_reason = None, refused.reason
        try:
            (output, outcome), reason = self.world.transact_raw(by, to, data), None
        except ChainReverted as refused:
            output, outcome, reason = b"", None, refused.reason
        assert reason == twin_reason, f"{what}: chain {reason!r}, twin {twin_reason!r}"
        if outcome is None:
            return reason or ""
        logged: dict[str, list[Any]] = {log: [] for log in self.logs}
        for at, event, fields in outcome.events:
            logged.setdefault(at, []).append((event, fields))
        for at, log in self.logs.items():
            assert logged[at] == log.take(), f"{what}: events of {at}"
        return replace(outcome, value=output)

    def decide(self, act: Act, *arguments: int) -> int:
        """Lets the council pass a decision on both; returns the proposal."""
        words = [*arguments, 0, 0, 0, 0][:ACT_WORDS]
        first, second = sender(CITY, "approve"), sender(KOOKMIN, "approve")
        proposed = self.step(
            first, "Organisations", "propose", [act, words], lambda: self.organisations.propose(first, act, words)
        )
        assert isinstance(proposed, Outcome)
        number: int = proposed.value
        approved = self.step(
            second,
            "Organisations",
            "approve",
            [number, act, words],
            lambda: self.organisations.approve(second, number, act, words),
        )
        assert isinstance(approved, Outcome)
        assert self.world.call("Organisations", "decided", [number]) == (content_of(act, words), self.world.time)
        return number


def refuses(reason: str) -> Any:
    """The chain refuses by this name."""
    return pytest.raises(ChainReverted, match=f"^{reason}$")
