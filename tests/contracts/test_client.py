"""The ABI codec: bytes addresses, calls and results round, logs, and what does not fit."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode as general_encode
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from contracts import addresses, client
from contracts.errors import ArtefactError, EncodingError
from contracts.hashing import keccak

ADDRESS = st.binary(min_size=20, max_size=20)
WORD = st.integers(0, 2**256 - 1)


@given(to=ADDRESS, amount=WORD)
def test_calls_are_those_of_web3(to: bytes, amount: int) -> None:
    contract = Web3().eth.contract(abi=list(client.artefact("Won").abi))
    theirs = contract.encode_abi("transfer", args=[Web3.to_checksum_address(to), amount])
    ours = client.encode_call("Won", "transfer", [to, amount])
    assert f"0x{ours.hex()}" == theirs
    assert client.decode_call("Won", ours) == ("transfer", (to, amount))


@given(st.lists(st.tuples(ADDRESS, st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32)), max_size=20))
def test_structs_are_those_of_the_general_encoder(items: list[tuple[bytes, int, bytes]]) -> None:
    data = client.encode_call("Vouchers", "carry", [1, 2, 3, 4, items, bytes(32), 5])
    types = ["uint16", "uint16", "uint16", "uint16", "(address,uint32,bytes32)[]", "bytes32", "uint32"]
    texts = [(f"0x{card.hex()}", won, number) for card, won, number in items]
    assert data[4:] == general_encode(types, [1, 2, 3, 4, texts, bytes(32), 5])
    assert client.decode_call("Vouchers", data)[1][4] == tuple(items)


def test_results_are_nothing_a_value_or_several() -> None:
    assert client.decode_result("Won", "burn", b"") is None
    assert client.decode_result("Won", "totalSupply", (5).to_bytes(32, "big")) == 5
    assert client.decode_result("Organisations", "decided", b"\x01" * 32 + (9).to_bytes(32, "big")) == (b"\x01" * 32, 9)


def test_initcode_carries_its_arguments() -> None:
    made = client.encode_constructor("Won", [addresses.ORGANISATIONS, [(2, 5)]])
    assert made.startswith(client.artefact("Won").initcode)
    assert made.endswith((5).to_bytes(32, "big"))


def test_logs_come_back_by_name() -> None:
    topics = [
        keccak(b"Minted(uint16,bytes32,address,uint64)"),
        (2).to_bytes(32, "big"),
        keccak(b"ref"),
        addresses.FARES.rjust(32, b"\0"),
    ]
    assert client.event_topic("Won", "Minted") == topics[0]
    log = {"topics": topics, "data": (700).to_bytes(32, "big")}
    fields = {"bank": 2, "reference": keccak(b"ref"), "to": addresses.FARES, "amount_won": 700}
    assert client.decode_event("Won", log) == ("Minted", fields)


BAD_CALLS: dict[str, tuple[str, list[Any]]] = {
    "unknown function": ("mintt", []),
    "too few": ("transfer", [addresses.WON]),
    "too many": ("transfer", [addresses.WON, 1, 2]),
    "negative": ("transfer", [addresses.WON, -1]),
    "beyond 256 bits": ("transfer", [addresses.WON, 2**256]),
    "a float": ("transfer", [addresses.WON, 1.0]),
    "text for an address": ("transfer", [f"0x{addresses.WON.hex()}", 1]),
    "short address": ("transfer", [addresses.WON[1:], 1]),
    "long address": ("transfer", [addresses.WON + b"\0", 1]),
    "long bytes32": ("mint", [addresses.WON, 1, bytes(33)]),
    "text for a number": ("transfer", [addresses.WON, "1"]),
}


@pytest.mark.parametrize("fault", BAD_CALLS)
def test_calls_that_do_not_fit_are_refused(fault: str) -> None:
    with pytest.raises(EncodingError):
        client.encode_call("Won", *BAD_CALLS[fault])


@pytest.mark.parametrize("data", [b"", b"\0" * 31, b"\xff" * 31], ids=["empty", "short", "short ones"])
def test_answers_that_do_not_fit_are_refused(data: bytes) -> None:
    with pytest.raises(EncodingError):
        client.decode_result("Won", "totalSupply", data)


def test_an_address_wider_than_160_bits_is_refused() -> None:
    with pytest.raises(EncodingError):
        client.decode_result("Organisations", "account_of", b"\x01" * 32)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ArtefactError):
        client.artefact("Wonn")
    with pytest.raises(EncodingError):
        client.event_topic("Won", "Mint")
    with pytest.raises(EncodingError):
        client.decode_call("Won", b"\xde\xad\xbe\xef")
    for topics in ([], [bytes(32)], [client.event_topic("Won", "Minted")]):
        with pytest.raises(EncodingError):
            client.decode_log("Won", topics, (1).to_bytes(32, "big"))


def test_revert_reasons() -> None:
    assert client.revert_reason(bytes.fromhex("08c379a0") + client.encode(["string"], ["CASE"])) == "CASE"
    assert client.revert_reason(b"") == ""
    assert client.revert_reason(b"\x4e\x48\x7b\x71" + bytes(32)) == ""
