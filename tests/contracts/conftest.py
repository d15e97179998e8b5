"""Worlds for the agreements' tests. Deploying takes a moment, so it happens once and every test is rolled back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.city import deploy_city
from tests.contracts.harness import World


@pytest.fixture(scope="session")
def deployed_world() -> World:
    """The city of tests/contracts/city.py, as its constructors leave it."""
    world = World()
    deploy_city(world)
    return world


@pytest.fixture
def world(deployed_world: World) -> Iterator[World]:
    """The same for one test; what it does is undone."""
    with deployed_world.rolled_back():
        yield deployed_world
