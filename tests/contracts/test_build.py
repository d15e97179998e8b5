"""The artefacts equal what their sources compile to, byte for byte, and hold no code that a council would refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts import addresses, build, bytecode, client
from contracts.bytecode import BytecodeError
from contracts.errors import ArtefactError
from contracts.hashing import sha256
from tests.contracts.harness import World

PUSH1, PUSH2, JUMPDEST, STOP, RETURN, JUMP = "60", "61", "5b", "00", "f3", "56"


@pytest.mark.parametrize("source", build.sources(), ids=build.name_of)
def test_artefacts_are_what_their_sources_compile_to(source: Path) -> None:
    build.check_one(source)


def test_every_agreement_has_its_artefact_and_no_other() -> None:
    build.check_names()


@pytest.mark.parametrize("source", build.sources(), ids=build.name_of)
def test_artefacts_name_every_source_with_its_hash(source: Path) -> None:
    artefact = json.loads((build.ARTEFACTS / f"{build.name_of(source)}.json").read_text(encoding="utf-8"))
    root = build.HERE.parent
    assert f"contracts/{source.name}" in artefact["sources"]
    for path, digest in artefact["sources"].items():
        assert sha256((root / path).read_bytes()).hex() == digest
    assert artefact["compiler"] == {"name": "vyper", "version": "0.4.3", "settings": build.SETTINGS}


@pytest.mark.parametrize("fault", ["missing", "changed"])
def test_a_wrong_artefact_is_refused(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = build.HERE / "won.vy"
    text = (build.ARTEFACTS / "Won.json").read_text(encoding="utf-8")
    if fault == "changed":
        (tmp_path / "Won.json").write_text(text.replace("0x", "0x00", 1), encoding="utf-8")
    monkeypatch.setattr(build, "ARTEFACTS", tmp_path)
    with pytest.raises(ArtefactError, match=r"Won\.json"):
        build.check_one(source)


def test_the_command_line_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["--check", "won"]) == 0
    assert "equal" in capsys.readouterr().out


def test_the_command_line_names_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "ARTEFACTS", tmp_path)
    assert build.main(["--check", "won"]) == 3
    assert "CONTRACT-004" in capsys.readouterr().err
    with pytest.raises(ArtefactError, match="same agreements"):
        build.check_names()


# --- what a council looks at


@pytest.mark.parametrize("source", build.sources(), ids=build.name_of)
def test_our_own_code_may_be_approved(source: Path) -> None:
    agreement = client.artefact(build.name_of(source))
    assert bytecode.check_runtime(agreement.runtime) <= len(agreement.runtime)
    assert bytecode.check_runtime(agreement.initcode) <= len(agreement.initcode)
    assert len(agreement.runtime) <= 24_576
    assert len(agreement.initcode) <= 49_152


def test_deployed_code_with_its_immutables_may_be_approved(world: World) -> None:
    for name in ("Organisations", "Won", "Vouchers"):
        bytecode.check_runtime(world.state.get_code(addresses.BY_NAME[name]))


APPROVABLE = {
    "stop": (STOP, 1),
    "forbidden bytes inside a push": (PUSH2 + "f0ff" + STOP, 4),
    "forbidden bytes in data": (STOP + "f0f2f4f5ff", 1),
    "jumpdest inside a push": (PUSH1 + JUMPDEST + STOP, 3),
    "code with a loop and data": (JUMPDEST + PUSH1 + "00" + JUMP + "f0", 4),
    "push32 of forbidden bytes": ("7f" + "ff" * 32 + RETURN, 34),
}
REFUSED = {
    "empty": "",
    "create": "f0" + STOP,
    "create2": "f5" + STOP,
    "callcode": "f2" + STOP,
    "delegatecall": "f4" + STOP,
    "selfdestruct": "ff" + STOP,
    "create behind a push": PUSH1 + "00" + "f0" + STOP,
    "delegatecall behind a jumpdest behind a stop": STOP + JUMPDEST + "f4" + STOP,
    "create behind data that holds a jumpdest": STOP + "0102" + JUMPDEST + "f0",
    "forbidden opcode hidden behind a push that reaches over a jumpdest": STOP + PUSH1 + JUMPDEST + "ff" + STOP,
    "code that runs off its end": PUSH1 + "00",
    "code that falls into data": JUMPDEST + "01" + "02",
    "push cut short": PUSH2 + "00",
    "push32 cut short": "7f" + "00" * 31,
    "jumpdest as the last byte": STOP + JUMPDEST,
}


@pytest.mark.parametrize("case", APPROVABLE)
def test_approvable_code(case: str) -> None:
    code, end = APPROVABLE[case]
    assert bytecode.check_runtime(bytes.fromhex(code)) == end


@pytest.mark.parametrize("fault", REFUSED)
def test_code_that_no_council_may_approve(fault: str) -> None:
    with pytest.raises(BytecodeError):
        bytecode.check_runtime(bytes.fromhex(REFUSED[fault]))
