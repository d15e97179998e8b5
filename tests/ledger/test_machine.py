"""A state machine drives a node that is killed at any moment against a plain model of what it promised."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from contracts.signatures import address_of
from ledger.errors import KnownTransaction, NonceError
from ledger.node import Node
from ledger.replay import replay
from tests.ledger.chains import AUTHORITY, COUNTER, COUNTER_GAS, USERS, count, crash_image, make, open_config


class NodeMachine(RuleBasedStateMachine):
    """The model: for each user, the nonces in the chain and those waiting with the gas they were signed with."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="dure-machine-"))
        self.lives = 0
        self.node = make(self.path, open_config())
        self.done = [0] * len(USERS)
        self.waiting: list[dict[int, int]] = [{} for _ in USERS]
        self.failed = 0
        self.height = 0
        self.gas = COUNTER_GAS

    @property
    def path(self) -> Path:
        return self.home / str(self.lives)

    @rule(user=st.integers(0, len(USERS) - 1), ahead=st.integers(0, 3), good=st.booleans())
    def submit(self, user: int, ahead: int, good: bool) -> None:
        """A new transaction, or one that replaces a waiting one; `good` ones count, others revert."""
        self.gas += 1
        nonce = self.done[user] + ahead
        self.node.submit(count(USERS[user], nonce, gas=self.gas, data=b"" if good else b"\1"))
        self.waiting[user][nonce] = self.gas if good else -self.gas

    @rule(user=st.integers(0, len(USERS) - 1))
    def submit_a_used_nonce(self, user: int) -> None:
        if self.done[user]:
            self.gas += 1
            with pytest.raises(NonceError):
                self.node.submit(count(USERS[user], self.done[user] - 1, gas=self.gas))

    @rule(user=st.integers(0, len(USERS) - 1))
    def submit_again(self, user: int) -> None:
        for nonce, gas in self.waiting[user].items():
            with pytest.raises(KnownTransaction):
                self.node.submit(count(USERS[user], nonce, gas=abs(gas), data=b"" if gas > 0 else b"\1"))

    @rule()
    def seal(self) -> None:
        block = self.node.seal()
        ready = 0
        for user, waiting in enumerate(self.waiting):
            while (gas := waiting.pop(self.done[user], None)) is not None:
                self.done[user] += 1
                self.failed += gas < 0
                ready += 1
        assert (0 if block is None else len(block.transactions)) == ready
        self.height += ready > 0

    @rule()
    def reopen(self) -> None:
        self.node.close()
        self.node = Node.open(self.path, key=AUTHORITY)

    @precondition(lambda self: self.lives < 4)
    @rule()
    def kill(self) -> None:
        """What the disk holds at this moment goes on in another directory, as after kill -9."""
        before = self.path
        self.lives += 1
        crash_image(self.node, before, self.path)
        self.node.close()
        self.node = Node.open(self.path, key=AUTHORITY)

    @invariant()
    def agrees(self) -> None:
        assert self.node.head.number == self.height
        assert self.node.view().storage(COUNTER, 0) == 7 + sum(self.done) - self.failed
        assert len(self.node.pending()) == sum(map(len, self.waiting))
        for user, waiting in enumerate(self.waiting):
            sender = address_of(USERS[user])
            assert self.node.nonce(sender) == self.done[user]
            following = self.done[user]
            while following in waiting:
                following += 1
            assert self.node.pending_nonce(sender) == following

    def teardown(self) -> None:
        replay(self.node, "stock")
        self.node.close()
        shutil.rmtree(self.home)


def run(examples: int) -> None:
    run_state_machine_as_test(
        NodeMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_node_keeps_its_promises() -> None:
    run(20)


@pytest.mark.long
def test_the_node_keeps_its_promises_for_long() -> None:
    run(1_000)
