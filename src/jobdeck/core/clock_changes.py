"""Nights on which clocks change, and what a recurrence does on them, in words for people.

The words hold no rule of their own: the recurrence is asked what it does around the change, and what it would have done
had the clock not been touched. Neighbours: `core/wall_clock.py` knows the clock; previews of schedules show the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from .recurrence import Interval, Once, Recurrence
from .times import EPOCH, from_us
from .wall_clock import DAY, offset_changes

_SECOND = 1_000_000
_DAY_US = DAY * _SECOND
_COUNT_LIMIT = 200
"""Where counting stops: nobody reads more, and a change of a day has 86,400 seconds."""


@dataclass(frozen=True, slots=True)
class ClockChange:
    """At `at_us` (microseconds since 1970) a zone's offset from UTC goes from `before_s` to `after_s` seconds."""

    at_us: int
    before_s: int
    after_s: int

    @property
    def forward(self) -> bool:
        """Wall times are left out; else some come twice."""
        return self.after_s > self.before_s


def changes(zone: tzinfo, start_us: int, end_us: int) -> list[ClockChange]:
    """The changes after `start_us` and not after `end_us`, in order; both microseconds since 1970."""
    found: list[ClockChange] = []
    for year in range(from_us(start_us).year, from_us(end_us).year + 1):
        found.extend(one for one in _of_year(zone, year) if start_us < one.at_us <= end_us)
    return found


def effect(recurrence: Recurrence, zone: tzinfo, change: ClockChange, anchor_us: int = 0) -> str | None:
    """What the recurrence does at the change, as sentences; None when the change does not concern it."""
    if isinstance(recurrence, Interval):
        return _on_interval(recurrence, zone, change, anchor_us)
    if isinstance(recurrence, Once) and recurrence.at.tzinfo is not None:
        return None
    text = (_on_gap if change.forward else _on_overlap)(recurrence, zone, change, anchor_us)
    return text and text[0].upper() + text[1:]


def _on_gap(recurrence: Recurrence, zone: tzinfo, change: ClockChange, anchor_us: int) -> str | None:
    """A clock that stays at the old offset shows what is left out, one always at the new offset what comes anyway."""
    before, after = (timezone(timedelta(seconds=one)) for one in (change.before_s, change.after_s))
    length_us = (change.after_s - change.before_s) * _SECOND
    missing = _fires(recurrence, before, change.at_us, change.at_us + length_us, anchor_us)
    if not missing:
        return None
    exist, are = ("does not exist", "is") if len(missing) == 1 else ("do not exist", "are")
    which = f"{_times(missing, before)} {exist} on {_date(missing[0], before)}"
    then = _time(change.at_us, zone)
    if recurrence.next_after(change.at_us - 1, zone, anchor_us) != change.at_us:
        return f"It runs in real time: {which} and {are} left out."
    if recurrence.next_after(change.at_us - 1, after, anchor_us) == change.at_us:
        return f"{which} and {are} left out: it goes on at {then}."
    return f"{which}: it runs {'' if len(missing) == 1 else 'once, '}at {then}, the first moment after."


def _on_overlap(recurrence: Recurrence, zone: tzinfo, change: ClockChange, anchor_us: int) -> str | None:
    length_us = (change.before_s - change.after_s) * _SECOND
    first = _fires(recurrence, zone, change.at_us - length_us, change.at_us, anchor_us)
    again = _fires(recurrence, zone, change.at_us, change.at_us + length_us, anchor_us)
    if not first and not again:
        return None
    date = _date(change.at_us - length_us, zone)
    if not again:
        comes = "comes" if len(first) == 1 else "come"
        return f"{_times(first, zone)} {comes} twice on {date}: it runs the first time only."
    more = {1: "once more", 2: "twice more"}.get(len(again), f"{_count(again)} times more")
    return f"It runs in real time: {more} on {date}, in {_length(length_us)} that {_comes(length_us)} twice."


def _on_interval(recurrence: Interval, zone: tzinfo, change: ClockChange, anchor_us: int) -> str | None:
    """Whole days keep their hour of the day, until the clock is touched."""
    if recurrence.us % _DAY_US or anchor_us >= change.at_us:
        return None
    after = recurrence.next_after(change.at_us - 1, zone, anchor_us)
    before = after - recurrence.us
    return (
        f"It keeps its distance in real time: from {_date(after, zone)} on it runs at {_time(after, zone)}, "
        f"before that at {_time(before, zone)}."
    )


def _fires(recurrence: Recurrence, zone: tzinfo, start_us: int, end_us: int, anchor_us: int) -> list[int]:
    """Its instants from `start_us` (inclusive) to `end_us` (exclusive), at most a few more than are counted."""
    found: list[int] = []
    at = recurrence.next_after(start_us - 1, zone, anchor_us)
    while at is not None and at < end_us and len(found) <= _COUNT_LIMIT:
        found.append(at)
        at = recurrence.next_after(at, zone, anchor_us)
    return found


def _times(instants: list[int], zone: tzinfo) -> str:
    """`02:30`, `02:00 and 02:30`, or `12 of its times from 02:00 on`."""
    if len(instants) > 3:
        return f"{_count(instants)} of its times from {_time(instants[0], zone)} on"
    texts = [_time(one, zone) for one in instants]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _count(instants: list[int]) -> str:
    return f"more than {_COUNT_LIMIT}" if len(instants) > _COUNT_LIMIT else str(len(instants))


def _length(us: int) -> str:
    minutes = us // 60 // _SECOND
    if minutes % 60:
        return f"the {minutes} minutes"
    return "the hour" if minutes == 60 else f"the {minutes // 60} hours"


def _comes(us: int) -> str:
    return "comes" if us == 3600 * _SECOND else "come"


def _wall(us: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(us // _SECOND, zone)


def _time(us: int, zone: tzinfo) -> str:
    wall = _wall(us, zone)
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _date(us: int, zone: tzinfo) -> str:
    wall = _wall(us, zone)
    return f"{wall.day} {_MONTH_NAMES[wall.month - 1]} {wall.year}"


@lru_cache(maxsize=4096)
def _of_year(zone: tzinfo, year: int) -> tuple[ClockChange, ...]:
    """Those from the first moment of the year in UTC to the last."""
    start, end = (int((datetime(one, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) - 1 for one in (year, year + 1))
    return tuple(ClockChange(at * _SECOND, before, after) for at, before, after in offset_changes(zone, start, end))


_MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
