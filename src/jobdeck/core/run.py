"""A run: one request to execute a job, a job type or a plain function. The record of truth.

Neighbours: `core.lifecycle` says how a run may change, `store.runs` keeps it, the doors show it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

from .file import RunFile
from .principal import Principal


class Status(StrEnum):
    """What is stored. `WAITING` and `CANCELLING` are shown, derived when read (`Run.shown_status`)."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    PARTIAL_SUCCESS = "PARTIAL_SUCCESS"
    WARNING = "WARNING"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether no run ever leaves it."""
        return self not in (Status.QUEUED, Status.RUNNING)


FINAL_STATUSES = tuple(status for status in Status if status.is_final)
WAITING, CANCELLING = "WAITING", "CANCELLING"
SHOWN_STATUSES = (WAITING, "QUEUED", "RUNNING", CANCELLING, *(str(s) for s in FINAL_STATUSES))


class Reason(StrEnum):
    """Why a run FAILED or was CANCELLED."""

    ERROR = "error"
    TIMEOUT = "timeout"
    LOST = "lost"
    EXPIRED = "expired"
    DEPENDENCY = "dependency"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    REPLACED = "replaced"


class Parked(IntEnum):
    """Why a queued run is out of line: nothing looks at it until what it waits for happens."""

    IN_LINE = 0
    LIMIT = 1
    ELSEWHERE = 2
    DEPENDENCY = 3


class Trigger(StrEnum):
    """Why a run exists."""

    MANUAL = "manual"
    API = "api"
    SCHEDULE = "schedule"
    ENQUEUE = "enqueue"
    RERUN = "rerun"
    DEPENDENCY = "dependency"
    PARENT = "parent"
    COMPAT = "compat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: `done` of `total` (None = unknown), with a few words."""

    done: int
    total: int | None = None
    message: str | None = None

    @property
    def fraction(self) -> float | None:
        """0.0 to 1.0, or None when the total is unknown."""
        return None if not self.total else min(1.0, self.done / self.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Sub-run and entry counters, with InvenioRDM's names. `subtasks_closed`: the body has returned, none will come."""

    total_subtasks: int = 0
    completed_subtasks: int = 0
    failed_subtasks: int = 0
    errored_entries: int = 0
    inserted_entries: int = 0
    updated_entries: int = 0
    total_entries: int = 0
    subtasks_closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it was when read.

    `type` is a job type's id, or None for a plain function, whose dotted path is `function`. `arguments` are
    the final keyword arguments, `positional` those of a plain function that have no name. `heartbeat_at` is
    when its worker last said that it lives. `priority` is a head start in minutes. `body_kind` says how the body ended
    of a run that waits for its sub-runs. `fire_at` is the planned time of `schedule_id` that it was made for. `fenced` counts
    the deliveries of an engine that found it taken already.
    """

    id: str
    tenant: str
    job_id: str | None
    type: str | None
    function: str | None
    title: str | None
    arguments: dict[str, Any]
    positional: tuple[Any, ...] = ()
    queue: str
    trigger: Trigger
    started_by: Principal | None
    status: Status
    reason: Reason | None
    message: str | None
    result: Any
    attempt: int
    max_attempts: int
    timeout_s: float | None
    available_at: datetime
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    stop_requested_at: datetime | None
    stop_requested_by: str | None
    stop_reason: str | None
    progress: Progress | None
    counters: Counters = field(default_factory=Counters)
    priority: int = 0
    expires_at: datetime | None = None
    open_dependencies: int = 0
    parked: Parked = Parked.IN_LINE
    limit_key: str | None = None
    limit_n: int | None = None
    limit_policy: str | None = None
    unique_key: str | None = None
    rescues: int = 0
    releases: int = 0
    fenced: int = 0
    owner: str | None = None
    stop_kind: str | None = None
    body_kind: str | None = None
    parent_id: str | None = None
    retry_of: str | None = None
    schedule_id: str | None = None
    fire_at: datetime | None = None
    heartbeat_at: datetime | None = None
    traceback: str | None = None
    files: tuple[RunFile, ...] = ()

    @property
    def updated_at(self) -> datetime:
        """When it last changed its state."""
        times = (self.created_at, self.started_at, self.stop_requested_at, self.ended_at)
        return max(at for at in times if at is not None)

    @property
    def is_final(self) -> bool:
        """Whether it has ended for ever."""
        return self.status.is_final

    def shown_status(self, now: datetime) -> str:
        """The status a person sees: WAITING while not yet eligible, CANCELLING while asked to stop."""
        if self.status is Status.QUEUED and (self.available_at > now or self.parked is not Parked.IN_LINE):
            return WAITING
        if self.status is Status.RUNNING and self.stop_requested_at is not None:
            return CANCELLING
        return self.status
