"""When a block is valid, as numbered steps; each raises its own error (ledger/errors.py, LEDGER-201 to -213).

 1  canonical RLP of a Cancun block                              blocks.decode
 2  follows the head                                             check_parent
 3  timestamp rises by a second at least, ≤ 30 s ahead           check_time
 4  the fixed fields have their values                           check_fields
 5  gas limit is the chain's                                     check_gas
 6  base fee is 0                                                check_gas
 7  gas used is at most half of the gas limit                    check_gas
 8  each transaction keeps the rules that need no state          check_transactions
 9  each transaction is admissible at the parent state           check_admission
10  each transaction can be executed in its place                the engine
11  transactions are those the header commits to                 check_body
12  execution gives the header's roots, bloom and gas            check_result
13  the authority in force signed exactly this block             consensus/solo.py

Steps 1 to 12 only narrow what stock Ethereum rules allow (engines.md), so any client agrees with a block that passes.
"""

from __future__ import annotations

from typing import Final

from eth.abc import BlockHeaderAPI
from eth.constants import BLANK_ROOT_HASH, EMPTY_UNCLE_HASH

from ledger.chain import transactions
from ledger.chain.admission import Gate
from ledger.chain.blocks import ZERO_ADDRESS, ZERO_HASH, ZERO_NONCE, Block
from ledger.errors import (
    AdmissionError,
    BlockAdmissionError,
    BlockBaseFeeError,
    BlockBodyError,
    BlockFieldError,
    BlockGasLimitError,
    BlockGasUsedError,
    BlockParentError,
    BlockResultError,
    BlockTimeError,
    BlockTransactionError,
    TransactionError,
)
from ledger.limits import MAX_CLOCK_AHEAD_S

_FIXED: Final = {
    "uncles_hash": EMPTY_UNCLE_HASH,
    "coinbase": ZERO_ADDRESS,
    "difficulty": 0,
    "extra_data": b"",
    "mix_hash": ZERO_HASH,
    "nonce": ZERO_NONCE,
    "withdrawals_root": BLANK_ROOT_HASH,
    "blob_gas_used": 0,
    "excess_blob_gas": 0,
    "parent_beacon_block_root": ZERO_HASH,
}
_RESULTS: Final = ("gas_used", "receipt_root", "bloom", "state_root")


def check_parent(header: BlockHeaderAPI, parent: BlockHeaderAPI) -> None:
    """Step 2. Raises BlockParentError."""
    if header.block_number != parent.block_number + 1:
        raise BlockParentError(f"block {header.block_number} does not follow the head, {parent.block_number}")
    if header.parent_hash != parent.hash:
        raise BlockParentError(f"block {header.block_number} names another parent than 0x{parent.hash.hex()}")


def check_time(header: BlockHeaderAPI, parent: BlockHeaderAPI, now_s: int) -> None:
    """Step 3. `now_s` is the clock of who admits the block, UTC epoch seconds. Raises BlockTimeError."""
    if header.timestamp <= parent.timestamp:
        raise BlockTimeError(f"timestamp {header.timestamp} does not rise above the parent's {parent.timestamp}")
    if header.timestamp > now_s + MAX_CLOCK_AHEAD_S:
        raise BlockTimeError(
            f"timestamp {header.timestamp} is {header.timestamp - now_s} s ahead of the clock, at most "
            f"{MAX_CLOCK_AHEAD_S} are allowed"
        )


def check_fields(header: BlockHeaderAPI) -> None:
    """Step 4. Raises BlockFieldError."""
    for name, value in _FIXED.items():
        if getattr(header, name) != value:
            raise BlockFieldError(f"{name} is not its fixed value")


def check_gas(header: BlockHeaderAPI, parent: BlockHeaderAPI) -> None:
    """Steps 5 to 7. Raises BlockGasLimitError, BlockBaseFeeError, BlockGasUsedError."""
    if header.gas_limit != parent.gas_limit:
        raise BlockGasLimitError(f"gas limit is {header.gas_limit}, the chain's {parent.gas_limit}")
    if header.base_fee_per_gas != 0:
        raise BlockBaseFeeError(f"base fee is {header.base_fee_per_gas}")
    if header.gas_used > header.gas_limit // 2:
        raise BlockGasUsedError(f"gas used is {header.gas_used}, over half of {header.gas_limit}")


def check_transactions(block: Block, chain_id: int) -> None:
    """Step 8. Raises BlockTransactionError."""
    for index, transaction in enumerate(block.transactions):
        try:
            transactions.check(transaction, chain_id, block.header.gas_limit)
        except TransactionError as error:
            raise BlockTransactionError(f"transaction {index}: {error.what}") from error


def check_admission(block: Block, gate: Gate) -> None:
    """Step 9. `gate` asks at the parent state. Raises BlockAdmissionError."""
    for index, transaction in enumerate(block.transactions):
        try:
            gate.check(transaction)
        except AdmissionError as error:
            raise BlockAdmissionError(f"transaction {index}: {error.what}") from error


def check_body(block: Block, transaction_root: bytes) -> None:
    """Step 11. `transaction_root` is computed from the block's transactions. Raises BlockBodyError."""
    if block.header.transaction_root != transaction_root:
        raise BlockBodyError("the header commits to other transactions")


def check_result(header: BlockHeaderAPI, executed: BlockHeaderAPI) -> None:
    """Step 12. `executed` is the header that execution gives. Raises BlockResultError naming the first difference."""
    for name in _RESULTS:
        if getattr(header, name) != getattr(executed, name):
            raise BlockResultError(f"execution gives another {name}")
    if header.hash != executed.hash:
        raise BlockResultError("execution gives another header")
