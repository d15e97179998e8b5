"""A civic chain: who may transact, and that two processes come to the same roots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.addresses import ORGANISATIONS, WON
from contracts.client import decode_result, encode_call
from contracts.signatures import address_of
from ledger.chain import transactions
from ledger.errors import (
    AdmissionError,
)
from ledger.node import Node
from tests.ledger.chains import (
    BANK,
    CHAIN_ID,
    CITY,
    COUNTER,
    COUNTER_CODE,
    GENESIS_S,
    OUTSIDER,
    USERS,
    civic_config,
    count,
    digest,
    initcode,
    make,
    open_config,
)
from tests.ledger.test_node import ENGINES


@pytest.fixture
def civic(tmp_path: Path):
    made = make(tmp_path / "civic", civic_config())
    yield made
    made.close()


def test_only_organisations_transact(civic: Node) -> None:
    mint = encode_call("Won", "mint", [address_of(OUTSIDER), 1_000, digest("1")])
    with pytest.raises(AdmissionError, match="no active key"):
        civic.submit(transactions.sign(OUTSIDER, CHAIN_ID, 0, 300_000, WON, mint))
    with pytest.raises(AdmissionError, match="no agreement"):
        civic.submit(transactions.sign(BANK, CHAIN_ID, 0, 300_000, address_of(CITY), b""))
    with pytest.raises(AdmissionError, match="no agreement"):
        civic.submit(transactions.sign(BANK, CHAIN_ID, 0, 300_000, COUNTER, b""))
    with pytest.raises(AdmissionError, match="not approved"):
        civic.submit(transactions.sign(BANK, CHAIN_ID, 0, 300_000, b"", initcode(COUNTER_CODE)))
    assert civic.pending() == []
    accepted = civic.submit(transactions.sign(BANK, CHAIN_ID, 0, 300_000, WON, mint))
    civic.seal()
    assert civic.receipt(accepted).receipt.status == 1
    supply = decode_result("Won", "totalSupply", civic.call(WON, encode_call("Won", "totalSupply")))
    assert supply == 1_000


def test_genesis_has_no_logs_and_real_agreements(civic: Node) -> None:
    standing = civic.call(ORGANISATIONS, encode_call("Organisations", "standing", [address_of(BANK)]))
    assert decode_result("Organisations", "standing", standing) & 0xFFFF == 2
    assert civic.receipts(0) == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_second_process_executes_to_the_same_roots(tmp_path: Path, engine: str) -> None:
    node = make(tmp_path, civic_config(), engine)
    for nonce in range(5):
        data = encode_call("Won", "mint", [address_of(CITY), 1_000 + nonce, digest(str(nonce))])
        node.submit(transactions.sign(BANK, CHAIN_ID, nonce, 300_000, WON, data))
        node.seal(GENESIS_S + 1 + nonce)
    node.close()
    for other in ("stock", "direct", "py-evm"):
        command = [sys.executable, "-m", "ledger.replay", str(tmp_path), "--engine", other]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        report = json.loads(done.stdout)
        assert (report["number"], report["transactions"]) == (5, 5)
        assert report["head_hash"] == "0x" + node.head.hash.hex()


def test_two_runs_give_the_same_head(tmp_path: Path) -> None:
    heads = []
    for run, engine in enumerate(("direct", "stock", "direct")):
        node = make(tmp_path / str(run), open_config(), engine)
        for nonce in range(4):
            for user in USERS:
                node.submit(count(user, nonce))
            node.seal(GENESIS_S + 1 + nonce)
        heads.append(node.head.hash)
        node.close()
    assert len(set(heads)) == 1
