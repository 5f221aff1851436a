"""Cron at random: against the oracles in every zone, against cronsim and croniter in UTC, against Celery's fields."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from celery.schedules import crontab
from croniter import croniter
from cronsim import CronSim
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from jobdeck.core import zones
from jobdeck.core.cron import Cron
from jobdeck.core.cron_fields import BadField

from . import cron_oracles, zone_changes

SECOND, MINUTE, DAY = 1_000_000, 60, 86_400
SCALE = 20 if os.environ.get("JOBDECK_TEST_LONG") else 1
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def numbers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


@st.composite
def a_part(draw: st.DrawFn, low: int, high: int, words: list[str], wraps: bool, apart: bool) -> str:
    def word(number: int) -> str:
        index = number - low
        return draw(st.sampled_from([str(number), words[index]])) if index < len(words) else str(number)

    shape = draw(st.sampled_from(["*", "*/n", "a", "a", "a-b", "a-b/n"]))
    step = draw(numbers(1, high - low + 1))
    a, b = draw(numbers(low, high)), draw(numbers(low, high))
    assume(a != b or not apart)
    if not wraps:
        a, b = min(a, b), max(a, b)
    return {"*": "*", "*/n": f"*/{step}", "a": word(a), "a-b": f"{word(a)}-{word(b)}"}.get(shape) or f"{a}-{b}/{step}"


def a_field(
    low: int, high: int, words: list[str] | None = None, *, wraps: bool = False, apart: bool = False
) -> st.SearchStrategy[str]:
    """`wraps`: ranges may run backwards; `apart`: their ends differ."""
    part = a_part(low, high, words or [], wraps, apart)
    return st.one_of(st.just("*"), part, st.lists(part, min_size=1, max_size=4).map(",".join))


def five_fields(*, apart: bool = False) -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(
        a_field(0, 59, apart=apart),
        a_field(0, 23, apart=apart),
        a_field(1, 31, apart=apart),
        a_field(1, 12, MONTHS, apart=apart),
        a_field(0, 6, DAYS, apart=apart) | a_field(0, 7, apart=apart),
    )


FREQUENT = st.tuples(
    a_field(0, 59), a_field(0, 23), st.just("*") | a_field(1, 31), st.just("*"), st.just("*") | a_field(0, 7)
)
INSTANTS = numbers(zone_changes.FIRST * SECOND, zone_changes.LAST * SECOND)


@st.composite
def nights(draw: st.DrawFn) -> tuple[ZoneInfo, int]:
    """A zone, and an instant: anywhere, or around a change of its clock."""
    if draw(st.booleans()):
        return zones.zone(draw(st.sampled_from(zones.names()))), draw(INSTANTS)
    change = draw(st.sampled_from(zone_changes.kinds()))
    return change.zone, (change.at + draw(numbers(-30 * 3600, 30 * 3600))) * SECOND + draw(st.sampled_from([-1, 0, 1]))


def parsed(fields: tuple[str, ...]) -> tuple[str, Cron]:
    expression = " ".join(fields)
    assume(len(expression) <= 200)
    return expression, possible(lambda: Cron.parse(expression))


def possible(make: Callable[[], Cron]) -> Cron:
    """What it makes, unless that is refused as a day that no month has."""
    try:
        return make()
    except BadField as error:
        if "never comes" not in str(error):
            raise
        reject()


@settings(max_examples=200 * SCALE)
@given(fields=five_fields() | FREQUENT, night=nights())
def test_the_next_instant_is_the_oracles_first(fields: tuple[str, ...], night: tuple[ZoneInfo, int]) -> None:
    expression, cron = parsed(fields)
    zone, us = night
    found = cron.next_after(us, zone)
    assert found is None or found > us
    start = us // SECOND // MINUTE * MINUTE
    near = first_after(expression, zone, us, start - DAY, start + 3 * DAY)
    if found is not None and found < (start + 3 * DAY) * SECOND:
        assert near == found
        return
    assert near is None
    far = found // SECOND // MINUTE * MINUTE if found is not None else start + 1500 * DAY
    assert_no_such_day(expression, zone, start + 2 * DAY, far - 2 * DAY)
    if found is not None:
        assert first_after(expression, zone, us, far - 4 * DAY, far + MINUTE) == found


def first_after(expression: str, zone: ZoneInfo, us: int, start: int, end: int) -> int | None:
    fires = cron_oracles.fires(expression, zone, start, end)
    return next((at * SECOND for at in fires if at * SECOND > us), None)


def assert_no_such_day(expression: str, zone: ZoneInfo, start: int, end: int) -> None:
    """No date matches in between, or only in an hour that a gap leaves out: then minute by minute."""
    times = cron_oracles.Times(expression)
    day = datetime.fromtimestamp(start, UTC)
    while day.timestamp() <= end:
        if times.on_day(day.replace(tzinfo=None)):
            at = int(day.timestamp()) // DAY * DAY
            fires = cron_oracles.fires(expression, zone, at - DAY, at + 2 * DAY)
            assert not [one for one in fires if start < one < end]
        day += timedelta(days=1)


@given(fields=FREQUENT, night=nights(), points=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5))
def test_strictly_later_and_the_same_whenever_it_is_asked(
    fields: tuple[str, ...], night: tuple[ZoneInfo, int], points: list[float]
) -> None:
    cron = parsed(fields)[1]
    zone, us = night
    fires: list[int] = []
    for _ in range(30):
        found = cron.next_after(us, zone)
        if found is None:
            break
        assert found > us
        fires.append(found)
        us = found
    for earlier, later in pairwise(fires):
        for point in points:
            between = earlier + int((later - earlier) * point)
            assert cron.next_after(between, zone) == later


@given(fields=FREQUENT, second=a_field(0, 59), night=nights())
def test_seconds_within_a_minute_that_matches(
    fields: tuple[str, ...], second: str, night: tuple[ZoneInfo, int]
) -> None:
    """In real time a minute of six fields is a minute of five; within it only the seconds count."""
    fields = ("*", *fields[1:])
    with_seconds = parsed((second, *fields))[1]
    minutes = parsed(fields)[1]
    named = [n for n in range(60) if cron_oracles.names(second, n, 0, 59, [])]
    zone, us = night
    this_minute = us // SECOND // MINUTE * MINUTE
    expected: list[int] = []
    first = minutes.next_after(this_minute * SECOND - 1, zone)
    while first is not None and len(expected) < 100:
        expected.extend(first + n * SECOND for n in named if first + n * SECOND > us)
        first = minutes.next_after(first, zone)
    for one in expected[:100]:
        assert with_seconds.next_after(us, zone) == one
        us = one


@settings(max_examples=100 * SCALE)
@given(fields=five_fields(apart=True), us=INSTANTS)
def test_cronsim_agrees_in_utc(fields: tuple[str, ...], us: int) -> None:
    """It has Debian's days too. Not compared: a range of one number with a step, which it takes as "from there on"."""
    expression, cron = parsed(fields)
    second_opinion = CronSim(expression, datetime.fromtimestamp(us // SECOND, UTC))
    for _ in range(5):
        found = cron.next_after(us, UTC)
        assert found == int(next(second_opinion).timestamp()) * SECOND
        us = found


@settings(max_examples=100 * SCALE)
@given(fields=five_fields(apart=True), us=INSTANTS)
def test_croniter_agrees_in_utc(fields: tuple[str, ...], us: int) -> None:
    """Not compared: a day field that begins with `*` or names every day beside another, where it knows Debian's rule
    only as an option; and a range of one number, which it takes for the whole circle.
    """
    expression, cron = parsed(fields)
    _, _, day, _, week = fields
    restricts = not (day.startswith("*") or week.startswith("*") or len(cron.days) == 31 or len(cron.weekdays) == 7)
    assume(day == "*" or week == "*" or restricts)
    second_opinion = croniter(expression, datetime.fromtimestamp(us // SECOND, UTC))
    for _ in range(5):
        found = cron.next_after(us, UTC)
        assert found == int(second_opinion.get_next(datetime).timestamp()) * SECOND
        us = found


@settings(max_examples=100 * SCALE)
@given(
    minute=a_field(0, 59, wraps=True),
    hour=a_field(0, 23, wraps=True),
    day_of_month=a_field(1, 31, wraps=True),
    month_of_year=a_field(1, 12, MONTHS, wraps=True),
    day_of_week=a_field(0, 6, DAYS, wraps=True),
)
def test_celery_reads_the_fields_of_a_crontab_object_the_same(**fields: str) -> None:
    """Also ranges that wrap around. Not compared: what only one of the two refuses (a Sunday written 7, rests after a range)."""
    ours = possible(lambda: Cron.of_fields(**fields))
    celerys = crontab(**fields)
    assert set(ours.minutes) == celerys.minute
    assert set(ours.hours) == celerys.hour
    assert ours.days == celerys.day_of_month
    assert ours.months == celerys.month_of_year
    assert ours.weekdays == celerys.day_of_week


@given(fields=five_fields(), day=st.dates(date(2024, 1, 1), date(2030, 12, 31)))
def test_a_crontab_object_asks_for_both_days(fields: tuple[str, ...], day: date) -> None:
    _, _, day_of_month, month_of_year, day_of_week = fields
    days = {"day_of_month": day_of_month, "month_of_year": month_of_year, "day_of_week": day_of_week}
    cron = possible(lambda: Cron.of_fields(minute="0", hour="0", **days))
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND
    due = cron.next_after(midnight - 1, UTC) == midnight
    times = cron_oracles.Times(f"0 0 {day_of_month} {month_of_year} {day_of_week}")
    assert due == (day.day in times.days and day.month in times.months and day.isoweekday() % 7 in times.week)
