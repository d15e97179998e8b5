"""Every table of the services, imported once so that `SQLModel.metadata` is whole (for migrations)."""

from __future__ import annotations

from services import outbox
from services.bank import tables as bank
from services.fares import tables as fares
from services.vouchers import tables as vouchers
from services.zeropay import tables as zeropay

__all__ = ["bank", "fares", "outbox", "vouchers", "zeropay"]
