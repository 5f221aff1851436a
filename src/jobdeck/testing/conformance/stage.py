"""A stack at work: its deck, its workers and its dispatcher, and the means by which rows of the matrix are tried on it."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ...config import PREFIX
from ...core.capability import Capability
from ...core.run import Run
from ...deck import Deck
from ...errors import JobdeckError
from ...store import rings
from . import job_types
from .crew import Crew
from .job_types import Mark
from .stack import Stack

T = TypeVar("T")
MAIN, LINE = "main", "line"
LEASE_S = 3.0
GRACE_S = 1.0
PATIENCE_S = 1.0
WITHIN_S = 120.0
END_S = 45.0
QUIET_US = 500_000
_EVERY_S = 0.1


class Stage:
    """`deck` is this process's own view of the stack, with which runs are started and looked at.

    The queue `main` has a worker of several slots, the queue `line` one of a single slot, for those who hold `line`.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.line = threading.Lock()
        self.unwanted: list[Path] = []
        """Marks of bodies that must never begin."""
        self._numbers = itertools.count(1)
        self._crews: dict[str, Crew] = {}
        self._rows = ThreadPoolExecutor(32)
        self._settings: dict[str, Any] = {
            "home": stack.home,
            "queues": f"{MAIN},{LINE}",
            "engines": stack.engine,
            "lease": LEASE_S,
            "stop_grace": GRACE_S,
            "ring_patience": PATIENCE_S,
            "processes": stack.slots,
            **stack.settings(),
        }
        self.deck = Deck(job_types=[job_types.MODULE], **self._settings)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
            **{PREFIX + name.upper(): str(value) for name, value in self._settings.items()},
            f"{PREFIX}JOB_TYPES": job_types.MODULE,
            "PYTHONPATH": str(stack.home),
            **stack.environment(),
        }

    def open(self) -> None:
        """Make the tables, start the dispatcher where there is something to ring, and the workers."""
        self.deck.upgrade_database()
        if self.cannot.keys() - set(Capability):
            raise ValueError(f"{self.stack.engine} names capabilities that there are not")
        if self.deck.engines and not self.is_immediate:
            self._start("dispatcher", [[sys.executable, "-m", "jobdeck", "dispatcher"]])
        self.start_worker()
        self.start_line(self.stack.elsewhere())

    def close(self) -> None:
        """End everything, however it is."""
        self._rows.shutdown(wait=False, cancel_futures=True)
        for crew in self._crews.values():
            crew.kill()
        self.deck.close()

    @property
    def cannot(self) -> Mapping[Capability, str]:
        """What the engine says that it cannot do, each with the reason."""
        engine = self.deck.engines.get(self.stack.engine)
        return {} if engine is None else engine.cannot()

    @property
    def is_immediate(self) -> bool:
        """Whether whoever enqueues executes, so that there are no workers."""
        return any(engine.is_immediate for engine in self.deck.engines.values())

    # Runs

    def path(self) -> Path:
        """Where a body is to leave its marks."""
        return self.stack.home / f"marks-{next(self._numbers)}"

    def start(self, type_id: str, path: Path, *, queue: str = MAIN, word: str | None = None, **options: Any) -> Run:
        """Start a run of a type of `job_types`."""
        told = {"path": str(path), **({} if word is None else {"word": word})}
        return self.stack.start(self.deck, type_id, told, queue=queue, **options)

    def get(self, run: Run) -> Run:
        """The run as it is now."""
        return self.deck.runs.get(run.id)

    def begun(self, path: Path, attempt: int = 1) -> Mark:
        """The first mark of this attempt, once its body has begun."""

        def found() -> Mark | None:
            return next((mark for mark in job_types.marks(path) if mark.attempt == attempt), None)

        return self.until(found, f"attempt {attempt} has begun")

    def ended(self, run: Run) -> Run:
        """The run once it is final."""

        def found() -> Run | None:
            return now if (now := self.get(run)).is_final else None

        return self.until(found, f"the run has ended, which is {run.id}")

    def outcomes(self, run: Run) -> list[str | None]:
        """How its attempts have ended; None: that one runs."""
        return [attempt.outcome for attempt in self.deck.runs.attempts(run.id)]

    def messages(self, run: Run) -> list[str]:
        """Its log."""
        return [entry.message for entry in self.deck.runs.logs(run.id).entries]

    def until(self, condition: Callable[[], T | None], what: str, within_s: float = WITHIN_S) -> T:
        """What the condition gives as soon as that is true; AssertionError with what the processes have written."""
        deadline = time.monotonic() + within_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                said = "\n".join(f"--- {name}\n{crew.said()}" for name, crew in list(self._crews.items()))
                raise AssertionError(f"not within {within_s:g} s: {what}\n{said}")
            time.sleep(_EVERY_S)
        return found

    def rests(self, path: Path) -> None:
        """AssertionError when somebody goes on leaving marks there."""
        before = job_types.marks(path)
        time.sleep(5 * job_types.TICK_S)  # the time over which it is measured
        assert job_types.marks(path) == before, "the body goes on, though its attempt has ended"

    def rung_for(self, queue: str) -> None:
        """Return when nobody is about to ring the engine for this queue, who would keep a run to himself for a moment."""

        def are_all() -> bool:
            now_us = self.deck.office.clock.now_us()
            with self.deck.database.read() as connection:
                if any(rings.is_any_to_ring(connection, queue, now_us, again=again) for again in (False, True)):
                    return False
                due_us = rings.next_due(connection, [queue], now_us)
            return due_us is None or due_us - now_us > QUIET_US

        self.until(are_all, f"the engine was rung for {queue}")

    # Processes

    def start_worker(self) -> None:
        """Start a worker of `main`."""
        self._start(f"{MAIN}-{next(self._numbers)}", self.stack.commands(MAIN, self.stack.slots))

    def start_line(self, environment: Mapping[str, str] | None = None) -> None:
        """Start one more worker of `line`, with more in its environment."""
        self._start(f"{LINE}-{next(self._numbers)}", self.stack.commands(LINE, 1), environment)

    def ask_workers(self) -> None:
        """SIGTERM to all workers."""
        for crew in self._workers():
            crew.ask()

    def workers_ended(self) -> None:
        """Return when everything that they started is gone; AssertionError when that takes too long."""
        for crew in self._workers():
            crew.ended(END_S)

    def kill_workers(self) -> None:
        """SIGKILL to everything that executes."""
        for crew in self._workers():
            crew.kill()

    @contextlib.contextmanager
    def frozen_line(self) -> Iterator[None]:
        """Everything that serves `line` stands still during the block."""
        crews = [crew for crew in self._workers() if crew.name.startswith(LINE)]
        try:
            for crew in crews:
                self._freeze(crew)
            yield
        finally:
            for crew in crews:
                crew.thaw()

    def _freeze(self, crew: Crew) -> None:
        """Never while it keeps the database from all others: that would be a test of something else."""
        while True:
            crew.freeze()
            with contextlib.suppress(JobdeckError):
                self.deck.queues.resume(LINE)
                return
            crew.thaw()

    def _start(self, name: str, commands: Any, environment: Mapping[str, str] | None = None) -> None:
        self._crews[name] = Crew(name, commands, {**self._environment, **(environment or {})}, self.stack.home)

    def _workers(self) -> list[Crew]:
        return [crew for name, crew in self._crews.items() if name != "dispatcher"]

    # Rows

    def rehearse(self, row: Callable[[Stage], None]) -> Future[None]:
        """Begin to try a row, beside others."""
        return self._rows.submit(row, self)
