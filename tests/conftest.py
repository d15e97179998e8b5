"""What every test stands on: assertions in the helpers hold as those in test modules do, under `python -O` too.

pytest rewrites `assert` in test modules and conftest files only; a helper's would be plain, and vanish under -O.
"""

from __future__ import annotations

from pathlib import Path

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


@pytest.fixture(scope="session")
def finished_demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of one finished run of the demo, 60 riders, which all test processes share: read it only."""
    from tests.services.demo.runs import play_once

    base = tmp_path_factory.getbasetemp()
    return play_once((base.parent if hasattr(request.config, "workerinput") else base) / "finished-demo")
