"""Servers of the drill's own, each in a folder and on ports of its own, so that they may be killed: what all of them share, and
PostgreSQL. Neighbours: `brokers`; `guard` is the process that starts one.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ..errors import ConfigurationError, StoreError
from . import processes

LOOPBACK = "127.0.0.1"
START_S = 90.0
ANSWER_S = 5.0
_STOP_S = 30.0
_ROOT = 0
WANTED = "; the drill starts one of its own"


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Server(ABC):
    """A server that is not started yet. Used from the thread that the process began with."""

    program: ClassVar[str]
    account: ClassVar[str] = ""
    """Whom it runs as, where this process may choose; empty: as this process."""
    last_word: ClassVar[signal.Signals] = signal.SIGKILL
    """What `stop` sends it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="jobdeck-drill-server-"))
        self.port = free_port()
        self._mark = f"JOBDECK_DRILL_SERVER={self.folder}"
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def is_started(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._guard is not None

    def start(self) -> None:
        """Start it, at the same port and with the same data as before. `wait` waits until it serves."""
        account = self.account if os.getuid() == _ROOT else ""
        name, _, folder = self._mark.partition("=")
        with open(self.folder / "output", "ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-m", "jobdeck.drill.guard", account, str(int(self.last_word)), self._mark, *self._command()],
                cwd=self.folder, env={**os.environ, **self._environment(), name: folder}, start_new_session=True,
                stdin=subprocess.PIPE, stdout=output, stderr=output,
            )  # fmt: skip

    def wait(self) -> None:
        """Until it serves. StoreError with its last words when it does not begin to."""
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self._guard is None or self._guard.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "output").read_text(errors="replace").strip().splitlines()
                raise StoreError(
                    f"{self.program} does not serve the drill: {words[-1] if words else 'it said nothing'}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it without any goodbye; everything of it is gone when this returns."""
        guard, self._guard = self._guard, None
        if guard is not None and guard.stdin is not None:
            guard.stdin.close()
            guard.wait(_STOP_S)

    def close(self) -> None:
        """Stop it and remove its folder."""
        try:
            self.stop()
        finally:
            processes.end_all_told(self._mark)
            shutil.rmtree(self.folder, ignore_errors=True)

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    def _environment(self) -> Mapping[str, str]:
        return {}


class PostgreSQL(Server):
    """`stop` is what `pg_ctl stop -m immediate` does: recovery at the next start. `url` is that of a database in it."""

    program = "PostgreSQL"
    account = "postgres"
    last_word = signal.SIGQUIT

    def __init__(self) -> None:
        self._tools = self._installed()
        super().__init__()
        self.url = f"postgresql://jobdeck@{LOOPBACK}:{self.port}/postgres"

    @staticmethod
    def _installed() -> Path:
        """Where its programs are; ConfigurationError when there are none."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        on_path = shutil.which("initdb")
        if not found and on_path is None:
            raise ConfigurationError(
                f"PostgreSQL is not installed here (no initdb in PATH or /usr/lib/postgresql){WANTED}."
            )
        return found[-1].parent if found else Path(str(on_path)).parent

    def make(self) -> None:
        """Make its data, once. StoreError when that fails."""
        as_whom: dict[str, Any] = {}
        if os.getuid() == _ROOT:
            # PostgreSQL refuses to run as root.
            as_whom = as_account(self.account)
            os.chown(self.folder, as_whom["user"], as_whom["group"])
        how = ["-A", "trust", "-U", "jobdeck", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", str(self.folder / "data")]
        try:
            subprocess.run([self._tools / "initdb", *how], check=True, cwd=self.folder, capture_output=True, **as_whom)
        except subprocess.CalledProcessError as error:
            words = error.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise StoreError(f"PostgreSQL's initdb failed: {words[-1]}") from None

    def answers(self) -> bool:
        """As every server."""
        done = subprocess.run(
            [self._tools / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)], cwd=self.folder, check=False
        )
        return done.returncode == 0

    def _command(self) -> list[str]:
        data = str(self.folder / "data")
        options = ["-h", LOOPBACK, "-p", str(self.port), "-k", "", "-F", "-N", "200"]
        return [str(self._tools / "postgres"), "-D", data, *options]


def as_account(name: str) -> dict[str, Any]:
    """Keyword arguments with which `subprocess` starts a process as this account. ConfigurationError when there is none."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise ConfigurationError(f"There is no account {name} here, which {PostgreSQL.program} runs as.") from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
