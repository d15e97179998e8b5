"""web3.py on a node in this process: the same answers as over HTTP, without a socket."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, cast

from web3.providers.base import BaseProvider
from web3.types import RPCEndpoint, RPCResponse

from ledger.reader import Reader
from ledger.rpc.dispatch import answer
from ledger.rpc.eth import EthApi


class EmbeddedProvider(BaseProvider):
    """`Web3(EmbeddedProvider(node))`: calls go straight to the node's methods."""

    def __init__(self, reader: Reader) -> None:
        super().__init__()
        self._methods = EthApi(reader).methods
        self._identifiers = itertools.count(1)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The answer to one request, as a JSON-RPC server would give it."""
        request = {"jsonrpc": "2.0", "id": next(self._identifiers), "method": method, "params": _plain(params)}
        return cast(RPCResponse, answer(self._methods, request))

    def is_connected(self, show_traceback: bool = False) -> bool:  # noqa: ARG002
        """Always: the node lives as long as this process."""
        return True


def _plain(value: Any) -> Any:
    """A parameter as JSON would carry it: web3 hands some values over as bytes and attribute dictionaries."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
