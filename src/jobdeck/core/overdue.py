"""What should have happened by now: runs that did not begin, that take too long, schedules that nobody serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

START_WITHIN_US = 5 * 60 * 1_000_000
"""A scheduled run that has not begun so long after it should have is overdue."""
SERVE_WITHIN_US = 60 * 1_000_000
"""A planned time that nothing has served for so long is overdue."""
LONGER_THAN = 3
"""A run is overdue when it takes longer than so many times the usual, and `LONGER_BY_US` more."""
LONGER_BY_US = 60 * 1_000_000
USUAL_OF, USUAL_FROM = 20, 3
"""The usual is the average of the job's last successful runs: 20 at most, and at least 3."""


class OverdueKind(StrEnum):
    """Which of them."""

    NOT_STARTED = "not_started"
    RUNNING_LONG = "running_long"
    NOT_SERVED = "not_served"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """One thing that is late, since when, and in words what it is, why, and what to do.

    `run_id` is None where there is no run, `job_id` where the job is gone.
    """

    kind: OverdueKind
    tenant: str
    run_id: str | None
    schedule_id: str
    job_id: str | None
    job_title: str | None
    since: datetime
    message: str
