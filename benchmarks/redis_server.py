"""A private Redis server that keeps nothing on disk."""

from __future__ import annotations

import contextlib

import redis

from jobdeck.drill import brokers

from .servers import Measured


class Redis(Measured, brokers.Redis):
    """What is in it belongs to whoever uses it just then."""

    def __init__(self) -> None:
        super().__init__("")

    def clear(self) -> None:
        """Forget everything."""
        with self._client() as client:
            client.flushall()

    def about(self) -> str:
        """Its version."""
        with self._client() as client:
            return f"Redis {client.info('server')['redis_version']} (nothing on disk)"

    def _client(self) -> contextlib.closing[redis.Redis]:
        return contextlib.closing(redis.Redis.from_url(self.url))
