"""Bounds of the faces, each with its reason."""

from __future__ import annotations

from typing import Final

MIN_FREE_BYTES: Final = 1 << 30  # the demo writes some 300 MB; a full disk stops every store
