"""Execution engines behind one interface (base.py). Everything that knows py-evm's state machine lives here."""

from __future__ import annotations

from typing import Final

from ledger.engines.base import Engine
from ledger.engines.errors import UnknownEngine

DIRECT: Final = "direct"
STOCK: Final = "stock"
DEFAULT_ENGINE: Final = DIRECT


def open_engine(name: str = DEFAULT_ENGINE) -> Engine:
    """The engine of a name: `direct` (fast, the default) or `stock` (py-evm as it is). Raises UnknownEngine."""
    if name == DIRECT:
        from ledger.engines.direct import DirectEngine

        return DirectEngine()
    if name == STOCK:
        from ledger.engines.stock import StockEngine

        return StockEngine()
    raise UnknownEngine(f"no engine is called {name!r}; there are {DIRECT!r} and {STOCK!r}")
