"""The drill's PostgreSQL server for tests: it can be stopped and started again, with its data, and asks one user for a password."""

from __future__ import annotations

import psycopg

from jobdeck.drill.servers import LOOPBACK

from .. import servers

GUARDED, PASSWORD = "guarded", "correct-horse"
_RULES = f"host all {GUARDED} all scram-sha-256\nhost all all all trust\n"


class PostgreSQL(servers.PostgreSQL):
    """Stopped and started again it has the data that it had."""

    def make(self) -> None:
        super().make()
        (self.folder / "data" / "pg_hba.conf").write_text(_RULES)

    @property
    def pid(self) -> int:
        """The process below which all of its others are."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def database(self, name: str) -> str:
        """The address of a new database."""
        self._say(f'CREATE DATABASE "{name}"')
        return f"{self.address}/{name}"

    def guarded(self, name: str, password: str) -> str:
        """The address of a database for the user who is asked for a password."""
        self._say(f"DROP ROLE IF EXISTS {GUARDED}", f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        return f"postgresql://{GUARDED}:{password}@{LOOPBACK}:{self.port}/{name}"

    def _say(self, *statements: str) -> None:
        with psycopg.connect(f"{self.address}/postgres", autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())
