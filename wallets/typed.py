"""EIP-712 messages about money, and the sentences in which a person reads them.

Won takes EIP-2612 permits and EIP-3009 transfers, whose fields are fixed by those standards. A payment's sentences
stand inside what is signed all the same: the EIP-3009 nonce, 32 bytes of the payer's choice, is the SHA-256 over a
salt and the sentences (money.md §2). The sentence of a tap is rendered from its fields and not signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from coincurve import PrivateKey
from eth_account.messages import encode_typed_data

from contracts.addresses import WON
from contracts.hashing import keccak, sha256
from contracts.messages import FareState
from contracts.signatures import sign
from wallets.errors import StatementError
from wallets.keys import to_text
from wallets.limits import MAX_PAYEE_LETTERS
from wallets.taps import SALT_BYTES, Tap

WON_DOMAIN: Final = "Dure Won"
_AUTHORIZATION: Final = (
    ("from", "address"),
    ("to", "address"),
    ("value", "uint256"),
    ("validAfter", "uint256"),
    ("validBefore", "uint256"),
    ("nonce", "bytes32"),
)
_PERMIT: Final = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)
_KST: Final = timedelta(hours=9)


def _won_digest(name: str, fields: tuple[tuple[str, str], ...], values: dict[str, Any], chain_id: int) -> bytes:
    encoded = encode_typed_data(
        domain_data={"name": WON_DOMAIN, "version": "1", "chainId": chain_id, "verifyingContract": to_text(WON)},
        message_types={name: [{"name": key, "type": kind} for key, kind in fields]},
        message_data=values,
    )
    return keccak(b"\x19" + encoded.version + encoded.header + encoded.body)


def permit_digest(owner: bytes, spender: bytes, amount_won: int, nonce: int, deadline: int, chain_id: int) -> bytes:
    """Digest of an EIP-2612 permit over Won: 32 bytes. Addresses 20 bytes, `deadline` UTC epoch seconds."""
    values = {
        "owner": to_text(owner),
        "spender": to_text(spender),
        "value": amount_won,
        "nonce": nonce,
        "deadline": deadline,
    }
    return _won_digest("Permit", _PERMIT, values, chain_id)


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment in Won as its payer reads and signs it: TransferWithAuthorization of EIP-3009.

    payee_name: as the payer knows it · valid_after, valid_before: UTC epoch seconds, both exclusive ·
    salt: 16 random bytes, so that equal payments differ and the nonce tells a stranger nothing.
    """

    payer: bytes
    payee: bytes
    payee_name: str
    amount_won: int
    valid_after: int
    valid_before: int
    salt: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raises StatementError for a name, amount, time or salt that cannot stand in a payment."""
        if not 1 <= len(self.payee_name) <= MAX_PAYEE_LETTERS or not self.payee_name.isprintable():
            raise StatementError(f"a payee's name has 1 to {MAX_PAYEE_LETTERS} printable letters")
        if not 1 <= self.amount_won < 1 << 63:
            raise StatementError("a payment is of at least 1 won")
        if not 0 <= self.valid_after < self.valid_before < 1 << 32:
            raise StatementError("a payment's validity ends after it begins")
        if len(self.salt) != SALT_BYTES:
            raise StatementError(f"a salt has {SALT_BYTES} bytes")

    def sentence(self, language: str) -> str:
        """What the payer signs, in "ko" or "en"."""
        until = f"{datetime.fromtimestamp(self.valid_before, UTC) + _KST:%Y-%m-%d %H:%M:%S} KST"
        address = to_text(self.payee)
        if language == "ko":
            return f"지급: {self.amount_won:,}원, 받는 이: {self.payee_name} ({address}), 기한: {until}"
        return f"Pay {self.amount_won:,} won to {self.payee_name} ({address}), valid until {until}"

    @property
    def nonce(self) -> bytes:
        """EIP-3009 nonce: SHA-256(salt ‖ SHA-256(Korean) ‖ SHA-256(English)), 32 bytes."""
        return sha256(self.salt + sha256(self.sentence("ko").encode()) + sha256(self.sentence("en").encode()))

    def digest(self, chain_id: int) -> bytes:
        """What is signed: 32 bytes."""
        values = {
            "from": to_text(self.payer),
            "to": to_text(self.payee),
            "value": self.amount_won,
            "validAfter": self.valid_after,
            "validBefore": self.valid_before,
            "nonce": self.nonce,
        }
        return _won_digest("TransferWithAuthorization", _AUTHORIZATION, values, chain_id)

    def sign(self, key: PrivateKey, chain_id: int) -> bytes:
        """The payer's signature: 65 bytes."""
        return sign(self.digest(chain_id), key)


def tap_sentence(state: FareState, tap: Tap, language: str) -> str:
    """A tap in words, "ko" or "en", from its fields alone; stops stand in Korean, as the network names them."""
    clock = f"{datetime.fromtimestamp(state.tap_time, UTC) + _KST:%Y-%m-%d %H:%M:%S} KST"
    where = " ".join(part for part in (tap.route, tap.line, tap.stop) if part)
    if language == "ko":
        kind = "승차" if tap.kind == "IN" else "하차"
        return f"{clock}, {where} {kind}: {state.charge_won:,}원, 누적 {state.cum_won:,}원 ({state.seq}번째)"
    kind = "on" if tap.kind == "IN" else "off"
    return f"{clock}, tap-{kind} at {where}: {state.charge_won:,} won, {state.cum_won:,} won in all (tap {state.seq})"
