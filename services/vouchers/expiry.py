"""The expiry run: lots that ended lapse to their pool, and what their rule-set carries goes to the next month's card.

It runs right after close_day(last_service_day) and never before (money.md §3, Late). On the chain a carried lot names
no parent; which lot it comes from is a salted leaf for funder and auditor (money.md §1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import rfc8785
from sqlmodel import Session, col, select

from contracts.codes import Carry as ChainCarry
from contracts.hashing import sha256
from contracts.merkle import root
from contracts.records import LotSlot, card_word
from services.bank.rules import batches, shuffled
from services.outbox import ItemStatus
from services.vouchers.attestations import SALT_BYTES
from services.vouchers.errors import ClockError, GrantError
from services.vouchers.limits import MAX_GRANTS_PER_BATCH, MAX_LAPSES_PER_BATCH
from services.vouchers.programmes import Carry, CarryKind
from services.vouchers.rules import roll
from services.vouchers.service import Office
from services.vouchers.tables import GrantStatus, VoucherCarry
from services.vouchers.validity import carried_window

_KINDS = {ChainCarry.NONE: CarryKind.NONE, ChainCarry.CAP: CarryKind.CAP, ChainCarry.ROLL: CarryKind.ROLL_TO_NEXT}
_CARRY_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Lapse:
    """What an expiry run came to, in won: remaining = carried + lapsed; `lots` ended in all."""

    lots: int
    remaining_won: int
    carried_won: int
    lapsed_won: int


class Expiry:
    """The expiry runs of one city's office."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def lapse(self, name: str, last_service_day: int, cards: Sequence[bytes]) -> Lapse:
        """Lapses the ended lots of these cards on the chain and keeps what each is to carry; once under its name.

        Cards without a lot of that day are passed over. Raises ClockError while a clearing house of these cards has not
        closed the day: its late records may still take from the lots.
        """
        rows = self._rows(name)
        if not rows:
            self._store(name, last_service_day, cards)
            rows = self._rows(name)
        by_purpose: dict[str, list[bytes]] = {}
        for row in rows:
            words = by_purpose.setdefault(row.lapse_purpose, [])
            if row.card not in words:
                words.append(row.card)
        for purpose, chunk in by_purpose.items():
            self._office.issuer.once(purpose, "Fares", "lapse", [[card_word(card) for card in chunk]])
        return Lapse(
            len(rows),
            sum(row.remaining_won for row in rows),
            sum(row.carried_won for row in rows),
            sum(row.lapsed_won for row in rows),
        )

    def _store(self, name: str, last_service_day: int, cards: Sequence[bytes]) -> None:
        office = self._office
        ended: list[tuple[bytes, LotSlot]] = []
        houses: set[int] = set()
        for card in cards:
            account = office.account_of(card)
            lots = [lot for lot in account.lots.values() if lot.last_service_day == last_service_day]
            ended += [(card, lot) for lot in lots]
            houses |= {account.slot.clearing_house} if lots else set()
        for house in sorted(houses):
            if not office.client.call("Fares", "is_closed", [house, last_service_day]):
                raise ClockError(f"clearing house {house} has not closed day {last_service_day}")
        order = batches(list(dict.fromkeys(card for card, _ in ended)), MAX_LAPSES_PER_BATCH)
        purpose_of = {card: f"lapse:{name}:{number}" for number, chunk in enumerate(order) for card in chunk}
        carries = {lot.rule_set: self._carry_of(lot.rule_set) for _, lot in ended}
        with Session(office.engine) as session:
            for card, lot in ended:
                carry = carries[lot.rule_set]
                if carry.kind is CarryKind.CAP and self._was_carried(session, card, lot):
                    carry = Carry()  # TW-BASIC: a carry is not carried again (money.md §1)
                carried, lapsed = roll(lot.remaining_won, carry)
                session.add(
                    VoucherCarry(
                        city=office.organisation,
                        name=name,
                        card=card,
                        lot_no=lot.lot_no,
                        rule_set=lot.rule_set,
                        last_service_day=last_service_day,
                        remaining_won=lot.remaining_won,
                        carried_won=carried,
                        lapsed_won=lapsed,
                        lapse_purpose=purpose_of[card],
                        carry_id=office.token(_CARRY_ID_BYTES),
                        salt=office.token(SALT_BYTES),
                    )
                )
            session.commit()

    def _carry_of(self, rule_set: int) -> Carry:
        rules = self._office.client.call("Vouchers", "rule_set", [rule_set])
        kind = _KINDS[ChainCarry(rules[5])]
        return Carry(kind, rules[6] if kind is CarryKind.CAP else 0)

    def _was_carried(self, session: Session, card: bytes, lot: LotSlot) -> bool:
        query = select(VoucherCarry).where(
            VoucherCarry.city == self._office.organisation,
            VoucherCarry.new_card == card,
            VoucherCarry.rule_set == lot.rule_set,
        )
        return session.exec(query).first() is not None

    def carry(self, name: str, new_card_of: Mapping[bytes, bytes]) -> list[str]:
        """Grants the carried won of a lapse to the riders' cards of the next month; the transactions' purposes.

        Rows whose rider has no new card yet are left for a later call with another `new_card_of`. Raises GrantError
        while the lapse is not in a block.
        """
        rows = [row for row in self._rows(name) if row.carried_won]
        for purpose in {row.lapse_purpose for row in rows}:
            item = self._office.issuer.find(purpose)
            if item is None or item.status != ItemStatus.DONE:
                raise GrantError(f"{purpose} is not in a block")
        self._assign(name, [row for row in rows if not row.purpose and row.card in new_card_of], new_card_of)
        by_purpose: dict[str, list[VoucherCarry]] = {}
        for row in sorted(self._rows(name), key=lambda row: row.carry_id):
            if row.purpose:
                by_purpose.setdefault(row.purpose, []).append(row)
        for purpose, chunk in by_purpose.items():
            window = carried_window(CarryKind.CAP, chunk[0].last_service_day)
            leaves = [row.salt + b"\x01" + rfc8785.dumps({"lot": row.lot_no}) for row in chunk]
            arguments = [
                chunk[0].rule_set,
                chunk[0].last_service_day,
                window.start_day,
                window.last_service_day,
                [(row.new_card, row.carried_won, row.carry_id) for row in chunk],
                root(leaves, sha256),
                len(leaves),
            ]
            self._office.issuer.once(purpose, "Vouchers", "carry", arguments)
        return list(by_purpose)

    def _assign(self, name: str, rows: Sequence[VoucherCarry], new_card_of: Mapping[bytes, bytes]) -> None:
        """Gives waiting rows their batches, mixed anew so that the order does not join old cards to new ones."""
        with Session(self._office.engine) as session:
            used = len({row.purpose for row in self._rows(name) if row.purpose})
            for rule_set in sorted({row.rule_set for row in rows}):
                mixed = shuffled([row for row in rows if row.rule_set == rule_set], self._office.below)
                for chunk in batches(mixed, MAX_GRANTS_PER_BATCH):
                    for row in chunk:
                        row.purpose = f"carry:{name}:{used}"
                        row.new_card = new_card_of[row.card]
                        session.add(row)
                    used += 1
            session.commit()

    def after_block(self, name: str) -> int:
        """Marks carries that are in a block; how many lots now stand on their new cards. After Office.after_block."""
        done = 0
        with Session(self._office.engine) as session:
            for row in self._rows(name):
                item = self._office.issuer.find(row.purpose) if row.purpose else None
                if item is not None and item.status == ItemStatus.DONE and row.status == GrantStatus.PLANNED:
                    stands = self._office.client.call("Vouchers", "carry_done", [row.carry_id])
                    row.status = GrantStatus.GRANTED if stands else GrantStatus.REFUSED
                    session.add(row)
                done += row.status == GrantStatus.GRANTED
            session.commit()
        return done

    def _rows(self, name: str) -> list[VoucherCarry]:
        with Session(self._office.engine, expire_on_commit=False) as session:
            query = select(VoucherCarry).where(
                VoucherCarry.city == self._office.organisation, VoucherCarry.name == name
            )
            return list(session.exec(query.order_by(col(VoucherCarry.id))).all())
