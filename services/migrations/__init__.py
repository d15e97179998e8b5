"""Schema of the services' database, version by version (Alembic)."""
