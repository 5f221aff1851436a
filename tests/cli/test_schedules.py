"""`jobdeck schedules`: adding, changing, pausing, looking ahead, and what became of planned times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck
from jobdeck.services.firing import Firing
from jobdeck.store import tables

NIGHT = ["--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--after", "2027-03-26T12:00:00+01:00", "-n", "3"]


@pytest.fixture
def job(ready: Any) -> str:
    """The id of a job that greets Ada."""
    made = ready("jobs", "create", "--title", "Greeting", "--type", "greet", "--arg", "name=Ada", "--json").json
    return str(made["id"])


@pytest.fixture
def add(ready: Any, job: str) -> Callable[..., str]:
    """Adds a schedule to that job; its id."""
    return lambda *options: str(ready("schedules", "add", job, *options, "--json").json["id"])


def test_a_preview_needs_neither_job_nor_database(cli: Any, home: Path) -> None:
    answer = cli("schedules", "preview", *NIGHT)
    assert answer.code == 0
    assert (
        answer.out
        == """\
At 02:30, every day (Europe/Berlin)

Europe/Berlin                  UTC                      Note
Sat 2027-03-27 02:30:00+01:00  Sat 2027-03-27 01:30:00
Sun 2027-03-28 03:00:00+02:00  Sun 2027-03-28 01:00:00  02:30 does not exist on 28 March 2027: it runs at 03:00, the \
first moment after.
Mon 2027-03-29 02:30:00+02:00  Mon 2027-03-29 00:30:00

Clock changes
02:30 does not exist on 28 March 2027: it runs at 03:00, the first moment after.
02:30 comes twice on 31 October 2027: it runs the first time only.
"""
    )
    assert not home.exists()
    body = cli("schedules", "preview", *NIGHT, "--json").json
    assert [one["local"] for one in body["times"]] == [
        "2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "description", "first"),
    [
        (["--cron", "@daily"], "At 00:00, every day (UTC)", "2027-01-02T00:00:00+00:00"),
        (["--cron", "30 0 2 * * *"], "At 02:00:30", "2027-01-01T02:00:30+00:00"),
        (["--every", "15m"], "Every 15 minutes", "2027-01-01T00:15:00+00:00"),
        (["--every", "1d"], "Every day", "2027-01-02T00:00:00+00:00"),
        (["--every", "90"], "Every 90 seconds", "2027-01-01T00:01:30+00:00"),
        (["--every", "1.5h"], "Every 90 minutes", "2027-01-01T01:30:00+00:00"),
        (["--every", "100ms"], "Every 100 milliseconds", "2027-01-01T00:00:00.100000+00:00"),
        (["--at", "2027-01-31T02:00:00"], "Once, on 31 January 2027 at 02:00 (UTC)", "2027-01-31T02:00:00+00:00"),
        (["--at", "2027-01-31T02:00:00", "--tz", "Asia/Tokyo"], "Once, on 31", "2027-01-31T02:00:00+09:00"),
    ],
)
def test_what_can_be_typed(cli: Any, words: list[str], description: str, first: str) -> None:
    body = cli("schedules", "preview", *words, "--after", "2027-01-01T00:00:00+00:00", "--json").json
    assert body["description"].startswith(description)
    assert body["times"][0]["local"] == first


def test_five_minutes_are_five_minutes(cli: Any) -> None:
    """Times do not drift, and are as many as were asked for."""
    words = ["--cron", "*/5 * * * *", "--after", "2027-01-01T00:00:01+00:00", "-n", "100", "--json"]
    times = [one["local"] for one in cli("schedules", "preview", *words).json["times"]]
    assert len(times) == 100
    assert (times[0], times[11], times[99]) == (
        "2027-01-01T00:05:00+00:00", "2027-01-01T01:00:00+00:00", "2027-01-01T08:20:00+00:00")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--cron", "banana"], 1, "--cron: 'banana' has 1 field; write 5"),
        (["--cron", "61 * * * *"], 1, "--cron: Minute: '61'"),
        (["--cron", "0 0 30 2 *"], 1, "such as 28"),
        (["--cron", ""], 1, "0 2 * * *"),
        (["--every", "0"], 1, "--every: An interval is from 100 milliseconds"),
        (["--every", "99ms"], 1, "--every: "),
        (["--every", "-5m"], 2, "'-5m' is no span; write for example 15m"),
        (["--every", "soon"], 2, "'soon' is no span"),
        (["--at", "noon"], 1, "--at: "),
        (["--at", "2020-01-01T00:00:00+00:00"], 1, "--at: 2020-01-01T00:00:00.000000+00:00 has passed"),
        (
            ["--every", "5m", "--tz", "Europe/Berln"],
            1,
            "--tz: 'Europe/Berln' is no time zone; did you mean Europe/Berlin",
        ),
        (["--every", "5m", "--after", "tomorrow"], 1, "--after: Must be a time with its offset, such as"),
        (["--every", "5m", "-n", "101"], 1, "-n: Must be a whole number from 1 to 100."),
        (["--every", "5m", "--cron", "@daily"], 2, "Give one of --cron"),
        ([], 2, "Give one of --cron"),
    ],
)
def test_what_cannot_be_previewed_is_said_in_one_line(cli: Any, words: list[str], code: int, said: str) -> None:
    answer = cli("schedules", "preview", *words)
    assert (answer.code, said in answer.complaint) == (code, True), answer.err


def test_the_life_of_a_schedule(ready: Any, job: str) -> None:
    assert ready("schedules", "list").out == "No schedules; `jobdeck schedules add` makes one.\n"
    added = ready(
        "schedules", "add", "Greeting", "--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--overlap", "wait_one"
    )
    first, second = added.out.splitlines()
    assert first.endswith("of job Greeting: At 02:30, every day (Europe/Berlin).")
    assert second.startswith("Its next time is ") and " 02:30:00+0" in second
    (listed,) = ready("schedules", "list", "--json").json["hits"]["hits"]
    assert (listed["job_id"], listed["overlap"], listed["misfire"], listed["time_zone"]) == (
        job, "wait_one", "once", "Europe/Berlin")  # fmt: skip
    head, row = ready("schedules", "list").out.splitlines()
    assert head.split() == ["ID", "Job", "When", "Next", "State"]
    assert row.startswith(listed["id"]) and "Greeting" in row

    schedule = listed["id"]
    assert ready("schedules", "show", "greeting").code == 1
    shown = ready("schedules", "show", "Greeting").out
    assert ready("schedules", "show", schedule).out == ready("schedules", "show", job).out == shown
    assert "At 02:30, every day (Europe/Berlin)" in shown and "wait_one" in shown
    assert ready("schedules", "show", schedule, "--json").json == listed

    paused = ready("schedules", "pause", schedule, "--reason", "The disk is full")
    assert paused.out == f"The schedule {schedule} is paused.\n"
    assert "The disk is full" in ready("schedules", "list").out
    assert ready("schedules", "list", "--active", "--json").json["hits"]["total"] == 0
    assert ready("schedules", "list", "--paused", "--json").json["hits"]["total"] == 1
    assert ready("schedules", "resume", "Greeting", "--json").json["paused"] is None

    assert ready("schedules", "remove", schedule).code == 2
    assert ready("schedules", "remove", schedule, "--yes").out.startswith(
        f"Deleted schedule {schedule} (Greeting: At 02:30"
    )
    assert ready("schedules", "show", schedule).code == 1
    assert ready("schedules", "show", "Greeting").complaint.startswith("The job 'Greeting' has no schedule;")


def test_a_schedule_is_changed(ready: Any, job: str, add: Callable[..., str]) -> None:
    schedule = add("--every", "15m", "--from", "2027-06-01T00:00:00+00:00", "--until", "2028-01-01T00:00:00+00:00",
                   "--count", "7", "--jitter", "30s", "--misfire", "all", "--misfire-window", "1d",
                   "--arg", "times=2")  # fmt: skip
    made = ready("schedules", "show", schedule, "--json").json
    assert made["recurrence"] == {"type": "interval", "minutes": 15}
    assert made["args"] == {"name": "Ada", "times": 2}
    kept = {"max_count": 7, "jitter": 30.0, "misfire": "all", "misfire_window": 86400.0}
    assert {name: made[name] for name in kept} == kept
    assert made["next_fire_at"] == made["starts_at"] == "2027-06-01T00:00:00.000000+00:00"

    out = ready("schedules", "update", schedule, "--cron", "@hourly", "--count", "none", "--jitter", "none", "--from", "none",
                "--until", "none", "--misfire-window", "none", "--arg", "times=3", "--tz", "Asia/Tokyo")  # fmt: skip
    assert out.out.startswith(f"Changed schedule {schedule} of job Greeting: ")
    changed = ready("schedules", "show", schedule, "--json").json
    assert changed["recurrence"] == {"type": "cron", "expression": "@hourly"}
    cleared = ("max_count", "starts_at", "ends_at", "misfire_window")
    assert [changed[name] for name in cleared] == [None] * 4
    assert (changed["jitter"], changed["misfire"], changed["args"]) == (0, "all", {"name": "Ada", "times": 3})
    assert ready("schedules", "update", schedule).complaint.startswith("Nothing to change")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cron", "banana"], "--cron: 'banana'"),
        (["--every", "5m", "--until", "2020-01-01T00:00:00+00:00"], "--until: "),
        (["--every", "5m", "--count", "many"], "--count: Must be a whole number from 1"),
        (["--every", "5m", "--count", "0"], "--count: "),
        (["--every", "5m", "--jitter", "1w"], "--jitter: "),
        (["--every", "5m", "--tz", "Moon"], "--tz: 'Moon' is no time zone"),
        (["--every", "5m", "--arg", "times=many"], "args.times: "),
        (["--every", "5m", "--arg", "colour=red"], "args.colour: Unknown field. The arguments are name, times"),
    ],
)
def test_what_cannot_be_added_is_named(ready: Any, job: str, words: list[str], said: str) -> None:
    answer = ready("schedules", "add", job, *words)
    assert (answer.code, said in answer.complaint) == (1, True), answer.err
    assert ready("schedules", "list", "--json").json["hits"]["total"] == 0


def test_jobs_with_several_schedules_name_them(ready: Any, job: str, add: Callable[..., str]) -> None:
    ids = [add("--every", "1h"), add("--every", "2h")]
    complaint = ready("schedules", "pause", "Greeting").complaint
    assert complaint == f"The job 'Greeting' has 2 schedules; name one by its id: {ids[0]}, {ids[1]}."
    assert ready("schedules", "pause", ids[1]).code == 0
    assert "did you mean 'Greeting'" in ready("schedules", "show", "Greting").complaint
    assert ready("schedules", "show", "01890000-0000-7000-8000-000000000000").code == 1
    assert ready("schedules", "list", "--job", "Greeting", "--search", "GREET", "--json").json["hits"]["total"] == 2


def test_a_preview_tells_who_fires_at_the_same_time(ready: Any, job: str, add: Callable[..., str]) -> None:
    schedule = add("--cron", "30 2 * * *", "--tz", "Europe/Berlin")
    out = ready("schedules", "preview", *NIGHT).out
    assert "At the same time\n" in out
    row = out.splitlines()[-1].split()
    assert row == ["Greeting", schedule, "3", "Sat", "2027-03-27", "01:30:00"]


def test_all_schedules_in_order(ready: Any, job: str, add: Callable[..., str]) -> None:
    days = ["--from", "2027-03-27T12:00:00+00:00", "--to", "2027-03-29T00:00:00+00:00"]
    assert ready("schedules", "simulate", *days).out == "Nothing is planned then.\n"
    nightly, hourly = add("--cron", "30 2 * * *", "--tz", "Europe/Berlin"), add("--cron", "0 1 * * *")
    head, first, second = ready("schedules", "simulate", *days).out.splitlines()
    assert head.split() == ["UTC", "Local", "Time", "zone", "Job", "Schedule", "Same", "minute"]
    assert "2027-03-28 03:00:00+02:00" in first + second and nightly in first + second and hourly in first + second
    assert first.endswith("as another") and second.endswith("as another")
    body = ready("schedules", "simulate", *days, "--limit", "1", "--json").json
    assert (body["hits"]["total"], body["is_complete"]) == (1, False)
    assert "There is more than these 1;" in ready("schedules", "simulate", *days, "--limit", "1").out
    # Without --to it is the day that begins then.
    assert ready("schedules", "simulate", *days[:2], "--json").json["hits"]["total"] == 2
    assert ready("schedules", "simulate", "--json").json["is_complete"]
    refused = ready("schedules", "simulate", "--from", "noon")
    assert refused.code == 1 and refused.complaint.startswith("--from: Must be a time with its offset")


def test_what_became_of_planned_times(ready: Any, deck: Deck, add: Callable[..., str]) -> None:
    schedule = add("--every", "100ms", "--overlap", "skip")
    assert ready("schedules", "ticks", schedule).out == "No planned time has come yet.\n"
    firing = Firing(deck.office, deck.authority)
    due = deck.schedules.get(schedule).next_fire_at
    assert due is not None
    while deck.schedules.get(schedule).count == 0 or deck.schedules.ticks(schedule).total < 2:
        firing.step()
    deck.schedules.pause(schedule)
    listed = ready("schedules", "ticks", "Greeting", "--size", "100", "--json").json
    kinds = [one["kind"] for one in listed["hits"]["hits"]]
    assert set(kinds) == {"fired", "skipped"} and kinds[-1] == "fired"
    lines = ready("schedules", "ticks", schedule, "--size", "100").out.splitlines()
    assert lines[0].split() == ["Planned", "Became", "Why", "Run"]
    assert "fired" in lines[len(kinds)] and "had not ended" in lines[1]


def test_what_is_overdue(ready: Any, deck: Deck, add: Callable[..., str]) -> None:
    assert ready("schedules", "overdue").out == "Nothing is overdue.\n"
    schedule = add("--cron", "30 2 * * *", "--tz", "Europe/Berlin")
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(next_fire_at=1_767_231_000_000_000))
    (one,) = ready("schedules", "overdue", "--json").json["hits"]["hits"]
    assert (one["kind"], one["schedule_id"]) == ("not_served", schedule)
    assert "it was planned for 02:30 on 1 January 2026 (Europe/Berlin)" in ready("schedules", "overdue").out


def test_without_tables_it_says_so(cli: Any, home: Path) -> None:
    assert cli("schedules", "list").complaint == "The database has no jobdeck tables; run `jobdeck db upgrade`."
    assert not home.exists()
