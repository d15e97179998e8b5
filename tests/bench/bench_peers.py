"""The same calls on eth-tester and anvil: the bench contract deployed, cards enrolled, records settled batch by batch.

All of them start from an empty chain with the same contract and the same calls, so the ratios in one run compare
engines with what stands around them; eth-tester alone insists on a fee and makes a block
of every transaction. Wall-clock: anvil is another process. It is fetched from npm into a temporary directory (package
@foundry-rs/anvil); where that cannot be, its figures are absent and say why.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from eth_tester import EthereumTester, PyEVMBackend
from eth_utils.address import to_canonical_address

from contracts.hashing import keccak
from contracts.signatures import address_of
from ledger.engines import open_engine
from ledger.engines.base import BlockEnvironment
from ledger.engines.tries import BLANK_ROOT
from tests.bench import records
from tests.bench.records import BATCH, CHAIN_ID, SENDER

ANVIL: Final = "@foundry-rs/anvil@1.7.1"
CARDS: Final = 2_048
SINGLES: Final = 256
GAS: Final = 8_000_000
FEE_WEI: Final = 10**10


class PeerError(RuntimeError):
    """A peer refused what it was given."""


def run(progress: Callable[[str], None]) -> dict[str, Any]:
    """Records per wall-clock second of each, and how many times direct dispatch's figure is theirs."""
    figures: dict[str, Any] = {"cards": CARDS, "records_per_batch": BATCH}
    for name, measure in (("direct", _direct), ("stock", _stock), ("eth_tester", _eth_tester), ("anvil", _anvil)):
        progress(f"{name}: {CARDS:,} cards enrolled and settled, {SINGLES} of them alone")
        try:
            figures[name] = measure(workload(FEE_WEI if name == "eth_tester" else 0))
        except (OSError, subprocess.SubprocessError) as error:
            figures[name] = {"absent": str(error)}
    figures["direct_over"] = {
        name: {
            what: round(figures["direct"][what] / figures[name][what], 2)
            for what in ("settle_records_per_s", "single_calls_per_s")
        }
        for name in ("stock", "eth_tester", "anvil")
        if "absent" not in figures[name]
    }
    return figures


def workload(gas_price_wei: int) -> dict[str, list[bytes]]:
    """Signed transactions by stage, in the order of their nonces: deploy, enrol, settle, single."""
    contract = keccak(bytes.fromhex("d694") + address_of(SENDER) + b"\x80")[12:]
    stages = {
        "deploy": [(b"", records.initcode())],
        "enrol": [(contract, data) for data in records.enrol_data(CARDS, with_lot=False)],
        "settle": [(contract, data) for data in records.batches(contract, CARDS, BATCH)],
        "single": [(contract, data) for data in records.batches(contract, SINGLES, 1, seq=2)],
    }
    nonce = 0
    raws: dict[str, list[bytes]] = {}
    for stage, calls in stages.items():
        gas = GAS if stage != "single" else 200_000
        raws[stage] = [
            records.raw_transaction(nonce + at, to, data, gas, gas_price_wei) for at, (to, data) in enumerate(calls)
        ]
        nonce += len(calls)
    return raws


def _figures(seconds: dict[str, float]) -> dict[str, float]:
    return {
        "settle_records_per_s": round(CARDS / seconds["settle"], 1),
        "single_calls_per_s": round(SINGLES / seconds["single"], 1),
        "enrolled_cards_per_s": round(CARDS / seconds["enrol"], 1),
    }


def _timed(stages: dict[str, list[bytes]], send: Callable[[Sequence[bytes]], None]) -> dict[str, float]:
    """Wall seconds of each stage; batches go one a block, single calls all in one block."""
    seconds: dict[str, float] = {}
    for stage, raws in stages.items():
        start = time.perf_counter()
        for block in [raws] if stage == "single" else [[raw] for raw in raws]:
            send(block)
        seconds[stage] = time.perf_counter() - start
    return seconds


def _engine(name: str, stages: dict[str, list[bytes]]) -> dict[str, float]:
    from ledger.chain import transactions

    engine = open_engine(name)
    nodes: dict[bytes, bytes] = {}
    root, number = BLANK_ROOT, 0

    def send(block: Sequence[bytes]) -> None:
        nonlocal root, number
        number += 1
        execution = engine.begin(nodes, root, BlockEnvironment(CHAIN_ID, number, 1_760_000_000 + number, 120_000_000))
        for raw in block:
            if execution.apply(transactions.decode(raw)).status != 1:
                raise PeerError(f"{name} failed a transaction")
        done = execution.finish()
        nodes.update(done.nodes)
        root = done.state_root

    return _figures(_timed(stages, send))


def _direct(stages: dict[str, list[bytes]]) -> dict[str, float]:
    return _engine("direct", stages)


def _stock(stages: dict[str, list[bytes]]) -> dict[str, float]:
    return _engine("stock", stages)


def _eth_tester(stages: dict[str, list[bytes]]) -> dict[str, float]:
    parameters = PyEVMBackend.generate_genesis_params({"gas_limit": 120_000_000})
    sender = to_canonical_address(address_of(SENDER))
    state = {sender: {"balance": 10**24, "nonce": 0, "code": b"", "storage": {}}}
    tester = EthereumTester(PyEVMBackend(parameters, state))
    tester.backend.chain.chain_id = CHAIN_ID

    def send(block: Sequence[bytes]) -> None:
        hashes = [tester.send_raw_transaction("0x" + raw.hex()) for raw in block]
        if any(tester.get_transaction_receipt(one)["status"] != 1 for one in hashes):
            raise PeerError("eth-tester failed a transaction")

    return _figures(_timed(stages, send))


def _anvil(stages: dict[str, list[bytes]]) -> dict[str, float]:
    with running_anvil() as url:

        def send(block: Sequence[bytes]) -> None:
            hashes = rpc(url, [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in block])
            rpc(url, [("evm_mine", [])])
            receipts = rpc(url, [("eth_getTransactionReceipt", [one]) for one in hashes])
            if any(receipt["status"] != "0x1" for receipt in receipts):
                raise PeerError("anvil failed a transaction")

        return _figures(_timed(stages, send))


def rpc(url: str, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
    """One JSON-RPC batch; the results in order."""
    body = [{"jsonrpc": "2.0", "id": at, "method": name, "params": args} for at, (name, args) in enumerate(calls)]
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310  # the URL is our own child's
        found = sorted(json.load(answer), key=lambda one: one["id"])
    for one in found:
        if "error" in one:
            raise PeerError(f"anvil: {one['error']}")
    return [one["result"] for one in found]


@contextmanager
def running_anvil() -> Iterator[str]:
    """A fresh anvil with Cancun rules and no fees; raises FileNotFoundError where there is none and no npm."""
    with tempfile.TemporaryDirectory() as scratch:
        program = shutil.which("anvil") or _install(Path(scratch))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["--hardfork", "cancun", "--chain-id", str(CHAIN_ID), "--gas-limit", "120000000", "--base-fee", "0"]
        options += ["--gas-price", "0", "--no-mining", "--order", "fifo", "--silent", "--port", str(port)]
        child = subprocess.Popen([program, *options])
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, child)
            yield url
        finally:
            child.terminate()
            child.wait(timeout=10)


def _install(directory: Path) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("neither anvil nor npm is on the PATH")
    command = [npm, "install", "--silent", "--prefix", str(directory), ANVIL]
    subprocess.run(command, check=True, capture_output=True, timeout=180)
    return str(next(directory.glob("node_modules/@foundry-rs/anvil-*/bin/anvil")))


def _await(url: str, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and child.poll() is None:
        try:
            rpc(url, [("eth_chainId", [])])
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise FileNotFoundError("anvil did not answer")
