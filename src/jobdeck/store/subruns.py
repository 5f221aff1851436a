"""Sub-runs and the counters that their parents keep of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .endings import ENDED_COLUMNS
from .statements import AnyConnection, Rows, execute, execute_many, fetch, is_sqlite

_COUNTERS = "errored_entries, inserted_entries, updated_entries"


def expect(connection: AnyConnection, rows: Rows) -> int:
    """One more sub-run, new, for a parent that is held: rows of (id, owner, fence, sub-run). How many were."""
    sql = """UPDATE jobdeck_run SET total_subtasks = total_subtasks + 1
        WHERE id = ? AND status = 'RUNNING' AND owner = ? AND fence = ?
        AND NOT EXISTS (SELECT 1 FROM jobdeck_run s WHERE s.id = ?)"""
    return execute_many(connection, sql, rows)


def stop_of(connection: AnyConnection, run_id: str) -> tuple[str, str | None, str | None] | None:
    """(who, why, kind) of the stop that was asked of a run; None when none was."""
    sql = """SELECT stop_requested_by, stop_reason, stop_kind FROM jobdeck_run
        WHERE id = ? AND stop_requested_at IS NOT NULL"""
    found = fetch(connection, sql, (run_id,))
    return (found[0][0] or "jobdeck", found[0][1], found[0][2]) if found else None


def expect_open(connection: AnyConnection, tenant: str, parent_id: str) -> int:
    """One more sub-run for a parent whose body has not returned; 1 when it takes one."""
    sql = """UPDATE jobdeck_run SET total_subtasks = total_subtasks + 1
        WHERE id = ? AND tenant = ? AND status = 'RUNNING' AND NOT subtasks_closed"""
    return execute(connection, sql, (parent_id, tenant)).rowcount


def count_ended(connection: AnyConnection, child_id: str, parent_id: str, failed: bool) -> None:
    """Add an ended sub-run to its parent's counters."""
    sql = f"""UPDATE jobdeck_run SET completed_subtasks = completed_subtasks + 1,
        failed_subtasks = failed_subtasks + ?,
        ({_COUNTERS}) = (SELECT {", ".join(f"jobdeck_run.{name} + c.{name}" for name in _COUNTERS.split(", "))}
        FROM jobdeck_run c WHERE c.id = ?)
        WHERE id = ? AND status = 'RUNNING'"""
    execute(connection, sql, (int(failed), child_id, parent_id))


def complete(connection: AnyConnection, parent_id: str) -> Any | None:
    """What a parent's verdict is made of, when its body has returned and its last sub-run has ended; else None."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE"
    sql = f"""SELECT body_kind, stop_requested_at, stop_kind, total_subtasks, completed_subtasks, failed_subtasks,
        errored_entries, inserted_entries, updated_entries, total_entries, message, tenant, parent_id, limit_key, job_id,
        type, function, fence
        FROM jobdeck_run WHERE id = ? AND status = 'RUNNING' AND owner IS NULL AND body_kind IS NOT NULL
        AND completed_subtasks >= total_subtasks {lock}"""
    found = fetch(connection, sql, (parent_id,))
    return found[0] if found else None


def finish_parent(connection: AnyConnection, rows: Rows) -> int:
    """RUNNING → final of parents without a holder: rows of (status, reason, message, ended_at, id)."""
    sql = """UPDATE jobdeck_run SET status = ?, reason = ?, message = ?, ended_at = ?
        WHERE id = ? AND status = 'RUNNING' AND owner IS NULL AND body_kind IS NOT NULL
        AND completed_subtasks >= total_subtasks"""
    return execute_many(connection, sql, rows)


def lock_below(connection: AnyConnection, run_ids: Sequence[str]) -> None:
    """Lock the live sub-runs of these runs, the deepest first: whoever ends one goes on to its parent, never back."""
    if is_sqlite(connection):
        return
    sql = """WITH RECURSIVE below(id, depth) AS (
        SELECT id, 1 FROM jobdeck_run WHERE parent_id = ?
        UNION ALL SELECT r.id, b.depth + 1 FROM jobdeck_run r JOIN below b ON r.parent_id = b.id)
        SELECT r.id FROM jobdeck_run r JOIN below b ON b.id = r.id WHERE r.status IN ('QUEUED', 'RUNNING')
        ORDER BY b.depth DESC, r.id FOR UPDATE OF r"""
    for top in run_ids:
        execute(connection, sql, (top,))


def live_below(connection: AnyConnection, run_ids: Sequence[str], limit: int) -> list[tuple[str, str]]:
    """(id, status) of live sub-runs of these runs, at any depth."""
    sql = """WITH RECURSIVE below(id, status) AS (
        SELECT id, status FROM jobdeck_run WHERE parent_id = ?
        UNION ALL SELECT r.id, r.status FROM jobdeck_run r JOIN below b ON r.parent_id = b.id)
        SELECT id, status FROM below WHERE status IN ('QUEUED', 'RUNNING') ORDER BY id LIMIT ?"""
    return [(run_id, status) for top in run_ids for run_id, status in fetch(connection, sql, (top, limit))]


def add_total_entries(connection: AnyConnection, tenant: str, run_id: str, count: int) -> int:
    """More entries to be expected of a running run; 1 when it runs."""
    sql = "UPDATE jobdeck_run SET total_entries = total_entries + ? WHERE id = ? AND tenant = ? AND status = 'RUNNING'"
    return execute(connection, sql, (count, run_id, tenant)).rowcount


def begin_elsewhere(connection: AnyConnection, tenant: str, run_id: str, now_us: int) -> int:
    """QUEUED → RUNNING of a run that is executed elsewhere; 1 when it was queued."""
    sql = """UPDATE jobdeck_run SET status = 'RUNNING', attempt = 1, fence = fence + 1, started_at = ?
        WHERE id = ? AND tenant = ? AND status = 'QUEUED' AND parked = 2"""
    return execute(connection, sql, (now_us, run_id, tenant)).rowcount


def end_elsewhere(
    connection: AnyConnection, tenant: str, run_id: str, verdict: tuple[Any, ...], counts: tuple[int, int, int]
) -> list[tuple[Any, ...]]:
    """RUNNING → (status, reason, message, ended_at) with (errored, inserted, updated) entries; a row as `store.endings`
    gives when it ran elsewhere.
    """
    sql = f"""UPDATE jobdeck_run SET status = ?, reason = ?, message = ?, ended_at = ?,
        errored_entries = ?, inserted_entries = ?, updated_entries = ?
        WHERE id = ? AND tenant = ? AND status = 'RUNNING' AND parked = 2 AND owner IS NULL
        RETURNING {ENDED_COLUMNS}"""
    return fetch(connection, sql, (*verdict, *counts, run_id, tenant))


def overdue(connection: AnyConnection, limit: int) -> list[str]:
    """Parents that wait for no sub-run any more and were not ended."""
    sql = """SELECT id FROM jobdeck_run WHERE status = 'RUNNING' AND owner IS NULL AND body_kind IS NOT NULL
        AND completed_subtasks >= total_subtasks LIMIT ?"""
    return [row[0] for row in fetch(connection, sql, (limit,))]
