"""A settlement workload for measuring engines: cards in state, signed records, full batches.

The contract is contracts/records.vy beside this file: the record loop of Fares without the agreements around it, so
that figures of the engine do not move when an agreement does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import vyper
from coincurve import PrivateKey
from eth_abi.abi import encode
from eth_account import Account

from contracts.hashing import keccak
from contracts.signatures import address_of, sign, to_compact
from ledger.engines import open_engine
from ledger.engines.accounts import Caches, DirectAccountDB
from ledger.engines.base import BlockEnvironment, Call
from ledger.engines.tries import BLANK_ROOT

CHAIN_ID: Final = 4242
GAS_LIMIT: Final = 60_000_000
SOURCE: Final = Path(__file__).parent / "contracts" / "records.vy"
CONTRACT: Final = bytes.fromhex("fa" * 20)
RECORD: Final = "(uint256,uint256,uint256,uint256,uint256,uint256)[]"
TYPE_HASH: Final = keccak(
    b"FareState(address card,uint32 seq,uint64 cumWon,uint64 cumOwnWon,uint32 chargeWon,uint32 missingOutWon,"
    b"uint16 serviceDay,uint32 tapTime,bytes32 context)"
)
SENDER: Final = PrivateKey(b"\x11" * 32)
DAY: Final = 20_376
FARE_WON: Final = 1_500
BATCH: Final = 256
RecordWords = tuple[int, int, int, int, int, int]


@functools.cache
def artefact() -> dict[str, Any]:
    """Initcode and selectors of the bench contract."""
    found: dict[str, Any] = vyper.compile_code(SOURCE.read_text(), output_formats=["bytecode", "method_identifiers"])
    return found


def initcode() -> bytes:
    """What deploys the bench contract."""
    return bytes.fromhex(artefact()["bytecode"][2:])


def selector(function: str) -> bytes:
    """The four bytes of a function."""
    names = artefact()["method_identifiers"]
    (name,) = (name for name in names if name.startswith(f"{function}("))
    return bytes.fromhex(names[name][2:])


def environment(number: int) -> BlockEnvironment:
    """Block `number`, a second after its parent."""
    return BlockEnvironment(CHAIN_ID, number, 1_760_000_000 + number, GAS_LIMIT)


@dataclass(frozen=True)
class Card:
    """A card's key and address (20 bytes)."""

    key: PrivateKey
    address: bytes


@functools.cache
def card(number: int) -> Card:
    """The card of a number."""
    key = PrivateKey.from_int(number + 1)
    return Card(key, address_of(key))


def separator(contract: bytes) -> bytes:
    """What the contract at this address hashes under."""
    return keccak(encode(["bytes32", "uint256", "address"], [keccak(b"Records"), CHAIN_ID, contract]))


def _mapping(slot: int, key: bytes) -> int:
    return int.from_bytes(keccak(slot.to_bytes(32, "big") + bytes(12) + key), "big")


@dataclass(frozen=True)
class World:
    """A state as nodes by hash, with its root."""

    nodes: dict[bytes, bytes]
    root: bytes


def world(*, with_lot: bool, live: int, others: int) -> World:
    """The contract with `live` cards whose keys are known and `others` whose addresses are only numbers.

    Every live card has a balance, and with `with_lot` a lot that pays its fares.
    """
    nodes: dict[bytes, bytes] = {}
    code = open_engine().view(nodes, BLANK_ROOT, environment(1)).call(Call(b"", initcode())).output
    accounts = DirectAccountDB(nodes, BLANK_ROOT, Caches())
    # A constructor's immutables stand behind the code; here the separator names the address that genesis gives it.
    accounts.set_code(CONTRACT, code[:-32] + separator(CONTRACT))
    accounts.set_nonce(CONTRACT, 1)
    balance = 1_000_000 << 160
    for number in range(live):
        address = card(number).address
        accounts.set_storage(CONTRACT, _mapping(0, address), balance | (1 << 252 if with_lot else 0))
        if with_lot:
            accounts.set_storage(CONTRACT, _mapping(1, address), (50_000 << 80) | 1_000_000)
    for number in range(others):
        accounts.set_storage(CONTRACT, _mapping(0, keccak(number.to_bytes(4, "big"))[:20]), balance)
    root = accounts.persist_into(nodes)
    return World(nodes, root)


def record(contract: bytes, one: Card, seq: int) -> RecordWords:
    """A card's signed record number `seq` (from 1): FARE_WON more each time."""
    cum = FARE_WON * seq
    address = int.from_bytes(one.address, "big")
    fields = (address, seq, cum, cum, FARE_WON, 0, DAY, seq, 7)
    struct = keccak(TYPE_HASH + b"".join(field.to_bytes(32, "big") for field in fields))
    r, vs = to_compact(sign(keccak(b"\x19\x01" + separator(contract) + struct), one.key))
    head = address | FARE_WON << 160 | seq << 224
    return head, cum | cum << 40 | seq << 80 | DAY << 104, 7, r, vs, FARE_WON


def settle_data(records: list[RecordWords]) -> bytes:
    """Calldata of settle."""
    return selector("settle") + encode(["uint256", RECORD], [DAY, records])


def enrol_data(live: int, *, with_lot: bool) -> list[bytes]:
    """Calldata that enrols the live cards, a batch each."""
    words = [int.from_bytes(card(number).address, "big") for number in range(live)]
    parts = [words[at : at + BATCH] for at in range(0, live, BATCH)]
    return [selector("enrol") + encode(["uint256[]", "bool"], [part, with_lot]) for part in parts]


def batches(contract: bytes, live: int, size: int, seq: int = 1) -> list[bytes]:
    """Calldata of as many batches as the live cards fill, each card once."""
    records = [record(contract, card(number), seq) for number in range(live)]
    return [settle_data(records[at : at + size]) for at in range(0, live, size)]


def raw_transaction(nonce: int, to: bytes, data: bytes, gas: int, gas_price_wei: int = 0) -> bytes:
    """A signed legacy transaction."""
    fields = {
        "nonce": nonce,
        "gas": gas,
        "gasPrice": gas_price_wei,
        "to": to,
        "value": 0,
        "data": data,
        "chainId": CHAIN_ID,
    }
    return bytes(Account.sign_transaction(fields, SENDER.secret).raw_transaction)


def paid_of(log_data: bytes) -> tuple[int, int, int]:
    """(voucher, balance, guarantor) won that a batch's event says were paid."""
    paid = int.from_bytes(log_data[-32:], "big")
    return paid >> 192, (paid >> 128) & (1 << 64) - 1, (paid >> 64) & (1 << 64) - 1
