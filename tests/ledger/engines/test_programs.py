"""Random programs end alike on direct dispatch and on stock py-evm."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.ledger.engines.programs import case
from tests.ledger.engines.twins import run_direct, run_stock


def check(seed: int) -> str:
    """Raises AssertionError naming the seed and the first field that differs; returns how the program ended."""
    program = case(seed)
    stock, direct = run_stock(program), run_direct(program)
    for field, value in stock.items():
        assert direct.get(field) == value, f"seed {seed}: {field}\nstock  {value!r}\ndirect {direct.get(field)!r}"
    return str(stock["status"])


@pytest.mark.parametrize("part", range(6))
def test_random_programs_end_alike(part: int) -> None:
    """3,000 programs; every way of ending must occur, or the generator has gone stale."""
    ends = Counter(check(seed) for seed in range(part * 500, part * 500 + 500))
    assert min(ends["success"], ends["burns"], ends["revert"]) > 20, ends


@pytest.mark.long
@pytest.mark.parametrize("part", range(100))
def test_random_programs_end_alike_long(part: int) -> None:
    """100,000 further programs."""
    for seed in range(10_000 + part * 1_000, 10_000 + part * 1_000 + 1_000):
        check(seed)
