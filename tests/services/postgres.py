"""A real PostgreSQL for tests: Debian's server, started on loopback in a temporary directory, ended by its own pid."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

_INSTALL = "apt-get install -y postgresql"
_USER = "postgres"


class PostgresMissingError(RuntimeError):
    """PostgreSQL is not installed."""


def _program(name: str) -> str:
    found = shutil.which(name)
    if found:
        return found
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not installed:
        raise PostgresMissingError(f"{name} is not installed: {_INSTALL}")
    return str(installed[-1])


def _identity() -> tuple[int | None, int | None]:
    """The server refuses to run as root, so root hands it to Debian's own user."""
    if os.geteuid() != 0:
        return None, None
    entry = pwd.getpwnam(_USER)
    return entry.pw_uid, entry.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    select = f"host=127.0.0.1 port={port} user={_USER} dbname=postgres connect_timeout=1"
    for _ in range(600):
        try:
            psycopg.connect(select).close()
            return
        except psycopg.OperationalError:
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError("the server ended before it answered") from None
    raise RuntimeError("the server did not answer within a minute")


@contextmanager
def postgres() -> Iterator[str]:
    """The server's address for SQLAlchemy, with the database `postgres`; the server ends with the block."""
    uid, gid = _identity()
    initdb, server = _program("initdb"), _program("postgres")
    with tempfile.TemporaryDirectory(prefix="dure-postgres-") as directory:
        os.chmod(directory, 0o755)  # noqa: S103  (the server's user must pass through)
        data = Path(directory) / "data"
        data.mkdir(mode=0o700)
        if uid is not None and gid is not None:
            os.chown(data, uid, gid)
        as_user = {"user": uid, "group": gid, "extra_groups": []} if uid is not None else {}
        subprocess.run(
            [initdb, "-D", str(data), "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=data,
            **as_user,
        )
        port = _free_port()
        process = subprocess.Popen(
            [server, "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", ""],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=data,
            **as_user,
        )
        try:
            _wait(process, port)
            yield f"postgresql+psycopg://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGQUIT)  # immediate shutdown: no checkpoint for what is deleted next
            process.wait(30)
