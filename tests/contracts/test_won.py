"""Won: ERC-20, EIP-2612, EIP-3009, banks and cases; every refusal by its name, chain and twin alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account
from eth_utils import to_checksum_address
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import addresses
from contracts.codes import Act
from contracts.hashing import keccak
from contracts.signatures import sign
from contracts.twins import won as twin_won
from contracts.twins.won import CANCEL, NOTICE_SECONDS, PERMIT, RECEIVE, REFUSE_REISSUE, TRANSFER, UNLIMITED
from tests.contracts.city import CITY, KOOKMIN, MINT_CAP, SEOUL_METRO, WOORI, Pair, account, sender
from tests.contracts.harness import Outcome, address, key

ALICE, BOB, CARRIER = address("alice"), address("bob"), address("carrier")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DAY = 86_400


def word(value: bytes) -> int:
    return int.from_bytes(value, "big")


def reference(number: int) -> bytes:
    return keccak(b"entry %d" % number)


Signature = tuple[int, bytes, bytes]


def split(signature: bytes) -> Signature:
    return signature[64], signature[:32], signature[32:64]


def high_s(signature: Signature) -> Signature:
    """The same signature with s in the upper half: malleable, so refused."""
    v, r, s = signature
    return 55 - v, r, (ORDER - word(s)).to_bytes(32, "big")


class Steps(Pair):
    """Won's functions, each taken on chain and twin."""

    def won_step(self, by: bytes, function: str, args: Sequence[Any], twin: Any) -> Outcome | str:
        return self.step(by, "Won", function, args, twin)

    def signed(self, by: PrivateKey, struct: str, values: list[object]) -> Signature:
        return split(sign(twin_won.digest(self.clock.chain_id, struct, values), by))

    def transfer(self, by: bytes, to: bytes, amount: int) -> Outcome | str:
        return self.won_step(by, "transfer", [to, amount], lambda: self.won.transfer(by, to, amount))

    def transfer_from(self, by: bytes, holder: bytes, to: bytes, amount: int) -> Outcome | str:
        return self.won_step(
            by, "transferFrom", [holder, to, amount], lambda: self.won.transfer_from(by, holder, to, amount)
        )

    def approve(self, by: bytes, spender: bytes, amount: int) -> Outcome | str:
        return self.won_step(by, "approve", [spender, amount], lambda: self.won.approve(by, spender, amount))

    def mint(self, by: bytes, to: bytes, amount: int, ref: bytes) -> Outcome | str:
        return self.won_step(by, "mint", [to, amount, ref], lambda: self.won.mint(by, to, amount, ref))

    def burn(self, by: bytes, amount: int, ref: bytes) -> Outcome | str:
        return self.won_step(by, "burn", [amount, ref], lambda: self.won.burn(by, amount, ref))

    def permit(self, owner: bytes, spender: bytes, value: int, deadline: int, signature: Signature) -> Outcome | str:
        args = [owner, spender, value, deadline, *signature]
        return self.won_step(
            CARRIER, "permit", args, lambda: self.won.permit(owner, spender, value, deadline, signature)
        )

    def authorised(self, by: bytes, values: Any, signature: Signature, receive: bool = False) -> Outcome | str:
        function = "receiveWithAuthorization" if receive else "transferWithAuthorization"
        twin = self.won.receive_with_authorization if receive else self.won.transfer_with_authorization
        return self.won_step(by, function, [*values, *signature], lambda: twin(by, values, signature))

    def cancel(self, authorizer: bytes, nonce: bytes, signature: Signature) -> Outcome | str:
        return self.won_step(
            CARRIER,
            "cancelAuthorization",
            [authorizer, nonce, *signature],
            lambda: self.won.cancel_authorization(authorizer, nonce, signature),
        )

    def case(self, function: str, *args: Any) -> Outcome | str:
        twin = getattr(self.won, function)
        first = (CARRIER,) if function == "reissue" else ()
        return self.won_step(CARRIER, function, args, lambda: twin(*first, *args))

    def endow(self, to: bytes, amount: int) -> None:
        assert isinstance(self.mint(sender(KOOKMIN, "issue"), to, amount, reference(len(self.won.references))), Outcome)

    def balance(self, holder: bytes) -> int:
        found: int = self.world.call("Won", "balanceOf", [holder])
        assert found == self.won.balances[holder]
        return found


@pytest.fixture
def city() -> Steps:
    steps = Steps()
    steps.endow(ALICE, 10_000)
    return steps


# --- ERC-20


def test_metadata(city: Steps) -> None:
    answers = {name: city.world.call("Won", name) for name in ("name", "symbol", "decimals", "version")}
    assert answers == {"name": "Dure Won", "symbol": "KRW", "decimals": 0, "version": "1"}


def test_transfers(city: Steps) -> None:
    outcome = city.transfer(ALICE, BOB, 4_000)
    assert isinstance(outcome, Outcome)
    assert outcome.value is True
    assert (city.balance(ALICE), city.balance(BOB)) == (6_000, 4_000)
    assert isinstance(city.transfer(ALICE, ALICE, 6_000), Outcome)
    assert isinstance(city.transfer(ALICE, BOB, 0), Outcome)
    assert city.balance(ALICE) == 6_000


def test_transfers_refuse(city: Steps) -> None:
    assert city.transfer(ALICE, BOB, 10_001) == "BALANCE"
    assert city.transfer(BOB, ALICE, 1) == "BALANCE"
    assert city.transfer(ALICE, BOB, 2**256 - 1) == "BALANCE"
    assert city.transfer(ALICE, bytes(20), 1) == "RECEIVER"
    for agreement in addresses.BY_NAME.values():
        assert city.transfer(ALICE, agreement, 1) == "RECEIVER"
    assert city.transfer_from(BOB, ALICE, BOB, 1) == "ALLOWANCE"
    city.approve(ALICE, BOB, 5)
    assert city.transfer_from(BOB, ALICE, addresses.FARES, 1) == "RECEIVER"
    assert city.transfer_from(BOB, ALICE, CARRIER, 6) == "ALLOWANCE"
    city.approve(ALICE, BOB, UNLIMITED)
    assert city.transfer_from(BOB, ALICE, CARRIER, 10_001) == "BALANCE"


def test_allowances(city: Steps) -> None:
    city.approve(ALICE, BOB, 500)
    assert isinstance(city.transfer_from(BOB, ALICE, CARRIER, 200), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == 300
    city.approve(ALICE, BOB, UNLIMITED)
    assert isinstance(city.transfer_from(BOB, ALICE, CARRIER, 200), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == UNLIMITED


def test_an_agreement_takes_by_its_own_hand(city: Steps) -> None:
    city.approve(ALICE, addresses.FARES, 700)
    assert isinstance(city.transfer_from(addresses.FARES, ALICE, addresses.FARES, 700), Outcome)
    assert isinstance(city.transfer(addresses.FARES, addresses.VOUCHERS, 300), Outcome)
    assert isinstance(city.transfer(addresses.FARES, BOB, 400), Outcome)
    assert (city.balance(addresses.FARES), city.balance(addresses.VOUCHERS)) == (0, 300)


# --- EIP-2612


def test_a_permit_is_used_once_and_by_anyone(city: Steps) -> None:
    deadline = city.clock.time
    signature = city.signed(key("alice"), PERMIT, [ALICE, BOB, 900, 0, deadline])
    assert isinstance(city.permit(ALICE, BOB, 900, deadline, signature), Outcome)
    assert city.world.call("Won", "allowance", [ALICE, BOB]) == 900
    assert city.world.call("Won", "nonces", [ALICE]) == 1
    assert city.permit(ALICE, BOB, 900, deadline, signature) == "SIGNATURE"


def test_permits_refuse(city: Steps) -> None:
    now = city.clock.time
    signature = city.signed(key("alice"), PERMIT, [ALICE, BOB, 900, 0, now])
    assert city.permit(ALICE, BOB, 901, now, signature) == "SIGNATURE"
    assert city.permit(BOB, BOB, 900, now, signature) == "SIGNATURE"
    assert city.permit(bytes(20), BOB, 900, now, (27, bytes(32), bytes(32))) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, high_s(signature)) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (29, *signature[1:])) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (signature[0] - 27, *signature[1:])) == "SIGNATURE"
    assert city.permit(ALICE, BOB, 900, now, (signature[0], bytes(32), signature[2])) == "SIGNATURE"
    city.advance(1)
    assert city.permit(ALICE, BOB, 900, now, signature) == "DEADLINE"


# --- EIP-3009


def values_of(city: Steps, holder: bytes = ALICE, to: bytes = BOB, amount: int = 100) -> Any:
    return holder, to, amount, city.clock.time - 10, city.clock.time + 10, reference(99)


def test_an_authorisation_is_used_once(city: Steps) -> None:
    values = values_of(city)
    signature = city.signed(key("alice"), TRANSFER, list(values))
    assert isinstance(city.authorised(CARRIER, values, signature), Outcome)
    assert city.balance(BOB) == 100
    assert city.world.call("Won", "authorizationState", [ALICE, values[5]]) is True
    assert city.authorised(CARRIER, values, signature) == "NONCE"


def test_authorisations_refuse(city: Steps) -> None:
    values = values_of(city)
    signature = city.signed(key("alice"), TRANSFER, list(values))
    wrong = [
        (values, high_s(signature)),
        (values, (26, *signature[1:])),
        (values, city.signed(key("bob"), TRANSFER, list(values))),
        (values, city.signed(key("alice"), RECEIVE, list(values))),
        ((BOB, *values[1:]), signature),
        ((ALICE, CARRIER, *values[2:]), signature),
        ((ALICE, BOB, 101, *values[3:]), signature),
    ]
    for changed, by in wrong:
        assert city.authorised(CARRIER, changed, by) == "SIGNATURE"
    for at, reason in ((3, "EARLY"), (4, "LATE")):
        late = (*values[:at], city.clock.time, *values[at + 1 :])
        assert city.authorised(CARRIER, late, city.signed(key("alice"), TRANSFER, list(late))) == reason
    poor = values_of(city, amount=10_001)
    assert city.authorised(CARRIER, poor, city.signed(key("alice"), TRANSFER, list(poor))) == "BALANCE"
    into = values_of(city, to=addresses.FARES)
    assert city.authorised(CARRIER, into, city.signed(key("alice"), TRANSFER, list(into))) == "RECEIVER"


def test_only_the_receiver_carries_a_receive(city: Steps) -> None:
    values = values_of(city, to=addresses.FARES)
    signature = city.signed(key("alice"), RECEIVE, list(values))
    assert city.authorised(CARRIER, values, signature, receive=True) == "SENDER"
    assert city.authorised(addresses.FARES, values, high_s(signature), receive=True) == "SIGNATURE"
    assert isinstance(city.authorised(addresses.FARES, values, signature, receive=True), Outcome)
    assert city.balance(addresses.FARES) == 100


def test_a_cancelled_authorisation_is_spoilt(city: Steps) -> None:
    values = values_of(city)
    nonce = values[5]
    signature = city.signed(key("alice"), CANCEL, [ALICE, nonce])
    assert city.cancel(BOB, nonce, signature) == "SIGNATURE"
    assert city.cancel(ALICE, nonce, high_s(signature)) == "SIGNATURE"
    assert isinstance(city.cancel(ALICE, nonce, signature), Outcome)
    assert city.cancel(ALICE, nonce, signature) == "NONCE"
    assert city.authorised(CARRIER, values, city.signed(key("alice"), TRANSFER, list(values))) == "NONCE"


def test_digests_are_those_of_eth_account(city: Steps) -> None:
    values = {"owner": ALICE, "spender": BOB, "value": 5, "nonce": 0, "deadline": city.clock.time + 5}
    signed = Account.sign_typed_data(
        key("alice").secret,
        {"name": "Dure Won", "version": "1", "chainId": city.clock.chain_id, "verifyingContract": addresses.WON},
        {"Permit": [{"name": n, "type": t} for t, n in (part.split() for part in PERMIT[7:-1].split(","))]},
        {name: to_checksum_address(v) if isinstance(v, bytes) else v for name, v in values.items()},
    )
    assert isinstance(city.permit(ALICE, BOB, 5, city.clock.time + 5, split(bytes(signed.signature))), Outcome)


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


REASON = reference(500)


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


# --- chain and twin under random steps

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
