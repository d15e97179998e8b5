"""The agreements' ABI: what goes into a call and what comes out, as bytes. No network, no keys.

Types come from the checked-in artefacts. Addresses and digests are `bytes` on both sides (eth_abi's own address type
is checksummed text), structs are tuples in field order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from eth_abi.codec import ABICodec
from eth_abi.decoding import AddressDecoder
from eth_abi.encoding import AddressEncoder
from eth_abi.exceptions import DecodingError
from eth_abi.exceptions import EncodingError as AbiEncodingError
from eth_abi.registry import BaseEquals, registry

from contracts.errors import ArtefactError, EncodingError
from contracts.hashing import keccak

ARTEFACTS: Final = Path(__file__).parent / "artefacts"
_ERROR_SELECTOR: Final = bytes.fromhex("08c379a0")  # Error(string), what `assert x, "NAME"` answers


class _BytesAddressEncoder(AddressEncoder):
    encode_fn = staticmethod(bytes)  # type: ignore[assignment]

    @classmethod
    def validate_value(cls, value: object) -> None:
        if not isinstance(value, bytes) or len(value) != 20:
            cls.invalidate_value(value)


class _BytesAddressDecoder(AddressDecoder):
    decoder_fn = staticmethod(bytes)  # type: ignore[assignment]


def _codec() -> ABICodec:
    own = registry.copy()  # type: ignore[no-untyped-call]
    own.unregister("address")
    own.register(
        BaseEquals("address"),  # type: ignore[no-untyped-call]
        _BytesAddressEncoder,
        _BytesAddressDecoder,
        label="address",
    )
    return ABICodec(own)


_CODEC: Final = _codec()


def encode(types: Sequence[str], values: Sequence[Any]) -> bytes:
    """ABI encoding with addresses as 20 bytes; raises EncodingError."""
    try:
        encoded: bytes = _CODEC.encode(types, values)
    except (AbiEncodingError, TypeError, ValueError, OverflowError) as error:
        raise EncodingError(str(error)) from error
    return encoded


def decode(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    """ABI decoding with addresses as 20 bytes; raises EncodingError."""
    try:
        decoded: tuple[Any, ...] = _CODEC.decode(types, data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise EncodingError(str(error)) from error
    return decoded


def _type_of(part: Mapping[str, Any]) -> str:
    kind: str = part["type"]
    if kind.startswith("tuple"):
        return f"({','.join(map(_type_of, part['components']))}){kind[5:]}"
    return kind


@dataclass(frozen=True, slots=True)
class Function:
    """One function's selector (4 bytes) and ABI types."""

    selector: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One event: topic 0 and its fields (name, ABI type, indexed) in order."""

    topic: bytes
    fields: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What an artefact says of one agreement."""

    name: str
    initcode: bytes
    runtime: bytes
    abi: tuple[dict[str, Any], ...]
    functions: Mapping[str, Function]
    events: Mapping[str, Event]
    constructor: tuple[str, ...]

    def function(self, name: str) -> Function:
        """Raises EncodingError for a name that the agreement does not have."""
        try:
            return self.functions[name]
        except KeyError:
            raise EncodingError(f"{self.name} has no function {name}") from None

    def event(self, name: str) -> Event:
        """Raises EncodingError for a name that the agreement does not have."""
        try:
            return self.events[name]
        except KeyError:
            raise EncodingError(f"{self.name} has no event {name}") from None


def _types(parts: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(map(_type_of, parts))


def _signature(entry: Mapping[str, Any]) -> bytes:
    return f"{entry['name']}({','.join(_types(entry['inputs']))})".encode()


def parse(artefact: Mapping[str, Any]) -> Agreement:
    """An artefact's JSON as an Agreement."""
    abi = tuple(artefact["abi"])
    functions = {
        entry["name"]: Function(keccak(_signature(entry))[:4], _types(entry["inputs"]), _types(entry["outputs"]))
        for entry in abi
        if entry["type"] == "function"
    }
    events = {
        entry["name"]: Event(
            keccak(_signature(entry)),
            tuple((part["name"], _type_of(part), bool(part["indexed"])) for part in entry["inputs"]),
        )
        for entry in abi
        if entry["type"] == "event"
    }
    constructors = [_types(entry["inputs"]) for entry in abi if entry["type"] == "constructor"]
    return Agreement(
        name=artefact["name"],
        initcode=bytes.fromhex(artefact["initcode"][2:]),
        runtime=bytes.fromhex(artefact["runtime"][2:]),
        abi=abi,
        functions=functions,
        events=events,
        constructor=constructors[0] if constructors else (),
    )


@lru_cache(maxsize=32)
def artefact(name: str) -> Agreement:
    """The checked-in artefact of an agreement ("Fares"); raises ArtefactError where it is missing or unreadable."""
    try:
        return parse(json.loads((ARTEFACTS / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(f"no artefact of {name}: {error}") from error


def encode_call(name: str, function: str, args: Sequence[Any] = ()) -> bytes:
    """Call data of `function`: selector and arguments."""
    found = artefact(name).function(function)
    return found.selector + encode(found.inputs, args)


def decode_call(name: str, data: bytes) -> tuple[str, tuple[Any, ...]]:
    """(function, arguments) of call data; raises EncodingError for an unknown selector."""
    for function, found in artefact(name).functions.items():
        if found.selector == data[:4]:
            return function, decode(found.inputs, data[4:])
    raise EncodingError(f"{name} has no function with selector 0x{data[:4].hex()}")


def decode_result(name: str, function: str, data: bytes) -> Any:
    """What `function` answered: None, the value, or a tuple of several."""
    values = decode(artefact(name).function(function).outputs, data)
    return None if not values else values[0] if len(values) == 1 else values


def encode_constructor(name: str, args: Sequence[Any] = ()) -> bytes:
    """Initcode with its constructor arguments: what a deployment executes."""
    found = artefact(name)
    return found.initcode + encode(found.constructor, args)


def event_topic(name: str, event: str) -> bytes:
    """Topic 0 of an event: 32 bytes."""
    return artefact(name).event(event).topic


def decode_log(name: str, topics: Sequence[bytes], data: bytes) -> tuple[str, dict[str, Any]]:
    """(event, fields by name) of a log's topics and data; raises EncodingError where it is none of the agreement's."""
    for event, found in artefact(name).events.items():
        if topics and found.topic == topics[0]:
            return event, _event_fields(event, found, topics[1:], data)
    raise EncodingError(f"{name} has no such event")


def decode_event(name: str, log: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """(event, fields by name) of a log as JSON-RPC and web3 give it (`topics`, `data`)."""
    return decode_log(name, [bytes(topic) for topic in log["topics"]], bytes(log["data"]))


def _event_fields(name: str, event: Event, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
    indexed = [kind for _, kind, is_indexed in event.fields if is_indexed]
    if len(indexed) != len(topics):
        raise EncodingError(f"{name} has {len(indexed)} indexed fields, this log {len(topics)}")
    from_topics = iter([decode([kind], topic)[0] for kind, topic in zip(indexed, topics, strict=True)])
    from_data = iter(decode([kind for _, kind, is_indexed in event.fields if not is_indexed], data))
    return {field: next(from_topics if is_indexed else from_data) for field, _, is_indexed in event.fields}


def revert_reason(data: bytes) -> str:
    """The name that an agreement reverted with, or "" where it gave none (arithmetic, ABI clamps, out of gas)."""
    if data[:4] != _ERROR_SELECTOR:
        return ""
    reason: str = decode(["string"], data[4:])[0]
    return reason
