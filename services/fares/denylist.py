"""Cards that no gate opens for (zeropay.md §6.1): an exact set, versioned, signed by the clearing house.

A delta leads from one version to a later one; a full list (base 0) from anywhere. An exact set of 500,000 cards fits a
reader of today, so nobody is refused for a collision in a filter.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from contracts.errors import SignatureError
from contracts.hashing import keccak, sha256
from contracts.messages import ReaderCertificate, domain_separator, typed_digest
from contracts.signatures import recover
from services.fares.errors import CardDeniedError, DenylistError, DenylistStaleError
from services.fares.limits import DENYLIST_FRESH_S, DENYLIST_STALE_S, MAX_DENYLIST


class Reason(StrEnum):
    """Why a card is denied. FROZEN_VOUCHER stops no ride: the guarantor pays instead of the voucher."""

    LOST = "LOST"
    STOLEN = "STOLEN"
    FRAUD = "FRAUD"
    UNPAID = "UNPAID"
    CLOSED = "CLOSED"
    FROZEN_VOUCHER = "FROZEN_VOUCHER"


@dataclass(frozen=True, slots=True)
class DenylistUpdate:
    """What changed between versions `base` and `version`; base 0 is a full list. `issued_at` UTC epoch seconds."""

    TYPE: ClassVar[bytes] = b"Denylist(uint64 base,uint64 version,uint32 issuedAt,bytes32 entries)"
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)

    base: int
    version: int
    issued_at: int
    denied: tuple[tuple[bytes, Reason], ...]
    lifted: tuple[bytes, ...] = ()

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What the clearing house signs: 32 bytes (EIP-712, domain "Dure Reader")."""
        entries = sha256(
            b"".join(card + reason.value.encode().ljust(16, b"\0") for card, reason in self.denied)
            + b"\xff"
            + b"".join(self.lifted)
        )
        words = b"".join(value.to_bytes(32, "big") for value in (self.base, self.version, self.issued_at))
        return typed_digest(
            domain_separator(ReaderCertificate.DOMAIN, chain_id, fares), keccak(self.TYPE_HASH + words + entries)
        )


@dataclass(slots=True)
class Denylist:
    """The list a reader holds. Starts empty at version 0, issued at 0: too old to open by until a first update."""

    version: int = 0
    issued_at: int = 0
    cards: dict[bytes, Reason] = field(default_factory=dict)

    def apply(
        self, update: DenylistUpdate, signature: bytes, issuers: Collection[bytes], chain_id: int, fares: bytes
    ) -> None:
        """Takes an update signed by one of `issuers` (addresses). Nothing changes where it raises DenylistError."""
        try:
            signer = recover(update.digest(chain_id, fares), signature)
        except SignatureError as error:
            raise DenylistError(error.what) from error
        if signer not in issuers:
            raise DenylistError(f"signed by 0x{signer.hex()}, who issues no denylist")
        if update.base not in (0, self.version):
            raise DenylistError(f"the update starts from version {update.base}, this list stands at {self.version}")
        if update.version < self.version or update.issued_at < self.issued_at:
            raise DenylistError(f"version {update.version} is older than {self.version}")
        cards = {} if update.base == 0 else dict(self.cards)
        cards.update(update.denied)
        for card in update.lifted:
            cards.pop(card, None)
        if len(cards) > MAX_DENYLIST:
            raise DenylistError(f"a denylist holds at most {MAX_DENYLIST} cards")
        self.cards, self.version, self.issued_at = cards, update.version, update.issued_at

    def check(self, card: bytes, now: int) -> None:
        """Raises CardDeniedError for a card on the list, DenylistStaleError where the list is too old to say."""
        if now - self.issued_at > DENYLIST_STALE_S:
            raise DenylistStaleError(f"the denylist is {now - self.issued_at} s old")
        reason = self.cards.get(card)
        if reason is not None and reason is not Reason.FROZEN_VOUCHER:
            raise CardDeniedError(f"card 0x{card.hex()} is denied: {reason}")

    def ceiling_divisor(self, now: int) -> int:
        """By what ceilings are divided: 1 with a fresh list, 2 with one older than ten minutes (zeropay.md §6.1)."""
        return 1 if now - self.issued_at <= DENYLIST_FRESH_S else 2
