"""Job types that leave traces: a byte in a file for each beginning."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import celery_app  # type: ignore[import-not-found]  # it stands beside this, where a worker finds it

from jobdeck import RetryPolicy, current_run, job_type

logger = logging.getLogger(__name__)
# Their code stays as it is; what a module imports is offered when it says so.
add = job_type(id="add", title="Add")(celery_app.add)
stubborn = job_type(id="stubborn", title="Stubborn", retry=RetryPolicy(5, backoff="1h"))(celery_app.stubborn)
__all__ = ["add", "stubborn"]


@job_type(title="Note")
def note(place: str, seconds: float = 0.0, word: str = "x") -> dict[str, object]:
    """Notes that it began, and takes its time."""
    with open(place, "a") as trace:
        trace.write(word)
    logger.info("noted %s", word)
    time.sleep(seconds)
    return {"pid": os.getpid(), "attempt": current_run.attempt}


@job_type(title="Deaf")
def deaf(place: str) -> None:
    """Hears nothing, and never ends by itself."""
    Path(place).write_text(str(os.getpid()))
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            time.sleep(0.2)
        except BaseException:  # a stop, too
            continue


@job_type(title="Flaky", retry=RetryPolicy(3, backoff=[0.1, 0.5]))
def flaky(place: str) -> int:
    """Fails twice."""
    with open(place, "a") as trace:
        trace.write("x")
    if current_run.attempt < 3:
        raise RuntimeError(f"attempt {current_run.attempt} failed")
    return current_run.attempt


@job_type(title="Parent")
def parent(names: list[str], seconds: float = 0.0, tries: int = 1) -> None:
    """Sends sub-tasks to Celery, and does not wait for them."""
    logger.info("sends %d", len(names))
    for name in names:
        celery_app.sub_task.apply_async((name, seconds, tries), queue=celery_app.app.conf.task_default_queue)
