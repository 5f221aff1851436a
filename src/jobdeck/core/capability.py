"""What an engine can do for its runs: the rows of the matrix in the docs, and what doors hide or explain."""

from __future__ import annotations

from enum import StrEnum


class Capability(StrEnum):
    """One thing that administrators rely on."""

    PRIORITIES = "priorities"
    DELAY = "delay"
    STOP = "stop"
    FORCE_STOP = "force-stop"
    TIMEOUT = "timeout"
    RETRY = "retry"
    LIMITS = "limits"
    DEPENDENCIES = "dependencies"
    PROGRESS = "progress"
    LOGS = "logs"
    CRASH_RESCUE = "crash rescue"
    OUTBOX = "outbox"
    FENCING = "fencing"
