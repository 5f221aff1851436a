"""How schedules look to people: their state, what became of a planned time, wall clock times, and the words of choices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ...core import zones
from ...core.schedule import Schedule
from ...core.tick import Tick
from ...services.descriptions import describe

_CLOCK = re.compile(r"(\d\d:\d\d)?")
_WALL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?)?")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

KINDS = (
    ("every", "Every so often"),
    ("daily", "Daily"),
    ("weekly", "Weekly"),
    ("monthly", "Monthly"),
    ("cron", "Cron"),
    ("once", "Once"),
)
CRONTAB = ("crontab", "Crontab fields")
UNITS = ("minutes", "hours", "days", "weeks", "seconds")
WEEKDAYS = (("mon", "Monday"), ("tue", "Tuesday"), ("wed", "Wednesday"), ("thu", "Thursday"), ("fri", "Friday"),
            ("sat", "Saturday"), ("sun", "Sunday"))  # fmt: skip
MISFIRES = (
    ("once", "Run once", "However many times passed, one run makes up for all of them, at once. Right for most jobs."),
    ("skip", "Skip them", "Nothing is made up for; the next planned time is the next run."),
    ("all", "Run every one", "One run for each time that passed, oldest first; for jobs of which each day counts."),
)
OVERLAPS = (
    ("skip", "Skip this time", "The run before goes on; this planned time makes no run."),
    ("wait_one", "Let one wait", "One run waits until the one before has ended; further times make no run."),
    ("wait_all", "Let all wait", "Every planned time makes a run; they begin one after another."),
    ("allow", "Run side by side", "Every planned time makes a run that begins at once."),
    ("stop_previous", "Stop the run before", "It is asked to stop, and the new one begins when it has ended."),
)
_STATES = {
    "active": "active",
    "paused": "paused",
    "broken": "broken",
    "inactive": "job inactive",
    "finished": "finished",
}
_BECAME = {"fired": "Fired", "caught_up": "Caught up", "skipped": "Skipped", "missed": "Missed"}
_WHY = {
    "overlap": "The run before was still going.",
    "paused": "The schedule was paused.",
    "inactive": "Its job was not active.",
    "superseded": "One later run made up for it.",
    "changed": "The schedule was changed before it was served.",
    "limit": "The job's limit was reached.",
    "not_allowed": "Its runs may not be started in that name any more.",
    "broken": "It could not be started.",
    "late": "No scheduler was at work in time.",
}


def state_of(schedule: Schedule, is_job_active: bool = True) -> str:
    """`paused`, `broken` (it could not fire the last time), `finished`, `inactive` (its job is) or `active`."""
    if schedule.pause is not None:
        return "paused"
    if schedule.problem is not None:
        return "broken"
    if schedule.next_fire_at is None:
        return "finished"
    return "active" if is_job_active else "inactive"


def state_word(state: str) -> str:
    """The word for a state."""
    return _STATES[state]


def tick_word(tick: Tick) -> str:
    """What became of a planned time: `Fired`, `Caught up`, `Skipped`, `Missed`."""
    return _BECAME[tick.kind]


def tick_why(tick: Tick) -> str:
    """Why, as a sentence; what was written down then goes before the general words. Nothing to say of what fired."""
    return tick.detail or _WHY.get(str(tick.reason), "")


def counted(counts: Mapping[Any, int]) -> list[tuple[str, int]]:
    """(word, number) of every kind of tick, those that are fine first."""
    told = {str(kind): number for kind, number in counts.items()}
    return [(word.lower(), told.get(kind, 0)) for kind, word in _BECAME.items()]


def wall(at: datetime, time_zone: str, with_seconds: bool = False) -> str:
    """`Sun 28 Mar 2027, 03:00` on the wall clock of a zone; seconds only when asked for, or where there are any."""
    local = at.astimezone(zones.zone_or_utc(time_zone))
    seconds = f":{local.second:02d}" if with_seconds or local.second or local.microsecond else ""
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M}{seconds}"


def offset_name(at: datetime, time_zone: str) -> str:
    """What the zone calls its clock at that time: `CEST`, or `UTC+05:45` where it has no name for it."""
    name = at.astimezone(zones.zone_or_utc(time_zone)).tzname() or ""
    if name[:1] not in ("+", "-"):
        return name
    return f"UTC{name[:3]}:{name[3:]}" if len(name) == 5 else f"UTC{name}"


def is_clock(text: object) -> bool:
    """Whether the browser's control for a time of the day can show it."""
    return _CLOCK.fullmatch(str(text or "")) is not None


def is_wall(text: object) -> bool:
    """Whether the browser's control for a date and a time can show it."""
    return _WALL.fullmatch(str(text or "")) is not None


def misfire_word(policy: str) -> str:
    """The short words of a misfire policy."""
    return next(word.lower() for value, word, _ in MISFIRES if value == policy)


def overlap_word(policy: str) -> str:
    """The short words of an overlap policy."""
    return next(word.lower() for value, word, _ in OVERLAPS if value == policy)


def descriptions_of(schedules: Iterable[Schedule]) -> dict[str, str]:
    """When each of them recurs, in a sentence, by id."""
    return {one.id: describe(one.recurrence, one.time_zone) for one in schedules}


def next_of(schedules: Sequence[Schedule]) -> tuple[str, datetime | None]:
    """The state of a job's schedules taken together, and when the next run of them is planned."""
    states = {one.id: state_of(one) for one in schedules}
    times = [one.next_fire_at for one in schedules if states[one.id] in ("active", "broken") and one.next_fire_at]
    worst = next((state for state in ("broken", "active", "paused", "finished") if state in states.values()), "none")
    return worst, min(times, default=None)


FILTERS: dict[str, Callable[..., Any]] = {
    "state_of": state_of,
    "state_word": state_word,
    "tick_word": tick_word,
    "tick_why": tick_why,
    "counted": counted,
    "wall": wall,
    "offset_name": offset_name,
    "next_of": next_of,
    "misfire_word": misfire_word,
    "overlap_word": overlap_word,
    "is_clock": is_clock,
    "is_wall": is_wall,
}
