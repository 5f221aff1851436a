"""What is late: found from runs and schedules alone, told with its reason, and told once in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck, Run
from jobdeck.core.filters import RunFilter
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.core.overdue import OverdueKind
from jobdeck.core.principal import SYSTEM, Principal
from jobdeck.core.times import from_us
from jobdeck.core.worker import SchedulerInfo
from jobdeck.services.claims import Claims, Report
from jobdeck.services.firing import Firing
from jobdeck.services.holder import Claim, Holder
from jobdeck.services.overdue import Watch
from jobdeck.store import schedulers, tables

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOT_STARTED, RUNNING_LONG, NOT_SERVED = OverdueKind.NOT_STARTED, OverdueKind.RUNNING_LONG, OverdueKind.NOT_SERVED


@pytest.fixture
def job(deck: Deck) -> str:
    return str(deck.jobs.create(title="Nightly export", type="greet").id)


@pytest.fixture
def schedule(deck: Deck, job: str) -> str:
    """Fires every hour, whether or not the run before has ended."""
    return deck.schedules.create(job, {"type": "interval", "hours": 1}, overlap="allow").id


@pytest.fixture
def fire(deck: Deck, clock: Any) -> Callable[[], None]:
    """Has the next hour pass, and a scheduler serve it."""
    firing = Firing(deck.office, deck.authority)

    def serve() -> None:
        clock.us += HOUR
        assert firing.step().runs

    return serve


@pytest.fixture
def claims(deck: Deck) -> Claims:
    return Claims(deck.database, Holder(id="stand-in", host="here", boot_id="boot"), ["default", "slow"], ["greet"])


def begin(claims: Claims, now_us: int) -> Claim:
    (claim,) = claims.exchange(Report(), 1, now_us).won
    claims.exchange(Report(begun=[(claim, now_us, 4711)]), 0, now_us)
    return claim


def end(claims: Claims, claim: Claim, started_us: int, ended_us: int, kind: OutcomeKind = OutcomeKind.SUCCESS) -> None:
    outcome = Outcome(kind=kind, started_us=started_us, ended_us=ended_us)
    claims.exchange(Report(ended=[(claim, outcome)]), 0, ended_us)


def only_run(deck: Deck) -> Run:
    (run,) = deck.runs.list(RunFilter(statuses=("QUEUED", "RUNNING", "WAITING"))).items
    return run


def test_nothing_is_overdue(deck: Deck, schedule: str, fire: Callable[[], None], clock: Any) -> None:
    assert deck.overdue.list() == []
    fire()
    clock.us += 4 * MINUTE
    assert deck.overdue.list() == []


def test_a_run_that_does_not_begin(
    deck: Deck, job: str, schedule: str, fire: Callable[[], None], claims: Claims, clock: Any
) -> None:
    fire()
    run = only_run(deck)
    clock.us += 5 * MINUTE + SECOND
    (found,) = deck.overdue.list()
    assert (found.kind, found.run_id, found.schedule_id, found.job_id) == (NOT_STARTED, run.id, schedule, job)
    assert (found.job_title, found.since) == ("Nightly export", run.available_at)
    assert found.message == (
        f"Job 'Nightly export' has not started: run {run.id} should have begun 5 minutes ago. No worker is alive; start one "
        "with `jobdeck worker`."
    )
    begin(claims, clock.us)
    assert deck.overdue.list() == []


def test_a_paused_queue_is_no_excuse(deck: Deck, schedule: str, fire: Callable[[], None], clock: Any) -> None:
    deck.acting_as(Principal(id="t", name="Ada", roles=frozenset({"administrator"}))).queues.pause(
        "default", "Disk full"
    )
    fire()
    fire()
    clock.us += 6 * MINUTE
    (found,) = deck.overdue.list()
    oldest = min(run.id for run in deck.runs.list().items)
    assert found.run_id == oldest
    assert "1 hour ago, and 1 later run with it. The queue default is paused by Ada: Disk full." in found.message


def test_a_run_that_waits_to_be_tried_again_is_not_late(
    deck: Deck, schedule: str, fire: Callable[[], None], clock: Any
) -> None:
    fire()
    with deck.database.write() as connection:
        later = update(tables.runs).values(available_at=clock.us + HOUR).where(tables.runs.c.status == "QUEUED")
        connection.execute(later)
    clock.us += 30 * MINUTE
    assert deck.overdue.list() == []


def test_only_scheduled_runs_are_looked_after(deck: Deck, job: str, clock: Any) -> None:
    deck.runs.start(job)
    clock.us += 24 * HOUR
    assert deck.overdue.list() == []


@pytest.mark.parametrize(
    ("usual_s", "takes_s", "is_long"),
    [(60, 179, False), (60, 181, True), (10, 69, False), (10, 71, True), (600, 1795, False), (600, 1805, True)],
)
def test_a_run_that_takes_much_longer_than_usual(
    deck: Deck, job: str, schedule: str, fire: Callable[[], None], claims: Claims, clock: Any, usual_s: int, takes_s: int,
    is_long: bool,
) -> None:  # fmt: skip
    """Three times the average, and a minute more."""
    for change in (-2, 0, 2):
        fire()
        claim = begin(claims, clock.us)
        end(claims, claim, clock.us, clock.us + (usual_s + change) * SECOND)
    fire()
    claim = begin(claims, clock.us)
    started = clock.us
    clock.us = started + takes_s * SECOND
    found = deck.overdue.list()
    assert [one.kind for one in found] == ([RUNNING_LONG] if is_long else [])
    if is_long:
        assert (found[0].run_id, found[0].job_id, found[0].since) == (claim.id, job, from_us(started))
        assert "takes much longer than usual" in found[0].message and "Look at the end of its log" in found[0].message
    end(claims, claim, started, clock.us)
    assert deck.overdue.list() == []


def test_what_is_usual_needs_three_successes(
    deck: Deck, schedule: str, fire: Callable[[], None], claims: Claims, clock: Any
) -> None:
    for kind in (OutcomeKind.SUCCESS, OutcomeKind.SUCCESS, OutcomeKind.ERROR, OutcomeKind.ERROR):
        fire()
        end(claims, begin(claims, clock.us), clock.us, clock.us + SECOND, kind)
    fire()
    begin(claims, clock.us)
    clock.us += 30 * MINUTE
    assert deck.overdue.list() == []


def test_what_is_usual_are_the_last_successes(
    deck: Deck, schedule: str, fire: Callable[[], None], claims: Claims, clock: Any
) -> None:
    """It used to take half an hour and now takes a second: that is the usual then."""
    for took in [1800] * 3 + [1] * 20:
        fire()
        end(claims, begin(claims, clock.us), clock.us, clock.us + took * SECOND)
    fire()
    begin(claims, clock.us)
    clock.us += 2 * MINUTE
    (found,) = deck.overdue.list()
    assert "at work for 2 minutes, where 1 second is usual" in found.message


def test_a_schedule_that_nobody_serves(deck: Deck, job: str, clock: Any) -> None:
    """Two in the morning in Berlin, by the clock of whoever reads it."""
    saved = deck.schedules.create(job, {"type": "cron", "expression": "0 2 * * *"}, time_zone="Europe/Berlin")
    assert saved.next_fire_at is not None
    due = int(saved.next_fire_at.timestamp()) * SECOND
    clock.us = due + 59 * SECOND
    assert deck.overdue.list() == []
    clock.us = due + 61 * MINUTE
    (found,) = deck.overdue.list()
    assert (found.kind, found.run_id, found.schedule_id, found.since) == (
        NOT_SERVED,
        None,
        saved.id,
        saved.next_fire_at,
    )
    assert found.message.startswith("Job 'Nightly export' was not started: it was planned for 02:00 on ")
    assert found.message.endswith(" (Europe/Berlin), 1 hour ago. No scheduler is alive; start one with `jobdeck "
                                  "scheduler`, or `jobdeck up`.")  # fmt: skip

    alive = SchedulerInfo(id="s", host="h", pid=1, tzdata="x", started_at=from_us(clock.us), seen_at=from_us(clock.us))
    with deck.database.write() as connection:
        schedulers.add(connection, "default", alive, clock.us)
    assert "A scheduler is alive but has not come to it" in deck.overdue.list()[0].message
    Firing(deck.office, deck.authority).step()
    assert [one.kind for one in deck.overdue.list()] == []


def test_a_schedule_whose_zone_is_gone_is_told_in_utc(deck: Deck, schedule: str, clock: Any) -> None:
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(time_zone="Mars/Olympus"))
    clock.us += 2 * HOUR
    (found,) = deck.overdue.list()
    assert "(UTC)" in found.message


def test_the_longest_overdue_comes_first(
    deck: Deck, job: str, schedule: str, fire: Callable[[], None], clock: Any
) -> None:
    fire()
    other = deck.schedules.create(job, {"type": "interval", "minutes": 10}).id
    clock.us += 15 * MINUTE
    assert [(one.kind, one.schedule_id) for one in deck.overdue.list()] == [
        (NOT_STARTED, schedule),
        (NOT_SERVED, other),
    ]


def test_other_tenants_see_nothing_of_it(deck: Deck, schedule: str, fire: Callable[[], None], clock: Any) -> None:
    fire()
    clock.us += 2 * HOUR
    assert {one.kind for one in deck.overdue.list()} == {NOT_STARTED, NOT_SERVED}
    stranger = Principal(id="x", name="X", roles=SYSTEM.roles, tenant="other")
    assert deck.acting_as(stranger).overdue.list() == []


def test_as_many_statements_however_much_is_late(
    deck: Deck, clock: Any, statements: Callable[[Callable[[], Any]], int]
) -> None:
    deck.queues.pause("default")
    firing = Firing(deck.office, deck.authority)

    def more(count: int) -> None:
        for number in range(count):
            job = str(deck.jobs.create(title=f"Job {number}", type="greet").id)
            deck.schedules.create(job, {"type": "interval", "hours": 1})
        clock.us += HOUR + SECOND
        assert firing.step().runs >= count
        clock.us += 2 * HOUR

    more(1)
    few = statements(deck.overdue.list)
    assert {one.kind for one in deck.overdue.list()} == {NOT_STARTED, NOT_SERVED}
    more(25)
    assert len(deck.overdue.list()) > 40
    assert statements(deck.overdue.list) == few


def test_the_log_is_told_once(
    deck: Deck, job: str, schedule: str, fire: Callable[[], None], claims: Claims, clock: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    watch = Watch(deck.office)
    caplog.set_level(logging.INFO, "jobdeck.services.overdue")

    def told() -> list[tuple[str, str]]:
        watch.look(clock.us)
        lines = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return lines

    fire()
    assert told() == []
    clock.us += 6 * MINUTE
    ((level, line),) = told()
    assert level == "WARNING" and line.startswith("overdue: Job 'Nightly export' has not started: run ")
    assert told() == []
    run = only_run(deck)
    begin(claims, clock.us)
    assert told() == [("INFO", f"no longer overdue: Job 'Nightly export', run {run.id}")]
    assert told() == []


def test_a_title_cannot_forge_a_log_line(
    deck: Deck, job: str, schedule: str, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with deck.database.write() as connection:
        connection.execute(update(tables.jobs).values(title="Fine\n2027-01-01 INFO all is well"))
    clock.us += 2 * HOUR
    Watch(deck.office).look(clock.us)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "\n" not in caplog.text.strip()
