"""What services use: calls, transactions and events of real agreements by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

from contracts.signatures import address_of
from ledger.client import Client
from ledger.errors import (
    AdmissionError,
    CallReverted,
    ConfigurationError,
    ReceiptTimeout,
    TransactionError,
    UnknownTransaction,
)
from ledger.node import Node
from ledger.rpc.embedded import EmbeddedProvider
from tests.ledger.chains import BANK, CITY, OUTSIDER, civic_config, digest, make


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = make(tmp_path, civic_config())
    yield made
    made.close()


@pytest.fixture
def client(node: Node) -> Client:
    return Client(Web3(EmbeddedProvider(node)))


def mint(client: Client, number: int, won: int = 1_000) -> bytes:
    return client.submit(BANK, "Won", "mint", [address_of(CITY), won, digest(str(number))])


def test_several_transactions_of_one_key_enter_one_block(node: Node, client: Client) -> None:
    hashes = [mint(client, number) for number in range(5)]
    with pytest.raises(ReceiptTimeout):
        client.receipt(hashes[0])
    block = node.seal()
    assert block is not None
    assert [tx.nonce for tx in block.transactions] == list(range(5))
    receipts = [client.receipt(h).require() for h in hashes]
    assert {receipt.block_number for receipt in receipts} == {1}
    assert client.call("Won", "totalSupply") == 5_000
    assert client.call("Won", "totalSupply", block=0) == 0
    assert client.head().hash == node.head.hash


def test_two_clients_share_a_key_in_one_process(node: Node, client: Client) -> None:
    other = Client(Web3(EmbeddedProvider(node)))
    hashes = [mint(client, 1), mint(other, 2), mint(client, 3)]
    node.seal()
    assert all(client.receipt(h).succeeded for h in hashes)


def test_gas_is_measured_on_what_waits(node: Node, client: Client) -> None:
    """The second transaction builds on the first, which is still pending."""
    mint(client, 1)
    sent = client.submit(CITY, "Won", "transfer", [address_of(BANK), 700])
    node.seal()
    receipt = client.receipt(sent).require()
    tx, _, _ = node.transaction(sent)
    assert receipt.gas_used <= tx.gas <= receipt.gas_used * 1.1 + 2_000
    assert client.call("Won", "balanceOf", [address_of(BANK)]) == 700


def test_events_by_name(node: Node, client: Client) -> None:
    for number in range(3):
        mint(client, number)
        node.seal()
    found = client.events("Won", "Minted")
    assert [event.block_number for event in found] == [1, 2, 3]
    assert [event.args["amount_won"] for event in found] == [1_000] * 3
    assert client.events("Won", "Minted", 2, 2) == [found[1]]
    receipt = client.receipt(found[0].transaction_hash)
    assert found[0] in client.events_of(receipt, "Won")


def test_a_refusal_is_named_before_anything_is_sent(node: Node, client: Client) -> None:
    with pytest.raises(CallReverted) as caught:
        client.submit(CITY, "Won", "transfer", [address_of(BANK), 1])
    assert caught.value.reason
    assert "Won.transfer" in caught.value.what
    assert node.pending() == []
    with pytest.raises(CallReverted):
        client.call("Won", "mint", [address_of(CITY), 1, digest("y")], sender=address_of(CITY))


def test_a_failed_transaction_tells_its_reason(node: Node, client: Client) -> None:
    sent = client.submit(CITY, "Won", "transfer", [address_of(BANK), 1], gas=200_000)
    node.seal()
    receipt = client.receipt(sent)
    assert not receipt.succeeded
    with pytest.raises(CallReverted, match=receipt.reason):
        receipt.require()


def test_errors_keep_their_class(node: Node, client: Client) -> None:
    with pytest.raises(AdmissionError):
        client.submit(OUTSIDER, "Won", "transfer", [address_of(BANK), 0], gas=200_000)
    with pytest.raises(ConfigurationError):
        client.call("Nothing", "x")
    with pytest.raises(UnknownTransaction):
        client.receipt(b"\1" * 32)


def test_a_dropped_transaction_tells_why(node: Node, client: Client) -> None:
    from ledger.chain.transactions import sign

    first = mint(client, 1)
    raw = node.pending()[0]
    node.submit(sign(BANK, node.chain_id, 0, raw.gas + 1, raw.to, raw.data))
    with pytest.raises(TransactionError, match="replaced"):
        client.receipt(first)
