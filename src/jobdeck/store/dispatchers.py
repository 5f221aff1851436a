"""Dispatchers: who rings engines, what keeps them from it, and since when they were last heard of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from ..core.worker import DispatcherInfo
from . import rows
from .statements import AnyConnection, execute
from .tables import dispatchers

LISTED_LIMIT = 100
_KEEP_US = 24 * 3600 * 1_000_000


def add(connection: Connection, tenant: str, dispatcher: DispatcherInfo, now_us: int) -> list[str]:
    """Register a dispatcher at its start, and forget those of which nothing was heard for a day: their ids."""
    old = delete(dispatchers).where(dispatchers.c.seen_at < now_us - _KEEP_US).returning(dispatchers.c.id)
    gone = list(connection.execute(old).scalars())
    connection.execute(
        insert(dispatchers).values(
            id=dispatcher.id,
            tenant=tenant,
            host=dispatcher.host,
            pid=dispatcher.pid,
            engines=json.dumps(dispatcher.engines),
            idle=True,
            started_at=now_us,
            seen_at=now_us,
        )
    )
    return gone


def seen(
    connection: Connection, dispatcher_id: str, now_us: int, problems: Mapping[str, str], depths: Mapping[str, int]
) -> None:
    """Note that a dispatcher lives, and what it knows of its engines."""
    told = {"problems": json.dumps(dict(problems)), "depths": json.dumps(dict(depths)), "seen_at": now_us}
    connection.execute(update(dispatchers).where(dispatchers.c.id == dispatcher_id).values(told))


def set_idle(connection: AnyConnection, dispatcher_id: str, idle: bool) -> None:
    """Note whether it wants to be woken."""
    execute(connection, "UPDATE jobdeck_dispatcher SET idle = ? WHERE id = ?", (idle, dispatcher_id))


def ended(connection: Connection, dispatcher_id: str, now_us: int) -> None:
    """Note that a dispatcher is gone."""
    connection.execute(update(dispatchers).where(dispatchers.c.id == dispatcher_id).values(ended_at=now_us))


def live(connection: Connection, since_us: int, tenant: str | None = None) -> Sequence[DispatcherInfo]:
    """Those that have not ended, seen since then, oldest first: of a tenant, or all, who ring for each other's runs."""
    query = select(dispatchers).where(dispatchers.c.ended_at.is_(None), dispatchers.c.seen_at >= since_us)
    if tenant is not None:
        query = query.where(dispatchers.c.tenant == tenant)
    return [
        rows.dispatcher(row) for row in connection.execute(query.order_by(dispatchers.c.started_at).limit(LISTED_LIMIT))
    ]
