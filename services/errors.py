"""The root of the services' errors; each service's tree hangs from it in its own errors.py.

ServiceError                  SERVICE-000
"""

from __future__ import annotations

from contracts.errors import DureError


class ServiceError(DureError):
    """A city service cannot do what was asked."""

    code = "SERVICE-000"
