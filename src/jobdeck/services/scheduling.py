"""What the services of jobs and of schedules do to schedules, inside their transactions: each change with its audit row, and
with every planned time that was due before it accounted for.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from ..core import zones
from ..core.ids import new_id
from ..core.job import Job
from ..core.permissions import Action
from ..core.schedule import SCHEDULES_OF_JOB_LIMIT, Schedule, timing_of
from ..core.tick import ON_TIME_US, TickKind, TickReason, Verdict
from ..core.times import to_us
from ..definitions.job_type import JobType
from ..errors import Conflict, InvalidInput, NotFound
from ..store import schedules
from ..store.firing import add_ticks
from . import preparing, schedule_checks
from .office import Service

SETTLED_LIMIT = 100_000
_AT_ONCE = 10_000
_CHANGED = "The schedule was changed before this time was served."


class Scheduling(Service):
    """How schedules change."""

    def _add_schedule(self, connection: Connection, job_id: str, values: Mapping[str, Any]) -> str:
        """A new schedule of a job, its id; Conflict when the job has as many as it may."""
        if not schedules.lock_job(connection, self._tenant, job_id):
            raise NotFound(f"Job with ID {job_id} does not exist.")
        if len(schedules.of_jobs(connection, self._tenant, [job_id])) >= SCHEDULES_OF_JOB_LIMIT:
            raise Conflict(f"A job has at most {SCHEDULES_OF_JOB_LIMIT} schedules; delete one first.")
        now_us = self._now_us()
        schedule_id = new_id(now_us)
        own = {"id": schedule_id, "tenant": self._tenant, "job_id": job_id, "created_at": now_us, "updated_at": now_us}
        planned = _planned({**values, "anchor_at": now_us}, 0, now_us)
        schedules.add(connection, {**values, **own, **planned, **self._as_principal()})
        made = schedules.get(connection, self._tenant, schedule_id)
        self._audit(connection, Action.SCHEDULES_CREATE, f"schedule:{schedule_id}",
                    after=None if made is None else schedule_checks.told(made))  # fmt: skip
        return schedule_id

    def _save_schedule(self, connection: Connection, before: Schedule, values: Mapping[str, Any]) -> None:
        """Store what differs; whoever does so is the one in whose name it runs from now on. Without a difference, nothing.

        `before` is locked.
        """
        as_it_is = schedule_checks.stored(before)
        changed = {name: value for name, value in values.items() if as_it_is[name] != value}
        if not changed:
            return
        if schedule_checks.WHEN & changed.keys():
            now_us = self._now_us()
            self._settle(connection, before, now_us, (TickKind.SKIPPED, TickReason.CHANGED), _CHANGED)
            moved = bool(schedule_checks.ANCHORED & changed.keys())
            whole = {**as_it_is, **changed, "anchor_at": now_us if moved else before.timing.anchor_us}
            changed |= _planned(whole, before.count, max(now_us, to_us(before.served_until)))
        self._change_schedule(connection, before, {**changed, **self._as_principal(), "problem": None})

    def _pause_schedule(self, connection: Connection, before: Schedule, reason: str | None) -> None:
        paused = {"paused_at": self._now_us(), "paused_by": self._principal.name, "pause_reason": reason}
        self._change_schedule(connection, before, paused)

    def _resume_schedule(self, connection: Connection, before: Schedule) -> None:
        """Go on from now; whoever resumes it is the one in whose name it runs."""
        now_us = self._now_us()
        # What was due a while before the pause and not served by then, nothing was there to serve.
        self._settle(connection, before, now_us, (TickKind.MISSED, TickReason.LATE), None)
        whole = {**schedule_checks.stored(before), "anchor_at": before.timing.anchor_us}
        since = max(now_us, to_us(before.served_until))
        planned = _planned(whole, before.count, since, may_end=True)
        resumed = {"paused_at": None, "paused_by": None, "pause_reason": None, "problem": None}
        self._change_schedule(connection, before, {**planned, **resumed, **self._as_principal()})

    def _remove_schedules(self, connection: Connection, found: Sequence[Schedule]) -> None:
        """Delete them, with what became of their planned times."""
        schedules.remove(connection, self._tenant, [one.id for one in found])
        for one in found:
            self._audit(connection, Action.SCHEDULES_DELETE, f"schedule:{one.id}", before=schedule_checks.told(one))

    def _adopt_schedules(self, connection: Connection, job_id: str) -> None:
        """What a job does was changed: its schedules run in the name of whoever did that."""
        found = schedules.of_jobs(connection, self._tenant, [job_id], lock=True)
        foreign = [one for one in found if one.principal.id != self._principal.id]
        if not foreign:
            return
        values = {**self._as_principal(), "updated_at": self._now_us()}
        schedules.adopt(connection, self._tenant, [one.id for one in foreign], values)
        for one in foreign:
            self._audit(connection, Action.SCHEDULES_UPDATE, f"schedule:{one.id}",
                        before={"principal": one.principal.id}, after={"principal": self._principal.id})  # fmt: skip

    def _check_comes(self, values: Mapping[str, Any], before: Schedule | None) -> None:
        """InvalidInput unless a schedule with these columns, in place of the one before, has a planned time to come."""
        now_us = self._now_us()
        since = now_us if before is None else max(now_us, to_us(before.served_until))
        _planned({**values, "anchor_at": now_us}, 0 if before is None else before.count, since)

    def _check_arguments_fit(self, job: Job, job_type: type[JobType], values: Mapping[str, Any]) -> None:
        """InvalidInput names each argument with which no run of this job could begin."""
        given, custom = (_restored(values.get(name)) for name in ("arguments", "custom_arguments"))
        preparing.task_arguments(job_type, job, given, custom, job.since)

    def _change_schedule(self, connection: Connection, before: Schedule, values: Mapping[str, Any]) -> None:
        schedules.change(connection, self._tenant, before.id, {**values, "updated_at": self._now_us()})
        after = schedules.get(connection, self._tenant, before.id)
        was, now_is = schedule_checks.told(before), schedule_checks.told(after or before)
        changed = [name for name in was if was[name] != now_is[name]]
        self._audit(connection, Action.SCHEDULES_UPDATE, f"schedule:{before.id}",
                    before={name: was[name] for name in changed}, after={name: now_is[name] for name in changed})  # fmt: skip

    def _as_principal(self) -> dict[str, Any]:
        return {"principal_id": self._principal.id, "principal_name": self._principal.name}

    def _settle(
        self, connection: Connection, schedule: Schedule, now_us: int, verdict: Verdict, detail: str | None
    ) -> None:
        """Say of each planned time up to now that was not served what became of it: skipped while paused, else `verdict`."""
        if schedule.next_fire_at is None:
            return
        paused_us = None if schedule.pause is None else to_us(schedule.pause.at) - ON_TIME_US
        count = 0
        due = _due(schedule, now_us)
        while some := list(itertools.islice(due, _AT_ONCE)):
            count += len(some)
            if count > SETTLED_LIMIT:
                raise Conflict(
                    f"More than {SETTLED_LIMIT:,} planned times of this schedule are not accounted for yet. A scheduler does "
                    "that: start one (`jobdeck scheduler`), and try again."
                )
            add_ticks(connection, [
                (schedule.id, at, self._tenant, *_verdict(at, paused_us, verdict, detail), None, now_us) for at in some
            ])  # fmt: skip


def _due(schedule: Schedule, now_us: int) -> Iterator[int]:
    """Planned times up to now that are not served; none when newer time zone data no longer has the schedule's zone."""
    with contextlib.suppress(ValueError):
        yield from itertools.takewhile(lambda at: at <= now_us, schedule.timing.after(to_us(schedule.served_until)))


def _restored(text: str | None) -> dict[str, Any] | None:
    restored: dict[str, Any] | None = None if text is None else json.loads(text)
    return restored


def _verdict(
    at: int, paused_us: int | None, verdict: Verdict, detail: str | None
) -> tuple[str, str | None, str | None]:
    if paused_us is not None and at >= paused_us:
        verdict, detail = (TickKind.SKIPPED, TickReason.PAUSED), None
    kind, reason = verdict
    return str(kind), None if reason is None else str(reason), detail


def _planned(values: Mapping[str, Any], count: int, since_us: int, *, may_end: bool = False) -> dict[str, Any]:
    """What to store about the next planned time after `since_us`; InvalidInput when none ever comes, unless it `may_end`."""
    timing = timing_of(values["recurrence"], values["time_zone"], values["anchor_at"], values["starts_at"],
                       values["ends_at"])  # fmt: skip
    if values["max_count"] is not None and count >= values["max_count"]:
        at = None
    else:
        try:
            at = timing.next_after(since_us) if may_end else schedule_checks.next_after(timing, since_us)
        except ValueError as error:
            raise InvalidInput.of("time_zone", f"Choose another time zone: {error}.") from None
    return {"anchor_at": values["anchor_at"], "served_until": since_us, "next_fire_at": at, "tzdata": zones.VERSION}
