"""Celery beat with its defaults, publishing to a broker in its own memory: the least that a message can cost it.

`celery -A benchmarks.celery_beat_side beat`. The environment says how many entries there are, and where to note when beat began
and when it published which entry.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from pathlib import Path
from typing import Any

from celery import Celery
from celery.schedules import schedule
from celery.signals import after_task_publish, beat_init

from .planned import PERIOD_S

COUNT, NOTES = "BENCHMARK_BEAT_COUNT", "BENCHMARK_BEAT_NOTES"
app = Celery("benchmark", broker="memory://")
app.conf.beat_schedule = {
    f"entry-{number}": {"task": "noop", "schedule": schedule(PERIOD_S), "args": (number,)}
    for number in range(int(os.environ.get(COUNT, "0")))
}
_began_us: list[int] = []
_noted: list[tuple[int, int]] = []


@beat_init.connect
def begin(**_: Any) -> None:
    """Every entry is due for the first time five seconds later."""
    _began_us.append(time.time_ns() // 1000)


@after_task_publish.connect
def note(body: Any, **_: Any) -> None:
    """Remember which entry was published."""
    _noted.append((body[0][0], time.time_ns() // 1000))


@atexit.register
def write() -> None:
    """Write down what was noted."""
    if _began_us:
        Path(os.environ[NOTES]).write_text(json.dumps({"began_us": _began_us[0], "published": _noted}))
