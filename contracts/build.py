"""Compiles the agreements and checks the artefacts that stand beside them.

    python -m contracts.build            writes contracts/artefacts/*.json
    python -m contracts.build --check    compares them byte for byte, exit code 3 where they differ

An artefact is what a person needs to repeat the compilation: ABI, initcode, runtime code as compiled, compiler with
its settings, SHA-256 of every source that went in. It stands in the repository, so running Dure needs no compiler.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import vyper
from vyper.compiler import CompilerData
from vyper.compiler.input_bundle import FileInput, FilesystemInputBundle
from vyper.compiler.output import build_abi_output
from vyper.compiler.settings import OptimizationLevel, Settings

from contracts.errors import ArtefactError
from contracts.hashing import sha256

HERE: Final = Path(__file__).parent
ARTEFACTS: Final = HERE / "artefacts"
VYPER: Final = "0.4.3"
EVM: Final = "cancun"
# Venom, the compiler's newer pipeline, fails on Fares and miscompiled a loop of it (3 won paid instead of 100).
SETTINGS: Final = {"optimize": "gas", "evm_version": EVM, "experimental_codegen": False}

Artefact: TypeAlias = dict[str, object]


def sources() -> list[Path]:
    """Every agreement: contracts/*.vy, by name."""
    return sorted(HERE.glob("*.vy"))


def name_of(source: Path) -> str:
    """The agreement's name: `fares.vy` is Fares."""
    return "".join(part.capitalize() for part in source.stem.split("_"))


def compile_source(source: Path, libraries: Sequence[Path] = ()) -> Artefact:
    """Compiles one agreement; raises ArtefactError for another compiler, and Vyper's own errors for the source.

    Imports are looked for beside the source, in contracts/ and in `libraries`.
    """
    if vyper.__version__.split("+")[0] != VYPER:
        raise ArtefactError(f"the artefacts are made by Vyper {VYPER}, installed is {vyper.__version__}")
    settings = Settings(optimize=OptimizationLevel.GAS, evm_version=EVM, experimental_codegen=False)
    bundle = FilesystemInputBundle([*libraries, HERE])
    with bundle.search_path(source.parent):
        loaded = bundle.load_file(source.name)
        if not isinstance(loaded, FileInput):
            raise ArtefactError(f"{source.name} is no source file")
        # Relative paths only: an artefact must not depend on where the repository stands.
        data = CompilerData(loaded, input_bundle=bundle, settings=settings, no_bytecode_metadata=True)
        return {
            "name": name_of(source),
            "abi": build_abi_output(data),
            "initcode": "0x" + data.bytecode.hex(),
            "runtime": "0x" + data.bytecode_runtime.hex(),
            "compiler": {"name": "vyper", "version": VYPER, "settings": SETTINGS},
            "sources": _source_hashes(data),
        }


def _source_hashes(data: CompilerData) -> dict[str, str]:
    inputs = [data.file_input, *_imports(data)]
    paths = {Path(item.resolved_path).resolve() for item in inputs}
    return {
        path.relative_to(HERE.parent.resolve()).as_posix(): sha256(path.read_bytes()).hex()
        for path in sorted(paths)
        if path.is_relative_to(HERE.resolve())
    }


def _imports(data: CompilerData) -> list[FileInput]:
    return [item for item in data.resolved_imports.compiler_inputs if isinstance(item, FileInput)]


def serialise(artefact: Artefact) -> str:
    """The artefact's text: sorted keys, two spaces, final newline."""
    return json.dumps(artefact, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(chosen: Sequence[Path]) -> list[Path]:
    """Compiles and writes; returns the files written."""
    ARTEFACTS.mkdir(exist_ok=True)
    written = []
    for source in chosen:
        path = ARTEFACTS / f"{name_of(source)}.json"
        path.write_text(serialise(compile_source(source)), encoding="utf-8")
        written.append(path)
    return written


def check_one(source: Path) -> None:
    """Recompiles and compares byte for byte; raises ArtefactError where the artefact is missing or differs."""
    path = ARTEFACTS / f"{name_of(source)}.json"
    if not path.exists():
        raise ArtefactError(f"{path.name} is missing")
    if path.read_text(encoding="utf-8") != serialise(compile_source(source)):
        raise ArtefactError(f"{path.name} differs from what {source.name} compiles to")


def check_names() -> None:
    """Raises ArtefactError unless every source has its artefact and every artefact its source."""
    if {name_of(source) for source in sources()} != {path.stem for path in ARTEFACTS.glob("*.json")}:
        raise ArtefactError("artefacts/ and the sources do not name the same agreements")


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry of `python -m contracts.build`."""
    parser = argparse.ArgumentParser(prog="python -m contracts.build", description="Compiles the agreements.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="agreements to compile, e.g. fares (default: all)")
    parser.add_argument("--check", action="store_true", help="compare instead of write")
    options = parser.parse_args(arguments)
    chosen = [source for source in sources() if not options.names or source.stem in options.names]
    if options.check:
        try:
            for source in chosen:
                check_one(source)
            check_names()
        except ArtefactError as error:
            sys.stderr.write(f"{error.code} {error.what}. {error.do}\n")
            return error.exit_code
        sys.stdout.write(f"{len(chosen)} artefacts equal their sources\n")
        return 0
    for path in write(chosen):
        sys.stdout.write(f"{path.name}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
