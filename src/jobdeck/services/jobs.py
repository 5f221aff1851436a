"""Saved jobs: making, changing, listing and deleting them. Starting one is in `services.runs`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from ..core.filters import JobFilter, Listing, Page
from ..core.ids import is_id, new_id
from ..core.job import Job
from ..core.permissions import Action
from ..core.text import clean
from ..definitions.job_type import JobType
from ..errors import InvalidInput, JobdeckError, NotFound
from ..store import jobs, schedules
from . import checks, preparing
from .job_schedule import JobSchedule, Wish

_CHAIN_LIMIT = 1000
_FIELDS = ("title", "type", "arguments", "custom_arguments", "description", "queue", "active", "timeout",
           "priority", "max_attempts", "limit", "limit_policy", "after_job", "after_need", "schedule",
           "notification_emails", "notification_statuses")  # fmt: skip


class Jobs(JobSchedule):
    """The jobs of the principal's tenant."""

    def list(self, wanted: JobFilter | None = None, page: Page | None = None) -> Listing[Job]:
        """Jobs by title, each with its last runs and its schedules."""
        self._require(Action.JOBS_READ)
        page = page or Page()
        with self._database.read() as connection:
            found, total, more = jobs.by_title(connection, self._tenant, wanted or JobFilter(), page)
            items = self._with_schedules(connection, found)
        return Listing(items=items, total=total, page=page, has_more=more)

    def titles(self, job_ids: Iterable[str]) -> dict[str, str]:
        """The titles of these jobs by id; a deleted one is missing."""
        self._require(Action.JOBS_READ)
        with self._database.read() as connection:
            return jobs.titles(connection, self._tenant, job_ids)

    def of_ids(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """These jobs by id, without their last runs; one that is unknown, or gone, is missing."""
        self._require(Action.JOBS_READ)
        with self._database.read() as connection:
            return {str(job.id): job for job in jobs.of_ids(connection, self._tenant, job_ids)}

    def get(self, job_id: str) -> Job:
        """One job; NotFound when it is unknown or another tenant's."""
        self._require(Action.JOBS_READ, job_id)
        if is_id(job_id):
            with self._database.read() as connection:
                job = jobs.get(connection, self._tenant, job_id)
                if job is not None:
                    return self._with_schedules(connection, [job])[0]
        raise NotFound(f"Job with ID {clean(job_id, 100)} does not exist.")

    def create(
        self,
        *,
        title: str,
        type: str,
        arguments: Mapping[str, Any] | None = None,
        custom_arguments: Mapping[str, Any] | None = None,
        description: str | None = None,
        queue: str | None = None,
        active: bool = True,
        timeout: str | float | timedelta | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        limit: int | None = None,
        limit_policy: str | None = None,
        after_job: str | None = None,
        after_need: str | None = None,
        schedule: Any = None,
        notification_emails: Any = None,
        notification_statuses: Any = None,
    ) -> Job:
        """Save a job; InvalidInput names every field that does not fit, and nothing is stored then.

        `priority`, `max_attempts` and `timeout` go before what the type declares. At most `limit` of its runs are at work
        at once; when that is full, `limit_policy` says "wait", "skip", "reject" or "replace". When a run of `after_job` (a
        job's UUID) has ended as `after_need` says, "success" or "end", a run of this job starts. `schedule` is a recurrence
        as `schedules.create` takes it, in the time zone of the settings; its runs start in the caller's name.
        """
        self._require(Action.JOBS_CREATE)
        given = {name: value for name, value in locals().items() if name in _FIELDS}
        now_us = self._now_us()
        checked, wish = self._checked(given)
        values = checked | {"created_at": now_us, "updated_at": now_us}
        job_id = new_id(now_us)
        with self._database.write() as connection:
            jobs.add(connection, {"id": job_id, "tenant": self._tenant, **values})
            self._audit(connection, Action.JOBS_CREATE, f"job:{job_id}", after=values)
            self._grant(connection, job_id, wish)
        return self.get(job_id)

    def update(self, job_id: str, **changes: Any) -> Job:
        """Change the named fields (those of `create`) and keep the others.

        `schedule` is the recurrence of the job's oldest schedule; None deletes all that it has. When anything changes that its
        runs depend on, all its schedules go on in the caller's name.
        """
        self._require(Action.JOBS_UPDATE, f"job:{job_id}")
        unknown = sorted(changes.keys() - set(_FIELDS))
        if unknown:
            raise InvalidInput.of(unknown[0], "Unknown field.")
        before = self.get(job_id)
        values, wish = self._checked(changes, before)
        with self._database.write() as connection:
            # Read again, as somebody else may have changed it meanwhile; what is told is what this update did.
            told = _stored(jobs.get(connection, self._tenant, job_id) or before)
            changed = {name: value for name, value in values.items() if told[name] != value}
            if not jobs.change(connection, self._tenant, job_id, values | {"updated_at": self._now_us()}):
                raise NotFound(f"Job with ID {job_id} does not exist.")
            self._audit(connection, Action.JOBS_UPDATE, f"job:{job_id}",
                        before={name: told[name] for name in changed}, after=changed)  # fmt: skip
            self._job_changed(connection, job_id, changed)
            self._grant(connection, job_id, wish)
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Delete a job with its schedules. Its runs, with their logs and files, stay readable."""
        self._require(Action.JOBS_DELETE, f"job:{job_id}")
        job = self.get(job_id)
        with self._database.write() as connection:
            if not jobs.remove(connection, self._tenant, job_id):
                raise NotFound(f"Job with ID {job_id} does not exist.")
            self._audit(connection, Action.JOBS_DELETE, f"job:{job_id}", before=_stored(job))
            self._remove_schedules(connection, schedules.of_jobs(connection, self._tenant, [job_id], lock=True))

    def default_arguments(self, job: Job) -> tuple[dict[str, Any] | None, str | None]:
        """What a run started now would be called with, or why that cannot be said. Never raises."""
        job_type = self._office.registry.find(job.type)
        if job_type is None:
            return None, f"The job type {job.type!r} is not registered any more."
        try:
            return preparing.task_arguments(job_type, job, None, None, job.since), None
        except JobdeckError as error:
            return None, str(error)

    def _checked(self, given: Mapping[str, Any], before: Job | None = None) -> tuple[dict[str, Any], Wish]:
        problems = checks.Problems()
        values: dict[str, Any] = {}
        simple = {"title": checks.title, "description": checks.description, "active": checks.active}
        for name in given.keys() & simple.keys():
            values[name] = problems.check(simple[name], given[name])
        if "queue" in given:
            values["queue"] = problems.check(checks.queue, given["queue"], self._office.settings)
        if "timeout" in given:
            values["timeout_s"] = problems.check(checks.timeout, given["timeout"])
        if "type" in given:
            values["type"] = problems.check(self._known_type, given["type"])
        if before is None and given.get("queue") is None and (found := self._find(values.get("type"))):
            values["queue"] = problems.check(checks.queue, found.queue, self._office.settings)
        for name, (column, check) in _NUMBERS.items():
            if name in given:
                values[column] = problems.check(check, given[name])
        self._check_after(given, values, before, problems)
        self._check_arguments(given, values, before, problems)
        wish = self._wish(given, values, before, problems)
        for field in ("notification_emails", "notification_statuses"):
            problems.check(checks.nothing_yet, given.get(field), field, "Notifications")
        problems.raise_if_any()
        return values, wish

    def _check_arguments(
        self, given: Mapping[str, Any], values: dict[str, Any], before: Job | None, problems: checks.Problems
    ) -> None:
        job_type = self._find(values.get("type") or (before.type if before else None))
        retyped = before is not None and values.get("type") not in (None, before.type)
        if "arguments" in given or retyped:
            arguments = given.get("arguments", before and before.arguments)
            values["arguments"] = problems.check(preparing.saved_arguments, job_type, arguments)
        if "custom_arguments" in given:
            values["custom_arguments"] = problems.check(preparing.custom_arguments, given["custom_arguments"])

    def _check_after(
        self, given: Mapping[str, Any], values: dict[str, Any], before: Job | None, problems: checks.Problems
    ) -> None:
        if "after_need" in given:
            needs = (None, *checks.NEEDS)
            values["after_need"] = problems.check(checks.one_of, given["after_need"], "after_need", needs)
        if "after_job" not in given:
            return
        after = given["after_job"]
        values["after_job_id"] = after
        if after is None:
            values["after_need"] = None
        else:
            problems.check(self._check_chain, after, before)
            values["after_need"] = values.get("after_need") or (before and before.after_need) or "success"

    def _check_chain(self, after: Any, before: Job | None) -> None:
        """The job that goes before must exist, and must not come after this one."""
        if not isinstance(after, str) or not is_id(after):
            raise InvalidInput.of("after_job", "Not a valid UUID.")
        with self._database.read() as connection:
            found, step = jobs.get(connection, self._tenant, after), 0
            if found is None:
                raise InvalidInput.of("after_job", f"Job with ID {after} does not exist.")
            while found is not None and step < _CHAIN_LIMIT:
                if before is not None and found.id == before.id:
                    raise InvalidInput.of("after_job", "That job itself runs after this one; they would run for ever.")
                found = jobs.get(connection, self._tenant, found.after_job_id) if found.after_job_id else None
                step += 1

    def _find(self, type_id: str | None) -> type[JobType] | None:
        return None if type_id is None else self._office.registry.find(type_id)

    def _known_type(self, type_id: Any) -> str:
        if not isinstance(type_id, str) or self._office.registry.find(type_id) is None:
            known = ", ".join(sorted(job_type.id for job_type in self._office.registry))
            raise InvalidInput.of("type", f"Must be one of: {known}." if known else "No job type is registered.")
        return type_id


_NUMBERS = {
    "priority": ("priority", checks.priority),
    "max_attempts": ("max_attempts", checks.attempts),
    "limit": ("run_limit", checks.limit),
    "limit_policy": ("limit_policy", checks.limit_policy),
}


def _stored(job: Job) -> dict[str, Any]:
    return {
        "title": job.title,
        "description": job.description,
        "type": job.type,
        "queue": job.queue,
        "active": job.active,
        "timeout_s": job.timeout_s,
        "priority": job.priority,
        "max_attempts": job.max_attempts,
        "run_limit": job.run_limit,
        "limit_policy": job.limit_policy,
        "after_job_id": job.after_job_id,
        "after_need": job.after_need,
        "arguments": None if job.arguments is None else checks.json_text(job.arguments, "args"),
        "custom_arguments": None if job.custom_arguments is None else checks.json_text(job.custom_arguments, "args"),
    }
