"""The same client over HTTP: a real socket between web3 and the node's methods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from contracts.signatures import address_of
from ledger.client import Client
from ledger.errors import AdmissionError, CallReverted
from ledger.node import Node
from ledger.rpc.dispatch import answer
from ledger.rpc.eth import EthApi
from tests.ledger.chains import BANK, CITY, OUTSIDER, civic_config, digest, make


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = make(tmp_path, civic_config())
    yield made
    made.close()


@pytest.fixture
def remote(node: Node) -> Iterator[Client]:
    methods = EthApi(node).methods

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answer(methods, request)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Says nothing: pytest captures what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    provider = HTTPProvider(f"http://127.0.0.1:{server.server_port}")
    yield Client(Web3(provider))
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_node_is_used_alike(node: Node, remote: Client) -> None:
    sent = [remote.submit(BANK, "Won", "mint", [address_of(CITY), 10, digest(str(number))]) for number in range(3)]
    node.seal()
    assert all(remote.receipt(h).require().block_number == 1 for h in sent)
    assert remote.call("Won", "balanceOf", [address_of(CITY)]) == 30
    assert [event.args["amount_won"] for event in remote.events("Won", "Minted")] == [10] * 3
    with pytest.raises(CallReverted):
        remote.submit(CITY, "Won", "transfer", [address_of(BANK), 31])
    with pytest.raises(AdmissionError):
        remote.submit(OUTSIDER, "Won", "transfer", [address_of(BANK), 0], gas=100_000)


def test_two_threads_with_two_keys(node: Node, remote: Client) -> None:
    def work(signer: object, function: str, start: int) -> None:
        for number in range(start, start + 10):
            if function == "mint":
                remote.submit(BANK, "Won", "mint", [address_of(CITY), 1, digest(str(number))], gas=200_000)
            else:
                remote.submit(CITY, "Won", "approve", [address_of(BANK), number], gas=100_000)

    threads = [
        threading.Thread(target=work, args=(BANK, "mint", 0)),
        threading.Thread(target=work, args=(BANK, "mint", 100)),
        threading.Thread(target=work, args=(CITY, "approve", 0)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    block = node.seal()
    assert block is not None
    assert len(block.transactions) == 30
    assert all(entry.receipt.status for entry in node.receipts())


def test_reads_go_on_while_blocks_are_made(node: Node, remote: Client) -> None:
    """Every answer belongs to one block: balances of two accounts that only exchange money always add up."""
    remote.submit(BANK, "Won", "mint", [address_of(CITY), 1_000, digest("start")])
    node.seal()
    stop = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not stop.is_set():
            block = remote.head().number
            total = sum(remote.call("Won", "balanceOf", [address_of(key)], block=block) for key in (CITY, BANK))
            if total != 1_000:
                wrong.append(f"{total} at block {block}")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(15):
        remote.submit(CITY, "Won", "transfer", [address_of(BANK), 10 + number], gas=150_000)
        node.seal(node.head.timestamp + 1)
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert node.head.number == 16
