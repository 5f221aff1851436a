"""What is late: one statement for each kind, over live runs and due schedules only, whatever the history."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.overdue import LONGER_BY_US, LONGER_THAN, SERVE_WITHIN_US, START_WITHIN_US, USUAL_FROM, USUAL_OF
from .statements import AnyConnection, fetch

LISTED_LIMIT = 100
_LOOKED_AT = 1000
_NEWEST = 200
"""The usual duration is that of successful runs among so many of the job's newest ones."""


class Waiting(NamedTuple):
    """A schedule whose runs have not begun: the oldest of them, how many, since when that one should have."""

    schedule_id: str
    tenant: str
    run_id: str
    runs: int
    since: int


class Working(NamedTuple):
    """A run that takes longer than usual (microseconds)."""

    run_id: str
    schedule_id: str
    tenant: str
    job_id: str
    job_title: str | None
    started_at: int
    usual: int


class Unserved(NamedTuple):
    """A schedule whose planned time was not served."""

    schedule_id: str
    tenant: str
    job_id: str
    job_title: str | None
    time_zone: str
    fire_at: int


def not_started(connection: AnyConnection, tenant: str | None, now_us: int) -> list[Waiting]:
    """Schedules with runs that still wait long after they should have begun, the longest overdue first."""
    should = "CASE WHEN r.fire_at > r.available_at THEN r.fire_at ELSE r.available_at END"
    sql = f"""SELECT schedule_id, tenant, min(id), count(*), min(due) FROM (
            SELECT r.schedule_id, r.tenant, r.id, {should} AS due FROM jobdeck_run r
            WHERE r.schedule_id IS NOT NULL AND r.status IN ('QUEUED', 'RUNNING') AND r.status = 'QUEUED'
        ) AS waiting WHERE due < ? {_of(tenant)} GROUP BY schedule_id, tenant ORDER BY min(due), schedule_id LIMIT ?"""
    values = (now_us - START_WITHIN_US, *_value(tenant), LISTED_LIMIT)
    return [Waiting(*row) for row in fetch(connection, sql, values)]


def running_long(connection: AnyConnection, tenant: str | None, now_us: int) -> list[Working]:
    """Scheduled runs that take far longer than their job's last successful ones, the longest at work first."""
    newest = f"""SELECT p.id, p.started_at, p.ended_at, p.status FROM jobdeck_run p
        WHERE p.job_id = r.job_id AND p.job_id IS NOT NULL ORDER BY p.id DESC LIMIT {_NEWEST}"""
    last = f"""SELECT ended_at - started_at AS took FROM ({newest}) AS newest
        WHERE status = 'SUCCESS' AND started_at IS NOT NULL ORDER BY id DESC LIMIT {USUAL_OF}"""
    usual = f"SELECT CASE WHEN count(*) >= {USUAL_FROM} THEN avg(took) END FROM ({last}) AS successful"
    sql = f"""SELECT w.id, w.schedule_id, w.tenant, w.job_id, j.title, w.started_at, w.usual FROM (
            SELECT r.id, r.schedule_id, r.tenant, r.job_id, r.started_at, ({usual}) AS usual FROM jobdeck_run r
            WHERE r.schedule_id IS NOT NULL AND r.status IN ('QUEUED', 'RUNNING') AND r.status = 'RUNNING'
            AND r.started_at < ? {_of(tenant, "r.")} ORDER BY r.started_at, r.id LIMIT {_LOOKED_AT}
        ) AS w LEFT JOIN jobdeck_job j ON j.id = w.job_id
        WHERE ? - w.started_at > {LONGER_THAN} * w.usual AND ? - w.started_at > w.usual + {LONGER_BY_US}
        ORDER BY w.started_at, w.id LIMIT ?"""
    values = (now_us - LONGER_BY_US, *_value(tenant), now_us, now_us, LISTED_LIMIT)
    return [Working._make((*told, int(usual))) for *told, usual in fetch(connection, sql, values)]


def not_served(connection: AnyConnection, tenant: str | None, now_us: int) -> list[Unserved]:
    """Schedules with a planned time that nothing has served, the longest overdue first."""
    sql = f"""SELECT s.id, s.tenant, s.job_id, j.title, s.time_zone, s.next_fire_at
        FROM jobdeck_schedule s LEFT JOIN jobdeck_job j ON j.id = s.job_id
        WHERE s.next_fire_at IS NOT NULL AND s.next_fire_at < ? {_of(tenant, "s.")}
        ORDER BY s.next_fire_at, s.id LIMIT ?"""
    return [Unserved(*row) for row in fetch(connection, sql, (now_us - SERVE_WITHIN_US, *_value(tenant), LISTED_LIMIT))]


def _of(tenant: str | None, prefix: str = "") -> str:
    # Written so that SQLite does not take it for the way in: by tenant it would read the whole history.
    return "" if tenant is None else f"AND coalesce({prefix}tenant, '') = ?"


def _value(tenant: str | None) -> tuple[Any, ...]:
    return () if tenant is None else (tenant,)
