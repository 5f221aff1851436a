"""jobdeck with its runs on an engine: a dispatcher, and the engine's own workers, as many processes as the peer has."""

from __future__ import annotations

import os
import subprocess
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from . import celery_app
from .broker_peers import PROCESSES, WARMING
from .jobdeck_side import Jobdeck
from .measuring import wait_until
from .postgresql import Server
from .programs import check, program
from .redis_server import Redis
from .spent import tree


class OnEngine(Jobdeck):
    """`isolation`: `process`, in which our own worker beside the engine's executes; or `none`, in which the engine's own
    processes do.
    """

    def __init__(self, folder: Path, url: str | None, broker: Redis, database: Server | None, **settings: str) -> None:
        broker.clear()
        super().__init__(folder, url, **settings)
        self._heads = {"Redis": [broker.pid]} | ({"PostgreSQL": [database.pid]} if database else {})

    @contextmanager
    def worker(self, *, wait: bool = True, app: str | None = None, cwd: Path | None = None) -> Iterator[int]:
        """A dispatcher and the engine's workers; the process id of the first of these."""
        with ExitStack() as stack:
            dispatcher = stack.enter_context(self._process(["dispatcher"]))
            workers = [stack.enter_context(program(words, self._environment)) for words in self._commands()]
            self._warm_up([dispatcher, *workers])
            beside = [pid for worker in workers for pid in tree(worker.pid) if _is_beside(pid)]
            pids = [worker.pid for worker in workers]
            self._heads |= {"dispatcher": [dispatcher.pid], "workers": pids, "beside": beside}
            yield pids[0]

    def _warm_up(self, processes: list[subprocess.Popen[bytes]]) -> None:
        ids = self.deck.runs.start_many("noop", [{}] * WARMING)

        def are_done() -> bool:
            check(processes)
            return all(self.deck.runs.get(run_id).is_final for run_id in ids)

        wait_until(are_done, every_s=0.05)

    def _parties(self) -> dict[str, list[int]]:
        return self._heads

    @abstractmethod
    def _commands(self) -> list[list[str]]: ...


class OnCelery(OnEngine):
    """One prefork worker of Celery's."""

    def __init__(
        self,
        folder: Path,
        url: str | None = None,
        *,
        broker: Redis,
        database: Server | None = None,
        isolation: str = "process",
    ) -> None:
        app = f"{celery_app.__name__}:app"
        super().__init__(folder, url, broker, database, engines="celery", celery=app, isolation=isolation)
        self._environment[celery_app.BROKER] = broker.url

    def _commands(self) -> list[list[str]]:
        options = ["-I", "jobdeck.engines.celery", "-Q", "default", "-c", str(PROCESSES), "--loglevel", "ERROR"]
        return [["celery", "-A", celery_app.__name__, "--quiet", "worker", *options]]


class OnRQ(OnEngine):
    """So many of RQ's workers, each of which forks for every ring."""

    def __init__(self, folder: Path, url: str | None = None, *, broker: Redis, isolation: str = "process") -> None:
        super().__init__(folder, url, broker, None, engines="rq", redis_url=broker.url, isolation=isolation)
        self._url = broker.url

    def _commands(self) -> list[list[str]]:
        ours = ["--serializer", "rq.serializers.JSONSerializer", "-c", "jobdeck.engines.rq_loaded"]
        return [["rq.cli", "worker", "--url", self._url, "--quiet", *ours, "default"]] * PROCESSES


def _is_beside(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return os.fsencode("--tokens") in words
