"""May this principal do that? One role so far: administrators may do everything in their tenant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .principal import ADMINISTRATOR, Principal


class Action(StrEnum):
    """What can be asked for, as audit rows name it."""

    TYPES_READ = "types.read"
    TYPES_UPDATE = "types.update"
    QUEUES_READ = "queues.read"
    QUEUES_UPDATE = "queues.update"
    JOBS_READ = "jobs.read"
    JOBS_CREATE = "jobs.create"
    JOBS_UPDATE = "jobs.update"
    JOBS_DELETE = "jobs.delete"
    SCHEDULES_READ = "schedules.read"
    SCHEDULES_CREATE = "schedules.create"
    SCHEDULES_UPDATE = "schedules.update"
    SCHEDULES_DELETE = "schedules.delete"
    RUNS_READ = "runs.read"
    RUNS_START = "runs.start"
    RUNS_STOP = "runs.stop"
    RUNS_DELETE = "runs.delete"
    RUNS_PRUNE = "runs.prune"
    WORKERS_READ = "workers.read"
    AUDIT_READ = "audit.read"
    TOKENS_CREATE = "tokens.create"
    SESSIONS_CREATE = "sessions.create"
    SESSIONS_END = "sessions.end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Yes or no, and why."""

    allowed: bool
    reason: str


def decide(principal: Principal, action: Action) -> Decision:
    """The decision for `principal` on `action` within the principal's own tenant."""
    if ADMINISTRATOR in principal.roles:
        return Decision(allowed=True, reason="administrators may do everything in their tenant")
    return Decision(allowed=False, reason=f"{action} needs the role {ADMINISTRATOR}")
