"""How an attempt ended, as the process that ran it says; `core.lifecycle` turns it into a status."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OutcomeKind(StrEnum):
    """`stopped` and `timeout` are said by the supervisor, which asked; `lost` when the process had to be left,
    `released` when it was left at a shutdown and its type may be begun anew.
    """

    SUCCESS = "success"
    PARTIAL = "partial"
    WARNING = "warning"
    ERROR = "error"
    STOPPED = "stopped"
    TIMEOUT = "timeout"
    LOST = "lost"
    RELEASED = "released"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """`result` is JSON text; `message` one or more lines for people; times are microseconds since 1970.

    `retry`: whether to try again while attempts are left; a number is after how many seconds, not the policy's delay.
    """

    kind: OutcomeKind
    message: str | None = None
    traceback: str | None = None
    result: str | None = None
    errored_entries: int = 0
    started_us: int | None = None
    ended_us: int | None = None
    pid: int | None = None
    exit_code: int | None = None
    signal: int | None = None
    rss_max: int | None = None
    retry: bool | float = True
