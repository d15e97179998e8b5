"""Consents that a citizen signs: the one to debits from his bank account, and the withdrawal of a consent.

Debits without a consent given before, provable and open to withdrawal until each is booked, are forbidden (Electronic
Financial Transactions Act art. 15). The sentences stand in the signed message as they were read, so that any wallet
that knows EIP-712 shows them. A consent travels and is kept as canonical JSON (RFC 8785): its kind, the values under
their EIP-712 names, the signature. Nothing of it goes on the chain.

    DebitConsent(…).sign(key, chain_id) → document(signature) → the organisation: DebitConsent.verified(document, …)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar, Final

from contracts.addresses import ORGANISATIONS
from contracts.hashing import sha256
from contracts.messages import ADDRESS_BYTES
from wallets.documents import HASH_BYTES, SENTENCES, DocumentStatement
from wallets.limits import MAX_CONSENT_DAYS, MAX_DAILY_DEBIT_WON
from wallets.statements import Fields, StatementError, Value, check_party, check_salt

_EPOCH: Final = date(1970, 1, 1)


class ConsentStatement(DocumentStatement):
    """What a citizen tells an organisation about a consent, bound to the chain on which its id means something."""

    __slots__ = ()
    DOMAIN: ClassVar[str] = "Dure Consent"
    AGREEMENT: ClassVar[bytes] = ORGANISATIONS


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
        *SENTENCES,
    )

    account: bytes
    daily_limit_won: int

    def __post_init__(self) -> None:
        """Raises StatementError for values that cannot stand in a consent to debits."""
        Consent.__post_init__(self)
        if len(self.account) != HASH_BYTES:
            raise StatementError(f"an account's commitment has {HASH_BYTES} bytes")
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
        *SENTENCES,
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
