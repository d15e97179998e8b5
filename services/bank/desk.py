"""What every part of a bank works with: its tables, the chain, its keys, its randomness."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from coincurve import PrivateKey
from sqlalchemy import Engine

from ledger.client import Client
from services.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Randomness:
    """Where a bank's randomness comes from: the operating system, but in the demo, which derives it from its seed."""

    token: Callable[[int], bytes] = secrets.token_bytes
    below: Callable[[int], int] = secrets.randbelow


@dataclass(frozen=True, slots=True)
class Desk:
    """One bank's means. `organisation` is its id on the chain; its account there is the issuer's address.

    issuer: sends with a key of purpose ISSUE · second: sends with the other key that mints above the day's cap need
    (money.md §5) · guarantor_key: signs card certificates.
    """

    engine: Engine
    client: Client
    issuer: Outbox
    organisation: int
    guarantor_key: PrivateKey = field(repr=False)
    second: Outbox | None = None
    randomness: Randomness = field(default_factory=Randomness)
