"""Counts the instructions and the gas of a call: exact figures, the same on every machine."""

from __future__ import annotations

from collections import Counter
from typing import Any

from eth.vm.mnemonics import __dict__ as _mnemonics
from eth.vm.opcode_values import __dict__ as _values

from ledger.engines.base import BlockEnvironment, Call, CallResult, Nodes
from ledger.engines.decode import OPCODES
from ledger.engines.pyevm import execution_context, run_call
from ledger.engines.stock import Overlay, StockState

NAMES = {value: name for name, value in _values.items() if isinstance(value, int) and name in _mnemonics}


class _Counting(dict[int, Any]):
    """py-evm looks every instruction up once; this counts the look-ups."""

    def __init__(self) -> None:
        super().__init__(OPCODES)
        self.seen: Counter[int] = Counter()

    def __getitem__(self, opcode: int) -> Any:
        self.seen[opcode] += 1
        return super().__getitem__(opcode)


def count(nodes: Nodes, root: bytes, environment: BlockEnvironment, call: Call) -> tuple[CallResult, Counter[str]]:
    """The result of a call and how often each opcode ran in it, calls within it included."""
    counting = _Counting()

    class Computation(StockState.computation_class):  # type: ignore[misc]  # py-evm declares it as a variable
        opcodes = counting

    class State(StockState):
        computation_class = Computation

    state: Any = State(Overlay(nodes), execution_context(environment), root)
    result = run_call(state, call)
    return result, Counter({NAMES.get(opcode, hex(opcode)): times for opcode, times in counting.seen.items()})
