"""A private PostgreSQL server with its default settings, fsync and synchronous_commit among them; more connections only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from jobdeck.drill import servers

from .servers import Measured


class Server(Measured, servers.PostgreSQL):
    """Its databases are made one by one."""

    def start(self) -> None:
        self.make()
        super().start()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty database, dropped in the end."""
        name = f"benchmark_{uuid.uuid4().hex}"
        self._say(f'CREATE DATABASE "{name}"')
        try:
            yield f"{self.url.rpartition('/')[0]}/{name}"
        finally:
            self._say(f'DROP DATABASE "{name}" WITH (FORCE)')

    def about(self) -> str:
        """Its version, and what a commit survives."""
        with self._connection() as connection:
            version, *flags = (
                connection.execute(f"SHOW {name}".encode()).fetchone() or ("?",)
                for name in ("server_version", "fsync", "synchronous_commit")
            )
        return f"PostgreSQL {version[0].split()[0]} (fsync {flags[0][0]}, synchronous_commit {flags[1][0]})"

    def _say(self, sql: str) -> None:
        with self._connection() as connection:
            connection.execute(sql.encode())

    def _connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    def _command(self) -> list[str]:
        # The drill's does without fsync.
        return [word for word in super()._command() if word != "-F"]
