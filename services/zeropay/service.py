"""Settlement's own books, and the payout of operators on the next business day (zeropay.md §7, §8).

    book_settled, book_corrected    as batches settle and are corrected
    pay_out → block → read_paid → block → redeem → block    on or after due_on(service day), 09:00

Whatever has a name may be asked again under the same name after a crash: it is done once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from sqlalchemy import Engine
from sqlmodel import Session, col, func, select

from ledger.client import Client
from services.bank.rules import batches
from services.bank.service import Bank
from services.business_days import is_business_day, next_business_day
from services.days import DAY_S, KST_OFFSET_S, date_of, kst_date_at
from services.outbox import ItemStatus, Outbox
from services.zeropay.errors import PayoutError
from services.zeropay.rules import Line, entry
from services.zeropay.tables import ZeropayEntry, ZeropayLine, ZeropayPayout

PAYOUT_HOUR_S: Final = 9 * 3_600
_OPERATORS_PER_PAYOUT: Final = 64  # Credits.payout


class SettlementBooks:
    """Double entry of settled fares: vouchers, balances and guarantors against operators and suspense."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def book(self, name: str, kind: str, service_day: int, lines: Sequence[Line], *, corrects: str = "") -> None:
        """Adds an entry once. Raises UnbalancedError or WonError where the lines are none."""
        checked = entry(lines)
        with Session(self._engine) as session:
            if session.exec(select(ZeropayEntry).where(ZeropayEntry.name == name)).first() is not None:
                return
            made = ZeropayEntry(name=name, kind=kind, service_day=service_day, corrects=corrects)
            session.add(made)
            session.flush()
            number = made.id or 0  # the flush has numbered it
            session.add_all(ZeropayLine(entry=number, account=account, won=won) for account, won in checked)
            session.commit()

    def book_settled(
        self,
        batch: int,
        service_day: int,
        *,
        voucher_won: Mapping[int, int],
        balance_won: int,
        guarantor_won: Mapping[int, int],
        operators_won: Mapping[int, int],
        suspense_won: int,
    ) -> None:
        """A settled batch: who paid (vouchers by rule-set, guarantors by id) against whom it credits, by id."""
        lines: list[Line] = [(f"rider:voucher:{rule_set}", won) for rule_set, won in sorted(voucher_won.items())]
        lines.append(("rider:balance", balance_won))
        lines += [(f"rider:account_debit:{bank}", won) for bank, won in sorted(guarantor_won.items())]
        lines += [(f"operator:payable:{operator}", -won) for operator, won in sorted(operators_won.items())]
        lines.append(("suspense:unmatched", -suspense_won))
        if any(won for _, won in lines):
            self.book(f"settled:{batch}", "settled", service_day, lines)

    def balances(self) -> dict[str, int]:
        """What each account stands at; the sum over all is 0."""
        with Session(self._engine) as session:
            query = select(ZeropayLine.account, func.sum(ZeropayLine.won)).group_by(col(ZeropayLine.account))
            return {account: int(won) for account, won in session.exec(query).all() if won}


def due_on(service_day: int) -> date:
    """The business day on which a service day's released credits are paid (D+1)."""
    return next_business_day(date_of(service_day))


class Payouts:
    """Operators' payouts. `payer` sends with any organisation's key; `banks` names each operator's bank."""

    def __init__(self, engine: Engine, client: Client, payer: Outbox, banks: Mapping[int, Bank]) -> None:
        self._engine = engine
        self._client = client
        self._payer = payer
        self._banks = banks

    def pay_out(self, name: str, operators: Sequence[int], *, service_day: int, now: int) -> list[str]:
        """Pays what is payable to these operators to their accounts on the chain; the transactions' purposes.

        Raises PayoutError before the day it is due on, on a day on which banks are closed, or before 09:00.
        """
        today = kst_date_at(now)
        if today < due_on(service_day) or not is_business_day(today):
            raise PayoutError(f"day {service_day} is paid on {due_on(service_day)} or a later business day")
        if (now + KST_OFFSET_S) % DAY_S < PAYOUT_HOUR_S:
            raise PayoutError("payouts leave at 09:00")
        if missing := sorted(set(operators) - set(self._banks)):
            raise PayoutError(f"no bank is known for operators {missing}")
        purposes = []
        for number, chunk in enumerate(batches(sorted(set(operators)), _OPERATORS_PER_PAYOUT)):
            purpose = f"payout:{name}:{number}"
            self._payer.once(purpose, "Credits", "payout", [chunk])
            purposes.append(purpose)
        return purposes

    def read_paid(self, name: str, keys: Mapping[int, Outbox]) -> dict[int, int]:
        """After the payout's block: what each operator was paid, and its transfer of it to its bank; won by operator.

        `keys` are the operators' own outboxes: their Won leave their accounts by their own signatures. An operator
        without one keeps its Won on the chain. Raises PayoutError while a payout is not in a block.
        """
        paid: dict[int, int] = {}
        for number in range(len(self._banks)):
            item = self._payer.find(f"payout:{name}:{number}")
            if item is None:
                break
            if item.status != ItemStatus.DONE:
                raise PayoutError(f"{item.purpose} is not in a block")
            for event in self._client.events_of(self._client.receipt(item.hash), "Credits"):
                if event.name == "PaidOut":
                    paid[event.args["organisation"]] = event.args["amount_won"]
                    self._keep(name, event.args["organisation"], event.args["amount_won"], event.block_number)
        for operator, won in paid.items():
            if operator in keys:
                account = self._client.call("Organisations", "account_of", [self._banks[operator].organisation])
                keys[operator].once(f"to bank:{name}", "Won", "transfer", [account, won])
        return paid

    def _keep(self, name: str, operator: int, won: int, block_number: int) -> None:
        with Session(self._engine) as session:
            query = select(ZeropayPayout).where(ZeropayPayout.name == name, ZeropayPayout.operator == operator)
            if session.exec(query).first() is None:
                session.add(
                    ZeropayPayout(
                        name=name,
                        operator=operator,
                        bank=self._banks[operator].organisation,
                        won=won,
                        purpose=f"to bank:{name}",
                        paid_block=block_number,
                    )
                )
                session.commit()

    def redeem(self, name: str, keys: Mapping[int, Outbox], *, now: int) -> dict[int, int]:
        """After the transfers' block: each bank burns what came and credits its operator; won by operator."""
        with Session(self._engine, expire_on_commit=False) as session:
            rows = session.exec(select(ZeropayPayout).where(ZeropayPayout.name == name)).all()
        redeemed: dict[int, int] = {}
        for row in rows:
            if row.operator not in keys:
                continue
            keys[row.operator].require_done(row.purpose)
            self._banks[row.operator].issuing.redeem(f"{name}:{row.operator}", row.operator, row.won, now=now)
            redeemed[row.operator] = row.won
        with Session(self._engine) as session:
            for row in rows:
                row.redeemed = row.operator in redeemed
                session.add(row)
            session.commit()
        return redeemed
