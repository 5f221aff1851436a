"""The ground on which cells stand: databases made from one model, and processes forked from one that is warm."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from jobdeck import Deck

from ..conftest import until
from .walls import build_wall

SITE = Path(__file__).with_name("site")
LEASE_S = 1.0
WITHIN_S = 30.0
NO_LUCK = "The database cannot serve: terminating connection due to"


class Process:
    """A process that the starter has forked, and forks anew when it had no luck."""

    def __init__(self, fork: Callable[[], int], log: Path) -> None:
        self.log = log
        self._fork = fork
        self._begin()

    def _begin(self) -> None:
        self.pid = self._fork()
        self._pidfd = os.pidfd_open(self.pid)

    def keep(self) -> None:
        """Begin again, as whoever looks after workers does, when a busy machine took longer than such a short lease allows."""
        if not self.is_alive and self.log.exists() and f"jobdeck: {NO_LUCK}" in self.log.read_text():
            self.log.write_text("begun again\n")
            self.close()
            self._begin()

    @property
    def is_alive(self) -> bool:
        return not select.select([self._pidfd], [], [], 0)[0]

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, number)

    def close(self) -> None:
        os.close(self._pidfd)


class Ground:
    """Everything that all cells of a session use."""

    def __init__(self, folder: Path, postgresql: str) -> None:
        self.folder = folder
        self._postgresql = postgresql
        self._lock = threading.Lock()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")},
            "PYTHONPATH": str(SITE),
            "JOBDECK_JOB_TYPES": "crash_site",
            "JOBDECK_LEASE": str(LEASE_S),
            "JOBDECK_STOP_GRACE": "0.5",
        }
        self._starter = subprocess.Popen(
            [sys.executable, SITE / "starter.py"],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for url in (f"sqlite:///{self.folder / 'model.db'}", self._create("crash_model")):
            deck = Deck(home=self.folder / "model", database_url=url)
            deck.upgrade_database()
            build_wall(deck.database)
            deck.close()

    def fork(self, arguments: list[str], environment: dict[str, str], log: Path) -> int:
        """Start a process and do not wait; its id."""
        order = {"arguments": arguments, "environment": environment, "output": str(log)}
        assert self._starter.stdin is not None and self._starter.stdout is not None
        with self._lock:
            self._starter.stdin.write(json.dumps(order) + "\n")
            self._starter.stdin.flush()
            return int(self._starter.stdout.readline())

    def database(self, home: Path, *, on_sqlite: bool, empty: bool = False) -> str:
        """The address of a new database, with tables unless it is to be empty."""
        if on_sqlite:
            path = home / "jobdeck.db"
            if not empty:
                shutil.copy(self.folder / "model.db", path)
            return f"sqlite:///{path}"
        return self._create(f"crash_{home.name.replace('-', '_').replace('.', '_')}", "" if empty else "crash_model")

    def close(self) -> None:
        assert self._starter.stdin is not None and self._starter.stdout is not None
        self._starter.stdin.close()
        self._starter.wait(20)
        self._starter.stdout.close()

    def _create(self, name: str, model: str = "") -> str:
        with self._lock, psycopg.connect(f"{self._postgresql}/postgres", autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
            connection.execute(f'CREATE DATABASE "{name}" {f"TEMPLATE {model}" if model else ""}'.encode())
        return f"{self._postgresql}/{name}"


class Place:
    """One cell's own folder and database, and its processes."""

    def __init__(self, ground: Ground, name: str, *, on_sqlite: bool, empty: bool = False) -> None:
        self._ground = ground
        self.home = ground.folder / name
        self.marks = self.home / "marks"
        self.marks.mkdir(parents=True)
        url = ground.database(self.home, on_sqlite=on_sqlite, empty=empty)
        self.deck = Deck(job_types=["crash_site"], home=self.home, database_url=url)
        self.effects = self.home / "effects"
        self.environment = ground.environment | {
            "JOBDECK_HOME": str(self.home),
            "JOBDECK_DATABASE_URL": url,
            "CRASH_EFFECTS": str(self.effects),
        }
        self.processes: list[Process] = []

    def start(self, *arguments: str, failpoints: str = "", host: str = "", mutant: str = "") -> Process:
        """A process of this place: `jobdeck` with these arguments, or `client`."""
        told = {"JOBDECK_FAILPOINTS": failpoints, "CRASH_HOST": host, "CRASH_MUTANT": mutant}
        environment = self.environment | {name: value for name, value in told.items() if value}
        environment["JOBDECK_FAILPOINTS_MARKS"] = str(self.marks)
        log = self.home / f"{len(self.processes)}.log"
        self.processes.append(Process(partial(self._ground.fork, list(arguments), environment, log), log))
        return self.processes[-1]

    def fired(self, failpoint: str) -> tuple[int, float] | None:
        """Which process reached a failpoint, and when (monotonic seconds)."""
        path = self.marks / f"{failpoint}.0"
        told = path.read_text().split() if path.exists() else []
        return (int(told[0]), float(told[1])) if len(told) == 2 else None

    def lines(self) -> list[list[str]]:
        """What bodies have noted: (begin or end, run, attempt, token)."""
        return [line.split() for line in self.effects.read_text().splitlines()] if self.effects.exists() else []

    def until(self, condition: Callable[[], Any], what: str, seconds: float = WITHIN_S) -> Any:
        return until(condition, seconds, said=lambda: f"{what}\n{self.said()}")

    def keep_up(self) -> None:
        for process in self.processes:
            process.keep()

    def end(self) -> None:
        """Ask all processes to end, and wait until they and all that they started have."""
        for process in self.processes:
            process.send(signal.SIGTERM)
            process.send(signal.SIGCONT)
        for process in self.processes:
            self.until(partial(_is_dead, process), "a worker ends when it is asked to")
        self.until(lambda: not self.leftover(), "nothing that was started is left")

    def leftover(self) -> list[int]:
        """Processes with this place's environment."""
        mine = f"JOBDECK_HOME={self.home}\0".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(folder.name) != os.getpid() and mine in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def said(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted(self.home.glob("*.log")))

    def close(self) -> None:
        for process in self.processes:
            process.send(signal.SIGKILL)
            process.close()
        self.deck.close()


def _is_dead(process: Process) -> bool:
    return not process.is_alive
