"""Bounds of the portable ledger, each with its reason."""

from __future__ import annotations

from typing import Final

# Streams move in pieces of this size, so that memory does not grow with the chain.
PIECE_BYTES: Final = 1024 * 1024
# Entries that are read whole: the manifest, the contracts, genesis with every account's code. Above this a file is a
# bomb: the genesis of a city has some hundred kilobytes.
MAX_SMALL_BYTES: Final = 64 * 1024 * 1024
# Five files, three a contract, one a tree: a chain with a hundred agreements has some four hundred.
MAX_ENTRIES: Final = 4_096
# A line of finality: 65 bytes of signature in hex with its names, or a commit of 100 validators.
MAX_FINALITY_LINE_BYTES: Final = 64 * 1024
# A line of leaves: a batch of 4,096 leaves of 16 KiB would not be one transaction; this holds what one can be.
MAX_LEAVES_LINE_BYTES: Final = 16 * 1024 * 1024
# JSON of these files nests no deeper than an ABI with tuples in tuples (receipts.md §1 allows 32).
MAX_DEPTH: Final = 32
# receipts.md §1.
MAX_TRUST_BYTES: Final = 16 * 1024 * 1024
