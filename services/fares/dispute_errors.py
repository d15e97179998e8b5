"""What can go wrong with a dispute. A document that is none, or that another key signed, fails with the WALLET-50x of
wallets/statements.py.

    FareError                      FARE-000
    └── DisputeError               FARE-500
        ├── UnknownTapError        FARE-501  the card has no such tap
        ├── DisputeTimeError       FARE-502  later than a year after the tap, before it, or from the future
        ├── ClaimError             FARE-503  more than what is disputed had charged
        ├── DisputedTwiceError     FARE-504  the tap was disputed by this code before, in other words
        ├── TooManyDisputesError   FARE-505  the card has as many open as one may have
        ├── UnknownDisputeError    FARE-510  nobody opened it
        ├── DisputeMoveError       FARE-511  what cannot follow on the dispute's state
        ├── EvidenceLateError      FARE-512  evidence after its five business days
        ├── EvidenceError          FARE-513  evidence that is empty, too long, or that no key of the operator signed
        ├── NotConcernedError      FARE-514  an organisation that carried no part of the journey
        ├── EvidenceTwiceError     FARE-515  other evidence than the organisation gave before
        └── CauseError             FARE-516  an answer without its reason
"""

from __future__ import annotations

from services.fares.errors import FareError


class DisputeError(FareError):
    """A dispute cannot be opened, or cannot go on like this."""

    code = "FARE-500"
    do = "See the message; what was decided before stands."
    ko = "이의 제기를 처리할 수 없습니다."


class UnknownTapError(DisputeError):
    """The clearing house has no such tap of this card."""

    code = "FARE-501"
    do = "Send it again once the reader has uploaded the tap, within three days as a rule; a year is open for it."
    ko = "이 카드에 그런 태그 기록이 없습니다."


class DisputeTimeError(DisputeError):
    """The dispute comes more than a year after the tap, names a time before it, or comes from the future."""

    code = "FARE-502"
    do = "Set the phone's clock; more than a year after the tap nothing can be disputed here any more."
    ko = "이의 제기 기간(1년)이 아니거나 시각이 맞지 않습니다."


class ClaimError(DisputeError):
    """The claim is higher than what was charged."""

    code = "FARE-503"
    do = "Claim at most what the message names."
    ko = "청구한 금액이 실제로 낸 금액보다 많습니다."


class DisputedTwiceError(DisputeError):
    """The tap was disputed by this code before, in another message."""

    code = "FARE-504"
    do = "Wait for the answer to the first one; what was answered is not opened again."
    ko = "이미 이의를 제기한 이용 내역입니다."


class TooManyDisputesError(DisputeError):
    """The card has as many open disputes as one card may have."""

    code = "FARE-505"
    do = "Send it again when one of them is answered, after two weeks at the latest."
    ko = "처리 중인 이의 제기가 너무 많습니다."


class UnknownDisputeError(DisputeError):
    """Nobody opened this dispute."""

    code = "FARE-510"
    do = "Compare the digest with the signed document's."
    ko = "그런 이의 제기가 없습니다."


class DisputeMoveError(DisputeError):
    """This cannot follow on what the dispute has come to."""

    code = "FARE-511"
    do = "See the dispute's state; an answer is final."
    ko = "지금 상태에서는 할 수 없는 처리입니다."


class EvidenceLateError(DisputeError):
    """The five business days for evidence are over."""

    code = "FARE-512"
    do = "None is taken any more; what the dispute comes to without it stands."
    ko = "소명 기한(5영업일)이 지났습니다."


class EvidenceError(DisputeError):
    """The evidence is empty, too long, or not signed with a key of the operator."""

    code = "FARE-513"
    do = "Sign the document with a key that may sign the operator's readers."
    ko = "소명 자료의 형식이나 서명이 맞지 않습니다."


class NotConcernedError(DisputeError):
    """The organisation carried no part of the journey."""

    code = "FARE-514"
    do = "Evidence is the disputed journey's operators' to give."
    ko = "이 이용 내역의 운송사가 아닙니다."


class EvidenceTwiceError(DisputeError):
    """The organisation gave other evidence before."""

    code = "FARE-515"
    do = "Put everything into one document; the first one counts."
    ko = "이미 소명 자료를 제출했습니다."


class CauseError(DisputeError):
    """An answer names its cause, in printable text (Electronic Financial Transactions Act art. 8)."""

    code = "FARE-516"
    do = "Say in a sentence or two why."
    ko = "결과의 이유를 적어 주세요."
    exit_code = 2
