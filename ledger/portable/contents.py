"""What every portable ledger holds besides the chain: the readme and the contracts' sources (receipts.md §6).

Both are generated: a reader makes them anew and compares, so nobody is given other sources than those it pins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import rfc8785

from contracts.client import ARTEFACTS
from contracts.errors import ArtefactError
from contracts.hashing import sha256

README: Final = "README.txt"
GENESIS: Final = "genesis.json"
TRUST: Final = "trust.json"
CHAIN: Final = "chain.rlp"
FINALITY: Final = "finality.jsonl"
MANIFEST: Final = "manifest.json"
CONTRACTS: Final = "contracts/"
LEAVES: Final = "leaves/"
FORMAT: Final = "dure-ledger/1"
_ROOT: Final = ARTEFACTS.parents[1]

_README: Final = """Dure: the whole ledger of one chain, as one file

Chain {chain_id}, genesis 0x{genesis}

genesis.json      the beginning, as geth takes it:  geth --datadir D --state.scheme hash init genesis.json
chain.rlp         every later block, as geth takes it:  geth --datadir D import --gcmode archive chain.rlp
finality.jsonl    who said that each block is final, a line a block
contracts/        what the agreements were compiled from, and with what
leaves/           what lies under the roots that the chain keeps; a hash where it is withheld
trust.json        whom the maker of this file trusts: compare it with the trust file that you hold, do not take it
manifest.json     length and SHA-256 of every other entry

geth's exit code is no proof. Compare the hash of its last block with "head" in manifest.json.
The file is a plain ZIP without compression. Check it with:  dure import FILE --trust YOUR-TRUST-FILE
"""


def readme(chain_id: int, genesis_hash: bytes) -> bytes:
    """README.txt."""
    return _README.format(chain_id=chain_id, genesis=genesis_hash.hex()).encode()


def contract_entries(genesis: Mapping[str, Any], contracts: list[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of the entries of contracts/, for those agreements of genesis whose code is the pinned artefact's.

    `genesis` is geth's file, `contracts` the list of the trust file. Raises ArtefactError where a source that was
    shipped is not the one that the artefact names.
    """
    for contract in contracts:
        path = ARTEFACTS / f"{contract['name']}.json"
        account = genesis["alloc"].get(contract["address"])
        if account is None or not path.is_file():
            continue
        artefact = json.loads(path.read_text("utf-8"))
        # Immutable values stand behind the code as compiled.
        if not account["code"].startswith(artefact["runtime"]):
            continue
        folder = f"{CONTRACTS}{contract['name']}-{contract['address']}/"
        for name, content in _files(contract["name"]):
            yield folder + name, content


@cache
def _files(name: str) -> tuple[tuple[str, bytes], ...]:
    artefact = json.loads((ARTEFACTS / f"{name}.json").read_text("utf-8"))
    compiler = artefact["compiler"]
    # What stands between the versions of the compiler's own pages: these are the words of its standard JSON.
    settings = {
        "evmVersion": compiler["settings"]["evm_version"],
        "optimize": compiler["settings"]["optimize"],
        "experimentalCodegen": compiler["settings"]["experimental_codegen"],
        "outputSelection": {f"contracts/{name.lower()}.vy": ["abi", "evm.bytecode", "evm.deployedBytecode"]},
        "search_paths": ["contracts"],
    }
    given = {path: {"content": _source(path, digest)} for path, digest in artefact["sources"].items()}
    compiled_with = f"{compiler['name']} {compiler['version']}, without the metadata behind the bytecode\n"
    return (
        ("abi.json", rfc8785.dumps(artefact["abi"])),
        ("compiler.txt", compiled_with.encode()),
        ("input.json", rfc8785.dumps({"language": "Vyper", "sources": given, "settings": settings})),
    )


def _source(path: str, digest: str) -> str:
    raw = Path(_ROOT, path).read_bytes()
    if sha256(raw).hex() != digest:
        raise ArtefactError(f"{path} is not the source that the artefact was compiled from")
    return raw.decode("utf-8")
