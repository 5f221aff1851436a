"""The workloads on jobdeck."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from jobdeck import Deck, Run

from . import tasks
from .measuring import Latency, rate, wait_until
from .programs import check, program
from .spent import Spent

# As the partial indexes are written, so that finished runs cost nothing.
_LIVE = text("""SELECT EXISTS (SELECT 1 FROM jobdeck_run WHERE status = 'QUEUED' AND parked = 0)
    OR EXISTS (SELECT 1 FROM jobdeck_run WHERE status = 'RUNNING' AND owner IS NOT NULL)""")
_FIRST = text("SELECT MIN(started_at) FROM jobdeck_run WHERE id >= :id")


class Jobdeck:
    """One instance in a folder of its own, with a worker of two child processes where a workload wants one.

    `url` is that of a PostgreSQL database; without one the instance has its SQLite file, with this durability. After
    `end_to_end`, `spent` is the seconds of processor time by party, as far as they are known.
    """

    def __init__(self, folder: Path, url: str | None = None, *, durability: str = "normal", **settings: Any) -> None:
        self.spent: dict[str, float] = {}
        self._environment = {
            "JOBDECK_HOME": str(folder),
            "JOBDECK_JOB_TYPES": tasks.__name__,
            "JOBDECK_DATABASE_URL": url or "",
            "JOBDECK_DURABILITY": durability,
            "JOBDECK_PROCESSES": "2",
            "JOBDECK_STOP_GRACE": "0",
            **{f"JOBDECK_{name.upper()}": value for name, value in settings.items()},
        }
        self.deck = Deck(job_types=[tasks], home=folder, database_url=url, durability=durability, **settings)
        self.deck.upgrade_database()

    def enqueue(self, count: int) -> float:
        """Runs a second that one caller enqueues, a transaction each."""
        began = time.perf_counter()
        for number in range(count):
            self.deck.enqueue(tasks.noop, kwargs={"number": number})
        return rate(count, time.perf_counter() - began)

    def batches_of_one(self, count: int) -> float:
        """Runs a second that one caller starts by `start_many` with one run in each call."""
        began = time.perf_counter()
        for number in range(count):
            self.deck.runs.start_many("noop", [{"number": number}])
        return rate(count, time.perf_counter() - began)

    def bulk(self, count: int) -> float:
        """Runs a second when they are started in one transaction."""
        arguments = [{"number": number} for number in range(count)]
        began = time.perf_counter()
        self.deck.runs.start_many("noop", arguments)
        return rate(count, time.perf_counter() - began)

    def drain(self, count: int, type_id: str = "noop") -> float:
        """Runs a second that a worker executes from a full queue, until the last one's end is stored."""
        ids = self.deck.runs.start_many(type_id, [{}] * count)
        ended_us = self.work_off()
        with self.deck.database.read() as connection:
            first_us = connection.execute(_FIRST, {"id": ids[0]}).scalar_one()
        return rate(count, (ended_us - first_us) / 1_000_000)

    def drain_afresh(self, count: int) -> float:
        """The same when each run has a process of its own."""
        return self.drain(count, "alone")

    def work_off(self) -> int:
        """Let a worker execute all that is queued; when that was stored, in microseconds."""
        with self.worker(wait=False):
            self._wait_until_done()
            return time.time_ns() // 1000

    def end_to_end(self, count: int) -> float:
        """Runs a second from the first enqueue to the last end, while a worker is at it."""
        with self.worker():
            spent, caller_s, began = Spent(self._parties()), time.process_time(), time.perf_counter()
            for number in range(count):
                self.deck.enqueue(tasks.noop, kwargs={"number": number})
            caller_s = time.process_time() - caller_s
            self._wait_until_done()
            found = rate(count, time.perf_counter() - began)
            self.spent = {"caller": caller_s, **spent.seconds()}
            return found

    def idle_latency(self, count: int) -> Latency:
        """From the enqueue call to the body's begin, with an idle worker."""
        with self.worker():
            self.run_and_wait("moment")
            found = []
            for _ in range(count):
                time.sleep(random.uniform(0.02, 0.06))
                called_us = time.time_ns() // 1000
                run = self.deck.enqueue(tasks.moment)
                found.append((self.wait_for(run).result - called_us) / 1000)
        return Latency.of(found)

    def run_and_wait(self, type_id: str) -> Run:
        """Start a run and wait for its end."""
        return self.wait_for(self.deck.runs.start(type_id))

    def wait_for(self, run: Run) -> Run:
        """The run when it has ended."""
        wait_until(lambda: self.deck.runs.get(run.id).is_final, every_s=0.002)
        return self.deck.runs.get(run.id)

    @contextmanager
    def worker(self, *, wait: bool = True, app: str | None = None, cwd: Path | None = None) -> Iterator[int]:
        """A worker process (its pid), ready to work unless `wait` is false."""
        with self._process([*(["--app", app] if app else []), "worker"], cwd) as process:
            if wait:
                self._wait_for(process, self.deck.workers.list)
                self.run_and_wait("noop")
            yield process.pid

    @contextmanager
    def scheduler(self) -> Iterator[int]:
        """A scheduler process (its pid), at work."""
        with self._process(["scheduler"]) as process:
            self._wait_for(process, self.deck.workers.schedulers)
            yield process.pid

    def _process(self, words: list[str], cwd: Path | None = None) -> AbstractContextManager[subprocess.Popen[bytes]]:
        return program(["jobdeck", *words], self._environment, cwd)

    def _wait_for(self, process: subprocess.Popen[bytes], listed: Callable[[], Sequence[object]]) -> None:
        def is_ready() -> bool:
            check([process])
            return bool(listed())

        wait_until(is_ready)

    def _parties(self) -> dict[str, list[int]]:
        """Whose processor time is told, as heads of process trees."""
        return {}

    def _wait_until_done(self) -> None:
        with self.deck.database.engine.connect() as connection:

            def is_done() -> bool:
                live = connection.execute(_LIVE).scalar_one()
                connection.rollback()
                return not live

            wait_until(is_done, every_s=0.01)

    def close(self) -> None:
        """Let go of the database."""
        self.deck.close()
