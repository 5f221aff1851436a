"""How a run is to be run, beside its arguments: queue, priority, times, retries, limit, keys, what it waits for.

What is asked for a run goes before what its job has saved, that before what its type declares, that before the setting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..config import Settings
from ..core.ids import new_id
from ..core.job import Job
from ..core.limits import WhenFull, limit_key
from ..core.new_run import TO_BE_RUNG, NewRun, order_of
from ..core.principal import Principal
from ..core.retry import RetryPolicy
from ..core.run import Run, Trigger
from . import checks

Span = str | float | timedelta


@dataclass(slots=True, kw_only=True)
class Asked:
    """What a caller asks for; None = not said. `after` are runs, or their ids."""

    title: str | None = None
    queue: str | None = None
    timeout: Span | None = None
    priority: int | None = None
    retry: RetryPolicy | int | None = None
    start_at: datetime | str | None = None
    start_in: Span | None = None
    expires_at: datetime | str | None = None
    expires_in: Span | None = None
    unique_key: str | None = None
    unique_policy: str = "reject"
    after: Sequence[Run | str] = ()
    after_need: str = "success"
    trigger: Trigger = Trigger.API
    retry_of: str | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """What is asked, checked: what all runs of one request have in common, and who waits for whom."""

    job_id: str | None
    type: str | None
    function: str | None
    title: str | None
    queue: str
    timeout_s: float | None
    priority: int
    max_attempts: int
    retry_data: str | None
    starts_us: int | None
    expires_us: int | None
    limit: tuple[int, WhenFull, tuple[str, ...]] | None
    unique_key: str | None
    unique_policy: str
    after: tuple[str, ...]
    after_need: str
    trigger: Trigger
    retry_of: str | None
    by: Principal
    parent_id: str | None = None
    is_rung_for: bool = False

    def new_run(self, now_us: int, arguments: str, positional: str | None = None) -> NewRun:
        """A run by this plan, with its final arguments as JSON text."""
        available = now_us if self.starts_us is None else max(now_us, self.starts_us)
        new = NewRun(
            id=new_id(now_us),
            tenant=self.by.tenant,
            job_id=self.job_id,
            type=self.type,
            function=self.function,
            title=self.title,
            arguments=arguments,
            positional=positional,
            queue=self.queue,
            trigger=self.trigger.value,
            principal_id=self.by.id,
            principal_name=self.by.name,
            available_at=available,
            order_at=order_of(available, self.priority),
            created_at=now_us,
            expires_at=self.expires_us,
            timeout_s=self.timeout_s,
            priority=self.priority,
            max_attempts=self.max_attempts,
            retry=self.retry_data,
            unique_key=self.unique_key,
            parent_id=self.parent_id,
            retry_of=self.retry_of,
            ring_at=TO_BE_RUNG if self.is_rung_for else None,
        )
        if self.limit is not None and self.type is not None:
            n, when_full, scope = self.limit
            new.limit_n, new.limit_policy = n, when_full.value
            new.limit_key = limit_key(scope, tenant=new.tenant, type_id=self.type, job_id=new.job_id,
                                      queue=new.queue, arguments=_arguments(arguments, scope))  # fmt: skip
        return new


def plan(
    asked: Asked,
    problems: checks.Problems,
    settings: Settings,
    by: Principal,
    now_us: int,
    *,
    job: Job | None = None,
    type_id: str | None = None,
    declared: Mapping[str, Any] | None = None,
    function: str | None = None,
) -> Plan:
    """The checked plan; what is wrong is collected in `problems`, and the plan is not to be used then.

    `declared` are the options of the job type, as `JobType.options` gives them.
    """
    options = declared or {}
    starts_us = problems.check(checks.moment, asked.start_at, asked.start_in, now_us, "start")
    expires_us = problems.check(checks.moment, asked.expires_at, asked.expires_in, now_us, "expires")
    if expires_us is not None and expires_us <= max(now_us, starts_us or 0):
        problems.add("expires_at", "Must be later than now and than the start.")
    max_attempts, retry_data = _retry(problems, asked, job, options)
    queue = problems.check(checks.queue, asked.queue or _first(job and job.queue, options.get("queue")), settings)
    return Plan(
        job_id=None if job is None else job.id,
        type=type_id,
        function=function,
        title=problems.check(checks.optional_title, asked.title),
        queue=queue,
        timeout_s=_timeout(problems, asked, job, options, settings),
        priority=_priority(problems, asked, job, options),
        max_attempts=max_attempts,
        retry_data=retry_data,
        starts_us=starts_us,
        expires_us=expires_us,
        limit=_limit(job, options),
        unique_key=problems.check(checks.unique_key, asked.unique_key),
        unique_policy=problems.check(checks.one_of, asked.unique_policy, "unique_policy", checks.UNIQUE_POLICIES),
        after=problems.check(checks.run_ids, [one.id if isinstance(one, Run) else one for one in asked.after]) or (),
        after_need=problems.check(checks.one_of, asked.after_need, "after_need", checks.NEEDS),
        trigger=asked.trigger,
        retry_of=asked.retry_of,
        by=by,
        is_rung_for=queue in settings.engines,
    )


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _timeout(
    problems: checks.Problems, asked: Asked, job: Job | None, options: Mapping[str, Any], settings: Settings
) -> float | None:
    told = problems.check(checks.timeout, asked.timeout)
    seconds: float | None = _first(told, job and job.timeout_s, options.get("timeout"), settings.timeout_s)
    return None if seconds == -1 else seconds


def _priority(problems: checks.Problems, asked: Asked, job: Job | None, options: Mapping[str, Any]) -> int:
    told = problems.check(checks.priority, asked.priority)
    return int(_first(told, job and job.priority, options.get("priority"), 0))


def _retry(
    problems: checks.Problems, asked: Asked, job: Job | None, options: Mapping[str, Any]
) -> tuple[int, str | None]:
    """How many attempts, and the delays between them. A bare number keeps the type's delays, if it has any."""
    told = problems.check(checks.retry, asked.retry)
    if isinstance(told, RetryPolicy):
        if told.only_on or told.never_on:
            problems.add("retry", "only_on and never_on belong to the declaration of the job type.")
        return told.max_attempts, told.as_data()
    attempts = _first(told, job and job.max_attempts, options.get("max_attempts"), 1)
    return attempts, options.get("retry") or (RetryPolicy(attempts).as_data() if attempts > 1 else None)


def _limit(job: Job | None, options: Mapping[str, Any]) -> tuple[int, WhenFull, tuple[str, ...]] | None:
    if job is not None and job.run_limit is not None:
        return job.run_limit, WhenFull(job.limit_policy or WhenFull.WAIT), ("job",)
    if options.get("limit") is None:
        return None
    return options["limit"], WhenFull(options["limit_policy"]), tuple(options["limit_scope"])


def _arguments(text: str, scope: tuple[str, ...]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = {} if scope[0] in ("type", "job", "queue") or not text else json.loads(text)
    return found
