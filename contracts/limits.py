"""Bounds of what the agreements take, each with its reason."""

from __future__ import annotations

from typing import Final

# receipts.md §1: a path of 32 nodes covers four thousand million leaves, more than any batch holds.
MAX_MERKLE_PATH: Final = 32
