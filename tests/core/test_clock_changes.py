"""What people are told of a night on which clocks change is what then happens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core import zones
from jobdeck.core.clock_changes import ClockChange, changes, effect
from jobdeck.core.recurrence import Recurrence, parse
from jobdeck.core.times import to_us

from . import zone_changes

HOUR_US = 3_600_000_000


def utc(*parts: int) -> int:
    return to_us(datetime(*parts, tzinfo=UTC))  # type: ignore[arg-type,misc]  # whole numbers in their order


def cron(expression: str) -> Recurrence:
    return parse({"type": "cron", "expression": expression})


def test_the_changes_of_a_year() -> None:
    berlin = zones.zone("Europe/Berlin")
    spring = ClockChange(utc(2027, 3, 28, 1), 3600, 7200)
    autumn = ClockChange(utc(2027, 10, 31, 1), 7200, 3600)
    assert changes(berlin, utc(2027, 1, 1), utc(2028, 1, 1)) == [spring, autumn]
    assert (spring.forward, autumn.forward) == (True, False)
    assert changes(berlin, spring.at_us, autumn.at_us) == [autumn]
    assert changes(berlin, spring.at_us - 1, autumn.at_us - 1) == [spring]
    assert len(changes(berlin, utc(2027, 1, 1), utc(2037, 1, 1))) == 20
    assert changes(berlin, autumn.at_us, utc(2029, 1, 1))[0] == ClockChange(utc(2028, 3, 26, 1), 3600, 7200)
    assert changes(zones.zone("Asia/Tokyo"), utc(2027, 1, 1), utc(2029, 1, 1)) == []
    assert changes(zones.zone("UTC"), utc(2027, 1, 1), utc(2029, 1, 1)) == []


def test_a_change_at_the_turn_of_the_year() -> None:
    """Samoa left out 30 December 2011."""
    left_out = ClockChange(utc(2011, 12, 30, 10), -10 * 3600, 14 * 3600)
    assert changes(zones.zone("Pacific/Apia"), utc(2011, 12, 1), utc(2012, 1, 31)) == [left_out]


BERLIN_SPRING, BERLIN_AUTUMN = ("Europe/Berlin", 2027, 0), ("Europe/Berlin", 2027, 1)
LEFT_OUT = "do not exist on 28 March 2027 and are left out: it goes on at 03:00."


@pytest.mark.parametrize(
    ("where", "expression", "says"),
    [
        (
            BERLIN_SPRING,
            "30 2 * * *",
            "02:30 does not exist on 28 March 2027: it runs at 03:00, the first moment after.",
        ),
        (
            BERLIN_SPRING,
            "0,30 2 * * *",
            "02:00 and 02:30 do not exist on 28 March 2027: it runs once, at 03:00, the first moment after.",
        ),
        (
            BERLIN_SPRING,
            "0-59/5 2 * * *",
            "12 of its times from 02:00 on do not exist on 28 March 2027: it runs once, at 03:00, the first moment after.",
        ),
        (BERLIN_SPRING, "0 2,3 * * *", "02:00 does not exist on 28 March 2027 and is left out: it goes on at 03:00."),
        (BERLIN_SPRING, "*/15 * * * *", f"4 of its times from 02:00 on {LEFT_OUT}"),
        (BERLIN_SPRING, "*/20 * * * *", f"02:00, 02:20 and 02:40 {LEFT_OUT}"),
        (BERLIN_SPRING, "* * * * * *", f"More than 200 of its times from 02:00 on {LEFT_OUT}"),
        (BERLIN_SPRING, "30 * * * *", "It runs in real time: 02:30 does not exist on 28 March 2027 and is left out."),
        (
            BERLIN_SPRING,
            "15 30 2 * * *",
            "02:30:15 does not exist on 28 March 2027: it runs at 03:00, the first moment after.",
        ),
        (BERLIN_SPRING, "0 3 * * *", None),
        (BERLIN_SPRING, "59 1 * * *", None),
        (BERLIN_SPRING, "30 2 * * mon", None),
        (BERLIN_AUTUMN, "30 2 * * *", "02:30 comes twice on 31 October 2027: it runs the first time only."),
        (BERLIN_AUTUMN, "0,30 2 * * *", "02:00 and 02:30 come twice on 31 October 2027: it runs the first time only."),
        (
            BERLIN_AUTUMN,
            "30 * * * *",
            "It runs in real time: once more on 31 October 2027, in the hour that comes twice.",
        ),
        (
            BERLIN_AUTUMN,
            "*/30 * * * *",
            "It runs in real time: twice more on 31 October 2027, in the hour that comes twice.",
        ),
        (
            BERLIN_AUTUMN,
            "*/5 2 * * *",
            "It runs in real time: 12 times more on 31 October 2027, in the hour that comes twice.",
        ),
        (BERLIN_AUTUMN, "0 3 * * *", None),
        (
            ("Australia/Lord_Howe", 2027, 0),
            "*/10 * * * *",
            "It runs in real time: 3 times more on 4 April 2027, in the 30 minutes that come twice.",
        ),
        (
            ("Australia/Lord_Howe", 2027, 1),
            "5 2 * * *",
            "02:05 does not exist on 3 October 2027: it runs at 02:30, the first moment after.",
        ),
        (
            ("Antarctica/Troll", 2027, 1),
            "30 * * * *",
            "It runs in real time: twice more on 31 October 2027, in the 2 hours that come twice.",
        ),
        (
            ("Asia/Beirut", 2027, 0),
            "0 0 * * *",
            "00:00 does not exist on 28 March 2027: it runs at 01:00, the first moment after.",
        ),
    ],
)
def test_what_people_are_told(where: tuple[str, int, int], expression: str, says: str | None) -> None:
    name, year, number = where
    zone = zones.zone(name)
    change = changes(zone, utc(year, 1, 1), utc(year + 1, 1, 1))[number]
    assert effect(cron(expression), zone, change) == says


@pytest.mark.parametrize(
    ("data", "number", "says"),
    [
        (
            {"type": "interval", "days": 1},
            0,
            "It keeps its distance in real time: from 29 March 2027 on it runs at 02:00, before that at 01:00.",
        ),
        (
            {"type": "interval", "weeks": 2},
            1,
            "It keeps its distance in real time: from 5 November 2027 on it runs at 01:00, before that at 02:00.",
        ),
        ({"type": "interval", "hours": 5}, 0, None),
        ({"type": "interval", "minutes": 15}, 1, None),
        (
            {"type": "once", "at": "2027-03-28T02:30"},
            0,
            "02:30 does not exist on 28 March 2027: it runs at 03:00, the first moment after.",
        ),
        ({"type": "once", "at": "2027-03-28T03:00"}, 0, None),
        (
            {"type": "once", "at": "2027-10-31T02:30"},
            1,
            "02:30 comes twice on 31 October 2027: it runs the first time only.",
        ),
        ({"type": "once", "at": "2027-03-28T02:30+01:00"}, 0, None),
        ({"type": "once", "at": "2027-10-31T02:30+02:00"}, 1, None),
        (
            {"type": "crontab", "minute": "30", "hour": "2"},
            1,
            "02:30 comes twice on 31 October 2027: it runs the first time only.",
        ),
    ],
)
def test_the_other_kinds(data: dict[str, Any], number: int, says: str | None) -> None:
    zone = zones.zone("Europe/Berlin")
    change = changes(zone, utc(2027, 1, 1), utc(2028, 1, 1))[number]
    assert effect(parse(data), zone, change, utc(2027, 1, 1)) == says


def test_an_interval_that_begins_later_is_not_concerned() -> None:
    zone = zones.zone("Europe/Berlin")
    change = changes(zone, utc(2027, 1, 1), utc(2028, 1, 1))[0]
    assert effect(parse({"type": "interval", "days": 1}), zone, change, change.at_us + HOUR_US) is None


@given(
    change=st.deferred(lambda: st.sampled_from(zone_changes.kinds())),
    minute=st.sampled_from(["0", "15", "*/15", "0-59/10", "30,45"]),
    hour=st.sampled_from(["*", "0", "1", "2", "3", "0-3", "*/2"]),
)
def test_what_is_told_is_what_is_done(change: zone_changes.Change, minute: str, hour: str) -> None:
    """Counted on that night: instants of fixed times never repeat a wall time, and those in real time all do."""
    recurrence = cron(f"{minute} {hour} * * *")
    told = effect(recurrence, change.zone, ClockChange(change.at * 1_000_000, change.before, change.after))
    low, high = sorted((change.at + change.before, change.at + change.after))
    second_pass = fires_between(recurrence, change, change.at, change.at + (high - low))
    if change.after > change.before:
        if told is not None and "first moment after" in told:
            assert second_pass[:1] == [change.at]
        if told is not None and told.startswith("It runs in real time"):
            assert change.at not in second_pass
    elif told is not None and "first time only" in told:
        assert second_pass == []
    elif told is not None:
        assert second_pass
        assert f"{ {1: 'once', 2: 'twice'}.get(len(second_pass), str(len(second_pass)) + ' times') } more" in told
    else:
        assert second_pass == []


def fires_between(recurrence: Recurrence, change: zone_changes.Change, start: int, end: int) -> list[int]:
    found, us = [], start * 1_000_000 - 1
    while (at := recurrence.next_after(us, change.zone, 0)) is not None and at < end * 1_000_000:
        found.append(at // 1_000_000)
        us = at
    return found


def test_wherever_a_clock_is_set_forward_a_time_in_the_gap_is_told() -> None:
    for change in zone_changes.kinds():
        if change.after > change.before:
            wall = datetime.fromtimestamp(change.at + change.before, UTC) + timedelta(minutes=7)
            told = effect(
                cron(f"{wall.minute} {wall.hour} * * *"),
                change.zone,
                ClockChange(change.at * 1_000_000, change.before, change.after),
            )
            assert told is not None
            assert told.startswith(f"{wall:%H:%M} does not exist on {wall.day} {wall:%B %Y}: it runs at ")
