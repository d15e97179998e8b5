"""Who may transact: the Organisations agreement's word at the parent state (money.md §6). Part of validity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from contracts.addresses import ORGANISATIONS
from contracts.codes import Admission
from contracts.hashing import keccak
from ledger.chain.transactions import Transaction
from ledger.errors import AdmissionError, CallFailed, CallReverted
from ledger.limits import MAX_ADMISSION_CACHE

# One view call at the state in question: (called account, call data) -> returned bytes.
View: TypeAlias = Callable[[bytes, bytes], bytes]

_WORD: Final = 32
_ADMIT: Final = keccak(b"admit(address,address,bytes32)")[:4]
_STANDING: Final = keccak(b"standing(address)")[:4]
_ORGANISATION_MASK: Final = 0xFFFF
_REASONS: Final[dict[int, str]] = {
    Admission.SENDER: "the sender is no active key of an active organisation",
    Admission.RECEIVER: "the receiver is no agreement in force",
    Admission.CODE: "the council has not approved this code",
}


class Gate:
    """Admission at one state: asks the agreement once for each question, and remembers the answer.

    `open_to_all` is for chains whose genesis holds no Organisations (test networks).
    """

    def __init__(self, view: View, *, open_to_all: bool = False) -> None:
        self._view = view
        self._open = open_to_all
        self._verdicts: dict[tuple[bytes, bytes, bytes], int] = {}
        self._organisations: dict[bytes, int] = {}

    def check(self, transaction: Transaction) -> None:
        """Raises AdmissionError unless Organisations.admit returns 0 for the transaction at this state."""
        if self._open:
            return
        question = (transaction.sender, transaction.to, transaction.initcode_hash)
        verdict = self._verdicts.get(question)
        if verdict is None:
            if len(self._verdicts) >= MAX_ADMISSION_CACHE:
                self._verdicts.clear()
            verdict = self._verdicts[question] = self._ask(*question)
        if verdict:
            receiver = f"0x{transaction.to.hex()}" if transaction.to else "a new contract"
            reason = _REASONS.get(verdict, f"refused with code {verdict}")
            raise AdmissionError(f"from 0x{transaction.sender.hex()} to {receiver}: {reason}")

    def organisation_of(self, sender: bytes) -> int:
        """The id of the active organisation whose key `sender` is; 0 for nobody's."""
        if self._open:
            return 0
        known = self._organisations.get(sender)
        if known is None:
            standing = self._number(_STANDING + sender.rjust(_WORD, b"\0"))
            known = self._organisations[sender] = standing & _ORGANISATION_MASK
        return known

    def _ask(self, sender: bytes, to: bytes, initcode_hash: bytes) -> int:
        data = _ADMIT + sender.rjust(_WORD, b"\0") + to.rjust(_WORD, b"\0") + initcode_hash
        return self._number(data)

    def _number(self, data: bytes) -> int:
        try:
            answer = self._view(ORGANISATIONS, data)
        except (CallReverted, CallFailed) as error:
            raise AdmissionError(f"Organisations gives no answer: {error.what}") from error
        if len(answer) != _WORD:
            raise AdmissionError("Organisations gives no answer")
        return int.from_bytes(answer, "big")
