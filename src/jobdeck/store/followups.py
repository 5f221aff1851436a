"""Jobs that run after others: which runs are due to be started for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .statements import AnyConnection, Rows, execute, execute_many, fetch, is_sqlite, marks


def jobs_after(connection: AnyConnection, job_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """(job, the job that goes before it, need) of active jobs that run after one of these."""
    sql = f"""SELECT id, after_job_id, after_need FROM jobdeck_job
        WHERE after_job_id IS NOT NULL AND after_job_id IN ({marks(len(job_ids))}) AND active ORDER BY id"""
    return [(job_id, after, need) for job_id, after, need in fetch(connection, sql, tuple(job_ids))]


def add(connection: AnyConnection, rows: Rows) -> None:
    """Note runs to be started, once each: rows of (job_id, after_run_id, tenant, created_at)."""
    sql = """INSERT INTO jobdeck_followup (job_id, after_run_id, tenant, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT DO NOTHING"""
    execute_many(connection, sql, rows)


def is_any(connection: AnyConnection) -> bool:
    """Whether any is noted."""
    return bool(fetch(connection, "SELECT 1 FROM jobdeck_followup LIMIT 1"))


def due(connection: AnyConnection, types: Sequence[str], limit: int) -> list[tuple[Any, ...]]:
    """(job_id, after_run_id, tenant, principal id, principal name) of noted runs of these job types, locked."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE OF f SKIP LOCKED"
    sql = f"""SELECT f.job_id, f.after_run_id, f.tenant, r.principal_id, r.principal_name
        FROM jobdeck_followup f JOIN jobdeck_job j ON j.id = f.job_id LEFT JOIN jobdeck_run r ON r.id = f.after_run_id
        WHERE j.type IN ({marks(len(types))}) ORDER BY f.created_at, f.job_id LIMIT ? {lock}"""
    return fetch(connection, sql, (*types, limit)) if types else []


def done(connection: AnyConnection, job_id: str, after_run_id: str) -> None:
    """Forget one that was started."""
    execute(connection, "DELETE FROM jobdeck_followup WHERE job_id = ? AND after_run_id = ?", (job_id, after_run_id))


def forget_deleted(connection: AnyConnection) -> None:
    """Forget those whose job was deleted."""
    sql = """DELETE FROM jobdeck_followup WHERE NOT EXISTS
        (SELECT 1 FROM jobdeck_job j WHERE j.id = jobdeck_followup.job_id)"""
    execute(connection, sql)
