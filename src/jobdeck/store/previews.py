"""The schedules that somebody looks ahead over. Saving and listing them stands in `store.schedules`."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ..core.schedule import Schedule
from . import rows
from .tables import jobs, schedules


def active(
    connection: Connection, tenant: str, limit: int, *, job_id: str | None = None, but: str | None = None
) -> list[tuple[Schedule, str]]:
    """A tenant's schedules that fire, with the titles of their jobs: the next to fire first, `limit` at most.

    Neither they nor their jobs are switched off. `but` is left out.
    """
    query = (
        select(schedules, jobs.c.title.label("job_title"))
        .join(jobs, jobs.c.id == schedules.c.job_id)
        .where(schedules.c.tenant == tenant, schedules.c.next_fire_at.is_not(None), schedules.c.paused_at.is_(None))
        .where(jobs.c.active)
    )
    if job_id is not None:
        query = query.where(schedules.c.job_id == job_id)
    if but is not None:
        query = query.where(schedules.c.id != but)
    query = query.order_by(schedules.c.next_fire_at, schedules.c.id).limit(limit)
    return [(rows.schedule(row), row.job_title) for row in connection.execute(query)]
