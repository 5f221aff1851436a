"""Schedulers: who turns planned times into runs, and since when they were last heard of."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from ..core.worker import SchedulerInfo
from . import rows
from .tables import schedulers

LISTED_LIMIT = 100
_KEEP_US = 24 * 3600 * 1_000_000


def add(connection: Connection, tenant: str, scheduler: SchedulerInfo, now_us: int) -> None:
    """Register a scheduler at its start, and forget those of which nothing was heard for a day."""
    connection.execute(delete(schedulers).where(schedulers.c.seen_at < now_us - _KEEP_US))
    connection.execute(
        insert(schedulers).values(
            id=scheduler.id,
            tenant=tenant,
            host=scheduler.host,
            pid=scheduler.pid,
            tzdata=scheduler.tzdata,
            started_at=now_us,
            seen_at=now_us,
        )
    )


def seen(connection: Connection, scheduler_id: str, now_us: int) -> None:
    """Note that a scheduler lives."""
    connection.execute(update(schedulers).where(schedulers.c.id == scheduler_id).values(seen_at=now_us))


def ended(connection: Connection, scheduler_id: str, now_us: int) -> None:
    """Note that a scheduler is gone."""
    connection.execute(update(schedulers).where(schedulers.c.id == scheduler_id).values(ended_at=now_us))


def live(connection: Connection, since_us: int, tenant: str | None = None) -> Sequence[SchedulerInfo]:
    """Those that have not ended, seen since then, oldest first: of a tenant, or all, who serve each other's schedules."""
    query = select(schedulers).where(schedulers.c.ended_at.is_(None), schedulers.c.seen_at >= since_us)
    if tenant is not None:
        query = query.where(schedulers.c.tenant == tenant)
    return [
        rows.scheduler(row) for row in connection.execute(query.order_by(schedulers.c.started_at).limit(LISTED_LIMIT))
    ]
