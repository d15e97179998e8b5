"""Admission follows what the council decides, block by block, on every node alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web3 import Web3

from contracts.addresses import WON
from contracts.client import encode_call
from contracts.codes import Act
from contracts.hashing import keccak
from contracts.signatures import address_of
from ledger.chain import transactions
from ledger.client import Client
from ledger.errors import AdmissionError, BlockAdmissionError, TransactionError
from ledger.node import Node
from ledger.replay import replay
from ledger.rpc.embedded import EmbeddedProvider
from tests.ledger.chains import (
    AUTHORITY,
    BANK,
    CHAIN_ID,
    CITY,
    COUNTER_CODE,
    civic_config,
    digest,
    finality,
    initcode,
    make,
)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = make(tmp_path, civic_config())
    yield made
    made.close()


@pytest.fixture
def client(node: Node) -> Client:
    return Client(Web3(EmbeddedProvider(node)))


def decide(client: Client, act: Act, *arguments: int) -> bytes:
    words = [*arguments, *([0] * (4 - len(arguments)))]
    return client.submit(CITY, "Organisations", "propose", [int(act), words])


def mint(nonce: int, gas: int = 300_000) -> bytes:
    data = encode_call("Won", "mint", [address_of(CITY), 1, digest(str(nonce))])
    return transactions.sign(BANK, CHAIN_ID, nonce, gas, WON, data)


def test_what_waits_of_a_suspended_organisation_is_dropped_with_a_reason(node: Node, client: Client) -> None:
    hashes = [node.submit(mint(nonce, 20_000_000)) for nonce in range(3)]
    decide(client, Act.SET_ACTIVE, 2, 0)
    first = node.seal()
    assert first is not None
    assert [tx.hash in hashes for tx in first.transactions].count(True) == 1
    with pytest.raises(AdmissionError, match="no active key"):
        node.submit(mint(3))
    city = client.submit(CITY, "Won", "approve", [address_of(BANK), 5])
    second = node.seal()
    assert second is not None
    assert [tx.hash for tx in second.transactions] == [city]
    assert node.pending() == []
    for gone in hashes[1:]:
        with pytest.raises(TransactionError, match="no active key"):
            client.receipt(gone)
    replay(node, "stock")
    replay(node, "py-evm")


def test_the_others_judge_at_the_parent_state(node: Node, client: Client, tmp_path: Path) -> None:
    """In the block that suspends it an organisation may still transact; in the next one no more."""
    node.submit(mint(0))
    decide(client, Act.SET_ACTIVE, 2, 0)
    block = node.seal()
    assert block is not None
    assert len(block.transactions) == 2
    other = make(tmp_path / "other", civic_config(), "stock", authority=False)
    other.import_block(block.raw, node.finality(1))
    assert other.head.hash == node.head.hash
    draft = block.header.copy(
        parent_hash=block.hash, block_number=2, timestamp=block.timestamp + 1, gas_used=0, bloom=0
    )
    from ledger.chain import blocks

    forged = blocks.build(draft, [transactions.decode(mint(1))])
    with pytest.raises(BlockAdmissionError):
        other.import_block(forged.raw, finality(forged, node.identity.genesis_hash))
    other.close()


def test_approved_code_can_be_deployed_and_called_from_its_block_on(node: Node, client: Client) -> None:
    code = initcode(COUNTER_CODE)
    with pytest.raises(AdmissionError, match="not approved"):
        client.deploy(BANK, code, gas=200_000)
    decide(client, Act.APPROVE_CODE, int.from_bytes(keccak(code), "big"), 1)
    node.seal()
    deployed = client.deploy(BANK, code)
    node.seal()
    contract = client.receipt(deployed).require().contract
    assert contract is not None
    with pytest.raises(AdmissionError, match="no agreement"):
        client.send(BANK, contract, b"", gas=100_000)
    first = node.head.number + 3
    decide(
        client,
        Act.REGISTER_AGREEMENT,
        int.from_bytes(contract, "big"),
        int.from_bytes(b"Counter".ljust(32, b"\0"), "big"),
        first,
    )
    node.seal()
    assert node.head.number == first - 2
    with pytest.raises(AdmissionError, match="no agreement"):
        client.send(BANK, contract, b"", gas=100_000)
    node.seal(allow_empty=True)
    called = client.send(BANK, contract, b"")
    block = node.seal()
    assert block is not None
    assert block.number == first
    assert client.receipt(called).require().block_number == first


def test_rotated_keys_keep_the_organisation(node: Node, client: Client, tmp_path: Path) -> None:
    from tests.ledger.chains import key

    fresh = key("bank, new key")
    decide(client, Act.SET_KEY, 2, int.from_bytes(address_of(fresh), "big"), 0b11111)
    node.seal()
    decide(client, Act.SET_KEY, 2, int.from_bytes(address_of(BANK), "big"), 0)
    node.seal()
    with pytest.raises(AdmissionError):
        node.submit(mint(0))
    client.submit(fresh, "Won", "mint", [address_of(CITY), 5, digest("fresh")])
    node.seal()
    assert client.events("Won", "Minted")[0].args["bank"] == 2
    node.close()
    again = Node.open(tmp_path, key=AUTHORITY)
    assert again.head.number == 3
    again.close()
