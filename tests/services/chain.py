"""A chain with every agreement and a small city on it, in this process, for the services' tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from coincurve import PrivateKey
from sqlalchemy import Engine
from web3 import Web3

from contracts import addresses, client
from contracts.codes import Purpose, Role
from contracts.hashing import keccak
from contracts.signatures import address_of
from ledger.chain.genesis import Agreement, ChainConfig, Signer
from ledger.client import Client
from ledger.node import Node
from ledger.rpc.embedded import EmbeddedProvider
from services.days import day_number, day_start
from services.outbox import Outbox

CHAIN_ID: Final = 20_251
GENESIS_S: Final = day_start(day_number(date(2025, 10, 1)))
CITY, BANK, OTHER_BANK, CLEARING, REGISTRY, OFFICE = 1, 2, 3, 4, 5, 6
METRO, BUS = 101, 201
DAILY_CAP_WON: Final = 50_000_000
ROLES: Final = {
    CITY: (Role.CITY,),
    BANK: (Role.BANK, Role.GUARANTOR),
    OTHER_BANK: (Role.BANK, Role.GUARANTOR),
    CLEARING: (Role.CLEARING_HOUSE,),
    REGISTRY: (Role.ELIGIBILITY_REGISTRY,),
    OFFICE: (Role.CITY,),
    METRO: (Role.OPERATOR,),
    BUS: (Role.OPERATOR,),
}
_ALL: Final = Purpose.ADMINISTER | Purpose.ISSUE | Purpose.SETTLE | Purpose.APPROVE | Purpose.ATTEST


def key(name: str) -> PrivateKey:
    """A test's key, made from a name."""
    return PrivateKey(keccak(b"services test " + name.encode()))


AUTHORITY: Final = key("authority")


def sender(organisation: int) -> PrivateKey:
    """An organisation's key for everything; its address is also the organisation's account."""
    return key(f"organisation {organisation}")


def second_sender(organisation: int) -> PrivateKey:
    """An organisation's second key."""
    return key(f"organisation {organisation}, second")


def config(names: Sequence[str]) -> ChainConfig:
    """The city's chain with these agreements beside Organisations."""
    organisations = [
        (number, address_of(sender(number)), sum(1 << role for role in roles)) for number, roles in ROLES.items()
    ]
    keys = [(address_of(sender(number)), number, int(_ALL)) for number in ROLES]
    keys += [(address_of(second_sender(bank)), bank, int(Purpose.ISSUE)) for bank in (BANK, OTHER_BANK)]
    everything = ["Organisations", *names]
    standing = [(addresses.BY_NAME[name], name.encode().ljust(32, b"\0")) for name in everything]
    arguments: dict[str, list[Any]] = {
        "Organisations": [organisations, keys, [CITY], 1, standing, []],
        "Won": [addresses.ORGANISATIONS, [(BANK, DAILY_CAP_WON), (OTHER_BANK, DAILY_CAP_WON)]],
        "Vouchers": [addresses.ORGANISATIONS, addresses.WON],
    }
    if "Fares" in names:
        credits = addresses.BY_NAME["Credits"]
        arguments["Fares"] = [addresses.ORGANISATIONS, addresses.WON, addresses.VOUCHERS, credits]
        arguments["Credits"] = [addresses.ORGANISATIONS, addresses.FARES]
    return ChainConfig(
        name="시험 도시",
        chain_id=CHAIN_ID,
        timestamp=GENESIS_S,
        authority=Signer("Test", address_of(AUTHORITY)),
        agreements=tuple(
            Agreement(name, addresses.BY_NAME[name], client.encode_constructor(name, arguments[name]))
            for name in everything
        ),
    )


class Chain:
    """A running chain: `web3`, `client`, outboxes by organisation, and `seal` for the next block."""

    def __init__(self, path: Path, engine: Engine, names: Sequence[str]) -> None:
        self.path = path
        self.engine = engine
        self.now = GENESIS_S
        self.node = Node.create(path, config(names), key=AUTHORITY, clock=self.clock)
        self._open()

    def _open(self) -> None:
        self.web3 = Web3(EmbeddedProvider(self.node))
        self.client = Client(self.web3)

    def clock(self) -> int:
        """The time that tests set."""
        return self.now

    def outbox(self, organisation: int, key_: PrivateKey | None = None) -> Outbox:
        """An outbox of an organisation's key."""
        return Outbox(self.engine, self.web3, self.client, key_ or sender(organisation))

    def seal(self) -> int:
        """Makes blocks until nothing waits; the head's number."""
        while True:
            self.now += 1
            if self.node.seal(self.now) is None:
                return self.node.head.number

    def wait_until(self, time: int) -> None:
        """Lets time pass: an empty block, so that what waits is measured in the new time."""
        self.now = time
        self.node.seal(time, allow_empty=True)

    def restart(self) -> None:
        """What a crash and a start leave: a node opened anew on the same directory."""
        self.node.close()
        self.node = Node.open(self.path, key=AUTHORITY, clock=self.clock)
        self._open()

    def close(self) -> None:
        """Gives up the directory."""
        self.node.close()
