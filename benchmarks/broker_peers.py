"""The same workloads on Celery and on RQ themselves, with Redis: as many processes as jobdeck has, and defaults otherwise."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import redis
from rq import Queue

from . import celery_app
from .marks import FILE, Marks
from .measuring import rate, wait_until
from .postgresql import Server
from .programs import check, program
from .redis_server import Redis
from .spent import Spent

PROCESSES = 2
WARMING = 20


class Peer(ABC):
    """`spent`: after `end_to_end`, seconds of processor time by party."""

    def __init__(self, folder: Path, broker: Redis) -> None:
        broker.clear()
        self.spent: dict[str, float] = {}
        self._servers = {"Redis": [broker.pid]}
        self._marks = Marks(folder / "marks")
        self._told = {FILE: str(folder / "marks")}

    def drain(self, count: int) -> float:
        """Tasks a second that the workers execute from a full queue, from the first body to the last."""
        for number in range(count):
            self._enqueue(number)
        with self._workers() as processes:
            self._wait_for(count, processes)
        executed = self._marks.read()
        return rate(count, (executed[-1] - executed[0]) / 1_000_000_000)

    def end_to_end(self, count: int) -> float:
        """Tasks a second from the first enqueue to the last end, while the workers are at it."""
        with self._workers() as processes:
            for number in range(WARMING):
                self._enqueue(number)
            self._wait_for(WARMING, processes)
            parties = {"workers": [process.pid for process in processes], **self._servers}
            spent, caller_s, began_ns = Spent(parties), time.process_time(), time.time_ns()
            for number in range(count):
                self._enqueue(number)
            caller_s = time.process_time() - caller_s
            ended_ns = self._wait_for(WARMING + count, processes)
            self.spent = {"caller": caller_s, **spent.seconds()}
        return rate(count, (ended_ns - began_ns) / 1_000_000_000)

    @abstractmethod
    def close(self) -> None:
        """Let go of the connections."""

    @abstractmethod
    def _enqueue(self, number: int) -> None: ...

    @abstractmethod
    def _commands(self) -> list[list[str]]: ...

    def _wait_for(self, count: int, processes: list[subprocess.Popen[bytes]]) -> int:
        """Until so many bodies were executed; when the last one was."""
        self._wait_until(lambda: self._marks.count() >= count, processes)
        return self._marks.read()[-1]

    def _wait_until(self, condition: Callable[[], bool], processes: list[subprocess.Popen[bytes]]) -> None:
        def look() -> bool:
            check(processes)
            return condition()

        wait_until(look)

    @contextmanager
    def _workers(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        with ExitStack() as stack:
            yield [stack.enter_context(program(words, self._told)) for words in self._commands()]


class Celery(Peer):
    """One prefork worker. With a `database` it keeps results there, and a task has ended when its result is stored; otherwise
    it keeps none.
    """

    def __init__(self, folder: Path, url: str | None = None, *, broker: Redis, database: Server | None = None) -> None:
        super().__init__(folder, broker)
        if database is not None:
            self._servers["PostgreSQL"] = [database.pid]
        results = f"db+{url.replace('://', '+psycopg://')}" if url else None
        self._app, self._noop = celery_app.make(broker.url, results)
        self._told |= {celery_app.BROKER: broker.url} | ({celery_app.RESULTS: results} if results else {})
        self._reader = psycopg.connect(url, autocommit=True) if url else None

    def close(self) -> None:
        self._app.close()
        if self._reader is not None:
            self._reader.close()

    def _enqueue(self, number: int) -> None:
        self._noop.delay(number)

    def _commands(self) -> list[list[str]]:
        return [["celery", "-A", celery_app.__name__, "--quiet", "worker", "-c", str(PROCESSES), "--loglevel", "ERROR"]]

    def _wait_for(self, count: int, processes: list[subprocess.Popen[bytes]]) -> int:
        if self._reader is None:
            return super()._wait_for(count, processes)
        # The table is made by the first task.
        super()._wait_for(1, processes)
        self._wait_until(lambda: self._kept() >= count, processes)
        return time.time_ns()

    def _kept(self) -> int:
        assert self._reader is not None, "results are kept"
        try:
            row = self._reader.execute("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return 0 if row is None else int(row[0])


class RQ(Peer):
    """So many of its workers, each of which forks for every job, and keeps results for its 500 seconds."""

    def __init__(self, folder: Path, url: str | None = None, *, broker: Redis) -> None:
        super().__init__(folder, broker)
        self._client = redis.Redis.from_url(broker.url)
        self._queue = Queue(connection=self._client)
        self._url = broker.url

    def close(self) -> None:
        self._client.close()

    def _enqueue(self, number: int) -> None:
        self._queue.enqueue("benchmarks.rq_tasks.noop", number)

    def _commands(self) -> list[list[str]]:
        return [["rq.cli", "worker", "--url", self._url, "--quiet"]] * PROCESSES
