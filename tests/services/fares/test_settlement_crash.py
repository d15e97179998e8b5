"""A process that ends at any durable step of settling loses nothing and doubles nothing (money.md §3)."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from services.database import open_database
from services.fares import settlement_reading
from services.outbox import Outbox
from tests.services.fares.town import Town, after, cards
from tests.services.fares.world import DAY, MORNING, Card

DAY_S = 86_400


class KilledError(BaseException):
    """The process ends here; nothing catches it."""


def restart(town: Town) -> None:
    """What a start finds: the files alone. Services recover before anything else, and banks hear of all again."""
    url = town.engine.url
    town.engine.dispose()
    town.chain.engine = open_database(url.render_as_string(hide_password=False))
    town.chain.restart()
    town.open()
    town.bank.recover()
    town.settlement.recover()
    town.adjustments.after_block()
    town.settled.clear()
    town.corrected.clear()
    town.hear(town.settlement.settled(), town.adjustments.booked())


def prepare(town: Town) -> list[Card]:
    riders = cards("one", "two", "three")
    town.enrol(*riders, balance_won=1_000)
    town.until(MORNING)
    for at, card in enumerate(riders):
        town.city.ride(card, MORNING + 60 * at)
    town.city.tap_in(riders[0], town.city.bus("143"), MORNING + 2_400, "강남역")  # no tap-off
    town.upload()
    town.until(after(DAY, 1))
    return riders


def kill_at(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Ends the process at a step: before or after what it names is durable."""

    def die(*_: object, **__: object) -> None:
        raise KilledError

    if step == "before the plan is stored":
        commit = Session.commit

        def dying(session: Session) -> None:
            if any(type(one).__name__ == "Batch" for one in session.identity_map.values()):
                raise KilledError
            commit(session)

        monkeypatch.setattr(Session, "commit", dying)
    elif step == "before the plan is sent":
        monkeypatch.setattr(Outbox, "send", die)
    elif step == "after the plan is sent":
        send = Outbox.send

        def sending(outbox: Outbox, item: object) -> None:
            send(outbox, item)  # type: ignore[arg-type]
            raise KilledError

        monkeypatch.setattr(Outbox, "send", sending)
    elif step == "before the batch is marked as read":
        monkeypatch.setattr(settlement_reading, "_mark", die)
    else:
        monkeypatch.setattr(Town, "hear", die)


STEPS = (
    "before the plan is stored",
    "before the plan is sent",
    "after the plan is sent",
    "before the batch is marked as read",
    "before the bank hears of it",
)


@pytest.mark.parametrize("step", STEPS)
def test_settling_killed_at_any_step_is_finished_by_the_next_start(
    town: Town, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    riders = prepare(town)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            town.settle()
    restart(town)
    town.settle()
    town.seal()
    assert len(town.chain.client.events("Fares", "Settled")) == 1
    assert [(leaf.card, leaf.code) for batch in town.settled for leaf in batch.leaves] == [
        (card, 0) for card in sorted(one.address for one in riders)
    ]
    fares = sum(card.history[-1].state.cum_won for card in riders)
    assert sum(leaf.increase_won for batch in town.settled for leaf in batch.leaves) == fares
    assert town.bank.guarantee.owed_won() == fares - 3 * 1_000
    assert town.bank.guarantee.collect("all", now=town.chain.now) == fares - 3 * 1_000


def correct(town: Town) -> None:
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()


@pytest.mark.parametrize("step", ["before the plan is sent", "after the plan is sent", "before the bank hears of it"])
def test_a_correction_killed_at_any_step_is_finished_by_the_next_start(
    town: Town, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    riders = prepare(town)
    town.settle()
    missing = riders[0].history[-1].state.missing_out_won
    owed = town.bank.guarantee.owed_won()
    town.until(after(DAY, 73))
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            correct(town)
    restart(town)
    town.adjustments.missing_tap_offs(DAY, now=town.chain.now)
    town.seal()
    town.seal()
    assert [(one.card, one.delta_won) for one in town.corrected] == [(riders[0].address, missing)]
    assert town.bank.guarantee.collect("all", now=town.chain.now) == owed + missing
