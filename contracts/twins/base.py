"""What the twins share: the block they stand in, how they refuse, what they log.

A twin is an agreement said again in plain Python, to be read beside the Vyper and compared with it by property tests.
It takes the sender as first argument, refuses with the agreement's own names, and keeps the same events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contracts.errors import ContractsError, SignatureError
from contracts.signatures import from_compact, recover

NOBODY = bytes(20)
NO_HASH = bytes(32)
_DAY_SECONDS = 86_400


class Reverted(ContractsError):
    """The agreement refuses the transaction; `reason` is its name for it and nothing was changed."""

    code = "CONTRACT-006"
    do = "Look the name up in the agreement's own description (contracts/*.vy)."
    ko = "계약이 거래를 거절했습니다."

    def __init__(self, reason: str) -> None:
        super().__init__(f"refused: {reason}")
        self.reason = reason


def require(holds: bool, reason: str) -> None:
    """Raises Reverted with the name unless it holds."""
    if not holds:
        raise Reverted(reason)


@dataclass(slots=True)
class Clock:
    """The block that twins stand in. time: UTC epoch seconds."""

    chain_id: int
    time: int
    block: int

    @property
    def kst_day(self) -> int:
        """Days since 1970-01-01 of the KST calendar day (banks' books; no roll at 04:00)."""
        return (self.time + 9 * 3600) // _DAY_SECONDS


@dataclass(slots=True)
class Log:
    """Events in order: (name, fields)."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, event: str, /, **fields: Any) -> None:
        self.events.append((event, fields))

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """What was logged since the last time."""
        taken, self.events = self.events, []
        return taken


def signer(digest: bytes, v: int, r: bytes, s: bytes) -> bytes:
    """Who signed; NOBODY for anything that is no signature with a low s (contracts/lib/signing.vy)."""
    try:
        return recover(digest, r + s + bytes((v,)))
    except SignatureError:
        return NOBODY


def compact_signer(digest: bytes, r: int, vs: int) -> bytes:
    """The same for EIP-2098 words."""
    try:
        return recover(digest, from_compact(r, vs))
    except SignatureError:
        return NOBODY
