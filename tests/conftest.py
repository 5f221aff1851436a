"""A private PostgreSQL server for the session, and the fixture that gives a test each database in turn."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings as hypothesis_settings

hypothesis_settings.register_profile("default", deadline=None, max_examples=60)
hypothesis_settings.load_profile("default")

REQUIRED = os.environ.get("JOBDECK_TEST_SERVICES") == "required" or bool(os.environ.get("CI"))


def until(condition: Callable[[], Any], seconds: float = 20.0, every: float = 0.01) -> Any:
    """What `condition` gives as soon as that is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} seconds"
        time.sleep(every)
    return found


@pytest.fixture(scope="session", name="until")
def until_fixture() -> Callable[..., Any]:
    """Waits for a condition."""
    return until


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server of our own, without a database name."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not binaries and not shutil.which("initdb"):
        give_up = pytest.fail if REQUIRED else pytest.skip
        give_up("PostgreSQL is not installed; `make test` installs it")
    tools = binaries[-1].parent if binaries else Path(shutil.which("initdb") or "").parent
    folder = Path(tempfile.mkdtemp(prefix="jobdeck-postgresql-"))
    as_whom: dict[str, Any] = {}
    if os.getuid() == 0:
        # PostgreSQL refuses to run as root.
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_whom = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    quiet: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, **as_whom}
    data = str(folder / "data")
    subprocess.run(
        [tools / "initdb", "-A", "trust", "-U", "jobdeck", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", data],
        check=True,
        **quiet,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            [tools / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F", "-N", "200"],
            stderr=log,
            **quiet,
        )
    address = f"postgresql://jobdeck@127.0.0.1:{port}"
    try:
        until(lambda: _answers(f"{address}/postgres"))
        yield address
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(address, connect_timeout=2).close()
        return True
    return False


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobdeck.db'}"
        return
    address, name = request.getfixturevalue("postgresql"), f"test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    yield f"{address}/{name}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
