"""Every table, as data. Instants (`*_at`) are whole microseconds since 1970, UTC; JSON is kept as text.

Integers compare and add alike on both databases and need no conversion on the hot path. JSON passes through the
worker unparsed, and text takes what jsonb refuses. Ids are UUIDs in canonical text. No foreign keys on what runs
write: each would cost an index look-up a row; `store.removal` removes a run with all that hangs on it.
Indexes are named after the query they serve; those on live runs are partial, so that finished runs cost nothing.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from .account_tables import audit, sessions, tokens
from .columns import counter, identifier, instant, metadata, tenant

__all__ = [
    "attempts", "audit", "dependencies", "dispatchers", "files", "followups", "jobs", "last_runs", "limits", "log_entries", "metadata",
    "queues", "run_events", "runs", "schedulers", "schedules", "sessions", "ticks", "tokens", "types", "workers",
]  # fmt: skip

jobs = Table(
    "jobdeck_job",
    metadata,
    identifier(primary_key=True),
    tenant(),
    Column("title", String(255), nullable=False),
    Column("description", Text),
    Column("type", String(255), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("arguments", Text),
    Column("custom_arguments", Text),
    Column("timeout_s", Float),
    Column("priority", Integer),
    Column("max_attempts", Integer),
    Column("run_limit", Integer),
    Column("limit_policy", String(8)),
    identifier("after_job_id"),
    Column("after_need", String(8)),
    Column("notifications", Text),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    Index("jobdeck_job_by_title", "tenant", "title", "id"),
)
_AFTER = text("after_job_id IS NOT NULL")
Index("jobdeck_job_after", jobs.c.after_job_id, sqlite_where=_AFTER, postgresql_where=_AFTER)

runs = Table(
    "jobdeck_run",
    metadata,
    identifier(primary_key=True),
    tenant(),
    identifier("job_id"),
    Column("type", String(255)),
    Column("function", String(500)),
    Column("title", String(255)),
    Column("arguments", Text, nullable=False),
    Column("positional", Text),
    Column("queue", String(64), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("trigger", String(16), nullable=False),
    Column("principal_id", String(255)),
    Column("principal_name", String(255)),
    Column("status", String(16), nullable=False),
    Column("reason", String(16)),
    Column("message", Text),
    Column("traceback", Text),
    Column("result", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False, server_default="1"),
    Column("rescues", Integer, nullable=False, server_default="0"),
    Column("releases", Integer, nullable=False, server_default="0"),
    counter("fence"),
    identifier("owner"),
    Column("rings", Integer, nullable=False, server_default="0", comment="how often its engine was rung for it"),
    Column("ring_at", BigInteger, comment="when its engine is to be rung, if it waits then; NULL: no engine has to be"),
    Column("fenced", Integer, nullable=False, server_default="0", comment="how many deliveries found it taken"),
    counter("hb_seq"),
    instant("hb_at"),
    instant("available_at", required=True),
    Column("order_at", BigInteger, nullable=False, server_default="0", comment="available_at less 60 s a priority"),
    Column(
        "parked", SmallInteger, nullable=False, server_default="0", comment="why it is out of line, core.run.Parked"
    ),
    Column("open_dependencies", Integer, nullable=False, server_default="0"),
    instant("expires_at"),
    Column("timeout_s", Float),
    Column("retry", Text, comment="the retry policy as JSON; NULL: at once"),
    instant("stop_requested_at"),
    Column("stop_requested_by", String(255)),
    Column("stop_reason", Text),
    Column("stop_kind", String(16), comment="the reason of a run that ends for this stop; NULL: stopped"),
    Column("limit_key", String(255)),
    Column("limit_n", Integer),
    Column("limit_policy", String(8)),
    Column("unique_key", String(255)),
    Column("body_kind", String(16), comment="how the body ended of a run that waits for its sub-runs"),
    identifier("schedule_id"),
    instant("fire_at"),
    identifier("parent_id"),
    identifier("retry_of"),
    instant("created_at", required=True),
    instant("started_at"),
    instant("ended_at"),
    Column("progress_done", BigInteger),
    Column("progress_total", BigInteger),
    Column("progress_message", Text),
    counter("log_seq"),
    Column("subtasks_closed", Boolean, nullable=False, server_default=text("false")),
    counter("total_subtasks"),
    counter("completed_subtasks"),
    counter("failed_subtasks"),
    counter("errored_entries"),
    counter("inserted_entries"),
    counter("updated_entries"),
    counter("total_entries"),
)
_QUEUED = text("status = 'QUEUED'")
_IN_LINE = text("status = 'QUEUED' AND parked = 0")
_PARKED = text("status = 'QUEUED' AND parked <> 0")
_TO_RING = text("status = 'QUEUED' AND parked = 0 AND ring_at IS NOT NULL")
_DELAYED = text("status = 'QUEUED' AND available_at > created_at")
_EXPIRING = text("status = 'QUEUED' AND expires_at IS NOT NULL")
_LIMITED = text("limit_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING')")
_UNIQUE = text("unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING')")
_OF_PARENT = text("parent_id IS NOT NULL")
_RUNNING = text("status = 'RUNNING'")
_LIVE_OF_SCHEDULE = text("schedule_id IS NOT NULL AND status IN ('QUEUED', 'RUNNING')")
_LIVE_OF_JOB = text("job_id IS NOT NULL AND status IN ('QUEUED', 'RUNNING')")
_OF_JOB = text("job_id IS NOT NULL")


def _partial(name: str, *columns: Column[object], where: object, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


_r = runs.c
_partial("jobdeck_run_in_line", _r.queue, _r.order_at, _r.id, where=_IN_LINE)
_partial("jobdeck_run_parked", _r.queue, where=_PARKED)
_partial("jobdeck_run_to_ring", _r.queue, _r.ring_at, _r.order_at, _r.id, where=_TO_RING)
_partial("jobdeck_run_delayed", _r.available_at, where=_DELAYED)
_partial("jobdeck_run_expiring", _r.expires_at, where=_EXPIRING)
_partial("jobdeck_run_of_limit", _r.limit_key, _r.status, _r.parked, _r.order_at, _r.id, where=_LIMITED)
_partial("jobdeck_run_of_key", _r.tenant, _r.unique_key, where=_UNIQUE, unique=True)
_partial("jobdeck_run_of_parent", _r.parent_id, _r.id, where=_OF_PARENT)
_partial("jobdeck_run_held", _r.owner, where=_RUNNING)
_partial("jobdeck_run_of_job", _r.job_id, _r.id, where=_OF_JOB)
_partial("jobdeck_run_live_of_job", _r.job_id, _r.status, _r.id, where=_LIVE_OF_JOB)
_partial("jobdeck_run_live_of_schedule", _r.schedule_id, _r.id, where=_LIVE_OF_SCHEDULE)
Index("jobdeck_run_newest", _r.tenant, _r.id)

dependencies = Table(
    "jobdeck_dependency",
    metadata,
    identifier("run_id", primary_key=True),
    identifier("after_id", primary_key=True),
    tenant(),
    Column("need", String(8), nullable=False),
    instant("resolved_at"),
    Index("jobdeck_dependency_after", "after_id"),
)

schedules = Table(
    "jobdeck_schedule",
    metadata,
    identifier(primary_key=True),
    tenant(),
    identifier("job_id", nullable=False),
    Column("recurrence", Text, nullable=False),
    Column("time_zone", String(64), nullable=False),
    instant("anchor_at", required=True),
    instant("starts_at"),
    instant("ends_at"),
    Column("max_count", BigInteger),
    Column("jitter_us", BigInteger, nullable=False, server_default="0"),
    Column("arguments", Text),
    Column("custom_arguments", Text),
    Column("misfire", String(8), nullable=False),
    Column("misfire_window_us", BigInteger),
    Column("overlap", String(16), nullable=False),
    Column("principal_id", String(255), nullable=False),
    Column("principal_name", String(255), nullable=False),
    instant("paused_at"),
    Column("paused_by", String(255)),
    Column("pause_reason", Text),
    Column("problem", Text, comment="why it could not fire the last time"),
    Column("tzdata", String(16), nullable=False, comment="the version of the time zones that next_fire_at is from"),
    Column("next_fire_at", BigInteger, comment="NULL: never again"),
    Column("served_until", BigInteger, nullable=False, comment="every planned time up to here is accounted for"),
    instant("last_fire_at"),
    Column("run_count", BigInteger, nullable=False, server_default="0", comment="how many runs it has made"),
    Column("version", BigInteger, nullable=False, server_default="0", comment="rises with each change and each fire"),
    instant("created_at", required=True),
    instant("updated_at", required=True),
    Index("jobdeck_schedule_of_job", "job_id", "id"),
)
_PLANNED = text("next_fire_at IS NOT NULL")
Index(
    "jobdeck_schedule_due", schedules.c.next_fire_at, schedules.c.id,
    sqlite_where=_PLANNED, postgresql_where=_PLANNED,
)  # fmt: skip

ticks = Table(
    "jobdeck_tick",
    metadata,
    identifier("schedule_id", primary_key=True),
    Column("fire_at", BigInteger, primary_key=True, autoincrement=False),
    tenant(),
    Column("kind", String(16), nullable=False),
    Column("reason", String(16)),
    Column("detail", Text),
    identifier("run_id"),
    instant("recorded_at", required=True),
)

schedulers = Table(
    "jobdeck_scheduler",
    metadata,
    identifier(primary_key=True),
    tenant(),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("tzdata", String(16), nullable=False),
    instant("started_at", required=True),
    instant("seen_at", required=True),
    instant("ended_at"),
)

dispatchers = Table(
    "jobdeck_dispatcher",
    metadata,
    identifier(primary_key=True),
    tenant(),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("engines", Text, nullable=False, comment="JSON: the names of those it rings"),
    Column("problems", Text, comment="JSON: engine to why it cannot be rung just now"),
    Column("depths", Text, comment="JSON: queue to how many messages wait there"),
    Column("idle", Boolean, nullable=False, server_default=text("false"), comment="wants to be woken"),
    instant("started_at", required=True),
    instant("seen_at", required=True),
    instant("ended_at"),
)

followups = Table(
    "jobdeck_followup",
    metadata,
    identifier("job_id", primary_key=True),
    identifier("after_run_id", primary_key=True),
    tenant(),
    instant("created_at", required=True),
)

limits = Table(
    "jobdeck_limit",
    metadata,
    Column("limit_key", String(255), primary_key=True, comment="locked by whoever counts the runs that hold it"),
    tenant(),
)

queues = Table(
    "jobdeck_queue",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    instant("paused_at"),
    Column("paused_by", String(255)),
    Column("pause_reason", Text),
    Column("run_limit", Integer),
)

types = Table(
    "jobdeck_type",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("id", String(255), primary_key=True),
    instant("paused_at"),
    Column("paused_by", String(255)),
    Column("pause_reason", Text),
    Column("lost_in_a_row", Integer, nullable=False, server_default="0"),
)

last_runs = Table(
    "jobdeck_last_run",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True, comment="a job's id, or a type's id for runs without a job"),
    Column("status", String(16), primary_key=True),
    identifier("run_id", nullable=False),
)

attempts = Table(
    "jobdeck_attempt",
    metadata,
    identifier("run_id", primary_key=True),
    Column("attempt", Integer, primary_key=True),
    tenant(),
    Column("fence", BigInteger, nullable=False),
    identifier("worker_id", nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer),
    identifier("boot_id"),
    instant("started_at"),
    instant("ended_at"),
    Column("outcome", String(16)),
    Column("message", Text),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("rss_max", BigInteger),
)

run_events = Table(
    "jobdeck_run_event",
    metadata,
    identifier(primary_key=True),
    tenant(),
    identifier("run_id", nullable=False),
    instant("at", required=True),
    Column("from_status", String(16), nullable=False),
    Column("to_status", String(16), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("detail", Text),
    Index("jobdeck_run_event_of_run", "run_id", "id"),
)

log_entries = Table(
    "jobdeck_log_entry",
    metadata,
    identifier("run_id", primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    tenant(),
    Column("attempt", Integer, nullable=False),
    Column("task_id", String(64)),
    instant("at", required=True),
    Column("level", SmallInteger, nullable=False),
    Column("logger", String(255), nullable=False),
    Column("message", Text, nullable=False),
    Column("fields", Text),
)

files = Table(
    "jobdeck_file",
    metadata,
    identifier("run_id", primary_key=True),
    Column("direction", String(8), primary_key=True),
    Column("name", String(255), primary_key=True),
    tenant(),
    Column("media_type", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    instant("created_at", required=True),
)

workers = Table(
    "jobdeck_worker",
    metadata,
    identifier(primary_key=True),
    tenant(),
    Column("engine", String(32), nullable=False, server_default="database"),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", BigInteger, nullable=False),
    Column("boot_id", String(36), nullable=False),
    Column("queues", Text, nullable=False),
    Column("types", Text, nullable=False, server_default="[]"),
    Column("processes", Integer, nullable=False),
    Column("pages", Text, comment="the folder of its children's pages, on its host"),
    Column("idle", Boolean, nullable=False, server_default=text("false"), comment="wants to be woken"),
    counter("stale_writes"),
    instant("started_at", required=True),
    instant("seen_at", required=True),
    instant("ended_at"),
)
