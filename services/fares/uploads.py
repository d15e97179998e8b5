"""What a reader uploads: its own hash chain of completed taps (money.md §2), as canonical JSON lines.

The first line is the head: whose chain, which stretch, the link it ends with, the reader's signature over that link,
and the certificates that the stretch needs. Each further line is one completed tap. Links:

    link[i] = SHA-256("dure-reader-chain/1" ‖ reader 20 ‖ index 8 ‖ link[i−1] 32 ‖ state digest 32 ‖ card signature 65)

Every line repeats the link before it, so that one unreadable line costs one tap: the next line says where it joins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeAlias, cast

from contracts import strict_json
from contracts.errors import EncodingError
from contracts.hashing import keccak, sha256
from contracts.messages import CardCertificate, FareState, ReaderCertificate, domain_separator, typed_digest
from services.fares.errors import MalformedError
from services.fares.limits import (
    CERTIFICATE_CACHE,
    MAX_LINE_BYTES,
    MAX_UPLOAD_BYTES,
    MAX_UPLOAD_ENTRIES,
    MAX_UPLOAD_NESTING,
)
from wallets.errors import TapError
from wallets.presentation import Offer, SignedTap
from wallets.taps import Tap

FORMAT: Final = "dure-taps/1"
FIRST_LINK: Final = b"\0" * 32
_CHAIN_TAG: Final = b"dure-reader-chain/1"
_MAX_SAFE: Final = 2**53 - 1
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_HEAD_KEYS: Final = frozenset(
    ("format", "reader", "first_index", "entries", "head", "head_signature", "readers", "cards")
)
_LINE_KEYS: Final = frozenset(
    ("index", "link_before", "signer", "state", "previous_digest", "salt", "tap", "reader_signature", "card_signature")
)
_STATE_KEYS: Final = frozenset(item.name for item in fields(FareState))
_STATE_NUMBERS: Final = tuple(sorted(_STATE_KEYS - {"card", "context"}))
_READER_KEYS: Final = frozenset(item.name for item in fields(ReaderCertificate)) | {"signature"}
_CARD_KEYS: Final = frozenset(item.name for item in fields(CardCertificate)) | {"signature"}

Readers: TypeAlias = Mapping[bytes, tuple[ReaderCertificate, bytes]]


@dataclass(frozen=True, slots=True)
class ReaderHead:
    """How long a reader's chain is and what it ends with; the reader signs it once an upload."""

    TYPE: ClassVar[bytes] = b"ReaderHead(address reader,uint64 length,bytes32 head)"
    TYPE_HASH: ClassVar[bytes] = keccak(TYPE)

    reader: bytes
    length: int
    head: bytes

    def digest(self, chain_id: int, fares: bytes) -> bytes:
        """What the reader signs: 32 bytes (EIP-712, domain "Dure Reader")."""
        struct = keccak(self.TYPE_HASH + self.reader.rjust(32, b"\0") + self.length.to_bytes(32, "big") + self.head)
        return typed_digest(domain_separator(ReaderCertificate.DOMAIN, chain_id, fares), struct)


@dataclass(frozen=True, slots=True)
class Entry:
    """One completed tap at its place in a reader's chain. `raw` is the line it came as, b"" where it was made here.

    The offer's certificate names another reader of the same station where this reader completed that one's offer.
    """

    index: int
    link_before: bytes
    signed: SignedTap
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no entry: where it stood, its bytes, and what is wrong with them."""

    index: int
    raw: bytes
    error: MalformedError


@dataclass(frozen=True, slots=True)
class Upload:
    """A stretch of a reader's chain with what vouches for it. Certificates come with their issuer's signature."""

    reader: bytes
    first_index: int
    head: bytes
    head_signature: bytes
    readers: Readers
    cards: Mapping[bytes, tuple[CardCertificate, bytes]]
    entries: tuple[Entry | Unreadable, ...]

    @property
    def length(self) -> int:
        """Length of the reader's chain after this stretch."""
        return self.first_index + len(self.entries)


def link(reader: bytes, index: int, before: bytes, digest: bytes, card_signature: bytes) -> bytes:
    """The chain's link at `index`: 32 bytes (see the head of this module)."""
    return sha256(_CHAIN_TAG + reader + index.to_bytes(8, "big") + before + digest + card_signature)


def encode_entry(index: int, link_before: bytes, signed: SignedTap) -> bytes:
    """The entry's line, without the line feed."""
    state = signed.state
    return _ENCODE(
        {
            "index": index,
            "link_before": link_before.hex(),
            "signer": signed.offer.reader_certificate.reader.hex(),
            "state": {
                "card": state.card.hex(),
                "context": state.context.hex(),
                **{name: getattr(state, name) for name in _STATE_NUMBERS},
            },
            "previous_digest": signed.previous_digest.hex(),
            "salt": signed.offer.salt.hex(),
            "tap": signed.tap.canonical().decode(),
            "reader_signature": signed.offer.reader_signature.hex(),
            "card_signature": signed.card_signature.hex(),
        }
    ).encode()


@lru_cache(maxsize=CERTIFICATE_CACHE)
def encode_certificate(certificate: ReaderCertificate | CardCertificate, signature: bytes) -> bytes:
    """Canonical JSON of a certificate and its issuer's signature, as an upload's head carries it."""
    values = {key: value.hex() if isinstance(value, bytes) else value for key, value in asdict(certificate).items()}
    return _ENCODE({**values, "signature": signature.hex()}).encode()


def encode_upload(
    *,
    head: ReaderHead,
    first_index: int,
    head_signature: bytes,
    readers: Iterable[bytes],
    cards: Iterable[bytes],
    lines: Sequence[bytes],
) -> bytes:
    """The bytes of an upload whose certificates and entry lines are already encoded."""
    first = _ENCODE(
        {
            "format": FORMAT,
            "reader": head.reader.hex(),
            "first_index": first_index,
            "entries": len(lines),
            "head": head.head.hex(),
            "head_signature": head_signature.hex(),
            "readers": [json.loads(one) for one in readers],
            "cards": [json.loads(one) for one in cards],
        }
    ).encode()
    return b"\n".join((first, *lines)) + b"\n"


def decode_upload(data: bytes) -> Upload:
    """Reads an upload. A line that is no entry becomes Unreadable; raises MalformedError where the head is unusable.

    Lines that the head announces and that do not follow (a torn upload) are Unreadable too, not unheard of.
    """
    if len(data) > MAX_UPLOAD_BYTES:
        raise MalformedError(f"an upload has at most {MAX_UPLOAD_BYTES} bytes, this one {len(data)}")
    first, *lines = data.split(b"\n")
    if lines and lines[-1] == b"":
        lines.pop()
    head = _parse(first, len(first))
    _keys(head, _HEAD_KEYS, "upload")
    if head["format"] != FORMAT:
        raise MalformedError(f"the format is {FORMAT}")
    count = _integer(head["entries"], MAX_UPLOAD_ENTRIES, "entries")
    if len(lines) > count:
        raise MalformedError(f"the head announces {count} entries, {len(lines)} follow")
    lines += [b""] * (count - len(lines))
    first_index = _integer(head["first_index"], _MAX_SAFE, "first_index")
    readers = dict(_reader_certificate(value) for value in _list(head["readers"], "readers"))
    return Upload(
        reader=_hex(head["reader"], 20, "reader"),
        first_index=first_index,
        head=_hex(head["head"], 32, "head"),
        head_signature=_hex(head["head_signature"], 65, "head_signature"),
        readers=readers,
        cards=dict(_card_certificate(value) for value in _list(head["cards"], "cards")),
        entries=tuple(_line(first_index + at, line, readers) for at, line in enumerate(lines)),
    )


def _line(index: int, raw: bytes, readers: Readers) -> Entry | Unreadable:
    try:
        return decode_entry(index, raw, readers)
    except MalformedError as error:
        return Unreadable(index, raw, error)
    except TapError as error:
        return Unreadable(index, raw, MalformedError(error.what))


def decode_entry(index: int, raw: bytes, readers: Readers) -> Entry:
    """Reads one line that must stand at `index`; `readers` by address, as the upload's head gives them.

    Raises MalformedError; TapError for the tap in it.
    """
    value = _parse(raw, MAX_LINE_BYTES)
    _keys(value, _LINE_KEYS, "entry")
    if _integer(value["index"], _MAX_SAFE, "index") != index:
        raise MalformedError(f"entry {index} calls itself {value['index']}")
    signer = _hex(value["signer"], 20, "signer")
    if signer not in readers:
        raise MalformedError("the head brings no certificate for the entry's signer")
    if type(value["tap"]) is not str:
        raise MalformedError("tap is canonical JSON in a string")
    try:
        tap = Tap.from_canonical(value["tap"].encode())
    except UnicodeEncodeError as error:  # a lone surrogate, which JSON can spell
        raise MalformedError("tap is no text") from error
    certificate, operator_signature = readers[signer]
    offer = Offer(
        state=_state(value["state"]),
        tap=tap,
        salt=_hex(value["salt"], 16, "salt"),
        reader_signature=_hex(value["reader_signature"], 65, "reader_signature"),
        reader_certificate=certificate,
        operator_signature=operator_signature,
    )
    signed = SignedTap(
        offer=offer,
        previous_digest=_hex(value["previous_digest"], 32, "previous_digest"),
        card_signature=_hex(value["card_signature"], 65, "card_signature"),
    )
    return Entry(index, _hex(value["link_before"], 32, "link_before"), signed, raw)


def _state(value: Any) -> FareState:
    _keys(value, _STATE_KEYS, "state")
    return FareState(
        card=_hex(value["card"], 20, "card"),
        context=_hex(value["context"], 32, "context"),
        **{name: _integer(value[name], _MAX_SAFE, name) for name in _STATE_NUMBERS},
    )


def _reader_certificate(value: Any) -> tuple[bytes, tuple[ReaderCertificate, bytes]]:
    _keys(value, _READER_KEYS, "reader certificate")
    reader = _hex(value["reader"], 20, "reader")
    certificate = ReaderCertificate(
        reader=reader,
        operator=_integer(value["operator"], 0xFFFF, "operator"),
        place=_hex(value["place"], 32, "place"),
        valid_from=_integer(value["valid_from"], 0xFFFFFFFF, "valid_from"),
        valid_to=_integer(value["valid_to"], 0xFFFFFFFF, "valid_to"),
    )
    return reader, (certificate, _hex(value["signature"], 65, "signature"))


def _card_certificate(value: Any) -> tuple[bytes, tuple[CardCertificate, bytes]]:
    _keys(value, _CARD_KEYS, "card certificate")
    card = _hex(value["card"], 20, "card")
    numbers = {key: _integer(item, 0xFFFFFFFF, key) for key, item in value.items() if key not in ("card", "signature")}
    return card, (CardCertificate(card=card, **numbers), _hex(value["signature"], 65, "signature"))


def _parse(raw: bytes, most: int) -> dict[str, Any]:
    if len(raw) > most:
        raise MalformedError(f"a line has at most {most} bytes, this one {len(raw)}")
    try:
        value = strict_json.loads(raw, max_depth=MAX_UPLOAD_NESTING)
        same = isinstance(value, dict) and _ENCODE(value).encode() == raw
    except EncodingError as error:
        raise MalformedError(error.what) from error
    except UnicodeEncodeError as error:  # a lone surrogate, which JSON can spell
        raise MalformedError("text that is not Unicode") from error
    if not same:
        raise MalformedError("not an object in canonical form (RFC 8785)")
    return cast("dict[str, Any]", value)


def _keys(value: Any, keys: frozenset[str], name: str) -> None:
    if not isinstance(value, dict) or value.keys() != keys:
        raise MalformedError(f"{name} has exactly the keys {', '.join(sorted(keys))}")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_UPLOAD_ENTRIES:
        raise MalformedError(f"{name} is a list of at most {MAX_UPLOAD_ENTRIES}")
    return value


def _integer(value: Any, most: int, name: str) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise MalformedError(f"{name} is an integer from 0 to {most}")
    return value


def _hex(value: Any, size: int, name: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except (ValueError, TypeError) as error:
        raise MalformedError(f"{name} is {size} bytes in lower-case hex") from error
    if len(data) != size or data.hex() != value:
        raise MalformedError(f"{name} is {size} bytes in lower-case hex")
    return data
