"""The one place where runs are removed, with all that hangs on them in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from ..core.run import FINAL_STATUSES, Status
from .statements import execute_many
from .tables import attempts, dependencies, files, last_runs, log_entries, run_events, runs

_LIVE = (Status.QUEUED, Status.RUNNING)
_LAST_RUN = """
INSERT INTO jobdeck_last_run (tenant, subject, status, run_id) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, subject, status) DO NOTHING
"""


def delete_final(connection: Connection, tenant: str, run_id: str) -> int:
    """Delete a finished run that no live run needs; 1 when there was one."""
    return len(remove(connection, tenant, [run_id]))


def remove(connection: Connection, tenant: str, run_ids: Sequence[str]) -> Sequence[Any]:
    """Delete those of these runs that are finished and that no live run needs.

    (id, job_id, type, function, status) of each that is gone.
    """
    gone = connection.execute(
        delete(runs)
        .where(runs.c.id.in_(run_ids), runs.c.tenant == tenant, removable())
        .returning(runs.c.id, runs.c.job_id, runs.c.type, runs.c.function, runs.c.status)
    ).fetchall()
    ids = [run.id for run in gone]
    if not ids:
        return gone
    for table in (attempts, run_events, log_entries, files):
        connection.execute(delete(table).where(table.c.run_id.in_(ids)))
    connection.execute(
        delete(dependencies).where(or_(dependencies.c.run_id.in_(ids), dependencies.c.after_id.in_(ids)))
    )
    forgotten = delete(last_runs).where(last_runs.c.run_id.in_(ids)).returning(last_runs.c.run_id)
    were_last = set(connection.execute(forgotten).scalars())
    _remember_previous(connection, tenant, [run for run in gone if run.id in were_last])
    return gone


def removable() -> ColumnElement[bool]:
    """Finished, and no live run is its parent, its sub-run, or waits for it."""
    other = runs.alias()
    live = select(other.c.id).where(other.c.status.in_(_LIVE))
    waiting = live.join(dependencies, dependencies.c.run_id == other.c.id).where(
        dependencies.c.after_id == runs.c.id, dependencies.c.resolved_at.is_(None)
    )
    return and_(
        runs.c.status.in_(FINAL_STATUSES),
        ~live.where(other.c.parent_id == runs.c.id).correlate(runs).exists(),
        or_(runs.c.parent_id.is_(None), ~live.where(other.c.id == runs.c.parent_id).correlate(runs).exists()),
        ~waiting.correlate(runs).exists(),
    )


def _remember_previous(connection: Connection, tenant: str, were_last: Sequence[Any]) -> None:
    """The last runs of some subjects in some status were deleted; those before them are the last ones now."""
    previous = []
    for run in were_last:
        of_job = runs.c.job_id == run.job_id
        of_subject = of_job if run.job_id else and_(runs.c.job_id.is_(None), runs.c.type == run.type)
        # No run after it ended so, or that one would have been the last.
        query = select(runs.c.id).where(
            runs.c.tenant == tenant,
            runs.c.id < run.id,
            of_subject,
            runs.c.status == run.status,
            runs.c.parent_id.is_(None),
        )
        found = connection.execute(query.order_by(runs.c.id.desc()).limit(1)).scalar_one_or_none()
        if found is not None:
            previous.append((tenant, run.job_id or run.type, run.status, found))
    execute_many(connection, _LAST_RUN, previous)
