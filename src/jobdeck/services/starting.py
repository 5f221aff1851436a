"""Starting runs: of a job, of a job type, of a plain function, of a run again. What is asked is checked as a whole, and
stored in one transaction with its audit row, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..core.filters import Page, RunFilter
from ..core.ids import is_id
from ..core.job import Job
from ..core.new_run import NewRun
from ..core.permissions import Action
from ..core.principal import Principal
from ..core.retry import RetryPolicy
from ..core.run import Run, Trigger
from ..core.times import from_us
from ..definitions.functions import check_call, function_path
from ..definitions.job_type import JobType
from ..errors import Conflict, InvalidInput, NotFound
from ..store import jobs, runs
from ..store.database import borrowed
from . import checks, immediate, preparing, storing
from .office import Office
from .options import Asked, Plan, Span, plan
from .reading import Reading

MANY_LIMIT = 100_000
AGAIN_LIMIT = 10_000
_PAGE = 100
_PLANS_LIMIT = 1000

Build = Callable[[Mapping[str, Any] | None, Mapping[str, Any] | None], dict[str, Any]]


class Starting(Reading):
    """How runs come to be."""

    def __init__(self, office: Office, principal: Principal) -> None:
        super().__init__(office, principal)
        # Of starts without options, which are all alike.
        self._plans: dict[Any, Plan] = {}

    def start(
        self,
        target: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        custom_arguments: Mapping[str, Any] | None = None,
        title: str | None = None,
        queue: str | None = None,
        timeout: Span | None = None,
        priority: int | None = None,
        retry: RetryPolicy | int | None = None,
        start_at: datetime | str | None = None,
        start_in: Span | None = None,
        expires_at: datetime | str | None = None,
        expires_in: Span | None = None,
        unique_key: str | None = None,
        unique_policy: str = "reject",
        after: Sequence[Run | str] = (),
        after_need: str = "success",
        trigger: Trigger = Trigger.API,
        connection: Any = None,
        session: Any = None,
    ) -> Run:
        """Queue a run of a job (by its UUID) or of a job type (by its id).

        - `arguments` None means what the job has saved
        - `priority`, -100 to 100, is a head start in minutes; `timeout` seconds or `"1h"`, -1 = none; `retry` a number of
          attempts or a RetryPolicy
        - `start_at` (aware datetime) or `start_in` (span) delay it; when `expires_at` or `expires_in` has passed before it
          began, it ends FAILED(expired)
        - `unique_key`: only one live run has it; else `unique_policy` says "reject" (Occupied), "existing" (that run is
          returned) or "replace" (that run is stopped, this one begins when it has ended)
        - `after` runs, or their ids: begin when all have ended with `after_need` "success", or any "end"
        - `connection` or `session` of SQLAlchemy, on the same database: the run exists when its transaction commits
        - in a queue on an engine that executes at once (`inline`) it has ended when this returns, if it may begin; with
          `connection` or `session` it waits until something else is started in such a queue, as nobody is there at the commit

        InvalidInput names each field that does not fit (`args.since`), Occupied tells of a full limit or a taken key; no
        run is stored then.
        """
        asked = Asked(
            title=title, queue=queue, timeout=timeout, priority=priority, retry=retry, start_at=start_at,
            start_in=start_in, expires_at=expires_at, expires_in=expires_in, unique_key=unique_key,
            unique_policy=unique_policy, after=after, after_need=after_need, trigger=trigger,
        )  # fmt: skip
        self._require(Action.RUNS_START, target)
        job, job_type = self._target(target)
        problems = checks.Problems()
        build = self._builder(job, job_type)
        prepared = problems.check(lambda: checks.json_text(build(arguments, custom_arguments), "args"))
        planned = self._plan(asked, problems, job, job_type)
        problems.raise_if_any()
        return self._store_one(planned, prepared, None, connection, session)

    def start_many(
        self,
        target: str,
        arguments: Sequence[Mapping[str, Any]],
        *,
        queue: str | None = None,
        priority: int | None = None,
        start_at: datetime | str | None = None,
        start_in: Span | None = None,
        after: Sequence[Run | str] = (),
        after_need: str = "success",
    ) -> Sequence[str]:
        """Queue one run for each of `arguments`, in one transaction, and return their ids in order; else as `start`."""
        self._require(Action.RUNS_START, target)
        if len(arguments) > MANY_LIMIT:
            raise InvalidInput.of("arguments", f"At most {MANY_LIMIT:,} runs can be started at once.")
        job, job_type = self._target(target)
        problems = checks.Problems()
        build = self._builder(job, job_type)
        asked = Asked(queue=queue, priority=priority, start_at=start_at, start_in=start_in, after=after,
                      after_need=after_need)  # fmt: skip
        planned = self._plan(asked, problems, job, job_type)
        texts = [problems.check(lambda one=one: checks.json_text(build(one, None), "args")) for one in arguments]
        problems.raise_if_any()
        new = [planned.new_run(self._now_us(), text) for text in texts]
        if new:
            self._store(new, planned)
        return [one.id for one in new]

    def enqueue(
        self,
        function: Callable[..., Any] | str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        connection: Any = None,
        session: Any = None,
        **options: Any,
    ) -> Run:
        """Queue a run of a plain function, given itself or as `"package.module:name"`.

        `options` are those of `start`: title, queue, timeout, priority, retry, start_in and so on.
        """
        self._require(Action.RUNS_START)
        path = function_path(function)
        problems = checks.Problems()
        problems.check(check_call, function, args, kwargs or {})
        named = problems.check(checks.json_text, dict(kwargs or {}), "kwargs")
        positional = problems.check(checks.json_text, list(args), "args") if args else None
        planned = self._plan(Asked(trigger=Trigger.ENQUEUE, **options), problems, None, None, path)
        problems.raise_if_any()
        return self._store_one(planned, named, positional, connection, session)

    def again(self, run_id: str, arguments: Mapping[str, Any] | None = None, *, job_id: str | None = None) -> Run:
        """A new run of what a finished run ran, linked to it (`retry_of`), with the same or other arguments.

        Conflict while it has not ended, or when its job type is not registered any more.
        """
        self._require(Action.RUNS_START, f"run:{run_id}")
        run = self._of_id(run_id, job_id)
        planned, text = self._as_before(run, arguments)
        positional = checks.json_text(list(run.positional), "args") if run.positional else None
        return self._store_one(planned, text, positional, None, None)

    def again_all(self, wanted: RunFilter) -> Sequence[str]:
        """Run again every finished run that fits the filter, oldest first, with its arguments; the new runs' ids.

        InvalidInput when more than 10,000 fit. Runs whose type is not registered any more are left out.
        """
        self._require(Action.RUNS_START, "runs")
        found = [run for run in self._matching(wanted) if run.is_final and self._can_run(run)]
        if len(found) > AGAIN_LIMIT:
            raise InvalidInput.of("filter", f"More than {AGAIN_LIMIT:,} runs fit; narrow it.")
        made = []
        for run in reversed(found):
            planned, text = self._as_before(run, None)
            positional = checks.json_text(list(run.positional), "args") if run.positional else None
            made.append(self._store_one(planned, text, positional, None, None).id)
        return made

    # How a start is put together

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

    def _builder(self, job: Job | None, job_type: type[JobType]) -> Build:
        """Builds task arguments; a type run without a job is given a stand-in that knows the type's last runs."""
        stands_for = job or self._stand_in(job_type)
        return lambda given, custom: preparing.task_arguments(job_type, stands_for, given, custom, stands_for.since)

    def _stand_in(self, job_type: type[JobType]) -> Job:
        now = from_us(self._now_us())
        last: dict[str, Run] = {}
        if job_type.knows_last_runs():
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

    def _plan(
        self,
        asked: Asked,
        problems: checks.Problems,
        job: Job | None,
        job_type: type[JobType] | None,
        function: str | None = None,
    ) -> Plan:
        is_plain = job is None and asked == Asked(trigger=asked.trigger)
        key = (job_type, function, asked.trigger)
        if is_plain and key in self._plans:
            return self._plans[key]
        made = plan(
            asked, problems, self._office.settings, self._principal, self._now_us(), job=job, function=function,
            type_id=None if job_type is None else job_type.id,
            declared=None if job_type is None else job_type.options(),
        )  # fmt: skip
        if is_plain and not problems.are_any and len(self._plans) < _PLANS_LIMIT:
            self._plans[key] = made
        return made

    def _matching(self, wanted: RunFilter) -> list[Run]:
        found: list[Run] = []
        before: str | None = None
        while len(found) <= AGAIN_LIMIT:
            with self._database.read() as connection:
                page = Page(size=_PAGE, before=before)
                items, _, more = runs.newest(connection, self._tenant, wanted, page, self._now_us())
            found += items
            if not more:
                break
            before = items[-1].id
        return found

    def _can_run(self, run: Run) -> bool:
        return run.type is None or self._office.registry.find(run.type) is not None

    def _as_before(self, run: Run, arguments: Mapping[str, Any] | None) -> tuple[Plan, str]:
        """The plan of a run again, and its arguments: those it had, or others, checked as at a start."""
        if not run.is_final:
            raise Conflict(f"This run is {run.status}; it can be run again when it has ended.")
        if not self._can_run(run):
            raise Conflict(f"The job type {run.type!r} of this run is not registered any more.")
        problems = checks.Problems()
        job = None
        if run.job_id is not None:
            with self._database.read() as connection:
                job = jobs.get(connection, self._tenant, run.job_id)
        job_type = None if run.type is None else self._office.registry.get(run.type)
        asked = Asked(title=run.title, queue=self._queue_of(run), priority=run.priority, retry_of=run.id,
                      timeout=-1 if run.timeout_s is None else run.timeout_s, trigger=Trigger.RERUN)  # fmt: skip
        # Without those that a shutdown gave back.
        asked.retry = run.max_attempts - run.releases
        given = run.arguments if arguments is None else arguments
        if arguments is not None and job_type is not None:
            build = self._builder(job, job_type)
            text = problems.check(lambda: checks.json_text(build(arguments, None), "args"))
        else:
            text = problems.check(checks.json_text, checks.mapping(given, "args"), "args")
        planned = self._plan(asked, problems, job, job_type, run.function)
        problems.raise_if_any()
        return planned, text

    def _queue_of(self, run: Run) -> str | None:
        return run.queue if run.queue in self._office.settings.queues else None

    # Storing

    def _store_one(self, planned: Plan, arguments: str, positional: str | None, connection: Any, session: Any) -> Run:
        """The run as it was stored; read back only when something else decided what became of it."""
        new = planned.new_run(self._now_us(), arguments, positional)
        if connection is not None or session is not None:
            with borrowed(self._database, connection, session) as theirs:
                instead = self._put(theirs, [new], planned, is_short=False)
                self._office.bell.ring_after(theirs)
                return runs.as_enqueued(new) if instead is None else self._found(theirs, instead)
        instead = self._store([new], planned)
        is_plain = new.unique_key is None and new.limit_key is None and not planned.after
        is_plain = is_plain and immediate.engine_of(self._office, new.queue) is None
        return runs.as_enqueued(new) if is_plain else self._of_id(instead or new.id, None)

    def _store(self, new: Sequence[NewRun], planned: Plan) -> str | None:
        is_plain = new[0].unique_key is None and new[0].limit_key is None and not planned.after and len(new) < runs.MANY
        with self._database.write_quickly(in_one_go=is_plain) as connection:
            instead = self._put(connection, new, planned, is_short=True)
            has_rung = self._office.bell.ring_within(connection)
        if not has_rung:
            self._office.bell.ring()
        immediate.ring(self._office, new)
        return instead

    def _put(self, connection: Any, new: Sequence[NewRun], planned: Plan, *, is_short: bool) -> str | None:
        instead = storing.store(
            connection, new, after=planned.after, need=planned.after_need, unique_policy=planned.unique_policy,
            by=self._principal, is_short=is_short,
        )  # fmt: skip
        first = new[0]
        told = {"job": first.job_id, "type": first.type or first.function, "count": len(new)}
        if instead is not None:
            told["instead"] = instead
        self._audit(connection, Action.RUNS_START, f"run:{instead or first.id}", after=told)
        return instead

    def _found(self, connection: Any, run_id: str) -> Run:
        run = runs.get(connection, self._tenant, run_id)
        if run is None:
            raise NotFound(f"Run with ID {run_id} does not exist.")
        return run
