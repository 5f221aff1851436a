"""What changes of the clocks do to the planned times of a schedule, as notes for whoever looks ahead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo

from ..core import zones
from ..core.clock_changes import ClockChange, changes, effect
from ..core.preview import ClockNote
from ..core.recurrence import Interval
from ..core.schedule import Timing
from ..core.times import from_us

_SECOND_US = 1_000_000
_NIGHT_US = 25 * 3600 * _SECOND_US
_MONTH_US = 32 * 86_400 * _SECOND_US
_YEARS_US = 2 * 366 * 86_400 * _SECOND_US
_NOTES_LIMIT = 8
_CALENDAR_END_US = 250_000_000_000 * _SECOND_US
"""So late, in the year 9892, nobody knows about clocks; Python's calendar is about to end."""


def moved(timing: Timing, times: Sequence[int]) -> list[str | None]:
    """For each planned time what a clock change does to it; None for those that it leaves alone."""
    zone = zones.zone(timing.time_zone)
    return [_note(timing, zone, at) for at in times]


def coming(timing: Timing, times: Sequence[int], start_us: int, *, is_complete: bool) -> tuple[ClockNote, ...]:
    """The clock changes from `start_us` on that lie within these planned times, and the next one after them.

    Those that change nothing are left out; when that goes for all of them, the first one says so.
    """
    if not times or _is_long(timing):
        return ()
    zone = zones.zone(timing.time_zone)
    begin = max(start_us, (start_us if timing.starts_us is None else timing.starts_us) - 1)
    end = times[-1] if is_complete else min(begin + _YEARS_US, _CALENDAR_END_US)
    found = changes(zone, begin, min(max(times[-1], end), begin + 2 * _YEARS_US, _CALENDAR_END_US))
    within = sum(one.at_us <= times[-1] for one in found)
    shown = found[: within + (not is_complete)]
    told = [(one, _effect(timing, zone, one)) for one in shown]
    notes = [ClockNote(at=from_us(one.at_us), text=text) for one, text in told if text is not None]
    if not notes and shown:
        notes = [ClockNote(at=from_us(shown[0].at_us), text=_harmless(shown[0]))]
    return tuple(notes[:_NOTES_LIMIT])


def _note(timing: Timing, zone: tzinfo, at: int) -> str | None:
    if at > _CALENDAR_END_US or _is_long(timing):
        return None
    back_us = timing.recurrence.us if isinstance(timing.recurrence, Interval) else 0
    for change in changes(zone, at - max(back_us, _NIGHT_US), at + _NIGHT_US):
        if _is_touched(timing, change, at) and (text := _effect(timing, zone, change)) is not None:
            return text
        if not change.forward and 0 <= at - change.at_us < _length_us(change):
            return f"The second {from_us(at).astimezone(zone):%H:%M} of that day."
    return None


def _is_touched(timing: Timing, change: ClockChange, at: int) -> bool:
    """Whether it is the first time after the change (interval), the place of one that a gap leaves out, or one that
    comes twice and is served once.
    """
    if isinstance(timing.recurrence, Interval):
        return 0 <= at - change.at_us < timing.recurrence.us
    if change.forward:
        return at == change.at_us and not _is_its_own_time(timing, change)
    return 0 < change.at_us - at <= _length_us(change) and not _runs_on(timing, change)


def _effect(timing: Timing, zone: tzinfo, change: ClockChange) -> str | None:
    return effect(timing.recurrence, zone, change, _anchor(timing))


def _is_long(timing: Timing) -> bool:
    """Whether it is an interval at which nobody expects the same hour of the day."""
    return isinstance(timing.recurrence, Interval) and timing.recurrence.us > _MONTH_US


def _is_its_own_time(timing: Timing, change: ClockChange) -> bool:
    """Whether the first moment after a gap is a time that it names, and not the place of one that was left out."""
    new = timezone(timedelta(seconds=change.after_s))
    return timing.recurrence.next_after(change.at_us - 1, new, _anchor(timing)) == change.at_us


def _runs_on(timing: Timing, change: ClockChange) -> bool:
    """Whether it fires in what comes twice the second time, too."""
    again = timing.recurrence.next_after(change.at_us - 1, zones.zone(timing.time_zone), _anchor(timing))
    return again is not None and again < change.at_us + _length_us(change)


def _length_us(change: ClockChange) -> int:
    return abs(change.after_s - change.before_s) * _SECOND_US


def _harmless(change: ClockChange) -> str:
    """`On 28 March 2027 the clocks go forward by 1 hour; its times stay as they are.`"""
    minutes = _length_us(change) // _SECOND_US // 60
    hours, rest = divmod(minutes, 60)
    length = f"{minutes} minutes" if rest or not hours else "1 hour" if hours == 1 else f"{hours} hours"
    day = from_us(change.at_us).astimezone(UTC) + timedelta(seconds=change.before_s)
    way = "forward" if change.forward else "back"
    return f"On {day.day} {day:%B %Y} the clocks go {way} by {length}; that changes none of its times."


def _anchor(timing: Timing) -> int:
    return timing.anchor_us if timing.starts_us is None else timing.starts_us
