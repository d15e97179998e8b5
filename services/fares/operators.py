"""Which organisation runs what: operator ids of splits to organisation ids of the chain (money.md §3).

Operator ids are `seoul-metro`, `korail`, the concession companies, and `bus-<route>`; data/operators.csv maps each.
Which company runs a bus route is a seed there, not a register: a deployment brings its own rows through `Operators`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from services.fares.errors import TariffDataError, UnknownOperatorError
from services.fares.tariff import read_table

MAX_ORGANISATION: Final = 4_095  # settlement.md: ids fit 12 bits of a card's slot


class Operators:
    """Organisation ids by operator id: the seed, with `more` rows beside or over it."""

    def __init__(self, more: Mapping[str, int] | None = None) -> None:
        self._more = dict(more or {})

    @cached_property
    def _organisations(self) -> dict[str, int]:
        try:
            seed = {row["operator"]: int(row["organisation"]) for row in read_table("operators.csv")}
        except (KeyError, ValueError) as error:
            raise TariffDataError(f"operators.csv holds {error}") from error
        found = seed | self._more
        for operator, organisation in found.items():
            if not 0 < organisation <= MAX_ORGANISATION:
                raise TariffDataError(f"operator {operator} has the organisation id {organisation}")
        return found

    def organisation(self, operator: str) -> int:
        """The organisation that runs `operator`. Raises UnknownOperatorError, TariffDataError."""
        try:
            return self._organisations[operator]
        except KeyError:
            raise UnknownOperatorError(f"no organisation runs {operator[:64]!r}") from None

    def of_organisation(self, organisation: int) -> list[str]:
        """Operator ids that an organisation runs, sorted; empty if none."""
        return sorted(operator for operator, runs in self._organisations.items() if runs == organisation)

    def names_ko(self) -> dict[int, str]:
        """Korean names of the organisations in the seed."""
        return {int(row["organisation"]): row["name_ko"] for row in read_table("operators.csv")}


OPERATORS: Final = Operators()
