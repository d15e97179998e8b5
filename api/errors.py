"""What can go wrong at the faces: command line, HTTP, pages.

ApiError                 API-000
├── UsageError           API-001  an option or argument that does not exist or does not fit
├── InputFileError       API-002  a file that cannot be read
├── MissingPartError     API-003  something that Dure needs is not installed or not usable
└── InternalError        API-900  a fault in Dure itself
"""

from __future__ import annotations

from contracts.errors import DureError


class ApiError(DureError):
    """A face of Dure cannot do what was asked."""

    code = "API-000"


class UsageError(ApiError):
    """The command line is not one that Dure knows."""

    code = "API-001"
    do = "Look at `dure --help` or the command's own --help."
    ko = "명령을 이해하지 못했습니다."
    exit_code = 2


class InputFileError(ApiError):
    """The input cannot be read."""

    code = "API-002"
    do = "Check the file's name and its permissions, or give - for stdin."
    ko = "입력을 읽을 수 없습니다."
    exit_code = 2


class MissingPartError(ApiError):
    """Something that Dure needs is not there."""

    code = "API-003"
    do = "Run the line that `dure doctor` prints beside what is missing."
    ko = "필요한 구성 요소가 없습니다."
    exit_code = 3


class InternalError(ApiError):
    """A fault in Dure itself, not in what was asked."""

    code = "API-900"
    do = "Report it with the command; --debug shows where it happened."
    ko = "두레 내부 오류입니다."
