"""What both engines share: a block executed at the state level through py-evm, and reading a state.

An engine differs in the py-evm state it brings and in how the tries come to their roots. Nothing of py-evm leaves
this folder but its transaction and header objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Final

from eth.constants import EMPTY_SHA3
from eth.exceptions import VMError
from eth.vm.chain_context import ChainContext
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE
from eth.vm.forks.cancun.transactions import CancunTransactionBuilder
from eth.vm.forks.shanghai.constants import INITCODE_WORD_COST, MAX_INITCODE_SIZE
from eth.vm.interrupt import EVMMissingData
from eth.vm.spoof import SpoofTransaction
from eth_keys.exceptions import BadSignature
from eth_typing import Address, BlockNumber, Hash32
from eth_utils.exceptions import ValidationError

from ledger.engines.base import BlockEnvironment, Call, CallResult, Log, Receipt, SignedTransaction
from ledger.engines.errors import StateMissing, TransactionRejected

_REVERT: Final = "revert"


def _ancestors(environment: BlockEnvironment) -> Iterator[Hash32]:
    """The ancestors' hashes, looked up only once BLOCKHASH asks: every call would read up to 256 headers otherwise."""
    for ancestor in environment.ancestors():
        yield Hash32(ancestor)


def execution_context(environment: BlockEnvironment) -> ExecutionContext:
    """py-evm's form of a block environment; after the merge difficulty is 0."""
    return ExecutionContext(
        coinbase=Address(environment.coinbase),
        timestamp=environment.timestamp,
        block_number=BlockNumber(environment.number),
        difficulty=0,
        mix_hash=Hash32(environment.prev_randao),
        gas_limit=environment.gas_limit,
        prev_hashes=_ancestors(environment),
        chain_id=environment.chain_id,
        base_fee_per_gas=environment.base_fee,
        excess_blob_gas=environment.excess_blob_gas,
    )


def intrinsic_gas(inner: Any) -> int:
    """What a transaction costs before it runs; for a creation with EIP-3860's words, which py-evm charges later."""
    words = 0 if inner.to else (len(inner.data) + 31) // 32
    gas: int = inner.intrinsic_gas
    return gas + INITCODE_WORD_COST * words


class PyEvmExecution:
    """A block on top of a py-evm state: preprocessing, transactions one by one, receipts."""

    def __init__(self, state: Any, environment: BlockEnvironment) -> None:
        self.state = state
        self.environment = environment
        self.receipts: list[Receipt] = []
        self.raws: list[bytes] = []
        self.bloom = 0
        # py-evm asks a header for these fields only; copying a whole one per transaction costs more than a transfer.
        self._running: Any = SimpleNamespace(gas_used=0, gas_limit=environment.gas_limit)
        header: Any = SimpleNamespace(
            timestamp=environment.timestamp, parent_beacon_block_root=environment.parent_beacon_root
        )
        nothing: Any = None
        self._vm = CancunVM(header, nothing, ChainContext(environment.chain_id), nothing)
        self._vm._state = state
        # EIP-4788: writes the beacon root if the public contract for it stands in the state.
        block: Any = SimpleNamespace(header=header)
        self._vm.block_preprocessing(block)

    @property
    def gas_used(self) -> int:
        """Gas of the transactions applied so far."""
        gas: int = self._running.gas_used
        return gas

    def apply(self, transaction: SignedTransaction) -> Receipt:
        """See base.Execution.apply."""
        inner = transaction.inner
        self.check(inner, transaction.sender)
        try:
            receipt, computation = self._apply(inner)
        except (ValidationError, BadSignature) as error:
            raise TransactionRejected(str(error)) from error
        except EVMMissingData as error:
            raise StateMissing(str(error)) from error
        gas_used = receipt.gas_used - self._running.gas_used
        self._running.gas_used = receipt.gas_used
        self.bloom |= receipt.bloom
        done = Receipt(
            status=0 if computation.is_error else 1,
            gas_used=gas_used,
            cumulative_gas=receipt.gas_used,
            bloom=receipt.bloom,
            logs=tuple(_log(entry) for entry in receipt.logs),
            raw=receipt.encode(),
            contract=None if inner.to else bytes(computation.msg.storage_address),
            output=bytes(computation.output),
        )
        self.receipts.append(done)
        self.raws.append(transaction.raw)
        return done

    def check(self, inner: Any, sender: bytes) -> None:
        """The rules of a valid block that py-evm leaves out or notices too late. Raises TransactionRejected."""
        if inner.type_id == BLOB_TX_TYPE:
            raise TransactionRejected("blob transactions need a beacon chain; this chain has none")
        if not inner.to and len(inner.data) > MAX_INITCODE_SIZE:
            raise TransactionRejected(f"initcode of {len(inner.data)} bytes; EIP-3860 allows {MAX_INITCODE_SIZE}")
        if inner.gas < (least := intrinsic_gas(inner)):
            raise TransactionRejected(f"gas {inner.gas} is under the intrinsic gas, {least}")
        if inner.nonce + 1 >= 1 << 64:
            raise TransactionRejected("EIP-2681: the nonce is too large")
        if self.state.get_code_hash(sender) != EMPTY_SHA3:
            raise TransactionRejected("EIP-3607: the sender is a contract")
        if self._running.gas_used + inner.gas > self.environment.gas_limit:
            left = self.environment.gas_limit - self._running.gas_used
            raise TransactionRejected(f"gas {inner.gas} is over what the block has left, {left}")

    def _apply(self, inner: Any) -> tuple[Any, Any]:
        """py-evm's receipt and computation of a transaction."""
        receipt, computation = self._vm.apply_transaction(self._running, inner)
        return receipt, computation


def _log(entry: Any) -> Log:
    return Log(bytes(entry.address), tuple(topic.to_bytes(32, "big") for topic in entry.topics), entry.data)


def run_call(state: Any, call: Call) -> CallResult:
    """Executes a call on a state that is thrown away afterwards. Raises TransactionRejected, StateMissing."""
    try:
        return _run_call(state, call)
    except EVMMissingData as error:
        raise StateMissing(str(error)) from error


def _run_call(state: Any, call: Call) -> CallResult:
    unsigned = CancunTransactionBuilder.create_unsigned_transaction(
        nonce=state.get_nonce(call.sender),
        gas_price=0,
        gas=call.gas,
        to=Address(call.to),
        value=call.value,
        data=call.data,
    )
    transaction = SpoofTransaction(
        unsigned,
        from_=call.sender,
        access_list=call.access_list,
        type_id=None,
        max_fee_per_gas=0,
        max_priority_fee_per_gas=0,
        intrinsic_gas=_call_gas(call, unsigned),
    )
    if call.gas < intrinsic_gas(transaction):
        raise TransactionRejected(f"gas {call.gas} is under the intrinsic gas, {intrinsic_gas(transaction)}")
    if not call.to and len(call.data) > MAX_INITCODE_SIZE:
        raise TransactionRejected(f"initcode of {len(call.data)} bytes; EIP-3860 allows {MAX_INITCODE_SIZE}")
    if state.get_balance(call.sender) < call.value:
        raise TransactionRejected(f"the sender does not hold {call.value} wei")
    executor = state.get_transaction_executor()
    state.lock_changes()
    message = executor.build_evm_message(transaction)
    computation = executor.build_computation(message, transaction)
    remaining = computation.get_gas_remaining()
    refund = executor.calculate_gas_refund(computation, call.gas - remaining)
    error: VMError | None = computation.error if computation.is_error else None
    reverted = error is not None and not error.burns_gas
    name = None if error is None else _REVERT if reverted else type(error).__name__
    return CallResult(bytes(computation.output), call.gas - remaining - refund, name, reverted)


def _call_gas(call: Call, unsigned: Any) -> int:
    """Intrinsic gas with the access list's 2,400 an address and 1,900 a slot (EIP-2930)."""
    listed: int = sum(2400 + 1900 * len(slots) for _, slots in call.access_list)
    return int(unsigned.intrinsic_gas) + listed
