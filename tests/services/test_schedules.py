"""Schedules as people save them: what is kept, what is refused and by which field, in whose name they run from then on, and
that no planned time is lost when they change. What a scheduler makes of them is in `test_firing`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from jobdeck import Deck, job_type
from jobdeck.core.filters import JobFilter, Page, ScheduleFilter
from jobdeck.core.job import Job
from jobdeck.core.principal import ADMINISTRATOR, Principal
from jobdeck.core.schedule import Misfire, Overlap, Schedule
from jobdeck.core.tick import TickKind, TickReason
from jobdeck.core.times import from_us, to_us
from jobdeck.errors import Conflict, InvalidInput, NotAllowed, NotFound
from jobdeck.services import scheduling
from jobdeck.store import tables

from .conftest import TurnedClock
from .firing_bench import DAY, HOUR, MINUTE, S, at, ledger, verdicts

AN_ID = "01890000-0000-7000-8000-000000000000"
NOBODY = Principal(id="eve", name="Eve")
ADA = Principal(id="token:ada", name="Ada", roles=frozenset({ADMINISTRATOR}))
STRANGER = Principal(id="mallory", name="Mallory", roles=frozenset({ADMINISTRATOR}), tenant="other")
NIGHTLY = {"type": "crontab", "minute": "0", "hour": "2"}
HOURLY = {"type": "cron", "expression": "0 * * * *"}
FIVE = {"type": "interval", "minutes": 5}
START = at("2026-11-20 12:30")


@job_type
def welcome(name: str) -> str:
    """Say hello to somebody who must be named."""
    return name


@pytest.fixture
def job(deck: Deck, clock: TurnedClock) -> Job:
    """A job, at half past twelve."""
    clock.us = START
    return deck.jobs.create(title="Greet Ada", type="greet")


def made(deck: Deck, job: Job, recurrence: Any = HOURLY, **told: Any) -> Schedule:
    return deck.schedules.create(str(job.id), recurrence, **told)


def wrong(call: Callable[..., Any], *given: Any, **named: Any) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        call(*given, **named)
    return {error.field: " ".join(error.messages) for error in caught.value.errors}


def audited(deck: Deck) -> list[Any]:
    return list(reversed(deck.audit.list(Page(size=100)).items))


# What is kept


def test_a_schedule_is_kept_as_it_was_said(deck: Deck, job: Job) -> None:
    one = made(
        deck, job, NIGHTLY, time_zone="Europe/Berlin", starts_at="2027-01-31T02:00:00+01:00",
        ends_at=datetime(2028, 1, 1, tzinfo=UTC), max_count=7, jitter="10m", arguments={"name": "Bo"},
        custom_arguments={"x": 1}, misfire="all", misfire_window="2d", overlap="wait_one",
    )  # fmt: skip
    assert one == deck.schedules.get(one.id)
    assert one.recurrence.as_data() == {**NIGHTLY, "day_of_week": "*", "day_of_month": "*", "month_of_year": "*"}
    assert (one.time_zone, one.starts_at, one.ends_at) == (
        "Europe/Berlin", datetime(2027, 1, 31, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert (one.max_count, one.jitter_s, one.misfire_window_s) == (7, 600, 172_800)
    assert (one.arguments, one.custom_arguments) == ({"name": "Bo"}, {"x": 1})
    assert (one.misfire, one.overlap) == (Misfire.ALL, Overlap.WAIT_ONE)
    assert (one.principal.id, one.count, one.pause, one.problem, one.last_fire_at) == ("system", 0, None, None, None)
    assert one.next_fire_at == datetime(2027, 1, 31, 1, tzinfo=UTC)


def test_what_is_left_out_has_a_default(deck: Deck, job: Job) -> None:
    one = made(deck, job, FIVE)
    assert (one.time_zone, one.misfire, one.overlap, one.jitter_s) == ("UTC", "once", "skip", 0)
    assert (one.arguments, one.max_count, one.starts_at, one.ends_at) == (None, None, None, None)
    assert one.next_fire_at == one.created_at + timedelta(minutes=5)


def test_the_zone_of_the_settings_is_the_default(deck: Deck, job: Job) -> None:
    later = Deck(job_types=[deck.registry.get("greet")], home=deck.settings.home, time_zone="Asia/Tokyo",
                 database_url=deck.settings.database_url)  # fmt: skip
    try:
        assert made(later, job, NIGHTLY).time_zone == "Asia/Tokyo"
        assert later.jobs.update(str(job.id), schedule=HOURLY).schedules[0].time_zone == "Asia/Tokyo"
    finally:
        later.close()


def test_a_start_that_has_passed_is_where_an_interval_counts_from(deck: Deck, job: Job) -> None:
    one = made(deck, job, {"type": "interval", "hours": 1}, starts_at="2026-11-01T00:20:00+00:00")
    assert one.next_fire_at == datetime(2026, 11, 20, 13, 20, tzinfo=UTC)


def test_a_job_has_several_schedules_but_not_any_number(deck: Deck, job: Job) -> None:
    ids = [made(deck, job, FIVE).id for _ in range(50)]
    assert [one.id for one in deck.schedules.of_job(str(job.id))] == ids
    with pytest.raises(Conflict, match="at most 50"):
        made(deck, job)
    deck.schedules.delete(ids[0])
    assert made(deck, job).id not in ids


# What is refused

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"recurrence": None}, "recurrence", "required"),
    ({"recurrence": "banana"}, "recurrence._schema", "Invalid data type"),
    ({"recurrence": []}, "recurrence._schema", "Invalid data type"),
    ({"recurrence": {}}, "recurrence.type", "required"),
    ({"recurrence": {"type": "banana"}}, "recurrence.type", "Unsupported value: banana"),
    ({"recurrence": {"type": 5}}, "recurrence.type", "Unsupported value: 5"),
    ({"recurrence": {"type": "cron"}}, "recurrence.expression", "required"),
    ({"recurrence": {"type": "cron", "expression": ""}}, "recurrence.expression", "for example"),
    ({"recurrence": {"type": "cron", "expression": "banana"}}, "recurrence.expression", "for example"),
    ({"recurrence": {"type": "cron", "expression": "61 * * * *"}}, "recurrence.expression", "for example"),
    ({"recurrence": {"type": "cron", "expression": "0 0 30 2 *"}}, "recurrence.expression", "such as"),
    ({"recurrence": {"type": "cron", "expression": "* " * 200}}, "recurrence.expression", ""),
    ({"recurrence": {"type": "cron", "expression": "x" * 1_000_000}}, "recurrence.expression", ""),
    ({"recurrence": {"type": "cron", "expression": "0 \x00 * * *"}}, "recurrence.expression", ""),
    ({"recurrence": {"type": "cron", "expression": "@reboot"}}, "recurrence.expression", ""),
    ({"recurrence": {"type": "cron", "expression": 5}}, "recurrence.expression", "Not a valid string."),
    ({"recurrence": {"type": "crontab", "minute": "61"}}, "recurrence.minute", "for example"),
    ({"recurrence": {"type": "crontab", "minute": "banana"}}, "recurrence.minute", "for example"),
    ({"recurrence": {"type": "crontab", "minute": ""}}, "recurrence.minute", ""),
    ({"recurrence": {"type": "crontab", "minute": 5}}, "recurrence.minute", "Not a valid string."),
    ({"recurrence": {"type": "crontab", "day_of_month": "30", "month_of_year": "2"}}, "recurrence.day_of_month", "such as"),
    ({"recurrence": {"type": "crontab", "fortnight": "1"}}, "recurrence.fortnight", "Unknown field."),
    ({"recurrence": {"type": "interval"}}, "recurrence._schema", "for example"),
    ({"recurrence": {"type": "interval", "minutes": 0}}, "recurrence._schema", "for example"),
    ({"recurrence": {"type": "interval", "minutes": -5}}, "recurrence.minutes", ""),
    ({"recurrence": {"type": "interval", "minutes": "soon"}}, "recurrence.minutes", "Not a valid integer."),
    ({"recurrence": {"type": "interval", "minutes": True}}, "recurrence.minutes", "Not a valid integer."),
    ({"recurrence": {"type": "interval", "minutes": None}}, "recurrence.minutes", "Not a valid integer."),
    ({"recurrence": {"type": "interval", "weeks": 10**15}}, "recurrence.weeks", "10 years"),
    ({"recurrence": {"type": "interval", "weeks": 1000}}, "recurrence._schema", "10 years"),
    ({"recurrence": {"type": "once", "at": "soon"}}, "recurrence.at", "write"),
    ({"recurrence": {"type": "once", "at": "2026-11-20T12:29:59"}}, "recurrence.at", "has passed"),
    ({"time_zone": "Europe/Berln"}, "time_zone", "Europe/Berlin"),
    ({"time_zone": "Mars/Olympus"}, "time_zone", "such as Europe/Berlin"),
    ({"time_zone": "../../etc/passwd"}, "time_zone", "such as"),
    ({"time_zone": ""}, "time_zone", "such as"),
    ({"time_zone": "UTC\x00"}, "time_zone", "UTC"),
    ({"time_zone": "z" * 1_000_000}, "time_zone", "such as"),
    ({"time_zone": 5}, "time_zone", "such as"),
    ({"starts_at": "2027-01-31T02:00:00"}, "starts_at", "with its offset, such as"),
    ({"starts_at": datetime(2027, 1, 31)}, "starts_at", "with its offset"),  # noqa: DTZ001  # a naive one is to be refused
    ({"starts_at": "banana"}, "starts_at", "such as"),
    ({"starts_at": 5}, "starts_at", "such as"),
    ({"starts_at": True}, "starts_at", "such as"),
    ({"starts_at": "0001-01-01T00:00:00+00:00"}, "starts_at", "after 1970"),
    ({"starts_at": "9999-12-31T23:59:59+00:00"}, "starts_at", "before"),
    ({"ends_at": "2026-11-20T12:30:00+00:00"}, "ends_at", "in the future"),
    ({"ends_at": "2027-01-01T00:00:00+00:00", "starts_at": "2027-01-01T00:00:00+00:00"}, "ends_at", "later than its start"),
    ({"ends_at": "2027-01-01T00:00:00"}, "ends_at", "with its offset"),
    ({"ends_at": "2026-11-20T12:59:59+00:00"}, "ends_at", "2026-11-20T13:00:00"),
    ({"max_count": 0}, "max_count", "from 1 to"),
    ({"max_count": 1_000_000_001}, "max_count", "from 1 to"),
    ({"max_count": "7"}, "max_count", "whole number"),
    ({"max_count": 1.5}, "max_count", "whole number"),
    ({"max_count": True}, "max_count", "whole number"),
    ({"jitter": -1}, "jitter", "from 0 seconds to 1 day"),
    ({"jitter": "25h"}, "jitter", "from 0 seconds to 1 day"),
    ({"jitter": "a while"}, "jitter", "such as"),
    ({"jitter": []}, "jitter", "such as"),
    ({"jitter": float("nan")}, "jitter", "such as"),
    ({"jitter": "9" * 400}, "jitter", "such as"),
    ({"recurrence": FIVE, "jitter": "5m"}, "jitter", "shorter than the interval, which is 300 seconds"),
    ({"misfire": "maybe"}, "misfire", "skip, once, all"),
    ({"misfire": None}, "misfire", "skip, once, all"),
    ({"misfire_window": 0}, "misfire_window", "from 1 second to 366 days"),
    ({"misfire_window": "367d"}, "misfire_window", "from 1 second to 366 days"),
    ({"overlap": "often"}, "overlap", "allow, skip, wait_one, wait_all, stop_previous"),
    ({"overlap": 5}, "overlap", "allow"),
    ({"arguments": {"nmae": "Bo"}}, "args.nmae", ""),
    ({"arguments": {"times": "many"}}, "args.times", ""),
    ({"arguments": "all"}, "args", "object"),
    ({"arguments": {"name": "x" * 300_000}}, "args", "bytes"),
    ({"custom_arguments": "all"}, "custom_args", "object"),
]  # fmt: skip


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("given", "field", "words"), WRONG, ids=lambda value: repr(value)[:60])
def test_what_does_not_fit_is_refused_by_field(
    deck: Deck, database_url: str, job: Job, given: dict[str, Any], field: str, words: str
) -> None:
    kept = made(deck, job, HOURLY, arguments={"name": "Bo"})
    for call, target, told in (
        (deck.schedules.create, str(job.id), {"recurrence": HOURLY, **given}),
        (deck.schedules.update, kept.id, given),
    ):
        found = wrong(call, target, **told)
        assert list(found) == [field]
        assert words in found[field]
        assert len(found[field]) < 500
    assert list(deck.schedules.of_job(str(job.id))) == [kept]


def test_a_single_time_lies_between_start_and_end(deck: Deck, job: Job) -> None:
    once = {"type": "once", "at": "2027-01-31T02:00:00"}
    assert "ends_at" in wrong(made, deck, job, once, ends_at="2027-01-01T00:00:00+00:00")
    assert "starts_at" in wrong(made, deck, job, once, starts_at="2027-02-01T00:00:00+00:00")
    assert made(deck, job, once, time_zone="Europe/Berlin").next_fire_at == datetime(2027, 1, 31, 1, tzinfo=UTC)


def test_everything_wrong_is_told_at_once(deck: Deck, job: Job) -> None:
    found = wrong(made, deck, job, {"type": "x"}, time_zone="x", jitter="x", overlap="x", arguments={"times": "x"})
    assert found.keys() == {"recurrence.type", "time_zone", "jitter", "overlap", "args.times"}


def test_a_run_must_be_able_to_begin_with_the_arguments(deck: Deck) -> None:
    deck.register(welcome)
    without = deck.jobs.create(title="A", type="welcome")
    assert "args.name" in wrong(made, deck, without)
    one = made(deck, without, arguments={"name": "Bo"})
    assert one.arguments == {"name": "Bo"}
    assert "args.name" in wrong(deck.schedules.update, one.id, arguments=None)
    assert made(deck, without, custom_arguments={"name": "Bo"}).arguments is None
    assert made(deck, deck.jobs.create(title="B", type="welcome", arguments={"name": "Al"})).arguments is None
    assert "args.name" in wrong(deck.jobs.create, title="C", type="welcome", schedule=HOURLY)
    assert deck.jobs.update(str(without.id), schedule=FIVE).schedules[0].arguments == {"name": "Bo"}
    deck.schedules.delete(one.id)
    bare = deck.jobs.create(title="D", type="welcome")
    assert "args.name" in wrong(deck.jobs.update, str(bare.id), schedule=FIVE)
    assert len(deck.jobs.update(str(bare.id), schedule=FIVE, arguments={"name": "Cy"}).schedules) == 1


# Changes


def test_a_change_keeps_what_it_does_not_name(deck: Deck, job: Job) -> None:
    one = made(deck, job, NIGHTLY, time_zone="Europe/Berlin", max_count=3, arguments={"name": "Bo"})
    changed = deck.schedules.update(one.id, jitter="1m", overlap="allow")
    assert (changed.jitter_s, changed.overlap) == (60, "allow")
    assert (changed.time_zone, changed.max_count, changed.arguments) == ("Europe/Berlin", 3, {"name": "Bo"})
    assert (changed.next_fire_at, changed.served_until) == (one.next_fire_at, one.served_until)
    assert wrong(deck.schedules.update, one.id, jittr=5) == {"jittr": "Unknown field."}


def test_what_changes_nothing_does_nothing(deck: Deck, job: Job) -> None:
    one = made(deck, job, FIVE, arguments={"name": "Bo"})
    before = len(audited(deck))
    same = {"recurrence": {"type": "interval", "minutes": "5"}, "time_zone": None, "jitter": 0, "misfire": "once",
            "arguments": {"name": "Bo"}}  # fmt: skip
    assert deck.acting_as(ADA).schedules.update(one.id, **same) == one
    assert len(audited(deck)) == before


def test_due_times_are_accounted_for_before_a_change(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, HOURLY)
    clock.us = START + 3 * HOUR
    changed = deck.schedules.update(one.id, recurrence=NIGHTLY)
    assert ledger(deck, one) == {
        at(f"2026-11-20 {hour}:00"): ("skipped", "changed") for hour in (13, 14, 15)
    }  # fmt: skip
    assert all("changed" in str(tick.detail) for tick in deck.schedules.ticks(one.id).items)
    assert changed.next_fire_at == datetime(2026, 11, 21, 2, tzinfo=UTC)
    assert to_us(changed.served_until) >= START + 3 * HOUR


@pytest.mark.parametrize(
    "change",
    [
        {"jitter": "1m"}, {"arguments": {"name": "Bo"}}, {"misfire": "all"}, {"misfire_window": "1h"}, {"overlap": "allow"},
    ],
    ids=str,
)  # fmt: skip
def test_a_change_of_other_things_leaves_due_times_to_the_scheduler(
    deck: Deck, clock: TurnedClock, job: Job, change: dict[str, Any]
) -> None:
    one = made(deck, job, HOURLY)
    clock.us = START + 3 * HOUR
    changed = deck.schedules.update(one.id, **change)
    assert ledger(deck, one) == {}
    assert (changed.next_fire_at, changed.served_until) == (one.next_fire_at, one.served_until)
    assert changed.version > one.version


def test_an_interval_counts_from_its_change(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, FIVE)
    clock.us += 2 * MINUTE
    ended = deck.schedules.update(one.id, ends_at="2027-01-01T00:00:00+00:00")
    assert ended.next_fire_at == one.next_fire_at
    changed = deck.schedules.update(one.id, recurrence={"type": "interval", "minutes": 10})
    assert changed.next_fire_at == changed.served_until + timedelta(minutes=10)


def test_the_count_goes_on_and_can_be_full(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, HOURLY)
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(run_count=5))
    full = deck.schedules.update(one.id, max_count=5)
    assert (full.next_fire_at, full.count) == (None, 5)
    clock.us += DAY
    assert deck.schedules.update(one.id, time_zone="Asia/Tokyo").next_fire_at is None
    assert ledger(deck, one) == {}
    more = deck.schedules.update(one.id, max_count=6)
    assert more.next_fire_at is not None and to_us(more.next_fire_at) > clock.us


def test_more_due_times_than_one_change_settles_are_left_to_a_scheduler(
    deck: Deck, clock: TurnedClock, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "SETTLED_LIMIT", 24)
    one = made(deck, job, HOURLY)
    clock.us += 25 * HOUR
    with pytest.raises(Conflict, match="jobdeck scheduler"):
        deck.schedules.update(one.id, recurrence=NIGHTLY)
    assert deck.schedules.get(one.id) == one
    assert ledger(deck, one) == {}
    clock.us -= HOUR + S
    deck.schedules.update(one.id, recurrence=NIGHTLY)
    assert len(ledger(deck, one)) == 24


def test_whoever_saves_it_last_is_its_principal(deck: Deck, job: Job) -> None:
    one = made(deck, job)
    assert one.principal.id == "system"
    changed = deck.acting_as(ADA).schedules.update(one.id, jitter="1m")
    assert (changed.principal.id, changed.principal.name) == ("token:ada", "Ada")
    entry = audited(deck)[-1]
    assert (entry.action, entry.object, entry.principal_id) == ("schedules.update", f"schedule:{one.id}", "token:ada")
    assert entry.before == {"jitter": 0, "principal": "system"}
    assert entry.after == {"jitter": 60, "principal": "token:ada"}


def test_a_problem_is_forgotten_with_a_change(deck: Deck, job: Job) -> None:
    one = made(deck, job)
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(problem="args.name: Missing"))
    assert deck.schedules.get(one.id).problem == "args.name: Missing"
    assert deck.schedules.update(one.id, arguments={"name": "Bo"}).problem is None


def test_a_schedule_of_a_type_that_is_gone_can_be_retimed_but_not_given_arguments(deck: Deck, job: Job) -> None:
    one = made(deck, job, arguments={"name": "Bo"})
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(type="gone"))
    assert deck.schedules.update(one.id, jitter="1m", arguments={"name": "Bo"}).jitter_s == 60
    with pytest.raises(Conflict, match="'gone'"):
        deck.schedules.update(one.id, arguments={})
    with pytest.raises(Conflict, match="'gone'"):
        made(deck, job)
    deck.schedules.pause(one.id)
    deck.schedules.resume(one.id)
    deck.schedules.delete(one.id)


# Pause and resume


def test_a_pause_says_who_when_and_why(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job)
    paused = deck.acting_as(ADA).schedules.pause(one.id, "The disk is full")
    assert paused.pause is not None
    assert (paused.pause.by, paused.pause.reason) == ("Ada", "The disk is full")
    assert (paused.principal, paused.next_fire_at) == (one.principal, one.next_fire_at)
    before = len(audited(deck))
    assert deck.schedules.pause(one.id, "Another reason") == paused
    assert len(audited(deck)) == before
    assert audited(deck)[-1].after == {"paused": {"by": "Ada", "reason": "The disk is full"}}
    assert "reason" in wrong(deck.schedules.pause, one.id, "x" * 1001)


def test_times_of_a_pause_are_skipped_when_it_ends(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, HOURLY)
    clock.us = at("2026-11-20 14:10")
    deck.schedules.pause(one.id)
    clock.us = at("2026-11-20 16:10")
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(problem="broken"))
    resumed = deck.acting_as(ADA).schedules.resume(one.id)
    # Nothing served what was due before the pause; that is another thing than a pause.
    assert verdicts(deck, one) == ["missed late", "missed late", "skipped paused", "skipped paused"]
    assert (resumed.pause, resumed.problem, resumed.principal.id) == (None, None, "token:ada")
    assert resumed.next_fire_at == datetime(2026, 11, 20, 17, tzinfo=UTC)
    assert deck.schedules.resume(one.id) == resumed
    assert len(ledger(deck, one)) == 4


def test_a_change_within_a_pause_tells_both_apart(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, HOURLY)
    clock.us = at("2026-11-20 13:30")
    deck.schedules.pause(one.id)
    clock.us = at("2026-11-20 15:30")
    changed = deck.schedules.update(one.id, recurrence=NIGHTLY)
    assert verdicts(deck, one) == ["skipped changed", "skipped paused", "skipped paused"]
    assert changed.pause is not None


def test_a_schedule_that_ended_in_its_pause_can_be_resumed(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = made(deck, job, HOURLY, ends_at="2026-11-20T14:30:00+00:00")
    deck.schedules.pause(one.id)
    clock.us += DAY
    assert deck.schedules.resume(one.id).next_fire_at is None
    assert verdicts(deck, one) == ["skipped paused"] * 2


# Deleting


def test_deleting_takes_its_ticks_and_leaves_those_of_others(deck: Deck, clock: TurnedClock, job: Job) -> None:
    gone, kept = made(deck, job, HOURLY), made(deck, job, HOURLY)
    clock.us += DAY
    for one in (gone, kept):
        deck.schedules.update(one.id, recurrence=NIGHTLY)
    deck.schedules.delete(gone.id)
    assert (len(ledger(deck, gone)), len(ledger(deck, kept))) == (0, 24)
    with pytest.raises(NotFound):
        deck.schedules.get(gone.id)
    entry = audited(deck)[-1]
    assert (entry.action, entry.before["recurrence"]["hour"]) == ("schedules.delete", "2")


def test_a_deleted_job_takes_its_schedules_along(deck: Deck, clock: TurnedClock, job: Job) -> None:
    other = made(deck, deck.jobs.create(title="Other", type="greet"))
    one = made(deck, job, HOURLY)
    clock.us += DAY
    deck.schedules.update(one.id, recurrence=NIGHTLY)
    deck.jobs.delete(str(job.id))
    assert [found.id for found in deck.schedules.list().items] == [other.id]
    with deck.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.ticks)).scalar_one() == 0
    assert [entry.action for entry in audited(deck)[-2:]] == ["jobs.delete", "schedules.delete"]


# Lists


def test_lists_are_by_the_next_time_and_can_be_narrowed(deck: Deck, clock: TurnedClock, job: Job) -> None:
    other = deck.jobs.create(title="Weekly REPORT", type="greet")
    ended = made(deck, job, {"type": "once", "at": "2026-11-20T12:31:00"})
    nightly, five, hourly = made(deck, job, NIGHTLY), made(deck, other, FIVE), made(deck, job, HOURLY)
    with deck.database.write() as connection:
        this = tables.schedules.c.id == ended.id
        connection.execute(update(tables.schedules).where(this).values(next_fire_at=None))
    deck.schedules.pause(five.id)

    def ids(wanted: ScheduleFilter | None = None, page: Page | None = None) -> list[str]:
        return [one.id for one in deck.schedules.list(wanted, page).items]

    assert ids() == [five.id, hourly.id, nightly.id, ended.id]
    assert ids(ScheduleFilter(job_id=job.id)) == [hourly.id, nightly.id, ended.id]
    assert ids(ScheduleFilter(paused=True)) == ids(ScheduleFilter(text="report")) == [five.id]
    assert ids(ScheduleFilter(paused=False, text="GREET")) == [hourly.id, nightly.id, ended.id]
    assert ids(ScheduleFilter(text="\x00%")) == []
    assert [ids(page=Page(size=2, number=number)) for number in (1, 2, 3)] == [
        [five.id, hourly.id], [nightly.id, ended.id], []
    ]  # fmt: skip
    by_cursor = ids(page=Page(size=1))
    while some := ids(page=Page(size=1, before=by_cursor[-1])):
        by_cursor += some
    assert by_cursor == ids()
    shown = deck.schedules.list(None, Page(size=3))
    assert (shown.total, shown.has_more) == (4, True)


def test_what_became_of_planned_times_is_listed_and_counted(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one, untouched = made(deck, job, HOURLY), made(deck, job, HOURLY)
    clock.us = START + 2 * DAY
    deck.schedules.update(one.id, recurrence=NIGHTLY)
    newest = deck.schedules.ticks(one.id, Page(size=5))
    assert (newest.total, newest.has_more, len(newest.items)) == (48, True, 5)
    assert [to_us(tick.fire_at) for tick in newest.items] == [at("2026-11-22 12:00") - n * HOUR for n in range(5)]
    assert {(tick.kind, tick.reason) for tick in newest.items} == {(TickKind.SKIPPED, TickReason.CHANGED)}
    older = deck.schedules.ticks(one.id, Page(size=5), at("2026-11-20 15:00"))
    assert [to_us(tick.fire_at) for tick in older.items] == [at("2026-11-20 14:00"), at("2026-11-20 13:00")]
    since = from_us(START + DAY)
    assert deck.schedules.counts([one.id, untouched.id], since) == {one.id: {TickKind.SKIPPED: 24}, untouched.id: {}}
    assert deck.schedules.last_ticks([one.id, untouched.id]) == {one.id: newest.items[0]}
    assert deck.schedules.counts([], since) == {}
    assert deck.schedules.last_ticks([]) == {}


def test_lists_take_a_few_statements_however_many_schedules(
    deck: Deck, statements: Callable[[Callable[[], Any]], int]
) -> None:
    def look() -> list[int]:
        ids = [one.id for one in deck.schedules.list(None, Page(size=100)).items]
        return [
            statements(lambda: deck.jobs.list(JobFilter(), Page(size=100))),
            statements(lambda: deck.schedules.list(None, Page(size=100))),
            statements(lambda: deck.schedules.counts(ids, from_us(START))),
            statements(lambda: deck.schedules.last_ticks(ids)),
        ]

    for count in (1, 20):
        for number in range(count):
            job = deck.jobs.create(title=f"Job {number}", type="greet", schedule=HOURLY)
            made(deck, job, FIVE)
        seen = look()
        if count == 1:
            few = seen
    assert seen == few
    assert max(few) <= 3


# The schedule of a job


def test_a_job_is_created_with_a_schedule(deck: Deck, clock: TurnedClock) -> None:
    clock.us = START
    job = deck.acting_as(ADA).jobs.create(title="Nightly", type="greet", schedule=NIGHTLY)
    (one,) = job.schedules
    assert one == deck.schedules.get(one.id)
    assert (one.recurrence.as_data()["day_of_week"], one.time_zone, one.principal.id) == ("*", "UTC", "token:ada")
    assert job.next_run_at == one.next_fire_at == datetime(2026, 11, 21, 2, tzinfo=UTC)
    assert [entry.action for entry in audited(deck)] == ["jobs.create", "schedules.create"]
    assert deck.jobs.list().items == [job]


def test_a_job_without_a_schedule_gets_one_and_loses_it(deck: Deck, job: Job) -> None:
    assert (job.schedules, job.next_run_at) == ((), None)
    (one,) = deck.jobs.update(str(job.id), schedule=FIVE).schedules
    kept = deck.jobs.update(str(job.id), title="Renamed").schedules
    assert kept == (one,)
    second = made(deck, job, NIGHTLY)
    changed = deck.jobs.update(str(job.id), schedule={"type": "interval", "hours": 1}).schedules
    assert [found.id for found in changed] == [one.id, second.id]
    assert [found.recurrence.kind for found in changed] == ["interval", "crontab"]
    assert changed[0].recurrence.as_data() == {"type": "interval", "hours": 1}
    assert deck.jobs.update(str(job.id), schedule=None).schedules == ()
    assert deck.schedules.list().total == 0
    deck.jobs.update(str(job.id), schedule=None)


def test_the_schedule_of_a_job_sent_back_changes_nothing(deck: Deck, clock: TurnedClock, job: Job) -> None:
    (one,) = deck.jobs.update(str(job.id), schedule=FIVE).schedules
    clock.us += 20 * MINUTE
    desk = deck.acting_as(ADA)
    assert desk.jobs.update(str(job.id), schedule={"type": "interval", "minutes": 5}, title="B").schedules == (one,)
    assert ledger(deck, one) == {}


def test_a_wrong_schedule_of_a_job_is_told_by_its_fields(deck: Deck, job: Job) -> None:
    for given, field in (
        ({"type": "cron", "expression": "banana"}, "schedule.expression"),
        ({"type": "interval", "minutes": 0}, "schedule._schema"),
        ({"type": "once", "at": "2001-01-01T00:00:00"}, "schedule.at"),
        ("daily", "schedule._schema"),
        (False, "schedule._schema"),
    ):
        assert list(wrong(deck.jobs.update, str(job.id), schedule=given)) == [field]
        assert list(wrong(deck.jobs.create, title="A", type="greet", schedule=given)) == [field]
    assert (deck.jobs.list().total, deck.schedules.list().total) == (1, 0)
    made(deck, job, FIVE, jitter="4m")
    assert list(wrong(deck.jobs.update, str(job.id), schedule={"type": "interval", "minutes": 4})) == ["schedule"]


def test_the_next_run_of_a_job_is_the_earliest_that_will_be(deck: Deck, job: Job) -> None:
    nightly, five = made(deck, job, NIGHTLY), made(deck, job, FIVE)
    assert deck.jobs.get(str(job.id)).next_run_at == five.next_fire_at
    deck.schedules.pause(five.id)
    assert deck.jobs.get(str(job.id)).next_run_at == nightly.next_fire_at
    assert deck.jobs.update(str(job.id), active=False).next_run_at is None
    assert deck.jobs.update(str(job.id), schedule=HOURLY).schedules[0].recurrence.kind == "cron"


@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"name": "Bo"}}, {"custom_arguments": {"name": "Bo"}}, {"queue": "slow"}, {"timeout": "1h"},
        {"priority": 5}, {"max_attempts": 2}, {"limit": 1}, {"type": "harvest"},
    ],
    ids=str,
)  # fmt: skip
def test_whoever_changes_what_a_job_does_has_its_schedules_run(deck: Deck, job: Job, change: dict[str, Any]) -> None:
    one, second = made(deck, job), made(deck, job, FIVE)
    found = deck.acting_as(ADA).jobs.update(str(job.id), **change).schedules
    assert [(each.id, each.principal.id) for each in found] == [(one.id, "token:ada"), (second.id, "token:ada")]
    assert found[0].version > one.version
    assert [entry.action for entry in audited(deck)[-3:]] == ["jobs.update", "schedules.update", "schedules.update"]
    assert audited(deck)[-1].after == {"principal": "token:ada"}


def test_whoever_only_renames_a_job_does_not(deck: Deck, job: Job) -> None:
    one = made(deck, job)
    desk = deck.acting_as(ADA)
    desk.jobs.update(str(job.id), title="B", description="C", active=False)
    desk.jobs.update(str(job.id), queue="default", arguments=None, priority=None)
    assert deck.schedules.get(one.id) == one


def test_a_new_type_must_take_the_arguments_of_the_schedules(deck: Deck, job: Job) -> None:
    one = made(deck, job, HOURLY, arguments={"name": "Bo"})
    found = wrong(deck.jobs.update, str(job.id), type="harvest")
    assert list(found) == ["args"]
    assert one.id in found["args"] and "name" in found["args"]
    assert deck.jobs.get(str(job.id)).type == "greet"
    deck.schedules.update(one.id, arguments=None)
    assert deck.jobs.update(str(job.id), type="harvest").type == "harvest"


# Rights

CALLS: dict[str, Callable[[Any, str, str], Any]] = {
    "list": lambda desk, job, one: desk.schedules.list(),
    "of_job": lambda desk, job, one: desk.schedules.of_job(job),
    "get": lambda desk, job, one: desk.schedules.get(one),
    "create": lambda desk, job, one: desk.schedules.create(job, FIVE),
    "update": lambda desk, job, one: desk.schedules.update(one, jitter="1m"),
    "delete": lambda desk, job, one: desk.schedules.delete(one),
    "pause": lambda desk, job, one: desk.schedules.pause(one),
    "resume": lambda desk, job, one: desk.schedules.resume(one),
    "ticks": lambda desk, job, one: desk.schedules.ticks(one),
    "counts": lambda desk, job, one: desk.schedules.counts([one], from_us(0)),
    "last_ticks": lambda desk, job, one: desk.schedules.last_ticks([one]),
}


@pytest.mark.parametrize("call", CALLS)
def test_without_the_role_nothing_is_done_and_it_is_told(deck: Deck, job: Job, call: str) -> None:
    one = made(deck, job)
    before = len(audited(deck))
    with pytest.raises(NotAllowed):
        CALLS[call](deck.acting_as(NOBODY), str(job.id), one.id)
    assert [entry.allowed for entry in audited(deck)[before:]] == [False]
    assert deck.schedules.list().items == [one]


@pytest.mark.parametrize("call", CALLS)
def test_nothing_of_another_tenant_is_seen_or_changed(deck: Deck, clock: TurnedClock, job: Job, call: str) -> None:
    one = made(deck, job, HOURLY, arguments={"name": "secret"})
    clock.us += DAY
    one = deck.schedules.update(one.id, time_zone="Asia/Tokyo")
    try:
        found = CALLS[call](deck.acting_as(STRANGER), str(job.id), one.id)
    except NotFound:
        found = None
    assert "secret" not in repr(found) and "SKIPPED" not in repr(found)
    assert deck.schedules.list().items == [one]
    assert len(ledger(deck, one)) == 24


def test_unknown_ones_are_not_found(deck: Deck) -> None:
    for name in ("get", "update", "delete", "pause", "resume", "ticks"):
        for unknown in (AN_ID, "nightly", "\x00"):
            with pytest.raises(NotFound, match="does not exist"):
                getattr(deck.schedules, name)(unknown)
    for call in (lambda: deck.schedules.of_job(AN_ID), lambda: deck.schedules.create("x", HOURLY)):
        with pytest.raises(NotFound, match="Job with ID"):
            call()
