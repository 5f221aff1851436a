"""Recurrences on the wire and in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobdeck.core import zones
from jobdeck.core.recurrence import Recurrence, from_text, parse
from jobdeck.core.times import from_us, to_us
from jobdeck.errors import InvalidInput

BERLIN = zones.zone("Europe/Berlin")
YEAR = 2027
STARS = dict.fromkeys(("minute", "hour", "day_of_week", "day_of_month", "month_of_year"), "*")


@pytest.mark.parametrize(
    ("data", "normal"),
    [
        ({"type": "crontab"}, {"type": "crontab", **STARS}),
        ({"type": "crontab", "minute": " 0", "hour": "2"}, {"type": "crontab", **STARS, "minute": "0", "hour": "2"}),
        ({"type": "crontab", "hour": "22-4"}, {"type": "crontab", **STARS, "hour": "22-4"}),
        ({"type": "cron", "expression": "  0 2\t* * * "}, {"type": "cron", "expression": "0 2 * * *"}),
        ({"type": "cron", "expression": "@daily"}, {"type": "cron", "expression": "@daily"}),
        ({"type": "interval", "minutes": 15}, {"type": "interval", "minutes": 15}),
        ({"type": "interval", "minutes": " 15 "}, {"type": "interval", "minutes": 15}),
        ({"type": "interval", "hours": 2.0, "days": 0}, {"type": "interval", "days": 0, "hours": 2}),
        ({"type": "interval", "milliseconds": 100}, {"type": "interval", "milliseconds": 100}),
        ({"type": "interval", "days": 3653}, {"type": "interval", "days": 3653}),
        ({"type": "once", "at": "2027-01-31T02:00:00+01:00"}, {"type": "once", "at": "2027-01-31T02:00:00+01:00"}),
        ({"type": "once", "at": " 2027-01-31 02:00z"}, {"type": "once", "at": "2027-01-31T02:00:00+00:00"}),
        ({"type": "once", "at": "2027-01-31T02:00"}, {"type": "once", "at": "2027-01-31T02:00:00"}),
    ],
)
def test_the_wire_form_comes_back_normalised(data: dict[str, Any], normal: dict[str, Any]) -> None:
    recurrence = parse(data)
    assert recurrence.as_data() == normal
    assert recurrence.kind == data["type"]
    assert parse(normal) == recurrence
    assert hash(parse(normal)) == hash(recurrence)
    assert from_text(json.dumps(normal)) == recurrence
    assert from_text(json.dumps(normal)) is from_text(json.dumps(normal))


INTERVAL_RANGE = "An interval is from 100 milliseconds to 10 years (3653 days); write for example minutes: 15."
UNIT_RANGE = "Write 0 or more; all units together are at most 10 years (3653 days)."
AT = "Not a valid date and time: write 2027-01-31T02:00:00+01:00, or 2027-01-31T02:00:00 for the wall clock of the schedule's time zone."


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        (None, {"_schema": "Invalid data type: None"}),
        ("0 2 * * *", {"_schema": "Invalid data type: 0 2 * * *"}),
        ([], {"_schema": "Invalid data type: []"}),
        ({}, {"type": "Missing data for required field."}),
        ({"minutes": 5}, {"type": "Missing data for required field."}),
        ({"type": "solar"}, {"type": "Unsupported value: solar"}),
        ({"type": None}, {"type": "Unsupported value: None"}),
        ({"type": ["cron"]}, {"type": "Unsupported value: ['cron']"}),
        ({"type": "x" * 99}, {"type": f"Unsupported value: {'x' * 56} …"}),
        ({"type": "crontab", "minutes": "5"}, {"minutes": "Unknown field."}),
        (
            {"type": "interval", "years": 1, "expression": 1},
            {"years": "Unknown field.", "expression": "Unknown field."},
        ),
        ({"type": "crontab", "minute": 5, "hour": None}, dict.fromkeys(("minute", "hour"), "Not a valid string.")),
        (
            {"type": "crontab", "minute": "61"},
            {"minute": "Minute: '61' has 61, which is not from 0 to 59; write for example"},
        ),
        ({"type": "crontab", "hour": "banana"}, {"hour": "Hour: 'banana' cannot be read"}),
        (
            {"type": "crontab", "day_of_month": "30", "month_of_year": "2"},
            {"day_of_month": "Day of month: '30' never comes"},
        ),
        ({"type": "crontab", "month_of_year": "13"}, {"month_of_year": "Month: '13' has 13"}),
        ({"type": "crontab", "day_of_week": "8"}, {"day_of_week": "Day of week: '8' has 8"}),
        ({"type": "cron"}, {"expression": "Missing data for required field."}),
        ({"type": "cron", "expression": 5}, {"expression": "Not a valid string."}),
        ({"type": "cron", "expression": ""}, {"expression": "The expression is empty; write for example 0 2 * * *"}),
        ({"type": "cron", "expression": "61 * * * *"}, {"expression": "Minute: '61' has 61"}),
        ({"type": "cron", "expression": "* " * 200}, {"expression": "An expression has at most 200 characters"}),
        ({"type": "interval"}, {"_schema": INTERVAL_RANGE}),
        ({"type": "interval", "minutes": 0}, {"_schema": INTERVAL_RANGE}),
        ({"type": "interval", "milliseconds": 99}, {"_schema": INTERVAL_RANGE}),
        ({"type": "interval", "days": 3653, "microseconds": 1}, {"_schema": INTERVAL_RANGE}),
        ({"type": "interval", "minutes": -1, "hours": 10**30}, dict.fromkeys(("minutes", "hours"), UNIT_RANGE)),
        ({"type": "interval", "minutes": 1.5}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": True}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": None}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": "9" * 5000}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": float("nan")}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": float("inf")}, {"minutes": "Not a valid integer."}),
        ({"type": "interval", "minutes": {}}, {"minutes": "Not a valid integer."}),
        ({"type": "once"}, {"at": "Missing data for required field."}),
        ({"type": "once", "at": 5}, {"at": "Not a valid string."}),
        ({"type": "once", "at": "2027-01-31"}, {"at": AT}),
        ({"type": "once", "at": "tomorrow"}, {"at": AT}),
        ({"type": "once", "at": "2027-02-31T02:00"}, {"at": AT}),
        ({"type": "once", "at": "0001-01-01T00:00+14:00"}, {"at": AT}),
        ({"type": "once", "at": "9999-12-31T23:59-14:00"}, {"at": AT}),
    ],
)
def test_what_is_refused(data: Any, errors: dict[str, str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(data)
    given = {error.field: error.messages for error in caught.value.errors}
    assert given.keys() == errors.keys()
    for field, text in errors.items():
        assert given[field][0].startswith(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
    | st.dictionaries(
        st.sampled_from(["minute", "hour", "expression", "at", "days", "minutes"]),
        st.text("0123456789*/-,@TZ:+ adfimnorsu", max_size=25) | st.integers() | st.floats(),
        max_size=3,
    ).flatmap(
        lambda data: st.sampled_from([{"type": kind, **data} for kind in ("cron", "crontab", "interval", "once")])
    )
)
def test_anything_is_read_or_refused_politely(data: Any) -> None:
    try:
        recurrence = parse(data)
    except InvalidInput:
        return
    assert parse(recurrence.as_data()) == recurrence
    found = recurrence.next_after(0, BERLIN, 0)
    assert found is None or found > 0


def at(recurrence: dict[str, Any], after: datetime, anchor: datetime | None = None) -> datetime | None:
    made: Recurrence = parse(recurrence)
    found = made.next_after(to_us(after), BERLIN, to_us(anchor or after))
    return None if found is None else from_us(found)


def test_cron_and_crontab_follow_the_wall() -> None:
    evening = datetime(YEAR, 3, 27, 20, tzinfo=UTC)
    assert at({"type": "cron", "expression": "30 2 * * *"}, evening) == datetime(YEAR, 3, 28, 3, tzinfo=BERLIN)
    assert at({"type": "crontab", "minute": "30", "hour": "2"}, evening) == datetime(YEAR, 3, 28, 3, tzinfo=BERLIN)
    either = {"type": "cron", "expression": "0 0 13 * fri"}
    both = {"type": "crontab", "minute": "0", "hour": "0", "day_of_month": "13", "day_of_week": "fri"}
    assert at(either, evening) == datetime(YEAR, 4, 2, tzinfo=BERLIN)
    assert at(both, evening) == datetime(YEAR, 8, 13, tzinfo=BERLIN)


@given(
    anchor=st.integers(0, 2 * 10**15),
    us=st.integers(0, 2 * 10**15),
    parts=st.fixed_dictionaries({"hours": st.integers(0, 50), "milliseconds": st.integers(100, 10**6)}),
)
def test_an_interval_keeps_to_its_anchor(anchor: int, us: int, parts: dict[str, int]) -> None:
    step = timedelta(**parts) // timedelta(microseconds=1)
    found = parse({"type": "interval", **parts}).next_after(us, BERLIN, anchor)
    assert found is not None
    assert found > us
    assert found >= anchor
    assert (found - anchor) % step == 0
    assert found == anchor or found - step <= us


def test_an_interval_starts_at_its_anchor() -> None:
    anchor = datetime(YEAR, 1, 1, 12, tzinfo=UTC)
    every = {"type": "interval", "days": 1}
    assert at(every, anchor - timedelta(days=9), anchor) == anchor
    assert at(every, anchor, anchor) == anchor + timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-01-31T02:00:00+01:00", datetime(YEAR, 1, 31, 1, tzinfo=UTC)),
        ("2027-01-31T02:00:00-05:00", datetime(YEAR, 1, 31, 7, tzinfo=UTC)),
        ("2027-01-31T02:00", datetime(YEAR, 1, 31, 1, tzinfo=UTC)),
        ("2027-01-31T02:00:00.25", datetime(YEAR, 1, 31, 1, 0, 0, 250_000, tzinfo=UTC)),
        ("2027-03-28T02:30:00.25", datetime(YEAR, 3, 28, 1, tzinfo=UTC)),
        ("2027-10-31T02:30", datetime(YEAR, 10, 31, 0, 30, tzinfo=UTC)),
        ("2027-10-31T02:30+01:00", datetime(YEAR, 10, 31, 1, 30, tzinfo=UTC)),
    ],
)
def test_once_is_once(text: str, instant: datetime) -> None:
    once = {"type": "once", "at": text}
    microsecond = timedelta(microseconds=1)
    assert at(once, datetime(YEAR, 1, 1, tzinfo=UTC)) == instant
    assert at(once, instant - microsecond) == instant
    assert at(once, instant) is None
    assert at(once, instant + timedelta(hours=1)) is None


def test_once_keeps_its_offset() -> None:
    assert parse({"type": "once", "at": "2027-01-31T02:00-05:00"}) == parse(
        {"type": "once", "at": datetime(YEAR, 1, 31, 2, tzinfo=timezone(timedelta(hours=-5))).isoformat()}
    )
