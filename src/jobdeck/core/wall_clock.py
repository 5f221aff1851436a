"""How the clock on the wall goes in a zone: spans of one offset, and where one ends and the next begins.

Everything counts whole seconds: `second` since 1970 in UTC, `wall` the same count read off the wall's clock. Only the
conversion from UTC is asked of the zone; what a gap or an overlap is follows from it. Neighbours: `core/cron.py` and
`core/recurrence.py` look for instants in these spans, `core/clock_changes.py` tells people about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

DAY = 86_400
LAST_YEAR = 9998
"""Python's calendar ends a year later."""
LAST_SECOND = 253_370_764_800 - 1
"""The last one of that year."""
_PROBE = DAY // 2
_BACK, _AHEAD = 3, 4
_NONE = timedelta()


class Span(NamedTuple):
    """Seconds `start` (inclusive) to `end` (exclusive) in which the wall's clock is `offset` ahead of UTC.

    `reached` is the wall time that had been reached when it starts: later than `start + offset` when the clock was set
    back, earlier when it was set forward.
    """

    start: int
    end: int
    offset: int
    reached: int


def offset_at(zone: tzinfo, second: int) -> int:
    """Seconds by which the wall's clock is ahead of UTC."""
    offset = datetime.fromtimestamp(second, zone).utcoffset() or _NONE
    return offset.days * DAY + offset.seconds


def offset_changes(zone: tzinfo, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Where the offset changes after `start` and not after `end`: the first second with the new one, old, new.

    Two changes within half a day that undo one another would be missed; no zone has had any.
    """
    low, before = start, offset_at(zone, start)
    while low < end:
        high = min(low + _PROBE, end)
        after = offset_at(zone, high)
        if after != before:
            yield _first_with_other_offset(zone, low, high, before), before, after
        low, before = high, after


def span_at(zone: tzinfo, second: int) -> Span:
    """The span that holds `second`, cut off a few days from it if it is longer."""
    spans = _spans_around(zone, second // DAY)
    for span in spans:
        if second < span.end:
            return span
    raise AssertionError("the spans of a day hold each of its seconds")


def instant_of(zone: tzinfo, wall: int) -> int:
    """The second at which the wall's clock first shows `wall`, or the first one after the gap that leaves it out."""
    second = wall - DAY
    while True:
        span = span_at(zone, second)
        if wall < span.end + span.offset:
            return max(wall - span.offset, span.start)
        second = span.end


def _first_with_other_offset(zone: tzinfo, low: int, high: int, offset: int) -> int:
    while high - low > 1:
        middle = (low + high) // 2
        if offset_at(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=8192)
def _spans_around(zone: tzinfo, day: int) -> tuple[Span, ...]:
    start, end = (day - _BACK) * DAY, min((day + _AHEAD) * DAY, LAST_SECOND + 1)
    spans = []
    reached = start + offset_at(zone, start)
    for change, before, _ in (*offset_changes(zone, start, end), (end, offset_at(zone, end), 0)):
        spans.append(Span(start, change, before, reached))
        start, reached = change, max(reached, change + before)
    return tuple(spans)
