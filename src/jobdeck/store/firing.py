"""The scheduler's statements: which schedules are due, and what became of their planned times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from .statements import AnyConnection, Rows, execute, execute_many, fetch, is_sqlite, marks, pieces


class Due(NamedTuple):
    """A schedule with a planned time that is due, and the job it belongs to, as stored."""

    id: str
    tenant: str
    job_id: str
    recurrence: str
    time_zone: str
    anchor_at: int
    starts_at: int | None
    ends_at: int | None
    max_count: int | None
    jitter_us: int
    arguments: str | None
    custom_arguments: str | None
    misfire: str
    misfire_window_us: int | None
    overlap: str
    principal_id: str
    principal_name: str
    paused_at: int | None
    problem: str | None
    next_fire_at: int
    served_until: int
    last_fire_at: int | None
    run_count: int
    version: int
    job_active: bool
    job_updated_at: int


_OF_SCHEDULE = ", ".join(f"s.{name}" for name in Due._fields if not name.startswith("job_") or name == "job_id")
_BY_JOB = attrgetter("next_fire_at", "job_id")
_COLUMNS = f"{_OF_SCHEDULE}, j.active, j.updated_at"

_ADD_TICK = """
INSERT INTO jobdeck_tick (schedule_id, fire_at, tenant, kind, reason, detail, run_id, recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

_SERVED = """
UPDATE jobdeck_schedule SET served_until = ?, next_fire_at = ?, last_fire_at = ?, run_count = ?, problem = ?, tzdata = ?,
    version = version + 1
WHERE id = ? AND version = ?
"""

# The same for many rows at once, as PostgreSQL likes it: each parameter is a column of them.
_ADD_TICKS = """
INSERT INTO jobdeck_tick (schedule_id, fire_at, tenant, kind, reason, detail, run_id, recorded_at)
SELECT * FROM unnest(?::text[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::text[], ?::text[], ?::bigint[])
ON CONFLICT DO NOTHING
"""

_ALL_SERVED = """
UPDATE jobdeck_schedule s SET served_until = n.served_until, next_fire_at = n.next_fire_at,
    last_fire_at = n.last_fire_at, run_count = n.run_count, problem = n.problem, tzdata = n.tzdata, version = s.version + 1
FROM unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[], ?::text[], ?::bigint[])
    AS n (served_until, next_fire_at, last_fire_at, run_count, problem, tzdata, id, version)
WHERE s.id = n.id AND s.version = n.version
"""


def due(connection: AnyConnection, now_us: int, limit: int, without: Collection[str] = ()) -> list[Due]:
    """Schedules with a planned time up to now, the longest due first; none of the principals `without`."""
    others = f"AND s.principal_id NOT IN ({marks(len(without))})" if without else ""
    sql = f"""SELECT {_COLUMNS} FROM jobdeck_schedule s JOIN jobdeck_job j ON j.id = s.job_id
        WHERE s.next_fire_at IS NOT NULL AND s.next_fire_at <= ? {others} ORDER BY s.next_fire_at, s.id LIMIT ?"""
    found = [Due._make(row) for row in fetch(connection, sql, (now_us, *without, limit))]
    # Runs of one job stand together in indexes, and cost less when they come together.
    return sorted(found, key=_BY_JOB)


def next_due(connection: AnyConnection) -> int | None:
    """The earliest planned time of all that is not accounted for."""
    sql = "SELECT min(next_fire_at) FROM jobdeck_schedule WHERE next_fire_at IS NOT NULL"
    found: int | None = fetch(connection, sql)[0][0]
    return found


def lock(connection: AnyConnection, wanted: Collection[Due]) -> set[str]:
    """Lock those that neither they nor their jobs were changed since they were read, and nobody else works on."""
    versions = {one.id: (one.version, one.job_updated_at) for one in wanted}
    suffix = "" if is_sqlite(connection) else "FOR UPDATE OF s SKIP LOCKED"
    locked: set[str] = set()
    for named, ids in _named(connection, sorted(versions)):
        sql = f"""SELECT s.id, s.version, j.updated_at FROM jobdeck_schedule s JOIN jobdeck_job j ON j.id = s.job_id
            WHERE s.id {named} ORDER BY s.id {suffix}"""
        locked |= {found for found, *seen in fetch(connection, sql, ids) if versions[found] == tuple(seen)}
    return locked


def add_ticks(connection: AnyConnection, rows: Rows) -> int:
    """Add rows of (schedule_id, fire_at, tenant, kind, reason, detail, run_id, recorded_at); how many were new."""
    return _for_each(connection, rows, _ADD_TICK, _ADD_TICKS)


def known_ticks(connection: AnyConnection, schedule_id: str, since_us: int) -> dict[int, str | None]:
    """Planned times of a schedule from then on that are accounted for: fire_at → the run it made."""
    sql = "SELECT fire_at, run_id FROM jobdeck_tick WHERE schedule_id = ? AND fire_at >= ?"
    return dict(fetch(connection, sql, (schedule_id, since_us)))


def change_tick(connection: AnyConnection, schedule_id: str, fire_at: int, verdict: tuple[str, str, str]) -> None:
    """Say (kind, reason, detail) of a planned time for which no run could be made after all."""
    sql = """UPDATE jobdeck_tick SET kind = ?, reason = ?, detail = ?, run_id = NULL
        WHERE schedule_id = ? AND fire_at = ?"""
    execute_many(connection, sql, [(*verdict, schedule_id, fire_at)])


def served(connection: AnyConnection, rows: Rows) -> int:
    """Move schedules on: rows of (served_until, next_fire_at, last_fire_at, run_count, problem, tzdata, id, version)."""
    return _for_each(connection, rows, _SERVED, _ALL_SERVED)


def live_runs(connection: AnyConnection, schedule_ids: Iterable[str]) -> dict[str, list[tuple[str, str]]]:
    """(run, status) of each schedule's runs that have not ended, oldest first."""
    found: dict[str, list[tuple[str, str]]] = {}
    for named, ids in _named(connection, schedule_ids):
        sql = f"""SELECT schedule_id, id, status FROM jobdeck_run WHERE schedule_id {named}
            AND schedule_id IS NOT NULL AND status IN ('QUEUED', 'RUNNING') ORDER BY id"""
        for schedule_id, run_id, status in fetch(connection, sql, ids):
            found.setdefault(schedule_id, []).append((run_id, status))
    return found


def pause(connection: AnyConnection, schedule_id: str, told: tuple[int, str, str]) -> None:
    """Pause a schedule that is not paused: (at, by, reason)."""
    sql = """UPDATE jobdeck_schedule SET paused_at = ?, paused_by = ?, pause_reason = ?, version = version + 1
        WHERE id = ? AND paused_at IS NULL"""
    execute(connection, sql, (*told, schedule_id))


def of_other_zones(connection: AnyConnection, tzdata: str, limit: int) -> list[Due]:
    """Schedules whose next planned time was computed with other time zone data."""
    sql = f"""SELECT {_COLUMNS} FROM jobdeck_schedule s JOIN jobdeck_job j ON j.id = s.job_id
        WHERE s.next_fire_at IS NOT NULL AND s.tzdata <> ? LIMIT ?"""
    return [Due._make(row) for row in fetch(connection, sql, (tzdata, limit))]


def plan_anew(connection: AnyConnection, rows: Rows) -> int:
    """Correct the next planned time: rows of (next_fire_at, tzdata, id, version)."""
    sql = "UPDATE jobdeck_schedule SET next_fire_at = ?, tzdata = ?, version = version + 1 WHERE id = ? AND version = ?"
    return execute_many(connection, sql, rows)


def _named(connection: AnyConnection, ids: Iterable[str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """How a statement names these ids, and its parameters: on PostgreSQL one array, so that the text is always the same."""
    if not is_sqlite(connection):
        yield "= ANY (?)", (list(ids),)
        return
    for piece in pieces(ids):
        yield f"IN ({marks(len(piece))})", piece


def _for_each(connection: AnyConnection, rows: Rows, one: str, all_of_them: str) -> int:
    """Carry out a statement for each row, on PostgreSQL for all at once; how many rows it changed."""
    if is_sqlite(connection) or not rows:
        return execute_many(connection, one, rows)
    return int(execute(connection, all_of_them, tuple(list(column) for column in zip(*rows, strict=True))).rowcount)
