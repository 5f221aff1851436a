"""Procrastinate's tasks, and its worker as a program."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from procrastinate import App, PsycopgConnector
from procrastinate.connector import BaseConnector

DATABASE = "BENCHMARK_PROCRASTINATE_DATABASE"
CONCURRENCY = 10


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one application; `moment` prints when its body began, in nanoseconds."""

    app: App
    noop: Any
    moment: Any


def make(connector: BaseConnector) -> Tasks:
    """An application with its tasks. They are coroutines: many at once is what its worker is made for with these only."""
    app = App(connector=connector)

    @app.task(name="noop")
    async def noop(number: int) -> None:
        """Do nothing."""

    @app.task(name="moment")
    async def moment() -> None:
        """Tell when the body began."""
        print(time.time_ns(), flush=True)

    return Tasks(app, noop, moment)


def work() -> None:
    """Run the worker until SIGTERM."""
    app = make(PsycopgConnector(conninfo=os.environ[DATABASE])).app
    app.run_worker(concurrency=CONCURRENCY, delete_jobs="never")
