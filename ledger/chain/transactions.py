"""Signed transactions as the chain takes them: decoded strictly, with the sender recovered once.

Decoding is py-evm's; the sender comes straight from libsecp256k1 (a tenth of the time).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import rlp
from coincurve import PrivateKey
from eth.abc import SignedTransactionAPI
from eth.vm.forks.berlin.transactions import AccessListTransaction
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder, CancunTypedTransaction
from eth.vm.forks.london.transactions import DynamicFeeTransaction
from eth_typing import Address
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException

from contracts.errors import SignatureError
from contracts.hashing import keccak
from contracts.signatures import recover
from contracts.signatures import sign as sign_digest
from ledger.chain.items import decode_items
from ledger.errors import (
    TransactionChainError,
    TransactionFeeError,
    TransactionFormatError,
    TransactionGasError,
    TransactionTypeError,
    TransactionValueError,
)
from ledger.limits import MAX_INITCODE_BYTES, MAX_TRANSACTION_BYTES

ADMITTED_TYPES: Final = (0, 1, 2)
_FIRST_LEGACY_BYTE: Final = 0xC0
_DYNAMIC_FEE: Final = 2
_V_OFFSET: Final = 27
_INITCODE_WORD_GAS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Transaction:
    """A signed transaction: its bytes (EIP-2718), hash, sender, and py-evm's object of it."""

    raw: bytes
    hash: bytes
    sender: bytes
    inner: SignedTransactionAPI

    @property
    def type(self) -> int:
        """EIP-2718 type; 0 for a legacy transaction."""
        return 0 if self.raw[0] >= _FIRST_LEGACY_BYTE else self.raw[0]

    @property
    def chain_id(self) -> int | None:
        """The chain it is signed for; None for a legacy transaction without one (before EIP-155)."""
        return self.inner.chain_id

    @property
    def nonce(self) -> int:
        """Its place among the sender's transactions, from 0."""
        return self.inner.nonce

    @property
    def gas(self) -> int:
        """The gas it may use at most."""
        return self.inner.gas

    @property
    def to(self) -> bytes:
        """The called account (20 bytes), or no bytes for a creation."""
        return bytes(self.inner.to)

    @property
    def data(self) -> bytes:
        """Call data, or the initcode of a creation."""
        return self.inner.data

    @property
    def value(self) -> int:
        """Native value in wei."""
        return self.inner.value

    @property
    def access_list(self) -> Sequence[tuple[Address, Sequence[int]]]:
        """EIP-2930's list of (account, slots); empty for a legacy transaction."""
        return () if self.type == 0 else self.inner.access_list

    @property
    def initcode_hash(self) -> bytes:
        """keccak-256 of a creation's initcode, 32 zero bytes for a call (money.md §6)."""
        return bytes(32) if self.to else keccak(self.data)


def decode(raw: bytes) -> Transaction:
    """A transaction from its EIP-2718 bytes.

    Raises TransactionTypeError for a type other than 0 to 2, TransactionFormatError for bytes that are too long, no
    canonical RLP, or whose signature does not hold.
    """
    if not raw or len(raw) > MAX_TRANSACTION_BYTES:
        raise TransactionFormatError(f"a transaction has 1 to {MAX_TRANSACTION_BYTES} bytes, this one {len(raw)}")
    if raw[0] < _FIRST_LEGACY_BYTE and raw[0] not in ADMITTED_TYPES[1:]:
        raise TransactionTypeError(f"type {raw[0]} is not among {ADMITTED_TYPES}")
    try:
        inner, canonical = _decode(raw)
        message = inner.get_message_for_signing()
    except (RLPException, ValidationError, ValueError, TypeError, OverflowError, IndexError) as error:
        raise TransactionFormatError(f"no canonical transaction: {error}") from error
    if canonical != raw:
        raise TransactionFormatError("the bytes differ from the transaction's canonical form")
    return Transaction(raw, keccak(raw), _sender(inner, message), inner)


_KINDS: Final[dict[int, Any]] = {1: AccessListTransaction, 2: DynamicFeeTransaction}


def _decode(raw: bytes) -> tuple[SignedTransactionAPI, bytes]:
    """py-evm's object, and its canonical bytes, made anew from the values: py-evm takes an empty list for a 0."""
    if raw[0] >= _FIRST_LEGACY_BYTE:
        legacy: Any = CancunTransactionBuilder.legacy_signed.deserialize(decode_items(raw))
        return legacy, rlp.codec.encode_raw(type(legacy).serialize(legacy))
    kind = _KINDS[raw[0]]
    payload = kind.deserialize(decode_items(raw[1:]))
    return CancunTypedTransaction(raw[0], payload), raw[:1] + rlp.codec.encode_raw(kind.serialize(payload))


def _sender(inner: SignedTransactionAPI, message: bytes) -> bytes:
    v = inner.y_parity if inner.y_parity in (0, 1) else -1
    try:
        signature = inner.r.to_bytes(32, "big") + inner.s.to_bytes(32, "big") + bytes((v + _V_OFFSET,))
        return recover(keccak(message), signature)
    except (SignatureError, OverflowError) as error:
        raise TransactionFormatError(f"the signature does not hold: {error}") from error


def from_body(item: Any) -> Transaction:
    """A transaction from its item of a block's body: a list if legacy, bytes otherwise. Raises as `decode`."""
    return decode(bytes(item) if isinstance(item, bytes) else rlp.codec.encode_raw(item))


def body_item(transaction: Transaction) -> Any:
    """The item of a block's body for a transaction."""
    return decode_items(transaction.raw) if transaction.type == 0 else transaction.raw


def check(transaction: Transaction, chain_id: int, gas_limit: int) -> None:
    """The rules that need no state (money.md §6): chain id present, no fees, no native value, gas ≤ half a block.

    Raises TransactionChainError, TransactionFeeError, TransactionValueError, TransactionGasError.
    """
    if transaction.chain_id != chain_id:
        named = "no chain" if transaction.chain_id is None else f"chain {transaction.chain_id}"
        raise TransactionChainError(f"signed for {named}, this is chain {chain_id}")
    if transaction.inner.max_fee_per_gas or transaction.inner.max_priority_fee_per_gas:
        raise TransactionFeeError("gas price and fees are 0 on this chain")
    if transaction.value:
        raise TransactionValueError("native value is 0 on this chain; money moves in the Won agreement")
    if transaction.gas > gas_limit // 2:
        raise TransactionGasError(f"gas {transaction.gas} is over half of the block's {gas_limit}")
    if not transaction.to and len(transaction.data) > MAX_INITCODE_BYTES:
        raise TransactionGasError(f"initcode has at most {MAX_INITCODE_BYTES} bytes, this {len(transaction.data)}")
    if transaction.gas < (least := intrinsic_gas(transaction)):
        raise TransactionGasError(f"gas {transaction.gas} is under the least, {least}")


def intrinsic_gas(transaction: Transaction) -> int:
    """What a transaction costs before it runs, EIP-3860's two gas a word of initcode included.

    py-evm charges those words later than other clients do; asking for them beforehand leaves no difference.
    """
    words = 0 if transaction.to else (len(transaction.data) + 31) // 32
    return transaction.inner.intrinsic_gas + _INITCODE_WORD_GAS * words


def sign(key: PrivateKey, chain_id: int, nonce: int, gas: int, to: bytes, data: bytes) -> bytes:
    """A signed EIP-1559 transaction without fees or native value, as EIP-2718 bytes; `to` without bytes creates."""
    fields: list[Any] = [chain_id, nonce, 0, 0, gas, to, 0, data, []]
    prefix = bytes((_DYNAMIC_FEE,))
    signature = sign_digest(keccak(prefix + rlp.encode(fields)), key)
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    signed: bytes = prefix + rlp.encode([*fields, signature[64] - _V_OFFSET, r, s])
    return signed
