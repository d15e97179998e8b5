"""What can go wrong with a wallet.

WalletError                   WALLET-000
├── TapError                  WALLET-010  bytes that are no tap
│   ├── TapTooLongError       WALLET-011
│   ├── TapEncodingError      WALLET-012  not UTF-8, not JSON, not its canonical form
│   └── TapFieldError         WALLET-013  a key or value that a tap does not have
└── SignedTapError            WALLET-100  what a card shows, or a reader offers, does not hold
    ├── GuarantorError        WALLET-101  step 1: certificate by no guarantor
    ├── WindowError           WALLET-102  step 2: outside the card's days
    ├── OtherCardError        WALLET-103  step 3: another card's state
    ├── OperatorError         WALLET-104  step 4: reader certificate by no key of its operator
    ├── ReaderTermError       WALLET-105  step 5: reader certificate runs longer than seven days
    ├── ReaderExpiredError    WALLET-106  step 5: reader certificate not in force at the tap
    ├── ReaderSignatureError  WALLET-107  step 6
    ├── ContextError          WALLET-108  step 7: tap, salt, reader or predecessor are not the signed ones
    ├── TapMismatchError      WALLET-109  step 8: tap and state or certificates disagree
    ├── PlaceError            WALLET-110  step 9: tap made elsewhere than the reader's place
    └── CardSignatureError    WALLET-111  step 10
"""

from __future__ import annotations

from contracts.errors import DureError


class WalletError(DureError):
    """Something with a wallet is wrong."""

    code = "WALLET-000"


class TapError(WalletError):
    """These bytes are no tap."""

    code = "WALLET-010"
    do = "Keep the bytes as they came and ask the reader's operator for the tap again."
    ko = "태그 기록의 형식이 맞지 않습니다."
    exit_code = 2


class TapTooLongError(TapError):
    """A tap has more bytes than any tap can have."""

    code = "WALLET-011"


class TapEncodingError(TapError):
    """A tap is not UTF-8, not JSON, or not the canonical form of itself (RFC 8785)."""

    code = "WALLET-012"


class TapFieldError(TapError):
    """A tap lacks a key, has one too many, or a value of the wrong type or range."""

    code = "WALLET-013"


class SignedTapError(WalletError):
    """What a card shows, or a reader offers, does not hold."""

    code = "WALLET-100"
    do = "Tap again at another reader; if it is refused there too, ask the card's guarantor."
    ko = "교통카드 정보를 확인할 수 없습니다."


class GuarantorError(SignedTapError):
    """The card's certificate is signed by no guarantor in the directory."""

    code = "WALLET-101"
    ko = "보증 기관의 서명이 아닙니다."


class WindowError(SignedTapError):
    """The tap lies outside the days for which the card's certificate holds."""

    code = "WALLET-102"
    do = "Let the wallet fetch this month's card."
    ko = "카드의 유효 기간이 아닙니다."


class OtherCardError(SignedTapError):
    """The state is another card's."""

    code = "WALLET-103"
    ko = "다른 카드의 기록입니다."


class OperatorError(SignedTapError):
    """The reader's certificate is signed by no key of its operator."""

    code = "WALLET-104"
    ko = "운영 기관이 서명한 단말기가 아닙니다."


class ReaderTermError(SignedTapError):
    """The reader's certificate runs longer than one may, or ends before it begins."""

    code = "WALLET-105"
    ko = "단말기 인증서의 기간이 잘못되었습니다."


class ReaderExpiredError(SignedTapError):
    """The reader's certificate was not in force at the time of the tap."""

    code = "WALLET-106"
    ko = "단말기 인증서의 유효 기간이 아닙니다."


class ReaderSignatureError(SignedTapError):
    """The state is not signed by the reader that the certificate names."""

    code = "WALLET-107"
    ko = "단말기의 서명이 맞지 않습니다."


class ContextError(SignedTapError):
    """Reader, previous state, salt and tap are not those that the state was signed over."""

    code = "WALLET-108"
    ko = "서명된 태그 내용과 다릅니다."


class TapMismatchError(SignedTapError):
    """The tap says something else than the state or the certificates that go with it."""

    code = "WALLET-109"
    ko = "태그 내용과 서명된 금액 기록이 서로 다릅니다."


class PlaceError(SignedTapError):
    """The tap names another place than the reader's certificate."""

    code = "WALLET-110"
    ko = "단말기의 위치가 인증서와 다릅니다."


class CardSignatureError(SignedTapError):
    """The state is not signed by the card."""

    code = "WALLET-111"
    ko = "카드의 서명이 맞지 않습니다."
