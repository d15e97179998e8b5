"""What can go wrong in a bank that issues Won and guarantees cards.

ServiceError
└── BankError                     BANK-000
    ├── AccountError              BANK-101  no such rider's account
    ├── DepositError              BANK-102  the account holds less than is asked
    ├── CardOrderError            BANK-201  a card that cannot be ordered or certified
    ├── OwedError                 BANK-301  what the chain says is owed differs from the bank's own records
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
