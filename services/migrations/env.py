"""How Alembic finds the tables and the connection: `services.database.migrate` hands the connection over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import services.models  # noqa: F401  (imports every table, so that the metadata is whole)

target_metadata = SQLModel.metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=target_metadata,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
