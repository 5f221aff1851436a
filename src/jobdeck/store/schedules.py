"""Schedules as people save and read them, and what became of their planned times. Neighbour: `store.firing` serves them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    union_all,
    update,
)

from ..core.filters import COUNT_LIMIT, Page, ScheduleFilter
from ..core.schedule import Schedule
from ..core.tick import Tick, TickKind
from . import rows
from .tables import jobs, schedules, ticks


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Insert one schedule; `values` by column name."""
    connection.execute(insert(schedules).values(**values))


def change(connection: Connection, tenant: str, schedule_id: str, values: Mapping[str, Any]) -> int:
    """Update the given columns, so that whoever has read it before notices; 1 when there is such a schedule."""
    query = update(schedules).where(schedules.c.id == schedule_id, schedules.c.tenant == tenant)
    return connection.execute(query.values(**values, version=schedules.c.version + 1)).rowcount


def remove(connection: Connection, tenant: str, schedule_ids: Sequence[str]) -> int:
    """Delete schedules and what became of their planned times; the runs that they made stay. How many there were."""
    gone = delete(schedules).where(schedules.c.id.in_(schedule_ids), schedules.c.tenant == tenant)
    ids = list(connection.execute(gone.returning(schedules.c.id)).scalars())
    if ids:
        connection.execute(delete(ticks).where(ticks.c.schedule_id.in_(ids)))
    return len(ids)


def get(connection: Connection, tenant: str, schedule_id: str, *, lock: bool = False) -> Schedule | None:
    """One schedule, or None; with `lock` nobody else changes or serves it before the transaction ends."""
    query = select(schedules).where(schedules.c.id == schedule_id, schedules.c.tenant == tenant)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    return None if row is None else rows.schedule(row)


def of_jobs(connection: Connection, tenant: str, job_ids: Iterable[str], *, lock: bool = False) -> list[Schedule]:
    """The schedules of these jobs, each job's oldest first."""
    query = select(schedules).where(schedules.c.job_id.in_(list(job_ids)), schedules.c.tenant == tenant)
    query = query.order_by(schedules.c.job_id, schedules.c.id)
    return [rows.schedule(row) for row in connection.execute(query.with_for_update() if lock else query)]


def lock_job(connection: Connection, tenant: str, job_id: str) -> bool:
    """Keep a job from being deleted, and from getting schedules from elsewhere, until the transaction ends."""
    query = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.tenant == tenant).with_for_update()
    return connection.execute(query).one_or_none() is not None


def by_next_fire(
    connection: Connection, tenant: str, wanted: ScheduleFilter, page: Page
) -> tuple[list[Schedule], int, bool]:
    """A page of schedules by their next planned time, ended ones last, the number of all, whether more follow."""
    fits = _fitting(tenant, wanted)
    total = connection.execute(select(func.count()).select_from(_among(wanted)).where(*fits)).scalar_one()
    query: Select[Any] = select(schedules).select_from(_among(wanted)).where(*fits)
    if page.before is not None:
        query = query.where(_follows(page.before))
    query = query.order_by(schedules.c.next_fire_at.is_(None), schedules.c.next_fire_at, schedules.c.id)
    found = connection.execute(query.offset(page.offset).limit(page.size + 1)).fetchall()
    return [rows.schedule(row) for row in found[: page.size]], total, len(found) > page.size


def newest_ticks(
    connection: Connection, tenant: str, schedule_id: str, page: Page, before_us: int | None
) -> tuple[list[Tick], int, bool]:
    """A page of a schedule's planned times from the latest on, earlier than `before_us`; the number of all (counted to
    `COUNT_LIMIT`), whether more follow.
    """
    query = select(ticks).where(ticks.c.schedule_id == schedule_id, ticks.c.tenant == tenant)
    some = query.with_only_columns(ticks.c.fire_at).limit(COUNT_LIMIT + 1).subquery()
    total = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if before_us is not None:
        query = query.where(ticks.c.fire_at < before_us)
    query = query.order_by(ticks.c.fire_at.desc())
    found = connection.execute(query.offset(page.offset).limit(page.size + 1)).fetchall()
    return [rows.tick(row) for row in found[: page.size]], total, len(found) > page.size


def last_ticks(connection: Connection, tenant: str, schedule_ids: Iterable[str]) -> dict[str, Tick]:
    """The latest planned time that is accounted for, by schedule; one without any is missing."""
    of_schedule = ticks.alias()
    latest = select(func.max(of_schedule.c.fire_at)).where(of_schedule.c.schedule_id == schedules.c.id)
    wanted = select(schedules.c.id, latest.scalar_subquery()).where(
        schedules.c.id.in_(list(schedule_ids)), schedules.c.tenant == tenant
    )
    query = select(ticks).where(tuple_(ticks.c.schedule_id, ticks.c.fire_at).in_(wanted))
    return {row.schedule_id: rows.tick(row) for row in connection.execute(query)}


def counts(
    connection: Connection, tenant: str, schedule_ids: Iterable[str], since_us: int
) -> dict[str, dict[TickKind, int]]:
    """How many planned times since then became what, by schedule; of each the latest `COUNT_LIMIT` are counted."""
    found: dict[str, dict[TickKind, int]] = {one: {} for one in schedule_ids}
    ids = list(found)
    for start in range(0, len(ids), _COUNTED_AT_ONCE):
        query = union_all(*(_count(tenant, one, since_us) for one in ids[start : start + _COUNTED_AT_ONCE]))
        for schedule_id, kind, count in connection.execute(query):
            found[schedule_id][TickKind(kind)] = count
    return found


def adopt(connection: Connection, tenant: str, schedule_ids: Sequence[str], values: Mapping[str, Any]) -> int:
    """Update the same columns of several schedules; how many there were."""
    query = update(schedules).where(schedules.c.id.in_(schedule_ids), schedules.c.tenant == tenant)
    return connection.execute(query.values(**values, version=schedules.c.version + 1)).rowcount


_COUNTED_AT_ONCE = 100


def _count(tenant: str, schedule_id: str, since_us: int) -> Select[Any]:
    latest = (
        select(ticks.c.kind)
        .where(ticks.c.schedule_id == schedule_id, ticks.c.tenant == tenant, ticks.c.fire_at >= since_us)
        .order_by(ticks.c.fire_at.desc())
        .limit(COUNT_LIMIT)
        .subquery()
    )
    return select(literal(schedule_id), latest.c.kind, func.count()).group_by(latest.c.kind)


def _among(wanted: ScheduleFilter) -> Any:
    return schedules.join(jobs, jobs.c.id == schedules.c.job_id) if wanted.text else schedules


def _fitting(tenant: str, wanted: ScheduleFilter) -> list[ColumnElement[bool]]:
    fits: list[ColumnElement[bool]] = [schedules.c.tenant == tenant]
    if wanted.job_id is not None:
        fits.append(schedules.c.job_id == wanted.job_id)
    if wanted.paused is not None:
        fits.append(schedules.c.paused_at.is_not(None) if wanted.paused else schedules.c.paused_at.is_(None))
    if wanted.text:
        fits.append(jobs.c.title.icontains(wanted.text, autoescape=True))
    return fits


def _follows(schedule_id: str) -> ColumnElement[bool]:
    """Comes later in the list than this one."""
    other = schedules.alias()
    at = select(other.c.next_fire_at).where(other.c.id == schedule_id).scalar_subquery()
    here = schedules.c.next_fire_at
    ended = and_(here.is_(None), or_(at.is_not(None), schedules.c.id > schedule_id))
    return or_(ended, here > at, and_(here == at, schedules.c.id > schedule_id))


def next_with_ticks_before(connection: Connection, tenant: str | None, after: str, before_us: int) -> str | None:
    """The first schedule after this id with a row for a planned time before then; of a tenant, or any."""
    old = exists().where(ticks.c.schedule_id == schedules.c.id, ticks.c.fire_at < before_us)
    query = select(schedules.c.id).where(schedules.c.id > after, old)
    if tenant is not None:
        query = query.where(schedules.c.tenant == tenant)
    return connection.execute(query.order_by(schedules.c.id).limit(1)).scalar_one_or_none()


def remove_ticks(connection: Connection, schedule_id: str, before_us: int, limit: int) -> int:
    """Delete the oldest rows of a schedule's planned times before then; how many."""
    old = select(ticks.c.fire_at).where(ticks.c.schedule_id == schedule_id, ticks.c.fire_at < before_us)
    oldest = old.order_by(ticks.c.fire_at).limit(limit)
    return connection.execute(
        delete(ticks).where(ticks.c.schedule_id == schedule_id, ticks.c.fire_at.in_(oldest))
    ).rowcount
