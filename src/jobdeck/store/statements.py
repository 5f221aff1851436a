"""Statements written out as SQL text, for the paths that every run passes.

SQLAlchemy Core's own execution would cost about as much again as the statement itself. Parameters are
positional: `?` here, `%s` on PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, CursorResult

Rows = Sequence[tuple[Any, ...]]


class Lane:
    """A connection of SQLite's own driver, which takes the statements written out here and nothing else."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self.driver = driver


AnyConnection = Connection | Lane


def execute(connection: Connection | Lane, sql: str, parameters: tuple[Any, ...] = ()) -> CursorResult[Any]:
    """Run one statement."""
    if isinstance(connection, Lane):
        return cast(CursorResult[Any], connection.driver.execute(sql, parameters))
    return connection.exec_driver_sql(_dialect(connection, sql), parameters)


def fetch(connection: AnyConnection, sql: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Run one statement and take what it gives as plain tuples: by name, each column would cost a look-up."""
    if isinstance(connection, Lane):
        return connection.driver.execute(sql, parameters).fetchall()
    return list(execute(connection, sql, parameters).cursor.fetchall())


@contextmanager
def set_apart(connection: AnyConnection) -> Iterator[None]:
    """A savepoint: what fails in the block is undone, and the transaction goes on."""
    if not isinstance(connection, Lane):
        with connection.begin_nested():
            yield
        return
    connection.driver.execute("SAVEPOINT apart")
    try:
        yield
    except BaseException:
        connection.driver.execute("ROLLBACK TO apart")
        raise
    finally:
        connection.driver.execute("RELEASE apart")


def execute_many(connection: Connection | Lane, sql: str, rows: Rows) -> int:
    """Run one statement for each row; the number of rows it changed in all."""
    if not rows:
        return 0
    if isinstance(connection, Lane):
        return connection.driver.executemany(sql, rows).rowcount
    return connection.exec_driver_sql(_dialect(connection, sql), list(rows)).rowcount


def marks(count: int) -> str:
    """`?, ?, ?` for an IN list."""
    return ", ".join("?" * count)


def _dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")
