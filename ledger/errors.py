"""What can go wrong on the chain.

    LedgerError                     LEDGER-000
    ├── StoreError                  LEDGER-100  the data directory
    │   ├── StoreCorruption         LEDGER-101  damaged or missing data (exit 4)
    │   ├── StoreLocked             LEDGER-102  another process holds the directory (exit 3)
    │   ├── StoreFull               LEDGER-103  no space left (exit 3)
    │   ├── StorePoisoned           LEDGER-104  an earlier write failed (exit 3)
    │   ├── StoreReadOnly           LEDGER-105  opened for reading only
    │   ├── StoreMissing            LEDGER-106  no chain in this directory (exit 3)
    │   └── StoreExists             LEDGER-107  the directory is not empty (exit 2)
    ├── ConfigurationError          LEDGER-110  a chain that cannot be started (exit 2)
    ├── BlockError                  LEDGER-200  a block that is not valid; one class a step of chain/rules.py
    │   ├── BlockFormatError        LEDGER-201
    │   ├── BlockParentError        LEDGER-202
    │   ├── BlockTimeError          LEDGER-203
    │   ├── BlockFieldError         LEDGER-204
    │   ├── BlockGasLimitError      LEDGER-205
    │   ├── BlockBaseFeeError       LEDGER-206
    │   ├── BlockGasUsedError       LEDGER-207
    │   ├── BlockTransactionError   LEDGER-208
    │   ├── BlockAdmissionError     LEDGER-209
    │   ├── BlockExecutionError     LEDGER-210
    │   ├── BlockBodyError          LEDGER-211
    │   ├── BlockResultError        LEDGER-212
    │   └── BlockFinalityError      LEDGER-213
    ├── SecondSignatureError        LEDGER-220  a second hash for a height already signed
    ├── NotSequencerError           LEDGER-221  this node holds no authority's key
    ├── TransactionError            LEDGER-300  a transaction that is not taken
    │   ├── TransactionFormatError  LEDGER-301
    │   ├── TransactionTypeError    LEDGER-302
    │   ├── TransactionChainError   LEDGER-303
    │   ├── TransactionGasError     LEDGER-304
    │   ├── TransactionFeeError     LEDGER-305
    │   ├── TransactionValueError   LEDGER-306
    │   ├── NonceError              LEDGER-307
    │   ├── AdmissionError          LEDGER-308
    │   ├── KnownTransaction        LEDGER-309
    │   └── PoolFull                LEDGER-310
    ├── UnknownBlock                LEDGER-400
    ├── UnknownTransaction          LEDGER-401
    ├── CallReverted                LEDGER-410
    ├── CallFailed                  LEDGER-411
    ├── LimitExceeded               LEDGER-420
    ├── RemoteError                 LEDGER-430  a node answered with an error
    └── ReceiptTimeout              LEDGER-431

Engines' own errors stand in engines/; see the classes for sentence and remedy.
"""

from __future__ import annotations

from contracts.errors import DureError


class LedgerError(DureError):
    """Something on the chain is wrong."""

    code = "LEDGER-000"


class StoreError(LedgerError):
    """The data directory cannot be used."""

    code = "LEDGER-100"
    ko = "데이터 디렉터리를 쓸 수 없습니다."
    exit_code = 3


class StoreCorruption(StoreError):
    """The store holds damaged data, or lacks data that must be there. Nothing was changed."""

    code = "LEDGER-101"
    do = (
        "Stop using this directory; restore it from a copy, or import the portable ledger into a new one. "
        "Check the disk before either."
    )
    ko = "저장소가 손상되었습니다. 아무것도 바꾸지 않았습니다."
    exit_code = 4


class StoreLocked(StoreError):
    """Another process holds this data directory."""

    code = "LEDGER-102"
    do = "Stop the other process, or open the directory for reading only."
    ko = "다른 프로세스가 데이터 디렉터리를 쓰고 있습니다."


class StoreFull(StoreError):
    """The disk is full; nothing was written and nothing accepted was lost."""

    code = "LEDGER-103"
    do = "Free space on the disk and start again."
    ko = "디스크가 가득 찼습니다."


class StorePoisoned(StoreError):
    """An earlier write failed, so nothing more is written until the store is opened anew."""

    code = "LEDGER-104"
    do = "See the first error, correct its cause, and start again."
    ko = "이전 쓰기가 실패하여 저장소를 닫았습니다."


class StoreReadOnly(StoreError):
    """The store is open for reading only."""

    code = "LEDGER-105"
    do = "Open the directory for writing; one process at a time can."
    ko = "읽기 전용입니다."
    exit_code = 1


class StoreMissing(StoreError):
    """There is no chain in this directory."""

    code = "LEDGER-106"
    do = "Make one with `dure init`, or name the right directory with --data."
    ko = "이 디렉터리에는 체인이 없습니다."


class StoreExists(StoreError):
    """The directory already holds something."""

    code = "LEDGER-107"
    do = "Name an empty directory."
    ko = "디렉터리가 비어 있지 않습니다."
    exit_code = 2


class ConfigurationError(LedgerError):
    """The chain cannot be started with this configuration."""

    code = "LEDGER-110"
    do = "Correct the configuration; the message names the field."
    ko = "체인 설정이 올바르지 않습니다."
    exit_code = 2


class BlockError(LedgerError):
    """The block is not valid."""

    code = "LEDGER-200"
    do = "Do not build on it; ask its maker for the reason."
    ko = "유효하지 않은 블록입니다."


class BlockFormatError(BlockError):
    """Step 1: the block is no canonical RLP of a Cancun block."""

    code = "LEDGER-201"


class BlockParentError(BlockError):
    """Step 2: the block does not follow the head."""

    code = "LEDGER-202"


class BlockTimeError(BlockError):
    """Step 3: the timestamp does not rise, or lies too far ahead of the clock."""

    code = "LEDGER-203"


class BlockFieldError(BlockError):
    """Step 4: a header field differs from its fixed value."""

    code = "LEDGER-204"


class BlockGasLimitError(BlockError):
    """Step 5: the gas limit is not the chain's."""

    code = "LEDGER-205"


class BlockBaseFeeError(BlockError):
    """Step 6: the base fee is not 0."""

    code = "LEDGER-206"


class BlockGasUsedError(BlockError):
    """Step 7: the block uses more than half of its gas limit, which would raise the base fee for ever."""

    code = "LEDGER-207"


class BlockTransactionError(BlockError):
    """Step 8: a transaction of the block breaks a rule that needs no state."""

    code = "LEDGER-208"


class BlockAdmissionError(BlockError):
    """Step 9: a transaction of the block is not admissible at the parent state."""

    code = "LEDGER-209"


class BlockExecutionError(BlockError):
    """Step 10: a transaction of the block cannot be executed (nonce, balance, gas)."""

    code = "LEDGER-210"


class BlockBodyError(BlockError):
    """Step 11: the transactions or withdrawals are not those that the header commits to."""

    code = "LEDGER-211"


class BlockResultError(BlockError):
    """Step 12: execution gives other results than the header says."""

    code = "LEDGER-212"


class BlockFinalityError(BlockError):
    """Step 13: the finality proof does not hold for this block."""

    code = "LEDGER-213"


class SecondSignatureError(LedgerError):
    """Another block was already signed at this height; a second signature would be proof of fraud."""

    code = "LEDGER-220"
    do = "Find out why the store and the signed file differ; never delete the signed file."
    ko = "이미 서명한 높이에 다른 블록을 서명할 수 없습니다."
    exit_code = 4


class NotSequencerError(LedgerError):
    """This node holds no key of the authority in force, so it cannot make blocks."""

    code = "LEDGER-221"
    do = "Open the node with the authority's key, or submit to the sequencer's node."
    ko = "블록을 만들 권한이 없는 노드입니다."


class TransactionError(LedgerError):
    """The transaction is not taken."""

    code = "LEDGER-300"
    do = "Correct the transaction and sign it again."
    ko = "받아들일 수 없는 거래입니다."


class TransactionFormatError(TransactionError):
    """The bytes are no canonical signed transaction."""

    code = "LEDGER-301"
    exit_code = 2


class TransactionTypeError(TransactionError):
    """Only transactions of types 0, 1 and 2 are taken (money.md §6)."""

    code = "LEDGER-302"


class TransactionChainError(TransactionError):
    """The transaction names no chain, or another one."""

    code = "LEDGER-303"


class TransactionGasError(TransactionError):
    """The gas limit is under what the transaction costs at least, or over half of the block's."""

    code = "LEDGER-304"


class TransactionFeeError(TransactionError):
    """The chain knows no fees: gas price and fees are 0."""

    code = "LEDGER-305"


class TransactionValueError(TransactionError):
    """The chain's money is the Won agreement; the native value of a transaction is 0."""

    code = "LEDGER-306"


class NonceError(TransactionError):
    """The nonce was used, or lies too far ahead of the sender's next one."""

    code = "LEDGER-307"


class AdmissionError(TransactionError):
    """The Organisations agreement does not admit the transaction (money.md §6)."""

    code = "LEDGER-308"
    do = "Submit with an active key of a registered organisation, to a registered agreement."


class KnownTransaction(TransactionError):
    """The transaction is already in the pool or in the chain."""

    code = "LEDGER-309"
    do = "Wait for its receipt."


class PoolFull(TransactionError):
    """The pool of pending transactions is full."""

    code = "LEDGER-310"
    do = "Wait for the next block and submit again."


class UnknownBlock(LedgerError):
    """There is no such block."""

    code = "LEDGER-400"
    do = "Ask for a block up to the head."
    ko = "그런 블록이 없습니다."


class UnknownTransaction(LedgerError):
    """There is no such transaction."""

    code = "LEDGER-401"
    do = "Check the hash; a transaction that was never accepted has none."
    ko = "그런 거래가 없습니다."


class CallReverted(LedgerError):
    """The agreement refused the call."""

    code = "LEDGER-410"
    do = "See the reason; nothing was changed."
    ko = "계약이 호출을 거부했습니다."

    def __init__(self, what: str, *, data: bytes = b"", reason: str = "", why: str = "") -> None:
        super().__init__(what, why=why)
        self.data = data
        self.reason = reason


class CallFailed(LedgerError):
    """The call ended without a result (out of gas, or an invalid instruction)."""

    code = "LEDGER-411"
    do = "Give the call more gas, or correct its data."
    ko = "호출을 실행하지 못했습니다."


class LimitExceeded(LedgerError):
    """A bound of ledger/limits.py is exceeded."""

    code = "LEDGER-420"
    do = "Ask for less at a time; the message names the bound."
    ko = "한도를 넘었습니다."
    exit_code = 2


class RemoteError(LedgerError):
    """The node answered with an error."""

    code = "LEDGER-430"
    do = "See the node's message."
    ko = "노드가 오류로 답했습니다."


class ReceiptTimeout(LedgerError):
    """The transaction is not in a block yet."""

    code = "LEDGER-431"
    do = "Wait for the next block; the transaction was accepted and stays pending."
    ko = "거래가 아직 블록에 들어가지 않았습니다."
    exit_code = 3
