"""Who may have a voucher, without saying who or why (voucher.md §4, money.md §4).

An issuer (district office, welfare office) signs an `EligibilityAttestation`: class and window of a person it knows,
bound to the registry's name of that person. The eligibility registry turns it into a one-time `Credential`
(contracts.messages) that carries no name and no class: a nullifier that counts once in its group and period, the
citizen's fresh key, days.

    nullifier = HMAC-SHA-256(k, person 32 ‖ group 4 ‖ period 4), k only at the registry
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import ClassVar, Final

import rfc8785

from contracts.errors import SignatureError
from contracts.hashing import keccak, sha256
from contracts.messages import domain_separator, typed_digest
from contracts.signatures import recover
from services.days import month_of
from services.vouchers.errors import AttestationError, AttestationExpiredError, VoucherLimitError
from services.vouchers.limits import MAX_ATTESTATION_DAYS
from services.vouchers.programmes import EligibilityClass, Period, Programme

PERSON_BYTES: Final = 32
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
_CLASSES: Final = tuple(EligibilityClass)
_PERIOD_MONTHS: Final = {Period.MONTHLY: 1, Period.QUARTERLY: 3, Period.HALF_YEARLY: 6, Period.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class EligibilityAttestation:
    """Class and window, nothing else. `person` is the registry's 32-byte name of the person, `issuer` an
    organisation id; days are service days, both included."""

    TYPE: ClassVar[bytes] = (
        b"EligibilityAttestation(bytes32 person,string class,uint16 issuer,uint16 firstDay,uint16 lastDay)"
    )
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)
    DOMAIN: ClassVar[str] = "Dure Eligibility"

    person: bytes
    eligibility: EligibilityClass
    issuer: int
    first_day: int
    last_day: int

    def digest(self, chain_id: int, vouchers: bytes) -> bytes:
        """What the issuer signs (EIP-712): 32 bytes. Raises AttestationError where a field does not fit."""
        if len(self.person) != PERSON_BYTES:
            raise AttestationError(f"a person's name has {PERSON_BYTES} bytes, this one {len(self.person)}")
        if not all(0 <= value < 1 << 16 for value in (self.issuer, self.first_day, self.last_day)):
            raise AttestationError("issuer and days have 16 bits")
        struct = keccak(
            self.TYPE_HASH
            + self.person
            + keccak(self.eligibility.value.encode())
            + b"".join(value.to_bytes(32, "big") for value in (self.issuer, self.first_day, self.last_day))
        )
        return typed_digest(domain_separator(self.DOMAIN, chain_id, vouchers), struct)


def check_attestation(
    attestation: EligibilityAttestation,
    signature: bytes,
    *,
    issuer_keys: frozenset[bytes],
    programme: Programme,
    service_day: int,
    chain_id: int,
    vouchers: bytes,
) -> None:
    """Raises AttestationError unless one of the issuer's keys signed it and the class fits the programme,
    AttestationExpiredError outside its window, VoucherLimitError for a window longer than two years."""
    if attestation.last_day < attestation.first_day:
        raise AttestationError("the window ends before it begins")
    if attestation.last_day - attestation.first_day > MAX_ATTESTATION_DAYS:
        raise VoucherLimitError(f"an attestation holds for at most {MAX_ATTESTATION_DAYS} days")
    try:
        signer = recover(attestation.digest(chain_id, vouchers), signature)
    except SignatureError as error:
        raise AttestationError(error.what) from error
    if signer not in issuer_keys:
        raise AttestationError(f"0x{signer.hex()} is no key of issuer {attestation.issuer}")
    if attestation.eligibility not in programme.eligibility:
        raise AttestationError(f"{programme.id} is not for class {attestation.eligibility}")
    if not attestation.first_day <= service_day <= attestation.last_day:
        raise AttestationExpiredError(
            f"the attestation holds from {attestation.first_day} to {attestation.last_day}, not on {service_day}"
        )


def period_number(period: Period, service_day: int) -> int:
    """The period that holds a day: its first month (year * 12 + month − 1), 0 for a single grant."""
    months = _PERIOD_MONTHS.get(period)
    return 0 if months is None else month_of(service_day) // months * months


def nullifier(registry_key: bytes, person: bytes, group: int, period: int) -> bytes:
    """HMAC-SHA-256(k, person ‖ group ‖ period): 32 bytes (money.md §4). Lengths are fixed, so nothing can shift.

    Raises AttestationError for a key or name of another length.
    """
    if len(registry_key) != KEY_BYTES or len(person) != PERSON_BYTES:
        raise AttestationError(f"the registry's key and a person's name have {PERSON_BYTES} bytes")
    message = person + group.to_bytes(4, "big") + period.to_bytes(4, "big")
    return hmac.digest(registry_key, message, "sha256")


def person_tag(registry_key: bytes, person: bytes, group: int) -> bytes:
    """The registry's own mark of a person within a group, for its tables: a nullifier of no period."""
    if len(registry_key) != KEY_BYTES or len(person) != PERSON_BYTES:
        raise AttestationError(f"the registry's key and a person's name have {PERSON_BYTES} bytes")
    return hmac.digest(registry_key, b"tag" + person + group.to_bytes(4, "big"), "sha256")


def commitment(salt: bytes, eligibility: EligibilityClass, status_index: int) -> bytes:
    """SHA-256(salt 16 ‖ canonical class and status index): what a credential says of its attestation (32 bytes)."""
    if len(salt) != SALT_BYTES:
        raise AttestationError(f"a salt has {SALT_BYTES} bytes")
    return sha256(salt + rfc8785.dumps({"class": eligibility.value, "status_index": status_index}))


def source_leaf(salt: bytes, programme: str, funder: int) -> bytes:
    """The leaf that tells funder and auditor a lot's programme: salt 16 ‖ tag 1 ‖ canonical JSON (receipts.md)."""
    if len(salt) != SALT_BYTES:
        raise AttestationError(f"a salt has {SALT_BYTES} bytes")
    return salt + b"\x01" + rfc8785.dumps({"funder": funder, "programme": programme})
