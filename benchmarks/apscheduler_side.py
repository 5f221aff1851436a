"""APScheduler as a process of its own, with its defaults: ten threads execute what is due, each job notes when its body began.

`python -m benchmarks.apscheduler_side PLAN NOTES [STORE]`; the plan is JSON, STORE the address of a database for its jobs.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.blocking import BlockingScheduler

from .planned import PERIOD_S, PERIOD_US, Plan

_noted: list[tuple[int, int]] = []


def note(anchor_us: int) -> None:
    """Remember a planned time and now. It is never served a period late: after a second APScheduler lets it go."""
    now_us = time.time_ns() // 1000
    _noted.append((anchor_us + (now_us - anchor_us) // PERIOD_US * PERIOD_US, now_us))


def main(plan: Plan, notes: Path, store: str | None) -> None:
    """Serve the plan until SIGTERM, then write down what was noted."""
    logging.disable()
    scheduler = BlockingScheduler(timezone=UTC)
    if store is not None:
        scheduler.add_jobstore(SQLAlchemyJobStore(url=store))
    for number in range(plan.count):
        anchor_us = plan.anchor_us(number)
        first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=anchor_us)
        scheduler.add_job(note, "interval", seconds=PERIOD_S, start_date=first, args=[anchor_us])

    def end(*_: object) -> None:
        # The threads of its pool may have work for longer than anybody waits.
        notes.write_text(json.dumps(_noted))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    scheduler.start()


if __name__ == "__main__":
    main(Plan(**json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
