"""What cron should do, by brute force over UTC minutes; shares no code with the evaluator.

`fires` reads the wall's clock once a minute. For an expression whose minute or hour begins with `*` a minute is due when
the wall's clock matches. For any other it does what Debian's cron does: it remembers the latest wall minute it has
served; when the clock has jumped forward, the skipped minutes are due now; when it went back, it waits for it to catch up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache

MINUTE = 60
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def names(text: str, number: int, low: int, high: int, words: list[str]) -> bool:
    """Does the text of a field name this number?"""

    def read(word: str) -> int:
        return words.index(word) + low if word in words else int(word)

    for part in text.lower().split(","):
        body, _, step = part.partition("/")
        start, _, end = body.partition("-")
        first, last = (low, high) if start == "*" else (read(start), read(end or start))
        if number in list(range(first, last + 1))[:: int(step or 1)]:
            return True
    return False


class Times:
    """The wall minutes that an expression of five fields names."""

    def __init__(self, expression: str) -> None:
        minute, hour, day, month, week = expression.split()
        self.real_time = minute[0] == "*" or hour[0] == "*"
        self.minutes = {n for n in range(60) if names(minute, n, 0, 59, [])}
        self.hours = {n for n in range(24) if names(hour, n, 0, 23, [])}
        self.days = {n for n in range(1, 32) if names(day, n, 1, 31, [])}
        self.months = {n for n in range(1, 13) if names(month, n, 1, 12, _MONTHS)}
        self.week = {n % 7 for n in range(8) if names(week, n, 0, 7, _DAYS)}
        self.either = day[0] != "*" and week[0] != "*"

    def on_day(self, at: datetime) -> bool:
        """Does its day match?"""
        in_month, in_week = at.day in self.days, at.isoweekday() % 7 in self.week
        return at.month in self.months and (in_month or in_week if self.either else in_month and in_week)

    def match(self, at: datetime) -> bool:
        """Does this wall time match?"""
        return at.minute in self.minutes and at.hour in self.hours and self.on_day(at)


@lru_cache(maxsize=64)
def walls(zone: tzinfo, start: int, end: int) -> list[tuple[int, datetime]]:
    """Each minute from `start` to `end` (exclusive) and what the wall's clock shows."""
    return [(at, datetime.fromtimestamp(at, zone).replace(tzinfo=None)) for at in range(start, end, MINUTE)]


def fires(expression: str, zone: tzinfo, start: int, end: int) -> list[int]:
    """Its instants from `start` to `end`, in seconds since 1970. `start` is a whole minute with no change shortly before."""
    times, clock = Times(expression), walls(zone, start, end)
    if times.real_time:
        return [at for at, wall in clock if times.match(wall)]
    return _daemon(times.match, clock)


def _daemon(match: Callable[[datetime], bool], clock: list[tuple[int, datetime]]) -> list[int]:
    found, minute = [], timedelta(minutes=1)
    served = clock[0][1] - minute
    for at, wall in clock:
        if wall - served == minute:
            due, served = match(wall), wall
        else:
            due = False
            while served < wall:
                served += minute
                due = match(served) or due
        if due:
            found.append(at)
    return found
