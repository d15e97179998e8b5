"""Consents that a citizen signs: the one to debits from his bank account, and the withdrawal of a consent.

Debits without a consent given before, provable and open to withdrawal until each is booked, are forbidden (Electronic
Financial Transactions Act art. 15). The sentences stand in the signed message as they were read, so that any wallet
that knows EIP-712 shows them. A consent travels and is kept as canonical JSON (RFC 8785): its kind, the values under
their EIP-712 names, the signature. Nothing of it goes on the chain.

    DebitConsent(…).sign(key, chain_id) → document(signature) → the organisation: DebitConsent.verified(document, …)
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, ClassVar, Final
from unicodedata import is_normalized

import rfc8785

from contracts import strict_json
from contracts.addresses import ORGANISATIONS
from contracts.errors import EncodingError
from contracts.hashing import sha256
from contracts.messages import ADDRESS_BYTES
from contracts.signatures import SIGNATURE_BYTES
from wallets.errors import AddressError
from wallets.keys import from_text, to_text
from wallets.limits import MAX_CONSENT_DAYS, MAX_DAILY_DEBIT_WON, MAX_STATEMENT_BYTES
from wallets.statements import (
    Fields,
    SentenceError,
    Statement,
    StatementEncodingError,
    StatementError,
    Value,
    check_party,
    check_salt,
)

_EPOCH: Final = date(1970, 1, 1)
_HASH_BYTES: Final = 32
_SENTENCES: Final = (("ko", "string"), ("en", "string"))


class ConsentStatement(Statement):
    """What a citizen tells an organisation about a consent, bound to the chain on which its id means something."""

    __slots__ = ()
    DOMAIN: ClassVar[str] = "Dure Consent"
    AGREEMENT: ClassVar[bytes] = ORGANISATIONS

    @abstractmethod
    def facts(self) -> tuple[Value, ...]:
        """What is signed besides the sentences, in the order of FIELDS."""

    def values(self) -> tuple[Value, ...]:
        """What is signed, in the order of FIELDS; the sentences come last."""
        return *self.facts(), self.sentence("ko"), self.sentence("en")

    def document(self, signature: bytes) -> bytes:
        """The signed message as it travels and is kept."""
        named = zip(self.FIELDS, self.values(), strict=True)
        body = {name: _to_json(value, solidity) for (name, solidity), value in named}
        return rfc8785.dumps(body | {"kind": self.KIND, "signature": _hex(signature)})

    @classmethod
    def decode(cls, document: bytes) -> tuple[dict[str, Any], bytes]:
        """Values by name, and the signature, of a document of this kind; only their form is looked at.

        Raises StatementEncodingError for bytes that are too many, not UTF-8, not canonical JSON, or have other keys,
        types or ranges.
        """
        found = _parse(document)
        if found.keys() != {"kind", "signature", *(name for name, _ in cls.FIELDS)} or found["kind"] != cls.KIND:
            raise StatementEncodingError(f"the document is no {cls.KIND}")
        values = {name: _from_json(found[name], solidity, name) for name, solidity in cls.FIELDS}
        signature = _from_hex(found["signature"], SIGNATURE_BYTES, "signature")
        if rfc8785.dumps(found) != document:
            raise StatementEncodingError("the bytes are not the canonical form of what they say")
        return values, signature

    def check(self, decoded: dict[str, Any], signature: bytes, chain_id: int) -> None:
        """That a document which was decoded to these values is this message, signed.

        Raises SentenceError where its sentences are others, StatementSignatureError where its signer did not sign it.
        """
        for (name, _), value in zip(self.FIELDS, self.values(), strict=True):
            if decoded[name] != value:
                raise SentenceError(f"{name} is not what the other values say")
        self.verify(signature, chain_id)


@dataclass(frozen=True, slots=True)
class Consent(ConsentStatement):
    """What every consent has: whose it is (`giver`, the wallet's address, 20 bytes), which organisation may act on it
    (`organisation` its id, `organisation_name` as the giver knows it), and for which service days, both included."""

    giver: bytes
    organisation: int
    organisation_name: str
    first_day: int
    last_day: int

    def __post_init__(self) -> None:
        """Raises StatementError for values that cannot stand in a consent."""
        if len(self.giver) != ADDRESS_BYTES or not any(self.giver):
            raise StatementError("a consent is given by a wallet")
        if not 1 <= self.organisation < 1 << 16:
            raise StatementError("an organisation's id is 1 to 65,535")
        check_party(self.organisation_name)
        if not 0 <= self.first_day <= self.last_day < 1 << 16:
            raise StatementError("a consent's last day does not come before its first")
        if self.last_day - self.first_day >= MAX_CONSENT_DAYS:
            raise StatementError(f"a consent is for at most {MAX_CONSENT_DAYS} days")

    @property
    def signer(self) -> bytes:
        """The giver."""
        return self.giver


@dataclass(frozen=True, slots=True)
class DebitConsent(Consent):
    """출금동의: the bank may debit the giver's account for fares (art. 15).

    account: `account_commitment` of it, whose salt makes every consent differ and stays with giver and bank ·
    daily_limit_won: the largest sum per service day.
    """

    KIND: ClassVar[str] = "DebitConsent"
    FIELDS: ClassVar[Fields] = (
        ("giver", "address"),
        ("organisation", "uint16"),
        ("organisationName", "string"),
        ("account", "bytes32"),
        ("dailyLimitWon", "uint32"),
        ("firstDay", "uint16"),
        ("lastDay", "uint16"),
        *_SENTENCES,
    )

    account: bytes
    daily_limit_won: int

    def __post_init__(self) -> None:
        """Raises StatementError for values that cannot stand in a consent to debits."""
        Consent.__post_init__(self)
        if len(self.account) != _HASH_BYTES:
            raise StatementError(f"an account's commitment has {_HASH_BYTES} bytes")
        if not 1 <= self.daily_limit_won <= MAX_DAILY_DEBIT_WON:
            raise StatementError(f"a daily limit is 1 to {MAX_DAILY_DEBIT_WON:,} won")

    @classmethod
    def verified(cls, document: bytes, chain_id: int) -> DebitConsent:
        """The consent in a document, all of it checked but whom it is given to, what for, and when.

        Raises StatementEncodingError, StatementError for values that no consent has, SentenceError,
        StatementSignatureError.
        """
        values, signature = cls.decode(document)
        made = cls(
            giver=values["giver"],
            organisation=values["organisation"],
            organisation_name=values["organisationName"],
            first_day=values["firstDay"],
            last_day=values["lastDay"],
            account=values["account"],
            daily_limit_won=values["dailyLimitWon"],
        )
        made.check(values, signature, chain_id)
        return made

    def facts(self) -> tuple[Value, ...]:
        """What is signed besides the sentences, in the order of FIELDS."""
        return (
            self.giver,
            self.organisation,
            self.organisation_name,
            self.account,
            self.daily_limit_won,
            self.first_day,
            self.last_day,
        )

    def sentence(self, language: str) -> str:
        """What the giver reads and signs, in "ko" or "en"."""
        bank, limit = self.organisation_name, f"{self.daily_limit_won:,}"
        first, last = (_EPOCH + timedelta(days=day) for day in (self.first_day, self.last_day))
        if language == "ko":
            return (
                f"출금 동의: {bank} (기관 {self.organisation}), 내 계좌에서 교통요금을 운행일마다 {limit}원까지, "
                f"운행일 {first}부터 {last}까지. 출금이 기록되기 전까지 철회할 수 있고, 이미 탄 요금은 철회해도 "
                "갚아야 합니다."
            )
        return (
            f"Debit consent: {bank} (organisation {self.organisation}) may debit my account for fares, up to {limit} "
            f"won per service day, service days {first} to {last}. I may withdraw this until a debit is booked; what "
            "I have ridden stays owed."
        )


@dataclass(frozen=True, slots=True)
class ConsentWithdrawal(ConsentStatement):
    """The withdrawal of a consent; it counts from when the organisation has it.

    withdrawn_by: the giver's wallet, or the one that took its place · consent_digest: what was signed then.
    """

    KIND: ClassVar[str] = "ConsentWithdrawal"
    FIELDS: ClassVar[Fields] = (
        ("withdrawnBy", "address"),
        ("organisation", "uint16"),
        ("consent", "bytes32"),
        *_SENTENCES,
    )

    withdrawn_by: bytes
    consent: Consent
    consent_digest: bytes

    @classmethod
    def of(cls, consent: Consent, chain_id: int, withdrawn_by: bytes | None = None) -> ConsentWithdrawal:
        """The withdrawal of a consent, by its giver unless another wallet is named."""
        return cls(withdrawn_by or consent.giver, consent, consent.digest(chain_id))

    @classmethod
    def verified(cls, document: bytes, consent: Consent, chain_id: int) -> ConsentWithdrawal:
        """The withdrawal of this consent in a document; whose wallet may withdraw it is the organisation's to know.

        Raises StatementEncodingError, SentenceError also for a withdrawal of another consent,
        StatementSignatureError.
        """
        values, signature = cls.decode(document)
        made = cls.of(consent, chain_id, values["withdrawnBy"])
        made.check(values, signature, chain_id)
        return made

    @property
    def signer(self) -> bytes:
        """Who withdraws."""
        return self.withdrawn_by

    def facts(self) -> tuple[Value, ...]:
        """What is signed besides the sentences, in the order of FIELDS."""
        return self.withdrawn_by, self.consent.organisation, self.consent_digest

    def sentence(self, language: str) -> str:
        """What is read and signed, in "ko" or "en": the consent's own sentence is withdrawn."""
        withdrawn = self.consent.sentence(language)
        return f"동의 철회: {withdrawn}" if language == "ko" else f"I withdraw this consent: {withdrawn}"


def account_commitment(account: str, salt: bytes) -> bytes:
    """SHA-256(salt 16 ‖ account number): 32 bytes that say nothing of the account to whom the salt is unknown.

    Raises StatementError for a salt of another length.
    """
    check_salt(salt)
    return sha256(salt + account.encode())


def _parse(document: bytes) -> dict[str, Any]:
    if len(document) > MAX_STATEMENT_BYTES:
        raise StatementEncodingError(f"a document has at most {MAX_STATEMENT_BYTES} bytes, this one {len(document)}")
    try:
        found = strict_json.loads(document, max_depth=1)
    except EncodingError as error:
        raise StatementEncodingError(error.what) from error
    if not isinstance(found, dict):
        raise StatementEncodingError("a document is a JSON object")
    return found


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _to_json(value: Any, solidity: str) -> Any:
    if solidity == "address":
        return to_text(value)
    return _hex(value) if solidity == "bytes32" else value


def _from_json(value: Any, solidity: str, name: str) -> Value:
    if solidity.startswith("uint"):
        if type(value) is not int or not 0 <= value < 1 << int(solidity.removeprefix("uint")):
            raise StatementEncodingError(f"{name} is a whole number that fits {solidity}")
        return value
    if not isinstance(value, str) or not value.isprintable() or not is_normalized("NFC", value):
        raise StatementEncodingError(f"{name} is printable text in normal form C")
    if solidity == "string":
        return value
    if solidity == "bytes32":
        return _from_hex(value, _HASH_BYTES, name)
    try:
        return from_text(value)
    except AddressError as error:
        raise StatementEncodingError(f"{name} is no address") from error


def _from_hex(value: Any, size: int, name: str) -> bytes:
    try:
        found = bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, ValueError) as error:
        raise StatementEncodingError(f"{name} is {size} bytes in hex") from error
    if len(found) != size or _hex(found) != value:
        raise StatementEncodingError(f"{name} is {size} bytes in hex")
    return found
