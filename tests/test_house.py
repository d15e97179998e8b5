"""Rules of the house that no tool enforces."""

from __future__ import annotations

import pytest


def test_canary_assertions_of_tests_hold_under_every_flag() -> None:
    """`make test` runs the refusals under python -O; were assertions gone there, that run would prove nothing."""
    with pytest.raises(AssertionError):
        assert len("canary") == 5
