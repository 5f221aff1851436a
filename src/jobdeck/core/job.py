"""A job: a saved configuration of a job type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .run import Run
from .schedule import Schedule

TITLE_LIMIT = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One saved job. `arguments` are as the schema dumps them; None = nothing saved. `custom_arguments`,
    when given, are handed to the task as they are, instead of what the type would build.

    `run_limit` is how many of its runs may be at work at once. When a run of `after_job_id` has ended as `after_need` says
    ("success" or "end"), a run of this job starts. `last_runs` maps a lower-case status name to the newest run in it; a
    status without a run is missing. `schedules` are its schedules, oldest first; only the service of jobs reads them.
    """

    id: str | None
    tenant: str
    title: str
    description: str | None
    type: str
    queue: str
    active: bool
    arguments: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    custom_arguments: dict[str, Any] | None = None
    timeout_s: float | None = None
    priority: int | None = None
    max_attempts: int | None = None
    run_limit: int | None = None
    limit_policy: str | None = None
    after_job_id: str | None = None
    after_need: str | None = None
    last_run: Run | None = None
    last_runs: Mapping[str, Run] = field(default_factory=dict)
    schedules: tuple[Schedule, ...] = ()

    @property
    def since(self) -> datetime | None:
        """When the last successful run started."""
        last = self.last_runs.get("success")
        return None if last is None else last.started_at

    @property
    def next_run_at(self) -> datetime | None:
        """When a schedule starts it next; None while it is inactive, and when none will."""
        planned = [one.next_fire_at for one in self.schedules if one.pause is None and one.next_fire_at is not None]
        return min(planned) if planned and self.active else None
