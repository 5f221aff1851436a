"""Workers: who serves which queues, and since when they were last heard of."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from ..core.worker import WorkerInfo
from . import rows
from .tables import workers

LISTED_LIMIT = 1000
_KEEP_US = 24 * 3600 * 1_000_000


def add(connection: Connection, tenant: str, worker: WorkerInfo, now_us: int) -> None:
    """Register a worker at its start, and forget those that ended long ago."""
    connection.execute(delete(workers).where(workers.c.ended_at < now_us - _KEEP_US))
    connection.execute(
        insert(workers).values(
            id=worker.id,
            tenant=tenant,
            host=worker.host,
            pid=worker.pid,
            pid_started=worker.pid_started,
            boot_id=worker.boot_id,
            queues=json.dumps(worker.queues),
            processes=worker.processes,
            started_at=now_us,
            seen_at=now_us,
        )
    )


def seen(connection: Connection, worker_id: str, now_us: int) -> None:
    """Note that a worker lives."""
    connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now_us))


def ended(connection: Connection, worker_id: str, now_us: int) -> None:
    """Note that a worker is gone."""
    connection.execute(update(workers).where(workers.c.id == worker_id).values(ended_at=now_us))


def of_tenant(connection: Connection, tenant: str, since_us: int) -> Sequence[WorkerInfo]:
    """A tenant's workers that have not ended, seen since then, oldest first; `LISTED_LIMIT` at most."""
    query = select(workers).where(
        workers.c.tenant == tenant, workers.c.ended_at.is_(None), workers.c.seen_at >= since_us
    )
    return [rows.worker(row) for row in connection.execute(query.order_by(workers.c.started_at).limit(LISTED_LIMIT))]


def on_host(connection: Connection, host: str) -> Sequence[WorkerInfo]:
    """Workers of a host that have not ended, whatever their tenant: the kernel does not know tenants."""
    query = select(workers).where(workers.c.host == host, workers.c.ended_at.is_(None))
    return [rows.worker(row) for row in connection.execute(query.order_by(workers.c.started_at))]
