"""Log entries: appending them under a fence, reading them by cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from ..core.log_entry import LogEntry
from . import rows
from .statements import AnyConnection, Rows, execute_many, fetch
from .tables import log_entries, runs

_HEAD = (
    "UPDATE jobdeck_run SET log_seq = ? WHERE id = ? AND status = 'RUNNING' AND owner = ? AND fence = ? AND log_seq = ?"
)
_TAKE = """
UPDATE jobdeck_run SET log_seq = log_seq + ? WHERE id = ? AND status = 'RUNNING' AND owner = ? AND fence = ? RETURNING log_seq
"""
_TAKE_BESIDE = """
UPDATE jobdeck_run SET log_seq = log_seq + ?
WHERE id = ? AND tenant = ? AND fence = ? AND (status = 'RUNNING' OR started_at IS NOT NULL)
RETURNING log_seq
"""
_SINCE = "SELECT at, logger, message FROM jobdeck_log_entry WHERE run_id = ? AND seq > ? ORDER BY seq"
_APPEND = """
INSERT INTO jobdeck_log_entry (run_id, seq, tenant, attempt, at, level, logger, message, fields)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, seq) DO NOTHING
"""


def move_heads(connection: AnyConnection, heads: Rows) -> int:
    """Take the numbers up to a new head: rows of (log_seq, id, owner, fence, log_seq before). How many could be moved: those of
    runs that are still held, and in whose logs nobody else has written meanwhile.
    """
    return execute_many(connection, _HEAD, heads)


def take(connection: AnyConnection, count: int, run_id: str, owner: str, fence: int) -> int | None:
    """Take the next `count` numbers, whoever wrote before: the one before the first; None when the run is not held any more."""
    found = fetch(connection, _TAKE, (count, run_id, owner, fence))
    return int(found[0][0]) - count if found else None


def take_beside(connection: AnyConnection, count: int, run_id: str, tenant: str, fence: int) -> int | None:
    """The same for lines that were not logged by whoever holds the run, of an attempt that may be over; None when there has been
    another one since.
    """
    found = fetch(connection, _TAKE_BESIDE, (count, run_id, tenant, fence))
    return int(found[0][0]) - count if found else None


def since(connection: AnyConnection, run_id: str, seq: int) -> list[tuple[Any, ...]]:
    """(at, logger, message) of a run's entries above `seq`, in order."""
    return [tuple(row) for row in fetch(connection, _SINCE, (run_id, seq))]


def append(connection: AnyConnection, entries: Rows) -> None:
    """Insert entries under numbers that `move_heads` took in this transaction; those that are there already stay."""
    execute_many(connection, _APPEND, entries)


def after(connection: Connection, tenant: str, run_id: str, seq: int, limit: int, level: int) -> Sequence[LogEntry]:
    """Entries above the cursor `seq` of at least `level`, in order."""
    query = _of_run(tenant, run_id, level).where(log_entries.c.seq > seq)
    return _entries(connection, query.order_by(log_entries.c.seq).limit(limit))


def newest(connection: Connection, tenant: str, run_id: str, limit: int, level: int) -> Sequence[LogEntry]:
    """The last `limit` entries of at least `level`, in order."""
    query = _of_run(tenant, run_id, level).order_by(log_entries.c.seq.desc()).limit(limit)
    return _entries(connection, query)[::-1]


def search(
    connection: Connection, tenant: str, run_ids: Sequence[str], words: Sequence[str], cursor: Any, limit: int
) -> tuple[Sequence[LogEntry], int]:
    """Entries of these runs that hold all words, oldest first after `cursor` (run id, seq), and how many there are."""
    query = select(log_entries).where(log_entries.c.tenant == tenant, log_entries.c.run_id.in_(run_ids))
    for word in words:
        query = query.where(log_entries.c.message.icontains(word, autoescape=True))
    counted = query.with_only_columns(log_entries.c.seq).limit(limit * 10 + 1).subquery()
    total = connection.execute(select(func.count()).select_from(counted)).scalar_one()
    if cursor is not None:
        run_id, seq = cursor
        query = query.where(
            (log_entries.c.run_id > run_id) | ((log_entries.c.run_id == run_id) & (log_entries.c.seq > seq))
        )
    query = query.order_by(log_entries.c.run_id, log_entries.c.seq).limit(limit)
    return _entries(connection, query), total


def head(connection: Connection, tenant: str, run_id: str) -> int | None:
    """The number of the last entry of a run, 0 without one; None for an unknown run."""
    query = select(runs.c.log_seq).where(runs.c.id == run_id, runs.c.tenant == tenant)
    return connection.execute(query).scalar_one_or_none()


def _of_run(tenant: str, run_id: str, level: int) -> Any:
    query = select(log_entries).where(log_entries.c.run_id == run_id, log_entries.c.tenant == tenant)
    return query.where(log_entries.c.level >= level) if level > 0 else query


def _entries(connection: Connection, query: Any) -> list[LogEntry]:
    return [rows.log_entry(row) for row in connection.execute(query)]
