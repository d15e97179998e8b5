"""Statements that travel and are kept as documents: canonical JSON (RFC 8785) of their kind, their values under their
EIP-712 names, and the signature.

The sentences stand in the signed message as they were read, so that any wallet that knows EIP-712 shows them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Final
from unicodedata import is_normalized

import rfc8785

from contracts import strict_json
from contracts.errors import EncodingError
from contracts.signatures import SIGNATURE_BYTES
from wallets.errors import AddressError
from wallets.keys import from_text, to_text
from wallets.limits import MAX_STATEMENT_BYTES
from wallets.statements import SentenceError, Statement, StatementEncodingError, Value

HASH_BYTES: Final = 32
SENTENCES: Final = (("ko", "string"), ("en", "string"))  # the last fields of each kind


class DocumentStatement(Statement):
    """A statement whose sentences are fields of it, Korean and English."""

    __slots__ = ()

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
        return _from_hex(value, HASH_BYTES, name)
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
