"""What is late, found without configuration and kept nowhere: a list for people, log lines from the scheduler.

A scheduled run that has not begun, one that takes far longer than its job usually does, and a schedule that nothing
serves. Each says what to do about it. Neighbours: `services.insight` knows why a run waits; `processes.scheduler` looks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Connection

from ..core import zones
from ..core.overdue import Overdue, OverdueKind
from ..core.permissions import Action
from ..core.principal import SYSTEM
from ..core.run import Run
from ..core.text import one_line
from ..core.times import from_us
from ..core.waiting import WaitingReason
from ..store import jobs, overdue, runs, schedulers
from .insight import Insight
from .office import Office, Service
from .workers import SCHEDULER_SILENCE_S

logger = logging.getLogger(__name__)

_SHOWN = 40
_STEPS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Overdues(Service):
    """What is late in the principal's tenant."""

    def list(self) -> Sequence[Overdue]:
        """The longest overdue first, at most a hundred of each kind."""
        self._require(Action.SCHEDULES_READ)
        return find(self._office, self._tenant, self._now_us())


class Watch:
    """Tells the log once when something is overdue, and once when that is over."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._told: dict[tuple[OverdueKind, str], Overdue] = {}

    def look(self, now_us: int) -> None:
        """Look at every tenant. StoreError when the database cannot serve; nothing is forgotten then."""
        found = {(one.kind, one.run_id or one.schedule_id): one for one in find(self._office, None, now_us)}
        for key, one in found.items():
            if key not in self._told:
                logger.warning("overdue: %s", one_line(one.message, 1000))
        for key, one in self._told.items():
            if key not in found:
                logger.info("no longer overdue: %s", _what(one))
        self._told = found


def find(office: Office, tenant: str | None, now_us: int) -> list[Overdue]:
    """Everything that is overdue in a tenant, or in all of them; as many statements whatever there is of it."""
    with office.database.read() as connection:
        waiting = overdue.not_started(connection, tenant, now_us)
        working = overdue.running_long(connection, tenant, now_us)
        unserved = overdue.not_served(connection, tenant, now_us)
        found = [_running_long(one, now_us) for one in working]
        if unserved:
            is_served = bool(schedulers.live(connection, now_us - int(SCHEDULER_SILENCE_S * 1_000_000)))
            found += [_not_served(one, now_us, is_served=is_served) for one in unserved]
        oldest, titles = _runs_of(connection, waiting)
    reasons = _reasons(office, oldest.values())
    found += [_not_started(one, oldest[one.run_id], titles, reasons.get(one.run_id, ()), now_us)
              for one in waiting if one.run_id in oldest]  # fmt: skip
    return sorted(found, key=lambda one: (one.since, one.schedule_id))


def _runs_of(connection: Connection, waiting: Sequence[overdue.Waiting]) -> tuple[dict[str, Run], dict[str, str]]:
    found: dict[str, Run] = {}
    titles: dict[str, str] = {}
    for tenant in {one.tenant for one in waiting}:
        of_tenant = runs.by_ids(connection, tenant, [one.run_id for one in waiting if one.tenant == tenant])
        titles |= jobs.titles(connection, tenant, [run.job_id for run in of_tenant.values() if run.job_id])
        found |= of_tenant
    return found, titles


def _reasons(office: Office, of: Iterable[Run]) -> Mapping[str, Sequence[WaitingReason]]:
    by_tenant: dict[str, list[Run]] = {}
    for run in of:
        by_tenant.setdefault(run.tenant, []).append(run)
    found: dict[str, Sequence[WaitingReason]] = {}
    for tenant, these in by_tenant.items():
        found |= Insight(office, replace(SYSTEM, tenant=tenant)).reasons(these)
    return found


def _not_started(
    one: overdue.Waiting, run: Run, titles: Mapping[str, str], reasons: Sequence[WaitingReason], now_us: int
) -> Overdue:
    title = titles.get(run.job_id or "")
    others = f", and {one.runs - 1:,} later run{'s' if one.runs > 2 else ''} with it" if one.runs > 1 else ""
    why = " ".join(reason.message for reason in reasons) or (
        "Nothing keeps it but the runs before it: all processes are busy. Start another worker, or raise its priority."
    )
    return Overdue(
        kind=OverdueKind.NOT_STARTED, tenant=one.tenant, run_id=one.run_id, schedule_id=one.schedule_id,
        job_id=run.job_id, job_title=title, since=from_us(one.since),
        message=f"{_job(title, run.job_id)} has not started: run {one.run_id} should have begun "
                f"{_ago(one.since, now_us)}{others}. {why}",
    )  # fmt: skip


def _running_long(one: overdue.Working, now_us: int) -> Overdue:
    usual, took = _span(one.usual), _span(now_us - one.started_at)
    return Overdue(
        kind=OverdueKind.RUNNING_LONG, tenant=one.tenant, run_id=one.run_id, schedule_id=one.schedule_id,
        job_id=one.job_id, job_title=one.job_title, since=from_us(one.started_at),
        message=f"{_job(one.job_title, one.job_id)} takes much longer than usual: run {one.run_id} has been at work for "
                f"{took}, where {usual} is usual. Look at the end of its log; stop it if it hangs.",
    )  # fmt: skip


def _not_served(one: overdue.Unserved, now_us: int, *, is_served: bool) -> Overdue:
    why = (
        "A scheduler is alive but has not come to it: look at its log, and at the load of the database."
        if is_served
        else "No scheduler is alive; start one with `jobdeck scheduler`, or `jobdeck up`."
    )
    return Overdue(
        kind=OverdueKind.NOT_SERVED, tenant=one.tenant, run_id=None, schedule_id=one.schedule_id, job_id=one.job_id,
        job_title=one.job_title, since=from_us(one.fire_at),
        message=f"{_job(one.job_title, one.job_id)} was not started: it was planned for "
                f"{_clock(one.fire_at, one.time_zone)}, {_ago(one.fire_at, now_us)}. {why}",
    )  # fmt: skip


def _what(one: Overdue) -> str:
    about = f"schedule {one.schedule_id}" if one.run_id is None else f"run {one.run_id}"
    return f"{_job(one.job_title, one.job_id)}, {about}"


def _job(title: str | None, job_id: str | None) -> str:
    return f"Job {one_line(title, _SHOWN)!r}" if title else f"Job {job_id}" if job_id else "A job that is gone"


def _clock(us: int, time_zone: str) -> str:
    """By the clock of the schedule's zone, or in UTC when newer time zone data has dropped that."""
    try:
        local, name = from_us(us).astimezone(zones.zone(time_zone)), time_zone
    except ValueError:
        local, name = from_us(us), "UTC"
    return f"{local:%H:%M} on {local.day} {local:%B %Y} ({name})"


def _ago(us: int, now_us: int) -> str:
    return f"{_span(now_us - us)} ago"


def _span(us: int) -> str:
    """`2 hours`, `1 minute`: the largest unit, rounded down."""
    seconds = timedelta(microseconds=us).total_seconds()
    size, word = next(((size, word) for size, word in _STEPS if seconds >= size), (1, "second"))
    count = int(seconds // size)
    return f"{count:,} {word}{'' if count == 1 else 's'}"
