"""`dure fare quote`: from a document to what every tap costs, the rules and the operators' shares (interfaces.md §2).

`parse` validates strictly (no floats, no unknown or repeated keys, times with their offset and without fractions);
`answer` prices. Both are pure. Legs stand in the order they were given; nothing is sorted for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts import strict_json
from contracts.codes import Mode, RiderClass
from contracts.errors import EncodingError
from services.fares.errors import (
    DistanceError,
    FareLimitError,
    MediaError,
    NoPathError,
    QuoteFormatError,
    QuoteTimeError,
    TapOrderError,
)
from services.fares.limits import (
    MAX_DOCUMENT_BYTES,
    MAX_LEG_METRES,
    MAX_NESTING,
    MAX_QUOTE_LEGS,
    MAX_SECTIONS,
    MAX_TEXT,
)
from services.fares.network import GTX_NETWORK, NETWORK, SEOUL_METRO, Network, Station
from services.fares.pricing import Journey, Leg, Priced, PricedLeg, price
from services.fares.rules import UNKNOWN_PLACE, is_rail
from services.fares.sections import sections_between
from services.fares.splits import Policy, split
from services.fares.tariff import Media, section_of

_TOP_KEYS: Final = frozenset({"class", "media", "legs"})
_RAIL_KEYS: Final = frozenset({"mode", "from", "to", "metres", "on", "off"})
_BUS_KEYS: Final = frozenset({"mode", "route", "metres", "on", "off"})
_LATEST: Final = 0xFFFF_FFFF  # FareState.tapTime is a uint32: until 2106


@dataclass(frozen=True, slots=True)
class Request:
    """A validated quote: one person's legs on one medium."""

    rider_class: RiderClass
    media: Media
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What the command line gives where the document is silent. `at` is UTC epoch seconds."""

    rider_class: RiderClass = RiderClass.ADULT
    media: Media = Media.CARD
    at: int | None = None


def parse(document: bytes, defaults: Defaults | None = None) -> Request:
    """The request in the bytes of one JSON document.

    Raises QuoteFormatError, QuoteTimeError, TapOrderError, MediaError, DistanceError, UnknownStationError,
    AmbiguousStationError, FareLimitError, NoPathError.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise FareLimitError(f"the document has {len(document)} bytes, MAX_DOCUMENT_BYTES is {MAX_DOCUMENT_BYTES}")
    return build(_load(document), defaults or Defaults())


def build(found: object, defaults: Defaults) -> Request:
    """The request that a decoded document describes; raises as `parse` does."""
    top = _object(found, "the document")
    _known_keys(top, _TOP_KEYS, "the document")
    rider_class = _member(RiderClass, top["class"], "class") if "class" in top else defaults.rider_class
    media = _member(Media, top["media"], "media") if "media" in top else defaults.media
    rows = top.get("legs")
    if not isinstance(rows, list) or not rows:
        raise QuoteFormatError("legs is a list of at least one leg")
    if len(rows) > MAX_QUOTE_LEGS:
        raise FareLimitError(f"{len(rows)} legs, MAX_QUOTE_LEGS is {MAX_QUOTE_LEGS}")
    legs: list[Leg] = []
    clock = defaults.at
    for number, row in enumerate(rows, 1):
        leg = _leg(_object(row, f"leg {number}"), number, media, clock)
        legs.append(leg)
        clock = leg.on if leg.off is None else leg.off
    return Request(rider_class, media, tuple(legs))


def moment(text: object, what: str) -> int:
    """UTC epoch seconds of an ISO 8601 time with its offset and without fractions. Raises QuoteTimeError."""
    if not isinstance(text, str):
        raise QuoteTimeError(f"{what} is a text such as 2025-10-01T08:10:00+09:00")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise QuoteTimeError(f"{what} {text[:40]!r} is no time") from None
    if time.tzinfo is None:
        raise QuoteTimeError(f"{what} {text[:40]!r} has no offset from UTC")
    if "." in text or "," in text:
        raise QuoteTimeError(f"{what} {text[:40]!r} has fractions of a second")
    seconds = int(time.timestamp())
    if seconds > _LATEST:
        raise QuoteTimeError(f"{what} {text[:40]!r} lies beyond the times that a tap can hold")
    return seconds


def answer(request: Request, policy: Policy = Policy.SPLIT_V1) -> dict[str, Any]:
    """The answer document. Raises what `pricing.price` raises."""
    priced = price(request.legs, request.rider_class, request.media)
    return document_of(priced, policy)


def document_of(priced: Priced, policy: Policy) -> dict[str, Any]:
    """Priced journeys as interfaces.md §2 writes them."""
    result: dict[str, Any] = {
        "tariff": priced.journeys[0].tariff,
        "total_won": priced.total_won,
        "journeys": [_journey_document(journey, policy) for journey in priced.journeys],
    }
    if priced.pending_penalty_won:
        result["pending_penalty_won"] = priced.pending_penalty_won
    return result


def _journey_document(journey: Journey, policy: Policy) -> dict[str, Any]:
    result: dict[str, Any] = {
        "tariff": journey.tariff,
        "legs": [_leg_document(leg) for leg in journey.legs],
        "base_won": journey.base_won,
        "extra_won": journey.extra_won,
        "discount_won": journey.discount_won,
        "penalty_won": journey.penalty_won,
        "total_won": journey.total_won,
        "rules": [rule.value for rule in journey.rules],
        "split": {"policy": policy.value, "shares": split(journey, policy)},
    }
    if journey.adjust_won:
        result["adjust_won"] = journey.adjust_won
    if journey.foregone_won:
        result["foregone_won"] = journey.foregone_won
    if journey.unsure:
        result["unsure"] = list(journey.unsure)
    return result


def _leg_document(priced: PricedLeg) -> dict[str, Any]:
    leg = priced.leg
    result: dict[str, Any] = {"metres": leg.metres if leg.off is not None else 0}
    if leg.basis and leg.off is not None:
        result |= {"distance_basis": leg.basis, "path": list(leg.lines)}
    return result | {"on_won": priced.on_won, "off_won": priced.off_won}


def _load(document: bytes) -> object:
    try:
        return strict_json.loads(document, max_depth=MAX_NESTING)
    except EncodingError as error:
        raise QuoteFormatError(error.what) from None


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise QuoteFormatError(f"{what} is a JSON object")
    return found


def _known_keys(found: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    unknown = sorted(found.keys() - known)
    if unknown:
        raise QuoteFormatError(
            f"{what} has the unknown key {unknown[0][:40]!r}", why=f"It takes: {', '.join(sorted(known))}."
        )


def _member(kind: Any, value: object, what: str) -> Any:
    if not isinstance(value, str) or value not in kind.__members__:
        raise QuoteFormatError(f"{what} is one of {', '.join(kind.__members__)}")
    return kind[value]


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
        raise QuoteFormatError(f"{what} is a text of 1 to {MAX_TEXT} printable letters")
    return value


def _metres(value: object, what: str) -> int:
    if type(value) is not int:  # bool is an int to Python
        raise DistanceError(f"{what} has metres that are no whole number")
    if not 0 <= value <= MAX_LEG_METRES:
        raise DistanceError(f"{what} has {_short(value)} m; 0 to {MAX_LEG_METRES} m can be ridden")
    return value


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**12 else "more than 10^12"


def _leg(row: Mapping[str, Any], number: int, media: Media, clock: int | None) -> Leg:
    what = f"leg {number}"
    mode: Mode = _member(Mode, row.get("mode"), f"{what}: mode")
    _check_media(mode, media, what)
    on, off = _times(row, what, clock)
    if is_rail(mode):
        return _rail_leg(row, mode, on, off, what)
    _known_keys(row, _BUS_KEYS, what)
    route = _text(row.get("route"), f"{what}: route")
    metres = 0
    if off is not None and (mode is not Mode.AIRPORT or "metres" in row):
        if "metres" not in row:
            raise DistanceError(f"{what} is a bus leg without metres")
        metres = _metres(row["metres"], what)
    return Leg(mode, on, off, metres, ((f"bus-{route}", metres),), route=route)


def _check_media(mode: Mode, media: Media, what: str) -> None:
    if (media is Media.SINGLE and mode is not Mode.SUBWAY) or (media is Media.CASH and is_rail(mode)):
        raise MediaError(f"{what}: {mode.name} is not paid by {media.value}")


def _times(row: Mapping[str, Any], what: str, clock: int | None) -> tuple[int, int | None]:
    if "on" not in row:
        if clock is None:
            raise QuoteTimeError(f"{what} has no time", why="Give on and off, or --at where no leg carries a time.")
        if row.get("off") is not None:
            raise QuoteTimeError(f"{what} has a tap-off without a tap-on")
        return clock, None if "off" in row else clock
    on = moment(row["on"], f"{what}: on")
    if "off" not in row:
        raise QuoteTimeError(f"{what} has no off", why="Write null where the tap-off is missing.")
    off = None if row["off"] is None else moment(row["off"], f"{what}: off")
    if off is not None and off < on:
        raise TapOrderError(f"{what} taps off {on - off} s before its tap-on")
    return on, off


def _rail_leg(row: Mapping[str, Any], mode: Mode, on: int, off: int | None, what: str) -> Leg:
    """A rail leg by its stations or by its metres; by metres alone it is Seoul Metro's (fares.md §12). The
    sections are those that the document names; where it is silent, those that the two gates tell."""
    _known_keys(row, _RAIL_KEYS | ({"surcharges"} if mode is Mode.SUBWAY else set()), what)
    network = GTX_NETWORK if mode is Mode.GTX else NETWORK
    entry = NETWORK.station(_text(row["from"], f"{what}: from")) if "from" in row else None
    place = entry.place or UNKNOWN_PLACE if entry else UNKNOWN_PLACE
    sections = _sections(row.get("surcharges", []), what)
    if off is None:
        gate = SEOUL_METRO if entry is None else network.gate_operator(entry)
        return Leg(mode, on, None, 0, ((gate, 0),), entry=place, exit=UNKNOWN_PLACE, sections=sections)
    exit_ = NETWORK.station(_text(row["to"], f"{what}: to")) if "to" in row else None
    given = _metres(row["metres"], what) if "metres" in row else None
    if entry is None or exit_ is None:
        if given is None:
            raise DistanceError(f"{what} gives neither both its stations nor its metres")
        return Leg(
            mode,
            on,
            off,
            given,
            ((SEOUL_METRO, given),),
            entry=place,
            exit=(exit_.place or UNKNOWN_PLACE) if exit_ else UNKNOWN_PLACE,
            sections=sections,
        )
    if mode is Mode.SUBWAY and "surcharges" not in row:
        sections = sections_between(entry, exit_)
    return _between(mode, on, off, network, (entry, exit_), given, sections, what)


def _between(
    mode: Mode,
    on: int,
    off: int,
    network: Network,
    stations: tuple[Station, Station],
    given: int | None,
    sections: tuple[str, ...],
    what: str,
) -> Leg:
    """A leg between two stations; metres given as well must agree, and stand in where the network has no path."""
    entry, exit_ = stations
    gate_in, gate_out = entry.place or UNKNOWN_PLACE, exit_.place or UNKNOWN_PLACE
    try:
        path = network.shortest(entry, exit_)
    except NoPathError:
        if given is None:
            raise
        return Leg(mode, on, off, given, ((network.operator, given),), entry=gate_in, exit=gate_out, sections=sections)
    if given is not None and given != path.metres:
        raise DistanceError(
            f"{what} gives {given} m, but {entry.name} and {exit_.name} are {path.metres} m apart on the network"
        )
    tag_in = network.gate_operator(entry, path.lines[0] if path.lines else "")
    return Leg(
        mode,
        on,
        off,
        path.metres,
        path.operators,
        entry=gate_in,
        exit=gate_out,
        sections=sections,
        tag_in=tag_in,
        lines=path.lines,
        basis=path.basis,
    )


def _sections(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_SECTIONS:
        raise QuoteFormatError(f"{what}: surcharges is a list of sections, each at most once")
    found = tuple(section_of(_text(each, f"{what}: surcharges")) for each in value)
    if len(set(found)) != len(found):
        raise QuoteFormatError(f"{what}: a surcharged section stands twice")
    return found
