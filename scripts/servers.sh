#!/bin/sh
# Installs the server that tests start by themselves, where it is absent: Debian's PostgreSQL. Nothing is left running.
set -eu
LINE="apt-get install -y --no-install-recommends postgresql"

present() { command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }

present && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need PostgreSQL. Install it, then run make again: ${LINE}" >&2
    exit 3
fi
# Debian would start a server of its own, which nothing here uses.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
apt-get update -q
DEBIAN_FRONTEND=noninteractive ${LINE}
present || { echo "PostgreSQL was installed but initdb is not to be found" >&2; exit 3; }
