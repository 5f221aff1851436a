"""A place with a database and job types, and workers as processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck, Run

from ..conftest import until

WORK = Path(__file__).with_name("work")


class Place:
    """A deck, and the workers started for it."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOBDECK_")},
            "PYTHONPATH": str(WORK),
            "JOBDECK_JOB_TYPES": "work_site",
            **{f"JOBDECK_{name.upper()}": str(value) for name, value in settings.items()},
            "JOBDECK_HOME": str(home),
        }
        self.deck = Deck(job_types=["work_site"], home=home, **settings)
        self.deck.upgrade_database()
        self.workers: list[subprocess.Popen[str]] = []

    def process(self, *words: str) -> subprocess.Popen[str]:
        """Start `jobdeck` with these words."""
        with open(self.home / f"worker-{len(self.workers)}.log", "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobdeck", *words], env=self.environment, stderr=log, text=True
            )
        self.workers.append(process)
        return process

    def worker(self, *words: str, wait: bool = True) -> subprocess.Popen[str]:
        """Start `jobdeck worker`, and wait until it serves."""
        process = self.process("worker", *words)
        if wait:
            self.until(lambda: any(one.pid == process.pid for one in self.deck.workers.list()))
        return process

    def said(self, number: int = 0) -> str:
        """What a worker has written."""
        return (self.home / f"worker-{number}.log").read_text()

    def start(self, type_id: str, **arguments: Any) -> Run:
        return self.deck.runs.start(type_id, arguments)

    def run(self, type_id: str, **arguments: Any) -> Run:
        """Start a run and wait for its end."""
        return self.ended(self.start(type_id, **arguments))

    def ended(self, run: Run, seconds: float = 60.0) -> Run:
        """The run once it is final."""
        found: Run = self.until(lambda: (found := self.deck.runs.get(run.id)).is_final and found, seconds)
        return found

    def begun(self, run: Run) -> Run:
        """The run once a process executes it."""
        found: Run = self.until(lambda: (found := self.deck.runs.get(run.id)).started_at and found)
        return found

    def messages(self, run: Run) -> list[str]:
        return [entry.message for entry in self.deck.runs.logs(run.id, limit=2000).entries]

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> Any:
        return until(condition, seconds, every=0.005, said=lambda: f"Workers said: {self._said()}")

    def close(self) -> None:
        for process in self.workers:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.send_signal(signal.SIGTERM)
        for process in self.workers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        self.deck.close()

    def _said(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.home.glob("worker-*.log")))


@pytest.fixture(scope="session", autouse=True)
def work_site() -> Iterator[None]:
    """Job types by their module's name, as a worker finds them."""
    sys.path.insert(0, str(WORK))
    yield
    sys.path.remove(str(WORK))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, with_tables: Callable[[Path], Path]) -> Iterator[Place]:
    """A place on SQLite with one worker of two processes, for all tests of a module."""
    home = with_tables(tmp_path_factory.mktemp("home")).parent
    place = Place(home, stop_grace="1")
    try:
        place.worker()
        yield place
    finally:
        place.close()


@pytest.fixture
def places(tmp_path: Path, with_tables: Callable[[Path], Path]) -> Iterator[Callable[..., Place]]:
    """Makes places on SQLite, without workers, for one test."""
    made: list[Place] = []

    def make(**settings: Any) -> Place:
        home = tmp_path / f"home-{len(made)}"
        with_tables(home)
        made.append(Place(home, **{"stop_grace": "1", **settings}))
        return made[-1]

    yield make
    for place in made:
        place.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(name="is_alive")
def is_alive_fixture() -> Callable[[int], bool]:
    return is_alive


def children_of(pid: int) -> dict[int, str]:
    """The processes below one, with their states, at any depth."""
    parents: dict[int, tuple[int, str]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, above_it, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = (int(above_it), state)
    found: dict[int, str] = {}
    look = [pid]
    while look:
        above = look.pop()
        for child, (parent, state) in parents.items():
            if parent == above:
                found[child] = state
                look.append(child)
    return found


@pytest.fixture(name="children_of")
def children_of_fixture() -> Callable[[int], dict[int, str]]:
    return children_of
