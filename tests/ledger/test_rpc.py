"""The embedded JSON-RPC through web3.py, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web3 import Web3

from contracts.signatures import address_of
from ledger.node import Node
from ledger.rpc.dispatch import answer
from ledger.rpc.embedded import EmbeddedProvider
from ledger.rpc.eth import EthApi
from tests.ledger.chains import CHAIN_ID, COUNTER, COUNTER_CODE, GENESIS_S, USERS, count, make, open_config

USER = Web3.to_checksum_address(address_of(USERS[0]))
TO = Web3.to_checksum_address(COUNTER)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = make(tmp_path, open_config())
    for nonce in range(3):
        made.submit(count(USERS[0], nonce))
        made.seal(GENESIS_S + 1 + nonce)
    yield made
    made.close()


@pytest.fixture
def web3(node: Node) -> Web3:
    return Web3(EmbeddedProvider(node))


def test_web3_reads_blocks_transactions_and_receipts(node: Node, web3: Web3) -> None:
    assert web3.is_connected()
    assert (web3.eth.chain_id, web3.eth.block_number, web3.eth.gas_price) == (CHAIN_ID, 3, 0)
    block = web3.eth.get_block("latest", full_transactions=True)
    assert bytes(block["hash"]) == node.head.hash
    assert block["transactions"][0]["from"] == USER  # type: ignore[index, typeddict-item]
    by_hash = web3.eth.get_block(block["hash"])
    assert by_hash["transactions"] == [block["transactions"][0]["hash"]]  # type: ignore[index, typeddict-item]
    receipt = web3.eth.get_transaction_receipt(by_hash["transactions"][0])  # type: ignore[arg-type]
    assert (receipt["status"], receipt["blockNumber"], receipt["logs"][0]["logIndex"]) == (1, 3, 0)
    assert web3.eth.get_block_receipts(3)[0] == receipt
    assert web3.eth.get_transaction_by_block(3, 0)["nonce"] == 2
    assert web3.client_version.startswith("dure/")
    assert web3.net.version == str(CHAIN_ID)
    assert web3.eth.syncing is False


def test_web3_reads_the_state_of_any_block(web3: Web3) -> None:
    assert bytes(web3.eth.get_code(TO)) == COUNTER_CODE
    assert [int.from_bytes(web3.eth.get_storage_at(TO, 0, block), "big") for block in (0, 1, 3)] == [7, 8, 10]
    assert int.from_bytes(web3.eth.call({"to": TO}), "big") == 11
    assert int.from_bytes(web3.eth.call({"to": TO}, 1), "big") == 9
    assert web3.eth.get_balance(USER) == 0
    assert (web3.eth.get_transaction_count(USER, 1), web3.eth.get_transaction_count(USER)) == (1, 3)


def test_pending_counts_and_gas_see_what_waits(node: Node, web3: Web3) -> None:
    before = web3.eth.estimate_gas({"to": TO, "from": USER})
    node.submit(count(USERS[0], 3))
    assert web3.eth.get_transaction_count(USER, "pending") == 4
    assert int.from_bytes(web3.eth.call({"to": TO}, "pending"), "big") == 12
    assert web3.eth.estimate_gas({"to": TO, "from": USER}) == before
    waiting = web3.eth.get_transaction(node.pending()[0].hash)  # type: ignore[arg-type]
    assert waiting["blockHash"] is None
    node.submit(count(USERS[0], 4))
    assert int.from_bytes(web3.eth.call({"to": TO}, "pending"), "big") == 13


def test_an_estimate_is_enough(node: Node, web3: Web3) -> None:
    gas = web3.eth.estimate_gas({"to": TO, "from": USER})
    sent = web3.eth.send_raw_transaction(count(USERS[1], 0, gas=gas))
    node.seal()
    assert web3.eth.get_transaction_receipt(sent)["status"] == 1
    sent = web3.eth.send_raw_transaction(count(USERS[1], 1, gas=gas - 1))
    node.seal()
    assert web3.eth.get_transaction_receipt(sent)["status"] == 0


def test_web3_contracts_sign_and_send(node: Node, web3: Web3) -> None:
    """What any program of the Ethereum world does, through web3's own middleware."""
    from eth_account import Account

    account = Account.from_key(USERS[2].secret)
    transaction = {
        "to": TO,
        "from": account.address,
        "nonce": web3.eth.get_transaction_count(account.address, "pending"),
        "chainId": CHAIN_ID,
        "gas": web3.eth.estimate_gas({"to": TO, "from": account.address}),
        "maxFeePerGas": web3.eth.gas_price,
        "maxPriorityFeePerGas": web3.eth.max_priority_fee,
    }
    sent = web3.eth.send_raw_transaction(account.sign_transaction(transaction).raw_transaction)
    node.seal()
    assert web3.eth.wait_for_transaction_receipt(sent)["status"] == 1


def test_logs_and_fees(web3: Web3) -> None:
    logs = web3.eth.get_logs({"address": TO, "fromBlock": 0, "toBlock": "latest"})
    assert [log["blockNumber"] for log in logs] == [1, 2, 3]
    head = web3.eth.get_block("latest")["hash"]
    assert len(web3.eth.get_logs({"blockHash": head})) == 1
    history = web3.eth.fee_history(2, "latest", [50.0])
    assert history["baseFeePerGas"] == [0, 0, 0]
    assert history["reward"] == [[0], [0]]


FAULTS: dict[str, tuple[Any, int]] = {
    "no object": ([], -32600),
    "no method": ({"jsonrpc": "2.0", "id": 1}, -32600),
    "another version": ({"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}, -32600),
    "an unknown method": ({"id": 1, "method": "eth_mine"}, -32601),
    "named parameters": ({"id": 1, "method": "eth_chainId", "params": {}}, -32602),
    "a parameter too many": ({"id": 1, "method": "eth_getBlockByNumber", "params": ["0x1", False, 1, 2]}, -32602),
    "a missing parameter": ({"id": 1, "method": "eth_getBalance", "params": []}, -32602),
    "a quantity with a leading zero": ({"id": 1, "method": "eth_getBlockByNumber", "params": ["0x01", False]}, -32602),
    "a decimal number": ({"id": 1, "method": "eth_getBlockByNumber", "params": [1, False]}, -32602),
    "a huge number": ({"id": 1, "method": "eth_getBlockByNumber", "params": ["0x" + "f" * 999, False]}, -32602),
    "an address of 19 bytes": ({"id": 1, "method": "eth_getBalance", "params": ["0x" + "00" * 19]}, -32602),
    "odd hex": ({"id": 1, "method": "eth_sendRawTransaction", "params": ["0x123"]}, -32602),
    "no hex": ({"id": 1, "method": "eth_sendRawTransaction", "params": [None]}, -32602),
    "a transaction of zeros": ({"id": 1, "method": "eth_sendRawTransaction", "params": ["0x00"]}, -32003),
    "a block that is not there": ({"id": 1, "method": "eth_call", "params": [{"to": TO}, "0x99"]}, -32001),
    "a call that is no object": ({"id": 1, "method": "eth_call", "params": ["0x"]}, -32602),
    "too much gas": ({"id": 1, "method": "eth_call", "params": [{"to": TO, "gas": "0xffffffff"}]}, -32005),
    "a revert": ({"id": 1, "method": "eth_call", "params": [{"to": TO, "input": "0x00"}]}, 3),
    "an estimate of a revert": ({"id": 1, "method": "eth_estimateGas", "params": [{"to": TO, "input": "0x00"}]}, 3),
    "a filter of five topics": ({"id": 1, "method": "eth_getLogs", "params": [{"topics": [None] * 5}]}, -32602),
    "a range backwards": (
        {"id": 1, "method": "eth_getLogs", "params": [{"fromBlock": "0x2", "toBlock": "0x1"}]},
        -32602,
    ),
    "hash and range": (
        {"id": 1, "method": "eth_getLogs", "params": [{"blockHash": "0x" + "00" * 32, "fromBlock": "0x0"}]},
        -32602,
    ),
    "too many addresses": ({"id": 1, "method": "eth_getLogs", "params": [{"address": [TO] * 65}]}, -32005),
    "both names of a block": (
        {"id": 1, "method": "eth_getBalance", "params": [USER, {"blockHash": "0x" + "00" * 32, "blockNumber": "0x1"}]},
        -32602,
    ),
    "a slot that is no number": ({"id": 1, "method": "eth_getStorageAt", "params": [TO, "zero"]}, -32602),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_have_the_specification_s_codes(node: Node, fault: str) -> None:
    request, code = FAULTS[fault]
    given = answer(EthApi(node).methods, request)
    assert given["error"]["code"] == code
    assert given["jsonrpc"] == "2.0"


def test_absent_things_are_null(node: Node) -> None:
    methods = EthApi(node).methods
    absent = "0x" + "77" * 32
    for method, params in (
        ("eth_getBlockByHash", [absent, False]),
        ("eth_getBlockByNumber", ["0x63", False]),
        ("eth_getTransactionByHash", [absent]),
        ("eth_getTransactionReceipt", [absent]),
        ("eth_getBlockReceipts", ["0x63"]),
        ("dure_whyDropped", [absent]),
    ):
        assert answer(methods, {"id": 1, "method": method, "params": params})["result"] is None


def test_a_reader_refuses_transactions(node: Node, tmp_path: Path) -> None:
    reader = Node.open_for_reading(tmp_path)
    web3 = Web3(EmbeddedProvider(reader))
    assert web3.eth.block_number == 3
    request = {"id": 1, "method": "eth_sendRawTransaction", "params": ["0x" + count(USERS[0], 3).hex()]}
    assert "reading" in answer(EthApi(reader).methods, request)["error"]["message"]
    reader.close()
