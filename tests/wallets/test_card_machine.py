"""A card against a plain model: taps, retries, forged and late offers, dropped batches and reopening in any order."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.wallets import world as w
from wallets import errors as e
from wallets.card import TransitCard
from wallets.journal import Journal
from wallets.presentation import Offer, SignedTap, verify_presentation


class CardMachine(RuleBasedStateMachine):
    """`signed`: what the model holds signed, by sequence number; `offers`: every honest offer ever made."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.journal = Journal(self.folder / "journal")
        self.card = TransitCard.enrol(w.CARD, *w.certificate(), w.DIRECTORY, self.journal)
        self.signed: list[SignedTap] = []
        self.offers: list[Offer] = []
        self.now = w.NOW
        self.salts = 0

    def _last(self) -> SignedTap | None:
        return self.signed[-1] if self.signed else None

    @rule(won=st.integers(0, 3_000), wait=st.sampled_from([0, 1, 60, 3_600, 86_400]), go_on=st.booleans())
    def offer(self, won: int, wait: int, go_on: bool) -> None:
        if self.now + wait > w.NOW + 5 * 86_400:
            return
        self.now += wait
        self.salts += 1
        last = self._last()
        first = (last.tap.journey.first_seq, last.tap.journey.first_time) if last and go_on else None
        salt = self.salts.to_bytes(16, "big")
        self.offers.append(w.offer(last, time=self.now, won=won, salt=salt, first=first))

    @precondition(lambda self: self.offers)
    @rule(back=st.integers(0, 5))
    def accept(self, back: int) -> None:
        """Any offer ever made, in any order, any number of times."""
        made = self.offers[-1 - back % len(self.offers)]
        seq = made.state.seq
        if seq <= len(self.signed):
            known = self.signed[seq - 1]
            if known.offer == made:
                assert self.card.accept(made, self.now) == known.card_signature
            else:
                with pytest.raises(e.SequenceTaken):
                    self.card.accept(made, self.now)
            return
        last = self._last()
        previous = w.digest(last.state) if last else bytes(32)
        if abs(self.now - made.state.tap_time) > 300:
            with pytest.raises(e.ClockError):
                self.card.accept(made, self.now)
            return
        self.signed.append(SignedTap(made, previous, self.card.accept(made, self.now)))

    @precondition(lambda self: self.offers)
    @rule(
        field=st.sampled_from(["seq", "cum_won", "cum_own_won", "day_start_cum_won", "charge_won", "service_day"]),
        by=st.integers(1, 5_000),
    )
    def forged(self, field: str, by: int) -> None:
        """A change after the reader signed is refused, whatever it is."""
        made = self.offers[-1]
        state = replace(made.state, **{field: getattr(made.state, field) + by})
        with pytest.raises(e.WalletError):
            self.card.accept(replace(made, state=state), self.now)

    @precondition(lambda self: self.offers)
    @rule()
    def dropped(self) -> None:
        """A batch that fails leaves the card as it was."""
        made = self.offers[-1]
        if made.state.seq != len(self.signed) + 1 or self.now - made.state.tap_time > 300:
            return

        def failing() -> None:
            with self.journal.batch():
                self.card.stage(made, self.now)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            failing()

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = Journal(self.folder / "journal")
        self.card = TransitCard(w.CARD, w.DIRECTORY, self.journal)

    @invariant()
    def shows_the_models_last_tap(self) -> None:
        presentation = self.card.present()
        assert presentation.last == self._last()
        verify_presentation(presentation, w.DIRECTORY)

    @invariant()
    def sums_are_those_of_the_charges(self) -> None:
        last = self._last()
        total = sum(one.state.charge_won for one in self.signed)
        assert total == (last.state.cum_won if last else 0)

    def teardown(self) -> None:
        self.journal.close()
        shutil.rmtree(self.folder)


class TestCard(CardMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@pytest.mark.long
class TestCardAtLength(CardMachine.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=1_500, stateful_step_count=60, deadline=None)
