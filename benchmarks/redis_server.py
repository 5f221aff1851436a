"""A private Redis server that keeps nothing on disk."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from .measuring import DEADLINE_S, wait_until


class Redis:
    """A server that answers at `url`; `pid` is its process."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def clear(self) -> None:
        """Forget everything."""
        with self._client() as client:
            client.flushall()

    def about(self) -> str:
        """Its version."""
        with self._client() as client:
            return f"Redis {client.info('server')['redis_version']} (nothing on disk)"

    def answers(self) -> bool:
        """Whether it serves."""
        with contextlib.suppress(redis.RedisError), self._client() as client:
            return bool(client.ping())
        return False

    def _client(self) -> contextlib.closing[redis.Redis]:
        return contextlib.closing(redis.Redis.from_url(self.url))


@contextmanager
def server() -> Iterator[Redis]:
    """Start one, and stop it in the end."""
    if not shutil.which("redis-server"):
        raise RuntimeError("Redis is not installed; `make bench` installs it.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="jobdeck-benchmark-redis-") as folder:
        options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        try:
            found = Redis(f"redis://127.0.0.1:{port}/0", process.pid)
            wait_until(lambda: process.poll() is not None or found.answers())
            if process.returncode is not None:
                raise RuntimeError("Redis does not start.")
            yield found
        finally:
            process.terminate()
            process.wait(DEADLINE_S)
