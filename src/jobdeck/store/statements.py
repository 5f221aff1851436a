"""Statements written out as SQL text, for the paths that every run passes.

SQLAlchemy Core's own execution would cost about as much again as the statement itself. Parameters are
positional: `?` here, `%s` on PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult

Rows = Sequence[tuple[Any, ...]]


def execute(connection: Connection, sql: str, parameters: tuple[Any, ...] = ()) -> CursorResult[Any]:
    """Run one statement."""
    return connection.exec_driver_sql(_dialect(connection, sql), parameters)


def execute_many(connection: Connection, sql: str, rows: Rows) -> int:
    """Run one statement for each row; the number of rows it changed in all."""
    if not rows:
        return 0
    return connection.exec_driver_sql(_dialect(connection, sql), list(rows)).rowcount


def marks(count: int) -> str:
    """`?, ?, ?` for an IN list."""
    return ", ".join("?" * count)


def _dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")
