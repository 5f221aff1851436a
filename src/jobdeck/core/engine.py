"""Which engine carries the runs of a queue to workers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DATABASE = "database"
"""The engine of queues that name none: our own workers look into the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """`engine` by its name; `queue` is what the queue is called there."""

    engine: str
    queue: str

    def __str__(self) -> str:
        return f"{self.engine}:{self.queue}"


class Isolation(StrEnum):
    """Where an engine's worker executes runs: in child processes of ours, which can be ended, or in its own process."""

    PROCESS = "process"
    NONE = "none"
