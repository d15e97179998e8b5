"""What can go wrong on the chain.

    LedgerError                   LEDGER-000

Each module's errors hang here; see the classes for code, sentence and remedy.
"""

from __future__ import annotations

from contracts.errors import DureError


class LedgerError(DureError):
    """Something on the chain is wrong."""

    code = "LEDGER-000"
