"""The workloads on jobdeck."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from jobdeck import Deck, Run

from . import tasks
from .measuring import DEADLINE_S, Latency, rate, wait_until

_LIVE = text("SELECT EXISTS (SELECT 1 FROM jobdeck_run WHERE status IN ('QUEUED', 'RUNNING'))")
_FIRST = text("SELECT MIN(started_at) FROM jobdeck_run")


class Jobdeck:
    """One instance in a folder of its own, with a worker of two child processes where a workload wants one."""

    def __init__(self, folder: Path, durability: str = "normal") -> None:
        self.name = f"jobdeck, {durability}"
        self.home = folder
        self._environment = {
            "JOBDECK_HOME": str(folder),
            "JOBDECK_JOB_TYPES": tasks.__name__,
            "JOBDECK_DURABILITY": durability,
            "JOBDECK_PROCESSES": "2",
            "JOBDECK_STOP_GRACE": "0",
        }
        self.deck = Deck(job_types=[tasks], home=folder, durability=durability)
        self.deck.upgrade_database()

    def enqueue(self, count: int) -> float:
        """Runs a second that one caller enqueues, a transaction each."""
        began = time.perf_counter()
        for number in range(count):
            self.deck.enqueue(tasks.noop, kwargs={"number": number})
        return rate(count, time.perf_counter() - began)

    def bulk(self, count: int) -> float:
        """Runs a second when they are started in one transaction."""
        arguments = [{"number": number} for number in range(count)]
        began = time.perf_counter()
        self.deck.runs.start_many("noop", arguments)
        return rate(count, time.perf_counter() - began)

    def drain(self, count: int, type_id: str = "noop") -> float:
        """Runs a second that a worker executes from a full queue, until the last one's end is stored."""
        self.deck.runs.start_many(type_id, [{}] * count)
        with self.worker(wait=False):
            self._wait_until_done()
            ended_us = time.time_ns() // 1000
        with self.deck.database.read() as connection:
            first_us = connection.execute(_FIRST).scalar_one()
        return rate(count, (ended_us - first_us) / 1_000_000)

    def end_to_end(self, count: int) -> float:
        """Runs a second from the first enqueue to the last end, while a worker is at it."""
        with self.worker():
            began = time.perf_counter()
            for number in range(count):
                self.deck.enqueue(tasks.noop, kwargs={"number": number})
            self._wait_until_done()
            return rate(count, time.perf_counter() - began)

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
        command = [sys.executable, "-m", "jobdeck", *(["--app", app] if app else []), "worker"]
        environment = {**os.environ, **self._environment, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        process = subprocess.Popen(command, env=environment, cwd=cwd)
        try:
            if wait:
                wait_until(lambda: process.poll() is not None or bool(self.deck.workers.list()))
                if process.returncode is not None:
                    raise RuntimeError("The worker has ended before it was ready; its last words are above.")
                self.run_and_wait("noop")
            yield process.pid
        finally:
            process.terminate()
            process.wait(DEADLINE_S)

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
