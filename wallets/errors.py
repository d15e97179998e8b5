"""What can go wrong with a wallet.

    WalletError                   WALLET-000

Each module's errors hang here; see the classes for code, sentence and remedy.
"""

from __future__ import annotations

from contracts.errors import DureError


class WalletError(DureError):
    """Something with a wallet is wrong."""

    code = "WALLET-000"
