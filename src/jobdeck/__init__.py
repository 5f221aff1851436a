"""jobdeck: background work as jobs that administrators run, schedule, watch and stop.

The public names. They are looked up on first use, so that a module which only declares job types loads neither the
database nor the web.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.retry import RetryPolicy
    from .core.run import Run, Status
    from .deck import Deck
    from .definitions.job_type import JobType, job_type
    from .definitions.last_success import LastSuccess
    from .definitions.predefined import PredefinedArgsSchema
    from .errors import (
        Conflict,
        InvalidInput,
        JobdeckError,
        NotAllowed,
        NotFound,
        Occupied,
        Retry,
        RunStopped,
        TaskExecutionPartialError,
    )
    from .executor.context import current_run, track

_HOMES = {
    "Deck": "deck",
    "JobType": "definitions.job_type",
    "job_type": "definitions.job_type",
    "LastSuccess": "definitions.last_success",
    "PredefinedArgsSchema": "definitions.predefined",
    "Run": "core.run",
    "Status": "core.run",
    "Conflict": "errors",
    "InvalidInput": "errors",
    "JobdeckError": "errors",
    "NotAllowed": "errors",
    "NotFound": "errors",
    "Occupied": "errors",
    "Retry": "errors",
    "RetryPolicy": "core.retry",
    "RunStopped": "errors",
    "TaskExecutionPartialError": "errors",
    "current_run": "executor.context",
    "track": "executor.context",
}

__all__ = [
    "Conflict", "Deck", "InvalidInput", "JobType", "JobdeckError", "LastSuccess", "NotAllowed", "NotFound", "Occupied",
    "PredefinedArgsSchema", "Retry", "RetryPolicy", "Run", "RunStopped", "Status", "TaskExecutionPartialError",
    "current_run", "job_type", "track",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jobdeck' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
