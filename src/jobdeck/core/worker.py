"""A worker: one supervising process that claims runs and has them executed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """`id` is new at every start; `boot_id`, `pid` and `pid_started` name the process on its host."""

    id: str
    host: str
    pid: int
    pid_started: int
    boot_id: str
    queues: tuple[str, ...]
    processes: int
    started_at: datetime
    seen_at: datetime
