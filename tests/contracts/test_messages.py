"""Digests of every message against eth_account's general EIP-712 encoder; fields that do not fit."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth_account._utils.encode_typed_data.encoding_and_hashing import hash_domain, hash_eip712_message
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import EncodingError
from contracts.hashing import keccak
from contracts.messages import (
    CardCertificate,
    Claim,
    Credential,
    DisputeEvidence,
    FareState,
    Finality,
    ReaderCertificate,
)

CHAIN_IDS = st.integers(1, 2**64)
ADDRESSES = st.binary(min_size=20, max_size=20)
BOUND = [FareState, CardCertificate, ReaderCertificate, Credential, Claim, DisputeEvidence]


def parts(message: Any) -> list[tuple[str, str]]:
    """(type, name) of the struct's fields, in order."""
    text = message.TYPE.decode()
    return [tuple(part.split(" ")) for part in text[text.index("(") + 1 : -1].split(",")]  # type: ignore[misc]


def values_for(kind: str) -> st.SearchStrategy[Any]:
    if kind == "address":
        return ADDRESSES
    if kind == "bytes32":
        return st.binary(min_size=32, max_size=32)
    return st.integers(0, 2 ** int(kind.removeprefix("uint")) - 1)


def messages(kind: Any) -> st.SearchStrategy[Any]:
    return st.tuples(*(values_for(abi) for abi, _ in parts(kind))).map(lambda values: kind(*values))


def general_digest(domain: dict[str, Any], name: str, struct: list[tuple[str, str]], values: list[Any]) -> bytes:
    types = {name: [{"name": field, "type": abi} for abi, field in struct]}
    message = {
        field: f"0x{value.hex()}" if abi == "address" else value
        for (abi, field), value in zip(struct, values, strict=True)
    }
    return keccak(b"\x19\x01" + hash_domain(domain) + hash_eip712_message(types, message))


@pytest.mark.parametrize("kind", BOUND, ids=lambda kind: kind.__name__)
@given(data=st.data(), chain_id=CHAIN_IDS, contract=ADDRESSES)
@settings(max_examples=40, deadline=None)
def test_digests_are_those_of_eth_account(kind: Any, data: st.DataObject, chain_id: int, contract: bytes) -> None:
    message = data.draw(messages(kind))
    domain = {"name": kind.DOMAIN, "version": "1", "chainId": chain_id, "verifyingContract": f"0x{contract.hex()}"}
    values = [getattr(message, field.name) for field in fields(message)]
    assert message.digest(chain_id, contract) == general_digest(domain, kind.__name__, parts(kind), values)


@pytest.mark.parametrize("kind", BOUND, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_fields_that_do_not_fit_are_refused_by_name(kind: Any, data: st.DataObject) -> None:
    message = data.draw(messages(kind))
    for (abi, abi_name), field in zip(parts(kind), fields(message), strict=True):
        if abi.startswith("uint"):
            wrong: list[Any] = [-1, 2 ** int(abi.removeprefix("uint"))]
        else:
            length = 20 if abi == "address" else 32
            wrong = [b"", bytes(length - 1), bytes(length + 1)]
        for value in wrong:
            with pytest.raises(EncodingError, match=abi_name):
                replace(message, **{field.name: value}).digest(1, bytes(20))


@given(st.tuples(st.integers(0, 2**256 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1)))
@settings(max_examples=20, deadline=None)
def test_finality_is_unbound_to_an_agreement(values: tuple[int, bytes, int]) -> None:
    chain_id, genesis, number = values
    struct = [("uint256", "chainId"), ("bytes32", "genesisHash"), ("uint64", "number"), ("bytes32", "blockHash")]
    for word in ("Finality", "Witness"):
        general = general_digest({"name": f"Dure {word}", "version": "1"}, word, struct, [*values, genesis])
        assert Finality(chain_id, genesis, number, genesis).digest(word) == general


def test_finality_has_its_pinned_check_values() -> None:
    said = Finality(20251, b"\x11" * 32, 42, b"\x22" * 32)
    assert said.digest().hex() == "a216be021a30790fcea113749590fcde185aedb6f146e8762fb612ab8da92047"
    assert said.digest("Witness").hex() == "f48ea28de0a3ba64caed3ac2686fda76ad95ec7ce8fd6179e269d3d72ef1117d"
