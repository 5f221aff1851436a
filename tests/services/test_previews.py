"""Looking ahead: a preview tells the times at which the schedule fires, and what clock changes and other schedules do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.core.principal import Principal
from jobdeck.core.times import from_us, to_us
from jobdeck.errors import InvalidInput, NotAllowed, NotFound
from jobdeck.store import tables

NIGHTLY = {"type": "cron", "expression": "30 2 * * *"}
BERLIN: dict[str, Any] = {"time_zone": "Europe/Berlin"}


def cron(expression: str) -> dict[str, str]:
    return {"type": "cron", "expression": expression}


def every(**units: int) -> dict[str, Any]:
    return {"type": "interval", **units}


def local(found: Any) -> list[str]:
    return [one.local.isoformat(" ", timespec="minutes") for one in found.times]


def notes(found: Any) -> dict[str, str]:
    """Local time → note, of the times that have one."""
    told = zip(local(found), found.times, strict=True)
    return {at: one.note for at, one in told if one.note is not None}


@pytest.fixture
def job(deck: Deck) -> str:
    return str(deck.jobs.create(title="Nightly", type="greet").id)


def test_the_next_ten_times_in_both_clocks(deck: Deck) -> None:
    found = deck.previews.preview(NIGHTLY, **BERLIN)
    assert (found.description, found.time_zone, found.is_complete) == ("At 02:30, every day (Europe/Berlin)",
                                                                       "Europe/Berlin", False)  # fmt: skip
    assert len(found.times) == 10
    assert {f"{one.local:%H:%M}" for one in found.times} == {"02:30"}
    assert all(one.at == one.local and one.at.tzinfo is UTC for one in found.times)
    assert all(timedelta(0) < b.at - a.at <= timedelta(days=1) for a, b in pairwise(found.times[:5]))


@pytest.mark.parametrize(
    ("zone", "after", "expression", "expected", "noted"),
    [
        ("Europe/Berlin", "2027-03-27T00:00:00+01:00", "30 2 * * *",
         ["2027-03-27 02:30+01:00", "2027-03-28 03:00+02:00", "2027-03-29 02:30+02:00"],
         {"2027-03-28 03:00+02:00": "02:30 does not exist on 28 March 2027: it runs at 03:00, the first moment after."}),
        ("Europe/Berlin", "2027-10-30T00:00:00+02:00", "30 2 * * *",
         ["2027-10-30 02:30+02:00", "2027-10-31 02:30+02:00", "2027-11-01 02:30+01:00"],
         {"2027-10-31 02:30+02:00": "02:30 comes twice on 31 October 2027: it runs the first time only."}),
        ("Europe/Berlin", "2027-10-31T02:15:00+02:00", "*/30 * * * *",
         ["2027-10-31 02:30+02:00", "2027-10-31 02:00+01:00", "2027-10-31 02:30+01:00", "2027-10-31 03:00+01:00"],
         {"2027-10-31 02:00+01:00": "The second 02:00 of that day.",
          "2027-10-31 02:30+01:00": "The second 02:30 of that day."}),
        ("Europe/Berlin", "2027-03-28T01:15:00+01:00", "*/30 * * * *",
         ["2027-03-28 01:30+01:00", "2027-03-28 03:00+02:00", "2027-03-28 03:30+02:00"], {}),
        ("America/New_York", "2027-03-14T00:00:00-05:00", "30 2 * * *", ["2027-03-14 03:00-04:00", "2027-03-15 02:30-04:00"],
         {"2027-03-14 03:00-04:00": "02:30 does not exist on 14 March 2027: it runs at 03:00, the first moment after."}),
        ("America/New_York", "2027-11-07T00:00:00-04:00", "30 1 * * *", ["2027-11-07 01:30-04:00", "2027-11-08 01:30-05:00"],
         {"2027-11-07 01:30-04:00": "01:30 comes twice on 7 November 2027: it runs the first time only."}),
        ("Australia/Lord_Howe", "2027-10-03T00:00:00+10:30", "15 2 * * *",
         ["2027-10-03 02:30+11:00", "2027-10-04 02:15+11:00"],
         {"2027-10-03 02:30+11:00": "02:15 does not exist on 3 October 2027: it runs at 02:30, the first moment after."}),
        ("Australia/Lord_Howe", "2027-04-04T00:00:00+11:00", "45 1 * * *",
         ["2027-04-04 01:45+11:00", "2027-04-05 01:45+10:30"],
         {"2027-04-04 01:45+11:00": "01:45 comes twice on 4 April 2027: it runs the first time only."}),
        ("Africa/Casablanca", "2026-02-14T12:00:00+01:00", "30 2 * * *",
         ["2026-02-15 02:30+01:00", "2026-02-16 02:30+00:00"],
         {"2026-02-15 02:30+01:00": "02:30 comes twice on 15 February 2026: it runs the first time only."}),
        ("Africa/Casablanca", "2026-03-21T12:00:00+00:00", "30 2 * * *",
         ["2026-03-22 03:00+01:00", "2026-03-23 02:30+01:00"],
         {"2026-03-22 03:00+01:00": "02:30 does not exist on 22 March 2026: it runs at 03:00, the first moment after."}),
    ],
)  # fmt: skip
def test_the_night_on_which_the_clocks_change(
    deck: Deck, zone: str, after: str, expression: str, expected: list[str], noted: dict[str, str]
) -> None:
    found = deck.previews.preview(cron(expression), time_zone=zone, after=after, count=len(expected))
    assert local(found) == expected
    assert notes(found) == noted


def test_what_is_coming_is_told_beforehand(deck: Deck) -> None:
    """The next change is told even when it lies behind the times that are shown."""
    found = deck.previews.preview(NIGHTLY, **BERLIN, after="2027-07-01T00:00:00+02:00", count=3)
    (change,) = found.clock_changes
    assert change.at == datetime(2027, 10, 31, 1, tzinfo=UTC)
    assert change.text == "02:30 comes twice on 31 October 2027: it runs the first time only."
    assert notes(found) == {}

    found = deck.previews.preview(cron("0 12 * * *"), **BERLIN, after="2027-07-01T00:00:00+02:00")
    assert [one.text for one in found.clock_changes] == [
        "On 31 October 2027 the clocks go back by 1 hour; that changes none of its times."
    ]
    assert deck.previews.preview(NIGHTLY, time_zone="UTC").clock_changes == ()


def test_whole_days_keep_their_distance(deck: Deck) -> None:
    found = deck.previews.preview(every(days=1), **BERLIN, after="2027-03-26T12:00:00+01:00", count=3)
    assert local(found) == ["2027-03-27 12:00+01:00", "2027-03-28 13:00+02:00", "2027-03-29 13:00+02:00"]
    assert list(notes(found)) == ["2027-03-28 13:00+02:00"]
    assert "before that at 12:00" in notes(found)["2027-03-28 13:00+02:00"]


@pytest.mark.parametrize(
    "recurrence",
    [
        cron("*/7 1-3 * * *"),
        cron("0 2 28 3 *"),
        {"type": "crontab", "minute": "30", "hour": "1,2"},
        every(minutes=40),
        every(days=1),
        {"type": "once", "at": "2027-03-28T02:30:00"},
    ],
)
def test_a_preview_tells_what_the_saved_schedule_is_planned_for(
    deck: Deck, job: str, clock: Any, recurrence: dict[str, Any]
) -> None:
    """Served one by one as a scheduler does it: each next planned time is the next one of the preview."""
    clock.us = to_us(datetime(2027, 3, 27, 20, tzinfo=UTC))
    saved = deck.schedules.create(job, recurrence, **BERLIN)
    at = saved.next_fire_at
    times = [one.at for one in deck.previews.preview(recurrence, **BERLIN, schedule_id=saved.id, count=12).times]
    served: list[datetime] = []
    while at is not None and len(served) < 12:
        served.append(at)
        next_us = saved.timing.next_after(to_us(at))
        at = None if next_us is None else from_us(next_us)
    assert times == served


def test_an_interval_counts_from_when_it_would_be_saved(deck: Deck, job: str, clock: Any) -> None:
    clock.us = to_us(datetime(2027, 1, 1, tzinfo=UTC)) - 1
    saved = deck.schedules.create(job, every(hours=1))
    clock.us += 10 * 60_000_000
    assert deck.previews.preview(every(hours=1), schedule_id=saved.id).times[0].at == saved.next_fire_at
    changed = deck.previews.preview(every(hours=2), schedule_id=saved.id).times[0].at
    assert changed == from_us(clock.us) + timedelta(hours=2)
    fresh = deck.previews.preview(every(hours=2), starts_at="2027-06-01T00:00:00+00:00").times
    assert fresh[0].at == datetime(2027, 6, 1, tzinfo=UTC)


def test_it_ends_where_the_schedule_ends(deck: Deck, job: str) -> None:
    start = "2027-01-01T00:00:00+00:00"
    found = deck.previews.preview(NIGHTLY, ends_at="2027-01-03T02:30:00+00:00", after=start)
    assert (local(found), found.is_complete) == (
        ["2027-01-01 02:30+00:00", "2027-01-02 02:30+00:00", "2027-01-03 02:30+00:00"], True)  # fmt: skip
    found = deck.previews.preview(NIGHTLY, max_count=2, after=start)
    assert (len(found.times), found.is_complete) == (2, True)
    found = deck.previews.preview(NIGHTLY, max_count=10, after=start)
    assert (len(found.times), found.is_complete) == (10, True)
    beyond = deck.previews.preview(NIGHTLY, ends_at="2027-01-03T02:30:00+00:00", after="2028-01-01T00:00:00+00:00")
    assert (beyond.times, beyond.is_complete, beyond.clock_changes) == ((), True, ())


@pytest.mark.parametrize(
    ("recurrence", "count"),
    [
        (cron("0 0 29 2 *"), 100),
        (every(milliseconds=100), 100),
        (every(weeks=520), 100),
        (cron("* * * * * *"), 100),
        (cron("0 0 29 2 mon"), 100),
        ({"type": "crontab", "minute": "0", "hour": "0", "day_of_month": "29", "month_of_year": "2", "day_of_week": "1"},
         100),
    ],
)  # fmt: skip
def test_a_preview_is_never_endless(deck: Deck, recurrence: dict[str, Any], count: int) -> None:
    found = deck.previews.preview(recurrence, **BERLIN, count=count)
    assert len(found.times) == count
    assert all(a.at < b.at for a, b in pairwise(found.times))


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"recurrence": cron("banana")}, "recurrence.expression", "0 2 * * *"),
        ({"recurrence": cron("61 * * * *")}, "recurrence.expression", "not from 0 to 59"),
        ({"recurrence": cron("0 0 30 2 *")}, "recurrence.expression", "such as 28"),
        ({"recurrence": every(minutes=0)}, "recurrence._schema", "minutes: 15"),
        ({"recurrence": None}, "recurrence", "Missing"),
        ({"recurrence": {"type": "once", "at": "2020-01-01T00:00:00+00:00"}}, "recurrence.at", "has passed"),
        ({"time_zone": "Europe/Berln"}, "time_zone", "did you mean Europe/Berlin"),
        ({"starts_at": "2027-01-01T00:00:00"}, "starts_at", "with its offset"),
        ({"ends_at": "2020-01-01T00:00:00+00:00"}, "ends_at", "future"),
        (
            {"starts_at": "2028-01-01T00:00:00+00:00", "ends_at": "2027-12-01T00:00:00+00:00"},
            "ends_at",
            "than its start",
        ),
        ({"max_count": 0}, "max_count", "from 1"),
        ({"jitter": "2d"}, "jitter", "1 day"),
        ({"after": "tomorrow"}, "after", "2027-01-31T02:00:00"),
        ({"count": 0}, "count", "1 to 100"),
        ({"count": 101}, "count", "1 to 100"),
        ({"count": True}, "count", "1 to 100"),
    ],
)
def test_what_cannot_be_saved_cannot_be_previewed(deck: Deck, given: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        deck.previews.preview(**{"recurrence": NIGHTLY, **given})
    (error,) = refused.value.errors
    assert error.field == field
    assert said in error.messages[0]


def test_everything_wrong_is_told_at_once(deck: Deck) -> None:
    with pytest.raises(InvalidInput) as refused:
        deck.previews.preview(cron("x"), time_zone="Nowhere", after="x", count=0)
    assert {error.field for error in refused.value.errors} == {"recurrence.expression", "time_zone", "after", "count"}


def test_who_fires_at_the_same_time(deck: Deck, job: str) -> None:
    other = str(deck.jobs.create(title="Backup", type="greet").id)
    idle = str(deck.jobs.create(title="Idle", type="greet", active=False).id)
    close = deck.schedules.create(other, cron("31 2 * * *"), **BERLIN)
    hourly = deck.schedules.create(job, cron("30 */6 * * *"), time_zone="UTC")
    later = deck.schedules.create(other, cron("32 2 * * *"), **BERLIN)
    deck.schedules.create(idle, NIGHTLY, **BERLIN)
    paused = deck.schedules.create(other, NIGHTLY, **BERLIN)
    deck.schedules.pause(paused.id)
    itself = deck.schedules.create(job, NIGHTLY, **BERLIN)

    after = "2027-03-25T12:00:00+01:00"
    found = deck.previews.preview(NIGHTLY, **BERLIN, after=after, count=5, schedule_id=itself.id)
    counts = {one.schedule_id: one.count for one in found.collisions}
    # All that the night of 28 March leaves out is served together after the gap; from then on 02:30 is 00:30 UTC.
    assert counts == {close.id: 5, later.id: 1, hourly.id: 2}
    (told,) = [one for one in found.collisions if one.schedule_id == later.id]
    assert (told.at, told.job_id, told.job_title) == (datetime(2027, 3, 28, 1, tzinfo=UTC), other, "Backup")
    assert found.collisions_are_complete
    found = deck.previews.preview(NIGHTLY, **BERLIN, after="2027-07-01T12:00:00+02:00", count=5)
    assert {one.schedule_id: one.count for one in found.collisions} == {close.id: 5, hourly.id: 5, itself.id: 5}


def test_of_many_others_some_are_looked_at(deck: Deck, job: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        deck.schedules.create(job, every(seconds=1))
    monkeypatch.setattr("jobdeck.services.previews._NEIGHBOURS", 3)
    found = deck.previews.preview(every(seconds=10))
    assert (len(found.collisions), found.collisions_are_complete) == (3, False)
    monkeypatch.setattr("jobdeck.services.previews._NEIGHBOURS", 5)
    assert deck.previews.preview(every(seconds=10)).collisions_are_complete
    # Times that lie far apart ask each of the others once a time.
    monkeypatch.setattr("jobdeck.services.previews._QUESTIONS", 15)
    found = deck.previews.preview(every(hours=1), count=10)
    assert (len(found.collisions), found.collisions_are_complete) == (2, False)


def test_a_preview_asks_the_database_once(deck: Deck, job: str, statements: Callable[[Callable[[], Any]], int]) -> None:
    for minute in range(5):
        deck.schedules.create(job, cron(f"{minute} * * * *"))
    assert statements(lambda: deck.previews.preview(NIGHTLY)) == 1
    assert statements(lambda: deck.previews.preview(NIGHTLY, with_collisions=False)) == 0
    asked: dict[str, Any] = {"start": "2027-01-01T00:00:00+00:00", "end": "2027-01-02T00:00:00+00:00"}
    assert statements(lambda: deck.previews.simulate(**asked)) == 1


def test_all_schedules_together(deck: Deck, job: str) -> None:
    other = str(deck.jobs.create(title="Backup", type="greet").id)
    nightly = deck.schedules.create(job, NIGHTLY, **BERLIN)
    six_hourly = deck.schedules.create(other, cron("30 */6 * * *"))
    start, end = "2027-03-27T18:00:00+00:00", "2027-03-29T00:30:00+00:00"
    found = deck.previews.simulate(start, end)
    assert [(one.local.isoformat(" ", timespec="minutes"), one.schedule.id, one.job_title) for one in found.times] == [
        ("2027-03-27 18:30+00:00", six_hourly.id, "Backup"),
        ("2027-03-28 00:30+00:00", six_hourly.id, "Backup"),
        ("2027-03-28 03:00+02:00", nightly.id, "Nightly"),
        ("2027-03-28 06:30+00:00", six_hourly.id, "Backup"),
        ("2027-03-28 12:30+00:00", six_hourly.id, "Backup"),
        ("2027-03-28 18:30+00:00", six_hourly.id, "Backup"),
    ]
    assert found.is_complete and not any(one.collides for one in found.times)
    found = deck.previews.simulate(start, "2027-03-29T00:30:01+00:00")
    assert [one.collides for one in found.times] == [False] * 6 + [True, True]
    only = deck.previews.simulate(start, end, job_id=job)
    assert [one.schedule.id for one in only.times] == [nightly.id]
    cut = deck.previews.simulate(start, end, limit=2)
    assert ([one.at for one in cut.times], cut.is_complete) == ([one.at for one in found.times[:2]], False)
    # The second of the two that collide is not shown, and still known.
    assert deck.previews.simulate(start, "2027-03-29T01:00:00+00:00", limit=7).times[-1].collides


def test_a_simulation_ends_where_schedules_end(deck: Deck, job: str, clock: Any) -> None:
    clock.us = to_us(datetime(2027, 1, 1, tzinfo=UTC))
    deck.schedules.create(job, cron("0 * * * *"), max_count=5)
    days = ("2027-01-01T00:30:00+00:00", "2027-01-03T00:00:00+00:00")
    assert [f"{one.at:%H}" for one in deck.previews.simulate(*days).times] == ["01", "02", "03", "04", "05"]
    later = deck.previews.simulate("2027-01-01T03:30:00+00:00", days[1])
    assert ([f"{one.at:%H}" for one in later.times], later.is_complete) == (["04", "05"], True)
    deck.schedules.create(job, cron("0 0 * * *"), ends_at="2027-01-02T12:00:00+00:00")
    assert len(deck.previews.simulate(days[0], "2027-02-01T00:00:00+00:00", job_id=job).times) == 6


def test_a_simulation_of_a_far_future_says_that_it_cannot_count(deck: Deck, job: str) -> None:
    deck.schedules.create(job, every(milliseconds=100), max_count=1_000_000_000)
    nightly = deck.schedules.create(job, NIGHTLY)
    found = deck.previews.simulate("2027-06-01T00:00:00+00:00", "2027-06-02T00:00:00+00:00")
    assert ([one.schedule.id for one in found.times], found.is_complete) == ([nightly.id], False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start": None}, "from"),
        ({"start": "2027-01-01"}, "from"),
        ({"end": "2027-01-01T00:00:00+00:00"}, "to"),
        ({"end": "2028-01-02T00:00:01+00:00"}, "to"),
        ({"end": None}, "to"),
        ({"limit": 0}, "limit"),
        ({"limit": 10_001}, "limit"),
        ({"job_id": "x"}, "job_id"),
    ],
)
def test_what_cannot_be_simulated(deck: Deck, given: dict[str, Any], field: str) -> None:
    span: dict[str, Any] = {"start": "2027-01-01T00:00:00+00:00", "end": "2028-01-02T00:00:00+00:00"}
    with pytest.raises(InvalidInput) as refused:
        deck.previews.simulate(**{**span, **given})
    assert [error.field for error in refused.value.errors] == [field]
    assert deck.previews.simulate(**span).is_complete


def test_other_tenants_schedules_are_not_seen(deck: Deck, job: str) -> None:
    saved = deck.schedules.create(job, NIGHTLY)
    stranger = deck.acting_as(Principal(id="x", name="X", roles=frozenset({"administrator"}), tenant="other"))
    assert stranger.previews.preview(NIGHTLY).collisions == ()
    assert stranger.previews.simulate("2027-01-01T00:00:00+00:00", "2027-01-02T00:00:00+00:00").times == ()
    with pytest.raises(NotFound):
        stranger.previews.preview(NIGHTLY, schedule_id=saved.id)
    nobody = deck.acting_as(Principal(id="y", name="Y"))
    with pytest.raises(NotAllowed):
        nobody.previews.preview(NIGHTLY)
    with pytest.raises(NotAllowed):
        nobody.previews.simulate("2027-01-01T00:00:00+00:00", "2027-01-02T00:00:00+00:00")


def test_a_schedule_whose_zone_is_gone_hinders_nobody(deck: Deck, job: str) -> None:
    """Newer time zone data may have dropped a zone that a schedule names."""
    saved = deck.schedules.create(job, NIGHTLY)
    other = deck.schedules.create(job, NIGHTLY)
    with deck.database.write() as connection:
        gone = update(tables.schedules).values(time_zone="Mars/Olympus")
        connection.execute(gone.where(tables.schedules.c.id == saved.id))
    assert [one.schedule_id for one in deck.previews.preview(NIGHTLY).collisions] == [other.id]
    found = deck.previews.simulate("2027-01-01T00:00:00+00:00", "2027-01-02T00:00:00+00:00")
    assert [one.schedule.id for one in found.times] == [other.id]
