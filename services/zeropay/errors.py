"""What can go wrong in payments between riders, banks, merchants and operators.

ServiceError
└── ZeropayError                  ZEROPAY-000
    ├── UnbalancedError           ZEROPAY-101  an entry whose lines do not add up to 0
    ├── WonError                  ZEROPAY-102  an amount that is negative or more than there is
    ├── FeeError                  ZEROPAY-103  no such tier of merchant fees
    ├── SplitError                ZEROPAY-105  shares of operators that differ from what was paid
    └── PayoutError               ZEROPAY-201  an operator cannot be paid out
"""

from __future__ import annotations

from services.errors import ServiceError


class ZeropayError(ServiceError):
    """A payment cannot be handled as asked."""

    code = "ZEROPAY-000"


class UnbalancedError(ZeropayError):
    """The lines of an entry do not add up to 0."""

    code = "ZEROPAY-101"
    do = "Stop; nothing was booked. Compare the entry with what caused it."
    ko = "차변과 대변이 일치하지 않습니다."
    exit_code = 4


class WonError(ZeropayError):
    """An amount is negative, or more than there is."""

    code = "ZEROPAY-102"
    do = "Correct the amount; won are whole and not negative."
    ko = "금액이 맞지 않습니다."
    exit_code = 2


class FeeError(ZeropayError):
    """There is no such tier of merchant fees."""

    code = "ZEROPAY-103"
    do = "Use a tier of services/zeropay/rules.py."
    ko = "수수료 구간이 없습니다."
    exit_code = 2


class SplitError(ZeropayError):
    """The operators' shares differ from what was paid."""

    code = "ZEROPAY-105"
    do = "Price the journey again; nothing was booked."
    ko = "운송사 배분액이 지불액과 다릅니다."
    exit_code = 4


class PayoutError(ZeropayError):
    """The operator cannot be paid out."""

    code = "ZEROPAY-201"
    do = "See the reason; the amount stays payable on the chain."
    ko = "운송사에 지급하지 못했습니다."
