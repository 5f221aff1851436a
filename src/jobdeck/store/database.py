"""One database, SQLite or PostgreSQL: connections, transactions, and the schema's version.

Every transaction that may write begins as a writer (SQLite: BEGIN IMMEDIATE; upgrading a reader fails at once with
"database is locked" whatever the busy timeout). A connection is opened on first use, never by importing or constructing,
so that a process which forks children can hold a `Database` without holding a connection.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event, exc, text

from ..config import Settings
from ..errors import SchemaOutdated, StoreError
from .schema import HEAD, VERSION_TABLE
from .statements import Lane
from .turns import Turns

# `DatabaseError` itself, not one of its kinds, says that the file is damaged or no database.
_SQLITE_OUTAGES = (sqlite3.OperationalError, sqlite3.DatabaseError)
BUSY_TIMEOUT_MS = 15_000
_SQLITE_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = {synchronous}",
    f"busy_timeout = {BUSY_TIMEOUT_MS}",
    "journal_size_limit = 67108864",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",
)

# Closing what a fork inherited would end the parent's connection too; it is kept from the garbage collector.
_INHERITED: list[object] = []


class Database:
    """The database of one deck. Thread-safe; a forked child must call `forget` before its first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.is_sqlite = settings.is_sqlite
        self._writer = threading.Lock()
        self._long: PoolProxiedConnection | None = None

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, made on first use."""
        if self.is_sqlite:
            return self._sqlite_engine()
        return create_engine(
            self._settings.database_url, paramstyle="format", pool_size=10, max_overflow=60, pool_pre_ping=True
        )

    @cached_property
    def path(self) -> Path | None:
        """The SQLite file, or None."""
        database = self.engine.url.database
        return Path(database) if self.is_sqlite and database else None

    @cached_property
    def _turns(self) -> Turns:
        path = self.path or Path(os.devnull)
        return Turns(path.with_name(f"{path.name}-turn"))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; what it sees is one snapshot on SQLite."""
        with _plain_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, rolled back when it raises."""
        if not self.is_sqlite:
            with _plain_errors(), self.engine.begin() as connection:
                yield connection
            return
        with self._writer, self._turns.take(), _plain_errors(), self.engine.connect() as connection:
            connection.info["writer"] = True
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.info["writer"] = False

    @contextmanager
    def write_quickly(self) -> Iterator[Connection | Lane]:
        """As `write`, for the statements that every run passes: on SQLite one long connection, without SQLAlchemy's layers."""
        if not self.is_sqlite:
            with self.write() as connection:
                yield connection
            return
        with self._writer, self._turns.take(), _plain_errors():
            driver = self._long_driver()
            driver.execute("BEGIN IMMEDIATE")
            try:
                yield Lane(driver)
                driver.execute("COMMIT")
            except BaseException:
                driver.rollback()
                raise

    def _long_driver(self) -> sqlite3.Connection:
        if self._long is None:
            self._long = self.engine.raw_connection()
        driver: sqlite3.Connection = self._long.driver_connection  # type: ignore[assignment]  # the driver is sqlite3
        return driver

    def forget(self) -> None:
        """Let go of connections inherited by a fork, without closing the parent's."""
        self._writer = threading.Lock()
        if self._long is not None:
            _INHERITED.append(self._long)
            self._long = None
        if "engine" in self.__dict__:
            self.engine.dispose(close=False)

    def close(self) -> None:
        """Close every connection; the next use opens new ones."""
        if self._long is not None:
            self._long.close()
            self._long = None
        if "engine" in self.__dict__:
            self.engine.dispose()
        if "_turns" in self.__dict__:
            self._turns.close()

    def schema_version(self) -> str | None:
        """The version of the tables, or None when there are none."""
        if self.path is not None and not self.path.exists():
            return None
        with self.read() as connection:
            try:
                return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()
            except (exc.OperationalError, exc.ProgrammingError):
                if _reachable(connection):
                    return None
                raise

    def check_schema(self) -> None:
        """SchemaOutdated unless the tables are of this program's version."""
        found = self.schema_version()
        if found != HEAD:
            state = "has no jobdeck tables" if found is None else f"has tables of version {found}, not {HEAD}"
            raise SchemaOutdated(f"The database {state}; run `jobdeck db upgrade`.")

    def durability(self) -> str:
        """What a commit survives, as the database itself reports it."""
        with self.read() as connection:
            if self.is_sqlite:
                level = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
                return {1: "normal (process crash; power loss may forget the last moments)"}.get(
                    level, "full (process crash and power loss)"
                )
            on = connection.exec_driver_sql("SHOW synchronous_commit").scalar_one()
            return f"synchronous_commit={on}"

    def _sqlite_engine(self) -> Engine:
        engine = create_engine(
            self._settings.database_url,
            pool_size=10,
            max_overflow=80,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )
        synchronous = self._settings.durability.upper()

        @event.listens_for(engine, "connect")
        def configure(connection: Any, record: Any) -> None:
            connection.isolation_level = None
            for pragma in _SQLITE_PRAGMAS:
                connection.execute(f"PRAGMA {pragma.format(synchronous=synchronous)}").close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.info.get("writer") else "BEGIN")

        return engine


def make_folder(path: Path) -> None:
    """Make a private folder with its parents; StoreError in plain words when that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(f"not writable: {path}")
    except OSError as error:
        raise StoreError(f"The folder {path} cannot be used: {error.strerror or error}.") from None


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if type(error) not in _SQLITE_OUTAGES:
            raise
        raise StoreError(f"The database cannot serve: {error}") from error
    except exc.DBAPIError as error:
        is_outage = isinstance(error, exc.OperationalError) or error.connection_invalidated
        if not is_outage and type(error.orig) not in _SQLITE_OUTAGES:
            raise
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        raise StoreError(f"The database cannot serve: {lines[0]}") from error
    except exc.TimeoutError as error:
        raise StoreError("The database cannot serve: all connections are in use.") from error


def _reachable(connection: Connection) -> bool:
    connection.rollback()
    return connection.execute(text("SELECT 1")).scalar() == 1
