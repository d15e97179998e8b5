"""The pool: fair shares, order, replacement, bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import limits
from ledger.chain import transactions
from ledger.errors import NonceError, PoolFull
from ledger.mempool import Mempool
from tests.ledger.chains import CHAIN_ID, COUNTER, key

SENDERS = tuple(key(f"sender {number}") for number in range(4))


def tx(sender: int, nonce: int, gas: int = 100_000) -> transactions.Transaction:
    return transactions.decode(transactions.sign(SENDERS[sender], CHAIN_ID, nonce, gas, COUNTER, b""))


def at_genesis(_sender: bytes) -> int:
    return 0


def chosen(pool: Mempool, budget: int, first: int = 0) -> list[transactions.Transaction]:
    return [pending.transaction for pending in pool.select(at_genesis, budget, first)]


def test_an_organisation_cannot_crowd_out_another() -> None:
    pool = Mempool()
    crowd = [tx(0, nonce) for nonce in range(50)]
    for transaction in crowd:
        pool.add(transaction, 1)
    late = [tx(1, nonce) for nonce in range(3)]
    for transaction in late:
        pool.add(transaction, 2)
    taken = chosen(pool, 1_000_000)
    assert all(transaction in taken for transaction in late)
    assert len(taken) == 10


def test_what_is_left_goes_round_robin() -> None:
    pool = Mempool()
    for nonce in range(20):
        pool.add(tx(0, nonce), 1)
        pool.add(tx(1, nonce), 2)
    pool.add(tx(2, 0), 3)
    taken = chosen(pool, 900_000)
    per_sender = [sum(transaction.sender == tx(s, 0).sender for transaction in taken) for s in range(3)]
    assert per_sender == [4, 4, 1]


def test_a_large_transaction_over_its_share_uses_what_is_left() -> None:
    pool = Mempool()
    pool.add(tx(0, 0, 700_000), 1)
    pool.add(tx(1, 0, 100_000), 2)
    assert len(chosen(pool, 1_000_000)) == 2


def test_order_of_arrival_and_of_nonces() -> None:
    pool = Mempool()
    first, second, third = tx(0, 1), tx(1, 0), tx(0, 0)
    for transaction in (first, second, third):
        pool.add(transaction, 1)
    assert chosen(pool, 10**9) == [second, third, first]
    newer = tx(1, 0, 110_000)
    replaced = pool.add(newer, 1)
    assert replaced is not None
    assert replaced.transaction is second
    assert chosen(pool, 10**9) == [third, first, newer]


def test_a_gap_is_not_taken() -> None:
    pool = Mempool()
    pool.add(tx(0, 0), 1)
    pool.add(tx(0, 2), 1)
    assert len(chosen(pool, 10**9)) == 1
    assert pool.next_nonce(tx(0, 0).sender, 0) == 1


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Mempool()
    monkeypatch.setattr("ledger.mempool.MAX_PENDING", 2)
    for nonce in range(2):
        pool.check(tx(0, nonce), 0)
        pool.add(tx(0, nonce), 1)
    with pytest.raises(PoolFull):
        pool.check(tx(0, 2), 0)
    pool.check(tx(0, 1, 110_000), 0)  # a replacement takes no more room
    with pytest.raises(NonceError):
        pool.check(tx(0, limits.MAX_PENDING_PER_SENDER), 0)
    with pytest.raises(NonceError):
        pool.check(tx(0, 0, 120_000), 1)


def test_long_and_cheap_calldata_does_not_burst_a_block() -> None:
    pool = Mempool()
    for nonce in range(50):
        raw = transactions.sign(SENDERS[0], CHAIN_ID, nonce, 600_000, COUNTER, bytes(120_000))
        pool.add(transactions.decode(raw), 1)
    taken = chosen(pool, 30_000_000)
    size = sum(len(transaction.raw) for transaction in taken)
    assert limits.MAX_BLOCK_BYTES - 130_000 < size < limits.MAX_BLOCK_BYTES
    assert [transaction.nonce for transaction in taken] == list(range(len(taken)))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(21_000, 400_000)), max_size=40),
    st.integers(21_000, 2_000_000),
    st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_any_choice_fits_and_keeps_nonces(arrivals: list[tuple[int, int, int]], budget: int, first: int) -> None:
    pool = Mempool()
    for sender, nonce, gas in arrivals:
        pool.add(tx(sender, nonce, gas), 1 + sender % 2)
    taken = chosen(pool, budget, first)
    assert sum(transaction.gas for transaction in taken) <= budget
    for sender in range(4):
        nonces = [t.nonce for t in taken if t.sender == tx(sender, 0).sender]
        assert nonces == list(range(len(nonces)))
    # Nothing that fits in what is left, as its sender's next, was passed over.
    left = budget - sum(transaction.gas for transaction in taken)
    for pending in pool:
        before = [t for t in taken if t.sender == pending.transaction.sender]
        if pending.transaction.nonce == len(before):
            assert pending.transaction.gas > left
