"""Runs: making, reading and stopping them. What a worker writes stands in `store.claims`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from ..core.filters import COUNT_LIMIT, Page, RunFilter
from ..core.new_run import COLUMNS, NewRun
from ..core.run import CANCELLING, WAITING, Parked, Run, Status, Trigger
from ..core.times import from_us
from . import files, lines, rows
from .statements import AnyConnection, Lane, Rows, execute, execute_many, fetch, is_sqlite, marks
from .tables import attempts, last_runs, runs, workers

MANY = 100
"""From so many on, PostgreSQL is given rows as a stream."""

_ENQUEUE = f"""
INSERT INTO jobdeck_run (status, {", ".join(COLUMNS)}) VALUES ('QUEUED', {marks(len(COLUMNS))})
"""


def enqueue(connection: AnyConnection, new: Rows) -> None:
    """Insert queued runs, each as `NewRun.row` gives it."""
    if len(new) >= MANY and isinstance(connection, Lane) and not connection.is_sqlite:
        connection.copy("jobdeck_run", ("status", *COLUMNS), (("QUEUED", *row) for row in new))
    else:
        execute_many(connection, _ENQUEUE, new)


def enqueue_unique(connection: AnyConnection, new: NewRun) -> int:
    """Insert a queued run unless another live one has its unique key; 1 when it was inserted."""
    return execute(connection, f"{_ENQUEUE} ON CONFLICT DO NOTHING", new.row()).rowcount


def of_unique_key(connection: AnyConnection, tenant: str, key: str) -> tuple[str, str] | None:
    """(id, status) of the live run with this unique key, locked."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE"
    sql = f"""SELECT id, status FROM jobdeck_run
        WHERE tenant = ? AND unique_key = ? AND unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING') {lock}"""
    found = fetch(connection, sql, (tenant, key))
    return (found[0][0], found[0][1]) if found else None


def drop_unique_key(connection: AnyConnection, run_id: str) -> None:
    """Leave a run's unique key to its successor."""
    execute(connection, "UPDATE jobdeck_run SET unique_key = NULL WHERE id = ? AND status = 'RUNNING'", (run_id,))


def as_enqueued(new: NewRun) -> Run:
    """The run that `enqueue` has made of this."""
    return Run(
        id=new.id,
        tenant=new.tenant,
        job_id=new.job_id,
        type=new.type,
        function=new.function,
        title=new.title,
        arguments=json.loads(new.arguments),
        positional=tuple(json.loads(new.positional)) if new.positional else (),
        queue=new.queue,
        trigger=Trigger(new.trigger),
        started_by=rows.principal(new.principal_id, new.principal_name, new.tenant),
        status=Status.QUEUED,
        reason=None,
        message=None,
        result=None,
        attempt=0,
        max_attempts=new.max_attempts,
        timeout_s=new.timeout_s,
        available_at=from_us(new.available_at),
        created_at=from_us(new.created_at),
        started_at=None,
        ended_at=None,
        stop_requested_at=None,
        stop_requested_by=None,
        stop_reason=None,
        progress=None,
        priority=new.priority,
        expires_at=None if new.expires_at is None else from_us(new.expires_at),
        open_dependencies=new.open_dependencies,
        parked=Parked(new.parked),
        limit_key=new.limit_key,
        limit_n=new.limit_n,
        limit_policy=new.limit_policy,
        unique_key=new.unique_key,
        parent_id=new.parent_id,
        retry_of=new.retry_of,
        schedule_id=new.schedule_id,
        fire_at=None if new.fire_at is None else from_us(new.fire_at),
    )


def get(connection: Connection, tenant: str, run_id: str, job_id: str | None = None) -> Run | None:
    """One run with its files, or None; with `job_id` only a run of that job."""
    query = select(runs).where(runs.c.id == run_id, runs.c.tenant == tenant)
    if job_id is not None:
        query = query.where(runs.c.job_id == job_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else rows.run(row, tuple(files.of_runs(connection, [run_id]).get(run_id, ())))


def newest(
    connection: Connection, tenant: str, wanted: RunFilter, page: Page, now_us: int
) -> tuple[list[Run], int, bool]:
    """A page of runs from newest to oldest, the number of all (counted to `COUNT_LIMIT`), whether more follow."""
    query = _matching(tenant, wanted, now_us)
    total = connection.execute(
        select(func.count()).select_from(query.with_only_columns(runs.c.id).limit(COUNT_LIMIT + 1).subquery())
    ).scalar_one()
    if page.before is not None:
        query = query.where(runs.c.id < page.before)
    found = connection.execute(query.order_by(runs.c.id.desc()).offset(page.offset).limit(page.size + 1)).fetchall()
    shown = found[: page.size]
    made = files.of_runs(connection, [row.id for row in shown])
    return (
        [rows.run(row, tuple(made.get(row.id, ()))) for row in shown],
        min(total, COUNT_LIMIT),
        len(found) > page.size,
    )


def by_ids(connection: Connection, tenant: str, run_ids: Iterable[str]) -> dict[str, Run]:
    """These runs without their files."""
    found = connection.execute(select(runs).where(runs.c.id.in_(list(run_ids)), runs.c.tenant == tenant))
    return {row.id: rows.run(row) for row in found}


def last_of_subject(connection: Connection, tenant: str, subject: str) -> dict[str, Run]:
    """The newest run in each final status, by lower-case status name."""
    query = (
        select(runs)
        .join(last_runs, last_runs.c.run_id == runs.c.id)
        .where(last_runs.c.subject == subject, runs.c.tenant == tenant)
    )
    return {row.status.lower(): rows.run(row) for row in connection.execute(query)}


def lock(connection: Connection, tenant: str, run_id: str) -> None:
    """Keep a run as it is until the transaction ends; on SQLite the one writer has that already."""
    connection.execute(select(runs.c.id).where(runs.c.id == run_id, runs.c.tenant == tenant).with_for_update())


def attempts_of(connection: Connection, run_id: str) -> Sequence[Any]:
    """All attempts of a run, first to last."""
    query = select(attempts, workers.c.engine).outerjoin(workers, workers.c.id == attempts.c.worker_id)
    query = query.where(attempts.c.run_id == run_id).order_by(attempts.c.attempt)
    return [rows.attempt(row) for row in connection.execute(query)]


def count_waiting(connection: Connection, tenant: str) -> int:
    """How many runs are queued, counted to `COUNT_LIMIT`."""
    return lines.count_queued(connection, tenant, None, COUNT_LIMIT)


def _matching(tenant: str, wanted: RunFilter, now_us: int) -> Select[Any]:
    query = select(runs).where(runs.c.tenant == tenant)
    if wanted.job_id is not None:
        query = query.where(runs.c.job_id == wanted.job_id)
    if wanted.parent_id is not None:
        query = query.where(runs.c.parent_id == wanted.parent_id)
    if wanted.type is not None:
        query = query.where(runs.c.type == wanted.type)
    if wanted.queue is not None:
        query = query.where(runs.c.queue == wanted.queue)
    if wanted.statuses:
        query = query.where(or_(*(_shown_as(status, now_us) for status in wanted.statuses)))
    if wanted.text:
        # Only the newest matches are searched, so that a rare word costs no scan of the whole history.
        searched = query.with_only_columns(runs.c.id).order_by(runs.c.id.desc()).limit(COUNT_LIMIT)
        query = query.where(
            runs.c.id.in_(select(searched.subquery().c.id)),
            or_(
                runs.c.title.icontains(wanted.text, autoescape=True),
                runs.c.message.icontains(wanted.text, autoescape=True),
            ),
        )
    return query


def _shown_as(status: str, now_us: int) -> ColumnElement[bool]:
    waits = or_(runs.c.available_at > now_us, runs.c.parked != Parked.IN_LINE)
    asked = runs.c.stop_requested_at.is_not(None)
    if status == WAITING:
        return and_(runs.c.status == Status.QUEUED, waits)
    if status == CANCELLING:
        return and_(runs.c.status == Status.RUNNING, asked)
    if status == Status.QUEUED:
        return and_(runs.c.status == Status.QUEUED, ~waits)
    if status == Status.RUNNING:
        return and_(runs.c.status == Status.RUNNING, ~asked)
    return runs.c.status == status
