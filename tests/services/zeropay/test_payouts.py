"""From a settled batch to money in the operators' bank accounts, on the next business day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.records import Batch, GuarantorPart, sums_word, table_word
from services.bank.desk import Desk
from services.bank.service import Bank, check_supply
from services.days import day_start
from services.outbox import OutboxError
from services.zeropay.errors import PayoutError, UnbalancedError
from services.zeropay.service import Payouts, SettlementBooks, due_on
from tests.services.chain import BANK, BUS, CITY, CLEARING, METRO, OTHER_BANK, Chain, key
from tests.services.zeropay.test_guarantee import DAY, Town


def at(day: date, hour: int) -> int:
    """UTC seconds of an hour in Korea."""
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()) - 9 * 3_600


@pytest.fixture
def town(tmp_path: Path, engine: Engine) -> Iterator[Town]:
    chain = Chain(tmp_path / "chain", engine, ["Won", "Vouchers", "Fares", "Credits"])
    yield Town(chain)
    chain.close()


def released(town: Town, *fares_won: int) -> None:
    """A settled batch whose guarantor has paid and whose 24 hours are over."""
    number, leaves = town.settle(*fares_won)
    client = town.chain.client
    [event] = client.events("Fares", "Settled")
    settled_at = town.chain.web3.eth.get_block(event.block_number)["timestamp"]
    town.bank.guarantee.record_settled(number, leaves)
    owed = town.bank.guarantee.collect("2025-10-01", now=town.chain.now)
    town.seal()
    table = table_word([METRO, BUS])
    shares = {METRO: sum(won - won // 3 for won in fares_won), BUS: sum(won // 3 for won in fares_won)}
    batch = Batch(
        number,
        CLEARING,
        DAY,
        settled_at,
        event.args["records_root"],
        len(leaves),
        table,
        sums_word(table, shares),
        (GuarantorPart(BANK, owed, owed),),
    )
    town.chain.wait_until(settled_at + 25 * 3_600)
    town.chain.outbox(CLEARING).once("release", "Credits", "release", [[batch.fields()]])
    town.seal()


def test_operators_are_paid_on_the_next_business_day(town: Town) -> None:
    town.enrol()
    town.top_up(1_000, 0, 0, 0)
    released(town, 1_550, 3_000)
    client = town.chain.client
    assert client.call("Credits", "payable_to", [METRO]) == 3_034
    # 2025-10-02 is the last day before Foundation Day, a weekend and Chuseok; the next is the 10th.
    assert due_on(DAY) == date(2025, 10, 2)
    assert due_on(DAY + 1) == date(2025, 10, 10)
    other = Bank(Desk(town.chain.engine, client, town.chain.outbox(OTHER_BANK), OTHER_BANK, key("guarantor")))
    payouts = Payouts(town.chain.engine, client, town.chain.outbox(CITY), {METRO: town.bank, BUS: other})
    keys = {each: town.chain.outbox(each) for each in (METRO, BUS)}
    for early in (at(date(2025, 10, 1), 12), at(date(2025, 10, 2), 8), at(date(2025, 10, 3), 12)):
        with pytest.raises(PayoutError):
            payouts.pay_out("2025-10-01", [METRO, BUS], service_day=DAY, now=early)
    with pytest.raises(PayoutError):
        payouts.pay_out("2025-10-01", [METRO, 999], service_day=DAY, now=at(date(2025, 10, 2), 9))
    for _ in range(2):
        payouts.pay_out("2025-10-01", [METRO, BUS], service_day=DAY, now=at(date(2025, 10, 2), 9))
    with pytest.raises(PayoutError):
        payouts.read_paid("2025-10-01", keys)
    town.chain.seal()
    town.chain.outbox(CITY).settle()
    for _ in range(2):
        assert payouts.read_paid("2025-10-01", keys) == {METRO: 3_034, BUS: 1_516}
    with pytest.raises(OutboxError):
        payouts.redeem("2025-10-01", keys, now=town.chain.now)
    town.chain.seal()
    for outbox in keys.values():
        outbox.settle()
    for _ in range(2):
        assert payouts.redeem("2025-10-01", keys, now=town.chain.now) == {METRO: 3_034, BUS: 1_516}
    head = town.chain.seal()
    for bank in (town.bank, other):
        bank.after_block()
    assert town.bank.accounts.held_by_organisations([METRO]) == {METRO: 3_034}
    assert other.accounts.held_by_organisations([BUS]) == {BUS: 1_516}
    # Everything that was ridden is paid out: no Won is left, and the second bank claims its part from the first.
    assert check_supply(client, [town.bank, other], head) == (0, 0)
    assert client.call("Won", "issued", [OTHER_BANK]) == -1_516


def test_settlement_books_balance_and_take_each_batch_once(engine: Engine) -> None:
    books = SettlementBooks(engine)
    for _ in range(2):
        books.book_settled(
            1,
            DAY,
            voucher_won={7: 900},
            balance_won=0,
            guarantor_won={BANK: 850},
            operators_won={METRO: 988, BUS: 762},
            suspense_won=0,
        )
    books.book_settled(2, DAY, voucher_won={}, balance_won=0, guarantor_won={}, operators_won={}, suspense_won=0)
    standing = books.balances()
    assert standing == {
        "rider:voucher:7": 900,
        f"rider:account_debit:{BANK}": 850,
        f"operator:payable:{METRO}": -988,
        f"operator:payable:{BUS}": -762,
    }
    assert sum(standing.values()) == 0
    books.book("bank file", "bank", DAY, [("bank:settlement", 850), (f"rider:account_debit:{BANK}", -850)])
    assert f"rider:account_debit:{BANK}" not in books.balances()
    with pytest.raises(UnbalancedError):
        books.book_settled(
            3, DAY, voucher_won={}, balance_won=5, guarantor_won={}, operators_won={METRO: 4}, suspense_won=0
        )
    assert sum(books.balances().values()) == 0


def test_a_day_is_paid_by_its_date() -> None:
    assert day_start(DAY) == at(date(2025, 10, 1), 4)
