"""Every table of the services, imported once so that `SQLModel.metadata` is whole (for migrations)."""

from __future__ import annotations

from services.fares import tables as fares

__all__ = ["fares"]
