"""What the drill needs of a database: a scratch one, a witness of every change, connections cut, all history read.

The witness is a trigger of the database itself, so that what it saw does not depend on the code that is drilled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import exc, make_url, select

from ..config import Settings
from ..errors import StoreError
from .database import Database
from .statements import fetch
from .tables import attempts, log_entries, run_events, runs, schedules, ticks, workers

_CHANGED = """OLD.status <> NEW.status OR OLD.fence <> NEW.fence OR (OLD.ended_at IS NOT NULL AND
    (OLD.ended_at {differs} NEW.ended_at OR OLD.reason {differs} NEW.reason OR OLD.result {differs} NEW.result))"""
_NOTE = """INSERT INTO jobdeck_drill_change (run_id, old_status, new_status, old_fence, new_fence)
    VALUES (NEW.id, OLD.status, NEW.status, OLD.fence, NEW.fence);"""
_COLUMNS = """run_id VARCHAR(36) NOT NULL, old_status VARCHAR(16) NOT NULL, new_status VARCHAR(16) NOT NULL,
    old_fence BIGINT NOT NULL, new_fence BIGINT NOT NULL"""
# Noted as sent, or taken back as the engine would not take it; what a limit refuses begins anew, and is parked.
_RUNG = """NEW.status = 'QUEUED' AND OLD.status = 'QUEUED' AND NEW.parked = 0
    AND (NEW.rings > OLD.rings OR (NEW.rings = OLD.rings - 1 AND NEW.ring_at = 0))"""
_NOTE_RING = """INSERT INTO jobdeck_drill_ring (run_id, at, change, is_again)
    VALUES (NEW.id, {now}, NEW.rings - OLD.rings, {again});"""
_RING_COLUMNS = "run_id VARCHAR(36) NOT NULL, at BIGINT NOT NULL, change INTEGER NOT NULL, is_again INTEGER NOT NULL"
_CARRIED = "parked = 0 AND ring_at IS NOT NULL"
_SQLITE_NOW = "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)"
_POSTGRESQL_NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"
_SQLITE_WITNESS = (
    f"CREATE TABLE jobdeck_drill_change (seq INTEGER PRIMARY KEY AUTOINCREMENT, {_COLUMNS})",
    f"""CREATE TRIGGER jobdeck_drill_witness AFTER UPDATE ON jobdeck_run
    WHEN {_CHANGED.format(differs="IS NOT")} BEGIN {_NOTE} END""",
    f"CREATE TABLE jobdeck_drill_ring (seq INTEGER PRIMARY KEY AUTOINCREMENT, {_RING_COLUMNS})",
    f"""CREATE TRIGGER jobdeck_drill_ringing AFTER UPDATE ON jobdeck_run WHEN {_RUNG}
    BEGIN {_NOTE_RING.format(now=_SQLITE_NOW, again="OLD.ring_at > 0")} END""",
)
_POSTGRESQL_WITNESS = (
    f"CREATE TABLE jobdeck_drill_change (seq BIGSERIAL PRIMARY KEY, {_COLUMNS})",
    f"""CREATE FUNCTION jobdeck_drill_note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {_NOTE} RETURN NULL; END $$""",
    f"""CREATE TRIGGER jobdeck_drill_witness AFTER UPDATE ON jobdeck_run FOR EACH ROW
    WHEN ({_CHANGED.format(differs="IS DISTINCT FROM")}) EXECUTE FUNCTION jobdeck_drill_note()""",
    f"CREATE TABLE jobdeck_drill_ring (seq BIGSERIAL PRIMARY KEY, {_RING_COLUMNS})",
    f"""CREATE FUNCTION jobdeck_drill_note_ring() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {_NOTE_RING.format(now=_POSTGRESQL_NOW, again="(OLD.ring_at > 0)::integer")} RETURN NULL; END $$""",
    f"""CREATE TRIGGER jobdeck_drill_ringing AFTER UPDATE ON jobdeck_run FOR EACH ROW
    WHEN ({_RUNG}) EXECUTE FUNCTION jobdeck_drill_note_ring()""",
)


class RunRow(NamedTuple):
    """A run as it is at the end."""

    id: str
    type: str
    status: str
    reason: str | None
    attempt: int
    max_attempts: int
    stop_requested_at: int | None
    parent_id: str | None
    total_subtasks: int
    completed_subtasks: int
    schedule_id: str | None = None
    fire_at: int | None = None
    owner: str | None = None
    available_at: int | None = None
    parked: int = 0
    rings: int = 0
    ring_at: int | None = None


class AttemptRow(NamedTuple):
    """An attempt, as its worker or a rescuer told it."""

    run_id: str
    attempt: int
    fence: int
    ended_at: int | None
    outcome: str | None


class EventRow(NamedTuple):
    """A transition that was told, in order."""

    run_id: str
    at: int
    from_status: str
    to_status: str
    fence: int


class ChangeRow(NamedTuple):
    """A change that the database witnessed, in order."""

    run_id: str
    old_status: str
    new_status: str
    old_fence: int
    new_fence: int


class LineRow(NamedTuple):
    """A log entry, in order."""

    run_id: str
    seq: int
    attempt: int
    logger: str
    message: str


class ScheduleRow(NamedTuple):
    """How far a schedule has been served."""

    id: str
    served_until: int


class TickRow(NamedTuple):
    """What became of a planned time."""

    schedule_id: str
    fire_at: int
    kind: str
    run_id: str | None


class RingRow(NamedTuple):
    """That an engine was rung for a run, in order: when (microseconds since 1970), and whether it had been before without avail;
    with a `change` of -1, that it could not be.
    """

    run_id: str
    at: int
    change: int
    is_again: bool


class Rows(NamedTuple):
    """Everything that a database knows about a drill."""

    runs: list[RunRow]
    attempts: list[AttemptRow]
    events: list[EventRow]
    changes: list[ChangeRow]
    lines: list[LineRow]
    schedules: list[ScheduleRow]
    ticks: list[TickRow]
    stale_writes: int
    rings: Sequence[RingRow] = ()
    fenced: int = 0
    """deliveries that won nothing, as their run was taken or had ended"""


@contextmanager
def scratch(settings: Settings, name: str) -> Iterator[str]:
    """A new database of this name on the server of `settings`, for the block; its address.

    StoreError in one line when it cannot be made.
    """
    server = Database(settings)
    try:
        try:
            server.say(f'CREATE DATABASE "{name}"')
        except (exc.DBAPIError, StoreError) as error:
            told = str(error.orig if isinstance(error, exc.DBAPIError) else error).splitlines()[0]
            raise StoreError(f"The drill cannot make its scratch database there: {told}") from error
        try:
            yield make_url(settings.database_url).set(database=name).render_as_string(hide_password=False)
        finally:
            server.say(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        server.close()


def post_witness(database: Database) -> None:
    """Have every change of a run's status, fence or outcome, and every ring for it, recorded from here on."""
    with database.write() as connection:
        for statement in _SQLITE_WITNESS if database.is_sqlite else _POSTGRESQL_WITNESS:
            connection.exec_driver_sql(statement)


def cut(database: Database, application: str) -> int:
    """Terminate the connections that call themselves so; how many there were. PostgreSQL only."""
    with database.read() as connection:
        sql = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = ?"""
        return len(fetch(connection, sql, (application,)))


def held_by(database: Database, pid: int) -> list[tuple[str, int]]:
    """(run, fence) of what the worker with this process id holds."""
    query = select(runs.c.id, runs.c.fence).join(workers, workers.c.id == runs.c.owner)
    query = query.where(runs.c.status == "RUNNING", workers.c.pid == pid).order_by(runs.c.id)
    with database.read() as connection:
        return [(run_id, fence) for run_id, fence in connection.execute(query)]


def holders(database: Database) -> set[int]:
    """The process ids of workers that hold a run."""
    query = select(workers.c.pid).join(runs, workers.c.id == runs.c.owner).where(runs.c.status == "RUNNING").distinct()
    with database.read() as connection:
        return set(connection.execute(query).scalars())


def count_live(database: Database) -> int:
    """How many runs have not ended."""
    return _count(database, "status IN ('QUEUED', 'RUNNING')")


def count_running(database: Database) -> int:
    """How many runs are at work."""
    return _count(database, "status = 'RUNNING'")


def count_carried(database: Database) -> int:
    """How many runs wait for their engine to be rung, or for what came of that."""
    return _count(database, f"status = 'QUEUED' AND {_CARRIED}")


def count_under_way(database: Database, now_us: int) -> int:
    """For how many runs that wait a message is on its way."""
    return _count(database, f"status = 'QUEUED' AND {_CARRIED} AND ring_at > ?", now_us)


def latest_ring(database: Database) -> int:
    """When the last of the runs that wait is rung for again (microseconds since 1970); 0 when none will be."""
    with database.read() as connection:
        sql = "SELECT max(ring_at) FROM jobdeck_run WHERE status = 'QUEUED'"
        return int(fetch(connection, sql)[0][0] or 0)


def count_due(database: Database, now_us: int) -> int:
    """How many schedules have a planned time up to then that is not accounted for."""
    with database.read() as connection:
        return int(fetch(connection, "SELECT count(*) FROM jobdeck_schedule WHERE next_fire_at <= ?", (now_us,))[0][0])


def _count(database: Database, condition: str, *values: int) -> int:
    with database.read() as connection:
        return int(fetch(connection, f"SELECT count(*) FROM jobdeck_run WHERE {condition}", values)[0][0])


def next_due(database: Database) -> int | None:
    """The earliest planned time that is not accounted for."""
    with database.read() as connection:
        found: int | None = fetch(connection, "SELECT min(next_fire_at) FROM jobdeck_schedule")[0][0]
        return found


def read(database: Database) -> Rows:
    """All rows, in one snapshot where the database has one."""
    r, a, e, g, s, t = runs.c, attempts.c, run_events.c, log_entries.c, schedules.c, ticks.c
    changes = "SELECT run_id, old_status, new_status, old_fence, new_fence FROM jobdeck_drill_change ORDER BY seq"
    rings = "SELECT run_id, at, change, is_again FROM jobdeck_drill_ring ORDER BY seq"

    def rows(kind: Any, *columns: Any, order: Any) -> list[Any]:
        return [kind(*row) for row in connection.execute(select(*columns).order_by(*order))]

    with database.read() as connection:
        return Rows(
            runs=rows(RunRow, r.id, r.type, r.status, r.reason, r.attempt, r.max_attempts, r.stop_requested_at,
                      r.parent_id, r.total_subtasks, r.completed_subtasks, r.schedule_id, r.fire_at, r.owner,
                      r.available_at, r.parked, r.rings, r.ring_at, order=[r.id]),
            attempts=rows(AttemptRow, a.run_id, a.attempt, a.fence, a.ended_at, a.outcome, order=[a.run_id, a.attempt]),
            events=rows(EventRow, e.run_id, e.at, e.from_status, e.to_status, e.fence, order=[e.id]),
            changes=[ChangeRow(*row) for row in fetch(connection, changes)],
            lines=rows(LineRow, g.run_id, g.seq, g.attempt, g.logger, g.message, order=[g.run_id, g.seq]),
            schedules=rows(ScheduleRow, s.id, s.served_until, order=[s.id]),
            ticks=rows(TickRow, t.schedule_id, t.fire_at, t.kind, t.run_id, order=[t.schedule_id, t.fire_at]),
            stale_writes=sum(row[0] for row in connection.execute(select(workers.c.stale_writes))),
            rings=[RingRow(run_id, at, change, bool(again)) for run_id, at, change, again in fetch(connection, rings)],
            fenced=sum(row[0] for row in connection.execute(select(r.fenced))),
        )  # fmt: skip
