"""The stacks that the conformance suite is run on: our engines, each as a site would have it."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobdeck import Deck, Run
from jobdeck.core.filters import RunFilter
from jobdeck.testing.conformance import Stack

from ..conftest import until
from ..servers import RabbitMQ, Redis

ELSEWHERE = Path(__file__).with_name("elsewhere")
ENQUEUER = Path(__file__).with_name("enqueuer.py")
WITHIN_S = 60.0


class OnSQLite(Stack):
    """Our own workers, and a file."""

    name = "database, SQLite"


class OnPostgreSQL(Stack):
    """Our own workers, of which one is on another host."""

    name = "database, PostgreSQL"

    def __init__(self, home: Path, database_url: str) -> None:
        super().__init__(home)
        self._database_url = database_url

    def settings(self) -> Mapping[str, Any]:
        return {"database_url": self._database_url}

    def elsewhere(self) -> Mapping[str, str]:
        return {"PYTHONPATH": f"{ELSEWHERE}:{self.home}"}


class Celery(Stack):
    """Celery's workers with their usual pool. The application is written into the home folder, under a name of its own."""

    engine = "celery"
    has_broker = True

    def __init__(self, home: Path, server: Redis | RabbitMQ) -> None:
        super().__init__(home)
        self.server = server
        self._module = f"celery_of_{home.name}".replace("-", "_")

    def open(self) -> None:
        text = f"from celery import Celery\n\napp = Celery('site', broker={self.server.url!r})\n"
        (self.home / f"{self._module}.py").write_text(text)
        sys.path.insert(0, str(self.home))

    def close(self) -> None:
        sys.path.remove(str(self.home))

    def settings(self) -> Mapping[str, Any]:
        return {"celery": f"{self._module}:app"}

    def commands(self, queue: str, slots: int) -> Sequence[Sequence[str]]:
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        worker = ["worker", "-I", "jobdeck.engines.celery", "-Q", queue, "-c", str(slots), *quiet]
        return [[sys.executable, "-m", "celery", "-A", self._module, *worker, "-n", f"{time.monotonic_ns()}@%h"]]


class _Forgetful:
    """Redis as it is meant here: when it is down it forgets all it had."""

    server: Redis | RabbitMQ

    def lose_messages(self) -> None:
        self.server.flush()

    def cut(self) -> None:
        self.server.kill()

    def mend(self) -> None:
        self.server.start()


class CeleryOnRedis(_Forgetful, Celery):
    """With PostgreSQL, and one worker on another host."""

    name = "Celery, Redis"

    def __init__(self, home: Path, server: Redis, database_url: str) -> None:
        super().__init__(home, server)
        self._database_url = database_url

    def open(self) -> None:
        super().open()
        self.server.flush()

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "database_url": self._database_url}

    def elsewhere(self) -> Mapping[str, str]:
        return {"PYTHONPATH": f"{ELSEWHERE}:{self.home}"}


class CeleryOnRabbitMQ(Celery):
    """With SQLite; RabbitMQ is not down, but does not answer any more."""

    name = "Celery, RabbitMQ"

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "engines": "main=celery:conformance-main,line=celery:conformance-line"}

    def commands(self, queue: str, slots: int) -> Sequence[Sequence[str]]:
        return super().commands(f"conformance-{queue}", slots)

    def lose_messages(self) -> None:
        self.server.flush("conformance-main")

    def cut(self) -> None:
        self.server.freeze()

    def mend(self) -> None:
        self.server.thaw()


class RQ(_Forgetful, Stack):
    """RQ's workers, each of which does one thing at a time."""

    name = "RQ"
    engine = "rq"
    slots = 2
    has_broker = True
    waits_for_runs = True

    def __init__(self, home: Path, server: Redis) -> None:
        super().__init__(home)
        self.server = server

    def open(self) -> None:
        self.server.flush()

    def settings(self) -> Mapping[str, Any]:
        return {"redis_url": self.server.url}

    def commands(self, queue: str, slots: int) -> Sequence[Sequence[str]]:
        options = ["--serializer", "rq.serializers.JSONSerializer", "-c", "jobdeck.engines.rq_loaded"]
        return [[sys.executable, "-m", "rq.cli", "worker", "--url", self.server.url, *options, queue]] * slots


class CeleryInProcess(CeleryOnRedis):
    """Runs execute in the processes of Celery's pool."""

    name = "Celery, in process"
    waits_for_runs = True

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "isolation": "none"}


class RQInProcess(RQ):
    """Runs execute in the processes that RQ's workers fork."""

    name = "RQ, in process"

    def settings(self) -> Mapping[str, Any]:
        return {**super().settings(), "isolation": "none"}


class Inline(Stack):
    """Each run is enqueued, and thereby executed, by a process of its own, forked from one that has loaded everything."""

    name = "inline"
    engine = "inline"

    def commands(self, queue: str, slots: int) -> Sequence[Sequence[str]]:
        return [[sys.executable, str(ENQUEUER), str(self._socket)]] if queue == "main" else []

    def start(self, deck: Deck, type_id: str, arguments: Mapping[str, Any], **options: Any) -> Run:
        title = f"number {time.monotonic_ns()}"
        ids = [run.id for run in options.pop("after", ())]
        told = {"type": type_id, "arguments": arguments, "options": {**options, "after": ids, "title": title}}
        with self._connected() as connection:
            connection.sendall(json.dumps(told).encode() + b"\n")
        found: Sequence[Run] = until(lambda: deck.runs.list(RunFilter(text=title)).items, WITHIN_S)
        return found[0]

    def _connected(self) -> socket.socket:
        def connect() -> socket.socket | None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._socket))
            except OSError:
                connection.close()
                return None
            return connection

        found: socket.socket = until(connect, WITHIN_S)
        return found

    @property
    def _socket(self) -> Path:
        return self.home / "enqueuer"
