"""JSON-RPC 2.0 apart from any transport: one request in, one answer out, never an exception.

Error codes are those of the public execution-apis specification and EIP-1474.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from contracts.errors import DureError
from ledger.errors import (
    CallReverted,
    LimitExceeded,
    StoreCorruption,
    TransactionError,
    UnknownBlock,
    UnknownTransaction,
)

Method: TypeAlias = Callable[..., Any]
logger = logging.getLogger(__name__)

INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL: Final = -32603
SERVER: Final = -32000
NOT_FOUND: Final = -32001
REJECTED: Final = -32003
LIMIT: Final = -32005
REVERTED: Final = 3


class RpcError(Exception):
    """An error answer: its code, message, and optional data."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def invalid(message: str) -> RpcError:
    """An error about a parameter."""
    return RpcError(INVALID_PARAMS, message)


def answer(methods: Mapping[str, Method], request: Any) -> dict[str, Any]:
    """The answer to one request (a decoded JSON value)."""
    identifier = request.get("id") if isinstance(request, dict) else None
    if isinstance(identifier, bool) or not isinstance(identifier, int | float | str | None):
        identifier = None
    try:
        return {"jsonrpc": "2.0", "id": identifier, "result": _result(methods, request)}
    except RpcError as error:
        body: dict[str, Any] = {"code": error.code, "message": error.message}
        if error.data is not None:
            body["data"] = error.data
        return {"jsonrpc": "2.0", "id": identifier, "error": body}


def _result(methods: Mapping[str, Method], request: Any) -> Any:
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        raise RpcError(INVALID_REQUEST, "a request is an object with a method")
    if request.get("jsonrpc", "2.0") != "2.0":
        raise RpcError(INVALID_REQUEST, "jsonrpc is 2.0")
    params = request.get("params", [])
    if not isinstance(params, list):
        raise invalid("params is a list")
    method = methods.get(request["method"])
    if method is None:
        raise RpcError(METHOD_NOT_FOUND, f"the method {request['method']!r} does not exist")
    try:
        return method(*params)
    except RpcError:
        raise
    except DureError as error:
        raise _of(error) from error
    except TypeError as error:
        if _raised_by_the_call(error):
            raise invalid(f"{request['method']} does not take {len(params)} parameters") from error
        logger.exception("%s failed", request["method"])
        raise RpcError(INTERNAL, "internal error") from error
    except Exception as error:
        logger.exception("%s failed", request["method"])
        raise RpcError(INTERNAL, "internal error") from error


def _raised_by_the_call(error: TypeError) -> bool:
    """Whether the parameters did not fit the method, rather than something inside it."""
    trace = error.__traceback__
    return trace is not None and trace.tb_next is None


def _of(error: DureError) -> RpcError:
    if isinstance(error, CallReverted):
        reason = f"execution reverted: {error.reason}" if error.reason else "execution reverted"
        return RpcError(REVERTED, reason, "0x" + error.data.hex())
    code = SERVER
    if isinstance(error, TransactionError):
        code = REJECTED
    elif isinstance(error, LimitExceeded):
        code = LIMIT
    elif isinstance(error, UnknownBlock | UnknownTransaction):
        code = NOT_FOUND
    elif isinstance(error, StoreCorruption):
        code = INTERNAL
    return RpcError(code, error.what, {"code": error.code, "why": error.why, "do": error.do})
