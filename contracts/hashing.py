"""The two hash functions of the ledger: keccak-256 where the EVM demands it, SHA-256 everywhere else."""

from __future__ import annotations

import hashlib

from eth_hash.main import Keccak256
from eth_hash.utils import load_backend

# The backend is named, not discovered: the one that `auto` would pick is ten times slower on short inputs.
_KECCAK = Keccak256(load_backend("pysha3"))


def keccak(data: bytes) -> bytes:
    """Keccak-256 of `data` as Ethereum uses it (Yellow Paper, appendix B): 32 bytes."""
    return _KECCAK(data)


def sha256(data: bytes) -> bytes:
    """SHA-256 of `data` (FIPS 180-4): 32 bytes."""
    return hashlib.sha256(data).digest()
