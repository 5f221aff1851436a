"""Queues and job types as administrators pause and limit them. No row: never touched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .statements import AnyConnection, execute, fetch, is_sqlite, marks
from .waiting import ELIGIBLE, ELIGIBLE_MARKS

TABLES = {"queue": ("jobdeck_queue", "name"), "type": ("jobdeck_type", "id")}
# Written so that SQLite does not take it for the way in: by tenant it would read the whole history.
_OF_TENANT = "coalesce(r.tenant, '') = ?"
_PAUSED = "paused_at, paused_by, pause_reason"


def pause(connection: AnyConnection, kind: str, tenant: str, name: str, told: tuple[int, str, str | None]) -> int:
    """Pause a queue or a type: (at, by, reason); 1 unless it was paused already."""
    table, key = TABLES[kind]
    execute(connection, f"INSERT INTO {table} (tenant, {key}) VALUES (?, ?) ON CONFLICT DO NOTHING", (tenant, name))
    sql = f"""UPDATE {table} SET paused_at = ?, paused_by = ?, pause_reason = ?
        WHERE tenant = ? AND {key} = ? AND paused_at IS NULL"""
    return execute(connection, sql, (*told, tenant, name)).rowcount


def resume(connection: AnyConnection, kind: str, tenant: str, name: str) -> int:
    """Resume; 1 when it was paused."""
    table, key = TABLES[kind]
    count = ", lost_in_a_row = 0" if kind == "type" else ""
    sql = f"""UPDATE {table} SET paused_at = NULL, paused_by = NULL, pause_reason = NULL{count}
        WHERE tenant = ? AND {key} = ? AND paused_at IS NOT NULL"""
    return execute(connection, sql, (tenant, name)).rowcount


def paused(connection: AnyConnection, kind: str, tenant: str) -> dict[str, tuple[Any, ...]]:
    """Every paused queue or type: name → (at, by, reason)."""
    table, key = TABLES[kind]
    sql = f"SELECT {key}, {_PAUSED} FROM {table} WHERE tenant = ? AND paused_at IS NOT NULL"
    return {name: tuple(told) for name, *told in fetch(connection, sql, (tenant,))}


def set_limit(connection: AnyConnection, tenant: str, queue: str, limit: int | None) -> None:
    """How many runs of a queue may be at work at once; None: any number."""
    execute(
        connection, "INSERT INTO jobdeck_queue (tenant, name) VALUES (?, ?) ON CONFLICT DO NOTHING", (tenant, queue)
    )
    sql = "UPDATE jobdeck_queue SET run_limit = ? WHERE tenant = ? AND name = ?"
    execute(connection, sql, (limit, tenant, queue))


def limits(connection: AnyConnection, tenant: str) -> dict[str, int]:
    """The limit of each limited queue."""
    sql = "SELECT name, run_limit FROM jobdeck_queue WHERE tenant = ? AND run_limit IS NOT NULL"
    return dict(fetch(connection, sql, (tenant,)))


def are_limited(connection: AnyConnection, queues: Collection[str]) -> bool:
    """Whether any of these queues has a limit."""
    sql = f"""SELECT 1 FROM jobdeck_queue
        WHERE run_limit IS NOT NULL AND name IN ({marks(len(queues))}) LIMIT 1"""
    return bool(fetch(connection, sql, tuple(queues)))


def room(connection: AnyConnection, queues: Sequence[str]) -> tuple[dict[str, int], bool]:
    """How many more runs each limited one of these queues takes, 0 while another worker counts; whether one does.

    Locks what it counts.
    """
    sql = f"SELECT name, run_limit FROM jobdeck_queue WHERE run_limit IS NOT NULL AND name IN ({marks(len(queues))})"
    limited = dict(fetch(connection, sql, tuple(queues)))
    if not limited:
        return {}, False
    free = set(limited)
    if not is_sqlite(connection):
        lock = (
            f"SELECT name FROM jobdeck_queue WHERE name IN ({marks(len(limited))}) ORDER BY name FOR UPDATE SKIP LOCKED"
        )
        free = {row[0] for row in fetch(connection, lock, tuple(limited))}
    count = f"""SELECT queue, count(*) FROM jobdeck_run
        WHERE status = 'RUNNING' AND queue IN ({marks(len(limited))}) GROUP BY queue"""
    held = dict(fetch(connection, count, tuple(limited)))
    left = {name: max(0, n - held.get(name, 0)) if name in free else 0 for name, n in limited.items()}
    return left, len(free) < len(limited)


def count_queued(connection: AnyConnection, tenant: str, queue: str | None, limit: int) -> int:
    """How many runs are queued, of one queue or all, counted to `limit`."""
    of_queue = "" if queue is None else "r.queue = ? AND "
    # The two partial indexes that hold all of them, word by word.
    found = " UNION ALL ".join(
        f"SELECT 1 FROM jobdeck_run r WHERE r.status = 'QUEUED' AND r.parked {which} 0 AND {of_queue}{_OF_TENANT}"
        for which in ("=", "<>")
    )
    values = (*([] if queue is None else [queue]), tenant)
    return int(fetch(connection, f"SELECT count(*) FROM ({found} LIMIT ?) AS counted", (*values, *values, limit))[0][0])


def count_running(connection: AnyConnection, tenant: str, limit: int) -> dict[str, int]:
    """How many runs of each queue are at work, among the first `limit` of all."""
    sql = f"""SELECT queue, count(*) FROM (SELECT r.queue FROM jobdeck_run r
        WHERE r.status = 'RUNNING' AND {_OF_TENANT} LIMIT ?) AS held GROUP BY queue"""
    return dict(fetch(connection, sql, (tenant, limit)))


def oldest(connection: AnyConnection, tenant: str, queue: str, now_us: int) -> int | None:
    """Since when the run of a queue waits that has waited longest of those that may begin (microseconds since 1970).

    Looked for among the first hundred of them, in the first ten thousand of the line.
    """
    line = """SELECT id, tenant, type, queue, parked, open_dependencies, available_at, expires_at, attempt
        FROM jobdeck_run l WHERE l.status = 'QUEUED' AND l.parked = 0 AND l.queue = ?
        ORDER BY l.order_at, l.id LIMIT 10000"""
    sql = f"""SELECT min(available_at) FROM (SELECT r.available_at FROM ({line}) AS r
        WHERE {_OF_TENANT} AND {ELIGIBLE} LIMIT 100) AS eligible"""
    found: int | None = fetch(connection, sql, (queue, tenant, *[now_us] * ELIGIBLE_MARKS))[0][0]
    return found


def in_use(connection: AnyConnection) -> list[str]:
    """The queues in which runs stand in line, each found by one step into the index."""
    step = "SELECT min(r.queue) FROM jobdeck_run r WHERE r.status = 'QUEUED' AND r.parked = 0"
    sql = f"""WITH RECURSIVE used(queue) AS ({step}
        UNION ALL SELECT ({step} AND r.queue > used.queue) FROM used WHERE used.queue IS NOT NULL)
        SELECT queue FROM used WHERE queue IS NOT NULL LIMIT 1000"""
    return [name for (name,) in fetch(connection, sql)]


def count_lost(connection: AnyConnection, tenant: str, type_id: str) -> int:
    """One more run of a type was lost with its worker; how many in a row that makes."""
    execute(connection, "INSERT INTO jobdeck_type (tenant, id) VALUES (?, ?) ON CONFLICT DO NOTHING", (tenant, type_id))
    sql = """UPDATE jobdeck_type SET lost_in_a_row = lost_in_a_row + 1 WHERE tenant = ? AND id = ?
        RETURNING lost_in_a_row"""
    return int(fetch(connection, sql, (tenant, type_id))[0][0])


def count_survived(connection: AnyConnection, types: Sequence[str]) -> None:
    """Runs of these types ended otherwise than with their worker."""
    sql = f"UPDATE jobdeck_type SET lost_in_a_row = 0 WHERE lost_in_a_row > 0 AND id IN ({marks(len(types))})"
    execute(connection, sql, tuple(types))
