"""Finding finished runs in the order of their creation, and removing those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from ..core.run import FINAL_STATUSES, Status
from . import removal
from .tables import runs


class Finished(NamedTuple):
    """A finished run; `subject` is its type, or the function of a run without one."""

    id: str
    subject: str | None
    status: Status
    ended_us: int | None
    log_entries: int


def next_tenant(connection: Connection, after: str) -> str | None:
    """The first tenant with runs after this one, by name."""
    query = select(runs.c.tenant).where(runs.c.tenant > after).order_by(runs.c.tenant).limit(1)
    return connection.execute(query).scalar_one_or_none()


def newest(connection: Connection, tenant: str, before: str | None, limit: int) -> tuple[list[Finished], str | None]:
    """The finished among the next `limit` runs from newest to oldest, and from which id to go on; None: these are all."""
    query = _any(tenant).order_by(runs.c.id.desc())
    return _page(connection, query if before is None else query.where(runs.c.id < before), limit)


def oldest(
    connection: Connection, tenant: str, after: str, below: str, limit: int
) -> tuple[list[Finished], str | None]:
    """The same from oldest to newest, up to the id `below`."""
    query = _any(tenant).where(runs.c.id > after, runs.c.id < below).order_by(runs.c.id)
    return _page(connection, query, limit)


def removable(connection: Connection, tenant: str, run_ids: Sequence[str]) -> set[str]:
    """Which of these runs no live run needs."""
    query = select(runs.c.id).where(runs.c.id.in_(run_ids), runs.c.tenant == tenant, removal.removable())
    return set(connection.execute(query).scalars())


def remove(connection: Connection, tenant: str, run_ids: Sequence[str], ended_before: int) -> set[str]:
    """Delete those of these runs that ended before then and that no live run needs; the ids of those that are gone."""
    # In order and without waiting: somebody else may be deleting the same ones.
    query = (
        select(runs.c.id)
        .where(runs.c.id.in_(run_ids), runs.c.tenant == tenant, runs.c.ended_at < ended_before)
        .order_by(runs.c.id)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(query).scalars())
    return {run.id for run in removal.remove(connection, tenant, ids)} if ids else set()


def statuses(connection: Connection, run_ids: Sequence[str]) -> dict[str, Status]:
    """The status of each of these runs that exists, of whatever tenant."""
    query = select(runs.c.id, runs.c.status).where(runs.c.id.in_(run_ids))
    return {row.id: Status(row.status) for row in connection.execute(query)}


def _any(tenant: str) -> Select[Any]:
    subject = func.coalesce(runs.c.type, runs.c.function)
    return select(runs.c.id, subject, runs.c.status, runs.c.ended_at, runs.c.log_seq).where(runs.c.tenant == tenant)


def _page(connection: Connection, query: Select[Any], limit: int) -> tuple[list[Finished], str | None]:
    found = connection.execute(query.limit(limit)).fetchall()
    finished = [
        Finished(run_id, subject, Status(status), ended_us, log_entries)
        for run_id, subject, status, ended_us, log_entries in found
        if status in FINAL_STATUSES
    ]
    return finished, found[-1][0] if len(found) == limit else None
