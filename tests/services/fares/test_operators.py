"""Operator ids to organisation ids."""

from __future__ import annotations

import pytest

from services.fares.errors import TariffDataError, UnknownOperatorError
from services.fares.network import NETWORK, coordinates
from services.fares.operators import OPERATORS, Operators
from services.fares.tariff import read_table


def test_rail_and_buses_have_organisations() -> None:
    assert OPERATORS.organisation("seoul-metro") == 101
    assert OPERATORS.organisation("bus-143") == 201
    assert "bus-143" in OPERATORS.of_organisation(201)
    assert OPERATORS.names_ko()[101] == "서울교통공사"


def test_every_operator_of_the_network_and_of_surcharges_is_known() -> None:
    names = {row["operator"] for table in ("rail_edges.csv", "gtx_edges.csv") for row in read_table(table)}
    names |= {row["operator"] for row in read_table("line_surcharges.csv")}
    assert all(OPERATORS.organisation(name) for name in names)


def test_a_route_of_nobody_is_refused() -> None:
    with pytest.raises(UnknownOperatorError):
        OPERATORS.organisation("bus-99999")
    assert OPERATORS.of_organisation(9) == []


def test_a_deployment_brings_its_own_routes() -> None:
    assert Operators({"bus-99999": 300, "bus-143": 301}).organisation("bus-143") == 301
    with pytest.raises(TariffDataError):
        Operators({"bus-99999": 5_000}).organisation("seoul-metro")


def test_every_station_with_distances_has_coordinates() -> None:
    places = coordinates()
    for name in NETWORK.names:
        for line in NETWORK.lines_of(name):
            twin = {"이수": "총신대입구"}.get(name, name)
            latitude, longitude = places.get((name, line)) or places[twin, line]
            assert 36 < latitude < 39
            assert 126 < longitude < 128
