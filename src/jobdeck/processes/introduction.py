"""How a worker introduces itself to the others: who it is, where it lives, what it serves."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from ..core.engine import DATABASE
from ..core.times import from_us
from ..core.worker import WorkerInfo
from . import identity


def introduce(
    queues: Sequence[str], types: Sequence[str], processes: int, *, engine: str = DATABASE, home: Path | None = None
) -> WorkerInfo:
    """A new worker, which this process is. With a `home`, its children have their pages below it."""
    pid, now = os.getpid(), from_us(time.time_ns() // 1000)
    worker_id = str(uuid.uuid4())
    return WorkerInfo(
        id=worker_id,
        pages=None if home is None else str(home / "workers" / worker_id),
        types=tuple(types),
        host=identity.host_name(),
        pid=pid,
        pid_started=identity.started_ticks(pid) or 0,
        boot_id=identity.boot_id(),
        engine=engine,
        queues=tuple(queues),
        processes=processes,
        started_at=now,
        seen_at=now,
    )
