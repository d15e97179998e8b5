"""EIP-712 messages about money, and the sentences in which a person reads them.

Won takes EIP-2612 permits and EIP-3009 transfers, whose fields are fixed by those standards. A payment's sentences
stand inside what is signed all the same: the EIP-3009 nonce, 32 bytes of the payer's choice, is the SHA-256 over a
salt and the sentences (money.md §2). The sentence of a tap is rendered from its fields and not signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Final

from contracts.addresses import WON
from contracts.hashing import sha256
from contracts.messages import FareState
from wallets.keys import to_text
from wallets.statements import (
    Fields,
    Statement,
    StatementError,
    Value,
    check_party,
    check_salt,
    clock_text,
    message_digest,
)
from wallets.taps import Tap

WON_DOMAIN: Final = "Dure Won"
_PERMIT: Final = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)


def permit_digest(owner: bytes, spender: bytes, amount_won: int, nonce: int, deadline: int, chain_id: int) -> bytes:
    """Digest of an EIP-2612 permit over Won: 32 bytes. Addresses 20 bytes, `deadline` UTC epoch seconds.

    Raises EncodingError for a value that does not fit its field.
    """
    return message_digest(WON_DOMAIN, WON, "Permit", _PERMIT, (owner, spender, amount_won, nonce, deadline), chain_id)


@dataclass(frozen=True, slots=True)
class Payment(Statement):
    """A payment in Won as its payer reads and signs it: TransferWithAuthorization of EIP-3009.

    payee_name: as the payer knows it · valid_after, valid_before: UTC epoch seconds, both exclusive ·
    salt: 16 random bytes, so that equal payments differ and the nonce tells a stranger nothing.
    """

    DOMAIN: ClassVar[str] = WON_DOMAIN
    AGREEMENT: ClassVar[bytes] = WON
    KIND: ClassVar[str] = "TransferWithAuthorization"
    FIELDS: ClassVar[Fields] = (
        ("from", "address"),
        ("to", "address"),
        ("value", "uint256"),
        ("validAfter", "uint256"),
        ("validBefore", "uint256"),
        ("nonce", "bytes32"),
    )

    payer: bytes
    payee: bytes
    payee_name: str
    amount_won: int
    valid_after: int
    valid_before: int
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raises StatementError for a name, amount, time or salt that cannot stand in a payment."""
        check_party(self.payee_name)
        if not 1 <= self.amount_won < 1 << 63:
            raise StatementError("a payment is of at least 1 won")
        if not 0 <= self.valid_after < self.valid_before < 1 << 32:
            raise StatementError("a payment's validity ends after it begins")
        check_salt(self.salt)

    @property
    def signer(self) -> bytes:
        """The payer."""
        return self.payer

    def sentence(self, language: str) -> str:
        """What the payer signs, in "ko" or "en"."""
        until, address = clock_text(self.valid_before), to_text(self.payee)
        if language == "ko":
            return f"지급: {self.amount_won:,}원, 받는 이: {self.payee_name} ({address}), 기한: {until}"
        return f"Pay {self.amount_won:,} won to {self.payee_name} ({address}), valid until {until}"

    @property
    def nonce(self) -> bytes:
        """EIP-3009 nonce: SHA-256(salt ‖ SHA-256(Korean) ‖ SHA-256(English)), 32 bytes."""
        return sha256(self.salt + sha256(self.sentence("ko").encode()) + sha256(self.sentence("en").encode()))

    def values(self) -> tuple[Value, ...]:
        """What is signed, in the order of FIELDS."""
        return self.payer, self.payee, self.amount_won, self.valid_after, self.valid_before, self.nonce


def tap_sentence(state: FareState, tap: Tap, language: str) -> str:
    """A tap in words, "ko" or "en", from its fields alone; stops stand in Korean, as the network names them."""
    clock = clock_text(state.tap_time)
    where = " ".join(part for part in (tap.route, tap.line, tap.stop) if part)
    if language == "ko":
        kind = "승차" if tap.kind == "IN" else "하차"
        return f"{clock}, {where} {kind}: {state.charge_won:,}원, 누적 {state.cum_won:,}원 ({state.seq}번째)"
    kind = "on" if tap.kind == "IN" else "off"
    return f"{clock}, tap-{kind} at {where}: {state.charge_won:,} won, {state.cum_won:,} won in all (tap {state.seq})"
