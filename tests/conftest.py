"""What every test stands on: assertions in the helpers hold as those in test modules do, under `python -O` too.

pytest rewrites `assert` in test modules and conftest files only; a helper's would be plain, and vanish under -O.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "tests.api",
    "tests.bench",
    "tests.contracts",
    "tests.faults",
    "tests.ledger",
    "tests.peers",
    "tests.services",
    "tests.wallets",
)
