"""One structured line of a run's log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def level_name(number: int) -> str:
    """The standard level at or below `number` (25 → INFO); below DEBUG is DEBUG."""
    name = "DEBUG"
    for candidate, floor in LEVELS.items():
        if number >= floor:
            name = candidate
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """`seq` counts from 1 within a run and is the cursor of every reader; `fields` holds what the call gave."""

    run_id: str
    seq: int
    attempt: int
    at: datetime
    level: str
    logger: str
    message: str
    fields: Mapping[str, Any]
