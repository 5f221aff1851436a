"""A Celery application, for the peer and for jobdeck on Celery: `celery -A benchmarks.celery_app worker`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery

from .marks import FILE, Marks

BROKER, RESULTS = "BENCHMARK_BROKER", "BENCHMARK_RESULTS"


def make(broker: str, results: str | None) -> tuple[Celery, Any]:
    """An application and its task, which notes when it was executed where the environment says so. Without `results` it
    keeps none; otherwise with its defaults.
    """
    app = Celery("benchmark", broker=broker, backend=results, set_as_current=False)
    app.conf.update(task_ignore_result=results is None, broker_connection_retry_on_startup=True)
    marks = Marks.told() if FILE in os.environ else None

    def noop(number: int) -> None:
        if marks is not None:
            marks.add()

    return app, app.task(noop, name="noop")


app, _ = make(os.environ.get(BROKER, "memory://"), os.environ.get(RESULTS))
