"""What can go wrong in a bank that issues Won and guarantees cards.

ServiceError
└── BankError                     BANK-000
    ├── AccountError              BANK-101  no such rider's account
    ├── DepositError              BANK-102  the account holds less than is asked
    ├── CardOrderError            BANK-201  a card that cannot be ordered or certified
    ├── OwedError                 BANK-301  what the chain says is owed differs from the bank's own records
    ├── ConsentError              BANK-310  a consent to debits that the bank cannot act on
    │   ├── NoConsentError        BANK-311  none is in force
    │   ├── OtherBankError        BANK-312  given to another organisation
    │   ├── OtherWalletError      BANK-313  signed by another wallet than the rider's
    │   ├── CommitmentError       BANK-314  for another account
    │   ├── ConsentOverError      BANK-315  its days are over
    │   ├── ConsentWithdrawnError BANK-316  withdrawn before, and not to be given again
    │   ├── UnknownConsentError   BANK-317  a withdrawal of what was not given here
    │   └── DebitError            BANK-318  a debit that no consent allows
    ├── SupplyError               BANK-401  supply of Won and deposits of the banks differ
    ├── BooksError                BANK-402  the bank's own books differ from what the chain says it issued
    └── BankLimitError            BANK-901  more than limits.py allows
"""

from __future__ import annotations

from services.errors import ServiceError


class BankError(ServiceError):
    """The bank cannot do what was asked."""

    code = "BANK-000"


class AccountError(BankError):
    """There is no such rider's account."""

    code = "BANK-101"
    do = "Open the account first."
    ko = "계좌가 없습니다."
    exit_code = 2


class DepositError(BankError):
    """The account holds less than is asked."""

    code = "BANK-102"
    do = "Pay into the account, or ask for less."
    ko = "계좌 잔액이 부족합니다."


class MintCapError(BankError):
    """The bank may not mint so much today with one key."""

    code = "BANK-103"
    do = "Let the bank's second key mint too, or ask the council for a higher cap."
    ko = "은행의 하루 발행 한도를 넘었습니다."


class CardOrderError(BankError):
    """The card cannot be ordered or certified."""

    code = "BANK-201"
    do = "Order a new card key; a card is enrolled once, by one bank."
    ko = "카드를 등록할 수 없습니다."


class OwedError(BankError):
    """What the chain says is owed differs from the bank's own records."""

    code = "BANK-301"
    do = "Read the settled batches again; nothing was collected."
    ko = "원장의 보증 채무가 은행 기록과 다릅니다."
    exit_code = 4


class ConsentError(BankError):
    """The bank cannot act on this consent to debits."""

    code = "BANK-310"
    ko = "출금 동의를 처리할 수 없습니다."


class NoConsentError(ConsentError):
    """No consent to debits is in force for the rider."""

    code = "BANK-311"
    do = "Let the rider's wallet sign a consent for these service days, or order a card without a cap."
    ko = "유효한 출금 동의가 없습니다."


class OtherBankError(ConsentError):
    """The consent is given to another organisation."""

    code = "BANK-312"
    do = "Bring it to the bank that it names."
    ko = "다른 기관에 한 동의입니다."


class OtherWalletError(ConsentError):
    """The consent is not the word of the rider's registered wallet."""

    code = "BANK-313"
    do = "Sign with the registered wallet; a new one is registered in person."
    ko = "등록된 지갑의 서명이 아닙니다."


class CommitmentError(ConsentError):
    """The consent is for another account."""

    code = "BANK-314"
    do = "Make the consent again with this account's number and send the salt that was used."
    ko = "다른 계좌에 대한 동의입니다."


class ConsentOverError(ConsentError):
    """The days of the consent are over."""

    code = "BANK-315"
    do = "Let the wallet sign a consent for days to come."
    ko = "기간이 지난 동의입니다."


class ConsentWithdrawnError(ConsentError):
    """The consent was withdrawn."""

    code = "BANK-316"
    do = "Let the wallet sign a new one; a withdrawn consent does not come back."
    ko = "철회된 동의입니다."


class UnknownConsentError(ConsentError):
    """No such consent was given to this bank."""

    code = "BANK-317"
    do = "Look the consent up in the wallet; the withdrawal names the digest of what was signed."
    ko = "이 은행에 한 동의가 아닙니다."


class DebitError(ConsentError):
    """A debit was booked that no consent allows."""

    code = "BANK-318"
    do = "Pay the debit back to the rider; then find out how it was booked."
    ko = "동의 없는 출금이 있습니다."
    exit_code = 4


class SupplyError(BankError):
    """The supply of Won differs from the deposits behind it."""

    code = "BANK-401"
    do = "Stop minting; compare the banks' entries with the events Minted and Burned."
    ko = "발행액과 예치금이 다릅니다."
    exit_code = 4


class BooksError(BankError):
    """The bank's books differ from what the chain says it issued."""

    code = "BANK-402"
    do = "Compare the bank's entries with the events Minted and Burned of this bank."
    ko = "은행 장부가 원장의 발행액과 다릅니다."
    exit_code = 4


class BankLimitError(BankError):
    """A bound of services/bank/limits.py is exceeded."""

    code = "BANK-901"
    do = "Split the input; limits.py names each bound and its reason."
    ko = "한도를 넘었습니다."
    exit_code = 2
