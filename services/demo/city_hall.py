"""Every service of the demo's city, wired to one node: banks, programme office, registry, clearing, payouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine
from web3 import Web3

from contracts.addresses import VOUCHERS
from contracts.signatures import address_of
from ledger.chain.blocks import Block
from ledger.client import Client
from ledger.node import Node
from ledger.rpc.embedded import EmbeddedProvider
from services.bank.desk import Desk, Randomness
from services.bank.service import Bank, check_supply
from services.database import migrate, open_database
from services.demo.world import CHAIN_ID, CITY, CLEARING_HOUSE, REGISTRY, Party, World
from services.fares.adjustments import Adjustments, Corrected
from services.fares.closing import DayClosing
from services.fares.settlement import SettledBatch, Settlement
from services.outbox import Outbox
from services.vouchers.expiry import Expiry
from services.vouchers.programmes import presets
from services.vouchers.registry import Registry, RegistryKeys
from services.vouchers.service import Office
from services.zeropay.service import Payouts, SettlementBooks


@dataclass(slots=True)
class Clock:
    """The city's time, which the run sets. Nothing in the demo reads a machine's clock but for the report's seconds."""

    now: int

    def __call__(self) -> int:
        return self.now


class CityHall:
    """The organisations at work. `seal` makes blocks until nothing waits and lets every service read them."""

    def __init__(self, world: World, directory: Path, node: Node, clock: Clock, start: int) -> None:
        self.world, self.node, self._clock = world, node, clock
        self.web3 = Web3(EmbeddedProvider(node))
        self.client = Client(self.web3)
        self.engine: Engine = open_database(f"sqlite:///{directory / 'services.db'}")
        migrate(self.engine)
        # Each start draws from streams of its own: what a cut step drew before is never drawn again for another use.
        scope = f"start {start}"
        self.banks = [self._bank(party, scope) for party in world.banks]
        self.office = Office(
            self.engine,
            self.client,
            self.outbox(CITY, "issuer"),
            CITY,
            administrator=self.outbox(CITY, "admin"),
            token=world.stream(f"office:{scope}"),
            below=world.below(f"office:{scope}"),
        )
        self.registry = Registry(
            self.engine,
            RegistryKeys(world.secret("registry"), world.party_key(REGISTRY, "attest")),
            presets(),
            {CITY: frozenset({address_of(world.party_key(CITY, "admin"))})},
            chain_id=CHAIN_ID,
            vouchers=VOUCHERS,
            token=world.stream(f"registry:{scope}"),
        )
        self.settlement = Settlement(
            self.engine,
            self.client,
            self.outbox(CLEARING_HOUSE, "settle"),
            CLEARING_HOUSE,
            token=world.stream(f"clearing:{scope}"),
        )
        self.closing = DayClosing(self.settlement)
        self.adjustments = Adjustments(self.settlement)
        self.expiry = Expiry(self.office)
        self.books = SettlementBooks(self.engine)
        # Operators bank with either bank in turn.
        self.bank_of = {party.id: self.banks[at % len(self.banks)] for at, party in enumerate(world.operators)}
        self.payouts = Payouts(self.engine, self.client, self.settlement.outbox, self.bank_of)
        self.operator_outboxes = {party.id: self.outbox(party.id, "admin") for party in world.operators}
        self.approvers = [*self.operator_outboxes.values(), self.outbox(CITY, "admin")]

    def outbox(self, organisation: int, key: str) -> Outbox:
        """The outbox of one key of an organisation."""
        return Outbox(self.engine, self.web3, self.client, self.world.party_key(organisation, key))

    def _bank(self, party: Party, scope: str) -> Bank:
        randomness = Randomness(self.world.stream(f"{party.name}:{scope}"), self.world.below(f"{party.name}:{scope}"))
        return Bank(
            Desk(
                self.engine,
                self.client,
                self.outbox(party.id, "issuer"),
                party.id,
                self.world.party_key(party, "guarantor"),
                self.outbox(party.id, "second"),
                randomness,
            )
        )

    def recover(self) -> None:
        """After a start: what a crash kept from the node is sent, what it left unread is read."""
        for bank in self.banks:
            bank.recover()
        self.office.recover()
        for outbox in self.approvers:
            outbox.recover()
        # A crash between reading a batch and telling banks and books leaves them short of it: all are told again.
        self.settlement.recover()
        self.read_settled(self.settlement.settled())
        self.adjustments.after_block()
        self._book_corrections(self.adjustments.booked())

    def seal(self, *, empty: bool = False) -> list[SettledBatch]:
        """Blocks at the clock's time until nothing waits; `empty` makes one even if nothing does.

        Deposits are held against supply at every block (money.md §5). Raises SupplyError, BooksError.
        """
        settled: list[SettledBatch] = []
        while (block := self._next_block(empty)) is not None:
            empty = False
            for bank in self.banks:
                bank.after_block()
            check_supply(self.client, self.banks, block.number)
            self.office.after_block()
            for outbox in self.approvers:
                outbox.settle()
            found = self.settlement.after_block()
            self.read_settled(found)
            settled += found
            self._book_corrections(self.adjustments.after_block())
        return settled

    def _next_block(self, empty: bool) -> Block | None:
        """One block, a second after the last at the earliest."""
        self._clock.now = max(self._clock.now, self.node.head.header.timestamp + 1)
        return self.node.seal(self._clock.now, allow_empty=empty)

    def read_settled(self, batches: list[SettledBatch]) -> None:
        """What banks and books take from settled batches."""
        guarantors = {bank.organisation: bank for bank in self.banks}
        for batch in batches:
            owed = {one: bank.guarantee.record_settled(batch.number, batch.leaves) for one, bank in guarantors.items()}
            vouchers: dict[int, int] = {}
            for paid in batch.paid:
                for rule_set, won in paid.voucher_won.items():
                    vouchers[rule_set] = vouchers.get(rule_set, 0) + won
            self.books.book_settled(
                batch.number,
                batch.service_day,
                voucher_won=vouchers,
                balance_won=sum(leaf.balance_won for leaf in batch.leaves),
                guarantor_won=owed,
                operators_won=batch.credits,
                suspense_won=sum(leaf.suspense_won for leaf in batch.leaves),
            )

    def read_forks(self, purposes: Sequence[str]) -> None:
        """What banks take from batches of forked cards' single states."""
        for batch in self.closing.read_forks(purposes):
            for bank in self.banks:
                bank.guarantee.record_settled(batch.number, batch.leaves)

    def _book_corrections(self, corrections: Sequence[Corrected]) -> None:
        for one in corrections:
            for bank in self.banks:
                bank.guarantee.record_correction(
                    one.batch, one.position, one.number, one.card, one.service_day, one.guarantor_won
                )

    def check_supply(self) -> tuple[int, int]:
        """(supply, deposits) of Won at the head. Raises SupplyError, BooksError."""
        return check_supply(self.client, self.banks, self.node.head.number)

    def close(self) -> None:
        """Gives up files and the data directory's lock."""
        self.engine.dispose()
        self.node.close()
