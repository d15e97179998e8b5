"""The services' database: the same schema from its migrations as from its models, on both kinds."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

import services.models  # noqa: F401  (registers every table)
from services.database import DatabaseError, migrate, open_database, reading, transaction


def test_migrations_from_empty_give_exactly_the_models(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_sqlite_is_durable_at_every_commit_and_private(sqlite_engine: Engine, tmp_path: Path) -> None:
    with sqlite_engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    assert stat.S_IMODE((tmp_path / "services.db").stat().st_mode) == 0o600


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    statement = text("INSERT INTO fare_closings (service_day, planned_at) VALUES (1, 2)")

    def twice() -> None:
        with transaction(engine) as connection:
            connection.execute(statement)
            connection.execute(statement)

    with pytest.raises(IntegrityError):
        twice()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM fare_closings")).scalar_one() == 0


@pytest.mark.parametrize("url", ["mysql://host/db", "oracle://host/db", "mssql://host/db"])
def test_other_databases_are_refused_by_name(url: str) -> None:
    with pytest.raises(DatabaseError):
        open_database(url)
