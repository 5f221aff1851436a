"""Retries, limits, dependencies, sub-runs, priorities; pausing of queues and types."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RUN_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column(
        "order_at", sa.BigInteger(), nullable=False, server_default="0", comment="available_at less 60 s a priority"
    ),
    sa.Column(
        "parked",
        sa.SmallInteger(),
        nullable=False,
        server_default="0",
        comment="why it is out of line, core.run.Parked",
    ),
    sa.Column("open_dependencies", sa.Integer(), nullable=False, server_default="0"),
    sa.Column("retry", sa.Text(), nullable=True, comment="the retry policy as JSON; NULL: at once"),
    sa.Column(
        "stop_kind", sa.String(16), nullable=True, comment="the reason of a run that ends for this stop; NULL: stopped"
    ),
    sa.Column("limit_n", sa.Integer(), nullable=True),
    sa.Column("limit_policy", sa.String(8), nullable=True),
    sa.Column(
        "body_kind", sa.String(16), nullable=True, comment="how the body ended of a run that waits for its sub-runs"
    ),
)
_JOB_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column("priority", sa.Integer(), nullable=True),
    sa.Column("max_attempts", sa.Integer(), nullable=True),
    sa.Column("run_limit", sa.Integer(), nullable=True),
    sa.Column("limit_policy", sa.String(8), nullable=True),
    sa.Column("after_job_id", sa.String(36), nullable=True),
    sa.Column("after_need", sa.String(8), nullable=True),
)
_WORKER_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column("pages", sa.Text(), nullable=True, comment="the folder of its children's pages, on its host"),
    sa.Column("types", sa.Text(), nullable=False, server_default="[]"),
    sa.Column("idle", sa.Boolean(), nullable=False, server_default=sa.text("false"), comment="wants to be woken"),
    sa.Column("stale_writes", sa.BigInteger(), nullable=False, server_default="0"),
)
_RUN_INDEXES = (
    ("jobdeck_run_in_line", ["queue", "order_at", "id"], "status = 'QUEUED' AND parked = 0", False),
    ("jobdeck_run_delayed", ["available_at"], "status = 'QUEUED' AND available_at > created_at", False),
    ("jobdeck_run_expiring", ["expires_at"], "status = 'QUEUED' AND expires_at IS NOT NULL", False),
    ("jobdeck_run_of_limit", ["limit_key", "status", "parked", "order_at", "id"],
     "limit_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING')", False),
    ("jobdeck_run_of_key", ["tenant", "unique_key"],
     "unique_key IS NOT NULL AND status IN ('QUEUED', 'RUNNING')", True),
    ("jobdeck_run_of_parent", ["parent_id", "id"], "parent_id IS NOT NULL", False),
)  # fmt: skip


def upgrade() -> None:
    """Add what runs, jobs and workers did not have, and put queued runs in line."""
    for table, columns in (("jobdeck_run", _RUN_COLUMNS), ("jobdeck_job", _JOB_COLUMNS),
                           ("jobdeck_worker", _WORKER_COLUMNS)):  # fmt: skip
        for column in columns:
            op.add_column(table, column)
    op.add_column("jobdeck_attempt", sa.Column("message", sa.Text(), nullable=True))
    op.execute("UPDATE jobdeck_run SET order_at = available_at - priority * 60000000 WHERE status = 'QUEUED'")
    _make_tables()
    for name, named, condition, unique in _RUN_INDEXES:
        where = sa.text(condition)
        op.create_index(name, "jobdeck_run", named, unique=unique, sqlite_where=where, postgresql_where=where)
    op.drop_index("jobdeck_run_claim", "jobdeck_run")
    after = sa.text("after_job_id IS NOT NULL")
    op.create_index("jobdeck_job_after", "jobdeck_job", ["after_job_id"], sqlite_where=after, postgresql_where=after)


def _make_tables() -> None:
    op.create_table(
        "jobdeck_dependency",
        sa.Column("run_id", sa.String(36), nullable=False),
        sa.Column("after_id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("need", sa.String(8), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "after_id"),
    )
    op.create_index("jobdeck_dependency_after", "jobdeck_dependency", ["after_id"])
    op.create_table(
        "jobdeck_followup",
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("after_run_id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "after_run_id"),
    )
    op.create_table(
        "jobdeck_limit",
        sa.Column(
            "limit_key", sa.String(255), nullable=False, comment="locked by whoever counts the runs that hold it"
        ),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("limit_key"),
    )
    paused = (("paused_at", sa.BigInteger()), ("paused_by", sa.String(255)), ("pause_reason", sa.Text()))
    op.create_table(
        "jobdeck_queue",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        *(sa.Column(name, kind, nullable=True) for name, kind in paused),
        sa.Column("run_limit", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "name"),
    )
    op.create_table(
        "jobdeck_type",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("id", sa.String(255), nullable=False),
        *(sa.Column(name, kind, nullable=True) for name, kind in paused),
        sa.Column("lost_in_a_row", sa.Integer(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
