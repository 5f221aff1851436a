"""Schedules, their ticks, and who turns them into runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_LIVE = "schedule_id IS NOT NULL AND status IN ('QUEUED', 'RUNNING')"


def upgrade() -> None:
    """Add the tables of schedules; the column that jobs had for one goes, as nothing could stand in it."""
    op.drop_column("jobdeck_job", "schedule")
    _make_schedules()
    op.create_table(
        "jobdeck_tick",
        sa.Column("schedule_id", sa.String(36), nullable=False),
        sa.Column("fire_at", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(16), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("run_id", sa.String(36), nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at"),
    )
    op.create_table(
        "jobdeck_scheduler",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("tzdata", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    where = sa.text(_LIVE)
    op.create_index("jobdeck_run_live_of_schedule", "jobdeck_run", ["schedule_id", "id"], sqlite_where=where,
                    postgresql_where=where)  # fmt: skip


def _make_schedules() -> None:
    op.create_table(
        "jobdeck_schedule",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("recurrence", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("anchor_at", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("max_count", sa.BigInteger(), nullable=True),
        sa.Column("jitter_us", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("arguments", sa.Text(), nullable=True),
        sa.Column("custom_arguments", sa.Text(), nullable=True),
        sa.Column("misfire", sa.String(8), nullable=False),
        sa.Column("misfire_window_us", sa.BigInteger(), nullable=True),
        sa.Column("overlap", sa.String(16), nullable=False),
        sa.Column("principal_id", sa.String(255), nullable=False),
        sa.Column("principal_name", sa.String(255), nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_by", sa.String(255), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True, comment="why it could not fire the last time"),
        sa.Column(
            "tzdata", sa.String(16), nullable=False, comment="the version of the time zones that next_fire_at is from"
        ),
        sa.Column("next_fire_at", sa.BigInteger(), nullable=True, comment="NULL: never again"),
        sa.Column(
            "served_until", sa.BigInteger(), nullable=False, comment="every planned time up to here is accounted for"
        ),
        sa.Column("last_fire_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "run_count", sa.BigInteger(), nullable=False, server_default="0", comment="how many runs it has made"
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="rises with each change and each fire",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("jobdeck_schedule_of_job", "jobdeck_schedule", ["job_id", "id"])
    where = sa.text("next_fire_at IS NOT NULL")
    op.create_index("jobdeck_schedule_due", "jobdeck_schedule", ["next_fire_at", "id"], sqlite_where=where,
                    postgresql_where=where)  # fmt: skip
