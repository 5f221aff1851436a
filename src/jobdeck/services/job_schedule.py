"""The `schedule` of a job: one recurrence, as InvenioRDM has it. It is that of the job's oldest schedule.

Also here: what a change of a job means for its schedules. Neighbour: `services.schedules` has all of them, with everything
that can be said about one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ..core.job import Job
from ..core.permissions import Action
from ..core.schedule import Misfire, Overlap, Schedule
from ..core.times import from_us
from ..definitions.job_type import JobType
from ..errors import FieldError, InvalidInput
from ..store import schedules
from . import checks, preparing, schedule_checks
from .descriptions import describe
from .scheduling import Scheduling

_OF_A_NEW_ONE: dict[str, Any] = {"misfire": str(Misfire.ONCE), "overlap": str(Overlap.SKIP)}
_MERE_WORDS = frozenset({"title", "description", "active"})
"""What can be changed of a job without changing what its schedules do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to become of a job's schedules: nothing new, or the oldest gets `values`, or all of them go."""

    values: Mapping[str, Any] | None = None
    is_none: bool = False


class JobSchedule(Scheduling):
    """What the service of jobs does with schedules."""

    def _with_schedules(self, connection: Connection, found: Sequence[Job]) -> list[Job]:
        """The same jobs with their schedules, in one statement."""
        of_job: dict[str, list[Schedule]] = {}
        for one in schedules.of_jobs(connection, self._tenant, [str(job.id) for job in found]):
            of_job.setdefault(one.job_id, []).append(one)
        return [replace(job, schedules=tuple(of_job.get(str(job.id), ()))) for job in found]

    def _wish(
        self, given: Mapping[str, Any], values: Mapping[str, Any], before: Job | None, problems: checks.Problems
    ) -> Wish:
        """What `given` says about the schedule of a job that gets `values`; what is wrong goes to `problems`."""
        job_type = self._office.registry.find(values.get("type") or (before.type if before else ""))
        own = before.schedules if before else ()
        if job_type is not None and before is not None and job_type.id != before.type:
            for one in own:
                problems.check(_check_fits, one, job_type)
        if "schedule" not in given or (given["schedule"] is None and not own):
            return Wish()
        if given["schedule"] is None:
            self._require(Action.SCHEDULES_DELETE, f"job:{before and before.id}")
            return Wish(is_none=True)
        self._require(Action.SCHEDULES_UPDATE if own else Action.SCHEDULES_CREATE, f"job:{before and before.id}")
        oldest = own[0] if own else None
        wished: dict[str, Any] = problems.check(self._recurring, given["schedule"], oldest)
        if wished is None or (oldest and schedule_checks.stored(oldest)["recurrence"] == wished["recurrence"]):
            return Wish()
        if job_type is not None and not problems.are_any:
            job = self._draft(values, before)
            problems.check(self._check_arguments_fit, job, job_type, schedule_checks.stored(oldest) if oldest else {})
        return Wish(values=wished)

    def _grant(self, connection: Connection, job_id: str, wish: Wish) -> None:
        """Do it, in the transaction of the job."""
        if wish.values is None and not wish.is_none:
            return
        found = schedules.of_jobs(connection, self._tenant, [job_id], lock=True)
        try:
            if wish.values is None:
                self._remove_schedules(connection, found)
            elif found:
                self._save_schedule(connection, found[0], {"recurrence": wish.values["recurrence"]})
            else:
                self._add_schedule(connection, job_id, wish.values)
        except InvalidInput as error:
            raise _as_field(error) from None

    def _job_changed(self, connection: Connection, job_id: str, changed: Mapping[str, Any]) -> None:
        """Whoever changes what a job does is the one in whose name its schedules run it."""
        if changed.keys() - _MERE_WORDS:
            self._adopt_schedules(connection, job_id)

    def _recurring(self, data: Any, oldest: Schedule | None) -> dict[str, Any]:
        """The columns of a schedule that recurs so, as a new one or in place of what the oldest has."""
        problems = checks.Problems()
        given = {"recurrence": {} if data is None else data}
        if oldest is None:
            given |= {"time_zone": None, "starts_at": None, "ends_at": None, "max_count": None, "jitter": None}
        values = schedule_checks.columns(given, self._office.settings.time_zone, problems)
        whole = (schedule_checks.stored(oldest) if oldest else _OF_A_NEW_ONE) | values
        try:
            problems.raise_if_any()
            if oldest is None or schedule_checks.stored(oldest)["recurrence"] != values["recurrence"]:
                schedule_checks.check_together(whole, values, self._now_us())
                self._check_comes(whole, oldest)
        except InvalidInput as error:
            raise _as_field(error) from None
        return whole

    def _draft(self, values: Mapping[str, Any], before: Job | None) -> Job:
        """The job as it would be."""
        fields = {name: value for name, value in values.items() if name in Job.__dataclass_fields__}
        for name in fields.keys() & {"arguments", "custom_arguments"}:
            fields[name] = None if fields[name] is None else json.loads(fields[name])
        if before is not None:
            return replace(before, **fields)
        now = from_us(self._now_us())
        missing = {"description": None, "queue": self._office.settings.default_queue, "active": True, "arguments": None}
        return Job(id=None, tenant=self._tenant, **{**missing, **fields}, created_at=now, updated_at=now)


def _check_fits(schedule: Schedule, job_type: type[JobType]) -> None:
    try:
        preparing.saved_arguments(job_type, schedule.arguments)
    except InvalidInput as error:
        name = f"{describe(schedule.recurrence, schedule.time_zone)!r} ({schedule.id})"
        raise InvalidInput.of(
            "args", f"The schedule {name} has arguments of its own that do not fit: {error}."
        ) from None


def _as_field(error: InvalidInput) -> InvalidInput:
    """The same, as the one field that a job has for it all."""
    return InvalidInput(
        [FieldError(field=_field(one.field), messages=one.messages) for one in error.errors], error.message
    )


def _field(name: str) -> str:
    return f"schedule{name.removeprefix('recurrence')}" if name.startswith("recurrence") else "schedule"
