"""Servers that are really started: those of the drill, to be killed, frozen and restarted by tests, the brokers with a client of
their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import amqp  # type: ignore[import-untyped]  # it has no types
import pytest
import redis

from jobdeck.drill import brokers, processes, servers
from jobdeck.drill.servers import LOOPBACK, free_port
from jobdeck.errors import ConfigurationError

__all__ = ["Broker", "PostgreSQL", "RabbitMQ", "Redis", "free_port", "installed"]

REQUIRED = os.environ.get("JOBDECK_TEST_SERVICES") == "required" or bool(os.environ.get("CI"))
T = TypeVar("T")


def installed(make: Callable[[], T]) -> T:
    """Makes a server; without what it needs, the test is skipped, or fails where services are required."""
    try:
        return make()
    except ConfigurationError as error:
        give_up = pytest.fail if REQUIRED else pytest.skip
        give_up(f"{error} `make test` installs it.")


class Server(servers.Server):
    """In its `with` block it runs, unless a test has just killed it."""

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start it, on the same port and data as before, and wait until it serves; nothing happens when it runs."""
        if not self.is_started:
            super().start()
            self.wait()


class PostgreSQL(Server, servers.PostgreSQL):
    """`address` is that of the server, without a database name."""

    def __init__(self) -> None:
        installed(super().__init__)
        self.address = self.url.removesuffix("/postgres")

    def start(self) -> None:
        if not (self.folder / "data").exists():
            self.make()
        super().start()


class Broker(Server, brokers.Broker):
    """It can be killed, frozen, and flushed."""

    def kill(self) -> None:
        """SIGKILL; gone when this returns."""
        self.stop()

    def freeze(self) -> None:
        """SIGSTOP: whoever connects waits for an answer in vain."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    @abstractmethod
    def flush(self, *queues: str) -> int:
        """Lose the messages in these queues; Redis loses all it has."""

    def _signal(self, number: int) -> None:
        if self._guard is None:
            return
        # The guard has to go on, to be told that the server is to end. Redis writes its title over its environment.
        children = Path(f"/proc/{self._guard.pid}/task/{self._guard.pid}/children").read_text().split()
        for pid in {*processes.told(self._mark), *map(int, children)} - {self._guard.pid}:
            processes.strike(pid, number)


class Redis(Broker, brokers.Redis):
    """`durable`: what was sent survives a kill; otherwise a kill loses everything. `password`: of its default user."""

    def __init__(self, *, durable: bool = False, password: str | None = None) -> None:
        installed(lambda: super(Redis, self).__init__(""))
        self._durable = durable
        self._password = password
        self.url = f"redis://{f':{password}@' if password else ''}{LOOPBACK}:{self.port}/0"

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """A connection."""
        with contextlib.closing(redis.Redis.from_url(self.url, socket_timeout=10)) as client:
            yield client

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def flush(self, *queues: str) -> int:
        with self.client() as client:
            return int(client.flushall())

    def _command(self) -> list[str]:
        command = super()._command()
        if self._durable:
            command += ["--appendonly", "yes", "--appendfsync", "always"]
        return [*command, "--requirepass", self._password] if self._password else command


class RabbitMQ(Broker, brokers.RabbitMQ):
    """What was sent survives a kill, as its queues are durable and its messages persistent."""

    def __init__(self) -> None:
        installed(lambda: super(RabbitMQ, self).__init__(""))

    @contextlib.contextmanager
    def channel(self) -> Iterator[amqp.Channel]:
        """A channel of a new connection."""
        with amqp.Connection(f"{LOOPBACK}:{self.port}", connect_timeout=10) as connection:
            yield connection.channel()

    def flush(self, *queues: str) -> int:
        with self.channel() as channel:
            return sum(channel.queue_purge(queue) for queue in queues)
