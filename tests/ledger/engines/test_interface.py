"""The interface of engines: calls, views, refusals. Both engines answer alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey
from eth.constants import EMPTY_SHA3
from eth.vm import opcode_values as op
from eth_account import Account as Signer

from contracts.hashing import keccak
from contracts.signatures import address_of, sign
from ledger.chain import transactions
from ledger.chain.transactions import Transaction
from ledger.engines import open_engine
from ledger.engines.accounts import Caches, DirectAccountDB
from ledger.engines.base import Account, BlockEnvironment, Call, Engine, execute
from ledger.engines.errors import StateMissing, TransactionRejected, UnknownEngine
from ledger.engines.precompiles import ecrecover
from ledger.engines.tries import BLANK_ROOT

KEY = PrivateKey(b"\x21" * 32)
SENDER = address_of(KEY)
ENVIRONMENT = BlockEnvironment(chain_id=9, number=3, timestamp=1_760_000_000, gas_limit=30_000_000)
COUNTER = b"\xc1" * 20
REVERTS = b"\xc2" * 20
LOOPS = b"\xc3" * 20
DIVES = b"\xc4" * 20
NOBODY = b"\xc5" * 20
ENGINES = ("direct", "stock")


def state() -> tuple[dict[bytes, bytes], bytes]:
    """A state with a counter, a contract that reverts with a word, an endless loop, one that calls itself."""
    accounts = DirectAccountDB({}, BLANK_ROOT, Caches())
    # sstore(0, sload(0) + 1); log1(0, 0, 5); return(0, 32) after mstore(0, sload(0))
    counter = "5f54600101805f555f5260055f5fa160205ff3"
    accounts.set_code(COUNTER, bytes.fromhex(counter))
    accounts.set_code(REVERTS, bytes.fromhex("602a5f5260205ffd"))
    accounts.set_code(LOOPS, bytes((op.JUMPDEST, op.PUSH0, op.JUMP)))
    # call(gas, self, 0, 0, 0, 0, 0), and the depth that was reached in slot 0
    accounts.set_code(DIVES, bytes.fromhex("5f546001015f555f5f5f5f5f305af1"))
    for address in (COUNTER, REVERTS, LOOPS, DIVES):
        accounts.set_nonce(address, 1)
    accounts.set_storage(COUNTER, 0, 41)
    accounts.set_balance(SENDER, 10**18)
    nodes: dict[bytes, bytes] = {}
    return nodes, accounts.persist_into(nodes)


def signed(**fields: Any) -> Transaction:
    """A legacy transaction of SENDER, by default a call of the counter."""
    standard: dict[str, Any] = {"nonce": 0, "gas": 100_000, "gasPrice": 0, "to": COUNTER, "value": 0, "chainId": 9}
    return transactions.decode(bytes(Signer.sign_transaction(standard | fields, KEY.secret).raw_transaction))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return open_engine(request.param)


def test_one_setting_chooses_the_engine() -> None:
    assert open_engine().name == "direct"
    assert open_engine("stock").name == "stock"
    with pytest.raises(UnknownEngine, match="geth"):
        open_engine("geth")


def test_a_call_returns_and_changes_nothing(engine: Engine) -> None:
    nodes, root = state()
    view = engine.view(nodes, root, ENVIRONMENT)
    for _ in range(2):
        result = view.call(Call(COUNTER))
        assert (result.output, result.error, result.reverted) == ((42).to_bytes(32, "big"), None, False)
        assert view.storage(COUNTER, 0) == 41


def test_a_call_costs_what_the_receipt_of_the_transaction_says(engine: Engine) -> None:
    nodes, root = state()
    transaction = signed()
    receipt = engine.begin(nodes, root, ENVIRONMENT).apply(transaction)
    assert engine.view(nodes, root, ENVIRONMENT).call(Call(COUNTER, sender=SENDER)).gas_used == receipt.gas_used


def test_a_revert_gives_its_data(engine: Engine) -> None:
    nodes, root = state()
    result = engine.view(nodes, root, ENVIRONMENT).call(Call(REVERTS))
    assert (result.output, result.error, result.reverted) == ((42).to_bytes(32, "big"), "revert", True)


def test_an_endless_call_ends_with_its_gas(engine: Engine) -> None:
    nodes, root = state()
    result = engine.view(nodes, root, ENVIRONMENT).call(Call(LOOPS, gas=100_000))
    assert (result.output, result.error, result.reverted, result.gas_used) == (b"", "OutOfGas", False, 100_000)


def test_calls_nest_to_the_limit_of_depth() -> None:
    nodes, root = state()
    results = []
    for name in ENGINES:
        engine = open_engine(name)
        execution = engine.begin(nodes, root, replace(ENVIRONMENT, gas_limit=10**13))
        execution.apply(signed(to=DIVES, gas=10**12))
        done = execution.finish()
        depth = engine.view({**nodes, **done.nodes}, done.state_root, ENVIRONMENT).storage(DIVES, 0)
        results.append((done.state_root, done.gas_used, depth))
    assert results[0] == results[1]
    assert results[0][2] == 1025


def test_views_read_accounts(engine: Engine) -> None:
    nodes, root = state()
    view = engine.view(nodes, root, ENVIRONMENT)
    assert view.account(SENDER) == Account(0, 10**18, BLANK_ROOT, EMPTY_SHA3)
    assert view.account(NOBODY) == Account(0, 0, BLANK_ROOT, EMPTY_SHA3)
    assert keccak(view.code(COUNTER)) == view.account(COUNTER).code_hash
    assert view.code(NOBODY) == b""
    assert view.storage(NOBODY, 7) == 0


def test_a_receipt_holds_what_happened(engine: Engine) -> None:
    nodes, root = state()
    execution = engine.begin(nodes, root, ENVIRONMENT)
    first, second = execution.apply(signed()), execution.apply(signed(nonce=1, to=None, data="0x600160005360016000f3"))
    assert first.logs[0].address == COUNTER
    assert first.logs[0].topics == ((5).to_bytes(32, "big"),)
    assert (first.status, first.contract, first.output) == (1, None, (42).to_bytes(32, "big"))
    assert second.contract == keccak(bytes.fromhex("d694") + SENDER + b"\x01")[12:]
    assert second.cumulative_gas == first.gas_used + second.gas_used == execution.gas_used
    done = execution.finish()
    assert done.bloom == first.bloom | second.bloom
    after = engine.view({**nodes, **done.nodes}, done.state_root, ENVIRONMENT)
    assert after.account(SENDER).nonce == 2
    assert after.code(second.contract) == b"\x01"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"nonce": 1}, "nonce"),
        ({"gas": 20_999}, "intrinsic gas"),
        ({"to": None, "data": "0x" + "00" * 32, "gas": 53_000 + 32 * 4 + 1}, "intrinsic gas"),
        ({"gas": 30_000_001}, "block has left"),
        ({"value": 10**18 + 1}, "balance"),
        ({"gasPrice": 10**15}, "afford"),
        ({"to": None, "data": "0x" + "00" * 49_153, "gas": 2_000_000}, "initcode"),
    ],
)
def test_what_no_block_can_hold_is_rejected_and_leaves_the_block_unharmed(
    engine: Engine, fields: dict[str, Any], reason: str
) -> None:
    nodes, root = state()
    execution = engine.begin(nodes, root, ENVIRONMENT)
    with pytest.raises(TransactionRejected, match=reason):
        execution.apply(signed(**fields))
    execution.apply(signed())
    assert execution.finish() == execute(engine, nodes, root, ENVIRONMENT, [signed()])


def test_a_contract_cannot_send(engine: Engine) -> None:
    nodes, root = state()
    accounts = DirectAccountDB(nodes, root, Caches())
    accounts.set_code(SENDER, b"\x00")
    root = accounts.persist_into(nodes)
    with pytest.raises(TransactionRejected, match="EIP-3607"):
        engine.begin(nodes, root, ENVIRONMENT).apply(signed())


@pytest.mark.parametrize("call", [Call(COUNTER, gas=20_999), Call(COUNTER, value=1), Call(b"", bytes(49_153))])
def test_a_call_that_could_not_be_sent_is_rejected(engine: Engine, call: Call) -> None:
    nodes, root = state()
    view = engine.view(nodes, root, ENVIRONMENT)
    with pytest.raises(TransactionRejected):
        view.call(call)


def test_a_hole_in_the_state_is_named(engine: Engine) -> None:
    nodes, root = state()
    del nodes[root]
    with pytest.raises(StateMissing):
        engine.view(nodes, root, ENVIRONMENT).account(SENDER)


def test_missing_code_is_named(engine: Engine) -> None:
    nodes, root = state()
    del nodes[engine.view(nodes, root, ENVIRONMENT).account(COUNTER).code_hash]
    with pytest.raises(StateMissing):
        open_engine(engine.name).view(nodes, root, ENVIRONMENT).call(Call(COUNTER))


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


SIGNATURE = sign(keccak(b"tap"), KEY)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
R, S, V = int.from_bytes(SIGNATURE[:32], "big"), int.from_bytes(SIGNATURE[32:64], "big"), SIGNATURE[64]


@pytest.mark.parametrize(
    ("digest", "v", "r", "s", "found"),
    [
        (keccak(b"tap"), V, R, S, True),
        (keccak(b"tap"), 55 - V, R, ORDER - S, True),
        (keccak(b"tap"), V - 27, R, S, False),
        (keccak(b"tap"), V + (1 << 64), R, S, False),
        (keccak(b"tap"), V, 0, S, False),
        (keccak(b"tap"), V, R, 0, False),
        (keccak(b"tap"), V, ORDER, S, False),
        (keccak(b"tap"), V, R, ORDER, False),
        (keccak(b"tap"), V, 5, S, False),
        (bytes(32), V, R, S, None),
    ],
)
def test_ecrecover_as_py_evm_has_it(digest: bytes, v: int, r: int, s: int, found: bool | None) -> None:
    data = digest + _word(v) + _word(r) + _word(s)
    outputs = [_through(name, data) for name in ENGINES]
    assert outputs[0] == outputs[1] == ecrecover(data)
    if found is not None:
        assert (outputs[0] == bytes(12) + SENDER) is found


@pytest.mark.parametrize("length", [0, 1, 31, 64, 100, 127, 128, 129, 200])
def test_ecrecover_of_short_and_long_input(length: int) -> None:
    data = (keccak(b"tap") + _word(V) + _word(R) + _word(S) + bytes(72))[:length]
    assert _through("direct", data) == _through("stock", data) == ecrecover(data)


def _through(name: str, data: bytes) -> bytes:
    return open_engine(name).view(*state(), ENVIRONMENT).call(Call(_word(1)[12:], data)).output
