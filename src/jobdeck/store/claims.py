"""The gate's statements: claiming queued runs, and what their holder writes while they run.

"Fenced" is the guard of every write a holder makes (`store.endings.FENCED`). How runs end stands there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from .endings import FENCED
from .statements import AnyConnection, Rows, execute_many, fetch, is_sqlite, marks
from .waiting import ELIGIBLE, ELIGIBLE_MARKS

_BEGIN = f"UPDATE jobdeck_run SET started_at = COALESCE(started_at, ?) WHERE {FENCED}"

_BEAT = f"UPDATE jobdeck_run SET hb_seq = hb_seq + 1, hb_at = ? WHERE {FENCED}"

_PROGRESS = f"""
UPDATE jobdeck_run SET progress_done = ?, progress_total = ?, progress_message = ? WHERE {FENCED}
"""

_CLAIMED_COLUMNS = """id, tenant, fence, attempt, type, function, arguments, positional, timeout_s, job_id,
    principal_id, principal_name, log_seq, max_attempts, retry, releases, parent_id, limit_key, limit_n, limit_policy,
    queue, order_at, ring_at"""
_BY_ORDER = itemgetter(21, 0)


@dataclass(frozen=True, slots=True)
class ClaimQuery:
    """The claim of one worker: which queues it serves, which of them first, and which job types it knows."""

    queues: tuple[str, ...]
    types: tuple[str, ...]
    strict: bool
    is_sqlite: bool
    _texts: dict[tuple[str, ...], str] = field(default_factory=dict)

    def parameters(self, queues: dict[str, int], owner: str, now_us: int, limit: int) -> tuple[Any, ...]:
        """The values of the statement's marks, in order; `queues` with how many of each may be won."""
        picks: tuple[Any, ...] = ()
        for queue, room in queues.items():
            picks += (queue, *self.types, *[now_us] * ELIGIBLE_MARKS, room)
        return (*picks, limit, owner, now_us)

    def sql(self, queues: tuple[str, ...]) -> str:
        """The statement for these queues."""
        if queues not in self._texts:
            self._texts[queues] = self._written(queues)
        return self._texts[queues]

    def _written(self, queues: tuple[str, ...]) -> str:
        """First of each queue, then the first of these; an index range a queue, whatever waits."""
        known = f"r.type IS NULL OR r.type IN ({marks(len(self.types))})" if self.types else "r.type IS NULL"
        lock = "" if self.is_sqlite else "FOR UPDATE OF r SKIP LOCKED"
        picks = " UNION ALL ".join(
            f"""SELECT * FROM (SELECT r.id, r.order_at, {number if self.strict else 0} AS turn FROM jobdeck_run r
            WHERE r.status = 'QUEUED' AND r.parked = 0 AND r.queue = ? AND ({known}) AND {ELIGIBLE}
            ORDER BY r.order_at, r.id LIMIT ? {lock}) AS q{number}"""
            for number in range(len(queues))
        )
        # Picked once and before anything is won: picked again row by row, it would find, and win, more than asked for.
        return f"""WITH due AS MATERIALIZED (SELECT id FROM ({picks}) AS picked ORDER BY turn, order_at, id LIMIT ?)
        UPDATE jobdeck_run SET status = 'RUNNING', owner = ?, fence = fence + 1,
            attempt = attempt + 1, hb_seq = 0, hb_at = ?
        WHERE id IN (SELECT id FROM due)
        RETURNING {_CLAIMED_COLUMNS}"""


def claim(
    connection: AnyConnection, query: ClaimQuery, owner: str, now_us: int, limit: int, room: dict[str, int]
) -> list[Any]:
    """Win up to `limit` queued runs for `owner`, of a queue in `room` only so many; tuples of `_CLAIMED_COLUMNS`, first in
    line first.
    """
    queues = {name: min(limit, room.get(name, limit)) for name in query.queues if room.get(name) != 0}
    if not queues:
        return []
    found = fetch(connection, query.sql(tuple(queues)), query.parameters(queues, owner, now_us, limit))
    if not query.strict:
        return sorted(found, key=_BY_ORDER)
    turn = {name: number for number, name in enumerate(query.queues)}
    return sorted(found, key=lambda row: (turn[row[20]], row[21], row[0]))


def next_due(connection: AnyConnection, now_us: int) -> int | None:
    """When the next delayed run may begin (microseconds since 1970); None when there is none."""
    sql = """SELECT min(available_at) FROM jobdeck_run
        WHERE status = 'QUEUED' AND available_at > created_at AND available_at > ?"""
    found: int | None = fetch(connection, sql, (now_us,))[0][0]
    return found


def begin(connection: AnyConnection, rows: Rows) -> None:
    """Note the start of bodies: rows of (started_at, id, owner, fence)."""
    execute_many(connection, _BEGIN, rows)


def beat(connection: AnyConnection, rows: Rows) -> int:
    """Renew claims: rows of (now, id, owner, fence). How many were held."""
    return execute_many(connection, _BEAT, rows)


def progress(connection: AnyConnection, rows: Rows) -> None:
    """Keep the latest progress: rows of (done, total, message, id, owner, fence)."""
    execute_many(connection, _PROGRESS, rows)


def keep_arguments(connection: AnyConnection, rows: Rows) -> None:
    """Keep the arguments that were made when a run began: rows of (JSON text, id, owner, fence)."""
    execute_many(connection, f"UPDATE jobdeck_run SET arguments = ? WHERE {FENCED}", rows)


def count_entries(connection: AnyConnection, rows: Rows) -> None:
    """Count entries: rows of (total, inserted, updated, errored, told at, id, owner, fence, told at).

    Told at as a heartbeat; what was told before the last one is counted already.
    """
    sql = f"""UPDATE jobdeck_run SET total_entries = total_entries + ?, inserted_entries = inserted_entries + ?,
        updated_entries = updated_entries + ?, errored_entries = errored_entries + ?, hb_at = ?
        WHERE {FENCED} AND hb_at < ?"""
    execute_many(connection, sql, rows)


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


def held_by(connection: AnyConnection, owner: str, *, lock: bool = False) -> list[Any]:
    """What `owner` holds, locked when asked to: tuples of `_CLAIMED_COLUMNS` and, last, started_at."""
    sql = f"""SELECT {_CLAIMED_COLUMNS}, started_at FROM jobdeck_run
        WHERE status = 'RUNNING' AND owner = ? ORDER BY id {"FOR UPDATE" if lock and not is_sqlite(connection) else ""}"""
    return fetch(connection, sql, (owner,))


def heartbeats(connection: AnyConnection, limit: int) -> list[tuple[str, str, int, int]]:
    """(run, owner, fence, heartbeat number) of everything that is held."""
    sql = """SELECT id, owner, fence, hb_seq FROM jobdeck_run
        WHERE status = 'RUNNING' AND owner IS NOT NULL ORDER BY owner LIMIT ?"""
    return [(run_id, owner, fence, beat) for run_id, owner, fence, beat in fetch(connection, sql, (limit,))]


def silent(connection: AnyConnection, run_id: str, owner: str, fence: int, beat: int) -> list[Any]:
    """A held run whose heartbeat is still this one, locked: a tuple as `held_by` gives, or nothing."""
    lock = "" if is_sqlite(connection) else "FOR UPDATE"
    sql = f"SELECT {_CLAIMED_COLUMNS}, started_at FROM jobdeck_run WHERE {FENCED} AND hb_seq = ? {lock}"
    return fetch(connection, sql, (run_id, owner, fence, beat))
