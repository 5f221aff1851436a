"""The same workloads on Procrastinate: one worker process with its default options and a concurrency of 10."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from procrastinate import SyncPsycopgConnector

from . import procrastinate_worker
from .measuring import DEADLINE_S, Latency, rate, wait_until

_LIVE = "SELECT EXISTS (SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))"
_FIRST_START = "SELECT extract(epoch FROM min(at)) FROM procrastinate_events WHERE type = 'started'"
_LAST_END = "SELECT extract(epoch FROM max(at)) FROM procrastinate_events WHERE type = 'succeeded'"


class Procrastinate:
    """One application in a database of its own. Times of starts and ends are those that the database notes."""

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        self._tasks = procrastinate_worker.make(SyncPsycopgConnector(conninfo=url))
        self._tasks.app.open()
        self._tasks.app.schema_manager.apply_schema()
        self._reader = psycopg.connect(url, autocommit=True)

    def enqueue(self, count: int) -> float:
        """Jobs a second that one caller defers, a transaction each."""
        began = time.perf_counter()
        for number in range(count):
            self._tasks.noop.defer(number=number)
        return rate(count, time.perf_counter() - began)

    def bulk(self, count: int) -> float:
        """Jobs a second when they are deferred in one transaction."""
        arguments = [{"number": number} for number in range(count)]
        began = time.perf_counter()
        self._tasks.noop.batch_defer(*arguments)
        return rate(count, time.perf_counter() - began)

    def drain(self, count: int) -> float:
        """Jobs a second that a worker executes from a full queue."""
        self.bulk(count)
        with self._worker():
            self._wait_until_done()
        return rate(count, self._moment(_LAST_END) - self._moment(_FIRST_START))

    def end_to_end(self, count: int) -> float:
        """Jobs a second from the first enqueue to the last end, while a worker is at it."""
        with self._worker() as process:
            self._began_ns(process)
            began = time.time()
            for number in range(count):
                self._tasks.noop.defer(number=number)
            self._wait_until_done()
        return rate(count, self._moment(_LAST_END) - began)

    def idle_latency(self, count: int) -> Latency:
        """From the enqueue call to the body's begin, with an idle worker."""
        found = []
        with self._worker() as process:
            self._began_ns(process)
            for _ in range(count):
                time.sleep(random.uniform(0.02, 0.06))
                called_ns = time.time_ns()
                found.append((self._began_ns(process) - called_ns) / 1_000_000)
        return Latency.of(found)

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()
        self._tasks.app.close()

    def _began_ns(self, process: subprocess.Popen[str]) -> int:
        """Defer a `moment`, and when its body began."""
        self._tasks.moment.defer()
        assert process.stdout is not None
        return int(process.stdout.readline())

    def _wait_until_done(self) -> None:
        wait_until(lambda: not self._moment(_LIVE), every_s=0.05)

    def _moment(self, sql: str) -> float:
        row = self._reader.execute(sql.encode()).fetchone()
        assert row is not None
        return float(row[0])

    @contextmanager
    def _worker(self) -> Iterator[subprocess.Popen[str]]:
        environment = {
            **os.environ,
            procrastinate_worker.DATABASE: self._url,
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        }
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {procrastinate_worker.__name__} import work; work()"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)
