"""Rings of engines, who sends them, and whose workers there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_PARKED = "status = 'QUEUED' AND parked <> 0"
_TO_RING = "status = 'QUEUED' AND parked = 0 AND ring_at IS NOT NULL"


def upgrade() -> None:
    """Add what engines need; the engine of a run is that of its queue, so that its own column goes."""
    op.drop_column("jobdeck_run", "engine")
    op.add_column("jobdeck_run", sa.Column("rings", sa.Integer(), nullable=False, server_default="0",
                                           comment="how often its engine was rung for it"))  # fmt: skip
    op.add_column("jobdeck_run", sa.Column("ring_at", sa.BigInteger(), nullable=True,
        comment="when its engine is to be rung, if it waits then; NULL: no engine has to be"))  # fmt: skip
    op.add_column("jobdeck_run", sa.Column("fenced", sa.Integer(), nullable=False, server_default="0",
                                           comment="how many deliveries found it taken"))  # fmt: skip
    where = sa.text(_TO_RING)
    op.create_index("jobdeck_run_to_ring", "jobdeck_run", ["queue", "ring_at", "order_at", "id"], sqlite_where=where,
                    postgresql_where=where)  # fmt: skip
    where = sa.text(_PARKED)
    op.create_index("jobdeck_run_parked", "jobdeck_run", ["queue"], sqlite_where=where, postgresql_where=where)
    op.add_column("jobdeck_worker", sa.Column("engine", sa.String(32), nullable=False, server_default="database"))
    op.create_table(
        "jobdeck_dispatcher",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("engines", sa.Text(), nullable=False, comment="JSON: the names of those it rings"),
        sa.Column("problems", sa.Text(), nullable=True, comment="JSON: engine to why it cannot be rung just now"),
        sa.Column("depths", sa.Text(), nullable=True, comment="JSON: queue to how many messages wait there"),
        sa.Column("idle", sa.Boolean(), nullable=False, server_default=sa.text("false"), comment="wants to be woken"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
