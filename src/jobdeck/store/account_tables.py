"""The tables of those who may come in, and of what they did. See `store.tables` for how columns are written."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, String, Table, Text, UniqueConstraint

from .columns import identifier, instant, metadata, tenant

audit = Table(
    "jobdeck_audit",
    metadata,
    # The newest of a tenant are read by the key itself: every write adds a row, and each index would cost it.
    Column("tenant", String(64), primary_key=True),
    identifier(primary_key=True),
    instant("at", required=True),
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
    identifier(primary_key=True),
    tenant(),
    Column("prefix", String(16), nullable=False, comment="the secret's first characters, to find the row"),
    Column("sha256", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("principal_id", String(255), nullable=False),
    Column("principal_name", String(255), nullable=False),
    Column("roles", Text, nullable=False),
    instant("created_at", required=True),
    instant("expires_at"),
    instant("used_at"),
    instant("revoked_at"),
    UniqueConstraint("prefix", name="jobdeck_token_by_prefix"),
)

sessions = Table(
    "jobdeck_session",
    metadata,
    Column("sha256", String(64), primary_key=True, comment="of the cookie's value"),
    tenant(),
    identifier("token_id", nullable=False),
    Column("csrf_token", String(64), nullable=False),
    instant("created_at", required=True),
    instant("seen_at", required=True),
    instant("expires_at", required=True),
)
