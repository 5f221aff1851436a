"""A schedule: when a job recurs, in which time zone, and what becomes of planned times that cannot be served as planned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from . import zones
from .principal import Principal
from .queue import Pause
from .recurrence import Recurrence, from_text

SCHEDULES_OF_JOB_LIMIT = 50


class Misfire(StrEnum):
    """What becomes of planned times that passed while nothing served them."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Overlap(StrEnum):
    """What to do at a planned time while a run of the same schedule is still going."""

    ALLOW = "allow"
    SKIP = "skip"
    WAIT_ONE = "wait_one"
    WAIT_ALL = "wait_all"
    STOP_PREVIOUS = "stop_previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The planned times of a schedule: a pure function of what it says, its zone, and the time asked for.

    Instants are microseconds since 1970. An interval counts from `starts_us`, or else from `anchor_us`; `ends_us` is the
    last instant that may still be one.
    """

    recurrence: Recurrence
    time_zone: str
    anchor_us: int
    starts_us: int | None = None
    ends_us: int | None = None

    def next_after(self, us: int) -> int | None:
        """The first planned time later than `us`; None when there is none any more."""
        start = self.anchor_us
        if self.starts_us is not None:
            start, us = self.starts_us, max(us, self.starts_us - 1)
        at = self.recurrence.next_after(us, zones.zone(self.time_zone), start)
        return None if at is None or (self.ends_us is not None and at > self.ends_us) else at

    def after(self, us: int) -> Iterator[int]:
        """All planned times later than `us`, in order; it may never end."""
        at = self.next_after(us)
        while at is not None:
            yield at
            at = self.next_after(at)


@lru_cache(maxsize=20_000)
def timing_of(recurrence: str, time_zone: str, anchor_us: int, starts_us: int | None, ends_us: int | None) -> Timing:
    """The timing of stored values."""
    return Timing(recurrence=from_text(recurrence), time_zone=time_zone, anchor_us=anchor_us, starts_us=starts_us,
                  ends_us=ends_us)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule of a job, as it was when read.

    `arguments` go before the job's when they are given. `jitter_s`: each run begins up to so many seconds after its planned
    time. `misfire_window_s`: planned times longer ago are missed, whatever `misfire` says. Its runs are started in the name
    of `principal`. `problem` says why it could not fire the last time. `next_fire_at` None: never again. `count` is how
    many runs it has made.
    """

    id: str
    tenant: str
    job_id: str
    timing: Timing
    max_count: int | None
    jitter_s: float
    arguments: dict[str, Any] | None
    custom_arguments: dict[str, Any] | None
    misfire: Misfire
    misfire_window_s: float | None
    overlap: Overlap
    principal: Principal
    pause: Pause | None
    problem: str | None
    tzdata: str
    next_fire_at: datetime | None
    last_fire_at: datetime | None
    served_until: datetime
    count: int
    version: int
    starts_at: datetime | None
    ends_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def recurrence(self) -> Recurrence:
        """When it recurs."""
        return self.timing.recurrence

    @property
    def time_zone(self) -> str:
        """The name of its IANA time zone."""
        return self.timing.time_zone


def jitter_of(schedule_id: str, fire_at: int, most_us: int) -> int:
    """How long after a planned time its run begins, below `most_us`: always the same for one planned time."""
    digest = blake2b(f"{schedule_id} {fire_at}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % most_us if most_us else 0
