"""The public tariff as pure look-ups by date, mode, class and medium (fares.md §2 to §7 and §12).

`TARIFFS` is read once, at first use, from services/fares/data. A `Tariff` is all that prices a journey; its id is
SEOUL- and the latest date at which any of its tables changed. A journey keeps the tariff of its first tap-on.
"""

from __future__ import annotations

import csv
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache, cached_property
from importlib.resources import files
from itertools import pairwise
from typing import Any, Final

from contracts.codes import Mode, RiderClass
from services.days import KST_OFFSET_S, date_of, service_day_at
from services.fares.errors import (
    BeforeFirstTariffError,
    FareNotInTablesError,
    NoAirportTableError,
    QuoteFormatError,
    TariffDataError,
    UnknownTariffError,
)

RAIL: Final = frozenset({Mode.SUBWAY, Mode.GTX})
SATURDAY: Final = 5
DATA: Final = files("services.fares") / "data"


class Media(StrEnum):
    """How a ride is paid at the gate (fares.md §1): a card, a single ticket (1회권), or cash on a bus."""

    CARD = "CARD"
    SINGLE = "SINGLE"
    CASH = "CASH"


@dataclass(frozen=True, slots=True)
class Fare:
    """One row of the tables. `confirmed` is false where the amount or its day stands on memory alone."""

    won: int
    confirmed: bool
    source: str


@dataclass(frozen=True, slots=True)
class Surcharge:
    """A surcharged section (fares.md §7): `linked_won` instead of `won` where `linked_section` is ridden too."""

    section: str
    won: int
    linked_section: str
    linked_won: int
    operator: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules that are numbers (data/rules.json): metres, won, seconds; times of day in seconds from midnight."""

    base_m: int
    express_base_m: int
    step_m: int
    long_from_m: int
    long_step_m: int
    steps_won: Mapping[RiderClass, int]
    max_legs: int
    window_s: int
    night_window_s: int
    night_from_s: int
    night_to_s: int
    skew_s: int
    early_bird_from: int
    early_from_s: int
    early_to_s: int
    early_percent: int
    collect_within_s: int
    evasion_times: int


@dataclass(frozen=True, slots=True)
class Tariff:
    """Everything that prices a journey which begins at or after `valid_from` (UTC epoch seconds)."""

    id: str
    valid_from: int
    rules: Rules
    fares: Mapping[tuple[Mode, RiderClass, Media], Fare]
    gtx: Mapping[RiderClass, tuple[Fare, Fare, int]]
    surcharges: Mapping[str, Surcharge]
    reentry_limit_s: int
    airport: Mapping[tuple[str, RiderClass, Media], Fare]
    _card_won: dict[tuple[Mode, RiderClass], int] = field(default_factory=dict, repr=False, compare=False)

    def fare(self, mode: Mode, rider_class: RiderClass, media: Media, first_time: int, route: str = "") -> Fare:
        """The base fare's row. `first_time` is the journey's first tap-on: on its service day hangs GTX's weekend.

        FREE is free on the subway and pays as ADULT on buses; INFANT is free but on airport buses.
        Raises FareNotInTablesError, NoAirportTableError.
        """
        infant = rider_class is RiderClass.INFANT and mode is not Mode.AIRPORT
        if infant or (rider_class is RiderClass.FREE and mode is Mode.SUBWAY):
            return Fare(0, True, "fares.md 5")
        if mode is Mode.GTX:
            row = self.gtx.get(rider_class)
            found = None
            if row is not None and media is Media.CARD:
                found = row[1] if is_weekend(first_time) else row[0]
        else:
            payer = RiderClass.ADULT if rider_class is RiderClass.FREE else rider_class
            if mode is Mode.AIRPORT:
                found = self.airport.get((route, payer, media))
                if found is None:
                    raise NoAirportTableError(f"no table for airport bus {route or '(no route)'} on {self.id[6:]}")
            else:
                found = self.fares.get((mode, payer, media))
        if found is None:
            raise FareNotInTablesError(
                f"the tables of {self.id[6:]} hold no {media.value} fare of {mode.name} for {rider_class.name}"
            )
        return found

    def base_won(self, mode: Mode, rider_class: RiderClass, first_time: int) -> int:
        """Base fare by card. Raises FareNotInTablesError; airport buses have no place in the integrated fare."""
        if mode is Mode.GTX:
            return self.fare(mode, rider_class, Media.CARD, first_time).won
        won = self._card_won.get((mode, rider_class))
        if won is None:
            won = self._card_won[mode, rider_class] = self.fare(mode, rider_class, Media.CARD, first_time).won
        return won

    def step_won(self, rider_class: RiderClass) -> int:
        """What one started distance step costs: 100, 80, 50; FREE as ADULT, INFANT 0 (fares.md §12)."""
        return self.rules.steps_won[rider_class]

    def premium_won(self, mode: Mode, rider_class: RiderClass, metres: int, sections: tuple[str, ...] = ()) -> int:
        """What a leg costs beyond the integrated fare: see `premiums`."""
        if mode is not Mode.GTX and not sections:
            return 0
        return sum(won for _, won in self.premiums(mode, rider_class, metres, sections))

    def premiums(
        self, mode: Mode, rider_class: RiderClass, metres: int, sections: tuple[str, ...]
    ) -> Iterator[tuple[str, int]]:
        """(operator, won) beyond the integrated fare, each wholly its operator's, "" for the leg's own (fares.md §7).

        A GTX leg pays, for each step started beyond its own base distance, what GTX's step exceeds the common one by:
        so 동탄 to 강남 comes to the published 4,650 in both directions. Surcharged sections add theirs.
        Raises FareNotInTablesError.
        """
        if rider_class is RiderClass.INFANT or (rider_class is RiderClass.FREE and mode is Mode.SUBWAY):
            return
        if mode is Mode.GTX:
            step = self.gtx[rider_class][2] - self.step_won(rider_class)
            yield "", step * units(metres, self.rules.base_m, self.rules, all_rail=True)
        for name in sections:
            row = self.surcharges.get(name)
            if row is None:
                raise FareNotInTablesError(f"the tables of {self.id[6:]} hold no surcharged section {name!r}")
            if rider_class is not RiderClass.ADULT:
                raise FareNotInTablesError(f"the tables hold the surcharge of {name} for ADULT only")
            yield row.operator, row.linked_won if row.linked_section in sections else row.won


def units(metres: int, base_m: int, rules: Rules, *, all_rail: bool) -> int:
    """Distance steps started beyond the base distance (fares.md §3); the 8 km step needs every leg to be rail."""
    if metres <= base_m:
        return 0
    if all_rail and metres > rules.long_from_m:
        near = -((base_m - rules.long_from_m) // rules.step_m)
        return near - (rules.long_from_m - metres) // rules.long_step_m
    return -((base_m - metres) // rules.step_m)


def is_weekend(time: int) -> bool:
    """Whether the service day that holds `time` is a Saturday or Sunday. Public holidays are not known here."""
    return date_of(service_day_at(time)).weekday() >= SATURDAY


def seconds_of_day(time: int) -> int:
    """Seconds since midnight in Korea."""
    return (time + KST_OFFSET_S) % 86_400


class Tariffs:
    """Every tariff since the first table, oldest first. The files are read at first use (raises TariffDataError)."""

    def __init__(self, read: Callable[[], list[Tariff]]) -> None:
        self._read = read

    @cached_property
    def _tariffs(self) -> list[Tariff]:
        return self._read()

    @cached_property
    def _starts(self) -> list[int]:
        return [tariff.valid_from for tariff in self._tariffs]

    @cached_property
    def _by_id(self) -> dict[str, Tariff]:
        return {tariff.id: tariff for tariff in self._tariffs}

    def at(self, time: int) -> Tariff:
        """The tariff of a journey that begins at `time`. Raises BeforeFirstTariffError."""
        index = bisect_right(self._starts, time)
        if index == 0:
            raise BeforeFirstTariffError(f"the first table begins on {self._tariffs[0].id[6:]} at 04:00 KST")
        return self._tariffs[index - 1]

    def by_id(self, tariff_id: str) -> Tariff:
        """Raises UnknownTariffError."""
        try:
            return self._by_id[tariff_id]
        except KeyError:
            raise UnknownTariffError(f"no tariff is called {tariff_id[:32]!r}") from None

    def __iter__(self) -> Iterator[Tariff]:
        return iter(self._tariffs)


def read_table(name: str) -> list[dict[str, str]]:
    """A CSV file of services/fares/data as rows. Raises TariffDataError."""
    try:
        rows = list(csv.DictReader((DATA / name).read_text("utf-8").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TariffDataError(f"{name} cannot be read: {error}") from error
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise TariffDataError(f"{name} line {number} has too many or too few columns")
    return rows


def read_json(name: str) -> dict[str, Any]:
    """A JSON file of services/fares/data. Raises TariffDataError."""
    try:
        document = json.loads((DATA / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise TariffDataError(f"{name} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise TariffDataError(f"{name} is no JSON object")
    return document


def _moment(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _time_of_day(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3_600 + int(minutes) * 60


def _rules() -> Rules:
    document = read_json("rules.json")
    distance, transfer, early, penalty = (document[key] for key in ("distance", "transfer", "early_bird", "penalty"))
    steps = {RiderClass[name]: won for name, won in distance["step_won"].items()}
    return Rules(
        base_m=distance["base_m"],
        express_base_m=distance["express_base_m"],
        step_m=distance["step_m"],
        long_from_m=distance["long_from_m"],
        long_step_m=distance["long_step_m"],
        steps_won={**steps, RiderClass.FREE: steps[RiderClass.ADULT], RiderClass.INFANT: 0},
        max_legs=transfer["max_legs"],
        window_s=transfer["window_s"],
        night_window_s=transfer["night_window_s"],
        night_from_s=_time_of_day(transfer["night_from"]),
        night_to_s=_time_of_day(transfer["night_to"]),
        skew_s=transfer["skew_s"],
        early_bird_from=_moment(early["valid_from"]),
        early_from_s=_time_of_day(early["from"]),
        early_to_s=_time_of_day(early["to"]),
        early_percent=early["percent"],
        collect_within_s=penalty["collect_within_s"],
        evasion_times=penalty["evasion_times"],
    )


def _fare(row: Mapping[str, str], column: str, confirmed: str = "confirmed") -> Fare:
    return Fare(int(row[column]), row[confirmed] == "true", row["source"])


def _tariff(moment: int, rules: Rules, tables: Mapping[str, list[dict[str, str]]]) -> Tariff:
    def valid(name: str) -> Iterator[dict[str, str]]:
        return (row for row in tables[name] if _moment(row["valid_from"]) <= moment)

    limits = [int(row["limit_s"]) for row in valid("reentry.csv")]
    return Tariff(
        id=f"SEOUL-{date_of((moment + KST_OFFSET_S) // 86_400).isoformat()}",
        valid_from=moment,
        rules=rules,
        fares={
            (Mode[row["mode"]], RiderClass[row["class"]], Media(row["pay"])): _fare(row, "base_won")
            for row in valid("base_fares.csv")
        },
        gtx={
            RiderClass[row["class"]]: (
                _fare(row, "base_won"),
                _fare(row, "weekend_base_won", "weekend_confirmed"),
                int(row["step_won"]),
            )
            for row in valid("gtx.csv")
        },
        surcharges={
            row["section"]: Surcharge(
                row["section"],
                int(row["surcharge_won"]),
                row["linked_section"],
                int(row["linked_won"] or 0),
                row["operator"],
            )
            for row in valid("line_surcharges.csv")
        },
        reentry_limit_s=limits[-1] if limits else 0,
        airport={
            (row["route"], RiderClass[row["class"]], Media(row["pay"])): _fare(row, "fare_won")
            for row in valid("airport_routes.csv")
        },
    )


def load() -> list[Tariff]:
    """Every tariff from the data files. Raises TariffDataError for a row that cannot be one."""
    names = ("base_fares.csv", "gtx.csv", "line_surcharges.csv", "reentry.csv", "airport_routes.csv")
    tables = {name: read_table(name) for name in names}
    try:
        for name, rows in tables.items():
            for before, after in pairwise(rows):
                if _moment(before["valid_from"]) > _moment(after["valid_from"]):
                    raise TariffDataError(f"{name} is not in the order of its dates")
        moments = sorted({_moment(row["valid_from"]) for rows in tables.values() for row in rows})
        rules = _rules()
        return [_tariff(moment, rules, tables) for moment in moments]
    except (KeyError, ValueError) as error:
        raise TariffDataError(f"the tariff's tables hold {error}") from error


def _section_key(name: str) -> str:
    return re.sub(r"[\s~‐-―−]+", "-", name.strip()).casefold()


@cache
def _section_names() -> dict[str, str]:
    rows = read_table("line_surcharges.csv")
    return {_section_key(row[column]): row["section"] for row in rows for column in ("section", "name_ko")}


def section_of(name: str) -> str:
    """The surcharged section called `name` in English or Korean, with any dash. Raises QuoteFormatError."""
    names = _section_names()
    try:
        return names[_section_key(name)]
    except KeyError:
        known = ", ".join(sorted(set(names.values())))
        raise QuoteFormatError(f"no surcharged section is called {name[:40]!r}", why=f"Known: {known}.") from None


TARIFFS: Final = Tariffs(load)
