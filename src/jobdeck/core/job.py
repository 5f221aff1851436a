"""A job: a saved configuration of a job type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .run import Run

TITLE_LIMIT = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One saved job. `arguments` are as the schema dumps them; None = nothing saved. `custom_arguments`,
    when given, are handed to the task as they are, instead of what the type would build.

    `last_runs` maps a lower-case status name to the newest run in it; a status without a run is missing.
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
    last_run: Run | None = None
    last_runs: Mapping[str, Run] = field(default_factory=dict)
