"""What a person reads and signs: EIP-712 messages that stand for a sentence in Korean and one in English.

A statement's values are what machines act on, its sentences what its signer read. The sentences are rendered from the
values alone and go into what is signed, so that neither can be changed without the other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeAlias
from unicodedata import is_normalized

from coincurve import PrivateKey

from contracts.errors import EncodingError, SignatureError
from contracts.hashing import keccak
from contracts.messages import ADDRESS_BYTES, domain_separator, typed_digest
from contracts.signatures import address_of, sign, verify
from wallets.errors import WalletError
from wallets.keys import to_text
from wallets.limits import MAX_PARTY_LETTERS
from wallets.taps import SALT_BYTES

Value: TypeAlias = int | str | bytes
Fields: TypeAlias = tuple[tuple[str, str], ...]  # (name, Solidity type)
_KST: Final = timedelta(hours=9)
_WORD_BYTES: Final = 32


class StatementError(WalletError):
    """A payment or consent cannot be put into its sentence."""

    code = "WALLET-500"
    do = "Correct the value that the message names."
    ko = "서명할 문장을 만들 수 없습니다."
    exit_code = 2


class StatementEncodingError(StatementError):
    """These bytes are no signed statement of this kind."""

    code = "WALLET-501"
    do = "Ask the wallet for the document again; it is canonical JSON with the fields of its kind."
    ko = "서명한 문서의 형식이 맞지 않습니다."


class SentenceError(StatementError):
    """The sentences are not those of the values beside them."""

    code = "WALLET-502"
    do = "Sign nothing; whoever made the document shows one thing and means another."
    ko = "문장과 내용이 서로 다릅니다."


class StatementSignatureError(StatementError):
    """The statement is not signed by the wallet that it names."""

    code = "WALLET-503"
    do = "Let the wallet that the document names sign it."
    ko = "문서에 적힌 지갑의 서명이 아닙니다."
    exit_code = 1


def type_text(kind: str, fields: Fields) -> str:
    """The type as EIP-712 writes and hashes it."""
    return f"{kind}({','.join(f'{solidity} {name}' for name, solidity in fields)})"


@lru_cache(maxsize=16)
def _type_hash(kind: str, fields: Fields) -> bytes:
    return keccak(type_text(kind, fields).encode())


def _word(value: Any, solidity: str, name: str) -> bytes:
    if solidity == "string":
        return keccak(value.encode())
    if solidity == "bytes32" and len(value) == _WORD_BYTES:
        return bytes(value)
    if solidity == "address" and len(value) == ADDRESS_BYTES:
        return bytes(value).rjust(_WORD_BYTES, b"\0")
    if solidity.startswith("uint") and 0 <= value < 1 << int(solidity.removeprefix("uint")):
        return int(value).to_bytes(_WORD_BYTES, "big")
    raise EncodingError(f"{name} does not fit {solidity}")


def message_digest(
    domain: str, agreement: bytes, kind: str, fields: Fields, values: Sequence[Value], chain_id: int
) -> bytes:
    """EIP-712 digest of a flat message under a domain of version "1", bound to an agreement: 32 bytes.

    Raises EncodingError for a value that does not fit its field.
    """
    words = (_word(value, solidity, name) for value, (name, solidity) in zip(values, fields, strict=True))
    return typed_digest(
        domain_separator(domain, chain_id, agreement), keccak(_type_hash(kind, fields) + b"".join(words))
    )


def clock_text(time: int) -> str:
    """A moment (UTC epoch seconds) as a sentence names it: on Korea's clock."""
    return f"{datetime.fromtimestamp(time, UTC) + _KST:%Y-%m-%d %H:%M:%S} KST"


def check_party(name: str) -> None:
    """Raises StatementError for a name that cannot stand in a sentence: length, letters, normal form C."""
    if not 1 <= len(name) <= MAX_PARTY_LETTERS or not name.isprintable() or not is_normalized("NFC", name):
        raise StatementError(f"a name has 1 to {MAX_PARTY_LETTERS} printable letters in normal form C")


def check_salt(salt: bytes) -> None:
    """Raises StatementError unless it is as long as every salt of a wallet."""
    if len(salt) != SALT_BYTES:
        raise StatementError(f"a salt has {SALT_BYTES} bytes")


class Statement(ABC):
    """A message with its sentences. A kind names its EIP-712 domain, type and fields, and gives their values."""

    __slots__ = ()
    DOMAIN: ClassVar[str]
    AGREEMENT: ClassVar[bytes]
    KIND: ClassVar[str]
    FIELDS: ClassVar[Fields]

    @property
    @abstractmethod
    def signer(self) -> bytes:
        """Address of the wallet whose word this is: 20 bytes."""

    @abstractmethod
    def sentence(self, language: str) -> str:
        """What the signer reads, in "ko" or "en"."""

    @abstractmethod
    def values(self) -> tuple[Value, ...]:
        """What is signed, in the order of FIELDS; the sentences or their hash among it."""

    def digest(self, chain_id: int) -> bytes:
        """What is signed: 32 bytes."""
        return message_digest(self.DOMAIN, self.AGREEMENT, self.KIND, self.FIELDS, self.values(), chain_id)

    def sign(self, key: PrivateKey, chain_id: int) -> bytes:
        """The signer's signature: 65 bytes. Raises StatementSignatureError for another wallet's key."""
        if address_of(key) != self.signer:
            raise StatementSignatureError(
                f"this is the word of {to_text(self.signer)}, not of {to_text(address_of(key))}"
            )
        return sign(self.digest(chain_id), key)

    def verify(self, signature: bytes, chain_id: int) -> None:
        """Raises StatementSignatureError unless the signer signed exactly this on this chain."""
        try:
            verify(self.digest(chain_id), signature, self.signer)
        except SignatureError as error:
            raise StatementSignatureError(error.what) from error
