"""What a forger tries who mends every hash behind him; and what no ZIP library would have told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import pytest
import rfc8785

from contracts.messages import Finality
from contracts.signatures import address_of, sign
from ledger import trust as trust_file
from ledger.chain import blocks
from ledger.portable import contents
from ledger.portable.errors import (
    PortableBlockError,
    PortableContentError,
    PortableError,
    PortableFinalityError,
    PortableFormatError,
    PortableGenesisError,
    PortableManifestError,
    TrustFileError,
    TrustMismatchError,
)
from ledger.portable.writer import finality_line
from tests.ledger.chains import CHAIN_ID, key
from tests.ledger.portable.forging import check, enclosed_trust, entries_of, packed, short_ledger

Entries: TypeAlias = dict[str, bytes]
FORGER = key("forger")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return short_ledger(tmp_path_factory.mktemp("short"))


def split(chain: bytes) -> list[bytes]:
    """The blocks of a chain.rlp."""
    found = []
    while chain:
        size = 3 + int.from_bytes(chain[1:3], "big")
        assert chain[0] == 0xF9
        found.append(chain[:size])
        chain = chain[size:]
    return found


def genesis_hash(entries: Entries) -> bytes:
    return bytes.fromhex(json.loads(entries[contents.MANIFEST])["genesis_hash"][2:])


def with_blocks(entries: Entries, chain: list[bytes]) -> Entries:
    """Other blocks, each signed by the forger's key."""
    lines = []
    for raw in chain:
        block = blocks.decode(raw)
        signature = sign(Finality(CHAIN_ID, genesis_hash(entries), block.number, block.hash).digest(), FORGER)
        lines.append(finality_line(block.number, block.hash, signature) + b"\n")
    return entries | {contents.CHAIN: b"".join(chain), contents.FINALITY: b"".join(lines)}


def own_authority(entries: Entries) -> Entries:
    """The forger's own trust.json."""
    document = json.loads(entries[contents.TRUST])
    document["finality"][0]["authority"] = "0x" + address_of(FORGER).hex()
    return entries | {contents.TRUST: rfc8785.dumps(document)}


def resigned(entries: Entries) -> Entries:
    return with_blocks(entries, split(entries[contents.CHAIN]))


def swapped_transactions(entries: Entries) -> Entries:
    chain = split(entries[contents.CHAIN])
    second, third = blocks.decode(chain[1]), blocks.decode(chain[2])
    return entries | {
        contents.CHAIN: b"".join(
            [chain[0], blocks.build(second.header, third.transactions).raw, *chain[2:]],
        )
    }


def shortened(entries: Entries) -> Entries:
    chain = split(entries[contents.CHAIN])
    lines = entries[contents.FINALITY].splitlines(keepends=True)
    return entries | {contents.CHAIN: b"".join(chain[:-1]), contents.FINALITY: b"".join(lines[:-1])}


def swapped_lines(entries: Entries) -> Entries:
    lines = entries[contents.FINALITY].splitlines(keepends=True)
    return entries | {contents.FINALITY: b"".join([lines[1], lines[0], *lines[2:]])}


def blocks_in_disorder(entries: Entries) -> Entries:
    chain = split(entries[contents.CHAIN])
    return entries | {contents.CHAIN: b"".join([chain[1], chain[0], *chain[2:]])}


def richer_genesis(entries: Entries) -> Entries:
    document = json.loads(entries[contents.GENESIS])
    document["alloc"]["0x" + "ab" * 20] = {"balance": "0x1", "nonce": "0x0", "code": "0x", "storage": {}}
    return entries | {contents.GENESIS: rfc8785.dumps(document)}


def later_fork(entries: Entries) -> Entries:
    document = json.loads(entries[contents.GENESIS])
    document["config"]["pragueTime"] = 0
    return entries | {contents.GENESIS: rfc8785.dumps(document)}


def other_source(entries: Entries) -> Entries:
    name = next(name for name in entries if name.endswith("input.json"))
    return entries | {name: entries[name].replace(b"uint256", b"uint128", 1)}


def invented_leaves(entries: Entries) -> Entries:
    line = rfc8785.dumps({"at": [1, 0, 0], "leaves": []}) + b"\n"
    manifest = entries.pop(contents.MANIFEST)
    return entries | {"leaves/Fares.records.jsonl": line, contents.MANIFEST: manifest}


def extra_entry(entries: Entries) -> Entries:
    manifest = entries.pop(contents.MANIFEST)
    return entries | {"notes.txt": b"", contents.MANIFEST: manifest}


def without_readme(entries: Entries) -> Entries:
    entries.pop(contents.README)
    return entries


FORGERIES: list[tuple[Callable[[Entries], Entries], type[PortableError]]] = [
    (resigned, PortableFinalityError),
    (lambda entries: own_authority(resigned(entries)), TrustMismatchError),
    (swapped_transactions, PortableBlockError),
    (shortened, PortableManifestError),
    (swapped_lines, PortableFinalityError),
    (blocks_in_disorder, PortableBlockError),
    (richer_genesis, TrustMismatchError),
    (later_fork, PortableGenesisError),
    (other_source, PortableContentError),
    (invented_leaves, PortableError),
    (extra_entry, PortableFormatError),
    (without_readme, PortableFormatError),
]


@pytest.mark.parametrize(("forge", "error"), FORGERIES)
def test_a_forgery_is_refused_by_name(
    ledger: bytes, forge: Callable[[Entries], Entries], error: type[PortableError]
) -> None:
    with pytest.raises(error):
        check(packed(forge(entries_of(ledger))), enclosed_trust(ledger))


def test_a_forgers_own_trust_does_not_name_the_genesis(ledger: bytes) -> None:
    """Even who holds no trust file sees it: genesis carries the hash of its authority."""
    with pytest.raises(PortableGenesisError):
        check(packed(own_authority(resigned(entries_of(ledger)))), None)


def test_signatures_for_another_chain_do_not_count(ledger: bytes) -> None:
    """A staging chain's words, replayed."""
    entries = entries_of(ledger)
    lines = []
    for raw in split(entries[contents.CHAIN]):
        block = blocks.decode(raw)
        signature = sign(Finality(CHAIN_ID, bytes(32), block.number, block.hash).digest(), key("authority"))
        lines.append(finality_line(block.number, block.hash, signature) + b"\n")
    with pytest.raises(PortableFinalityError):
        check(packed(entries | {contents.FINALITY: b"".join(lines)}), enclosed_trust(ledger))


@pytest.mark.parametrize("place", ["before", "behind", "within"])
def test_bytes_that_belong_to_no_entry(ledger: bytes, place: str) -> None:
    directory = ledger.find(b"PK\1\2")
    changed = {
        "before": b"#!" + ledger,
        "behind": ledger + b"\0",
        "within": ledger[:directory] + b"\0" + ledger[directory:],
    }
    with pytest.raises(PortableFormatError):
        check(changed[place], enclosed_trust(ledger))


def test_another_chains_trust_file(ledger: bytes) -> None:
    document = json.loads(enclosed_trust(ledger).raw) | {"chain_id": 7}
    with pytest.raises(TrustMismatchError):
        check(ledger, trust_file.read(rfc8785.dumps(document)))


TRUST_FAULTS = [
    {"format": "dure-trust/2"}, {"chain_id": 0}, {"chain_id": "7"}, {"genesis_hash": "0x00"}, {"updates": [1]},
    {"finality": []}, {"finality": [{"kind": "poa"}]}, {"witness_threshold": 9}, {"witnesses": [1]}, {"contracts": 0},
    {"name": ""}, {"more": 1},
]  # fmt: skip


@pytest.mark.parametrize("fault", TRUST_FAULTS)
def test_an_unusable_trust_file_is_refused(ledger: bytes, fault: dict[str, object]) -> None:
    document = json.loads(enclosed_trust(ledger).raw)
    with pytest.raises(TrustFileError):
        trust_file.read(rfc8785.dumps(document | fault))


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"a":1.5}', b"[" * 100, b"\xff"])
def test_a_trust_file_of_any_bytes_is_refused(raw: bytes) -> None:
    with pytest.raises(TrustFileError):
        trust_file.read(raw)
