"""Whole blocks: both engines give the same results, and stock py-evm imports the blocks without any override."""

from __future__ import annotations

import random
from typing import Any

import pytest
from coincurve import PrivateKey
from eth.chains.base import MiningChain
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm import opcode_values as op
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.blocks import CancunBlock
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, BEACON_ROOTS_CONTRACT_CODE
from eth_account import Account

from contracts.signatures import address_of
from ledger.chain import transactions
from ledger.chain.transactions import Transaction
from ledger.engines import open_engine
from ledger.engines.base import BlockEnvironment, ExecutionResult
from ledger.engines.errors import TransactionRejected
from tests.ledger.engines.programs import HELPERS, MAIN, NOBODY, RICH, TARGETS, case

CHAIN_ID = 4242
KEYS = [PrivateKey(bytes([n]) * 32) for n in range(1, 5)]
SENDERS = [address_of(key) for key in KEYS]
STORER = bytes.fromhex("57" * 20)
DOOMED = bytes.fromhex("dd" * 20)
GAS_LIMIT = 30_000_000


class StockChain(MiningChain):
    vm_configuration = ((0, CancunVM),)
    chain_id = CHAIN_ID


def storer() -> bytes:
    """Writes calldata, as (slot, value) pairs of words, to storage."""
    # i = 0; while i < calldatasize: sstore(calldataload(i), calldataload(i + 32)); i += 64
    return bytes.fromhex("5f5b368110156018578035816020013590556040016001565b00")


def doomed_factory() -> bytes:
    """Creates, with the first word of calldata as salt, a contract that stores a word and destroys itself or stays."""
    child = bytes((op.PUSH1, 7, op.PUSH1, 3, op.SSTORE))
    ends = child + bytes((op.CALLER, op.SELFDESTRUCT))
    stays = child + bytes((op.PUSH1, 1, op.PUSH0, op.RETURN))
    code = bytearray()
    # Both initcodes start at memory 0; the second word of calldata chooses.
    code += bytes((op.PUSH1, 32, op.CALLDATALOAD, op.PUSH1, 0, op.JUMPI))
    hole = len(code) - 2
    for initcode, mark in ((stays, False), (ends, True)):
        if mark:
            code[hole] = len(code)
            code.append(op.JUMPDEST)
        code += bytes((op.PUSH32,)) + initcode.ljust(32, b"\x00") + bytes((op.PUSH0, op.MSTORE))
        code += bytes((op.PUSH0, op.CALLDATALOAD, op.PUSH1, len(initcode), op.PUSH0, op.CALLVALUE, op.CREATE2))
        code += bytes((op.PUSH0, op.MSTORE, op.PUSH1, 32, op.PUSH0, op.RETURN))
    return bytes(code)


def genesis_state(rng: random.Random, beacon: bool) -> dict[bytes, dict[str, Any]]:
    """Senders, the two contracts, random programs, some slots."""
    accounts: dict[bytes, dict[str, Any]] = {
        sender: {"balance": 10**20, "nonce": 0, "code": b"", "storage": {}} for sender in SENDERS
    }
    accounts[RICH] = {"balance": 10**18, "nonce": 0, "code": b"", "storage": {}}
    accounts[STORER] = {"balance": 0, "nonce": 1, "code": storer(), "storage": {n: n + 1 for n in range(20)}}
    accounts[DOOMED] = {"balance": 0, "nonce": 1, "code": doomed_factory(), "storage": {}}
    for address in (MAIN, *HELPERS):
        code = case(rng.getrandbits(40)).code
        accounts[address] = {"balance": 5, "nonce": 1, "code": code, "storage": {0: 1, 2: 3, 4: 5}}
    if beacon:
        code = BEACON_ROOTS_CONTRACT_CODE
        accounts[BEACON_ROOTS_ADDRESS] = {"balance": 0, "nonce": 1, "code": code, "storage": {}}
    return accounts


def random_transaction(rng: random.Random, nonces: dict[bytes, int]) -> Transaction:
    """A transaction of any admitted type to anything; sometimes with a wrong nonce or too little gas."""
    which = rng.randrange(len(KEYS))
    nonce = nonces[SENDERS[which]] + rng.choice((0,) * 20 + (1, -1))
    fields: dict[str, Any] = {"nonce": max(nonce, 0), "value": 0, "chainId": CHAIN_ID}
    fields["gas"] = rng.choice((21_000, 22_000, 60_000, 150_000, 400_000, 400_000, 400_000))
    roll = rng.random()
    if roll < 0.15:
        fields |= {"to": rng.choice((NOBODY, rng.randbytes(20), *TARGETS)), "value": rng.choice((0, 0, 1, 10**18))}
    elif roll < 0.5:
        pairs = [(rng.choice((rng.randrange(25), rng.getrandbits(256))), rng.choice((0, 0, 1, rng.getrandbits(256))))]
        pairs += [(rng.randrange(25), rng.randrange(3)) for _ in range(rng.randrange(6))]
        fields |= {"to": STORER, "data": b"".join(w.to_bytes(32, "big") for pair in pairs for w in pair)}
    elif roll < 0.7:
        words = (rng.randrange(3), rng.randrange(2))
        fields |= {"to": DOOMED, "value": rng.choice((0, 5)), "data": b"".join(w.to_bytes(32, "big") for w in words)}
    elif roll < 0.8:
        fields |= {"data": case(rng.getrandbits(40)).code, "value": rng.choice((0, 0, 3))}
    else:
        fields |= {"to": rng.choice((MAIN, *HELPERS)), "data": rng.randbytes(rng.randrange(100))}
    fields |= _fees(rng)
    signed = Account.sign_transaction(fields, KEYS[which].secret)
    return transactions.decode(bytes(signed.raw_transaction))


def _fees(rng: random.Random) -> dict[str, Any]:
    kind = rng.randrange(3)
    if kind == 0:
        return {"gasPrice": rng.choice((0, 0, 0, 7))}
    keys = [f"0x{n:064x}" for n in range(rng.randrange(3))]
    listed = [{"address": f"0x{STORER.hex()}", "storageKeys": keys}]
    access: dict[str, Any] = {"accessList": listed if rng.random() < 0.5 else []}
    if kind == 1:
        return access | {"gasPrice": 0, "type": 1}
    return access | {"maxFeePerGas": rng.choice((0, 9)), "maxPriorityFeePerGas": 0, "type": 2}


def check_chain(seed: int, blocks: int) -> dict[str, int]:
    """A chain of random blocks; returns counts of what happened."""
    rng = random.Random(seed)
    database = MemoryDB()
    params = {
        "difficulty": 0, "gas_limit": GAS_LIMIT, "timestamp": 1_760_000_000, "coinbase": bytes(20), "nonce": bytes(8),
        "mix_hash": bytes(32), "extra_data": b"", "base_fee_per_gas": 0, "parent_beacon_block_root": bytes(32),
    }  # fmt: skip
    chain = StockChain.from_genesis(AtomicDB(database), params, genesis_state(rng, seed % 3 == 0))
    nodes = {bytes(key): value for key, value in database.kv_store.items() if len(key) == 32}
    head, ancestors = chain.get_canonical_head(), [chain.get_canonical_head().hash]
    engines = [open_engine("direct"), open_engine("stock")]
    counts = {"applied": 0, "failed": 0, "rejected": 0}
    nonces = dict.fromkeys(SENDERS, 0)
    for _ in range(blocks):
        coinbase = rng.choice((bytes(20), bytes(20), RICH))
        draft = CancunVM.create_header_from_parent(
            head,
            timestamp=head.timestamp + rng.randint(1, 9),
            gas_limit=GAS_LIMIT,
            coinbase=coinbase,
            extra_data=b"",
            mix_hash=bytes(32),
            parent_beacon_block_root=rng.randbytes(32),
        )
        environment = BlockEnvironment(
            CHAIN_ID,
            draft.block_number,
            draft.timestamp,
            GAS_LIMIT,
            coinbase,
            parent_beacon_root=draft.parent_beacon_block_root,
            ancestors=lambda: ancestors,
        )
        executions = [engine.begin(nodes, head.state_root, environment) for engine in engines]
        body = []
        for _ in range(rng.randrange(7)):
            transaction = random_transaction(rng, nonces)
            outcomes = [_outcome(execution, transaction) for execution in executions]
            assert outcomes[0] == outcomes[1], f"seed {seed} block {draft.block_number}"
            if outcomes[0] == "rejected":
                counts["rejected"] += 1
                continue
            counts["applied"] += 1
            counts["failed"] += outcomes[0].status == 0
            nonces[transaction.sender] += 1
            body.append(transaction)
        fast, slow = (execution.finish() for execution in executions)
        assert _comparable(fast) == _comparable(slow), f"seed {seed} block {draft.block_number}"
        header = draft.copy(
            state_root=fast.state_root,
            transaction_root=fast.transactions_root,
            receipt_root=fast.receipts_root,
            bloom=fast.bloom,
            gas_used=fast.gas_used,
        )
        imported = chain.import_block(CancunBlock(header, [t.inner for t in body], [], [])).imported_block
        assert imported.hash == header.hash
        nodes.update(fast.nodes)
        head = header
        ancestors.insert(0, header.hash)
    return counts


def _outcome(execution: Any, transaction: Transaction) -> Any:
    try:
        return execution.apply(transaction)
    except TransactionRejected:
        return "rejected"


def _comparable(result: ExecutionResult) -> tuple[Any, ...]:
    return (
        result.state_root, result.transactions_root, result.receipts_root, result.bloom, result.gas_used,
        result.receipts,
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
@pytest.mark.parametrize("seed", range(12))
def test_random_blocks_have_the_same_roots_and_import_in_stock_py_evm(seed: int) -> None:
    counts = check_chain(seed, blocks=8)
    assert counts["applied"] > 5


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
@pytest.mark.parametrize("part", range(20))
def test_random_blocks_long(part: int) -> None:
    for seed in range(1_000 + part * 25, 1_000 + part * 25 + 25):
        check_chain(seed, blocks=20)


def test_an_empty_block_keeps_the_state() -> None:
    for name in ("direct", "stock"):
        result = open_engine(name).begin({}, BLANK_ROOT_HASH, BlockEnvironment(1, 1, 5, GAS_LIMIT)).finish()
        assert result.state_root == result.receipts_root == result.transactions_root == BLANK_ROOT_HASH
        assert result.gas_used == result.bloom == 0
