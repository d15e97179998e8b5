"""How a chain begins: its configuration, its genesis block, and the genesis.json that geth reads.

The block is engines.md's ("Set exactly"); extraData is the hash of the canonical chain configuration (receipts.md
§5), so that no two chains with different agreements, authorities or witnesses share a genesis.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import rfc8785
from eth.abc import BlockHeaderAPI
from eth.chains.base import Chain
from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.blocks import CancunBlockHeader
from eth_typing import BlockNumber, Hash32

from contracts.hashing import keccak, sha256
from ledger.chain.blocks import ZERO_ADDRESS, ZERO_HASH, ZERO_NONCE
from ledger.engines.constructors import Account, run_constructors
from ledger.errors import ConfigurationError
from ledger.limits import (
    DEFAULT_GAS_LIMIT,
    MAX_ALLOC_ACCOUNTS,
    MAX_CHAIN_ID,
    MAX_GAS_LIMIT,
    MAX_NAME_CHARACTERS,
    MIN_GAS_LIMIT,
)

CHAIN_FORMAT: Final = "dure-chain/1"
FORK: Final = "cancun"
# receipts.md §5: printable ASCII or Hangul syllables, so that no name can imitate another with foreign letters.
_NAME: Final = re.compile(rf"[\x20-\x7e\uac00-\ud7a3]{{1,{MAX_NAME_CHARACTERS}}}")
_GETH_FORKS: Final = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """An agreement that stands in genesis: its name, its address (20 bytes), initcode with constructor arguments."""

    name: str
    address: bytes
    initcode: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody whose signature on a head counts: a name for people, and the key's address (20 bytes)."""

    name: str
    address: bytes


@dataclass(frozen=True, slots=True)
class ChainConfig:
    """What fixes a chain. `timestamp` is genesis time, UTC epoch seconds.

    `authority` is the solo sequencer's. Admission (money.md §6) follows the agreement named Organisations; a chain
    without one admits everybody, which only test networks want. `alloc` holds further accounts of genesis.
    """

    name: str
    chain_id: int
    timestamp: int
    authority: Signer
    agreements: tuple[Agreement, ...]
    witnesses: tuple[Signer, ...] = ()
    gas_limit: int = DEFAULT_GAS_LIMIT
    alloc: Mapping[bytes, Account] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Genesis:
    """A chain's beginning: block 0's header, the canonical configuration, geth's genesis.json, the state's nodes.

    `nodes` maps keccak-256 hashes to trie nodes and codes.
    """

    header: BlockHeaderAPI
    chain: bytes
    geth: bytes
    nodes: dict[bytes, bytes]


def check(config: ChainConfig) -> None:
    """Raises ConfigurationError for a field that no chain can have."""
    names = [config.name, config.authority.name, *(witness.name for witness in config.witnesses)]
    names += [agreement.name for agreement in config.agreements]
    for name in names:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"name {name!r} is not 1 to {MAX_NAME_CHARACTERS} characters of ASCII or Hangul")
    if not 1 <= config.chain_id <= MAX_CHAIN_ID:
        raise ConfigurationError(f"chain_id {config.chain_id} is outside 1 to {MAX_CHAIN_ID}")
    if not MIN_GAS_LIMIT <= config.gas_limit <= MAX_GAS_LIMIT:
        raise ConfigurationError(f"gas_limit {config.gas_limit} is outside {MIN_GAS_LIMIT} to {MAX_GAS_LIMIT}")
    if not 0 < config.timestamp < 1 << 32:
        raise ConfigurationError(f"timestamp {config.timestamp} is outside the seconds of 32 bits")
    if len(config.alloc) > MAX_ALLOC_ACCOUNTS:
        raise ConfigurationError(f"alloc has {len(config.alloc)} accounts, at most {MAX_ALLOC_ACCOUNTS}")
    addresses = [config.authority.address, *(witness.address for witness in config.witnesses)]
    addresses += [*config.alloc, *(agreement.address for agreement in config.agreements)]
    if any(len(address) != len(ZERO_ADDRESS) for address in addresses):
        raise ConfigurationError("an address has 20 bytes")
    placed = [agreement.address for agreement in config.agreements] + list(config.alloc)
    if len(set(placed)) != len(placed) or len({a.name for a in config.agreements}) != len(config.agreements):
        raise ConfigurationError("two agreements share a name or an address")


def genesis_header(config: ChainConfig, state_root: bytes, extra_data: bytes) -> BlockHeaderAPI:
    """Block 0's header (engines.md, "Set exactly")."""
    return CancunBlockHeader(
        difficulty=0,
        block_number=BlockNumber(0),
        gas_limit=config.gas_limit,
        timestamp=config.timestamp,
        coinbase=ZERO_ADDRESS,
        state_root=Hash32(state_root),
        extra_data=extra_data,
        mix_hash=ZERO_HASH,
        nonce=ZERO_NONCE,
        base_fee_per_gas=0,
        parent_beacon_block_root=ZERO_HASH,
    )


def make(config: ChainConfig) -> Genesis:
    """Runs the constructors and builds block 0. Raises ConfigurationError."""
    check(config)
    blank = genesis_header(config, BLANK_ROOT_HASH, b"")
    initcodes = [(a.name, a.address, a.initcode) for a in config.agreements]
    accounts = run_constructors(initcodes, dict(config.alloc), blank, config.chain_id)
    chain = rfc8785.dumps(_chain_document(config, accounts))
    extra_data = sha256(chain)
    nodes, state_root = _state(accounts)
    header = genesis_header(config, state_root, extra_data)
    return Genesis(header, chain, rfc8785.dumps(_geth_document(config, accounts, extra_data)), nodes)


def rebuild(chain: bytes, geth: bytes) -> Genesis:
    """Block 0 from the canonical configuration and geth's genesis.json alone.

    Raises ConfigurationError where either is unreadable, or the block does not name the configuration.
    """
    try:
        document = json.loads(geth)
        accounts = {_unhex(address): _account(entry) for address, entry in document["alloc"].items()}
        configured = json.loads(chain)
        signer = Signer(configured["finality"][0]["name"], _unhex(configured["finality"][0]["authority"]))
        config = ChainConfig(
            name=configured["name"],
            chain_id=configured["chain_id"],
            timestamp=int(document["timestamp"], 16),
            authority=signer,
            agreements=(),
            gas_limit=int(document["gasLimit"], 16),
        )
        extra_data = _unhex(document["extraData"])
        named = (configured["gas_limit"], configured["chain_id"]) == (config.gas_limit, document["config"]["chainId"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ConfigurationError(f"the genesis files cannot be read: {error}") from error
    check(config)
    if sha256(chain) != extra_data or not named:
        raise ConfigurationError("genesis.json does not name this chain configuration")
    nodes, state_root = _state(accounts)
    return Genesis(genesis_header(config, state_root, extra_data), chain, geth, nodes)


def geth_file(chain: bytes, geth: bytes) -> bytes:
    """The genesis.json that belongs to a configuration and to the accounts and time of another one, anew.

    The two files may only be ones that `rebuild` takes: what it leaves unread (forks, other keys) is compared here.
    """
    configured, document = json.loads(chain), json.loads(geth)
    accounts = {_unhex(address): _account(entry) for address, entry in document["alloc"].items()}
    signer = Signer(configured["finality"][0]["name"], _unhex(configured["finality"][0]["authority"]))
    config = ChainConfig(
        name=configured["name"],
        chain_id=configured["chain_id"],
        timestamp=int(document["timestamp"], 16),
        authority=signer,
        agreements=(),
        gas_limit=configured["gas_limit"],
    )
    return rfc8785.dumps(_geth_document(config, accounts, sha256(chain)))


def stock_chain(chain: bytes, geth: bytes) -> Chain:
    """Py-evm's own chain from these files, without any override: the peer that imports our blocks."""
    beginning = rebuild(chain, geth)
    accounts = {_unhex(address): _account(entry) for address, entry in json.loads(geth)["alloc"].items()}
    params = {
        name: getattr(beginning.header, name)
        for name in ("difficulty", "gas_limit", "timestamp", "coinbase", "extra_data", "mix_hash", "nonce")
    }
    params |= {"base_fee_per_gas": 0, "parent_beacon_block_root": ZERO_HASH}
    peer = stock_chain_class(json.loads(chain)["chain_id"])
    return cast(Chain, peer.from_genesis(AtomicDB(), params, _stock_state(accounts)))


def stock_chain_class(chain_id_: int) -> type[Chain]:
    """Py-evm's own chain of Cancun from block 0, without any override: the peer that re-executes our blocks."""

    class StockChain(Chain):
        vm_configuration = ((BlockNumber(0), CancunVM),)
        chain_id = chain_id_

    return StockChain


def _state(accounts: Mapping[bytes, Account]) -> tuple[dict[bytes, bytes], bytes]:
    """The state's nodes and its root, built by stock py-evm."""
    memory: dict[bytes, bytes] = {}
    params: dict[str, Any] = {"difficulty": 0, "gas_limit": DEFAULT_GAS_LIMIT, "timestamp": 1}
    chain = stock_chain_class(1).from_genesis(AtomicDB(MemoryDB(memory)), params, _stock_state(accounts))
    header = chain.get_canonical_head()
    nodes = {key: value for key, value in memory.items() if len(key) == len(ZERO_HASH) and keccak(value) == key}
    nodes.pop(header.hash, None)
    return nodes, header.state_root


def _stock_state(accounts: Mapping[bytes, Account]) -> dict[Any, Any]:
    return {
        address: {"balance": a.balance, "nonce": a.nonce, "code": a.code, "storage": a.storage}
        for address, a in accounts.items()
    }


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _account(entry: Mapping[str, Any]) -> Account:
    storage = {int(slot, 16): int(word, 16) for slot, word in entry["storage"].items()}
    return Account(_unhex(entry["code"]), storage, int(entry["nonce"], 16), int(entry["balance"], 16))


def _hex(value: bytes | int) -> str:
    return hex(value) if isinstance(value, int) else "0x" + value.hex()


def _entry(name: str, address: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": _hex(address), "from_block": 0, "to_block": None, **more}


def _chain_document(config: ChainConfig, accounts: Mapping[bytes, Account]) -> dict[str, Any]:
    """The chain's configuration, lists as at block 0 (receipts.md §5)."""
    return {
        "format": CHAIN_FORMAT,
        "name": config.name,
        "chain_id": config.chain_id,
        "fork": FORK,
        "gas_limit": config.gas_limit,
        "contracts": [
            _entry(a.name, a.address, code_hash=_hex(keccak(accounts[a.address].code))) for a in config.agreements
        ],
        "finality": [
            {
                "kind": "solo",
                "from_block": 0,
                "name": config.authority.name,
                "authority": _hex(config.authority.address),
            }
        ],
        "witnesses": [_entry(witness.name, witness.address) for witness in config.witnesses],
    }


def _geth_document(config: ChainConfig, accounts: Mapping[bytes, Account], extra_data: bytes) -> dict[str, Any]:
    """genesis.json as `geth init` takes it (engines.md)."""
    forks: dict[str, Any] = dict.fromkeys(_GETH_FORKS, 0)
    cancun = {"target": 3, "max": 6, "baseFeeUpdateFraction": 3338477}
    return {
        "config": {
            **forks,
            "chainId": config.chain_id,
            "terminalTotalDifficulty": 0,
            "shanghaiTime": 0,
            "cancunTime": 0,
            "blobSchedule": {"cancun": cancun},
        },
        "nonce": "0x0",
        "timestamp": _hex(config.timestamp),
        "extraData": _hex(extra_data),
        "gasLimit": _hex(config.gas_limit),
        "difficulty": "0x0",
        "mixHash": _hex(ZERO_HASH),
        "coinbase": _hex(ZERO_ADDRESS),
        "baseFeePerGas": "0x0",
        "alloc": {_hex(address): _geth_account(account) for address, account in accounts.items()},
    }


def _geth_account(account: Account) -> dict[str, Any]:
    words = {_hex(slot.to_bytes(32, "big")): _hex(value.to_bytes(32, "big")) for slot, value in account.storage.items()}
    return {
        "balance": _hex(account.balance),
        "nonce": _hex(account.nonce),
        "code": _hex(account.code),
        "storage": words,
    }
