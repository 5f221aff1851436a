"""The audit trail: rows are added and read, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from ..core import json_values
from ..core.audit import AuditEntry
from ..core.filters import Page
from . import rows
from .statements import Lane, execute
from .tables import audit

_ADD = """
INSERT INTO jobdeck_audit (id, tenant, at, principal_id, action, object, allowed, reason, before, after)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def add(
    connection: Connection | Lane,
    *,
    entry_id: str,
    tenant: str,
    at: int,
    principal_id: str,
    action: str,
    object: str | None,
    allowed: bool = True,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add one row, in the transaction of what it tells of."""
    told = [None if value is None else json_values.dumps(value) for value in (before, after)]
    execute(connection, _ADD, (entry_id, tenant, at, principal_id, action, object, allowed, reason, *told))


def newest(connection: Connection, tenant: str, page: Page) -> tuple[list[AuditEntry], bool]:
    """A page from newest to oldest, and whether more follow."""
    query = select(audit).where(audit.c.tenant == tenant)
    if page.before is not None:
        query = query.where(audit.c.id < page.before)
    query = query.order_by(audit.c.id.desc()).offset(page.offset).limit(page.size + 1)
    found = connection.execute(query).fetchall()
    return [rows.audit_entry(row) for row in found[: page.size]], len(found) > page.size
