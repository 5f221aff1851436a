"""Jobs: saved configurations, with the newest run of each and the newest in each status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, union_all, update

from ..core.filters import JobFilter, Page
from ..core.job import Job
from ..core.run import Run, Status
from . import rows
from .statements import pieces
from .tables import jobs, last_runs, runs

_LIVE = (Status.QUEUED, Status.RUNNING)


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert one job; `values` by column name."""
    connection.execute(insert(jobs).values(**values))


def change(connection: Connection, tenant: str, job_id: str, values: Mapping[str, Any]) -> int:
    """Update the given columns; 1 when there is such a job."""
    return connection.execute(
        update(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant).values(**values)
    ).rowcount


def remove(connection: Connection, tenant: str, job_id: str) -> int:
    """Delete a job; its runs stay. 1 when there was one."""
    connection.execute(delete(last_runs).where(last_runs.c.subject == job_id, last_runs.c.tenant == tenant))
    return connection.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant)).rowcount


def get(connection: Connection, tenant: str, job_id: str) -> Job | None:
    """One job with its last runs, or None."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id, jobs.c.tenant == tenant)).one_or_none()
    return None if row is None else _with_last_runs(connection, tenant, [row])[0]


def of_ids(connection: Connection, tenant: str, job_ids: Iterable[str], *, with_last_runs: bool = False) -> list[Job]:
    """These jobs, in any order; a deleted one is missing."""
    found: list[Job] = []
    for piece in pieces(job_ids):
        listed = connection.execute(select(jobs).where(jobs.c.id.in_(piece), jobs.c.tenant == tenant)).fetchall()
        found += _with_last_runs(connection, tenant, listed) if with_last_runs else [rows.job(row) for row in listed]
    return found


def titles(connection: Connection, tenant: str, job_ids: Iterable[str]) -> dict[str, str]:
    """The titles of these jobs by id."""
    query = select(jobs.c.id, jobs.c.title).where(jobs.c.id.in_(set(job_ids)), jobs.c.tenant == tenant)
    return {row.id: row.title for row in connection.execute(query)}


def by_title(connection: Connection, tenant: str, wanted: JobFilter, page: Page) -> tuple[list[Job], int, bool]:
    """A page of jobs by title, the number of all, whether more follow. Two statements, however many jobs."""
    query = select(jobs, func.count().over().label("total_count")).where(jobs.c.tenant == tenant)
    if wanted.type is not None:
        query = query.where(jobs.c.type == wanted.type)
    if wanted.active is not None:
        query = query.where(jobs.c.active == wanted.active)
    if wanted.text:
        query = query.where(
            or_(
                jobs.c.title.icontains(wanted.text, autoescape=True),
                jobs.c.description.icontains(wanted.text, autoescape=True),
            )
        )
    query = query.order_by(func.lower(jobs.c.title), jobs.c.id)
    found = connection.execute(query.offset(page.offset).limit(page.size + 1)).fetchall()
    shown = found[: page.size]
    total = found[0].total_count if found else 0
    return _with_last_runs(connection, tenant, shown), total, len(found) > page.size


def _with_last_runs(connection: Connection, tenant: str, found: Sequence[Row[Any]]) -> list[Job]:
    newest: dict[str, Run] = {}
    by_status: dict[str, dict[str, Run]] = {}
    for run in _last_runs(connection, tenant, [row.id for row in found]):
        job_id = str(run.job_id)
        if job_id not in newest or run.id > newest[job_id].id:
            newest[job_id] = run
        known = by_status.setdefault(job_id, {})
        status = run.status.lower()
        if status not in known or run.id > known[status].id:
            known[status] = run
    return [rows.job(row, newest.get(row.id), by_status.get(row.id)) for row in found]


def _last_runs(connection: Connection, tenant: str, job_ids: list[str]) -> list[Run]:
    if not job_ids:
        return []
    of_job = runs.alias("of_job")
    newest = select(
        select(func.max(of_job.c.id))
        .where(of_job.c.job_id == jobs.c.id, of_job.c.job_id.is_not(None), of_job.c.parent_id.is_(None))
        .scalar_subquery()
    ).where(jobs.c.id.in_(job_ids))
    live = (
        select(func.max(runs.c.id))
        .where(
            runs.c.job_id.in_(job_ids),
            runs.c.job_id.is_not(None),
            runs.c.status.in_(_LIVE),
            runs.c.parent_id.is_(None),
        )
        .group_by(runs.c.job_id, runs.c.status)
    )
    final = select(last_runs.c.run_id).where(last_runs.c.subject.in_(job_ids))
    query = select(runs).where(runs.c.id.in_(union_all(newest, live, final)), runs.c.tenant == tenant)
    return [rows.run(row) for row in connection.execute(query)]
