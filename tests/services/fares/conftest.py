from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.services.chain import Chain
from tests.services.fares.town import AGREEMENTS, Town
from tests.services.fares.world import City


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    made = City(tmp_path)
    yield made
    made.store.close()


@contextmanager
def _town(folder: Path, engine: Engine) -> Iterator[Town]:
    chain = Chain(folder / "chain", engine, AGREEMENTS)
    made = Town(chain, folder)
    yield made
    made.city.store.close()
    made.chain.close()
    made.engine.dispose()  # after a restart another one than the fixture's


@pytest.fixture
def town(tmp_path: Path, sqlite_engine: Engine) -> Iterator[Town]:
    """A city that settles on a real chain, its tables in SQLite."""
    with _town(tmp_path, sqlite_engine) as made:
        yield made


@pytest.fixture
def town_on_both(tmp_path: Path, engine: Engine) -> Iterator[Town]:
    """The same, once with SQLite and once with PostgreSQL."""
    with _town(tmp_path, engine) as made:
        yield made
