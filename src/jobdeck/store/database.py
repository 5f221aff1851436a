"""One database, SQLite or PostgreSQL: connections, transactions, and the schema's version.

Every transaction that may write begins as a writer (SQLite: BEGIN IMMEDIATE; upgrading a reader fails at once with
"database is locked" whatever the busy timeout). A connection is opened on first use, never by importing or constructing,
so that a process which forks children can hold a `Database` without holding a connection.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, ExceptionContext, PoolProxiedConnection, create_engine, event, exc, text

from ..config import Settings
from ..errors import ConfigurationError, InvalidInput, SchemaOutdated, StoreError
from .schema import HEAD, VERSION_TABLE
from .statements import Lane
from .turns import Turns

# `DatabaseError` itself, not one of its kinds, says that the file is damaged or no database.
_SQLITE_OUTAGES = (sqlite3.OperationalError, sqlite3.DatabaseError)
BUSY_TIMEOUT_MS = 15_000
CONNECT_S = 10
"""How long PostgreSQL may take to accept a connection: an address that swallows packets must not keep anybody for minutes."""
UNHEARD_S = 20.0
"""After how long without a sign from PostgreSQL's host a connection is broken, while an answer is owed too."""
IDLE_S = 10.0
"""How long a transaction on PostgreSQL may stand still at most: whoever is frozen in one must not keep its locks."""
OLDEST_POSTGRESQL = 13
# Its driver counts among internal errors that nothing may be written (a standby, since a failover), or that a session has ended
# because its transaction stood still or took too long.
_TURNED_AWAY = frozenset({"25006", "25P03", "25P04"})
_UNREADABLE = (
    "JOBDECK_DATABASE_URL cannot be read; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %40 for @ and %2F for / in a"
    " password."
)
PING_AFTER_S = 1.0
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

    def __init__(self, settings: Settings, patience_s: float | None = None) -> None:
        """`patience_s`: how long PostgreSQL may take for a statement, a lock or an answer; None: as it is configured."""
        self._settings = settings
        self._patience_s = patience_s
        self.is_sqlite = settings.is_sqlite
        self._writer = threading.Lock()
        self._long: PoolProxiedConnection | None = None

    @cached_property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, made on first use."""
        if self.is_sqlite:
            return self._sqlite_engine()
        return _postgresql_engine(self._settings.database_url, self._patience_s, self._settings.lease_s)

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
    def write_quickly(self, *, in_one_go: bool = False) -> Iterator[Lane]:
        """As `write`, for the statements that every run passes, without SQLAlchemy's layers; on SQLite one long connection.

        `in_one_go`: nothing asks for what a statement gives, so that PostgreSQL may be sent all of them at once.
        """
        if not self.is_sqlite:
            with _plain_errors(), _lane(self.engine, in_one_go=in_one_go) as lane:
                yield lane
            return
        with self._writer, self._turns.take(), _plain_errors():
            driver = self._long_driver()
            driver.execute("BEGIN IMMEDIATE")
            try:
                yield Lane(driver, is_sqlite=True)
                driver.execute("COMMIT")
            except BaseException:
                driver.rollback()
                raise

    def _long_driver(self) -> sqlite3.Connection:
        if self._long is None:
            self._long = self.engine.raw_connection()
        driver: sqlite3.Connection = self._long.driver_connection  # type: ignore[assignment]  # the driver is sqlite3
        return driver

    def driver_connection(self) -> Any:
        """A new connection of PostgreSQL's own driver, outside the pool, committing each statement; StoreError."""
        with _plain_errors():
            pooled = self.engine.raw_connection()
            driver: Any = pooled.driver_connection
            pooled.detach()
            driver.autocommit = True
            return driver

    def say(self, sql: str) -> None:
        """Run one statement on PostgreSQL by itself; StoreError when it cannot serve."""
        with _plain_errors(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(sql)

    def is_same(self, connection: Connection) -> bool:
        """Whether a connection of somebody else's is on this database."""
        ours, theirs = self.engine.url, connection.engine.url
        if self.is_sqlite:
            told = connection.exec_driver_sql("PRAGMA database_list").fetchall() if _is_sqlite(connection) else []
            files = [Path(row[2]).resolve() for row in told if row[1] == "main" and row[2]]
            return self.path is not None and files == [self.path.resolve()]
        same = [(url.get_backend_name(), url.host or "", url.port or 5432, url.database) for url in (ours, theirs)]
        return same[0] == same[1]

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


@contextmanager
def borrowed(database: Database, connection: Any, session: Any) -> Iterator[Connection]:
    """The caller's own connection, inside its transaction; InvalidInput unless it is on this very database."""
    name = "connection" if session is None else "session"
    theirs = connection if session is None else getattr(session, "connection", lambda: None)()
    if not isinstance(theirs, Connection):
        raise InvalidInput.of(name, f"Must be a {name} of SQLAlchemy.")
    if not database.is_same(theirs):
        raise InvalidInput.of(name, "It is on another database than jobdeck's, so that no transaction can span both.")
    with _plain_errors():
        yield theirs


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
        if not (is_outage or _is_turned_away(error.orig) or type(error.orig) in _SQLITE_OUTAGES):
            raise
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        raise StoreError(f"The database cannot serve: {lines[0]}") from error
    except exc.TimeoutError as error:
        raise StoreError("The database cannot serve: all connections are in use.") from error
    except Exception as error:
        if not _is_outage(error):
            raise
        lines = str(error).splitlines() or [type(error).__name__]
        raise StoreError(f"The database cannot serve: {lines[0]}") from error


def _is_outage(error: Exception) -> bool:
    """Whether PostgreSQL's own driver says that the server is away, or gave up: it is loaded only where it is used."""
    psycopg = sys.modules.get("psycopg")
    is_away = psycopg is not None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return is_away or _is_turned_away(error)


def _is_turned_away(error: BaseException | None) -> bool:
    """Whether PostgreSQL serves, but nothing more is to be had from it on this connection."""
    return getattr(error, "sqlstate", None) in _TURNED_AWAY


def _postgresql_engine(url: str, patience_s: float | None, lease_s: float) -> Engine:
    how = _how_to_connect(patience_s)
    try:
        engine = create_engine(url, paramstyle="format", pool_size=10, max_overflow=60, connect_args=how)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"PostgreSQL needs the package {error.name}; install it with `pip install 'jobdeck[postgresql]'`."
        ) from error
    except (exc.ArgumentError, ValueError):
        # What it says may hold the password.
        raise ConfigurationError(_UNREADABLE) from None
    if "@" in (engine.url.host or ""):
        raise ConfigurationError(_UNREADABLE)
    _attend(engine, _bounds(patience_s, lease_s))
    return engine


def _attend(engine: Engine, bounds: str) -> None:
    """Have every connection to PostgreSQL looked at when it is opened, used again, and done with."""

    @event.listens_for(engine, "connect")
    def look_at_version(driver: Any, record: Any) -> None:
        number = _server_version(driver)
        if number < OLDEST_POSTGRESQL * 10_000:
            driver.close()
            raise ConfigurationError(
                f"PostgreSQL {number // 10_000} is too old: jobdeck needs PostgreSQL {OLDEST_POSTGRESQL} or newer."
            )

    # Said here and not as `options` of the connection, which poolers such as PgBouncer refuse.
    @event.listens_for(engine, "connect")
    def bound(driver: Any, record: Any) -> None:
        driver.autocommit = True
        driver.execute(bounds)
        driver.autocommit = False

    @event.listens_for(engine, "handle_error")
    def let_go(context: ExceptionContext) -> None:
        if _is_turned_away(context.original_exception):
            context.is_disconnect = True

    # What `pool_pre_ping` does at every use, and costs a round trip, is wanted after a pause only.
    @event.listens_for(engine, "checkout")
    def check(driver: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", math.inf) > PING_AFTER_S:
            try:
                engine.dialect.do_ping(driver)
            except Exception as error:  # whatever says that it is not there any more
                raise exc.InvalidatePoolError from error

    @event.listens_for(engine, "checkin")
    def note(driver: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()


def _server_version(driver: Any) -> int:
    """`150004` for 15.4."""
    return int(driver.info.server_version)


@contextmanager
def _lane(engine: Engine, *, in_one_go: bool) -> Iterator[Lane]:
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        with driver.pipeline() if in_one_go else nullcontext():
            yield Lane(driver, is_sqlite=False)
            driver.commit()
    except BaseException as error:
        if driver.closed or _is_turned_away(error):
            pooled.invalidate()
        else:
            driver.rollback()
        raise
    finally:
        pooled.close()


def _how_to_connect(patience_s: float | None) -> dict[str, Any]:
    """What libpq is told of how long to wait for a connection, and for a sign of the host at its other end."""
    connect_s, unheard_s = (CONNECT_S, UNHEARD_S) if patience_s is None else (max(2, int(patience_s)), patience_s / 2)
    probe_s = max(1, int(unheard_s / 4))
    return {
        "connect_timeout": connect_s,
        "keepalives": 1,
        "keepalives_idle": max(1, int(unheard_s) - 2 * probe_s),
        "keepalives_interval": probe_s,
        "keepalives_count": 2,
        "tcp_user_timeout": int(unheard_s * 1000),
    }


def _bounds(patience_s: float | None, lease_s: float) -> str:
    """What a session of PostgreSQL is told of how long things may take, as SQL."""
    bounds = {"idle_in_transaction_session_timeout": min(IDLE_S, lease_s / 3)}
    if patience_s is not None:
        bounds |= {"statement_timeout": patience_s, "lock_timeout": patience_s}
    return "; ".join(f"SET {name} = {int(seconds * 1000)}" for name, seconds in bounds.items())


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _reachable(connection: Connection) -> bool:
    connection.rollback()
    return connection.execute(text("SELECT 1")).scalar() == 1
