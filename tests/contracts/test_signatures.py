"""secp256k1 signatures: what holds, and everything malformed that must not."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SignatureError
from contracts.hashing import keccak
from contracts.signatures import address_of, from_compact, recover, sign, to_compact, verify

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PRIME = 2**256 - 2**32 - 977
KEY = PrivateKey(keccak(b"a key"))
DIGEST = keccak(b"a message")
GOOD = sign(DIGEST, KEY)
R, S, V = GOOD[:32], GOOD[32:64], GOOD[64:]


def number(value: int) -> bytes:
    return value.to_bytes(32, "big")


def test_a_signature_holds_and_repeats() -> None:
    verify(DIGEST, GOOD, address_of(KEY))
    assert sign(DIGEST, KEY) == GOOD


@given(secret=st.integers(1, ORDER - 1), message=st.binary(max_size=64))
def test_signatures_and_addresses_are_those_of_eth_account(secret: int, message: bytes) -> None:
    digest, key = keccak(message), PrivateKey(number(secret))
    theirs = Account.from_key(number(secret))
    assert address_of(key).hex() == theirs.address[2:].lower()
    assert sign(digest, key) == bytes(Account.unsafe_sign_hash(digest, theirs.key).signature)
    assert recover(digest, sign(digest, key)) == address_of(key)


@given(secret=st.integers(1, ORDER - 1), message=st.binary(max_size=8))
def test_the_compact_form_comes_back(secret: int, message: bytes) -> None:
    signature = sign(keccak(message), PrivateKey(number(secret)))
    assert from_compact(*to_compact(signature)) == signature


MALFORMED = {
    "empty": b"",
    "one byte short": GOOD[:-1],
    "one byte long": GOOD + b"\0",
    "compact form": GOOD[:64],
    "v 0": R + S + b"\0",
    "v 1": R + S + b"\x01",
    "v 26": R + S + b"\x1a",
    "v 29": R + S + b"\x1d",
    "v of EIP-155": R + S + b"\x25",
    "high s": R + number(ORDER - int.from_bytes(S, "big")) + bytes((55 - V[0],)),
    "s zero": R + bytes(32) + V,
    "s the order": R + number(ORDER) + V,
    "s just above half": R + number(ORDER // 2 + 1) + V,
    "r zero": bytes(32) + S + V,
    "r the order": number(ORDER) + S + V,
    "r beyond the field": number(PRIME) + S + V,
    "r no point": number(5) + S + V,
    "all ones": b"\xff" * 64 + V,
    "all zeros": bytes(65),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_signatures_are_refused(fault: str) -> None:
    with pytest.raises(SignatureError):
        recover(DIGEST, MALFORMED[fault])


@given(at=st.integers(0, 64 * 8 - 1))
def test_no_flipped_bit_verifies(at: int) -> None:
    changed = bytearray(GOOD)
    changed[at // 8] ^= 1 << at % 8
    with pytest.raises(SignatureError):
        verify(DIGEST, bytes(changed), address_of(KEY))


def test_another_signer_and_another_message_are_refused() -> None:
    with pytest.raises(SignatureError, match="expected"):
        verify(DIGEST, GOOD, address_of(PrivateKey(keccak(b"another key"))))
    with pytest.raises(SignatureError):
        verify(keccak(b"another message"), GOOD, address_of(KEY))
