"""Won under random steps: chain and twin stay alike, supply equals what banks issued."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses
from contracts.codes import Act
from contracts.twins.won import PERMIT, RECEIVE, TRANSFER
from tests.contracts.city import KOOKMIN, MINT_CAP, WOORI, account, sender
from tests.contracts.harness import address, key
from tests.contracts.won_steps import ALICE, BOB, DAY, REASON, Steps, reference, word

HOLDERS = [ALICE, BOB, account(KOOKMIN), addresses.FARES, addresses.VOUCHERS, bytes(20)]
AMOUNTS = st.one_of(st.integers(0, 3_000), st.sampled_from([MINT_CAP, 2**64 - 1, 2**256 - 1]))
HOLDER = st.sampled_from(HOLDERS)
BANKERS = [sender(b, p) for b in (KOOKMIN, WOORI) for p in ("issue", "issue 2")] + [ALICE]


class WonMachine(RuleBasedStateMachine):
    """Holders, agreements and banks do anything; chain and twin stay alike and supply equals what banks issued."""

    def __init__(self) -> None:
        super().__init__()
        self.city = Steps()
        self.city.endow(ALICE, 2_000)

    @rule(by=HOLDER, to=HOLDER, amount=AMOUNTS)
    def transfers(self, by: bytes, to: bytes, amount: int) -> None:
        self.city.transfer(by, to, amount)

    @rule(by=HOLDER, spender=HOLDER, amount=AMOUNTS)
    def approves(self, by: bytes, spender: bytes, amount: int) -> None:
        self.city.approve(by, spender, amount)

    @rule(by=HOLDER, holder=HOLDER, to=HOLDER, amount=AMOUNTS)
    def transfers_from(self, by: bytes, holder: bytes, to: bytes, amount: int) -> None:
        self.city.transfer_from(by, holder, to, amount)

    @rule(by=st.sampled_from(BANKERS), to=HOLDER, amount=AMOUNTS, ref=st.integers(100, 115))
    def mints(self, by: bytes, to: bytes, amount: int, ref: int) -> None:
        self.city.mint(by, to, amount, reference(ref))

    @rule(by=st.sampled_from(BANKERS), amount=AMOUNTS, ref=st.integers(100, 115))
    def burns(self, by: bytes, amount: int, ref: int) -> None:
        self.city.burn(by, amount, reference(ref))

    @rule(
        signer=st.sampled_from(["alice", "bob"]),
        to=HOLDER,
        amount=AMOUNTS,
        nonce=st.integers(0, 5),
        start=st.integers(-2, 1),
        end=st.integers(0, 3),
        receive=st.booleans(),
        by=HOLDER,
    )
    def authorises(
        self, signer: str, to: bytes, amount: int, nonce: int, start: int, end: int, receive: bool, by: bytes
    ) -> None:
        now = self.city.clock.time
        values = (ALICE, to, amount, now + start, now + end, reference(nonce))
        struct = RECEIVE if receive else TRANSFER
        self.city.authorised(by, values, self.city.signed(key(signer), struct, list(values)), receive)

    @rule(owner=st.sampled_from(["alice", "bob"]), spender=HOLDER, amount=AMOUNTS, nonce=st.integers(0, 2))
    def permits(self, owner: str, spender: bytes, amount: int, nonce: int) -> None:
        deadline = self.city.clock.time
        signature = self.city.signed(key(owner), PERMIT, [address(owner), spender, amount, nonce, deadline])
        self.city.permit(address(owner), spender, amount, deadline, signature)

    @rule(holder=HOLDER, seconds=st.integers(0, 1_000))
    def freezes(self, holder: bytes, seconds: int) -> None:
        until = self.city.clock.time + seconds
        number = self.city.decide(Act.FREEZE, word(holder), until, word(REASON))
        self.city.case("freeze", number, holder, until, REASON)

    @rule(seconds=st.sampled_from([1, 600, DAY]))
    def time_passes(self, seconds: int) -> None:
        self.city.advance(seconds)

    @invariant()
    def alike(self) -> None:
        supply = self.city.world.call("Won", "totalSupply")
        assert supply == self.city.won.supply == sum(self.city.balance(holder) for holder in HOLDERS)
        assert supply == sum(self.city.world.call("Won", "issued", [bank]) for bank in (KOOKMIN, WOORI))


class TestWonMachine(WonMachine.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=20, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.long
class TestWonMachineLong(WonMachine.TestCase):  # type: ignore[misc]
    settings = settings(
        max_examples=1_000, stateful_step_count=80, deadline=None, suppress_health_check=list(HealthCheck)
    )
