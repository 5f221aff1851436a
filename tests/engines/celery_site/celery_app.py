"""A site's Celery application as it was before jobdeck came: its settings are made for tasks that are not ours."""

# Celery has no types.
# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import Any

from celery import Celery, shared_task
from celery.utils.log import get_task_logger

logger = get_task_logger(__name__)

app = Celery("site", broker=os.environ["SITE_BROKER"], include=["celery_app"])
app.conf.update(
    task_acks_late=True,
    task_default_rate_limit="30/m",
    task_default_queue=f"site-{os.environ.get('SITE_QUEUE')}",
    task_routes={"jobdeck.*": {"queue": "nowhere"}},
    task_soft_time_limit=2,
    task_time_limit=3,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 1} if os.environ["SITE_BROKER"].startswith("redis") else {},
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_schedule={"tick": {"task": "celery_app.tick", "schedule": 0.5}},
)


@shared_task
def add(x: int, y: int = 1) -> int:
    """Add two numbers."""
    logger.info("adding %d and %d", x, y)
    return x + y


@shared_task(bind=True, max_retries=3, default_retry_delay=0.2)
def stubborn(self: Any, place: str, tries: int) -> int:
    """Succeeds at the last of its tries."""
    path = Path(place)
    done = len(path.read_text()) if path.exists() else 0
    path.write_text("x" * (done + 1))
    assert self.request.id
    if done + 1 < tries:
        raise self.retry(countdown=0.1)
    return done + 1


@shared_task(bind=True, rate_limit="100/s")
def sub_task(self: Any, name: str, seconds: float = 0.0, tries: int = 1) -> None:
    """Logs, as a sub-task of whatever sent it."""
    logger.info("%s begins", name)
    logging.getLogger("site.plain").warning("%s is at try %d", name, self.request.retries + 1)
    time.sleep(seconds)
    if self.request.retries + 1 < tries:
        raise self.retry(countdown=0.1)
    logger.info("%s ends", name)


@shared_task
def stranger() -> None:
    """Logs, and belongs to no run."""
    logger.warning("a stranger was here")


@shared_task
def tick() -> None:
    """What the site's own beat sends."""
    with open(os.environ["SITE_TICKS"], "a") as ticks:
        ticks.write("x")
