"""What one tap says, and the journey it belongs to (money.md §8): the leaf under a FareState's context.

A tap is canonical JSON (RFC 8785). Its `journey` is the whole state that the next reader needs to price the next
tap, so that a reader of another operator, offline, comes to the same won.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

import rfc8785

from contracts.codes import Mode, RiderClass
from contracts.hashing import sha256

TapKind: TypeAlias = Literal["IN", "OUT"]
SALT_BYTES: Final = 16
NO_PREVIOUS: Final = b"\0" * 32


@dataclass(frozen=True, slots=True)
class JourneyState:
    """What a journey has come to after a tap (money.md §8, `tap.journey`). Times are UTC epoch seconds, 0 for none.

    first_seq, first_time: the first tap-on · legs: boardings so far (0: no journey) · max_base_won: highest base fare
    of its legs · taken_won: all charged so far · metres: of the legs already closed · last_off_time, last_route: the
    last tap-off and the route (bus) it left, "" on rail · exit: "station:line" of the last rail exit, "" if none ·
    reentry_used: the one rail re-entry is spent · express: a leg raised the base distance to 30 km ·
    pending_won: penalty of an earlier journey still to be collected by the next tap.
    """

    first_seq: int = 0
    first_time: int = 0
    legs: int = 0
    max_base_won: int = 0
    taken_won: int = 0
    metres: int = 0
    last_off_time: int = 0
    last_route: str = ""
    exit: str = ""
    reentry_used: bool = False
    express: bool = False
    pending_won: int = 0


@dataclass(frozen=True, slots=True)
class Tap:
    """One tap as the reader offers it and the wallet keeps it. `time` is UTC epoch seconds; `operator` an
    organisation id; `route` is "" on rail and `line` is "" on buses; `stop` a station or stop name."""

    kind: TapKind
    mode: Mode
    operator: int
    route: str
    stop: str
    line: str
    time: int
    rider_class: RiderClass
    tariff: str
    journey: JourneyState

    def canonical(self) -> bytes:
        """RFC 8785 bytes of the tap."""
        return rfc8785.dumps(
            {
                "kind": self.kind,
                "mode": self.mode.name,
                "operator": self.operator,
                "route": self.route,
                "stop": self.stop,
                "line": self.line,
                "time": self.time,
                "class": self.rider_class.name,
                "tariff": self.tariff,
                "journey": asdict(self.journey),
            }
        )


def context(reader: bytes, previous_digest: bytes, salt: bytes, canonical_tap: bytes) -> bytes:
    """FareState.context: SHA-256(reader 20 ‖ previous digest 32 ‖ SHA-256(salt 16 ‖ tap)) (money.md §2)."""
    return sha256(reader + previous_digest + sha256(salt + canonical_tap))
