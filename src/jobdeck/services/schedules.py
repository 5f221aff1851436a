"""Schedules: when a job recurs. Making, changing, pausing, listing and deleting them, and what became of planned times.

Neighbours: `services.firing` serves them, `services.job_schedule` is the one schedule that a job itself has a field for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ..core.filters import COUNT_LIMIT, Listing, Page, ScheduleFilter
from ..core.ids import is_id
from ..core.job import Job
from ..core.permissions import Action
from ..core.schedule import Schedule
from ..core.text import clean
from ..core.tick import Tick, TickKind
from ..core.times import to_us
from ..errors import Conflict, InvalidInput, NotFound
from ..store import jobs, schedules
from . import checks, preparing, schedule_checks
from .scheduling import Scheduling

Span = str | float | timedelta
_ARGUMENTS = frozenset({"arguments", "custom_arguments"})


class Schedules(Scheduling):
    """The schedules of the jobs of the principal's tenant."""

    def list(self, wanted: ScheduleFilter | None = None, page: Page | None = None) -> Listing[Schedule]:
        """Schedules by their next planned time; those that have ended come last."""
        self._require(Action.SCHEDULES_READ)
        page = page or Page()
        with self._database.read() as connection:
            items, total, more = schedules.by_next_fire(connection, self._tenant, wanted or ScheduleFilter(), page)
        return Listing(items=items, total=total, page=page, has_more=more)

    def of_job(self, job_id: str) -> Sequence[Schedule]:
        """The schedules of a job, oldest first; at most 50."""
        self._require(Action.SCHEDULES_READ, f"job:{job_id}")
        self._job(job_id)
        with self._database.read() as connection:
            return schedules.of_jobs(connection, self._tenant, [job_id])

    def get(self, schedule_id: str) -> Schedule:
        """One schedule; NotFound when it is unknown or another tenant's."""
        self._require(Action.SCHEDULES_READ, f"schedule:{schedule_id}")
        return self._of_id(schedule_id)

    def create(
        self,
        job_id: str,
        recurrence: Mapping[str, Any],
        *,
        time_zone: str | None = None,
        starts_at: datetime | str | None = None,
        ends_at: datetime | str | None = None,
        max_count: int | None = None,
        jitter: Span | None = None,
        arguments: Mapping[str, Any] | None = None,
        custom_arguments: Mapping[str, Any] | None = None,
        misfire: str = "once",
        misfire_window: Span | None = None,
        overlap: str = "skip",
    ) -> Schedule:
        """Have a job recur, in the caller's name; InvalidInput names every field that does not fit.

        - `recurrence`: `{"type": "cron", "expression": "0 2 * * *"}`, `{"type": "crontab", "minute": "0", "hour": "2"}`,
          `{"type": "interval", "minutes": 15}` or `{"type": "once", "at": "2027-01-31T02:00:00"}`
        - `time_zone`: a name of the IANA database; None: the one of the settings
        - `starts_at`, `ends_at`: aware datetimes, or ISO 8601 texts with an offset; `max_count`: so many runs, then no more
        - `jitter`: each run begins up to so long after its planned time, seconds or `"10m"`
        - `arguments`, `custom_arguments`: instead of the job's
        - `misfire`, for times that passed while nothing served them: "skip", "once" (the last of them) or "all"; those longer
          ago than `misfire_window` are missed
        - `overlap`, while a run of the schedule is going: "allow", "skip", "wait_one", "wait_all" or "stop_previous"
        """
        given = {name: value for name, value in locals().items() if name in schedule_checks.FIELDS}
        self._require(Action.SCHEDULES_CREATE, f"job:{job_id}")
        job = self._job(job_id)
        values = self._checked(given, job, None)
        with self._database.write() as connection:
            schedule_id = self._add_schedule(connection, job_id, values)
        return self._of_id(schedule_id)

    def update(self, schedule_id: str, **changes: Any) -> Schedule:
        """Change the named fields (those of `create`) and keep the others; from now on it runs in the caller's name.

        Planned times that were due before and not served are accounted for as skipped. What changes nothing does nothing.
        """
        self._require(Action.SCHEDULES_UPDATE, f"schedule:{schedule_id}")
        unknown = sorted(changes.keys() - set(schedule_checks.FIELDS))
        if unknown:
            raise InvalidInput.of(unknown[0], "Unknown field.")
        before = self._of_id(schedule_id)
        values = self._checked(changes, self._job(before.job_id), before)
        with self._database.write() as connection:
            self._save_schedule(connection, self._locked(connection, schedule_id), values)
        return self._of_id(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Delete a schedule and what became of its planned times. The runs that it made stay."""
        self._require(Action.SCHEDULES_DELETE, f"schedule:{schedule_id}")
        self._of_id(schedule_id)
        with self._database.write() as connection:
            self._remove_schedules(connection, [self._locked(connection, schedule_id)])

    def pause(self, schedule_id: str, reason: str | None = None) -> Schedule:
        """Make no runs until `resume`: planned times are skipped. Pausing again changes nothing."""
        self._require(Action.SCHEDULES_UPDATE, f"schedule:{schedule_id}")
        self._of_id(schedule_id)
        told = checks.reason(reason)
        with self._database.write() as connection:
            before = self._locked(connection, schedule_id)
            if before.pause is None:
                self._pause_schedule(connection, before, told)
        return self._of_id(schedule_id)

    def resume(self, schedule_id: str) -> Schedule:
        """Go on with the next planned time, in the caller's name; those that passed meanwhile stay skipped."""
        self._require(Action.SCHEDULES_UPDATE, f"schedule:{schedule_id}")
        self._of_id(schedule_id)
        with self._database.write() as connection:
            before = self._locked(connection, schedule_id)
            if before.pause is not None:
                self._resume_schedule(connection, before)
        return self._of_id(schedule_id)

    def ticks(self, schedule_id: str, page: Page | None = None, before_us: int | None = None) -> Listing[Tick]:
        """What became of each planned time, latest first; only of those before `before_us` (microseconds since 1970)."""
        self._require(Action.SCHEDULES_READ, f"schedule:{schedule_id}")
        self._of_id(schedule_id)
        page = page or Page()
        with self._database.read() as connection:
            items, total, more = schedules.newest_ticks(connection, self._tenant, schedule_id, page, before_us)
        return Listing(items=items, total=min(total, COUNT_LIMIT), page=page, has_more=more,
                       total_is_exact=total <= COUNT_LIMIT)  # fmt: skip

    def last_ticks(self, schedule_ids: Iterable[str]) -> dict[str, Tick]:
        """The latest planned time of each that is accounted for; a schedule without one is missing."""
        self._require(Action.SCHEDULES_READ)
        with self._database.read() as connection:
            return schedules.last_ticks(connection, self._tenant, schedule_ids)

    def counts(self, schedule_ids: Iterable[str], since: datetime) -> dict[str, dict[TickKind, int]]:
        """How many planned times became what since then, by schedule; of each the latest 10,000 are counted."""
        self._require(Action.SCHEDULES_READ)
        with self._database.read() as connection:
            return schedules.counts(connection, self._tenant, schedule_ids, to_us(since))

    def _checked(self, given: Mapping[str, Any], job: Job, before: Schedule | None) -> dict[str, Any]:
        """The columns to store; arguments must fit as they would be sent, together with those of the job."""
        problems, of_arguments = checks.Problems(), checks.Problems()
        job_type = self._office.registry.find(job.type)
        values = schedule_checks.columns(given, self._office.settings.time_zone, problems)
        if "arguments" in given:
            values["arguments"] = of_arguments.check(preparing.saved_arguments, job_type, given["arguments"])
        if "custom_arguments" in given:
            values["custom_arguments"] = of_arguments.check(preparing.custom_arguments, given["custom_arguments"])
        as_it_is = {} if before is None else schedule_checks.stored(before)
        whole = as_it_is | values
        changed = {name for name in values if before is None or as_it_is[name] != values[name]}
        if job_type is None and (before is None or changed & _ARGUMENTS):
            raise Conflict(f"The job type {job.type!r} of this job is not registered any more.")
        if job_type is not None and changed and not of_arguments.are_any:
            of_arguments.check(self._check_arguments_fit, job, job_type, whole)
        problems.check(of_arguments.raise_if_any)
        if not problems.are_any:
            problems.check(schedule_checks.check_together, whole, changed, self._now_us())
        if not problems.are_any and schedule_checks.WHEN & changed:
            problems.check(self._check_comes, whole, before)
        problems.raise_if_any()
        return values

    def _of_id(self, schedule_id: str) -> Schedule:
        schedule = None
        if is_id(schedule_id):
            with self._database.read() as connection:
                schedule = schedules.get(connection, self._tenant, schedule_id)
        return _found(schedule, schedule_id)

    def _locked(self, connection: Connection, schedule_id: str) -> Schedule:
        return _found(schedules.get(connection, self._tenant, schedule_id, lock=True), schedule_id)

    def _job(self, job_id: str) -> Job:
        job = None
        if is_id(job_id):
            with self._database.read() as connection:
                job = jobs.get(connection, self._tenant, job_id)
        if job is None:
            raise NotFound(f"Job with ID {clean(job_id, 100)} does not exist.")
        return job


def _found(schedule: Schedule | None, schedule_id: str) -> Schedule:
    if schedule is None:
        raise NotFound(f"Schedule with ID {clean(schedule_id, 100)} does not exist.")
    return schedule
