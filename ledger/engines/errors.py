"""What can go wrong inside an engine.

LedgerError
└── EngineError               LEDGER-500  the engine cannot answer
    ├── TransactionRejected   LEDGER-501  not executable at this place of this block; the block is unharmed
    ├── StateMissing          LEDGER-502  the state lacks a node or a code (exit 4)
    ├── UnknownEngine         LEDGER-503  no engine of that name (exit 2)
    ├── EngineMissing         LEDGER-504  an engine that is not ours is not installed (exit 3)
    └── EngineFailed          LEDGER-505  such an engine ended without an answer (exit 3)
"""

from __future__ import annotations

from ledger.errors import LedgerError


class EngineError(LedgerError):
    """The execution engine cannot answer."""

    code = "LEDGER-500"
    ko = "실행 엔진이 처리하지 못했습니다."


class TransactionRejected(EngineError):
    """The transaction cannot be executed here: nonce, balance, intrinsic gas or the gas left in the block."""

    code = "LEDGER-501"
    do = "Leave it out of this block; a nonce that lies ahead may fit a later one."
    ko = "이 블록에서 실행할 수 없는 거래입니다."


class StateMissing(EngineError):
    """The state lacks a node or a code that its root promises."""

    code = "LEDGER-502"
    do = "Stop the node and restore its store; a part of the state is gone."
    ko = "상태 데이터가 손상되었거나 없습니다."
    exit_code = 4


class UnknownEngine(EngineError):
    """There is no engine of that name."""

    code = "LEDGER-503"
    do = "Choose one that the message names."
    ko = "그런 실행 엔진이 없습니다."
    exit_code = 2


class EngineMissing(EngineError):
    """The engine is not installed."""

    code = "LEDGER-504"
    do = "Run `make servers`, which builds geth and installs EELS into .engines/."
    ko = "실행 엔진이 설치되어 있지 않습니다."
    exit_code = 3


class EngineFailed(EngineError):
    """The engine ended without an answer."""

    code = "LEDGER-505"
    do = "Run the command that the message names by hand; it is no verdict on the chain."
    ko = "실행 엔진이 답하지 않았습니다."
    exit_code = 3
