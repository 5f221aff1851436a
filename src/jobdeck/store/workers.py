"""Workers: who serves which queues, and since when they were last heard of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, exists, insert, literal_column, or_, select, update

from ..core.times import from_us
from ..core.worker import HeldRun, WorkerInfo
from . import rows
from .statements import AnyConnection, execute, fetch, marks
from .tables import runs, workers

LISTED_LIMIT = 1000
_KEEP_US = 7 * 24 * 3600 * 1_000_000

# What was claimed and has not begun has no attempt yet.
_HELD = """FROM jobdeck_run r JOIN jobdeck_attempt a ON a.run_id = r.id AND a.attempt = r.attempt
    WHERE r.status = 'RUNNING' AND r.owner IN ({marks}) AND a.started_at IS NOT NULL AND a.ended_at IS NULL"""


def add(connection: Connection, tenant: str, worker: WorkerInfo, now_us: int) -> None:
    """Register a worker at its start, and forget those that ended long ago, or fell silent then and hold nothing."""
    long_ago = now_us - _KEEP_US
    holds = exists().where(runs.c.owner == workers.c.id, runs.c.status == literal_column("'RUNNING'"))
    is_lost = and_(workers.c.ended_at.is_(None), workers.c.seen_at < long_ago, ~holds)
    connection.execute(delete(workers).where(or_(workers.c.ended_at < long_ago, is_lost)))
    connection.execute(
        insert(workers).values(
            id=worker.id,
            tenant=tenant,
            engine=worker.engine,
            host=worker.host,
            pid=worker.pid,
            pid_started=worker.pid_started,
            boot_id=worker.boot_id,
            queues=json.dumps(worker.queues),
            types=json.dumps(worker.types),
            pages=worker.pages,
            processes=worker.processes,
            started_at=now_us,
            seen_at=now_us,
        )
    )


def seen(connection: Connection, worker_id: str, now_us: int, stale_writes: int) -> None:
    """Note that a worker lives, and how often it spoke about runs that it held no more."""
    told = {"seen_at": now_us, "stale_writes": stale_writes}
    connection.execute(update(workers).where(workers.c.id == worker_id).values(told))


def set_idle(connection: AnyConnection, worker_id: str, idle: bool) -> None:
    """Note whether a worker wants to be woken."""
    execute(connection, "UPDATE jobdeck_worker SET idle = ? WHERE id = ?", (idle, worker_id))


def get(connection: Connection, worker_id: str) -> WorkerInfo | None:
    """A worker, whether or not it has ended."""
    row = connection.execute(select(workers).where(workers.c.id == worker_id)).one_or_none()
    return None if row is None else rows.worker(row)


def signs(connection: AnyConnection) -> list[tuple[str, int]]:
    """(worker, when it was seen) of all that have not ended."""
    sql = "SELECT id, seen_at FROM jobdeck_worker WHERE ended_at IS NULL ORDER BY id"
    return [(worker_id, seen_at) for worker_id, seen_at in fetch(connection, sql)]


def ended(connection: Connection, worker_id: str, now_us: int) -> None:
    """Note that a worker is gone."""
    connection.execute(update(workers).where(workers.c.id == worker_id).values(ended_at=now_us))


def remove(connection: Connection, worker_id: str) -> None:
    """Forget a worker that is gone and held nothing."""
    connection.execute(delete(workers).where(workers.c.id == worker_id))


def of_tenant(connection: Connection, tenant: str, since_us: int) -> Sequence[WorkerInfo]:
    """A tenant's workers that have not ended, seen since then, oldest first; `LISTED_LIMIT` at most."""
    query = select(workers).where(
        workers.c.tenant == tenant, workers.c.ended_at.is_(None), workers.c.seen_at >= since_us
    )
    return [rows.worker(row) for row in connection.execute(query.order_by(workers.c.started_at).limit(LISTED_LIMIT))]


def last_seen(connection: Connection, tenant: str) -> list[tuple[WorkerInfo, int]]:
    """A tenant's workers, those that are gone too, each with when it was last heard of; the `LISTED_LIMIT` of them that began
    last.
    """
    query = select(workers).where(workers.c.tenant == tenant).order_by(workers.c.started_at.desc()).limit(LISTED_LIMIT)
    return [(rows.worker(row), row.ended_at or row.seen_at) for row in connection.execute(query)]


def busy(connection: AnyConnection, worker_ids: Sequence[str]) -> dict[str, int]:
    """How many runs each of these workers executes just now."""
    sql = f"SELECT owner, count(*) {_HELD.format(marks=marks(len(worker_ids)))} GROUP BY owner"
    return dict(fetch(connection, sql, tuple(worker_ids)))


def holds(connection: AnyConnection, tenant: str, worker_ids: Sequence[str], limit: int) -> dict[str, list[HeldRun]]:
    """The first runs of a tenant that each of these workers executes, `limit` of each at most, the longest at work first."""
    held = _HELD.format(marks=marks(len(worker_ids)))
    sql = f"""SELECT owner, id, title, job_id, type, function, began FROM (
        SELECT r.owner, r.id, r.title, r.job_id, r.type, r.function, a.started_at AS began,
            row_number() OVER (PARTITION BY r.owner ORDER BY a.started_at, r.id) AS place {held}
            AND coalesce(r.tenant, '') = ?) AS placed WHERE place <= ? ORDER BY owner, place"""
    found: dict[str, list[HeldRun]] = {}
    for owner, run_id, title, job_id, type_id, function, began in fetch(connection, sql, (*worker_ids, tenant, limit)):
        found.setdefault(owner, []).append(HeldRun(
            id=run_id, title=title, job_id=job_id, type=type_id, function=function, started_at=from_us(began),
        ))  # fmt: skip
    return found


def on_host(connection: Connection, host: str) -> Sequence[WorkerInfo]:
    """Workers of a host that have not ended, whatever their tenant: the kernel does not know tenants."""
    query = select(workers).where(workers.c.host == host, workers.c.ended_at.is_(None))
    return [rows.worker(row) for row in connection.execute(query.order_by(workers.c.started_at))]
