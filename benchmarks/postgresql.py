"""A private PostgreSQL server with its default settings, fsync and synchronous_commit among them, on a temporary data folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from .measuring import DEADLINE_S, wait_until


class Server:
    """A server that answers at `address`, to which a database's name is still to be added; `pid` is its process."""

    def __init__(self, address: str, pid: int) -> None:
        self._address = address
        self.pid = pid

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database, dropped in the end."""
        name = f"benchmark_{uuid.uuid4().hex}"
        self._say(f'CREATE DATABASE "{name}"')
        try:
            yield f"{self._address}/{name}"
        finally:
            self._say(f'DROP DATABASE "{name}" WITH (FORCE)')

    def about(self) -> str:
        """Its version, and what a commit survives."""
        with self._connection() as connection:
            version, *flags = (
                connection.execute(f"SHOW {name}".encode()).fetchone() or ("?",)
                for name in ("server_version", "fsync", "synchronous_commit")
            )
        return f"PostgreSQL {version[0].split()[0]} (fsync {flags[0][0]}, synchronous_commit {flags[1][0]})"

    def _say(self, sql: str) -> None:
        with self._connection() as connection:
            connection.execute(sql.encode())

    def _connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(f"{self._address}/postgres", autocommit=True)


@contextmanager
def server() -> Iterator[Server]:
    """Start one, and stop it in the end."""
    found = shutil.which("initdb")
    installed = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        raise RuntimeError("PostgreSQL is not installed; `make bench` installs it.")
    initdb = installed[-1]
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-benchmark-postgresql-"))
    as_whom: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL}
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root.
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_whom |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data = str(folder / "data")
    options = ["-A", "trust", "-U", "jobdeck", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run([initdb, *options, data], check=True, **as_whom)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with open(folder / "log", "wb") as log:
        listen = ["-D", data, "-h", "127.0.0.1", "-p", port, "-k", ""]
        process = subprocess.Popen([initdb.with_name("postgres"), *listen], stderr=log, **as_whom)
    address = f"postgresql://jobdeck@127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _answers(address))
        if process.returncode is not None:
            raise RuntimeError(f"PostgreSQL does not start: {(folder / 'log').read_text()}")
        yield Server(address, process.pid)
    finally:
        # SIGINT is its fast shutdown, which does not wait for clients.
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(f"{address}/postgres", connect_timeout=2).close()
        return True
    return False
