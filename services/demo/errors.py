"""What can go wrong with the demo's city.

ServiceError
└── DemoError                 DEMO-000
    ├── DemoLimitError        DEMO-001  more or fewer riders than the demo takes, an unusable seed
    ├── DemoDataError         DEMO-002  a table of services/demo/data that does not fit the others
    ├── DemoResumeError       DEMO-003  the directory holds another run, or none that can go on
    └── DemoCheckError        DEMO-004  a conservation check that does not hold
"""

from __future__ import annotations

from services.errors import ServiceError


class DemoError(ServiceError):
    """The demo's city cannot be made."""

    code = "DEMO-000"


class DemoLimitError(DemoError):
    """The demo takes another number of riders, or another seed."""

    code = "DEMO-001"
    do = "Give riders and seed within the bounds that the message names."
    ko = "탑승객 수나 시드가 범위를 벗어났습니다."
    exit_code = 2


class DemoDataError(DemoError):
    """A table of the demo does not fit the others."""

    code = "DEMO-002"
    do = "Make the tables again with scripts/derive_demo_data.py."
    ko = "시연 자료가 서로 맞지 않습니다."
    exit_code = 4


class DemoResumeError(DemoError):
    """The data directory holds something else than this run."""

    code = "DEMO-003"
    do = "Give the arguments that the run began with, or an empty directory with --data."
    ko = "데이터 디렉터리에 다른 실행이 있습니다."
    exit_code = 2


class DemoCheckError(DemoError):
    """A conservation check does not hold."""

    code = "DEMO-004"
    do = "Keep the data directory and report it: money must never differ by one won."
    ko = "보존 검사가 맞지 않습니다."
