"""Who takes part in the demo: organisations, their keys, their chain. Every key comes from the seed, in the demo only.

Ids of operators are those of services/fares/data/operators.csv; the bus companies of the invented routes stand after
them. The council is the city, both banks, the metro and the auditor, three of five.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from coincurve import PrivateKey

from contracts.addresses import BY_NAME, CREDITS, FARES, ORGANISATIONS, VOUCHERS, WON
from contracts.client import encode_constructor
from contracts.codes import Purpose, Role
from contracts.signatures import address_of
from ledger.chain.genesis import Agreement, ChainConfig, Signer
from services.days import day_start
from services.demo import shares
from services.demo.city import City
from services.demo.trips import SERVICE_DAY
from services.fares.operators import Operators
from wallets.presentation import FixedDirectory

CHAIN_ID: Final = 20251
CITY: Final = 1
FIRST_BANK: Final = 2
CLEARING_HOUSE: Final = 10
REGISTRY: Final = 11
AUDITOR: Final = 12
FIRST_BUS_COMPANY: Final = 301
THRESHOLD: Final = 3
# Genesis lies two weeks before the service day: cards of the month are enrolled before it begins (money.md §1).
GENESIS_DAYS_BEFORE: Final = 16
MINT_CAP_WON: Final = 5_000_000_000  # a bank's mint a day with one key; the demo's largest day stays below


@dataclass(frozen=True, slots=True)
class Party:
    """An organisation of the demo and what its keys are for."""

    id: int
    name: str
    roles: tuple[Role, ...]
    keys: tuple[tuple[str, Purpose], ...]


class World:
    """The parties of a city under one seed."""

    def __init__(self, seed: str, city: City) -> None:
        self.seed = seed
        self.city = city

    def secret(self, name: str) -> bytes:
        """32 bytes that only the seed and the name decide."""
        return hmac.new(b"dure-demo-secret:" + self.seed.encode(), name.encode(), sha256).digest()

    def key(self, name: str) -> PrivateKey:
        """A private key by name."""
        return PrivateKey(self.secret(f"key:{name}"))

    def stream(self, name: str) -> Callable[[int], bytes]:
        """A source of bytes that gives the same in every run, a counter at a time."""
        count = 0

        def take(size: int) -> bytes:
            nonlocal count
            block = b"".join(self.secret(f"{name}:{count}:{part}") for part in range(-(-size // 32)))
            count += 1
            return block[:size]

        return take

    def below(self, name: str) -> Callable[[int], int]:
        """A source of numbers below a bound, from `stream`."""
        take = self.stream(name)
        # 16 bytes over any bound of the demo leave a bias below 2^-90.
        return lambda bound: int.from_bytes(take(16), "big") % bound

    @cached_property
    def banks(self) -> list[Party]:
        """The banks, which are guarantors as well."""
        keys = (
            ("admin", Purpose.ADMINISTER | Purpose.APPROVE),
            ("issuer", Purpose.ISSUE),
            ("second", Purpose.ISSUE),
            ("guarantor", Purpose.ATTEST),
        )
        return [
            Party(FIRST_BANK + number, name, (Role.BANK, Role.GUARANTOR), keys)
            for number, (name, _) in enumerate(shares.BANKS)
        ]

    @cached_property
    def operators(self) -> list[Party]:
        """Rail and bus operators, by split account."""
        keys = (("admin", Purpose.ADMINISTER | Purpose.APPROVE), ("readers", Purpose.ATTEST))
        return [Party(self.organisation_of(name), name, (Role.OPERATOR,), keys) for name in self.city.operators]

    @cached_property
    def parties(self) -> list[Party]:
        """Everybody."""
        admin = ("admin", Purpose.ADMINISTER | Purpose.APPROVE)
        issue = ("issuer", Purpose.ISSUE)
        return [
            Party(CITY, "city", (Role.CITY,), (admin, issue)),
            *self.banks,
            Party(CLEARING_HOUSE, "clearing", (Role.CLEARING_HOUSE,), (admin, ("settle", Purpose.SETTLE))),
            Party(REGISTRY, "registry", (Role.ELIGIBILITY_REGISTRY,), (admin, ("attest", Purpose.ATTEST))),
            Party(AUDITOR, "auditor", (Role.AUDITOR,), (admin,)),
            *self.operators,
        ]

    def organisation_of(self, operator: str) -> int:
        """Organisation id of a split account of the demo's city."""
        companies = [name for name in self.city.operators if name.startswith("bus-")]
        if operator in companies:
            return FIRST_BUS_COMPANY + companies.index(operator)
        return self.split_accounts.organisation(operator)

    @cached_property
    def split_accounts(self) -> Operators:
        """Split accounts to organisations, the invented routes among them."""
        companies = [name for name in self.city.operators if name.startswith("bus-")]
        routes = {
            f"bus-{route}": FIRST_BUS_COMPANY + companies.index(company)
            for route, company in self.city.route_operators.items()
        }
        return Operators(routes)

    def party_key(self, party: Party | int, name: str) -> PrivateKey:
        """A key of an organisation."""
        number = party if isinstance(party, int) else party.id
        return self.key(f"{number}:{name}")

    def account_of(self, party: Party) -> bytes:
        """Where an organisation's Won is kept: a bank's issuer, the city's issuer, else its first key."""
        names = [name for name, _ in party.keys]
        return address_of(self.party_key(party, "issuer" if "issuer" in names else names[0]))

    @cached_property
    def genesis_time(self) -> int:
        """UTC epoch seconds of block 0: 04:00 KST, two weeks before the service day."""
        return day_start(SERVICE_DAY - GENESIS_DAYS_BEFORE)

    @cached_property
    def directory(self) -> FixedDirectory:
        """Whom readers and wallets trust."""
        return FixedDirectory(
            chain_id=CHAIN_ID,
            fares=FARES,
            guarantor_keys=frozenset(address_of(self.party_key(bank, "guarantor")) for bank in self.banks),
            operators={party.id: frozenset({address_of(self.party_key(party, "readers"))}) for party in self.operators},
        )

    def chain_config(self) -> ChainConfig:
        """The chain: the agreements, everybody's keys, the city as the authority."""
        organisations = [
            (party.id, self.account_of(party), sum(1 << role for role in party.roles)) for party in self.parties
        ]
        keys = [
            (address_of(self.party_key(party, name)), party.id, int(purposes))
            for party in self.parties
            for name, purposes in party.keys
        ]
        members = [CITY, *(bank.id for bank in self.banks), AUDITOR, self.organisation_of("seoul-metro")]
        agreements = [(address, name.encode().ljust(32, b"\0")) for name, address in BY_NAME.items()]
        caps = [(bank.id, MINT_CAP_WON) for bank in self.banks]
        arguments: dict[str, list[Any]] = {
            "Organisations": [organisations, keys, members, THRESHOLD, agreements, []],
            "Won": [ORGANISATIONS, caps],
            "Vouchers": [ORGANISATIONS, WON],
            "Fares": [ORGANISATIONS, WON, VOUCHERS, CREDITS],
            "Credits": [ORGANISATIONS, FARES],
        }
        return ChainConfig(
            name="두레 시연 Dure demo",
            chain_id=CHAIN_ID,
            timestamp=self.genesis_time,
            authority=Signer("Seoul", address_of(self.key("authority"))),
            agreements=tuple(
                Agreement(name, BY_NAME[name], encode_constructor(name, values)) for name, values in arguments.items()
            ),
        )
