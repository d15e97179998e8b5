#!/bin/sh
# Makes the virtual environment from the hashed lock. Called by make, which sets PY (an interpreter) and VENV (a folder).
set -eu
say() { echo "$@" >&2; }

"${PY}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Dure needs Python 3.11 or newer; name one with: make PY=python3.12 demo"
    exit 3
}
"${PY}" -c 'import ensurepip, venv' 2>/dev/null || {
    line="apt-get install -y python3-venv"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "Python's venv is missing. Install it, then run make again: ${line}"
        exit 3
    fi
    apt-get update -q && DEBIAN_FRONTEND=noninteractive ${line}
}
# A virtual environment that was moved or half made points elsewhere; it is made anew.
"${VENV}/bin/python" -c 'import pip' 2>/dev/null || { rm -rf "${VENV}"; "${PY}" -m venv "${VENV}"; }
say "Installing Python packages into ${VENV} (once, a minute or two)"
"${VENV}/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
# Setuptools warns of every editable installation at length.
PYTHONWARNINGS=ignore "${VENV}/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
