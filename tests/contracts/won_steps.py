"""Steps of Won that chain and twin take together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coincurve import PrivateKey

from contracts.hashing import keccak
from contracts.signatures import sign
from contracts.twins import won as twin_won
from tests.contracts.city import KOOKMIN, Pair, sender
from tests.contracts.harness import Outcome, address

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


REASON = reference(500)
