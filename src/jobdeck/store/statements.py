"""Statements written out as SQL text, for the paths that every run passes.

SQLAlchemy Core's own execution would cost about as much again as the statement itself. Parameters are
positional: `?` here, `%s` on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, CursorResult

Rows = Sequence[tuple[Any, ...]]
T = TypeVar("T")
NAMED_AT_ONCE = 10_000


class Lane:
    """A connection of the database's own driver, sqlite3 or psycopg, which takes the statements written out here and nothing
    else.
    """

    def __init__(self, driver: Any, *, is_sqlite: bool) -> None:
        self.driver = driver
        self.is_sqlite = is_sqlite

    def execute(self, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Run one statement; the driver's cursor."""
        return self.driver.execute(sql if self.is_sqlite else _formatted(sql), parameters)

    def execute_many(self, sql: str, rows: Rows) -> int:
        """Run one statement for each row; how many rows were changed."""
        if self.is_sqlite:
            return int(self.driver.executemany(sql, rows).rowcount)
        cursor = self.driver.cursor()
        cursor.executemany(_formatted(sql), rows)
        return int(cursor.rowcount)

    def copy(self, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert many rows on PostgreSQL, as a stream."""
        with self.driver.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as stream:
            for row in rows:
                stream.write_row(row)


AnyConnection = Connection | Lane


def execute(connection: Connection | Lane, sql: str, parameters: tuple[Any, ...] = ()) -> CursorResult[Any]:
    """Run one statement."""
    if isinstance(connection, Lane):
        return cast(CursorResult[Any], connection.execute(sql, parameters))
    return connection.exec_driver_sql(_dialect(connection, sql), parameters)


def fetch(connection: AnyConnection, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one statement and take what it gives as plain tuples: by name, each column would cost a look-up."""
    if isinstance(connection, Lane):
        found: list[tuple[Any, ...]] = connection.execute(sql, parameters).fetchall()
        return found
    return list(execute(connection, sql, parameters).cursor.fetchall())


def is_sqlite(connection: AnyConnection) -> bool:
    """Whether it is a connection to SQLite."""
    return connection.is_sqlite if isinstance(connection, Lane) else connection.dialect.name == "sqlite"


def lightly(connection: AnyConnection) -> None:
    """Let PostgreSQL commit this transaction without waiting for the disk."""
    if not is_sqlite(connection):
        execute(connection, "SET LOCAL synchronous_commit TO OFF")


@contextmanager
def set_apart(connection: AnyConnection) -> Iterator[None]:
    """A savepoint: what fails in the block is undone, and the transaction goes on."""
    if not isinstance(connection, Lane):
        with connection.begin_nested():
            yield
        return
    connection.execute("SAVEPOINT apart")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO apart")
        raise
    finally:
        connection.execute("RELEASE apart")


def execute_many(connection: Connection | Lane, sql: str, rows: Rows) -> int:
    """Run one statement for each row; the number of rows it changed in all."""
    if not rows:
        return 0
    if isinstance(connection, Lane):
        return connection.execute_many(sql, rows)
    return connection.exec_driver_sql(_dialect(connection, sql), list(rows)).rowcount


def pieces(values: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """`values` in tuples that one statement can name: PostgreSQL takes 65,535 parameters, SQLite as few as 32,766."""
    iterator = iter(values)
    while piece := tuple(islice(iterator, NAMED_AT_ONCE)):
        yield piece


def marks(count: int) -> str:
    """`?, ?, ?` for an IN list."""
    return ", ".join("?" * count)


def _dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else _formatted(sql)


@lru_cache(maxsize=1024)
def _formatted(sql: str) -> str:
    return sql.replace("?", "%s")
