"""Credits, said again in plain Python (contracts/credits.vy and its modules in contracts/lib)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from contracts import addresses, merkle
from contracts.codes import Act, Purpose, Role
from contracts.hashing import keccak
from contracts.records import (
    GUARANTORS,
    OPERATOR_LANES,
    Batch,
    Correction,
    GuarantorPart,
    Leaf,
    lanes_of,
    table_of,
    table_word,
)
from contracts.twins.base import Clock, Log, require
from contracts.twins.fares_rules import Card, Claim, claim_of, service_day, spend
from contracts.twins.organisations import Organisations, content_of
from contracts.twins.won import Won

SILENCE_S: Final = 24 * 3600
ADJUST_DAYS: Final = 3
FORFEIT_DAYS: Final = 90
_MAX_U32: Final = (1 << 32) - 1


class HoldsCards(Protocol):
    """Fares as Credits uses it (contracts/twins/fares.py)."""

    at: bytes
    cards: dict[bytes, Card]
    batches: int

    def next_batch(self) -> int:
        """A number."""

    def give_lapsed(self, rule_set: int, last_service_day: int, won: int) -> None:
        """Won back to the pool of a lapsed lot."""

    def lot_back(self, address: bytes, lot_no: int, day: int, won: int) -> None:
        """Won back to a live lot."""


@dataclass
class Credits:
    """The whole agreement. `fares` is set once both twins exist."""

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

    # --- corrections

    def adjust_up(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        state: Sequence[int],
        operator: int,
        reason: int,
        policy: bytes,
    ) -> int:
        """The missing tap-off of a card's last state, once."""
        batch, index, leaf, card = self._begin(sender, proof)
        opened = claim_of([*state, 0, 0, 0], self.clock.chain_id, self.fares.at)
        require(opened.digest == leaf.state_digest, "STATE")
        require(self.today > leaf.service_day + ADJUST_DAYS, "EARLY")
        correction = self.corrections[batch.number, index]
        require(correction["up_balance_won"] == correction["up_guarantor_won"] == 0, "DONE")
        won = opened.state.missing_out_won
        require(won != 0, "STATE")
        require(card is not None and card.seq == leaf.seq, "MOVED ON")
        if card is None:  # said above; for the type checker
            return 0
        balance = min(won, card.balance_won)
        owed = won - balance
        require(owed <= card.headroom_won, "CAP")
        require(operator != 0, "TABLE")
        self.check_table(operator)
        card.balance_won -= balance
        card.used_won += owed
        correction["up_balance_won"], correction["up_guarantor_won"] = balance, owed
        self._log_adjusted(batch, index, won, (0, balance, owed), reason, policy)
        parts = {card.guarantor: owed} if owed else {}
        return self._open_transfer(batch.clearing_house, batch.service_day, operator, won, parts)

    def adjust_down(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        lanes: int,
        lots: Sequence[int],
        guarantor: int,
        reason: int,
        policy: bytes,
    ) -> None:
        """Gives back: guarantor, then balance, then voucher."""
        batch, index, leaf, card = self._begin(sender, proof)
        parts = dict(enumerate(lanes_of(lanes)))
        total = sum(parts.values())
        require(total != 0 and parts[OPERATOR_LANES] == 0, "SOURCES")
        table = dict(enumerate(table_of(batch.table)))
        require(all(lane in table for lane, won in parts.items() if won), "SOURCES")
        taken = {table[lane]: won for lane, won in parts.items() if won}
        house = batch.clearing_house
        left = self._left(leaf, self.corrections[batch.number, index])
        to_guarantor = min(total, left[2])
        to_balance = min(total - to_guarantor, left[1])
        to_voucher = total - to_guarantor - to_balance
        require(to_voucher <= left[0], "SOURCES")
        backer = card.guarantor if card else guarantor
        require(card is not None or self.organisations.holds(backer, Role.GUARANTOR), "GUARANTOR")
        self._check_lots(card, leaf.service_day, to_voucher, lots)
        for organisation, won in taken.items():
            account = self.others if organisation == house else self.payable
            account[organisation] -= won
        correction = self.corrections[batch.number, index]
        for source, won in (("guarantor", to_guarantor), ("balance", to_balance), ("voucher", to_voucher)):
            correction[f"back_{source}_won"] += won
        for word in lots:
            won = word & _MAX_U32
            if word >> 96:
                self.fares.give_lapsed(word >> 64 & 0xFFFF, word >> 80 & 0xFFFF, won)
            else:
                self.fares.lot_back(leaf.card, word >> 32 & _MAX_U32, leaf.service_day, won)
        self._to_rider(card, backer, to_guarantor, to_balance)
        self._log_adjusted(batch, index, -total, (to_voucher, to_balance, to_guarantor), reason, policy)

    def _check_lots(self, card: Card | None, day: int, to_voucher: int, lots: Sequence[int]) -> None:
        live = {lot.lot_no: lot for lot in card.lots} if card else {}
        back: defaultdict[int, int] = defaultdict(int)
        for word in lots:
            require(word & _MAX_U32 != 0, "LOTS")
            if word >> 96 == 0:
                back[word >> 32 & _MAX_U32] += word & _MAX_U32
        for number, won in back.items():
            require(number in live and live[number].start_day <= day <= live[number].last_service_day, "LOTS")
            require(live[number].remaining_won + won <= live[number].won, "LOTS")
        require(sum(word & _MAX_U32 for word in lots) == to_voucher, "LOTS")

    def allocate(
        self,
        sender: bytes,
        proof: tuple[Batch, int, Leaf, Sequence[bytes]],
        table: int,
        lanes: int,
        missing: Sequence[int],
    ) -> int:
        """Suspense to whom it belongs; with the missing day's state, lots pay its voucher part."""
        batch, index, leaf, card = self._begin(sender, proof)
        self.check_table(table, batch.clearing_house)
        claim = claim_of([missing[0], *missing[1:5], lanes], self.clock.chain_id, self.fares.at)
        won = claim.credited(table, suspense=False)
        require(won is not None, "TABLE")
        won = won or 0
        correction = self.corrections[batch.number, index]
        require(0 < won <= leaf.suspense_won - correction["allocated_won"], "SUSPENSE")
        taken, digest = 0, bytes(32)
        if missing[0]:
            digest = claim.digest
            self._check_missing(claim, leaf, won)
            taken = self._resource(claim, leaf, card, won, correction)
        correction["allocated_won"] += won
        self.suspense_won -= won
        self.log("Allocated", batch=batch.number, index=index, amount_won=won, voucher_won=taken, digest=digest)
        return self._open_transfer(batch.clearing_house, batch.service_day, table, lanes, {})

    def _check_missing(self, claim: Claim, leaf: Leaf, won: int) -> None:
        state = claim.state
        require(state.card == leaf.card and state.seq < leaf.seq, "STATE")
        require(state.service_day < leaf.service_day and claim.spare == 0, "STATE")
        day_won = state.cum_won - state.day_start_cum_won
        require(0 <= state.cum_own_won - state.day_start_own_won <= day_won and won <= day_won, "STATE")
        require(claim.signer == leaf.card, "SIGNATURE")
        require(claim.digest not in self.allocated, "DONE")
        self.allocated.add(claim.digest)

    def _resource(self, claim: Claim, leaf: Leaf, card: Card | None, won: int, correction: dict[str, int]) -> int:
        if card is None:
            return 0
        state = claim.state
        own_won = state.cum_own_won - state.day_start_own_won
        eligible = state.cum_won - state.day_start_cum_won - own_won
        _, balance_left, guarantor_left = self._left(leaf, correction)
        wanted = min(eligible, won, guarantor_left + balance_left)
        taken, card.lots = spend(card.lots, state.service_day, wanted)
        to_guarantor = min(taken, guarantor_left)
        correction["resourced_guarantor_won"] += to_guarantor
        correction["resourced_balance_won"] += taken - to_guarantor
        self._to_rider(card, card.guarantor, to_guarantor, taken - to_guarantor)
        return taken

    def expire_suspense(self, sender: bytes, proof: tuple[Batch, int, Leaf, Sequence[bytes]]) -> None:
        """What nobody explained in 90 days goes to RISK_POOL."""
        batch, index, leaf, _ = self._begin(sender, proof)
        require(self.today > leaf.service_day + FORFEIT_DAYS, "EARLY")
        correction = self.corrections[batch.number, index]
        won = leaf.suspense_won - correction["allocated_won"]
        require(won != 0, "SUSPENSE")
        correction["allocated_won"] += won
        self.suspense_won -= won
        self.change_risk_pool(batch.clearing_house, won)

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

    def _begin(
        self, sender: bytes, proof: tuple[Batch, int, Leaf, Sequence[bytes]]
    ) -> tuple[Batch, int, Leaf, Card | None]:
        batch, index, leaf, path = proof
        require(self._clearing(sender) == batch.clearing_house, "SENDER")
        self._check(batch)
        require(leaf.code == 0, "PROOF")
        try:
            merkle.verify(leaf.pack(), index, batch.size, path, batch.records_root, keccak)
        except merkle.ProofError:
            require(False, "PROOF")
        return batch, index, leaf, self.fares.cards.get(leaf.card)

    @staticmethod
    def _left(leaf: Leaf, correction: Mapping[str, int]) -> tuple[int, int, int]:
        """(voucher, balance, guarantor) won that each source has paid of this record, all corrections counted."""
        resourced = correction["resourced_balance_won"] + correction["resourced_guarantor_won"]
        found: Callable[[str, int], int] = lambda source, won: (  # noqa: E731 — three equal lines
            won
            + correction[f"up_{source}_won"]
            - correction[f"resourced_{source}_won"]
            - correction[f"back_{source}_won"]
        )
        voucher = leaf.voucher_won + resourced - correction["back_voucher_won"]
        return voucher, found("balance", leaf.balance_won), found("guarantor", leaf.guarantor_won)

    def _to_rider(self, card: Card | None, guarantor: int, to_guarantor: int, to_balance: int) -> None:
        """After the card's month what the balance gets back goes to the guarantor too."""
        if card is None or self.today > card.last_day:
            self.paid_through[guarantor] += to_guarantor + to_balance
            return
        self.paid_through[guarantor] += to_guarantor
        card.balance_won += to_balance

    def _log_adjusted(
        self, batch: Batch, index: int, delta: int, paid: tuple[int, int, int], reason: int, policy: bytes
    ) -> None:
        voucher, balance, guarantor = paid
        sums = {"voucher_won": voucher, "balance_won": balance, "guarantor_won": guarantor}
        self.log("Adjusted", batch=batch.number, index=index, delta_won=delta, **sums, reason=reason, policy=policy)
