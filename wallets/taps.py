"""What one tap says, and the journey it belongs to (money.md §8): the leaf under a FareState's context.

A tap is canonical JSON (RFC 8785). Its `journey` is the whole state that the next reader needs to price the next
tap, so that a reader of another operator, offline, comes to the same won.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from unicodedata import is_normalized

from contracts import strict_json
from contracts.codes import Mode, RiderClass
from contracts.errors import EncodingError
from contracts.hashing import sha256
from wallets.errors import TapEncodingError, TapFieldError, TapTooLongError
from wallets.limits import MAX_LEGS, MAX_METRES, MAX_NAME_LETTERS, MAX_TAP_BYTES, MAX_TAP_WON

TapKind: TypeAlias = Literal["IN", "OUT"]
SALT_BYTES: Final = 16
NO_PREVIOUS: Final = b"\0" * 32
DAY_S: Final = 86_400
# KST is UTC+9 without daylight saving; a service day rolls at 04:00 KST.
_DAY_SHIFT_S: Final = 5 * 3_600
_UINT32: Final = (1 << 32) - 1
_MAX_DEPTH: Final = 2  # a tap and its journey
# The same bytes as RFC 8785 for objects of ASCII keys, integers, booleans and well-formed text, at a quarter of the
# time; a property test holds it against the rfc8785 library.
_ENCODE: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode


def service_day(time: int) -> int:
    """Days since 1970-01-01 of the KST service day in which `time` (UTC epoch seconds) lies (money.md §2)."""
    return (time + _DAY_SHIFT_S) // DAY_S


def service_day_end(day: int) -> int:
    """UTC epoch second at which service day `day` ends: 04:00 KST of the next morning."""
    return (day + 1) * DAY_S - _DAY_SHIFT_S


@dataclass(frozen=True, slots=True)
class JourneyState:
    """What a journey has come to after a tap (money.md §8, `tap.journey`). Times are UTC epoch seconds, 0 for none.

    first_seq, first_time: the first tap-on · legs: boardings so far (0: no journey) · max_base_won: highest base fare
    of its legs · taken_won: charged so far, penalties of earlier journeys apart · metres: of the legs already closed ·
    last_off_time: the last tap-off · last_route: the bus route last left in this journey, "" while every leg was rail ·
    exit: "station:line" of the last tap-off where that was rail, ":" where its line is open, "" after a bus ·
    reentry_used: the one rail re-entry is spent · express: a leg raised the base distance to 30 km · pending_won: taken
    too much when an express leg joined, netted by later taps of the journey. A penalty for a missing tap-off stands in
    FareState.missing_out_won.
    """

    first_seq: int = 0
    first_time: int = 0
    legs: int = 0
    max_base_won: int = 0
    taken_won: int = 0
    metres: int = 0
    last_off_time: int = 0
    last_route: str = ""
    exit: str = ""
    reentry_used: bool = False
    express: bool = False
    pending_won: int = 0

    def fields(self) -> dict[str, int | str | bool]:
        """The journey as JSON holds it."""
        return {name: getattr(self, name) for name in _JOURNEY_FIELDS}


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap as the reader offers it and the wallet keeps it. `time` is UTC epoch seconds; `operator` an
    organisation id; `route` is "" on rail and `line` is "" on buses; `stop` a station or stop name."""

    kind: TapKind
    mode: Mode
    operator: int
    route: str
    stop: str
    line: str
    time: int
    rider_class: RiderClass
    tariff: str
    journey: JourneyState
    _canonical: bytes = field(default=b"", init=False, repr=False, compare=False)  # of a tap that was read

    def canonical(self) -> bytes:
        """RFC 8785 bytes of the tap."""
        return (
            self._canonical
            or _ENCODE(
                {
                    "kind": self.kind,
                    "mode": self.mode.name,
                    "operator": self.operator,
                    "route": self.route,
                    "stop": self.stop,
                    "line": self.line,
                    "time": self.time,
                    "class": self.rider_class.name,
                    "tariff": self.tariff,
                    "journey": self.journey.fields(),
                }
            ).encode()
        )

    @classmethod
    def from_canonical(cls, data: bytes) -> Tap:
        """The tap of these RFC 8785 bytes; `data` is exactly what `canonical` gives for it.

        Raises TapTooLongError beyond MAX_TAP_BYTES, TapEncodingError for bytes that are not UTF-8, not JSON or not
        canonical (floats and repeated keys are neither), TapFieldError for keys, types, ranges and text not NFC.
        """
        tap = _tap(_parse(data))
        if tap.canonical() != data:
            raise TapEncodingError("the bytes are not the canonical form of the tap they describe")
        object.__setattr__(tap, "_canonical", data)
        return tap


_JOURNEY_FIELDS: Final = tuple(JourneyState.__dataclass_fields__)
_JOURNEY_NAMES: Final = ("last_route", "exit")
_JOURNEY_FLAGS: Final = ("reentry_used", "express")
_JOURNEY_MAXIMA: Final = {
    "first_seq": _UINT32,
    "first_time": _UINT32,
    "legs": MAX_LEGS,
    "max_base_won": MAX_TAP_WON,
    "taken_won": MAX_TAP_WON * MAX_LEGS,
    "metres": MAX_METRES,
    "last_off_time": _UINT32,
    "pending_won": MAX_TAP_WON,
}
_TAP_FIELDS: Final = frozenset(
    ("kind", "mode", "operator", "route", "stop", "line", "time", "class", "tariff", "journey")
)


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_TAP_BYTES:
        raise TapTooLongError(f"a tap has at most {MAX_TAP_BYTES} bytes, this one {len(data)}")
    try:
        document = strict_json.loads(data, max_depth=_MAX_DEPTH)
    except EncodingError as error:
        raise TapEncodingError(error.what) from error
    if not isinstance(document, dict):
        raise TapFieldError("a tap is a JSON object")
    return document


def _exact_keys(found: dict[str, Any], expected: frozenset[str], what: str) -> None:
    if found.keys() != expected:
        missing, extra = sorted(expected - found.keys()), sorted(found.keys() - expected)
        raise TapFieldError(f"{what}: missing {missing}, unknown {[key[:MAX_NAME_LETTERS] for key in extra][:8]}")


def _integer(value: Any, maximum: int, field: str) -> int:
    if type(value) is not int:  # bool is an int to Python and a different value to JSON
        raise TapFieldError(f"{field} is an integer")
    if not 0 <= value <= maximum:
        raise TapFieldError(f"{field} lies between 0 and {maximum}")
    return value


def _name(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise TapFieldError(f"{field} is text")
    if len(value) > MAX_NAME_LETTERS:
        raise TapFieldError(f"{field} has at most {MAX_NAME_LETTERS} letters")
    if not is_normalized("NFC", value):
        raise TapFieldError(f"{field} is not in normal form C")
    if not value.isprintable():  # control characters, lone surrogates
        raise TapFieldError(f"{field} holds characters that cannot be printed")
    return value


def _flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise TapFieldError(f"{field} is true or false")
    return value


def _journey(found: Any) -> JourneyState:
    if not isinstance(found, dict):
        raise TapFieldError("journey is a JSON object")
    _exact_keys(found, frozenset(_JOURNEY_FIELDS), "journey")
    values: dict[str, Any] = {
        key: _integer(found[key], maximum, f"journey.{key}") for key, maximum in _JOURNEY_MAXIMA.items()
    }
    values |= {key: _name(found[key], f"journey.{key}") for key in _JOURNEY_NAMES}
    values |= {key: _flag(found[key], f"journey.{key}") for key in _JOURNEY_FLAGS}
    return JourneyState(**values)


def _tap(found: dict[str, Any]) -> Tap:
    _exact_keys(found, _TAP_FIELDS, "tap")
    if found["kind"] not in ("IN", "OUT"):
        raise TapFieldError("kind is IN or OUT")
    if not isinstance(found["mode"], str) or found["mode"] not in Mode.__members__:
        raise TapFieldError("mode is no mode of transport")
    if not isinstance(found["class"], str) or found["class"] not in RiderClass.__members__:
        raise TapFieldError("class is no fare class")
    return Tap(
        kind=found["kind"],
        mode=Mode[found["mode"]],
        operator=_integer(found["operator"], (1 << 16) - 1, "operator"),
        route=_name(found["route"], "route"),
        stop=_name(found["stop"], "stop"),
        line=_name(found["line"], "line"),
        time=_integer(found["time"], _UINT32, "time"),
        rider_class=RiderClass[found["class"]],
        tariff=_name(found["tariff"], "tariff"),
        journey=_journey(found["journey"]),
    )


def place_of(route: str, stop: str, line: str) -> bytes:
    """ReaderCertificate.place: SHA-256 of the canonical JSON of where a reader stands (money.md §8), 32 bytes.

    A gate's or stop's reader is bound to stop and line; a vehicle's reader moves, so it is bound to its route.
    """
    where = {"route": route} if route else {"line": line, "stop": stop}
    return sha256(_ENCODE(where).encode())


def context(reader: bytes, previous_digest: bytes, salt: bytes, canonical_tap: bytes) -> bytes:
    """FareState.context: SHA-256(reader 20 ‖ previous digest 32 ‖ SHA-256(salt 16 ‖ tap)) (money.md §2)."""
    return sha256(reader + previous_digest + sha256(salt + canonical_tap))
