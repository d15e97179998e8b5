"""Won: what banks and the council's cases do; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from typing import Any

import pytest

from contracts import addresses
from contracts.codes import Act
from contracts.twins.won import NOTICE_SECONDS, REFUSE_REISSUE, TRANSFER
from tests.contracts.city import CITY, KOOKMIN, MINT_CAP, SEOUL_METRO, WOORI, account, sender
from tests.contracts.harness import Outcome, key
from tests.contracts.won_steps import ALICE, BOB, CARRIER, DAY, REASON, Signature, Steps, high_s, reference, word


@pytest.fixture
def city() -> Steps:
    steps = Steps()
    steps.endow(ALICE, 10_000)
    return steps


def values_of(city: Steps, holder: bytes = ALICE, to: bytes = BOB, amount: int = 100) -> Any:
    return holder, to, amount, city.clock.time - 10, city.clock.time + 10, reference(99)


# --- banks


def test_a_bank_mints_and_burns_against_its_entries(city: Steps) -> None:
    issue = sender(WOORI, "issue")
    minted = city.mint(issue, account(WOORI), 3_000, reference(1_000))
    assert isinstance(minted, Outcome)
    assert minted.value is True
    assert city.burn(issue, 3_000, reference(1_000)) == "REFERENCE"
    city.transfer(ALICE, account(WOORI), 500)
    assert isinstance(city.burn(issue, 3_500, reference(1_001)), Outcome)
    assert city.world.call("Won", "issued", [WOORI]) == -500
    assert city.world.call("Won", "issued", [KOOKMIN]) == 10_000
    assert city.world.call("Won", "totalSupply") == 9_500
    assert isinstance(city.mint(sender(KOOKMIN, "issue"), BOB, 1, reference(1_000)), Outcome)


def test_banks_refuse(city: Steps) -> None:
    issue = sender(KOOKMIN, "issue")
    for stranger in (sender(CITY, "issue"), sender(KOOKMIN, "settle"), sender(SEOUL_METRO, "issue"), ALICE):
        assert city.mint(stranger, BOB, 1, reference(7)) == "SENDER"
        assert city.burn(stranger, 1, reference(7)) == "SENDER"
    assert city.mint(issue, BOB, 0, reference(7)) == "AMOUNT"
    assert city.mint(issue, BOB, 2**64, reference(7)) == "AMOUNT"
    assert city.mint(issue, BOB, 1, bytes(32)) == "REFERENCE"
    assert city.mint(issue, BOB, 1, reference(0)) == "REFERENCE"
    assert city.mint(issue, bytes(20), 1, reference(7)) == "RECEIVER"
    assert city.mint(issue, addresses.FARES, 1, reference(7)) == "RECEIVER"
    assert city.burn(issue, 0, reference(7)) == "AMOUNT"
    assert city.burn(issue, 1, bytes(32)) == "REFERENCE"
    assert city.burn(issue, 1, reference(7)) == "BALANCE"
    city.decide(Act.SET_ACTIVE, KOOKMIN, 0)
    assert city.mint(issue, BOB, 1, reference(7)) == "SENDER"


def test_beyond_the_days_cap_two_keys_mint(city: Steps) -> None:
    first, second = sender(KOOKMIN, "issue"), sender(KOOKMIN, "issue 2")
    amount = MINT_CAP - 10_000 + 1
    for by, expected in ((first, False), (first, False), (second, True)):
        outcome = city.mint(by, BOB, amount, reference(50))
        assert isinstance(outcome, Outcome)
        assert outcome.value is expected
    assert city.balance(BOB) == amount
    assert city.mint(second, BOB, amount, reference(50)) == "REFERENCE"
    assert city.mint(second, BOB, 1, reference(51)).value is False  # type: ignore[union-attr]
    assert city.mint(sender(WOORI, "issue"), BOB, 1, reference(51)).value is True  # type: ignore[union-attr]
    city.advance(DAY)
    assert city.mint(first, BOB, 1, reference(51)).value is True  # type: ignore[union-attr]


def test_the_second_key_comes_on_the_same_day_and_the_first_still_stands(city: Steps) -> None:
    first, second = sender(KOOKMIN, "issue"), sender(KOOKMIN, "issue 2")
    city.mint(first, BOB, MINT_CAP + 1, reference(50))
    city.advance(DAY)
    assert city.mint(second, BOB, MINT_CAP + 1, reference(50)).value is False  # type: ignore[union-attr]
    city.decide(Act.SET_KEY, KOOKMIN, word(second), 0)
    assert city.mint(first, BOB, MINT_CAP + 1, reference(50)).value is False  # type: ignore[union-attr]


def test_the_council_sets_the_cap(city: Steps) -> None:
    number = city.decide(Act.MINT_CAP, KOOKMIN, 5)
    assert city.case("set_mint_cap", number, KOOKMIN, 6) == "CASE"
    assert city.case("set_mint_cap", number, WOORI, 5) == "CASE"
    assert city.case("set_mint_cap", number + 1, KOOKMIN, 5) == "CASE"
    assert isinstance(city.case("set_mint_cap", number, KOOKMIN, 5), Outcome)
    assert city.case("set_mint_cap", number, KOOKMIN, 5) == "CASE"
    assert city.mint(sender(KOOKMIN, "issue"), BOB, 1, reference(8)).value is False  # type: ignore[union-attr]


# --- cases


def test_a_frozen_holder_receives_but_does_not_spend_until_the_date(city: Steps) -> None:
    until = city.clock.time + 100
    city.endow(BOB, 50)
    number = city.decide(Act.FREEZE, word(ALICE), until, word(REASON))
    assert isinstance(city.case("freeze", number, ALICE, until, REASON), Outcome)
    assert city.case("freeze", number, ALICE, until, REASON) == "CASE"
    city.approve(ALICE, BOB, 10)
    values = values_of(city)
    assert city.transfer(ALICE, BOB, 1) == "FROZEN"
    assert city.transfer_from(BOB, ALICE, BOB, 1) == "FROZEN"
    assert city.authorised(CARRIER, values, city.signed(key("alice"), TRANSFER, list(values))) == "FROZEN"
    assert isinstance(city.transfer(BOB, ALICE, 1), Outcome)
    city.advance(99)
    assert city.transfer(ALICE, BOB, 1) == "FROZEN"
    city.advance(1)
    assert isinstance(city.transfer(ALICE, BOB, 1), Outcome)


def test_a_frozen_bank_does_not_burn(city: Steps) -> None:
    city.endow(account(KOOKMIN), 10)
    until = city.clock.time + 100
    number = city.decide(Act.FREEZE, word(account(KOOKMIN)), until, word(REASON))
    city.case("freeze", number, account(KOOKMIN), until, REASON)
    assert city.burn(sender(KOOKMIN, "issue"), 1, reference(9)) == "FROZEN"


def test_unfreezing(city: Steps) -> None:
    until = city.clock.time + 100
    number = city.decide(Act.FREEZE, word(ALICE), until, word(REASON))
    city.case("freeze", number, ALICE, until, REASON)
    lifted = city.decide(Act.UNFREEZE, word(ALICE), word(REASON))
    assert city.case("unfreeze", number, ALICE, REASON) == "CASE"
    assert city.case("unfreeze", lifted, BOB, REASON) == "CASE"
    assert isinstance(city.case("unfreeze", lifted, ALICE, REASON), Outcome)
    assert city.case("unfreeze", lifted, ALICE, REASON) == "CASE"
    assert isinstance(city.transfer(ALICE, BOB, 1), Outcome)


def test_freezes_refuse(city: Steps) -> None:
    now = city.clock.time
    assert city.case("freeze", 1, ALICE, now, REASON) == "UNTIL"
    assert city.case("freeze", 1, ALICE, now + 367 * DAY, REASON) == "UNTIL"
    assert city.case("freeze", 1, addresses.FARES, now + 1, REASON) == "HOLDER"
    assert city.case("freeze", 1, ALICE, now + 1, REASON) == "CASE"
    number = city.decide(Act.FREEZE, word(ALICE), now + 9, word(REASON))
    assert city.case("freeze", number, ALICE, now + 8, REASON) == "CASE"
    assert city.case("freeze", number, ALICE, now + 9, reference(1)) == "CASE"
    assert city.case("freeze", number, BOB, now + 9, REASON) == "CASE"


def test_an_open_proposal_decides_nothing(city: Steps) -> None:
    words = [word(ALICE), city.clock.time + 9, word(REASON), 0]
    city.world.transact(sender(CITY, "approve"), "Organisations", "propose", [Act.FREEZE, words])
    city.organisations.propose(sender(CITY, "approve"), Act.FREEZE, words)
    assert city.case("freeze", 1, ALICE, city.clock.time + 9, REASON) == "CASE"


def test_a_lost_keys_won_is_reissued_after_its_notice(city: Steps) -> None:
    number = city.decide(Act.REISSUE, word(ALICE), word(BOB), word(REASON))
    assert city.case("reissue", number, ALICE, CARRIER, REASON) == "CASE"
    assert city.case("reissue", number, ALICE, BOB, REASON) == "NOTICE"
    city.advance(NOTICE_SECONDS - 1)
    assert city.case("reissue", number, ALICE, BOB, REASON) == "NOTICE"
    city.advance(1)
    assert isinstance(city.case("reissue", number, ALICE, BOB, REASON), Outcome)
    assert (city.balance(ALICE), city.balance(BOB)) == (0, 10_000)
    assert city.case("reissue", number, ALICE, BOB, REASON) == "CASE"


def test_a_holder_who_has_the_key_refuses_the_reissue(city: Steps) -> None:
    number = city.decide(Act.REISSUE, word(ALICE), word(BOB), word(REASON))
    signature = city.signed(key("alice"), REFUSE_REISSUE, [ALICE, number])

    def refuse(holder: bytes, by: Signature) -> Outcome | str:
        return city.won_step(
            CARRIER,
            "refuse_reissue",
            [number, holder, *by],
            lambda: city.won.refuse_reissue(number, holder, by),
        )

    assert refuse(BOB, signature) == "SIGNATURE"
    assert refuse(ALICE, high_s(signature)) == "SIGNATURE"
    assert isinstance(refuse(BOB, city.signed(key("bob"), REFUSE_REISSUE, [BOB, number])), Outcome)
    city.advance(NOTICE_SECONDS)
    with city.world.rolled_back():
        city.world.transact(CARRIER, "Won", "reissue", [number, ALICE, BOB, REASON])
    assert isinstance(refuse(ALICE, signature), Outcome)
    assert city.case("reissue", number, ALICE, BOB, REASON) == "REFUSED"


def test_reissues_refuse(city: Steps) -> None:
    frozen = city.decide(Act.FREEZE, word(ALICE), city.clock.time + 20 * DAY, word(REASON))
    city.case("freeze", frozen, ALICE, city.clock.time + 20 * DAY, REASON)
    numbers = [
        city.decide(Act.REISSUE, word(holder), word(to), word(REASON))
        for holder, to in ((addresses.FARES, BOB), (BOB, addresses.FARES), (BOB, bytes(20)), (ALICE, BOB))
    ]
    city.advance(NOTICE_SECONDS)
    assert city.case("reissue", numbers[0], addresses.FARES, BOB, REASON) == "HOLDER"
    assert city.case("reissue", numbers[1], BOB, addresses.FARES, REASON) == "RECEIVER"
    assert city.case("reissue", numbers[2], BOB, bytes(20), REASON) == "RECEIVER"
    assert city.case("reissue", numbers[3], ALICE, BOB, REASON) == "FROZEN"
