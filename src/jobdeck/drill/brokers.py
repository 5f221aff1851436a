"""Brokers of the drill's own, which lose messages, cut connections and die when they are told to."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigurationError
from .servers import ANSWER_S, LOOPBACK, WANTED, Server, free_port

_NUMBER = re.compile(rb"^:(\d+)\r$", re.MULTILINE)
_HELLO, _METHOD_FRAME = b"AMQP\x00\x00\x09\x01", b"\x01"


class Broker(Server):
    """A broker for the messages of one queue."""

    url: str

    @abstractmethod
    def flush(self) -> int:
        """Lose every message that waits; how many there were. OSError when it does not answer."""

    @abstractmethod
    def cut(self) -> None:
        """Cut every connection. OSError when it does not answer."""


class Redis(Broker):
    """It keeps nothing: a kill loses every message. `key` is the list that they wait in."""

    program = "redis-server"

    def __init__(self, key: str) -> None:
        _look_for(shutil.which(self.program), self.program)
        super().__init__()
        self._key = key
        self.url = f"redis://{LOOPBACK}:{self.port}/0"

    def answers(self) -> bool:
        """As every server."""
        with contextlib.suppress(OSError):
            return self._say("PING").startswith(b"+PONG")
        return False

    def flush(self) -> int:
        """As every broker."""
        # In one transaction, so that what is counted is what is lost.
        found = _NUMBER.search(self._say("MULTI", f"LLEN {self._key}", "FLUSHALL", "EXEC"))
        return int(found[1]) if found else 0

    def cut(self) -> None:
        """As every broker."""
        self._say("CLIENT KILL TYPE normal SKIPME yes", "CLIENT KILL TYPE pubsub")

    def _say(self, *commands: str) -> bytes:
        """What Redis answers to these."""
        with socket.create_connection((LOOPBACK, self.port), timeout=ANSWER_S) as connection:
            connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
            answer = b""
            while more := connection.recv(4096):
                answer += more
        return answer

    def _command(self) -> list[str]:
        options = {"port": str(self.port), "bind": LOOPBACK, "save": "", "appendonly": "no", "dir": str(self.folder)}
        return [self.program, *(word for name, value in options.items() for word in (f"--{name}", value))]


class RabbitMQ(Broker):
    """Queues are durable and messages persistent: a kill loses none that it has confirmed."""

    program = "rabbitmq-server"

    def __init__(self, queue: str) -> None:
        # The one on PATH may want to switch to another user.
        found = [str(path) for path in sorted(Path("/usr/lib/rabbitmq/lib").glob("*/sbin/rabbitmq-server"))]
        on_path = shutil.which(self.program)
        self._program = _look_for(found[-1] if found else on_path, self.program)
        _look_for(shutil.which("epmd"), "epmd of Erlang, which RabbitMQ needs,")
        super().__init__()
        self._queue = queue
        self._epmd_port, self._distribution_port = free_port(), free_port()
        self._cutting: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@{LOOPBACK}:{self.port}//"
        (self.folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 10MB\nlog.file.level = warning\n")
        (self.folder / "plugins").write_text("[].\n")

    def answers(self) -> bool:
        """As every server."""
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), ANSWER_S) as connection:
            connection.sendall(_HELLO)
            return connection.recv(1) == _METHOD_FRAME
        return False

    def flush(self) -> int:
        """As every broker."""
        # Late: only who drills Celery needs it, and has it.
        from amqp import AMQPError, Connection  # type: ignore[import-untyped]  # it has no types

        try:
            with Connection(f"{LOOPBACK}:{self.port}", connect_timeout=ANSWER_S, read_timeout=ANSWER_S) as connection:
                return int(connection.channel().queue_purge(self._queue))
        except AMQPError as error:
            raise OSError(str(error)) from None

    def cut(self) -> None:
        """Begins it; Erlang takes seconds."""
        if self._cutting is None or self._cutting.poll() is not None:
            name, _, folder = self._mark.partition("=")
            self._cutting = subprocess.Popen(
                [Path(self._program).with_name("rabbitmqctl"), "close_all_connections", "the drill"],
                cwd=self.folder, env={**os.environ, **self._environment(), name: folder}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def close(self) -> None:
        """As every server."""
        super().close()
        if self._cutting is not None:
            self._cutting.wait()

    def _command(self) -> list[str]:
        return [self._program]

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_NODENAME": f"jobdeck{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }


def _look_for(found: str | None, what: str) -> str:
    if found is None:
        raise ConfigurationError(f"{what} is not installed here{WANTED}.")
    return found
