"""The drill's PostgreSQL server for tests: it can be stopped and started again, with its data, and asks one user for a password."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import psycopg

from jobdeck.drill import servers

GUARDED, PASSWORD = "guarded", "correct-horse"
_RULES = f"host all {GUARDED} all scram-sha-256\nhost all all all trust\n"


class PostgreSQL(servers.PostgreSQL):
    """`address` is that of the server, without a database name. ConfigurationError when it is not installed."""

    def __init__(self) -> None:
        super().__init__()
        self.address = self.url.removesuffix("/postgres")

    def __enter__(self) -> Self:
        try:
            self.make()
            (self.folder / "data" / "pg_hba.conf").write_text(_RULES)
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
        """Start it, with the data there is, and wait until it serves."""
        super().start()
        self.wait()

    def database(self, name: str) -> str:
        """The address of a new database."""
        self._say(f'CREATE DATABASE "{name}"')
        return f"{self.address}/{name}"

    def guarded(self, name: str, password: str) -> str:
        """The address of a database for the user who is asked for a password."""
        self._say(f"DROP ROLE IF EXISTS {GUARDED}", f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        return f"postgresql://{GUARDED}:{password}@{servers.LOOPBACK}:{self.port}/{name}"

    def _say(self, *statements: str) -> None:
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
