"""Cron on the nights that break it, judged by two oracles that share no code with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from jobdeck.core import zones
from jobdeck.core.cron import Cron

from . import cron_trials, zone_changes
from .cron_trials import Evaluate

LONG = bool(os.environ.get("JOBDECK_TEST_LONG"))


def jobdeck_cron(expression: str, us: int, zone: tzinfo) -> int | None:
    return Cron.parse(expression).next_after(us, zone)


def test_every_offset_change_of_every_zone_from_2024_to_2030() -> None:
    changes = zone_changes.every() if LONG else zone_changes.kinds()
    assert len(zone_changes.every()) > 2500
    assert len(changes) > 350
    problems: list[str] = []
    for change in changes:
        problems.extend(cron_trials.complaints(jobdeck_cron, change))
    assert not problems, f"{len(problems)} complaints about {len(changes)} changes, such as {problems[:3]}"


def twice_in_the_overlap(expression: str, us: int, zone: tzinfo) -> int | None:
    """Follows real time also with fixed times: croniter's fault."""
    return replace(Cron.parse(expression), by_clock=False).next_after(us, zone)


def loses_the_repeated_hour(expression: str, us: int, zone: tzinfo) -> int | None:
    """Treats wildcards as times of day: the fault of Celery's crontab."""
    return replace(Cron.parse(expression), by_clock=True).next_after(us, zone)


def naive(expression: str, us: int, zone: tzinfo) -> int | None:
    """Looks for the next wall time and puts the zone onto it: moves what a gap leaves out by the gap's length."""
    wall = datetime.fromtimestamp(us / 1_000_000, zone).replace(tzinfo=UTC)
    found = Cron.parse(expression).next_after(int(wall.timestamp() * 1_000_000), UTC)
    if found is None:
        return None
    return int(datetime.fromtimestamp(found // 1_000_000, UTC).replace(tzinfo=zone).timestamp()) * 1_000_000


def skips_the_gap(expression: str, us: int, zone: tzinfo) -> int | None:
    """Forgets times that do not exist."""
    found = Cron.parse(expression).next_after(us, zone)
    if found is None:
        return None
    wall = datetime.fromtimestamp(found // 1_000_000, zone).replace(tzinfo=UTC)
    before = int(wall.timestamp()) * 1_000_000 - 1
    matches = Cron.parse(expression).next_after(before, UTC) == before + 1
    return found if matches else skips_the_gap(expression, found, zone)


@pytest.mark.parametrize("broken", [twice_in_the_overlap, loses_the_repeated_hour, naive, skips_the_gap])
def test_the_trials_catch_a_broken_evaluator(broken: Evaluate) -> None:
    some = zone_changes.of_zone(zones.zone("Europe/Berlin"))[:2]
    assert any(list(cron_trials.complaints(broken, change)) for change in some)


@pytest.mark.parametrize(
    ("zone", "expression", "after", "fires"),
    [
        # Europe: 02:00 → 03:00 on 28 March, 03:00 → 02:00 on 31 October 2027
        ("Europe/Berlin", "30 2 * * *", "2027-03-27T12:00", ["2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00"]),
        ("Europe/Berlin", "0,30 2,3 * * *", "2027-03-28T00:00", ["2027-03-28T03:00+02:00", "2027-03-28T03:30+02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2027-10-30T12:00", ["2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00"]),
        ("Europe/Berlin", "30 * * * *", "2027-10-31T02:00", ["2027-10-31T02:30+02:00", "2027-10-31T02:30+01:00"]),
        ("Europe/Berlin", "30 * * * *", "2027-03-28T01:00", ["2027-03-28T01:30+01:00", "2027-03-28T03:30+02:00"]),
        ("Europe/Berlin", "*/20 30 2 * * *", "2027-03-27T12:00", ["2027-03-28T03:00+02:00", "2027-03-29T02:30+02:00"]),
        # Half an hour, at 02:00
        ("Australia/Lord_Howe", "15 2 * * *", "2027-10-02T12:00", ["2027-10-03T02:30+11:00", "2027-10-04T02:15+11:00"]),
        ("Australia/Lord_Howe", "45 1 * * *", "2027-04-03T12:00", ["2027-04-04T01:45+11:00", "2027-04-05T01:45+10:30"]),
        # At midnight
        ("Asia/Beirut", "0 0 * * *", "2027-03-27T12:00", ["2027-03-28T01:00+03:00", "2027-03-29T00:00+03:00"]),
        ("Africa/Cairo", "15 0 30 4 *", "2027-04-29T12:00", ["2027-04-30T01:00+03:00", "2028-04-30T00:15+03:00"]),
        ("America/Asuncion", "@daily", "2024-10-05T12:00", ["2024-10-06T01:00-03:00", "2024-10-07T00:00-03:00"]),
        ("America/Havana", "30 0 * * *", "2027-11-06T12:00", ["2027-11-07T00:30-04:00", "2027-11-08T00:30-05:00"]),
        # Two hours
        ("Antarctica/Troll", "0 2 * * *", "2027-03-27T12:00", ["2027-03-28T03:00+02:00", "2027-03-29T02:00+02:00"]),
        # Ramadan, with the clock set back first
        ("Africa/Casablanca", "30 2 * * *", "2025-02-22T12:00", ["2025-02-23T02:30+01:00", "2025-02-24T02:30+00:00"]),
        # A change for good, at 00:00 in the whole country
        ("Asia/Almaty", "30 23 * * *", "2024-02-28T12:00", ["2024-02-28T23:30+06:00", "2024-02-29T23:30+06:00"]),
        # A day that was left out, before our time
        ("Pacific/Apia", "0 8 * * *", "2011-12-29T09:00", ["2011-12-31T00:00+14:00", "2011-12-31T08:00+14:00"]),
    ],
)
def test_nights_worth_remembering(zone: str, expression: str, after: str, fires: list[str]) -> None:
    in_zone = zones.zone(zone)
    us = to_us(datetime.fromisoformat(after).replace(tzinfo=in_zone))
    found = []
    for _ in fires:
        at = Cron.parse(expression).next_after(us, in_zone)
        assert at is not None
        found.append(datetime.fromtimestamp(at // 1_000_000, in_zone).isoformat(timespec="minutes"))
        us = at
    assert found == fires


def to_us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def upcoming(cron: Cron, after: str, count: int) -> list[str]:
    us, found = to_us(datetime.fromisoformat(f"{after}+00:00")), []
    for _ in range(count):
        at = cron.next_after(us, UTC)
        assert at is not None
        found.append(f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}")
        us = at
    return found


@pytest.mark.parametrize(
    ("expression", "same"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 jan *"),
        ("@MONTHLY", "0 0 1 * *"),
        ("@weekly", "0 0 * * SUN"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "@daily"),
        ("@hourly", "0 * * * *"),
        ("  0\t2  * * 7 ", "0 2 * * 0"),
        ("0 2 * Jan-MAR,12 mon-Fri", "0 2 * 1,2,3,12 1-5"),
        ("0 0 2 * * *", "0 2 * * *"),
        ("5-20/5 * * * *", "5,10,15,20 * * * *"),
        ("0 2 * * 5-7", "0 2 * * 5,6,0"),
        ("00 02 01 * *", "0 2 1 * *"),
    ],
)
def test_two_ways_to_write_the_same(expression: str, same: str) -> None:
    assert Cron.parse(expression) == Cron.parse(same)
    assert hash(Cron.parse(expression)) == hash(Cron.parse(same))


@pytest.mark.parametrize(
    ("cron", "days"),
    [
        (Cron.parse("0 0 13 * 5"), ["2027-01-01", "2027-01-08", "2027-01-13", "2027-01-15"]),
        (Cron.parse("0 0 13 * */1"), ["2027-01-13", "2027-02-13", "2027-03-13", "2027-04-13"]),
        (Cron.parse("0 0 */2 * 5"), ["2027-01-01", "2027-01-15", "2027-01-29", "2027-02-05"]),
        (Cron.of_fields(minute="0", hour="0", day_of_month="13", day_of_week="fri"), ["2027-08-13", "2028-10-13"]),
        (Cron.of_fields(minute="0", hour="0", day_of_week="fri-mon"), ["2027-01-01", "2027-01-02", "2027-01-03"]),
        (Cron.parse("0 0 30 2 1"), ["2027-02-01", "2027-02-08"]),
        (Cron.parse("0 0 29 2 *"), ["2028-02-29", "2032-02-29"]),
    ],
)
def test_day_of_month_and_day_of_week(cron: Cron, days: list[str]) -> None:
    assert upcoming(cron, "2026-12-31T00:00", len(days)) == [f"{day} 00:00:00" for day in days]


def test_seconds() -> None:
    assert upcoming(Cron.parse("*/20 59 23 * * *"), "2027-01-01T23:59:30", 3) == [
        "2027-01-01 23:59:40",
        "2027-01-02 23:59:00",
        "2027-01-02 23:59:20",
    ]


def test_a_day_that_comes_after_forty_years_and_one_that_never_comes() -> None:
    leap_monday = Cron.of_fields(minute="0", hour="0", day_of_month="29", month_of_year="2", day_of_week="mon")
    assert upcoming(leap_monday, "2072-03-01T00:00", 2) == ["2112-02-29 00:00:00", "2140-02-29 00:00:00"]
    in_the_gap = Cron.of_fields(minute="*/5", hour="2", day_of_month="25-31", month_of_year="3", day_of_week="0")
    assert in_the_gap.next_after(to_us(datetime(2027, 1, 1, tzinfo=UTC)), zones.zone("Europe/Berlin")) is None


def test_the_end_of_the_calendar() -> None:
    end = to_us(datetime(9998, 12, 31, 23, 59, tzinfo=UTC))
    assert Cron.parse("* * * * *").next_after(end, zones.zone("Europe/Berlin")) is None
    assert Cron.parse("0 0 1 1 *").next_after(end - 86_400_000_000, UTC) is None


def test_strictly_later_to_the_microsecond() -> None:
    at = to_us(datetime(2027, 1, 1, 2, tzinfo=UTC))
    cron = Cron.parse("0 2 * * *")
    day = timedelta(days=1) // timedelta(microseconds=1)
    assert [cron.next_after(at + d, UTC) for d in (-1, 0, 1)] == [at, at + day, at + day]


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("", "the expression is empty; write for example 0 2 * * *"),
        ("   ", "the expression is empty"),
        ("banana", "'banana' has 1 field; write 5"),
        ("* * * *", "has 4 fields"),
        ("0 0 2 * * * 2027", "has 7 fields"),
        ("61 * * * *", "minute: '61' has 61, which is not from 0 to 59; write for example"),
        ("* 24 * * *", "hour: '24' has 24, which is not from 0 to 23"),
        ("* * 0 * *", "day of month: '0' has 0, which is not from 1 to 31"),
        ("* * * 13 *", "month: '13' has 13, which is not from 1 to 12"),
        ("* * * * 8", "day of week: '8' has 8, which is not from 0 to 7"),
        ("60 * * * * *", "second: '60' has 60"),
        ("0 0 30 2 *", "day of month: '30' never comes in month '2'"),
        ("0 0 31 4,6 *", "day of month: '31' never comes in month '4,6'"),
        ("0 0 31 feb-feb */2", "day of month: '31' never comes in month 'feb-feb'"),
        ("0 22-4 * * *", "hour: '22-4' runs backwards; write 22-23,0-4"),
        ("0 0 * * fri-mon", "day of week: 'fri-mon' runs backwards; write 5-6,0-1"),
        ("0 0 * * fri-sun", "day of week: 'fri-sun' runs backwards; write 5-7"),
        ("0 0 * 12-1 *", "month: '12-1' runs backwards; write 12,1"),
        ("*/0 * * * *", "minute: '*/0' has a step of 0"),
        ("0-30/0 * * * *", "step of 0"),
        ("5/15 * * * *", "minute: '5/15' has a step without a range; write 5-59/15"),
        ("0 0 L * *", "day of month: 'L' uses L, W, # or ?, which other schedulers know and cron does not"),
        ("0 0 15W * *", "uses L, W"),
        ("0 0 LW * *", "uses L, W"),
        ("0 0 * * 5#2", "uses L, W"),
        ("0 0 * * 5L", "uses L, W"),
        ("0 0 ? * *", "uses L, W"),
        ("a * * * *", "minute: 'a' cannot be read as numbers"),
        ("* * * foo *", "month: 'foo' cannot be read as numbers, names"),
        ("* * * * monday", "day of week: 'monday' cannot be read"),
        ("-5 * * * *", "minute: '-5' cannot be read"),
        ("1- * * * *", "minute: '1-' cannot be read"),
        ("1,,2 * * * *", "minute: '1,,2' cannot be read"),
        ("1, * * * *", "minute: '1,' cannot be read"),
        ("*-5 * * * *", "minute: '*-5' cannot be read"),
        ("** * * * *", "cannot be read"),
        ("*/ * * * *", "cannot be read"),
        ("*/-1 * * * *", "cannot be read"),
        ("*/mon * * * *", "cannot be read"),
        ("1.5 * * * *", "cannot be read"),
        ("٣ * * * *", "minute: '٣' cannot be read"),
        ("99999999999999999999 * * * *", "which is not from 0 to 59"),
        ("@reboot", "@reboot names no instant; write one of @yearly"),
        ("@fortnightly", "'@fortnightly' is no schedule; write one of @yearly"),
        ("@daily 5", "'@daily 5' is no schedule"),
        ("0," * 100 + "0 * * * *", "at most 200 characters, this one has 209"),
    ],
)
def test_what_is_refused_and_what_would_be_right(expression: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        Cron.parse(expression)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"minute": "61"}, "minute: '61' has 61"),
        ({"hour": ""}, "hour: '' is empty"),
        ({"hour": "x" * 201}, "hour: at most 200 characters"),
        ({"day_of_month": "30", "month_of_year": "feb"}, "day of month: '30' never comes in month 'feb'"),
        ({"day_of_month": "31", "month_of_year": "4", "day_of_week": "mon"}, "never comes"),
        ({"day_of_week": "mon-"}, "day of week: 'mon-' cannot be read"),
        ({"day_of_week": "1#2"}, "uses L, W"),
        ({"minute": "mon"}, "minute: 'mon' cannot be read"),
    ],
)
def test_what_is_refused_in_a_crontab_object(fields: dict[str, str], says: str) -> None:
    parse: Callable[..., Cron] = Cron.of_fields
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the text is compared below)
        parse(**fields)
    assert says in str(caught.value)
