"""A rider's objection to a tap, signed with the card's key: nobody else can open one (zeropay.md §7.1).

    FareDispute(…).sign(key, chain_id) → document(signature) → the clearing house: FareDispute.verified(document, …)

The wallet makes one by itself where a tap took more than the tariff says (money.md §2, wallets/card.py). Nothing of it
goes on the chain but, within the hash of a correction's body, its digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final

from contracts.addresses import FARES
from contracts.messages import ADDRESS_BYTES
from wallets.documents import HASH_BYTES, SENTENCES, DocumentStatement
from wallets.keys import to_text
from wallets.limits import MAX_CLAIMED_WON
from wallets.statements import Fields, StatementError, Value, clock_text

_UINT32: Final = (1 << 32) - 1


class DisputeCode(StrEnum):
    """What a dispute is about (zeropay.md §7.1)."""

    DOUBLE_TAP = "D01"
    WRONG_CLASS = "D02"
    MISSING_TAP_OFF = "D03"
    GATE_FAULT = "D04"
    NOT_MY_RIDE = "D05"
    REFUND_NOT_RECEIVED = "D06"
    VOUCHER_REFUSED = "D07"
    OPERATOR_SPLIT = "D08"


_NAMES: Final = {
    DisputeCode.DOUBLE_TAP: ("중복 태그", "tapped twice"),
    DisputeCode.WRONG_CLASS: ("요금 종류 오류", "wrong fare class"),
    DisputeCode.MISSING_TAP_OFF: ("하차 태그를 했는데 미태그 요금 부과", "charged for a missing tap-off though tapped"),
    DisputeCode.GATE_FAULT: ("단말기·개찰구 고장", "gate or reader fault"),
    DisputeCode.NOT_MY_RIDE: ("내가 타지 않음", "not my ride"),
    DisputeCode.REFUND_NOT_RECEIVED: ("더 낸 요금을 돌려받지 못함", "what was taken too much has not come back"),
    DisputeCode.VOUCHER_REFUSED: ("바우처가 잘못 거절됨", "voucher wrongly refused"),
}


@dataclass(frozen=True, slots=True)
class FareDispute(DocumentStatement):
    """A card's objection to one of its taps.

    seq, state: number and digest (32 bytes) of the disputed FareState · claimed_won: what is to come back ·
    opened_at: UTC epoch seconds by the wallet's clock; periods run from when the clearing house has it. A journey's
    charge is disputed by any of its taps, a missing tap-off (D03) by the tap-on that it belongs to. How operators split
    a fare (D08) changes no rider's: they object to a batch's credits instead (money.md §3).
    """

    DOMAIN: ClassVar[str] = "Dure Fares"
    AGREEMENT: ClassVar[bytes] = FARES
    KIND: ClassVar[str] = "FareDispute"
    FIELDS: ClassVar[Fields] = (
        ("card", "address"),
        ("seq", "uint32"),
        ("state", "bytes32"),
        ("code", "string"),
        ("claimedWon", "uint32"),
        ("openedAt", "uint32"),
        *SENTENCES,
    )

    card: bytes
    seq: int
    state: bytes
    code: DisputeCode
    claimed_won: int
    opened_at: int

    def __post_init__(self) -> None:
        """Raises StatementError for values that no rider's dispute has."""
        if len(self.card) != ADDRESS_BYTES or len(self.state) != HASH_BYTES:
            raise StatementError("a dispute names a card and the digest of one of its states")
        if not 1 <= self.seq <= _UINT32 or not 0 <= self.opened_at <= _UINT32:
            raise StatementError("a dispute names a tap's number and when it was opened")
        if self.code not in _NAMES:
            raise StatementError(f"{self.code[:3]} is no code that a rider disputes a tap by")
        if not 1 <= self.claimed_won <= MAX_CLAIMED_WON:
            raise StatementError(f"a dispute claims 1 to {MAX_CLAIMED_WON:,} won")

    @classmethod
    def verified(cls, document: bytes, chain_id: int) -> FareDispute:
        """The dispute in a document, all of it checked but whether there is such a tap.

        Raises StatementEncodingError, StatementError for values that no dispute has, SentenceError,
        StatementSignatureError for another key than the card's.
        """
        values, signature = cls.decode(document)
        try:
            code = DisputeCode(values["code"])
        except ValueError as error:
            raise StatementError("the document's code is none of D01 to D08") from error
        made = cls(
            card=values["card"],
            seq=values["seq"],
            state=values["state"],
            code=code,
            claimed_won=values["claimedWon"],
            opened_at=values["openedAt"],
        )
        made.check(values, signature, chain_id)
        return made

    @property
    def signer(self) -> bytes:
        """The card."""
        return self.card

    def facts(self) -> tuple[Value, ...]:
        """What is signed besides the sentences, in the order of FIELDS."""
        return self.card, self.seq, self.state, self.code.value, self.claimed_won, self.opened_at

    def sentence(self, language: str) -> str:
        """What the rider reads and signs, in "ko" or "en"."""
        korean, english = _NAMES[self.code]
        card, clock = to_text(self.card), clock_text(self.opened_at)
        if language == "ko":
            return (
                f"이의 제기 {self.code.value}({korean}): 교통카드 {card}의 {self.seq}번째 태그에서 낸 요금 가운데 "
                f"{self.claimed_won:,}원을 돌려주십시오. 제기 시각 {clock}."
            )
        return (
            f"Dispute {self.code.value} ({english}): of what tap {self.seq} of transit card {card} was charged, "
            f"{self.claimed_won:,} won is to come back to me. Opened {clock}."
        )
