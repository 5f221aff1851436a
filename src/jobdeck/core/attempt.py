"""One try at a run, by one worker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`outcome` is None while it runs, `message` what it failed with; `signal` is what ended its process; `rss_max` in bytes.

    `engine` is what had carried it to its worker, as long as that is remembered.
    """

    run_id: str
    attempt: int
    worker_id: str
    host: str
    pid: int | None
    started_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    message: str | None
    exit_code: int | None
    signal: int | None
    rss_max: int | None
    engine: str | None = None
