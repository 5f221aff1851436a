"""Runs, as people and code ask for them: start, list, read, stop, delete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..core.attempt import Attempt
from ..core.file import RunFile
from ..core.filters import COUNT_LIMIT, Listing, Page, RunFilter
from ..core.ids import is_id, new_id
from ..core.job import Job
from ..core.permissions import Action
from ..core.run import Run, Trigger
from ..core.text import clean
from ..core.times import from_us
from ..definitions.functions import check_call, function_path
from ..definitions.job_type import JobType
from ..errors import Conflict, InvalidInput, NotFound
from ..store import jobs, runs
from . import checks, lifecycle, preparing
from .logs import LogPage, Logs
from .office import Service

Timeout = str | float | timedelta | None
STOP_REASON_LIMIT = 1000
MANY_LIMIT = 100_000


class Runs(Service):
    """The runs of the principal's tenant."""

    def list(self, wanted: RunFilter | None = None, page: Page | None = None) -> Listing[Run]:
        """Runs from newest to oldest."""
        self._require(Action.RUNS_READ)
        page = page or Page()
        with self._database.read() as connection:
            items, total, more = runs.newest(connection, self._tenant, wanted or RunFilter(), page, self._now_us())
        return Listing(items=items, total=total, page=page, has_more=more, total_is_exact=total < COUNT_LIMIT)

    def get(self, run_id: str, job_id: str | None = None) -> Run:
        """One run, with `job_id` only of that job; NotFound when it is unknown or another tenant's."""
        self._require(Action.RUNS_READ, run_id)
        run = None
        if is_id(run_id) and (job_id is None or is_id(job_id)):
            with self._database.read() as connection:
                run = runs.get(connection, self._tenant, run_id, job_id)
        if run is None:
            of_job = f" for job {clean(job_id, 100)}" if job_id else ""
            raise NotFound(f"Run with ID {clean(run_id, 100)}{of_job} does not exist.")
        return run

    def start(
        self,
        target: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        custom_arguments: Mapping[str, Any] | None = None,
        title: str | None = None,
        queue: str | None = None,
        timeout: Timeout = None,
        trigger: Trigger = Trigger.API,
    ) -> Run:
        """Queue a run of a job (by its UUID) or of a job type (by its id).

        `arguments` None means what the job has saved. InvalidInput names each field that does not fit
        (`args.since`), and no run is stored then.
        """
        self._require(Action.RUNS_START, target)
        job, job_type = self._target(target)
        problems = checks.Problems()
        build = self._builder(job, job_type, target)
        prepared = problems.check(lambda: checks.json_text(build(arguments, custom_arguments), "args"))
        new = self._new(
            problems,
            job=job,
            job_type=job_type,
            title=title,
            queue=queue,
            timeout=timeout,
            trigger=trigger,
        )
        problems.raise_if_any()
        return self._store_one(new(prepared))

    def start_many(
        self, target: str, arguments: Sequence[Mapping[str, Any]], *, queue: str | None = None
    ) -> Sequence[str]:
        """Queue one run for each of `arguments`, in one transaction, and return their ids in order."""
        self._require(Action.RUNS_START, target)
        if len(arguments) > MANY_LIMIT:
            raise InvalidInput.of("arguments", f"At most {MANY_LIMIT:,} runs can be started at once.")
        job, job_type = self._target(target)
        problems = checks.Problems()
        build = self._builder(job, job_type, target)
        new = self._new(problems, job=job, job_type=job_type, queue=queue, trigger=Trigger.API)
        texts = [problems.check(lambda one=one: checks.json_text(build(one, None), "args")) for one in arguments]
        problems.raise_if_any()
        return self._store([new(text) for text in texts])

    def enqueue(
        self,
        function: Callable[..., Any] | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        title: str | None = None,
        queue: str | None = None,
        timeout: Timeout = None,
    ) -> Run:
        """Queue a run of a plain function, given itself or as `"package.module:name"`."""
        self._require(Action.RUNS_START)
        path = function_path(function)
        problems = checks.Problems()
        problems.check(check_call, function, args, kwargs or {})
        named = problems.check(checks.json_text, dict(kwargs or {}), "kwargs")
        positional = problems.check(checks.json_text, list(args), "args") if args else None
        new = self._new(problems, function=path, title=title, queue=queue, timeout=timeout, trigger=Trigger.ENQUEUE)
        problems.raise_if_any()
        return self._store_one(new(named, positional))

    def stop(self, run_id: str, reason: str | None = None, job_id: str | None = None) -> Run:
        """A queued run is CANCELLED at once, a running one is asked to stop; asking again changes nothing.

        Conflict when it has ended.
        """
        self._require(Action.RUNS_STOP, f"run:{run_id}")
        if reason is not None and (not isinstance(reason, str) or len(reason) > STOP_REASON_LIMIT):
            raise InvalidInput.of("reason", f"Must be a text of at most {STOP_REASON_LIMIT} characters.")
        run = self.get(run_id, job_id)
        with self._database.write() as connection:
            done = lifecycle.stop(connection, run, self._principal, clean(reason) if reason else None, self._now_us())
            if done:
                self._audit(connection, Action.RUNS_STOP, f"run:{run_id}", after={"stop_reason": reason})
        self._office.bell.ring()
        run = self.get(run_id, job_id)
        if not done and run.stop_requested_at is None:
            raise Conflict(f"This run has ended as {run.status}; only queued and running runs can be stopped.")
        if not done and run.is_final:
            raise Conflict(f"This run has already ended as {run.status}.")
        return run

    def delete(self, run_id: str, job_id: str | None = None) -> None:
        """Delete a finished run with its log and files; Conflict while it is queued or running."""
        self._require(Action.RUNS_DELETE, f"run:{run_id}")
        run = self.get(run_id, job_id)
        with self._database.write() as connection:
            if not runs.delete_final(connection, self._tenant, run_id):
                raise Conflict(f"This run is {run.status}; stop it before deleting it.")
            told = {"type": run.type, "function": run.function, "status": run.status}
            self._audit(connection, Action.RUNS_DELETE, f"run:{run_id}", before=told)
        shutil.rmtree(self._office.settings.files_folder / run_id, ignore_errors=True)

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every try at a run, first to last."""
        self.get(run_id)
        with self._database.read() as connection:
            return runs.attempts_of(connection, run_id)

    def logs(
        self, run_id: str, *, after: int = 0, limit: int = 500, level: str | None = None, newest: bool = False
    ) -> LogPage:
        """Log entries of a run, as `services.logs.Logs.of_run` gives them."""
        return Logs(self._office, self._principal).of_run(run_id, after=after, limit=limit, level=level, newest=newest)

    def files(self, run_id: str) -> tuple[RunFile, ...]:
        """What the run made, by name."""
        return self.get(run_id).files

    def file(self, run_id: str, name: str) -> tuple[RunFile, Path]:
        """One file and where its bytes lie; NotFound when there is none of that name, or its bytes are gone."""
        folder = self._office.settings.files_folder.resolve()
        for file in self.files(run_id):
            path = (folder / file.path).resolve()
            if file.name == name and path.is_relative_to(folder) and path.is_file():
                return file, path
        raise NotFound(f"Run {run_id} has no file {clean(name, 200)!r}.")

    def waiting(self) -> int:
        """How many runs are queued, counted to 10,000."""
        self._require(Action.RUNS_READ)
        with self._database.read() as connection:
            return runs.count_waiting(connection, self._tenant)

    def _target(self, target: str) -> tuple[Job | None, type[JobType]]:
        if not is_id(target):
            return None, self._office.registry.get(target)
        with self._database.read() as connection:
            job = jobs.get(connection, self._tenant, target)
        if job is None:
            raise NotFound(f"Job with ID {target} does not exist.")
        job_type = self._office.registry.find(job.type)
        if job_type is None:
            raise Conflict(f"The job type {job.type!r} of this job is not registered any more.")
        return job, job_type

    def _builder(
        self, job: Job | None, job_type: type[JobType], target: str
    ) -> Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], dict[str, Any]]:
        """Builds task arguments; a type run without a job is given a stand-in that knows the type's last runs."""
        stands_for = job or self._stand_in(job_type)
        last_success = stands_for.last_runs.get("success")
        return lambda given, custom: preparing.task_arguments(job_type, stands_for, given, custom, last_success)

    def _stand_in(self, job_type: type[JobType]) -> Job:
        now = from_us(self._now_us())
        with self._database.read() as connection:
            last = runs.last_of_subject(connection, self._tenant, job_type.id)
        return Job(
            id=None,
            tenant=self._tenant,
            title=job_type.title,
            description=job_type.description,
            type=job_type.id,
            queue=job_type.queue or self._office.settings.default_queue,
            active=True,
            arguments=None,
            created_at=now,
            updated_at=now,
            last_runs=last,
        )

    def _new(
        self,
        problems: checks.Problems,
        *,
        job: Job | None = None,
        job_type: type[JobType] | None = None,
        function: str | None = None,
        title: str | None = None,
        queue: str | None = None,
        timeout: Timeout = None,
        trigger: Trigger,
    ) -> Callable[..., tuple[Any, ...]]:
        """Checks what a run has beside its arguments; makes its row once those are known."""
        settings = self._office.settings
        named_queue = queue or (job.queue if job else job_type.queue if job_type else None)
        queue = problems.check(checks.queue, named_queue, settings)
        title = problems.check(checks.optional_title, title)
        asked = problems.check(checks.timeout, timeout)
        configured = (asked, job and job.timeout_s, job_type and job_type.options()["timeout"], settings.timeout_s)
        seconds = next((value for value in configured if value is not None), None)
        by = self._principal

        def row(arguments: str, positional: str | None = None) -> tuple[Any, ...]:
            now_us = self._now_us()
            return (new_id(now_us), self._tenant, job and job.id, job_type and job_type.id, function, title,
                    arguments, positional, queue, trigger.value, by.id, by.name, now_us, now_us,
                    None if seconds == -1 else seconds)  # fmt: skip

        return row

    def _store_one(self, row: tuple[Any, ...]) -> Run:
        """The run as it was stored, without reading it back."""
        self._store([row])
        return runs.as_enqueued(row)

    def _store(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[str]:
        ids = [row[0] for row in rows]
        if ids:
            first = rows[0]
            told = {"job": first[2], "type": first[3] or first[4], "count": len(ids)}
            with self._database.write_quickly() as connection:
                runs.enqueue(connection, rows)
                self._audit(connection, Action.RUNS_START, f"run:{ids[0]}", after=told)
            self._office.bell.ring()
        return ids
