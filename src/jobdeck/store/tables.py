"""Every table, as data. Instants (`*_at`) are whole microseconds since 1970, UTC; JSON is kept as text.

Integers compare and add alike on both databases and need no conversion on the hot path. JSON passes through the
worker unparsed, and text takes what jsonb refuses. Ids are UUIDs in canonical text. No foreign keys on what runs
write: each would cost an index look-up a row; `store.runs.delete` removes a run with all that hangs on it.
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
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()


def _id(name: str = "id", **options: object) -> Column[str]:
    return Column(name, String(36), **options)  # type: ignore[arg-type]  # keyword options of Column, passed on


def _at(name: str, *, required: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=not required)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _tenant() -> Column[str]:
    return Column("tenant", String(64), nullable=False)


jobs = Table(
    "jobdeck_job",
    metadata,
    _id(primary_key=True),
    _tenant(),
    Column("title", String(255), nullable=False),
    Column("description", Text),
    Column("type", String(255), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("arguments", Text),
    Column("custom_arguments", Text),
    Column("timeout_s", Float),
    Column("schedule", Text),
    Column("notifications", Text),
    _at("created_at", required=True),
    _at("updated_at", required=True),
    Index("jobdeck_job_by_title", "tenant", "title", "id"),
)

runs = Table(
    "jobdeck_run",
    metadata,
    _id(primary_key=True),
    _tenant(),
    _id("job_id"),
    Column("type", String(255)),
    Column("function", String(500)),
    Column("title", String(255)),
    Column("arguments", Text, nullable=False),
    Column("positional", Text),
    Column("queue", String(64), nullable=False),
    Column("engine", String(32), nullable=False, server_default="database"),
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
    _count("fence"),
    _id("owner"),
    _count("hb_seq"),
    _at("hb_at"),
    _at("available_at", required=True),
    _at("expires_at"),
    Column("timeout_s", Float),
    _at("stop_requested_at"),
    Column("stop_requested_by", String(255)),
    Column("stop_reason", Text),
    Column("limit_key", String(255)),
    Column("unique_key", String(255)),
    _id("schedule_id"),
    _at("fire_at"),
    _id("parent_id"),
    _id("retry_of"),
    _at("created_at", required=True),
    _at("started_at"),
    _at("ended_at"),
    Column("progress_done", BigInteger),
    Column("progress_total", BigInteger),
    Column("progress_message", Text),
    _count("log_seq"),
    Column("subtasks_closed", Boolean, nullable=False, server_default=text("false")),
    _count("total_subtasks"),
    _count("completed_subtasks"),
    _count("failed_subtasks"),
    _count("errored_entries"),
    _count("inserted_entries"),
    _count("updated_entries"),
    _count("total_entries"),
)
_QUEUED = text("status = 'QUEUED'")
_RUNNING = text("status = 'RUNNING'")
_LIVE_OF_JOB = text("job_id IS NOT NULL AND status IN ('QUEUED', 'RUNNING')")
_OF_JOB = text("job_id IS NOT NULL")


def _partial(name: str, *columns: Column[object], where: object) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


_r = runs.c
_partial("jobdeck_run_claim", _r.queue, _r.available_at, _r.id, where=_QUEUED)
_partial("jobdeck_run_held", _r.owner, where=_RUNNING)
_partial("jobdeck_run_of_job", _r.job_id, _r.id, where=_OF_JOB)
_partial("jobdeck_run_live_of_job", _r.job_id, _r.status, _r.id, where=_LIVE_OF_JOB)
Index("jobdeck_run_newest", _r.tenant, _r.id)

last_runs = Table(
    "jobdeck_last_run",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True, comment="a job's id, or a type's id for runs without a job"),
    Column("status", String(16), primary_key=True),
    _id("run_id", nullable=False),
)

attempts = Table(
    "jobdeck_attempt",
    metadata,
    _id("run_id", primary_key=True),
    Column("attempt", Integer, primary_key=True),
    _tenant(),
    Column("fence", BigInteger, nullable=False),
    _id("worker_id", nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer),
    _id("boot_id"),
    _at("started_at"),
    _at("ended_at"),
    Column("outcome", String(16)),
    Column("exit_code", Integer),
    Column("signal", Integer),
    Column("rss_max", BigInteger),
)

run_events = Table(
    "jobdeck_run_event",
    metadata,
    _id(primary_key=True),
    _tenant(),
    _id("run_id", nullable=False),
    _at("at", required=True),
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
    _id("run_id", primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _tenant(),
    Column("attempt", Integer, nullable=False),
    Column("task_id", String(64)),
    _at("at", required=True),
    Column("level", SmallInteger, nullable=False),
    Column("logger", String(255), nullable=False),
    Column("message", Text, nullable=False),
    Column("fields", Text),
)

files = Table(
    "jobdeck_file",
    metadata,
    _id("run_id", primary_key=True),
    Column("direction", String(8), primary_key=True),
    Column("name", String(255), primary_key=True),
    _tenant(),
    Column("media_type", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("path", String(255), nullable=False),
    _at("created_at", required=True),
)

workers = Table(
    "jobdeck_worker",
    metadata,
    _id(primary_key=True),
    _tenant(),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("pid_started", BigInteger, nullable=False),
    Column("boot_id", String(36), nullable=False),
    Column("queues", Text, nullable=False),
    Column("processes", Integer, nullable=False),
    _at("started_at", required=True),
    _at("seen_at", required=True),
    _at("ended_at"),
)

audit = Table(
    "jobdeck_audit",
    metadata,
    # The newest of a tenant are read by the key itself: every write adds a row, and each index would cost it.
    Column("tenant", String(64), primary_key=True),
    _id(primary_key=True),
    _at("at", required=True),
    Column("principal_id", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", String(512)),
    Column("allowed", Boolean, nullable=False),
    Column("reason", Text),
    Column("before", Text),
    Column("after", Text),
)

tokens = Table(
    "jobdeck_token",
    metadata,
    _id(primary_key=True),
    _tenant(),
    Column("prefix", String(16), nullable=False, comment="the secret's first characters, to find the row"),
    Column("sha256", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("principal_id", String(255), nullable=False),
    Column("principal_name", String(255), nullable=False),
    Column("roles", Text, nullable=False),
    _at("created_at", required=True),
    _at("expires_at"),
    _at("used_at"),
    _at("revoked_at"),
    UniqueConstraint("prefix", name="jobdeck_token_by_prefix"),
)

sessions = Table(
    "jobdeck_session",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the cookie's value"),
    _tenant(),
    _id("token_id", nullable=False),
    Column("csrf_token", String(64), nullable=False),
    _at("created_at", required=True),
    _at("seen_at", required=True),
    _at("expires_at", required=True),
)
