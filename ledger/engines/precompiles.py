"""Precompiled contracts 1, 2 and 4, straight from the libraries (Yellow Paper, appendix E).

py-evm reaches libsecp256k1 through four layers of objects; from here it is one call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from coincurve import PublicKey
from eth.vm.forks.cancun.computation import CANCUN_PRECOMPILES

from contracts.hashing import keccak

_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_ECRECOVER_ADDRESS: Final = bytes(19) + b"\x01"


def ecrecover(data: bytes) -> bytes:
    """The signer of digest ‖ v ‖ r ‖ s as a 32-byte word, or no bytes if there is none.

    Unlike a transaction's signature, s may lie in the upper half here.
    """
    data = data[:128].ljust(128, b"\x00")
    v = int.from_bytes(data[32:64], "big")
    r, s = int.from_bytes(data[64:96], "big"), int.from_bytes(data[96:128], "big")
    if v not in (27, 28) or not 0 < r < _ORDER or not 0 < s < _ORDER:
        return b""
    try:
        public = PublicKey.from_signature_and_message(data[64:128] + bytes((v - 27,)), data[:32], hasher=None)
    except Exception:  # noqa: BLE001  # coincurve raises plain Exception for numbers that are no point
        return b""
    return bytes(12) + keccak(public.format(compressed=False)[1:])[12:]


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _identity(data: bytes) -> bytes:
    return data


# address → (gas by length of the input in bytes, function)
CHEAP_PRECOMPILES: Final[dict[int, tuple[Callable[[int], int], Callable[[bytes], bytes]]]] = {
    1: (lambda _: 3000, ecrecover),
    2: (lambda length: 60 + 12 * ((length + 31) // 32), _sha256),
    4: (lambda length: 15 + 3 * ((length + 31) // 32), _identity),
}


def _ecrecover_frame(computation: Any) -> Any:
    computation.consume_gas(CHEAP_PRECOMPILES[1][0](0), reason="ecrecover")
    computation.output = ecrecover(computation.msg.data_as_bytes)
    return computation


PRECOMPILES: Final[dict[bytes, Any]] = {**CANCUN_PRECOMPILES, _ECRECOVER_ADDRESS: _ecrecover_frame}
