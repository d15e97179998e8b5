"""What can go wrong between Python and the agreements.

    DureError                     every error of Dure that a person may meet
    └── ContractsError            CONTRACT-000
        ├── SignatureError        CONTRACT-001  a signature that does not hold
        ├── LimitError            CONTRACT-002  more than limits.py allows
        ├── EncodingError         CONTRACT-003  a value that does not fit its field
        ├── ArtefactError         CONTRACT-004  a checked-in artefact that is missing or differs
        ├── ProofError            CONTRACT-005  a Merkle path that leads elsewhere (merkle.py)
        ├── Reverted              CONTRACT-006  what a twin refuses (twins/base.py)
        └── BytecodeError         CONTRACT-007  code that no council may approve (bytecode.py)

Every package's tree hangs from DureError. A class states its stable `code`, what to do (`do`), and a Korean
sentence (`ko`); the instance says what happened.
"""

from __future__ import annotations

from typing import ClassVar


class DureError(Exception):
    """An error that a person may read: stable code, what happened, what to do (interfaces.md §1).

    `exit_code` is what the command line answers: 1 refused, 2 unusable input, 3 something is missing, 4 corruption.
    """

    code: ClassVar[str] = "DURE-000"
    do: ClassVar[str] = "Report this with the file or command that caused it."
    ko: ClassVar[str] = "처리하지 못했습니다."
    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why or (type(self).__doc__ or "").strip().splitlines()[0]


class ContractsError(DureError):
    """Something between Python and the agreements is wrong."""

    code = "CONTRACT-000"


class SignatureError(ContractsError):
    """The signature does not hold."""

    code = "CONTRACT-001"
    do = "Sign again with the key that the message names."
    ko = "서명이 맞지 않습니다."


class LimitError(ContractsError):
    """A bound of limits.py is exceeded."""

    code = "CONTRACT-002"
    do = "Split the input; limits.py names each bound and its reason."
    ko = "한도를 넘었습니다."
    exit_code = 2


class EncodingError(ContractsError):
    """A value does not fit the field it is for."""

    code = "CONTRACT-003"
    do = "Correct the value; the message names the field and its range."
    ko = "값이 형식에 맞지 않습니다."
    exit_code = 2


class ArtefactError(ContractsError):
    """A checked-in contract artefact is missing or differs from its source."""

    code = "CONTRACT-004"
    do = "Run `python -m contracts.build` and look at the difference before committing it."
    ko = "계약 산출물이 원본과 다릅니다."
    exit_code = 3
