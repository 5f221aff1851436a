"""The door's statements: finishing, trying again, giving back, rescuing, ending what is queued; many runs at a time.

"Fenced" is the guard of every write a holder makes: the run still RUNNING, under this owner and this fence. A late
finisher or a worker that lost its claim changes nothing; each statement says how many rows it changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.new_run import PRIORITY_US
from .statements import AnyConnection, Rows, execute, execute_many, fetch, is_sqlite, marks, pieces

FENCED = "id = ? AND status = 'RUNNING' AND owner = ? AND fence = ?"

TO_RING = "rings = 0, ring_at = ring_at * 0"
"""Of a run that is in line again: its engine, if its queue has one, is to be rung as for a new one."""

_FINISH = f"""
UPDATE jobdeck_run SET
    status = CASE WHEN stop_requested_at IS NULL THEN ? ELSE ? END,
    reason = CASE WHEN stop_requested_at IS NULL THEN ? WHEN CAST(? AS VARCHAR(16)) IS NULL THEN NULL ELSE COALESCE(stop_kind, 'stopped') END,
    message = ?, traceback = ?, result = ?, errored_entries = errored_entries + ?,
    started_at = COALESCE(started_at, ?), ended_at = ?
WHERE {FENCED} AND total_subtasks = 0
"""

_RETURN_BODY = f"""
UPDATE jobdeck_run SET owner = NULL, body_kind = ?, subtasks_closed = true,
    message = ?, traceback = ?, result = ?, errored_entries = errored_entries + ?, started_at = COALESCE(started_at, ?)
WHERE {FENCED} AND total_subtasks > 0
"""

_RETRY = f"""
UPDATE jobdeck_run SET status = 'QUEUED', owner = NULL, available_at = ?, order_at = ? - priority * {PRIORITY_US},
    {TO_RING}, message = ?, traceback = ?, started_at = COALESCE(started_at, ?), rescues = rescues + ?,
    progress_done = NULL, progress_total = NULL, progress_message = NULL
WHERE {FENCED} AND attempt < max_attempts AND stop_requested_at IS NULL AND total_subtasks = 0
"""

_GIVE_BACK = f"""
UPDATE jobdeck_run SET status = 'QUEUED', owner = NULL, attempt = attempt - 1, {TO_RING}
WHERE {FENCED} AND stop_requested_at IS NULL AND total_subtasks = 0
"""

_RELEASE = f"""
UPDATE jobdeck_run SET status = 'QUEUED', owner = NULL, max_attempts = max_attempts + 1, releases = releases + 1, {TO_RING},
    progress_done = NULL, progress_total = NULL, progress_message = NULL
WHERE {FENCED} AND stop_requested_at IS NULL AND total_subtasks = 0 AND releases < ?
"""

_CANCEL_UNBEGUN = f"""
UPDATE jobdeck_run SET status = 'CANCELLED', reason = COALESCE(stop_kind, 'stopped'), ended_at = ?, owner = NULL,
    attempt = attempt - 1
WHERE {FENCED} AND stop_requested_at IS NOT NULL
"""

_ATTEMPT = """
INSERT INTO jobdeck_attempt (run_id, attempt, tenant, fence, worker_id, host, boot_id, pid,
    started_at, ended_at, outcome, message, exit_code, signal, rss_max)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, attempt) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome,
    message = excluded.message, exit_code = excluded.exit_code, signal = excluded.signal, rss_max = excluded.rss_max
WHERE jobdeck_attempt.outcome IS NULL
"""

_OPEN_ATTEMPT = f"""
INSERT INTO jobdeck_attempt (run_id, attempt, tenant, fence, worker_id, host, boot_id, pid, started_at)
SELECT id, attempt, tenant, fence, owner, ?, ?, ?, ? FROM jobdeck_run WHERE {FENCED}
ON CONFLICT (run_id, attempt) DO NOTHING
"""

_EVENT = """
INSERT INTO jobdeck_run_event (id, tenant, run_id, at, from_status, to_status, actor, fence, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

ENDED_COLUMNS = "id, tenant, parent_id, limit_key, job_id, type, function, status, fence"


def finish(connection: AnyConnection, rows: Rows) -> int:
    """End runs: rows of (status, status if a stop was asked, reason, reason if …, message, traceback, result,
    errored entries, started_at, ended_at, id, owner, fence). How many were still held and have no sub-runs.
    """
    return execute_many(connection, _FINISH, rows)


def return_body(connection: AnyConnection, row: tuple[Any, ...]) -> int:
    """Let a run wait for the end of its sub-runs, held by nobody: (kind, message, traceback, result, errored entries, started_at,
    id, owner, fence). 1 when it was held and has any.
    """
    return execute(connection, _RETURN_BODY, row).rowcount


def retry(connection: AnyConnection, row: tuple[Any, ...]) -> int:
    """Queue a run again: (available_at, available_at, message, traceback, started_at, rescues, id, owner, fence).
    1 when it was held, has attempts left, is not asked to stop and has no sub-runs.
    """
    return execute(connection, _RETRY, row).rowcount


def give_back(connection: AnyConnection, row: tuple[Any, ...]) -> int:
    """Give a claim back and its attempt with it: (id, owner, fence). 1 when held and not asked to stop."""
    return execute(connection, _GIVE_BACK, row).rowcount


def release(connection: AnyConnection, row: tuple[Any, ...]) -> int:
    """Queue a run again that had begun, with one attempt more: (id, owner, fence, most releases). 1 when it was held,
    is not asked to stop, has no sub-runs and was not released so often.
    """
    return execute(connection, _RELEASE, row).rowcount


def cancel_unbegun(connection: AnyConnection, row: tuple[Any, ...]) -> int:
    """End a claim whose body had not begun and that was asked to stop: (ended_at, id, owner, fence)."""
    return execute(connection, _CANCEL_UNBEGUN, row).rowcount


def end_queued(
    connection: AnyConnection, run_ids: Sequence[str], told: tuple[str, str, str | None, int]
) -> list[tuple[Any, ...]]:
    """QUEUED → (status, reason, message, ended_at); rows of `ENDED_COLUMNS` of those that were still queued."""
    found: list[tuple[Any, ...]] = []
    for piece in pieces(sorted(run_ids)):
        sql = f"""UPDATE jobdeck_run SET status = ?, reason = ?, message = COALESCE(?, message), ended_at = ?
            WHERE id IN ({marks(len(piece))}) AND status = 'QUEUED' RETURNING {ENDED_COLUMNS}"""
        found += fetch(connection, sql, (*told, *piece))
    return sorted(found)


def request_stop(
    connection: AnyConnection, run_ids: Sequence[str], told: tuple[int, str, str | None, str | None]
) -> int:
    """Ask running runs to stop, each once: (at, by, why, kind). How many were not asked before."""
    asked = 0
    for piece in pieces(sorted(run_ids)):
        sql = f"""UPDATE jobdeck_run SET stop_requested_at = ?, stop_requested_by = ?, stop_reason = ?, stop_kind = ?
            WHERE id IN ({marks(len(piece))}) AND status = 'RUNNING' AND stop_requested_at IS NULL"""
        asked += execute(connection, sql, (*told, *piece)).rowcount
    return asked


def note_stop(connection: AnyConnection, run_ids: Sequence[str], told: tuple[int, str, str | None]) -> None:
    """Who had runs cancelled that were queued: (at, by, why)."""
    for piece in pieces(sorted(run_ids)):
        sql = f"""UPDATE jobdeck_run SET stop_requested_at = ?, stop_requested_by = ?, stop_reason = ?
            WHERE id IN ({marks(len(piece))}) AND status = 'CANCELLED' AND stop_requested_at IS NULL"""
        execute(connection, sql, (*told, *piece))


def expired(connection: AnyConnection, now_us: int, limit: int) -> list[str]:
    """Queued runs whose time to begin is over."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE SKIP LOCKED"
    sql = f"""SELECT id FROM jobdeck_run WHERE status = 'QUEUED' AND expires_at IS NOT NULL AND expires_at <= ? AND attempt = 0
        ORDER BY expires_at LIMIT ? {lock}"""
    return [row[0] for row in fetch(connection, sql, (now_us, limit))]


def ended_by(connection: AnyConnection, run_ids: Sequence[str], owner: str) -> dict[str, int]:
    """Which of these runs have ended under `owner`, each with its fence."""
    sql = f"""SELECT id, fence FROM jobdeck_run
        WHERE id IN ({marks(len(run_ids))}) AND owner = ? AND ended_at IS NOT NULL"""
    return dict(fetch(connection, sql, (*run_ids, owner)))


def outcomes(connection: AnyConnection, run_ids: Sequence[str], owner: str) -> dict[tuple[str, int], str]:
    """(run, fence) → the outcome that was taken from `owner` about it."""
    sql = f"""SELECT run_id, fence, outcome FROM jobdeck_attempt
        WHERE run_id IN ({marks(len(run_ids))}) AND worker_id = ? AND outcome IS NOT NULL"""
    return {(run_id, fence): outcome for run_id, fence, outcome in fetch(connection, sql, (*run_ids, owner))}


def record_attempts(connection: AnyConnection, rows: Rows) -> None:
    """Write attempts with their outcome, in the order of the columns of `_ATTEMPT`; completes one that was opened."""
    execute_many(connection, _ATTEMPT, rows)


def open_attempts(connection: AnyConnection, rows: Rows) -> None:
    """Write attempts that have begun: rows of (host, boot_id, pid, started_at, id, owner, fence)."""
    execute_many(connection, _OPEN_ATTEMPT, rows)


def remember_last(connection: AnyConnection, run_ids: Sequence[str]) -> None:
    """Note ended runs as the newest of their job (or type) in their status; sub-runs never count.

    In one order for all, and last in a transaction: everybody who ends runs of a job or type meets at these rows.
    """
    for some in pieces(run_ids):
        sql = f"""INSERT INTO jobdeck_last_run (tenant, subject, status, run_id)
            SELECT tenant, COALESCE(job_id, type) AS subject, status, max(id) FROM jobdeck_run
            WHERE id IN ({marks(len(some))}) AND parent_id IS NULL AND COALESCE(job_id, type) IS NOT NULL
            GROUP BY tenant, COALESCE(job_id, type), status ORDER BY tenant, COALESCE(job_id, type), status
            ON CONFLICT (tenant, subject, status) DO UPDATE SET run_id = excluded.run_id
            WHERE excluded.run_id > jobdeck_last_run.run_id"""
        execute(connection, sql, some)


def record_events(connection: AnyConnection, rows: Rows) -> None:
    """Write transitions that no attempt tells of, in the order of the columns of `_EVENT`."""
    execute_many(connection, _EVENT, rows)


def cancel_elsewhere(connection: AnyConnection, run_ids: Sequence[str], now_us: int) -> list[tuple[Any, ...]]:
    """RUNNING → CANCELLED of runs that nobody of ours executes; rows of `ENDED_COLUMNS` of those that were."""
    found: list[tuple[Any, ...]] = []
    for piece in pieces(sorted(run_ids)):
        sql = f"""UPDATE jobdeck_run SET status = 'CANCELLED', reason = COALESCE(stop_kind, 'stopped'), ended_at = ?
            WHERE id IN ({marks(len(piece))}) AND status = 'RUNNING' AND parked = 2 AND owner IS NULL
            RETURNING {ENDED_COLUMNS}"""
        found += fetch(connection, sql, (now_us, *piece))
    return sorted(found)
