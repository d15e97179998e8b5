#!/bin/sh
# Makes the virtual environment from the hashed lock, and installs the servers that tests start by themselves.
set -eu
"${PY}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Dure needs Python 3.11 or newer" >&2; exit 1; }
[ -x "${VENV}/bin/python" ] || "${PY}" -m venv "${VENV}"
"${VENV}/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"${VENV}/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
# A server that tests start by themselves; without root they name the line that installs it.
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
fi
