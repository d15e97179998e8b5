"""Random programs end on revm (anvil, package @foundry-rs/anvil of npm) as on both engines: status, gas, output.

py-evm could be wrong in the same way as its subclass; revm shares no code with either.
"""

from __future__ import annotations

from typing import Any

import pytest

from ledger.engines import open_engine
from ledger.engines.accounts import Caches, DirectAccountDB
from ledger.engines.base import BlockEnvironment, Call
from ledger.engines.tries import BLANK_ROOT
from tests.bench.bench_peers import rpc, running_anvil
from tests.bench.records import CHAIN_ID
from tests.ledger.engines.programs import HELPERS, MAIN, ORIGIN, RICH, Case, case

BALANCE_WEI = 10**18
SLOTS = range(6)
INTRINSIC_GAS = 21_000
# anvil traces a call at this timestamp, whatever the block says.
ANVIL_TIMESTAMP = 1
PROGRAMS = range(500_000, 510_000)


def _place(case: Case) -> tuple[dict[bytes, bytes], bytes, list[tuple[str, list[Any]]]]:
    """The case's state as nodes and root, and the calls that bring anvil into the same state."""
    accounts = DirectAccountDB({}, BLANK_ROOT, Caches())
    calls: list[tuple[str, list[Any]]] = []
    for address, code in ((MAIN, case.code), *zip(HELPERS, case.helpers, strict=True)):
        name = f"0x{address.hex()}"
        accounts.set_code(address, code)
        accounts.set_nonce(address, 1)
        calls += [("anvil_setCode", [name, f"0x{code.hex()}"]), ("anvil_setNonce", [name, "0x1"])]
        for slot in SLOTS:
            value = 0 if slot % 2 else slot + 1
            if value:
                accounts.set_storage(address, slot, value)
            calls.append(("anvil_setStorageAt", [name, f"0x{slot:064x}", f"0x{value:064x}"]))
    for address, balance in ((MAIN, BALANCE_WEI), (ORIGIN, BALANCE_WEI), (RICH, BALANCE_WEI)):
        accounts.set_balance(address, balance)
        calls.append(("anvil_setBalance", [f"0x{address.hex()}", hex(balance)]))
    nodes: dict[bytes, bytes] = {}
    return nodes, accounts.persist_into(nodes), calls


def _on_revm(url: str, case: Case, gas: int) -> tuple[bool, int, bytes]:
    request = {
        "from": f"0x{ORIGIN.hex()}", "to": f"0x{MAIN.hex()}", "data": f"0x{case.data.hex()}",
        "value": hex(case.value), "gas": hex(gas), "gasPrice": "0x0",
    }  # fmt: skip
    options = {"disableStorage": True, "disableStack": True}
    (trace,) = rpc(url, [("debug_traceCall", [request, "latest", options])])
    return bool(trace["failed"]), int(trace["gas"]), bytes.fromhex(trace["returnValue"].removeprefix("0x"))


@pytest.mark.long
def test_random_programs_end_on_revm_as_on_both_engines() -> None:
    engines = [open_engine("direct"), open_engine("stock")]
    with running_anvil() as url:
        (block,) = rpc(url, [("eth_getBlockByNumber", ["latest", False])])
        environment = BlockEnvironment(
            CHAIN_ID,
            int(block["number"], 16),
            ANVIL_TIMESTAMP,
            int(block["gasLimit"], 16),
            bytes.fromhex(block["miner"][2:]),
            bytes.fromhex(block["mixHash"][2:]),
        )
        for seed in PROGRAMS:
            program = case(seed)
            if program.create or not program.code:
                continue
            nodes, root, calls = _place(program)
            rpc(url, calls)
            gas = program.gas + INTRINSIC_GAS + sum(16 if byte else 4 for byte in program.data)
            expected = _on_revm(url, program, gas)
            for engine in engines:
                call = Call(MAIN, program.data, ORIGIN, gas, program.value)
                result = engine.view(nodes, root, environment).call(call)
                found = (result.error is not None, result.gas_used, result.output)
                assert found == expected, f"seed {seed} on {engine.name}: {found}, revm {expected}"
