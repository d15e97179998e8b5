"""Keys from one seed: BIP-32 derivation through eth-account, and the paths that Dure uses.

    m/44'/60'/wallet'/0/0                         the account that holds Won (BIP-44: any Ethereum wallet finds it)
    m/1148547685'/wallet'/1'/month'/instance'     a transit card: month = year * 12 + (month − 1), instance 0 to 255
    m/1148547685'/wallet'/2'/group'/period'       a one-time voucher credential
    m/1148547685'/wallet'/3'/purpose'/number'     a pseudonym: one hospital, one election (later services)

1148547685 is "Dure" in ASCII, a purpose of our own (BIP-43). Below it every step is hardened: a card's key that leaks
reveals no other, and no public key joins two cards. `wallet` is 0 for a person; one keystore may hold many.
"""

from __future__ import annotations

from typing import Final

from coincurve import PrivateKey
from eth_account.hdaccount.deterministic import HDPath
from eth_utils.address import is_checksum_address, to_checksum_address
from eth_utils.exceptions import ValidationError

from wallets.errors import AddressError, PathError

PURPOSE: Final = 0x44757265
_CARD, _CREDENTIAL, _PSEUDONYM = 1, 2, 3
_HARDENED: Final = 1 << 31
MIN_SEED_BYTES: Final = 16  # BIP-32's shortest and longest seed
MAX_SEED_BYTES: Final = 64


def derive(seed: bytes, path: str) -> bytes:
    """The private key at a BIP-32 path from a seed of 16 to 64 bytes: 32 bytes. Raises PathError."""
    if not MIN_SEED_BYTES <= len(seed) <= MAX_SEED_BYTES:
        raise PathError(f"a seed has {MIN_SEED_BYTES} to {MAX_SEED_BYTES} bytes, this one {len(seed)}")
    try:
        return bytes(HDPath(path).derive(seed))
    except ValidationError as error:
        raise PathError(f"{path!r} is no derivation path") from error


def _step(value: int, name: str) -> int:
    if not 0 <= value < _HARDENED:
        raise PathError(f"{name} {value} is not between 0 and {_HARDENED - 1}")
    return value


class Keyring:
    """The keys of one wallet under a seed (16 to 64 bytes, secret)."""

    __slots__ = ("_seed", "_wallet")

    def __init__(self, seed: bytes, wallet: int = 0) -> None:
        self._seed, self._wallet = seed, _step(wallet, "wallet")

    def __repr__(self) -> str:
        return f"Keyring(wallet={self._wallet})"

    def account(self) -> PrivateKey:
        """Key of the account that holds Won."""
        return PrivateKey(derive(self._seed, f"m/44'/60'/{self._wallet}'/0/0"))

    def card(self, month: int, instance: int) -> PrivateKey:
        """Key of a transit card; `instance` comes from card.claim_instance, so that none serves twice."""
        return self._key(_CARD, _step(month, "month"), _step(instance, "instance"))

    def credential(self, group: int, period: int) -> PrivateKey:
        """Key of the one-time credential of an exclusion group and period."""
        return self._key(_CREDENTIAL, _step(group, "group"), _step(period, "period"))

    def pseudonym(self, purpose: int, number: int) -> PrivateKey:
        """Key of a pseudonym that no other is joined to."""
        return self._key(_PSEUDONYM, _step(purpose, "purpose"), _step(number, "number"))

    def _key(self, use: int, first: int, second: int) -> PrivateKey:
        return PrivateKey(derive(self._seed, f"m/{PURPOSE}'/{self._wallet}'/{use}'/{first}'/{second}'"))


def to_text(address: bytes) -> str:
    """EIP-55 text of a 20-byte address."""
    return to_checksum_address(address)


def from_text(text: str) -> bytes:
    """The 20 bytes of an EIP-55 address. Raises AddressError, also for mixed case that is no checksum."""
    if not is_checksum_address(text):
        raise AddressError(f"{text[:64]!r} is no address with a valid checksum")
    return bytes.fromhex(text[2:])
