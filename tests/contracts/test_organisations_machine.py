"""Organisations under random steps: chain and twin stay alike."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses
from contracts.codes import Act
from contracts.twins.organisations import PROPOSAL_SECONDS
from tests.contracts import city
from tests.contracts.city import CITY, WOORI, Pair, sender
from tests.contracts.harness import Outcome, address
from tests.contracts.organisation_steps import (
    ED25519,
    STRANGER,
    approve,
    propose,
    rotate,
    set_key,
    word,
    words,
)

ORGANISATION_IDS = st.sampled_from([*city.ROLES, 40, 41, 99])
KEY_POOL = [sender(n, p) for n in (CITY, WOORI) for p in ("administer", "issue")] + [
    address(f"pool {i}") for i in range(4)
]
SENDERS = [sender(n, p) for n in city.ROLES for p in ("administer", "approve")] + [STRANGER]
SMALL = st.integers(0, 4)


@st.composite
def acts(draw: st.DrawFn) -> tuple[int, list[int]]:
    act = draw(st.sampled_from([*Act, 13]))
    owner = draw(ORGANISATION_IDS)
    key = word(draw(st.sampled_from(KEY_POOL)))
    if act == Act.ADMIT:
        return act, [owner, word(STRANGER), key, 1 << draw(st.integers(0, 14))]
    if act in (Act.SET_KEY, Act.SET_ACCOUNT):
        return act, words(owner, key, draw(st.integers(0, 31)) if act == Act.SET_KEY else 0)
    if act == Act.SET_VALIDATOR:
        return act, words(owner, word(draw(st.sampled_from(ED25519))), draw(st.integers(0, 12)))
    if act in (Act.REGISTER_AGREEMENT, Act.RETIRE_AGREEMENT):
        return act, words(word(draw(st.sampled_from([*addresses.BY_NAME.values()]))), draw(st.integers(1, 60)))
    return act, words(owner, draw(SMALL), draw(SMALL))


class OrganisationsMachine(RuleBasedStateMachine):
    """The council and the organisations do anything; chain and twin stay alike."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()
        self.open: list[tuple[int, int, list[int]]] = []

    @rule(by=st.sampled_from([sender(n, "approve") for n in (*city.MEMBERS, WOORI)]), act=acts())
    def proposes(self, by: bytes, act: tuple[int, list[int]]) -> None:
        outcome = propose(self.pair, by, *act)
        if isinstance(outcome, Outcome):
            self.open.append((outcome.value, *act))

    @rule(by=st.sampled_from([sender(n, "approve") for n in (*city.MEMBERS, WOORI)]), data=st.data())
    def approves(self, by: bytes, data: st.DataObject) -> None:
        if self.open:
            approve(self.pair, by, *data.draw(st.sampled_from(self.open[-3:])))

    @rule(by=st.sampled_from(SENDERS), key=st.sampled_from(KEY_POOL), purposes=st.integers(0, 33))
    def sets_a_key(self, by: bytes, key: bytes, purposes: int) -> None:
        set_key(self.pair, by, key, purposes)

    @rule(by=st.sampled_from(SENDERS), old=st.sampled_from(KEY_POOL), new=st.sampled_from(KEY_POOL))
    def rotates(self, by: bytes, old: bytes, new: bytes) -> None:
        rotate(self.pair, by, old, new)

    @rule(seconds=st.sampled_from([1, 86_400, PROPOSAL_SECONDS]), blocks=st.integers(1, 3))
    def time_passes(self, seconds: int, blocks: int) -> None:
        self.pair.advance(seconds, blocks)

    @invariant()
    def alike(self) -> None:
        world, twin = self.pair.world, self.pair.organisations
        for key in (*KEY_POOL, *SENDERS):
            assert world.call("Organisations", "standing", [key]) == twin.standing(key)
        assert world.call("Organisations", "council") == (tuple(twin.members), twin.threshold)
        assert set(world.call("Organisations", "validators")) == {
            (owner, key, power) for owner, (key, power) in twin.validators.items()
        }
        assert twin.threshold * 2 > len(twin.members) >= twin.threshold


class TestOrganisationsMachine(OrganisationsMachine.TestCase):  # type: ignore[misc]
    settings = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.long
class TestOrganisationsMachineLong(OrganisationsMachine.TestCase):  # type: ignore[misc]
    settings = settings(
        max_examples=1_000, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
