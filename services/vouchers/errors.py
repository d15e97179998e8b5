"""What can go wrong with transport-welfare vouchers.

ServiceError
└── VoucherError                  VOUCHER-000
    ├── ProgrammeError            VOUCHER-101  no such programme, or a specification that contradicts itself
    ├── AmountError               VOUCHER-102  an amount that is negative or more than there is
    ├── ConservationError         VOUCHER-103  the parts of a lot do not add up to its grant
    ├── TransitionError           VOUCHER-201  a move that the state machine does not have
    │   └── GuardError            VOUCHER-202  a move whose condition does not hold
    ├── AttestationError          VOUCHER-301  an eligibility attestation that cannot be accepted
    │   └── AttestationExpiredError  VOUCHER-302
    ├── DuplicateError            VOUCHER-303  another programme of the group already serves this person
    ├── ApplicationError          VOUCHER-304  no such application, or one that is not in the right state
    ├── ClockError                VOUCHER-305  an objection or answer outside its time
    ├── GrantError                VOUCHER-401  the chain did not take a grant
    └── VoucherLimitError         VOUCHER-901  more than limits.py allows
"""

from __future__ import annotations

from services.errors import ServiceError


class VoucherError(ServiceError):
    """A voucher cannot be handled as asked."""

    code = "VOUCHER-000"


class ProgrammeError(VoucherError):
    """The programme does not exist, or its specification contradicts itself."""

    code = "VOUCHER-101"
    do = "Correct the programme; services/vouchers/data/programmes.json holds those that are known."
    ko = "바우처 사업 설정이 맞지 않습니다."
    exit_code = 2


class AmountError(VoucherError):
    """An amount is negative, or more than the lot or fund holds."""

    code = "VOUCHER-102"
    do = "Correct the amount; won are whole and not negative."
    ko = "금액이 맞지 않습니다."
    exit_code = 2


class ConservationError(VoucherError):
    """The parts of a lot do not add up to what was granted."""

    code = "VOUCHER-103"
    do = "Stop and compare the lot with its events on the chain; nothing was changed."
    ko = "바우처 합계가 지급액과 다릅니다."
    exit_code = 4


class TransitionError(VoucherError):
    """The state machine has no such move."""

    code = "VOUCHER-201"
    do = "Look at the present state; states.py lists every move there is."
    ko = "현재 상태에서 할 수 없는 처리입니다."


class GuardError(TransitionError):
    """The condition of the move does not hold."""

    code = "VOUCHER-202"
    do = "Meet the condition that the message names, then repeat."
    ko = "처리 조건이 충족되지 않았습니다."


class AttestationError(VoucherError):
    """The eligibility attestation cannot be accepted."""

    code = "VOUCHER-301"
    do = "Ask the issuer for a new attestation."
    ko = "자격 확인서를 받아들일 수 없습니다."


class AttestationExpiredError(AttestationError):
    """The eligibility attestation is outside its window."""

    code = "VOUCHER-302"
    ko = "자격 확인서의 유효 기간이 아닙니다."


class DuplicateError(VoucherError):
    """Another programme of the same exclusion group already serves this person in this period."""

    code = "VOUCHER-303"
    do = "End the other entitlement first, or object within 90 days."
    ko = "같은 기간에 중복되는 지원을 받고 있습니다."


class ApplicationError(VoucherError):
    """There is no such application, or it stands elsewhere."""

    code = "VOUCHER-304"
    do = "Check the number of the application."
    ko = "신청을 찾을 수 없거나 처리할 수 없는 상태입니다."


class ClockError(VoucherError):
    """The time for this step has passed, or has not come."""

    code = "VOUCHER-305"
    do = "See the dates in the message."
    ko = "처리 기한이 아닙니다."


class GrantError(VoucherError):
    """The chain did not take the grant."""

    code = "VOUCHER-401"
    do = "Look at the code of each word; the rest of the batch stands."
    ko = "바우처 지급이 원장에 기록되지 않았습니다."


class VoucherLimitError(VoucherError):
    """A bound of services/vouchers/limits.py is exceeded."""

    code = "VOUCHER-901"
    do = "Split the input; limits.py names each bound and its reason."
    ko = "한도를 넘었습니다."
    exit_code = 2
