"""What a schedule will do, for people who look ahead: before it is saved, or for all schedules together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTime:
    """An instant at which a schedule fires, in UTC and by the clock of its zone; `note` when a clock change moves it."""

    at: datetime
    local: datetime
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockNote:
    """A change of the clocks at `at`, and what the schedule does then."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """Another active schedule that fires within a minute of `count` of the planned times; `at` is the first of them."""

    at: datetime
    count: int
    schedule_id: str
    job_id: str
    job_title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The next planned times of a schedule. `is_complete`: there are no later ones.

    `collisions_are_complete` is false when there were too many other schedules to look at all of them. `tzdata` is the
    release of the time zones that this is from.
    """

    description: str
    time_zone: str
    tzdata: str
    times: tuple[PlannedTime, ...]
    clock_changes: tuple[ClockNote, ...]
    collisions: tuple[Collision, ...]
    is_complete: bool
    collisions_are_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTime:
    """One planned time among those of all schedules; `collides` when another schedule fires within the same minute."""

    at: datetime
    local: datetime
    schedule: Schedule
    job_title: str
    collides: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """Planned times in order. `is_complete`: these are all there are between the two instants."""

    times: tuple[SimulatedTime, ...]
    is_complete: bool
