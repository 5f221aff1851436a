"""Sub-runs of the run at hand: checked here, where the job types are, and stored by the supervisor under the run's fence."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ..contracts import Application
from ..core.job import Job
from ..core.new_run import NewRun
from ..core.principal import Principal
from ..core.run import Trigger
from ..core.times import from_us
from ..definitions.job_type import JobType
from ..services import checks, preparing
from ..services.options import Asked, plan
from .order import Order

_OPTIONS = ("title", "queue", "timeout", "priority", "retry", "start_in", "expires_in")


def new_run(
    application: Application,
    order: Order,
    target: Any,
    arguments: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> NewRun:
    """The sub-run to store; InvalidInput names what does not fit."""
    if unknown := sorted(options.keys() - set(_OPTIONS)):
        raise TypeError(f"spawn() takes no {unknown[0]!r}; its options are {', '.join(_OPTIONS)}")
    job_type = _job_type(application, target)
    now_us = time.time_ns() // 1000
    by = Principal(id=order.principal_id or "system", name=order.principal_name or "System", tenant=order.tenant)
    problems = checks.Problems()
    text = problems.check(lambda: checks.json_text(
        preparing.task_arguments(job_type, _stand_in(job_type, order, now_us), arguments or {}, None, None), "args"))  # fmt: skip
    planned = plan(
        Asked(trigger=Trigger.PARENT, **options), problems, application.settings, by, now_us,
        type_id=job_type.id, declared=job_type.options(),
    )  # fmt: skip
    problems.raise_if_any()
    planned.parent_id = order.run_id
    planned.title = planned.title or f"Run {order.run_id} — Subtask"
    if job_type.id == order.type:
        # Its parent holds that limit until it has ended: neither would ever go on.
        planned.limit = None
    return planned.new_run(now_us, text)


def _job_type(application: Application, target: Any) -> type[JobType]:
    declared = getattr(target, "job_type", target)
    found: type[JobType] = application.registry.get(getattr(declared, "id", declared))
    return found


def _stand_in(job_type: type[JobType], order: Order, now_us: int) -> Job:
    now = from_us(now_us)
    return Job(id=None, tenant=order.tenant, title=job_type.title, description=job_type.description, type=job_type.id,
               queue=job_type.queue or "", active=True, arguments=None, created_at=now, updated_at=now)  # fmt: skip
