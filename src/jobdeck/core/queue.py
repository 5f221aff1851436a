"""A queue as administrators see it: what carries its runs, how much waits and works there, who serves it, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from .engine import DATABASE, Isolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Who paused a queue or a job type, when and why."""

    at: datetime
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What carries the runs of a queue to workers. `queue` is its name there, None on the database.

    `isolation` says where runs execute; None when that is not known, as the engine cannot be loaded. `is_immediate`: in the
    process of whoever queues them. `command` starts a worker of the queue; None when no command does, or none is known.
    """

    engine: str = DATABASE
    queue: str | None = None
    isolation: Isolation | None = Isolation.PROCESS
    is_immediate: bool = False
    command: str | None = None

    @property
    def is_rung(self) -> bool:
        """Whether a dispatcher has to tell the engine of runs."""
        return self.engine != DATABASE and not self.is_immediate

    @property
    def is_cooperative(self) -> bool:
        """Whether a run can be asked to end there, and not be made to."""
        return self.isolation is Isolation.NONE

    @property
    def served_by(self) -> str:
        """Who serves the queue, within a sentence for operators."""
        if self.is_immediate:
            return "whoever enqueues"
        return f"the workers of {self.engine}" if self.command is None else f"`{self.command}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Runs of a queue wait and nobody serves it, since when; `message` also says what to do. `code` is for programs,
    `command` starts what is missing, None when no command is enough.
    """

    queue: str
    code: str
    message: str
    command: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """`queued` and `running` are counted to 10,000. `limit` is how many of its runs may be at work at once; None = any.

    `processes` are the slots of the live workers that serve it. `depth` is how many messages wait at its engine, as far as
    that tells; `oldest_at` since when the run waits that has waited longest of those that may begin.
    `cannot` are capabilities that its engine lacks, each with the reason; `problem` is what keeps the engine from working.
    """

    name: str
    title: str
    carrier: Carrier = field(default_factory=Carrier)
    queued: int
    running: int
    oldest_at: datetime | None = None
    depth: int | None = None
    workers: int
    processes: int
    limit: int | None = None
    pause: Pause | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
    alert: Alert | None = None

    @property
    def is_idle_alone(self) -> bool:
        """Whether nobody serves it, which matters to no run yet, and a command would change."""
        return not self.workers and self.carrier.command is not None and self.alert is None
