"""Messages that agreements, readers and auditors verify: EIP-712 structs with their digests.

Field names and types are those of money.md §2, §7 and §8, to the byte. Digests are computed from precomputed type
hashes, since a tap is signed and checked hundreds of thousands of times a day; a test holds every one of them
against eth_account's general encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final

from contracts.errors import EncodingError
from contracts.hashing import keccak

ADDRESS_BYTES: Final = 20
_DOMAIN_FULL: Final = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_DOMAIN_SHORT: Final = keccak(b"EIP712Domain(string name,string version)")


@lru_cache(maxsize=64)
def domain_separator(name: str, chain_id: int, verifying_contract: bytes) -> bytes:
    """EIP-712 domain separator of version "1" bound to a chain and an agreement: 32 bytes."""
    return keccak(
        _DOMAIN_FULL
        + keccak(name.encode())
        + keccak(b"1")
        + chain_id.to_bytes(32, "big")
        + verifying_contract.rjust(32, b"\0")
    )


@lru_cache(maxsize=64)
def unbound_domain_separator(name: str) -> bytes:
    """EIP-712 domain separator with a name and version "1", nothing more (receipts.md §2): 32 bytes."""
    return keccak(_DOMAIN_SHORT + keccak(name.encode()) + keccak(b"1"))


def typed_digest(separator: bytes, struct_hash: bytes) -> bytes:
    """keccak(0x1901 ‖ domain separator ‖ struct hash), the 32 bytes that are signed (EIP-712)."""
    return keccak(b"\x19\x01" + separator + struct_hash)


def _uint(value: int, bits: int, field: str) -> bytes:
    if not 0 <= value < 1 << bits:
        raise EncodingError(f"{field} {value} does not fit {bits} bits")
    return value.to_bytes(32, "big")


def _address(value: bytes, field: str) -> bytes:
    if len(value) != ADDRESS_BYTES:
        raise EncodingError(f"{field} has {ADDRESS_BYTES} bytes, this one {len(value)}")
    return value.rjust(32, b"\0")


def _bytes32(value: bytes, field: str) -> bytes:
    if len(value) != 32:
        raise EncodingError(f"{field} has 32 bytes, this one {len(value)}")
    return value


@dataclass(frozen=True, slots=True)
class FareState:
    """The state of a transit card after a tap (money.md §2). Won and seconds are integers; times UTC epoch seconds.

    service_day counts days since 1970-01-01 of the KST day, rolling at 04:00, of the journey's first tap-on.
    """

    TYPE: ClassVar[bytes] = (
        b"FareState(address card,uint32 seq,uint64 cumWon,uint64 cumOwnWon,uint64 dayStartCumWon,"
        b"uint64 dayStartOwnWon,uint32 chargeWon,uint32 missingOutWon,uint16 serviceDay,uint32 tapTime,bytes32 context)"
    )
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Fares"

    card: bytes
    seq: int
    cum_won: int
    cum_own_won: int
    day_start_cum_won: int
    day_start_own_won: int
    charge_won: int
    missing_out_won: int
    service_day: int
    tap_time: int
    context: bytes

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What reader and card sign: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _address(self.card, "card")
            + _uint(self.seq, 32, "seq")
            + _uint(self.cum_won, 64, "cumWon")
            + _uint(self.cum_own_won, 64, "cumOwnWon")
            + _uint(self.day_start_cum_won, 64, "dayStartCumWon")
            + _uint(self.day_start_own_won, 64, "dayStartOwnWon")
            + _uint(self.charge_won, 32, "chargeWon")
            + _uint(self.missing_out_won, 32, "missingOutWon")
            + _uint(self.service_day, 16, "serviceDay")
            + _uint(self.tap_time, 32, "tapTime")
            + _bytes32(self.context, "context")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, fares), struct)


@dataclass(frozen=True, slots=True)
class CardCertificate:
    """What a guarantor says of a card (money.md §8): month = year * 12 + (month − 1), modes a bit per Mode."""

    TYPE: ClassVar[bytes] = (
        b"CardCertificate(address card,uint16 month,uint8 instance,uint8 riderClass,uint32 modes,uint32 perTapCapWon,"
        b"uint32 offlineCapWon,uint16 firstDay,uint16 lastDay)"
    )
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Card"

    card: bytes
    month: int
    instance: int
    rider_class: int
    modes: int
    per_tap_cap_won: int
    offline_cap_won: int
    first_day: int
    last_day: int

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What the guarantor signs: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _address(self.card, "card")
            + _uint(self.month, 16, "month")
            + _uint(self.instance, 8, "instance")
            + _uint(self.rider_class, 8, "riderClass")
            + _uint(self.modes, 32, "modes")
            + _uint(self.per_tap_cap_won, 32, "perTapCapWon")
            + _uint(self.offline_cap_won, 32, "offlineCapWon")
            + _uint(self.first_day, 16, "firstDay")
            + _uint(self.last_day, 16, "lastDay")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, fares), struct)


@dataclass(frozen=True, slots=True)
class ReaderCertificate:
    """What an operator says of a reader (money.md §8); place = SHA-256 of the reader's stop and line, times UTC."""

    TYPE: ClassVar[bytes] = (
        b"ReaderCertificate(address reader,uint16 operator,bytes32 place,uint32 validFrom,uint32 validTo)"
    )
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Reader"

    reader: bytes
    operator: int
    place: bytes
    valid_from: int
    valid_to: int

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What the operator signs: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _address(self.reader, "reader")
            + _uint(self.operator, 16, "operator")
            + _bytes32(self.place, "place")
            + _uint(self.valid_from, 32, "validFrom")
            + _uint(self.valid_to, 32, "validTo")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, fares), struct)


@dataclass(frozen=True, slots=True)
class Credential:
    """What an eligibility registry says of a person it does not name (money.md §4), once per group and period.

    key: the credential's own, one-time · nullifier: HMAC-SHA-256(k, person ‖ group ‖ period), k its own ·
    first_day, last_day: service days in which a lot may start · attestation: SHA-256(salt 16 ‖ canonical attestation),
    which holds class and status index and is opened to an auditor alone.
    """

    TYPE: ClassVar[bytes] = (
        b"Credential(address key,uint32 group,uint32 period,bytes32 nullifier,uint16 firstDay,uint16 lastDay,"
        b"bytes32 attestation)"
    )
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Vouchers"

    key: bytes
    group: int
    period: int
    nullifier: bytes
    first_day: int
    last_day: int
    attestation: bytes

    def digest(self, chain_id: int, vouchers: bytes) -> bytes:
        """What the registry signs: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _address(self.key, "key")
            + _uint(self.group, 32, "group")
            + _uint(self.period, 32, "period")
            + _bytes32(self.nullifier, "nullifier")
            + _uint(self.first_day, 16, "firstDay")
            + _uint(self.last_day, 16, "lastDay")
            + _bytes32(self.attestation, "attestation")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, vouchers), struct)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a citizen's credential key says: this card gets the lot of this rule-set (money.md §4)."""

    TYPE: ClassVar[bytes] = b"Claim(address card,uint16 ruleSet,uint32 period,uint32 amountWon,bytes32 nullifier)"
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Vouchers"

    card: bytes
    rule_set: int
    period: int
    amount_won: int
    nullifier: bytes

    def digest(self, chain_id: int, vouchers: bytes) -> bytes:
        """What the credential's key signs: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _address(self.card, "card")
            + _uint(self.rule_set, 16, "ruleSet")
            + _uint(self.period, 32, "period")
            + _uint(self.amount_won, 32, "amountWon")
            + _bytes32(self.nullifier, "nullifier")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, vouchers), struct)


@dataclass(frozen=True, slots=True)
class DisputeEvidence:
    """What an operator says to a rider's dispute (zeropay.md §7.2): dispute is the digest of the FareDispute, document
    the SHA-256 of what it shows."""

    TYPE: ClassVar[bytes] = b"DisputeEvidence(bytes32 dispute,uint16 organisation,bytes32 document)"
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Fares"

    dispute: bytes
    organisation: int
    document: bytes

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What a key of the operator signs: 32 bytes. Raises EncodingError where a field does not fit."""
        struct = keccak(
            self.TYPE_HASH
            + _bytes32(self.dispute, "dispute")
            + _uint(self.organisation, 16, "organisation")
            + _bytes32(self.document, "document")
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, fares), struct)


@dataclass(frozen=True, slots=True)
class Finality:
    """A word on the head of a chain (money.md §7, receipts.md §2): an authority's, or a witness's."""

    FIELDS: ClassVar[bytes] = b"(uint256 chainId,bytes32 genesisHash,uint64 number,bytes32 blockHash)"

    chain_id: int
    genesis_hash: bytes
    number: int
    block_hash: bytes

    def digest(self, word: str = "Finality") -> bytes:
        """What is signed: 32 bytes. `word` is "Finality" (the authority's) or "Witness" (a countersigner's)."""
        struct = keccak(
            keccak(word.encode() + self.FIELDS)
            + _uint(self.chain_id, 256, "chainId")
            + _bytes32(self.genesis_hash, "genesisHash")
            + _uint(self.number, 64, "number")
            + _bytes32(self.block_hash, "blockHash")
        )
        return typed_digest(unbound_domain_separator(f"Dure {word}"), struct)
