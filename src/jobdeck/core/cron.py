"""Cron: which instants an expression names in a zone. Our own evaluator, because each library fails somewhere on the
nights on which clocks change.

Expression: minute, hour, day of month, month, day of week; six fields begin with seconds. Names, lists, ranges and steps
(`mon-fri`, `1,15`, `10-50/20`, `*/5`) as Debian's cron reads them; 0 and 7 are Sunday. `@yearly`, `@annually`,
`@monthly`, `@weekly`, `@daily`, `@midnight`, `@hourly`; not `@reboot`, which names no instant.

Days: in an expression that restricts both the day of month and the day of week, one of them is enough; a field that
begins with `*` (also `*/2`) restricts nothing, so then both must match. In a crontab object both must match always.

Clock changes: when neither minute nor hour begins with `*`, the schedule names times of day. A time that a gap leaves
out is served at the first instant after the gap, once for all that it leaves out; a time that comes twice is served
the first time. Otherwise the schedule follows real time: each minute whose wall clock matches, both times in an hour
that comes twice.

`next_after` is a pure function of expression, zone and instant: asking more often, or later, changes nothing.
Neighbours: `core/cron_fields.py` reads the fields, `core/wall_clock.py` knows the clock, `core/recurrence.py` uses this.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import lru_cache

from .cron_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    TEXT_LIMIT,
    BadField,
    FieldKind,
)
from .wall_clock import DAY, LAST_SECOND, LAST_YEAR, Span, span_at

EXAMPLE = "0 2 * * * for 02:00 every day"
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
HORIZON_S = 50 * 366 * DAY
"""Longer than any calendar makes wait (29 February on one day of the week: 40 years)."""
_KINDS = (SECOND, MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)
_LONGEST_MONTHS = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_ORDINAL_1970 = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """A set of wall times: seconds, minutes and hours in order, Sunday as 0.

    `any_day`: day of month or day of week is enough. `by_clock`: names times of day, see the module.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    by_clock: bool

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """From an expression; ValueError (`BadField` where one field is to blame) says what would be right."""
        return _parse(expression)

    @classmethod
    def of_fields(
        cls,
        *,
        minute: str = "*",
        hour: str = "*",
        day_of_month: str = "*",
        month_of_year: str = "*",
        day_of_week: str = "*",
    ) -> Cron:
        """From the fields of a crontab object: days both match, ranges may wrap around; BadField for what is wrong."""
        return _of_fields("0", minute, hour, day_of_month, month_of_year, day_of_week, wraps=True)

    def next_after(self, us: int, zone: tzinfo) -> int | None:
        """The first instant later than `us`, both microseconds since 1970; None: none within 50 years."""
        second = us // 1_000_000 + 1
        last = min(second + HORIZON_S, LAST_SECOND)
        while second <= last:
            span = span_at(zone, second)
            found = self._within(span, second)
            if found is not None:
                return found * 1_000_000
            day = self._day_from(span.end // DAY - 2)
            if day is None:
                return None
            second = max(span.end, (day - 2) * DAY)
        return None

    def _within(self, span: Span, second: int) -> int | None:
        """The first instant of the span that is not before `second`."""
        starts_at = span.start + span.offset
        wall = second + span.offset
        if self.by_clock:
            if second == span.start and span.reached < starts_at and self._left_out(span.reached, starts_at):
                return second
            wall = max(wall, span.reached)
        found = self._wall_from(wall)
        return None if found is None or found >= span.end + span.offset else found - span.offset

    def _left_out(self, start: int, end: int) -> bool:
        found = self._wall_from(start)
        return found is not None and found < end

    def _wall_from(self, wall: int) -> int | None:
        """The first wall time that matches and is not before `wall`."""
        day, rest = divmod(wall, DAY)
        if self._day_matches(day):
            found = self._time_from(rest)
            if found is not None:
                return day * DAY + found
        later = self._day_from(day + 1)
        return None if later is None else later * DAY + (self.hours[0] * 60 + self.minutes[0]) * 60 + self.seconds[0]

    def _time_from(self, second_of_day: int) -> int | None:
        minute_of_day, second = divmod(second_of_day, 60)
        hour, minute = divmod(minute_of_day, 60)
        if hour in self.hours:
            if minute in self.minutes:
                at = bisect_left(self.seconds, second)
                if at < len(self.seconds):
                    return minute_of_day * 60 + self.seconds[at]
            at = bisect_left(self.minutes, minute + 1)
            if at < len(self.minutes):
                return (hour * 60 + self.minutes[at]) * 60 + self.seconds[0]
        at = bisect_left(self.hours, hour + 1)
        return (self.hours[at] * 60 + self.minutes[0]) * 60 + self.seconds[0] if at < len(self.hours) else None

    def _day_matches(self, day: int) -> bool:
        on = date.fromordinal(day + _ORDINAL_1970)
        return on.month in self.months and self._matches_in_month(on.day, day)

    def _matches_in_month(self, number: int, day: int) -> bool:
        in_month, in_week = number in self.days, (day + 4) % 7 in self.weekdays
        return in_month or in_week if self.any_day else in_month and in_week

    def _day_from(self, day: int) -> int | None:
        """The first day (counted from 1970) that matches and is not before `day`."""
        on = date.fromordinal(day + _ORDINAL_1970)
        year, month = on.year, on.month
        while year <= LAST_YEAR:
            if month in self.months:
                zeroth = date(year, month, 1).toordinal() - _ORDINAL_1970 - 1
                for number in range(max(day - zeroth, 1), _days_in(year, month) + 1):
                    if self._matches_in_month(number, zeroth + number):
                        return zeroth + number
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return None


@lru_cache(maxsize=4096)
def _parse(expression: str) -> Cron:
    if len(expression) > TEXT_LIMIT:
        raise ValueError(f"an expression has at most {TEXT_LIMIT} characters, this one has {len(expression)}")
    texts = expression.split()
    if not texts:
        raise ValueError(f"the expression is empty; write for example {EXAMPLE}")
    if texts[0].startswith("@"):
        texts = _of_nickname(" ".join(texts))
    if len(texts) == 5:
        texts = ["0", *texts]
    if len(texts) != 6:
        raise ValueError(
            f"{_shown(expression)} has {len(texts)} field{'s' if len(texts) > 1 else ''}; write 5 (minute, hour, day of month, "
            f"month, day of week), or 6 with seconds first: for example {EXAMPLE}"
        )
    return _of_fields(*texts, wraps=False)


def _of_nickname(nickname: str) -> list[str]:
    known = NICKNAMES.get(nickname.lower())
    if known is not None:
        return known.split()
    why = " @reboot names no instant;" if nickname.lower() == "@reboot" else ""
    raise ValueError(
        f"{_shown(nickname)} is no schedule;{why} write one of {', '.join(NICKNAMES)}, or fields: {EXAMPLE}"
    )


def _of_fields(*texts: str, wraps: bool) -> Cron:
    seconds, minutes, hours, days, months, weekdays = (
        kind.numbers(text, wraps=wraps) for kind, text in zip(_KINDS, texts, strict=True)
    )
    _, minute, hour, day_of_month, _, day_of_week = (text.strip() for text in texts)
    any_day = not wraps and not day_of_month.startswith("*") and not day_of_week.startswith("*")
    if not any_day and not any(min(days) <= _LONGEST_MONTHS[month] for month in months):
        raise _never(DAY_OF_MONTH, day_of_month, texts[4])
    return Cron(
        seconds=tuple(sorted(seconds)),
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=weekdays,
        any_day=any_day,
        by_clock=not minute.startswith("*") and not hour.startswith("*"),
    )


def _never(kind: FieldKind, text: str, month: str) -> BadField:
    return kind.bad(text, f"never comes in month {month.strip()!r}", "a day that the month has, such as 28")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:36]} …")


def _days_in(year: int, month: int) -> int:
    return monthrange(year, month)[1] if month == 2 else _LONGEST_MONTHS[month]
