"""Runs: making, reading, stopping and deleting them. What a worker writes stands in `store.claims`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update

from ..core.filters import COUNT_LIMIT, Page, RunFilter
from ..core.principal import Principal
from ..core.run import CANCELLING, WAITING, Run, Status, Trigger
from ..core.times import from_us
from . import files, rows
from .statements import Lane, Rows, execute_many
from .tables import attempts, last_runs, log_entries, run_events, runs
from .tables import files as files_table

_ENQUEUE = """
INSERT INTO jobdeck_run (id, tenant, job_id, type, function, title, arguments, positional, queue, trigger,
    principal_id, principal_name, status, available_at, created_at, timeout_s)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'QUEUED', ?, ?, ?)
"""


def enqueue(connection: Connection | Lane, new: Rows) -> None:
    """Insert queued runs; rows in the order of the columns of `_ENQUEUE`, without the status."""
    execute_many(connection, _ENQUEUE, new)


def as_enqueued(row: tuple[Any, ...]) -> Run:
    """The run that a row given to `enqueue` has made."""
    (run_id, tenant, job_id, type_id, function, title, arguments, positional, queue, trigger,
     principal_id, principal_name, available_at, created_at, timeout_s) = row  # fmt: skip
    return Run(
        id=run_id,
        tenant=tenant,
        job_id=job_id,
        type=type_id,
        function=function,
        title=title,
        arguments=json.loads(arguments),
        positional=tuple(json.loads(positional)) if positional else (),
        queue=queue,
        trigger=Trigger(trigger),
        started_by=Principal(id=principal_id, name=principal_name, tenant=tenant),
        status=Status.QUEUED,
        reason=None,
        message=None,
        result=None,
        attempt=0,
        max_attempts=1,
        timeout_s=timeout_s,
        available_at=from_us(available_at),
        created_at=from_us(created_at),
        started_at=None,
        ended_at=None,
        stop_requested_at=None,
        stop_requested_by=None,
        stop_reason=None,
        progress=None,
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


def cancel_queued(connection: Connection, tenant: str, run_id: str, by: str, reason: str | None, now: int) -> int:
    """QUEUED → CANCELLED(stopped); 1 when it was still queued."""
    return connection.execute(
        update(runs)
        .where(runs.c.id == run_id, runs.c.tenant == tenant, runs.c.status == Status.QUEUED)
        .values(
            status=Status.CANCELLED,
            reason="stopped",
            stop_requested_at=now,
            stop_requested_by=by,
            stop_reason=reason,
            ended_at=now,
        )
    ).rowcount


def request_stop(connection: Connection, tenant: str, run_id: str, by: str, reason: str | None, now: int) -> int:
    """Ask a running run to stop, once; 1 when this was the first request."""
    return connection.execute(
        update(runs)
        .where(
            runs.c.id == run_id,
            runs.c.tenant == tenant,
            runs.c.status == Status.RUNNING,
            runs.c.stop_requested_at.is_(None),
        )
        .values(stop_requested_at=now, stop_requested_by=by, stop_reason=reason)
    ).rowcount


def delete_final(connection: Connection, tenant: str, run_id: str) -> int:
    """Delete a finished run with all that hangs on it in the database; 1 when there was one."""
    gone = connection.execute(
        delete(runs)
        .where(runs.c.id == run_id, runs.c.tenant == tenant, runs.c.status.not_in([Status.QUEUED, Status.RUNNING]))
        .returning(runs.c.job_id, runs.c.type, runs.c.status)
    ).one_or_none()
    if gone is None:
        return 0
    for table in (attempts, run_events, log_entries, files_table):
        connection.execute(delete(table).where(table.c.run_id == run_id))
    if connection.execute(delete(last_runs).where(last_runs.c.run_id == run_id)).rowcount:
        _remember_previous(connection, tenant, *gone)
    return 1


def _remember_previous(
    connection: Connection, tenant: str, job_id: str | None, type_id: str | None, status: str
) -> None:
    """The last run in a status was deleted; the one before it is the last one now."""
    of_subject = runs.c.job_id == job_id if job_id else and_(runs.c.job_id.is_(None), runs.c.type == type_id)
    query = select(runs.c.id).where(
        runs.c.tenant == tenant, of_subject, runs.c.status == status, runs.c.parent_id.is_(None)
    )
    previous = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).scalar_one_or_none()
    if previous is not None:
        values = {"tenant": tenant, "subject": job_id or type_id, "status": status, "run_id": previous}
        connection.execute(insert(last_runs).values(values))


def attempts_of(connection: Connection, run_id: str) -> Sequence[Any]:
    """All attempts of a run, first to last."""
    query = select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.attempt)
    return [rows.attempt(row) for row in connection.execute(query)]


def count_waiting(connection: Connection, tenant: str) -> int:
    """How many runs are queued, counted to `COUNT_LIMIT`."""
    query = select(runs.c.id).where(runs.c.status == Status.QUEUED, runs.c.tenant == tenant).limit(COUNT_LIMIT)
    return connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()


def _matching(tenant: str, wanted: RunFilter, now_us: int) -> Select[Any]:
    query = select(runs).where(runs.c.tenant == tenant)
    if wanted.job_id is not None:
        query = query.where(runs.c.job_id == wanted.job_id)
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
    waits = runs.c.available_at > now_us
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
