"""The services' database: SQLite by default, PostgreSQL by one setting, the same tables on both.

What a service acknowledges is on the disk before: SQLite runs with a write-ahead log and `synchronous=FULL`, so a
commit is one fsync; PostgreSQL's default (`synchronous_commit=on`) says the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from services.errors import ServiceError

MIGRATIONS: Final = Path(__file__).parent / "migrations"
# A writer waits this long for another one; past it something holds the file that should not.
_BUSY_TIMEOUT_MS: Final = 10_000


class DatabaseError(ServiceError):
    """The services' database cannot be opened."""

    code = "SERVICE-010"
    do = "Check the setting: sqlite:///PATH or postgresql+psycopg://HOST/DATABASE."
    ko = "데이터베이스를 열 수 없습니다."
    exit_code = 3


def open_database(url: str) -> Engine:
    """An engine for `sqlite:///PATH` or `postgresql+psycopg://…`.

    A new SQLite file is made for its owner only (0600). Raises DatabaseError for any other kind of address.
    """
    parsed = make_url(url)
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            os.close(os.open(parsed.database, os.O_RDWR | os.O_CREAT, 0o600))
        engine = create_engine(parsed)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    if kind == "postgresql":
        # TCP loses a silent peer; a pooled connection is tried before it is used.
        return create_engine(parsed, pool_pre_ping=True, connect_args={"options": "-c timezone=UTC"})
    raise DatabaseError(f"{kind} is no database that Dure knows")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver's guess at the statement
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another writer was first; this one waits.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Brings the schema to `revision`; does nothing where it stands there already."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One consistent view of the tables, which holds up no writer."""
    with engine.connect().execution_options(reading=True) as connection, connection.begin():
        yield connection


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction: committed and on the disk when the block ends, undone by any exception."""
    with engine.begin() as connection:
        yield connection


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts rows in bulk; one that a unique key already holds is left as it was.

    Every row names the same columns; columns left out take the database's own defaults, not the model's. Values are
    integers, text, bytes, booleans or None.
    """
    if not rows:
        return
    kind = postgresql if connection.dialect.name == "postgresql" else sqlite
    names = tuple(rows[0])
    compiled = kind.insert(table).on_conflict_do_nothing().compile(dialect=connection.dialect, column_keys=names)
    # Straight to the driver: integers, text and bytes need no conversion, which took a quarter of an upload's time.
    values: list[Any] = list(rows)
    if compiled.positiontup is not None:
        values = [tuple(row[name] for name in compiled.positiontup) for row in rows]
    connection.exec_driver_sql(compiled.string, values)
