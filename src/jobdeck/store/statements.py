"""Statements written out as SQL text, for the paths that every run passes.

SQLAlchemy Core's own execution would cost about as much again as the statement itself. Parameters are
positional: `?` here, `%s` on PostgreSQL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Connection, CursorResult

Rows = Sequence[tuple[Any, ...]]


class Lane:
    """A connection of SQLite's own driver, which takes the statements written out here and nothing else."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self.driver = driver


def execute(connection: Connection | Lane, sql: str, parameters: tuple[Any, ...] = ()) -> CursorResult[Any]:
    """Run one statement."""
    if isinstance(connection, Lane):
        return cast(CursorResult[Any], connection.driver.execute(sql, parameters))
    return connection.exec_driver_sql(_dialect(connection, sql), parameters)


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
