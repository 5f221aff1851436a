"""The same workloads on Huey with SQLite: its consumer with one worker thread, as it starts by default."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import huey_tasks
from .measuring import DEADLINE_S, Latency, rate, wait_until


class Huey:
    """One queue in a file of its own, with fsync, as is its default."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self._environment = {"BENCHMARK_HUEY_FILE": str(folder / "huey.db")}
        self._huey = huey_tasks.make(folder / "huey.db")
        self._tasks = huey_tasks.register(self._huey)

    def enqueue(self, count: int) -> float:
        """Tasks a second that one caller enqueues."""
        began = time.perf_counter()
        for number in range(count):
            self._tasks.noop(number)
        return rate(count, time.perf_counter() - began)

    def drain(self, count: int) -> float:
        """Tasks a second that a consumer executes from a full queue."""
        self._tasks.mark()
        for number in range(count):
            self._tasks.noop(number)
        last = self._tasks.mark()
        with self._consumer():
            ended_ns = last.get(blocking=True, timeout=DEADLINE_S)
        return rate(count, (ended_ns - self._tasks.first_mark()) / 1_000_000_000)

    def end_to_end(self, count: int) -> float:
        """Tasks a second from the first enqueue to the last end, while a consumer is at it."""
        with self._consumer():
            self._ready()
            began_ns = time.time_ns()
            for number in range(count):
                self._tasks.noop(number)
            ended_ns = self._tasks.mark().get(blocking=True, timeout=DEADLINE_S)
            return rate(count, (ended_ns - began_ns) / 1_000_000_000)

    def idle_latency(self, count: int) -> Latency:
        """From the enqueue call to the body's begin, with an idle consumer."""
        found = []
        with self._consumer():
            self._ready()
            for _ in range(count):
                time.sleep(random.uniform(0.02, 0.06))
                called_ns = time.time_ns()
                began_ns = self._tasks.moment().get(blocking=True, timeout=DEADLINE_S, backoff=1, max_delay=0.002)
                found.append((began_ns - called_ns) / 1_000_000)
        return Latency.of(found)

    def close(self) -> None:
        """Let go of the file."""
        self._huey.storage.close()

    def _ready(self) -> None:
        self._tasks.moment().get(blocking=True, timeout=DEADLINE_S)

    @contextmanager
    def _consumer(self) -> Iterator[None]:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {huey_tasks.__name__} import consume; consume()"],
            env={**os.environ, **self._environment},
        )
        try:
            yield
        finally:
            process.terminate()
            wait_until(lambda: process.poll() is not None)
