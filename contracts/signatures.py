"""secp256k1 signatures over 32-byte digests, straight from libsecp256k1.

A signature is 65 bytes r ‖ s ‖ v with v 27 or 28 and s in the lower half (receipts.md §2; EIP-2). Signing is
deterministic (RFC 6979), so a repeated signature is the same signature.
"""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey, PublicKey

from contracts.errors import SignatureError
from contracts.hashing import keccak

SIGNATURE_BYTES: Final = 65
_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER: Final = _ORDER // 2
_V_OFFSET: Final = 27
_PARITY_BIT: Final = 1 << 255


def address_of(key: PrivateKey) -> bytes:
    """The 20-byte address of a private key."""
    return keccak(key.public_key.format(compressed=False)[1:])[12:]


def sign(digest: bytes, key: PrivateKey) -> bytes:
    """Signs a 32-byte digest: 65 bytes r ‖ s ‖ v."""
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes((signature[64] + _V_OFFSET,))


def recover(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed `digest`.

    Raises SignatureError for a wrong length, v other than 27 or 28, a high s, or numbers that are no point.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"a signature has {SIGNATURE_BYTES} bytes, this one {len(signature)}")
    v = signature[64]
    if v not in (27, 28):
        raise SignatureError(f"v is 27 or 28, this one {v}")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise SignatureError("s stands in the upper half of the order")
    try:
        public = PublicKey.from_signature_and_message(signature[:64] + bytes((v - _V_OFFSET,)), digest, hasher=None)
    except Exception as error:  # coincurve raises plain Exception for numbers outside the curve
        raise SignatureError("r and s are no signature") from error
    return keccak(public.format(compressed=False)[1:])[12:]


def verify(digest: bytes, signature: bytes, signer: bytes) -> None:
    """Raises SignatureError unless `signer` (20 bytes) signed `digest`."""
    found = recover(digest, signature)
    if found != signer:
        raise SignatureError(f"signed by 0x{found.hex()}, expected 0x{signer.hex()}")


def to_compact(signature: bytes) -> tuple[int, int]:
    """(r, vs) of EIP-2098: the parity of v in the top bit of s."""
    parity = _PARITY_BIT if signature[64] == 28 else 0
    return int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big") | parity


def from_compact(r: int, vs: int) -> bytes:
    """The 65-byte form of an EIP-2098 signature."""
    v = 28 if vs & _PARITY_BIT else 27
    return r.to_bytes(32, "big") + (vs & (_PARITY_BIT - 1)).to_bytes(32, "big") + bytes((v,))
