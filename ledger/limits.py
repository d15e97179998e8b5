"""Bounds of the node, each with its reason."""

from __future__ import annotations

from typing import Final

# money.md §6: 60 M, of which a block uses at most half, so that the base fee stays 0 for ever (engines.md).
DEFAULT_GAS_LIMIT: Final = 60_000_000
# A limit under this could not hold one batch of records; one above it a Python core cannot execute in a second.
MIN_GAS_LIMIT: Final = 4_000_000
MAX_GAS_LIMIT: Final = 240_000_000

# architecture.md §3: a block may be at most this far ahead of the clock of who admits it.
MAX_CLOCK_AHEAD_S: Final = 30

# At 16 gas a byte of calldata, 30 M gas hold 1.9 MB; twice that is room for all but calldata made of zeros.
MAX_BLOCK_BYTES: Final = 4 * 1024 * 1024
# The largest batch of records (K = 512, 192 B each) has 100 kB; geth's pool stops at 128 KiB (engines.md).
MAX_TRANSACTION_BYTES: Final = 128 * 1024
# EIP-3860: twice the largest code.
MAX_INITCODE_BYTES: Final = 2 * 24_576

# Pending transactions, as a whole and of one sender: some thirty blocks of small ones, or of one settling key.
MAX_PENDING: Final = 16_384
MAX_PENDING_BYTES: Final = 256 * 1024 * 1024
MAX_PENDING_PER_SENDER: Final = 1_024

# Answers of eth_getLogs: a day of one-second blocks in one question, and as many logs as a block full of them.
MAX_LOG_RANGE_BLOCKS: Final = 100_000
MAX_LOG_RESULTS: Final = 100_000
MAX_LOG_ADDRESSES: Final = 64
MAX_LOG_TOPIC_CHOICES: Final = 64
MAX_FEE_HISTORY_BLOCKS: Final = 1_024

# Gas of eth_call: a whole block's worth, so that views over a day's batches answer in one call.
MAX_CALL_GAS: Final = 60_000_000

# Verdicts of Organisations.admit kept for one parent state; a block holds at most 30 M / 21,000 = 1,428 of them.
MAX_ADMISSION_CACHE: Final = 4_096

# Decoded blocks and receipts kept in memory for readers that follow the head: at most some 100 MB of full ones.
BLOCK_CACHE: Final = 16

# Chain names stand in reports and trust files (receipts.md §5); CometBFT's chain id takes 12 digits (§2).
MAX_NAME_CHARACTERS: Final = 80
MAX_CHAIN_ID: Final = 999_999_999_999
MAX_ALLOC_ACCOUNTS: Final = 4_096

# Memory of the store: memtable and block cache. A city's open cards fit the cache many times over at this size.
STORE_WRITE_BUFFER_BYTES: Final = 32 * 1024 * 1024
STORE_CACHE_BYTES: Final = 96 * 1024 * 1024

# Gas of one question to Organisations.admit: some hundred storage reads, more than any council needs. Fixed, since the
# answer is part of validity.
ADMISSION_GAS: Final = 1_000_000
# BLOCKHASH reaches back this far (Yellow Paper).
ANCESTORS: Final = 256
# What a failed transaction returned, kept for who asks why; longer reasons are cut.
MAX_KEPT_OUTPUT_BYTES: Final = 1_024
# Blocks whose links and signatures are checked at opening; `audit` checks all of them.
CHECKED_TAIL_BLOCKS: Final = 16
