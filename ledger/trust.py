"""The trust file: what its owner believes of a chain before seeing it (receipts.md §5).

A file with `updates` is refused: what extends trust is a receipt, and its verifier stands elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from contracts.errors import EncodingError
from contracts.hashing import sha256
from contracts.strict_json import loads
from ledger.portable.errors import TrustFileError, TrustMismatchError
from ledger.portable.limits import MAX_DEPTH, MAX_TRUST_BYTES

FORMAT: Final = "dure-trust/1"
_ADDRESS: Final = re.compile(r"0x[0-9a-f]{40}")
_HASH: Final = re.compile(r"0x[0-9a-f]{64}")
_NAME: Final = re.compile(r"[\x20-\x7e\uac00-\ud7a3]{1,80}")
_KEYS: Final = {
    "format", "name", "chain_id", "genesis_hash", "witness_threshold", "updates", "contracts", "witnesses", "finality",
}  # fmt: skip
_SPAN: Final = {"name", "address", "from_block", "to_block"}


@dataclass(frozen=True, slots=True)
class Trust:
    """A trust file that was read: its bytes and what they say. `authorities` are (from_block, name, address)."""

    raw: bytes
    document: Mapping[str, Any]
    chain_id: int
    genesis_hash: bytes
    authorities: tuple[tuple[int, str, bytes], ...]

    def authority(self, number: int) -> tuple[str, bytes]:
        """(name, address) of the authority whose word counts at a height."""
        return next((name, address) for first, name, address in reversed(self.authorities) if first <= number)

    def check_chain(self, chain_id: int, genesis_hash: bytes) -> None:
        """Raises TrustMismatchError unless this is the chain that the file names."""
        if (self.chain_id, self.genesis_hash) != (chain_id, genesis_hash):
            raise TrustMismatchError(
                f"the ledger is chain {chain_id} with genesis 0x{genesis_hash.hex()}; the trust file names chain "
                f"{self.chain_id} with genesis 0x{self.genesis_hash.hex()}"
            )

    def configuration(self, gas_limit: int) -> bytes:
        """The canonical chain configuration whose hash genesis carries: the lists as at block 0."""
        first = {
            name: [entry | {"to_block": None} for entry in self.document[name] if entry["from_block"] == 0]
            for name in ("contracts", "witnesses")
        }
        return rfc8785.dumps(
            {
                "format": "dure-chain/1",
                "name": self.document["name"],
                "chain_id": self.chain_id,
                "fork": "cancun",
                "gas_limit": gas_limit,
                "finality": [self.document["finality"][0]],
                **first,
            }
        )


def from_chain(chain: bytes, genesis_hash: bytes) -> bytes:
    """The trust file of a chain as it began, from its canonical configuration: whoever starts it hands it out."""
    document = json.loads(chain)
    kept = {name: document[name] for name in ("name", "chain_id", "contracts", "witnesses", "finality")}
    more = {"format": FORMAT, "genesis_hash": "0x" + genesis_hash.hex(), "witness_threshold": 0, "updates": []}
    return rfc8785.dumps(kept | more)


def read(raw: bytes) -> Trust:
    """A trust file from its bytes. Raises TrustFileError."""
    if len(raw) > MAX_TRUST_BYTES:
        raise TrustFileError(f"a trust file has at most {MAX_TRUST_BYTES} bytes, this one {len(raw)}")
    try:
        document = loads(raw, max_depth=MAX_DEPTH)
        if not isinstance(document, dict) or rfc8785.dumps(document) != raw:
            raise TrustFileError("the trust file differs from its canonical form")
    except (EncodingError, rfc8785.CanonicalizationError, RecursionError) as error:
        raise TrustFileError(f"the trust file cannot be read: {error}") from error
    _check(document)
    authorities = tuple(
        (entry["from_block"], entry["name"], bytes.fromhex(entry["authority"][2:])) for entry in document["finality"]
    )
    return Trust(raw, document, document["chain_id"], bytes.fromhex(document["genesis_hash"][2:]), authorities)


def sha256_of(trust: Trust) -> str:
    """What the owner pins: SHA-256 of the file, in hex."""
    return sha256(trust.raw).hex()


def _check(document: dict[str, Any]) -> None:
    _need(set(document) == _KEYS and document["format"] == FORMAT, f"it is no {FORMAT}")
    _need(_whole(document["chain_id"]) and 1 <= document["chain_id"] < 10**12, "chain_id is out of range")
    _need(_matches(_NAME, document["name"]) and _matches(_HASH, document["genesis_hash"]), "name or genesis_hash")
    _need(document["updates"] == [], "this version reads no updates of trust files")
    for name, more in (("contracts", {"code_hash"}), ("witnesses", set())):
        _need(isinstance(document[name], list), f"{name} is no list")
        for entry in document[name]:
            _need(isinstance(entry, dict) and set(entry) == _SPAN | more, f"an entry of {name} has other keys")
            _need(_matches(_NAME, entry["name"]) and _matches(_ADDRESS, entry["address"]), f"an entry of {name}")
            _need("code_hash" not in more or _matches(_HASH, entry["code_hash"]), "a code_hash")
            last = entry["to_block"]
            _need(_whole(entry["from_block"]) and (last is None or _whole(last)), f"a span of {name}")
    threshold = document["witness_threshold"]
    _need(_whole(threshold) and threshold <= len(document["witnesses"]), "witness_threshold")
    _check_finality(document["finality"])


def _check_finality(entries: Any) -> None:
    _need(isinstance(entries, list) and entries != [], "finality is empty")
    before = -1
    for entry in entries:
        keys = {"kind", "from_block", "name", "authority"}
        _need(isinstance(entry, dict) and set(entry) == keys and entry["kind"] == "solo", "a finality that is not solo")
        _need(_matches(_NAME, entry["name"]) and _matches(_ADDRESS, entry["authority"]), "an authority")
        _need(_whole(entry["from_block"]) and entry["from_block"] > before, "from_block does not rise")
        before = entry["from_block"]
    _need(entries[0]["from_block"] == 0, "no authority is in force at block 0")


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise TrustFileError(f"the trust file does not hold: {what}")


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
