"""Ticks: what became of each planned time of a schedule. One row each, whatever happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .schedule import Misfire

ON_TIME_US = 60_000_000
"""A planned time that is served within a minute is served on time."""


class TickKind(StrEnum):
    """What became of a planned time."""

    FIRED = "fired"
    CAUGHT_UP = "caught_up"
    SKIPPED = "skipped"
    MISSED = "missed"


class TickReason(StrEnum):
    """Why a planned time made no run of its own."""

    OVERLAP = "overlap"
    PAUSED = "paused"
    INACTIVE = "inactive"
    SUPERSEDED = "superseded"
    CHANGED = "changed"
    LIMIT = "limit"
    NOT_ALLOWED = "not_allowed"
    BROKEN = "broken"
    LATE = "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One planned time and what became of it. `detail` says more in words; `run_id` is the run that it made."""

    schedule_id: str
    fire_at: datetime
    kind: TickKind
    reason: TickReason | None
    detail: str | None
    run_id: str | None
    recorded_at: datetime


Verdict = tuple[TickKind, TickReason | None]


def judge(
    due: Sequence[int], now_us: int, misfire: Misfire, window_us: int | None, *, more_follow: bool
) -> list[Verdict]:
    """What the misfire policy makes of planned times that are due, oldest first; one verdict each.

    `more_follow`: others are due after these.
    """
    verdicts: list[Verdict] = []
    for number, at in enumerate(due):
        late_us = now_us - at
        if late_us <= ON_TIME_US:
            verdicts.append((TickKind.FIRED, None))
        elif misfire is Misfire.SKIP or (window_us is not None and late_us > window_us):
            verdicts.append((TickKind.MISSED, TickReason.LATE))
        elif misfire is Misfire.ALL or not (more_follow or number < len(due) - 1):
            verdicts.append((TickKind.CAUGHT_UP, None))
        else:
            verdicts.append((TickKind.SKIPPED, TickReason.SUPERSEDED))
    return verdicts
