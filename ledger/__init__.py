"""The chain: genesis, state machine, store, blocks, admission, sequencing, JSON-RPC."""

import os

# py-evm, rlp and web3 take keccak-256 from eth_hash's "auto", whose first choice is ten times slower on short inputs.
os.environ.setdefault("ETH_HASH_BACKEND", "pysha3")
