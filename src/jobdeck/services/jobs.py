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
from ..store import jobs
from . import checks, preparing
from .office import Service

_FIELDS = ("title", "type", "arguments", "custom_arguments", "description", "queue", "active", "timeout",
           "schedule", "notification_emails", "notification_statuses")  # fmt: skip


class Jobs(Service):
    """The jobs of the principal's tenant."""

    def list(self, wanted: JobFilter | None = None, page: Page | None = None) -> Listing[Job]:
        """Jobs by title, each with its last runs."""
        self._require(Action.JOBS_READ)
        page = page or Page()
        with self._database.read() as connection:
            items, total, more = jobs.by_title(connection, self._tenant, wanted or JobFilter(), page)
        return Listing(items=items, total=total, page=page, has_more=more)

    def titles(self, job_ids: Iterable[str]) -> dict[str, str]:
        """The titles of these jobs by id; a deleted one is missing."""
        self._require(Action.JOBS_READ)
        with self._database.read() as connection:
            return jobs.titles(connection, self._tenant, job_ids)

    def get(self, job_id: str) -> Job:
        """One job; NotFound when it is unknown or another tenant's."""
        self._require(Action.JOBS_READ, job_id)
        job = None
        if is_id(job_id):
            with self._database.read() as connection:
                job = jobs.get(connection, self._tenant, job_id)
        if job is None:
            raise NotFound(f"Job with ID {clean(job_id, 100)} does not exist.")
        return job

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
        schedule: Any = None,
        notification_emails: Any = None,
        notification_statuses: Any = None,
    ) -> Job:
        """Save a job; InvalidInput names every field that does not fit, and nothing is stored then."""
        self._require(Action.JOBS_CREATE)
        given = {name: value for name, value in locals().items() if name in _FIELDS}
        now_us = self._now_us()
        values = self._checked(given) | {"created_at": now_us, "updated_at": now_us}
        job_id = new_id(now_us)
        with self._database.write() as connection:
            jobs.add(connection, {"id": job_id, "tenant": self._tenant, **values})
            self._audit(connection, Action.JOBS_CREATE, f"job:{job_id}", after=values)
        return self.get(job_id)

    def update(self, job_id: str, **changes: Any) -> Job:
        """Change the named fields (those of `create`) and keep the others."""
        self._require(Action.JOBS_UPDATE, f"job:{job_id}")
        unknown = sorted(changes.keys() - set(_FIELDS))
        if unknown:
            raise InvalidInput.of(unknown[0], "Unknown field.")
        before = self.get(job_id)
        values = self._checked(changes, before)
        with self._database.write() as connection:
            # Read again, as somebody else may have changed it meanwhile; what is told is what this update did.
            told = _stored(jobs.get(connection, self._tenant, job_id) or before)
            changed = {name: value for name, value in values.items() if told[name] != value}
            if not jobs.change(connection, self._tenant, job_id, values | {"updated_at": self._now_us()}):
                raise NotFound(f"Job with ID {job_id} does not exist.")
            self._audit(connection, Action.JOBS_UPDATE, f"job:{job_id}",
                        before={name: told[name] for name in changed}, after=changed)  # fmt: skip
        return self.get(job_id)

    def delete(self, job_id: str) -> None:
        """Delete a job. Its runs, with their logs and files, stay readable."""
        self._require(Action.JOBS_DELETE, f"job:{job_id}")
        job = self.get(job_id)
        with self._database.write() as connection:
            if not jobs.remove(connection, self._tenant, job_id):
                raise NotFound(f"Job with ID {job_id} does not exist.")
            self._audit(connection, Action.JOBS_DELETE, f"job:{job_id}", before=_stored(job))

    def default_arguments(self, job: Job) -> tuple[dict[str, Any] | None, str | None]:
        """What a run started now would be called with, or why that cannot be said. Never raises."""
        job_type = self._office.registry.find(job.type)
        if job_type is None:
            return None, f"The job type {job.type!r} is not registered any more."
        try:
            return preparing.task_arguments(job_type, job, None, None, job.last_runs.get("success")), None
        except JobdeckError as error:
            return None, str(error)

    def _checked(self, given: Mapping[str, Any], before: Job | None = None) -> dict[str, Any]:
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
        self._check_arguments(given, values, before, problems)
        problems.check(checks.nothing_yet, given.get("schedule"), "schedule", "Schedules")
        for field in ("notification_emails", "notification_statuses"):
            problems.check(checks.nothing_yet, given.get(field), field, "Notifications")
        problems.raise_if_any()
        return values

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

    def _find(self, type_id: str | None) -> type[JobType] | None:
        return None if type_id is None else self._office.registry.find(type_id)

    def _known_type(self, type_id: Any) -> str:
        if not isinstance(type_id, str) or self._office.registry.find(type_id) is None:
            known = ", ".join(sorted(job_type.id for job_type in self._office.registry))
            raise InvalidInput.of("type", f"Must be one of: {known}." if known else "No job type is registered.")
        return type_id


def _stored(job: Job) -> dict[str, Any]:
    return {
        "title": job.title,
        "description": job.description,
        "type": job.type,
        "queue": job.queue,
        "active": job.active,
        "timeout_s": job.timeout_s,
        "arguments": None if job.arguments is None else checks.json_text(job.arguments, "args"),
        "custom_arguments": None if job.custom_arguments is None else checks.json_text(job.custom_arguments, "args"),
    }
