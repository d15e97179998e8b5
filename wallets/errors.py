"""What can go wrong with a wallet.

WalletError                   WALLET-000
├── TapError                  WALLET-010  bytes that are no tap
│   ├── TapTooLongError       WALLET-011
│   ├── TapEncodingError      WALLET-012  not UTF-8, not JSON, not its canonical form
│   └── TapFieldError         WALLET-013  a key or value that a tap does not have
├── OfferError                WALLET-120  an offer that this card does not sign
│   ├── SequenceTaken         WALLET-121  another state was signed at this sequence number
│   ├── SequenceError         WALLET-122  not the next sequence number
│   ├── SumError              WALLET-123  cumWon is not the old sum and the charge
│   ├── OwnPartError          WALLET-124  own part falls, or rises above the charge
│   ├── DayStartError         WALLET-125  opening values of the day are not the sums before it
│   ├── ServiceDayError       WALLET-126  service day falls, or is not the journey's
│   ├── ChargeError           WALLET-127  above the wallet's maximum for one tap
│   ├── OfflineCapError       WALLET-128  above what the guarantor covers
│   └── ClockError            WALLET-129  the tap's time is not now
├── CardError                 WALLET-140  certificate, key or instance that do not belong together
│   └── InstancesSpent        WALLET-141
├── JournalError              WALLET-200
│   ├── JournalCorrupt        WALLET-201  (exit 4)
│   ├── JournalLocked         WALLET-202  (exit 3)
│   ├── JournalUnavailable    WALLET-203  (exit 3)
│   ├── NotDurable            WALLET-204
│   ├── BatchOpen             WALLET-205
│   └── SlotTaken             WALLET-206
├── SecretError               WALLET-300
│   ├── WordsError            WALLET-301  number of words, or one that is not in the list
│   ├── WordsChecksumError    WALLET-302
│   ├── PathError             WALLET-303
│   ├── AddressError          WALLET-304  EIP-55
│   ├── WrongPassword         WALLET-310
│   ├── KeystoreError         WALLET-311  (exit 2)
│   └── KeystoreExists        WALLET-312
├── CredentialSpent           WALLET-400  a credential already claimed for another card
├── StatementError            WALLET-500  a payment or consent that cannot be put into its sentence (statements.py)
│   ├── StatementEncodingError   WALLET-501  bytes that are no signed consent
│   ├── SentenceError            WALLET-502  sentences that are not those of their values
│   └── StatementSignatureError  WALLET-503  signed by another wallet than the one it names
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


class OfferError(WalletError):
    """The card does not sign this offer."""

    code = "WALLET-120"
    do = "Tap again; if it is refused again, use another gate and report the reader to its operator."
    ko = "단말기의 요청에 서명하지 않습니다."


class SequenceTaken(OfferError):
    """Another state was already signed at this sequence number."""

    code = "WALLET-121"
    ko = "이미 다른 금액에 서명한 순번입니다."


class SequenceError(OfferError):
    """The state is not the next of this card."""

    code = "WALLET-122"
    ko = "카드의 다음 순번이 아닙니다."


class SumError(OfferError):
    """The new sum is not the old one and the charge."""

    code = "WALLET-123"
    ko = "누적 금액이 맞지 않습니다."


class OwnPartError(OfferError):
    """The own part falls, or rises by more than the charge."""

    code = "WALLET-124"
    ko = "본인 부담 누적액이 맞지 않습니다."


class DayStartError(OfferError):
    """The day's opening values are not the sums before its first charge."""

    code = "WALLET-125"
    ko = "하루 시작 누적액이 맞지 않습니다."


class ServiceDayError(OfferError):
    """The service day falls, or is not that of the journey's first tap-on."""

    code = "WALLET-126"
    ko = "운행일이 맞지 않습니다."


class ChargeError(OfferError):
    """The charge is above the wallet's maximum for one tap."""

    code = "WALLET-127"
    ko = "1회 한도를 넘는 금액입니다."


class OfflineCapError(OfferError):
    """The sum is above what the card's guarantor covers."""

    code = "WALLET-128"
    do = "Top up; the wallet then fetches a new certificate."
    ko = "카드 한도를 넘습니다."


class ClockError(OfferError):
    """The tap's time is not the wallet's, or lies before the last tap."""

    code = "WALLET-129"
    do = "Set the phone's clock; if it is right, report the reader."
    ko = "태그 시각이 맞지 않습니다."


class CardError(WalletError):
    """Certificate, key and card do not belong together."""

    code = "WALLET-140"
    do = "Ask the guarantor for the card's certificate again."
    ko = "카드와 인증서가 맞지 않습니다."


class InstancesSpent(CardError):
    """All card instances of this month are used."""

    code = "WALLET-141"
    do = "Wait for next month's card, or ask the guarantor."
    ko = "이번 달 카드 발급 횟수를 모두 사용했습니다."


class JournalError(WalletError):
    """The wallet's journal cannot be used."""

    code = "WALLET-200"
    ko = "지갑 기록을 사용할 수 없습니다."


class JournalCorrupt(JournalError):
    """The wallet's journal was changed outside the wallet."""

    code = "WALLET-201"
    do = "Keep the file, make no copy of it active, and restore the wallet from its words: it gets a new card."
    ko = "지갑 기록이 손상되었습니다."
    exit_code = 4


class JournalLocked(JournalError):
    """The wallet's journal is open in another process."""

    code = "WALLET-202"
    do = "Close the other program."
    ko = "다른 프로그램이 지갑을 사용하고 있습니다."
    exit_code = 3


class JournalUnavailable(JournalError):
    """The wallet's journal cannot be written or read."""

    code = "WALLET-203"
    do = "Free disk space or correct the file's permissions."
    ko = "지갑 기록을 쓸 수 없습니다."
    exit_code = 3


class NotDurable(JournalError):
    """The signature is not on the disk yet."""

    code = "WALLET-204"
    do = "End the batch first."
    ko = "서명이 아직 저장되지 않았습니다."


class BatchOpen(JournalError):
    """A batch is open in this journal."""

    code = "WALLET-205"
    do = "End it first, or stage the offer inside it."
    ko = "진행 중인 묶음 저장이 있습니다."


class SlotTaken(JournalError):
    """An entry with this number stands in the journal already."""

    code = "WALLET-206"
    ko = "이미 기록된 번호입니다."


class SecretError(WalletError):
    """Something with the wallet's secrets is wrong."""

    code = "WALLET-300"
    ko = "지갑의 비밀 정보를 확인할 수 없습니다."
    exit_code = 2


class WordsError(SecretError):
    """These are no recovery words."""

    code = "WALLET-301"
    do = "Compare each word with the list you wrote down."
    ko = "복구 단어가 아닙니다."


class WordsChecksumError(SecretError):
    """Every word is in the list, but together they are no wallet's words."""

    code = "WALLET-302"
    do = "Compare order and spelling with the list you wrote down."
    ko = "복구 단어의 검사 합이 맞지 않습니다."


class PathError(SecretError):
    """This derivation path is none of a wallet's."""

    code = "WALLET-303"
    ko = "키 경로가 잘못되었습니다."


class AddressError(SecretError):
    """This is no address, or its checksum does not hold (EIP-55)."""

    code = "WALLET-304"
    do = "Copy the address again."
    ko = "주소가 올바르지 않습니다."


class WrongPassword(SecretError):
    """The password does not open the keystore."""

    code = "WALLET-310"
    do = "Try again, or restore from the words."
    ko = "비밀번호가 맞지 않습니다."
    exit_code = 1


class KeystoreError(SecretError):
    """This file is no keystore, or asks for more than limits.py allows."""

    code = "WALLET-311"
    do = "Restore the wallet from its words."
    ko = "지갑 파일의 형식이 맞지 않습니다."


class KeystoreExists(SecretError):
    """There is a keystore here already."""

    code = "WALLET-312"
    do = "Choose another file."
    ko = "이미 지갑 파일이 있습니다."
    exit_code = 1


class CredentialSpent(WalletError):
    """The credential was claimed for another card or amount already."""

    code = "WALLET-400"
    do = "Use the card of the first claim."
    ko = "이미 사용한 자격 증명입니다."
