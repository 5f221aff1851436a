"""The gate's and the door's statements: claiming, beginning, finishing, releasing, many runs at a time.

"Fenced" is the guard of every write a holder makes: the run still RUNNING, under this owner and this fence. A late
finisher or a worker that lost its claim changes nothing, and `finish` says which rows it refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from .statements import AnyConnection, Rows, execute_many, fetch, marks

_FENCED = "id = ? AND status = 'RUNNING' AND owner = ? AND fence = ?"

_BEGIN = f"UPDATE jobdeck_run SET started_at = ? WHERE {_FENCED}"

_BEAT = f"UPDATE jobdeck_run SET hb_seq = hb_seq + 1, hb_at = ? WHERE {_FENCED}"

_PROGRESS = f"""
UPDATE jobdeck_run SET progress_done = ?, progress_total = ?, progress_message = ? WHERE {_FENCED}
"""

_FINISH = f"""
UPDATE jobdeck_run SET
    status = CASE WHEN stop_requested_at IS NULL THEN ? ELSE ? END,
    reason = CASE WHEN stop_requested_at IS NULL THEN ? ELSE ? END,
    message = ?, traceback = ?, result = ?, errored_entries = errored_entries + ?,
    started_at = COALESCE(started_at, ?), ended_at = ?
WHERE {_FENCED}
"""

_RELEASE = f"""
UPDATE jobdeck_run SET status = 'QUEUED', owner = NULL, attempt = attempt - 1
WHERE {_FENCED} AND stop_requested_at IS NULL
"""

_CANCEL_UNBEGUN = f"""
UPDATE jobdeck_run SET status = 'CANCELLED', reason = 'stopped', ended_at = ?, owner = NULL, attempt = attempt - 1
WHERE {_FENCED} AND stop_requested_at IS NOT NULL
"""

_ATTEMPT = """
INSERT INTO jobdeck_attempt (run_id, attempt, tenant, fence, worker_id, host, boot_id, pid,
    started_at, ended_at, outcome, exit_code, signal, rss_max)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, attempt) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome,
    exit_code = excluded.exit_code, signal = excluded.signal, rss_max = excluded.rss_max
WHERE jobdeck_attempt.outcome IS NULL
"""

_OPEN_ATTEMPT = f"""
INSERT INTO jobdeck_attempt (run_id, attempt, tenant, fence, worker_id, host, boot_id, pid, started_at)
SELECT id, attempt, tenant, fence, owner, ?, ?, ?, ? FROM jobdeck_run WHERE {_FENCED}
ON CONFLICT (run_id, attempt) DO NOTHING
"""

_LAST_RUN = """
INSERT INTO jobdeck_last_run (tenant, subject, status, run_id)
SELECT tenant, COALESCE(job_id, type), status, id FROM jobdeck_run
WHERE id = ? AND parent_id IS NULL AND COALESCE(job_id, type) IS NOT NULL
ON CONFLICT (tenant, subject, status) DO UPDATE SET run_id = excluded.run_id
WHERE excluded.run_id > jobdeck_last_run.run_id
"""

_EVENT = """
INSERT INTO jobdeck_run_event (id, tenant, run_id, at, from_status, to_status, actor, fence, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

_BY_AGE = itemgetter(13, 0)
_CLAIMED_COLUMNS = """id, tenant, fence, attempt, type, function, arguments, positional, timeout_s, job_id,
    principal_id, principal_name, log_seq, available_at"""


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """The claim of one worker: which queues it serves and which job types it knows."""

    sql: str
    queues: tuple[str, ...]
    types: tuple[str, ...]

    def parameters(self, owner: str, now_us: int, limit: int) -> tuple[Any, ...]:
        """The values of the statement's marks, in order."""
        picks: tuple[Any, ...] = ()
        for queue in self.queues:
            picks += (queue, now_us, now_us, *self.types, limit)
        return (*picks, limit, owner, now_us)


def claim_query(queues: Sequence[str], types: Sequence[str], *, is_sqlite: bool) -> ClaimQuery:
    """Oldest eligible runs of each queue, then the oldest of these; an index range a queue, whatever waits."""
    known = f"type IS NULL OR type IN ({marks(len(types))})" if types else "type IS NULL"
    lock = "" if is_sqlite else "FOR UPDATE SKIP LOCKED"
    pick = f"""SELECT * FROM (SELECT id, available_at FROM jobdeck_run
        WHERE status = 'QUEUED' AND queue = ? AND available_at <= ? AND stop_requested_at IS NULL
        AND (expires_at IS NULL OR expires_at > ?) AND ({known})
        ORDER BY available_at, id LIMIT ? {lock}) AS q"""
    picks = " UNION ALL ".join(f"{pick}{i}" for i in range(len(queues)))
    # Picked once and before anything is won: picked again row by row, it would find, and win, more than asked for.
    sql = f"""WITH due AS MATERIALIZED (SELECT id FROM ({picks}) AS picked ORDER BY available_at, id LIMIT ?)
    UPDATE jobdeck_run SET status = 'RUNNING', owner = ?, fence = fence + 1,
        attempt = attempt + 1, hb_seq = 0, hb_at = ?
    WHERE id IN (SELECT id FROM due)
    RETURNING {_CLAIMED_COLUMNS}"""
    return ClaimQuery(sql=sql, queues=tuple(queues), types=tuple(types))


def claim(connection: AnyConnection, query: ClaimQuery, owner: str, now_us: int, limit: int) -> list[Any]:
    """Win up to `limit` queued runs for `owner`; tuples of `_CLAIMED_COLUMNS`, oldest first."""
    return sorted(fetch(connection, query.sql, query.parameters(owner, now_us, limit)), key=_BY_AGE)


def begin(connection: AnyConnection, rows: Rows) -> None:
    """Note the start of bodies: rows of (started_at, id, owner, fence)."""
    execute_many(connection, _BEGIN, rows)


def beat(connection: AnyConnection, rows: Rows) -> None:
    """Renew claims: rows of (now, id, owner, fence)."""
    execute_many(connection, _BEAT, rows)


def progress(connection: AnyConnection, rows: Rows) -> None:
    """Keep the latest progress: rows of (done, total, message, id, owner, fence)."""
    execute_many(connection, _PROGRESS, rows)


def finish(connection: AnyConnection, rows: Rows) -> int:
    """End runs: rows of (status, status if a stop was asked, reason, reason if …, message, traceback, result,
    errored entries, started_at, ended_at, id, owner, fence). How many were still held.
    """
    return execute_many(connection, _FINISH, rows)


def release(connection: AnyConnection, rows: Rows) -> int:
    """Give claims back whose body had not begun: rows of (id, owner, fence). How many were held and not asked to stop."""
    return execute_many(connection, _RELEASE, rows)


def cancel_unbegun(connection: AnyConnection, rows: Rows) -> int:
    """End claims that were asked to stop before their body began: rows of (now, id, owner, fence). How many there were."""
    return execute_many(connection, _CANCEL_UNBEGUN, rows)


def open_attempts(connection: AnyConnection, rows: Rows) -> None:
    """Write attempts whose body has begun: rows of (host, boot_id, pid, started_at, id, owner, fence)."""
    execute_many(connection, _OPEN_ATTEMPT, rows)


def record_attempts(connection: AnyConnection, rows: Rows) -> None:
    """Write attempts, or complete those that have no outcome yet; rows in the order of the columns of `_ATTEMPT`."""
    execute_many(connection, _ATTEMPT, rows)


def record_events(connection: AnyConnection, rows: Rows) -> None:
    """Write transitions that are no attempt's start or end; rows in the order of the columns of `_EVENT`."""
    execute_many(connection, _EVENT, rows)


def remember_last(connection: AnyConnection, run_ids: Sequence[str]) -> None:
    """Let jobs and types know their newest run in the status that these runs now have."""
    execute_many(connection, _LAST_RUN, [(run_id,) for run_id in run_ids])


def ended_by(connection: AnyConnection, run_ids: Sequence[str], owner: str) -> dict[str, int]:
    """Which of these runs `owner` ended, each with the fence it ended under."""
    sql = f"""SELECT id, fence FROM jobdeck_run
        WHERE id IN ({marks(len(run_ids))}) AND owner = ? AND status NOT IN ('QUEUED', 'RUNNING')"""
    return dict(fetch(connection, sql, (*run_ids, owner)))


def held_fences(connection: AnyConnection, run_ids: Sequence[str], owner: str) -> dict[str, int]:
    """Which of these runs `owner` holds, each with its fence."""
    sql = f"""SELECT id, fence FROM jobdeck_run
        WHERE id IN ({marks(len(run_ids))}) AND status = 'RUNNING' AND owner = ?"""
    return dict(fetch(connection, sql, (*run_ids, owner)))


def stops_requested(connection: AnyConnection, owner: str) -> dict[str, int]:
    """Runs of `owner` that somebody asked to stop, each with its fence."""
    sql = """SELECT id, fence FROM jobdeck_run
        WHERE status = 'RUNNING' AND owner = ? AND stop_requested_at IS NOT NULL"""
    return dict(fetch(connection, sql, (owner,)))


def held_by(connection: AnyConnection, owner: str) -> list[Any]:
    """What `owner` holds: tuples of `_CLAIMED_COLUMNS` and, last, started_at."""
    sql = f"""SELECT {_CLAIMED_COLUMNS}, started_at FROM jobdeck_run
        WHERE status = 'RUNNING' AND owner = ?"""
    return fetch(connection, sql, (owner,))
