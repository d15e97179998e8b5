"""Executes a chain with EELS, the specification in Python: run by the interpreter of EELS's own environment.

    python eels_replay.py genesis.json chain.rlp

Prints one JSON document: number and hash of the last block, or the first block that EELS refuses. It imports nothing
of Dure, whose dependencies EELS does not bear (engines.md); and nothing of EELS before `main`, so that Dure's own
interpreter may look at it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def unhex(text: str) -> bytes:
    """Bytes of DATA."""
    return bytes.fromhex(text[2:])


def beginning(document: dict[str, Any]) -> Any:
    """EELS's BlockChain that stands at block 0 of geth's genesis.json."""
    from ethereum.crypto.hash import keccak256
    from ethereum.forks.cancun import state as states
    from ethereum.forks.cancun.blocks import Block, Header
    from ethereum.forks.cancun.fork import BlockChain
    from ethereum.forks.cancun.trie import Trie, root
    from ethereum_rlp import rlp
    from ethereum_types.bytes import Bytes, Bytes8, Bytes20, Bytes32, Bytes256
    from ethereum_types.numeric import U64, U256, Uint

    state = states.State()
    for address, entry in document["alloc"].items():
        place = Bytes20(unhex(address))
        account = states.Account(
            Uint(int(entry["nonce"], 16)), U256(int(entry["balance"], 16)), Bytes(unhex(entry["code"]))
        )
        states.set_account(state, place, account)
        for slot, word in entry["storage"].items():
            states.set_storage(state, place, Bytes32(unhex(slot)), U256(int(word, 16)))
    nothing = root(Trie(secured=False, default=None))
    header = Header(
        parent_hash=Bytes32(bytes(32)),
        ommers_hash=keccak256(rlp.encode([])),
        coinbase=Bytes20(unhex(document["coinbase"])),
        state_root=states.state_root(state),
        transactions_root=nothing,
        receipt_root=nothing,
        bloom=Bytes256(bytes(256)),
        difficulty=Uint(0),
        number=Uint(0),
        gas_limit=Uint(int(document["gasLimit"], 16)),
        gas_used=Uint(0),
        timestamp=U256(int(document["timestamp"], 16)),
        extra_data=Bytes(unhex(document["extraData"])),
        prev_randao=Bytes32(unhex(document["mixHash"])),
        nonce=Bytes8(bytes(8)),
        base_fee_per_gas=Uint(int(document["baseFeePerGas"], 16)),
        withdrawals_root=nothing,
        blob_gas_used=U64(0),
        excess_blob_gas=U64(0),
        parent_beacon_block_root=Bytes32(bytes(32)),
    )
    block = Block(header, (), (), ())
    return BlockChain([block], state, U64(document["config"]["chainId"]))


def split(raw: bytes) -> Iterator[bytes]:
    """The items of a sequence of RLP lists."""
    at = 0
    while at < len(raw):
        first = raw[at]
        count = max(first - 0xF7, 0)
        size = 1 + count + (int.from_bytes(raw[at + 1 : at + 1 + count], "big") if count else first - 0xC0)
        yield raw[at : at + size]
        at += size


def block_of(raw: bytes) -> Any:
    """EELS's Block from its RLP: typed transactions stay bytes, legacy ones are decoded."""
    from ethereum.forks.cancun.blocks import Block, Header, Withdrawal
    from ethereum.forks.cancun.transactions import LegacyTransaction
    from ethereum_rlp import rlp

    header, body, _, withdrawals = rlp.decode(raw)
    transactions = tuple(
        item if isinstance(item, bytes) else rlp.deserialize_to(LegacyTransaction, item) for item in body
    )
    paid = tuple(rlp.deserialize_to(Withdrawal, item) for item in withdrawals)
    return Block(rlp.deserialize_to(Header, header), transactions, (), paid)


def main(genesis: str, chain: str) -> dict[str, Any]:
    """What the document says: number and hash of the last block; `refused` says why the next one was, else null."""
    import ethereum_optimized

    ethereum_optimized.monkey_patch(None)  # before anything of the specification is imported
    from ethereum.crypto.hash import keccak256
    from ethereum.exceptions import EthereumException
    from ethereum.forks.cancun.fork import state_transition
    from ethereum_rlp import rlp
    from ethereum_rlp.exceptions import RLPException

    found = beginning(json.loads(Path(genesis).read_bytes()))
    refused = None
    for raw in split(Path(chain).read_bytes()):
        try:
            state_transition(found, block_of(raw))
        except (EthereumException, RLPException) as error:
            refused = f"{type(error).__name__} {error}".strip()
            break
    header = found.blocks[-1].header
    return {"number": int(header.number), "hash": "0x" + keccak256(rlp.encode(header)).hex(), "refused": refused}


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
