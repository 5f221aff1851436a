"""Huey's tasks, and its consumer as a program."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huey import SqliteHuey


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks of one queue; `first_mark` tells when the first `mark` was executed."""

    noop: Callable[..., Any]
    moment: Callable[[], Any]
    mark: Callable[[], Any]
    first_mark: Callable[[], int]


def make(file: Path) -> SqliteHuey:
    """A queue in `file`."""
    return SqliteHuey("benchmark", filename=str(file), fsync=True)


def register(huey: SqliteHuey) -> Tasks:
    """Declare the tasks on a queue."""
    first = Path(f"{huey.storage.filename}.first")

    @huey.task()
    def noop(number: int) -> None:
        """Do nothing."""

    @huey.task()
    def moment() -> int:
        """Tell when the body began, in nanoseconds."""
        return time.time_ns()

    @huey.task()
    def mark() -> int:
        """Tell when this point of the queue was reached; the first time also in a file."""
        now = time.time_ns()
        if not first.exists():
            first.write_text(str(now))
        return now

    return Tasks(noop=noop, moment=moment, mark=mark, first_mark=lambda: int(first.read_text()))


def consume() -> None:
    """Run the consumer until SIGTERM."""
    huey = make(Path(os.environ["BENCHMARK_HUEY_FILE"]))
    register(huey)
    logging.getLogger("huey").setLevel(logging.ERROR)
    huey.create_consumer().run()
