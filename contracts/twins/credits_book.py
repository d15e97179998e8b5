"""Batches of Credits from commitment to payout, said again in plain Python (contracts/lib/credits_release.vy)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts import addresses
from contracts.codes import Act, Purpose, Role
from contracts.hashing import keccak
from contracts.records import (
    GUARANTORS,
    OPERATOR_LANES,
    Batch,
    Correction,
    GuarantorPart,
    lanes_of,
    table_of,
    table_word,
)
from contracts.twins.base import Clock, Log, require
from contracts.twins.fares_rules import Card, service_day
from contracts.twins.organisations import Organisations, content_of
from contracts.twins.won import Won

SILENCE_S: Final = 24 * 3600


class HoldsCards(Protocol):
    """Fares as Credits uses it (contracts/twins/fares.py)."""

    at: bytes
    cards: dict[bytes, Card]
    batches: int

    def next_batch(self) -> int:
        """A number."""

    def check_lapsed(self, rule_set: int, won: int) -> None:
        """Raises Reverted where that much in all could not go to the pool."""

    def give_lapsed(self, rule_set: int, last_service_day: int, won: int) -> None:
        """Won back to the pool of a lapsed lot."""

    def lot_back(self, address: bytes, lot_no: int, day: int, won: int) -> None:
        """Won back to a live lot."""


@dataclass
class Book:
    """Credits but its corrections. `fares` is set once both twins exist."""

    clock: Clock
    organisations: Organisations
    won: Won
    fares: HoldsCards = field(init=False)
    at: bytes = addresses.CREDITS
    batches: dict[int, Batch] = field(default_factory=dict)
    released: set[tuple[int, int]] = field(default_factory=set)
    objected: set[tuple[int, int]] = field(default_factory=set)
    approved: defaultdict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    city_approved: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    corrections: defaultdict[tuple[int, int], dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(Correction.__slots__, 0))
    )
    allocated: set[bytes] = field(default_factory=set)
    owed_through: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    paid_through: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    payable: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    others: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    suspense_won: int = 0
    risk_pool_won: int = 0
    log: Log = field(default_factory=Log)

    @property
    def today(self) -> int:
        """The service day of this block."""
        return service_day(self.clock.time)

    @property
    def owed_won(self) -> int:
        """Σ of what guarantors owe."""
        return sum(self.owed_through.values()) - sum(self.paid_through.values())

    @property
    def pending_won(self) -> int:
        """Σ of credits not yet released."""
        return sum(
            won
            for number, batch in self.batches.items()
            for lane, won in enumerate(lanes_of(batch.sums)[:OPERATOR_LANES])
            if (number, lane) not in self.released
        )

    @property
    def payable_won(self) -> int:
        """Σ of credits released and not paid out."""
        return sum(self.payable.values()) + sum(self.others.values())

    # --- Fares

    def check_table(self, table: int, others: int = 0) -> None:
        """Refuses TABLE unless the ids rise and are operators', or the clearing house's own."""
        ids = table_of(table)
        require(table == table_word(ids), "TABLE")
        for one in ids:
            require(one == others or (one < 1 << 12 and self.organisations.holds(one, Role.OPERATOR)), "TABLE")

    def open(
        self,
        number: int,
        house: int,
        day: int,
        tree: tuple[bytes, int],
        table: int,
        sums: Sequence[int],
        owed: Mapping[int, int],
    ) -> None:
        """A batch's credits become pending. tree: records root and size; sums: eight lanes, the last suspense."""
        require(len(owed) <= GUARANTORS, "GUARANTORS")
        parts = []
        for guarantor, won in owed.items():
            self.owed_through[guarantor] += won
            through = self.owed_through[guarantor]
            parts.append(GuarantorPart(guarantor, won, through))
            self.log("Owed", batch=number, guarantor=guarantor, amount_won=won, owed_through_won=through)
        word = sum(won << 32 * lane for lane, won in enumerate(sums))
        self.suspense_won += sums[OPERATOR_LANES]
        self.batches[number] = Batch(number, house, day, self.clock.time, *tree, table, word, tuple(parts))
        self.log("Pending", batch=number, clearing_house=house, service_day=day, table=table, sums=word)

    def _open_transfer(self, house: int, day: int, table: int, sums: int, owed: Mapping[int, int]) -> int:
        number = self.fares.next_batch()
        self.open(number, house, day, (keccak(b""), 0), table, lanes_of(sums), owed)
        return number

    def paid_in(self, guarantor: int, won: int) -> None:
        """A guarantor paid."""
        self.paid_through[guarantor] += won
        self.log("PaidIn", guarantor=guarantor, amount_won=won, paid_through_won=self.paid_through[guarantor])

    def change_risk_pool(self, organisation: int, delta_won: int) -> None:
        """RISK_POOL by a difference."""
        require(self.risk_pool_won + delta_won >= 0, "FUNDS")
        self.risk_pool_won += delta_won
        self.log("RiskPoolChanged", organisation=organisation, delta_won=delta_won)

    # --- operators, city

    def approve(self, sender: bytes, house: int, through: int) -> None:
        """An organisation finds a clearing house's batches right, up to one."""
        organisation = self._approver(sender)
        require(self.approved[organisation, house] < through <= self.fares.batches, "BATCH")
        self.approved[organisation, house] = through
        if self.organisations.may(sender, Role.CITY, Purpose.APPROVE):
            self.city_approved[house] = max(self.city_approved[house], through)
        self.log("Approved", organisation=organisation, clearing_house=house, through_batch=through)

    def object(self, sender: bytes, batch: Batch) -> None:
        """Holds the objector's credit."""
        organisation = self._approver(sender)
        self._check(batch)
        lane = self._lane(batch, organisation)
        require((batch.number, lane) not in self.released, "RELEASED")
        self.objected.add((batch.number, lane))
        self.log("Objected", batch=batch.number, organisation=organisation)

    def end_objection(self, sender: bytes, batch: Batch, organisation: int, proposal: int) -> None:
        """Ends an objection."""
        self._check(batch)
        if proposal == 0:
            require(self._approver(sender) == organisation, "SENDER")
        else:
            require(self.organisations.standing(sender) != 0, "SENDER")
            content, decided_at = self.organisations.decided(proposal)
            case = content_of(Act.END_OBJECTION, [batch.number, organisation, 0, 0])
            require(decided_at != 0 and content == case, "CASE")
        lane = self._lane(batch, organisation)
        require((batch.number, lane) in self.objected, "NONE")
        self.objected.remove((batch.number, lane))
        self.log("ObjectionEnded", batch=batch.number, organisation=organisation, proposal=proposal)

    def release(self, sender: bytes, batches: Sequence[Batch]) -> None:
        """Credits become payable."""
        require(self.organisations.standing(sender) != 0, "SENDER")
        for batch in batches:
            self._check(batch)
            for part in batch.guarantors:
                require(self.paid_through[part.guarantor] >= part.owed_through_won, "UNPAID")
            silent = self.clock.time >= batch.settled_at + SILENCE_S
            require(silent or self._approved(batch), "EARLY")
        for batch in batches:
            self._release(batch)

    def _approved(self, batch: Batch) -> bool:
        house = batch.clearing_house
        lanes = zip(table_of(batch.table), lanes_of(batch.sums), strict=False)
        credited = [self.approved[one, house] for one, won in lanes if won]
        return all(through >= batch.number for through in [self.city_approved[house], *credited])

    def _release(self, batch: Batch) -> None:
        released = 0
        for lane, organisation in enumerate(table_of(batch.table)):
            won = lanes_of(batch.sums)[lane]
            if won and (batch.number, lane) not in self.released | self.objected:
                account = self.others if organisation == batch.clearing_house else self.payable
                account[organisation] += won
                self.released.add((batch.number, lane))
                released |= won << 32 * lane
        if released:
            fields = {"clearing_house": batch.clearing_house, "table": batch.table}
            self.log("Released", batch=batch.number, **fields, sums=released)

    def payout(self, sender: bytes, organisations: Sequence[int]) -> None:
        """What is payable goes to the organisations' accounts."""
        require(self.organisations.standing(sender) != 0, "SENDER")
        for one in organisations:
            won = self.payable[one]
            if won > 0:
                account = self.organisations.account_of(one)
                self.won.transfer(self.fares.at, account, won)
                self.payable[one] = 0
                self.log("PaidOut", organisation=one, account=account, amount_won=won)

    def distribute(self, sender: bytes, day: int, tables: Sequence[int], sums: Sequence[int]) -> None:
        """The account `others` to the operators behind it."""
        house = self._clearing(sender)
        total = self._check_transfers(tables, sums)
        require(total <= self.others[house], "FUNDS")
        self.others[house] -= total
        for table, word in zip(tables, sums, strict=True):
            self._open_transfer(house, day, table, word, {})

    def cover(self, sender: bytes, day: int, tables: Sequence[int], sums: Sequence[int]) -> None:
        """RISK_POOL to operators."""
        house = self._clearing(sender)
        total = self._check_transfers(tables, sums)
        require(total <= self.risk_pool_won, "FUNDS")
        for table, word in zip(tables, sums, strict=True):
            self._open_transfer(house, day, table, word, {})
        self.change_risk_pool(house, -total)

    def _check_transfers(self, tables: Sequence[int], sums: Sequence[int]) -> int:
        require(len(tables) == len(sums) != 0, "TABLE")
        for table, word in zip(tables, sums, strict=True):
            self.check_table(table)
            require(not any(lanes_of(word)[len(table_of(table)) :]), "TABLE")
        total = sum(sum(lanes_of(word)) for word in sums)
        require(total != 0, "FUNDS")
        return total

    # --- inside

    def _clearing(self, sender: bytes) -> int:
        house = self.organisations.may(sender, Role.CLEARING_HOUSE, Purpose.SETTLE)
        require(house != 0, "SENDER")
        return house

    def _approver(self, sender: bytes) -> int:
        standing = self.organisations.standing(sender)
        require(bool(standing >> 16 & Purpose.APPROVE), "SENDER")
        return standing & 0xFFFF

    def _check(self, batch: Batch) -> None:
        require(self.batches.get(batch.number) == batch, "BATCH")

    @staticmethod
    def _lane(batch: Batch, organisation: int) -> int:
        ids = table_of(batch.table)
        require(organisation in ids, "NOT CREDITED")
        return ids.index(organisation)
