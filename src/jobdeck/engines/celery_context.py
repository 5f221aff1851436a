"""Tells the tasks that a run sends to Celery which run that is: in the headers of their messages, with those of their own sub-tasks
and of their retries as well.

Imported wherever runs execute and Celery is used, it loads nothing of the database. Neighbour: `celery_lines` is what a Celery
worker does with it.
"""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from celery import signals

from ..executor.context import current

HEADER = "jobdeck"

followed: ContextVar[dict[str, Any] | None] = ContextVar("jobdeck_followed", default=None)
"""What the message of the task that executes here said of its run."""


@signals.before_task_publish.connect(weak=False)
def _tell(headers: Any = None, **_: Any) -> None:
    """A message that is about to leave."""
    data = followed.get()
    run = None if data is not None else current()
    if run is not None:
        order = run.order
        data = {"run": order.run_id, "fence": order.fence, "attempt": order.attempt, "tenant": order.tenant}
    if data is not None and isinstance(headers, dict):
        headers[HEADER] = data
