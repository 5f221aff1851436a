"""Planned times become runs: on time, late, over one another, paused, without authority, broken; each has one row."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import update

from jobdeck import Deck, JobType, LastSuccess, job_type
from jobdeck.core.filters import Page
from jobdeck.core.job import Job
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.principal import ADMINISTRATOR, Principal
from jobdeck.core.run import Status
from jobdeck.core.schedule import Schedule
from jobdeck.core.times import from_us, to_us
from jobdeck.processes.time_limit import TimeLimit
from jobdeck.services import firing as firing_service
from jobdeck.services import storing
from jobdeck.services.fire_plans import FirePlans
from jobdeck.services.firing import Firing
from jobdeck.store import tables

from .conftest import TurnedClock
from .firing_bench import DAY, HOUR, MINUTE, S, at, ledger, runs_of, serve, serve_at, utc, verdicts
from .stand_in import Worker, together

HOURLY = {"type": "cron", "expression": "0 * * * *"}
NIGHTLY = {"type": "cron", "expression": "0 2 * * *"}
START = at("2026-11-20 12:30")


@pytest.fixture
def job(deck: Deck, clock: TurnedClock) -> Job:
    """A job, at half past twelve."""
    clock.us = START
    return deck.jobs.create(title="Harvest", type="greet", arguments={"name": "Eve"})


def every(minutes: int) -> dict[str, Any]:
    return {"type": "interval", "minutes": minutes}


def schedule(deck: Deck, job: Job, recurrence: Mapping[str, Any] = HOURLY, **told: Any) -> Schedule:
    return deck.schedules.create(str(job.id), recurrence, **told)


def test_a_planned_time_becomes_a_run_once(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, NIGHTLY, time_zone="Europe/Berlin")
    assert serve_at(deck, clock, at("2026-11-21 00:59")).ticks == 0
    assert serve_at(deck, clock, at("2026-11-21 01:00") + 40).runs == 1
    assert serve(deck).ticks == 0
    (row,) = runs_of(deck, made)
    run = deck.runs.get(row.id)
    assert (run.trigger, run.job_id, run.status, run.arguments["name"]) == ("schedule", job.id, Status.QUEUED, "Eve")
    assert (utc(row.fire_at), run.started_by and run.started_by.id) == ("2026-11-21 01:00", "system")
    after = deck.schedules.get(made.id)
    assert (after.count, after.next_fire_at, after.last_fire_at) == (
        1, from_us(at("2026-11-22 01:00")), from_us(at("2026-11-21 01:00")),
    )  # fmt: skip
    (tick,) = deck.schedules.ticks(made.id, Page()).items
    assert (tick.kind, tick.run_id, tick.recorded_at > tick.fire_at) == ("fired", run.id, True)
    Worker(deck).claim()
    assert deck.runs.get(run.id).status is Status.RUNNING


def test_a_run_by_hand_shifts_nothing(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, every(15))
    for number in range(1, 5):
        serve_at(deck, clock, to_us(made.created_at) + number * 15 * MINUTE)
        deck.runs.start(str(job.id))
        clock.us += 4 * MINUTE
    planned = [to_us(made.created_at) + number * 15 * MINUTE for number in range(1, 5)]
    assert list(ledger(deck, made)) == planned


@pytest.mark.parametrize(
    ("misfire", "window", "expected"),
    [
        ("once", None, ["skipped superseded"] * 4 + ["caught_up"]),
        ("once", "10m", ["missed late"] * 5),
        ("skip", None, ["missed late"] * 5),
        ("all", None, ["caught_up"] * 5),
        ("all", "3h", ["missed late"] * 2 + ["caught_up"] * 3),
    ],
)
def test_what_was_missed_follows_the_policy(
    deck: Deck, clock: TurnedClock, job: Job, misfire: str, window: str | None, expected: list[str]
) -> None:
    made = schedule(deck, job, misfire=misfire, misfire_window=window, overlap="allow")
    done = serve_at(deck, clock, at("2026-11-20 17:30"))
    assert verdicts(deck, made) == expected
    assert done.runs == sum(one == "caught_up" for one in expected) == len(runs_of(deck, made))
    assert utc(to_us(deck.schedules.get(made.id).next_fire_at or made.created_at)) == "2026-11-20 18:00"


@pytest.mark.parametrize("misfire", ["skip", "once", "all"])
def test_within_a_minute_it_is_on_time(deck: Deck, clock: TurnedClock, job: Job, misfire: str) -> None:
    made = schedule(deck, job, misfire=misfire)
    serve_at(deck, clock, at("2026-11-20 13:00") + 59 * S)
    assert verdicts(deck, made) == ["fired"]


@pytest.mark.parametrize("outage", [0, 1, 59, 3600, 86_400, 30 * 86_400])
def test_after_any_outage_each_planned_time_has_its_row_and_few_runs_are_made(
    deck: Deck, clock: TurnedClock, job: Job, outage: int
) -> None:
    quick = schedule(deck, job, {"type": "cron", "expression": "*/5 * * * *"})
    begun = clock.us
    clock.us = START + 7 * S + outage * S
    done = serve(deck)
    planned = [us for us in range(START, clock.us + 1, 5 * MINUTE) if us > begun]
    assert list(ledger(deck, quick)) == planned
    assert done.runs == len(runs_of(deck, quick)) == min(1, len(planned))


def test_when_the_previous_run_goes_on(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = {
        policy: schedule(deck, job, overlap=policy)
        for policy in ("allow", "skip", "wait_one", "wait_all", "stop_previous")
    }
    serve_at(deck, clock, at("2026-11-20 13:00"))
    held = {claim.id: claim for claim in Worker(deck).claim(5)}
    assert len(held) == 5
    for hour in (14, 15, 16):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00"))
    told = {policy: verdicts(deck, one)[1:] for policy, one in made.items()}
    assert told["allow"] == ["fired"] * 3
    assert told["skip"] == ["skipped overlap"] * 3
    assert told["wait_one"] == ["fired", "skipped overlap", "skipped overlap"]
    assert told["wait_all"] == ["fired"] * 3
    assert told["stop_previous"] == ["fired"] * 3
    eligible = {claim.id for claim in Worker(deck).claim(50)}
    shown = {policy: runs_of(deck, one) for policy, one in made.items()}
    assert eligible == {row.id for row in shown["allow"][1:]}
    first, *others, last = shown["stop_previous"]
    assert first.stop_kind == "replaced"
    assert {(row.status, row.reason) for row in others} == {("CANCELLED", "replaced")}
    assert last.status == "QUEUED"


def test_what_waits_goes_on_when_the_previous_run_has_ended_however(deck: Deck, clock: TurnedClock, job: Job) -> None:
    waiting = schedule(deck, job, overlap="wait_all")
    stopping = schedule(deck, job, overlap="stop_previous")
    worker = Worker(deck)
    serve_at(deck, clock, at("2026-11-20 13:00"))
    first = worker.claim(2)
    for hour in (14, 15):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00"))
    assert worker.claim(5) == []
    for claim in first:
        worker.end(claim, OutcomeKind.ERROR)
    second = worker.claim(5)
    assert {claim.id for claim in second} == {runs_of(deck, waiting)[1].id, runs_of(deck, stopping)[2].id}
    for claim in second:
        worker.end(claim)
    assert [claim.id for claim in worker.claim(5)] == [runs_of(deck, waiting)[2].id]


def test_catching_up_obeys_the_overlap_policy(deck: Deck, clock: TurnedClock, job: Job) -> None:
    one = schedule(deck, job, misfire="all", overlap="skip")
    chain = schedule(deck, job, misfire="all", overlap="wait_all")
    serve_at(deck, clock, at("2026-11-20 16:10"))
    assert verdicts(deck, one) == ["caught_up", *["skipped overlap"] * 3]
    assert verdicts(deck, chain) == ["caught_up"] * 4
    assert {claim.id for claim in Worker(deck).claim(10)} == {runs_of(deck, one)[0].id, runs_of(deck, chain)[0].id}


def test_a_full_limit_that_rejects_is_a_skipped_time(deck: Deck, clock: TurnedClock) -> None:
    clock.us = START
    job = deck.jobs.create(title="Harvest", type="greet", limit=1, limit_policy="reject")
    other = deck.jobs.create(title="Other", type="greet", limit=1, limit_policy="skip")
    made = schedule(deck, job, overlap="allow")
    skipped = schedule(deck, other, overlap="allow")
    serve_at(deck, clock, at("2026-11-20 13:00"))
    Worker(deck).claim(2)
    serve_at(deck, clock, at("2026-11-20 14:00"))
    assert verdicts(deck, made) == ["fired", "skipped limit"]
    assert (len(runs_of(deck, made)), deck.schedules.get(made.id).count) == (1, 1)
    assert verdicts(deck, skipped) == ["fired", "fired"]
    assert [row.status for row in runs_of(deck, skipped)] == ["RUNNING", "CANCELLED"]


def test_a_refused_run_does_not_count_as_the_last(deck: Deck, clock: TurnedClock) -> None:
    clock.us = START
    job = deck.jobs.create(title="Harvest", type="greet", limit=1, limit_policy="reject")
    made = schedule(deck, job, overlap="allow", misfire="all", max_count=2)
    worker = Worker(deck)
    deck.runs.start(str(job.id))
    (held,) = worker.claim()
    serve_at(deck, clock, at("2026-11-20 16:30"))
    assert set(verdicts(deck, made)) == {"skipped limit"}
    worker.end(held)
    serve_at(deck, clock, at("2026-11-20 17:00"))
    assert list(ledger(deck, made)) == [at(f"2026-11-20 {hour}:00") for hour in range(13, 18)]
    assert (deck.schedules.get(made.id).count, verdicts(deck, made)[-1]) == (1, "fired")


def test_paused_and_inactive_times_are_accounted_for(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, overlap="allow")
    idle = deck.jobs.create(title="Idle", type="greet", active=False)
    inactive = schedule(deck, idle)
    serve_at(deck, clock, at("2026-11-20 13:00"))
    deck.schedules.pause(made.id, "the harbour is closed")
    serve_at(deck, clock, at("2026-11-20 15:30"))
    assert verdicts(deck, made) == ["fired", "skipped paused", "skipped paused"]
    assert verdicts(deck, inactive) == ["skipped inactive"] * 3
    clock.us = at("2026-11-20 17:30")
    deck.schedules.resume(made.id)
    deck.jobs.update(str(idle.id), active=True)
    serve_at(deck, clock, at("2026-11-20 18:00"))
    assert verdicts(deck, made) == ["fired", *["skipped paused"] * 4, "fired"]
    assert verdicts(deck, inactive)[-1] == "fired"


def test_what_was_missed_before_a_pause_stays_missed(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, overlap="allow", misfire="all")
    clock.us = at("2026-11-20 15:30")
    deck.schedules.pause(made.id)
    serve_at(deck, clock, at("2026-11-20 17:30"))
    assert verdicts(deck, made) == ["missed late", "missed late", "missed late", "skipped paused", "skipped paused"]
    assert runs_of(deck, made) == []


def test_jitter_count_and_end(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, jitter="10m", max_count=3, overlap="allow")
    ending = schedule(deck, job, ends_at=from_us(at("2026-11-20 15:00")), overlap="allow")
    starting = schedule(deck, job, starts_at=from_us(at("2026-11-20 16:00")), overlap="allow")
    once = schedule(deck, job, {"type": "once", "at": "2026-11-20T14:20:00+00:00"})
    for hour in range(13, 18):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00") + S)
    late = [row.available_at - row.fire_at for row in runs_of(deck, made)]
    assert len(late) == 3
    assert all(0 <= one < 10 * MINUTE for one in late)
    assert len(set(late)) == 3
    assert [utc(us) for us in ledger(deck, ending)] == [f"2026-11-20 {hour}:00" for hour in (13, 14, 15)]
    assert [utc(us) for us in ledger(deck, starting)] == ["2026-11-20 16:00", "2026-11-20 17:00"]
    assert verdicts(deck, once) == ["caught_up"]
    assert [deck.schedules.get(one.id).next_fire_at for one in (made, ending, once)] == [None] * 3


def test_skipped_times_do_not_count(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, max_count=2)
    for hour in (13, 14, 15):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00"))
    assert verdicts(deck, made) == ["fired", "skipped overlap", "skipped overlap"]
    worker = Worker(deck)
    worker.end(worker.claim()[0])
    serve_at(deck, clock, at("2026-11-20 16:00"))
    assert (verdicts(deck, made)[-1], deck.schedules.get(made.id).next_fire_at) == ("fired", None)
    assert serve_at(deck, clock, at("2026-11-20 18:00")).ticks == 0


# Authority


def test_a_schedule_whose_principal_lost_the_right_pauses_visibly(deck: Deck, clock: TurnedClock, job: Job) -> None:
    secret = deck.accounts.create_token(
        name="ada", by=Principal(id="root", name="root", roles=frozenset({ADMINISTRATOR}))
    )
    ada = deck.accounts.principal_of_token(secret)
    assert ada is not None
    made = deck.acting_as(ada).schedules.create(str(job.id), HOURLY)
    steady = schedule(deck, job, overlap="allow")
    serve_at(deck, clock, at("2026-11-20 13:00"))
    run = deck.runs.get(runs_of(deck, made)[0].id)
    assert run.started_by is not None
    assert (run.started_by.id, run.started_by.name) == (ada.id, "ada")
    deck.runs.stop(run.id)
    with deck.database.write() as connection:
        connection.execute(update(tables.tokens).where(tables.tokens.c.name == "ada").values(revoked_at=clock.us))
    serve_at(deck, clock, at("2026-11-20 14:00"))
    found = deck.schedules.get(made.id)
    assert found.pause is not None
    assert "ada may not start its runs any more" in str(found.pause.reason)
    assert "revoked" in str(found.pause.reason)
    assert verdicts(deck, made) == ["fired", "skipped not_allowed"]
    assert verdicts(deck, steady) == ["fired", "fired"]
    denied = [one for one in deck.audit.list(Page()).items if not one.allowed]
    assert [(one.principal_id, one.action, one.object) for one in denied] == [
        (ada.id, "runs.start", f"schedule:{made.id}")
    ]
    deck.schedules.resume(made.id)
    serve_at(deck, clock, at("2026-11-20 15:00"))
    assert verdicts(deck, made)[-1] == "fired"
    assert runs_of(deck, made)[-1].principal_id == "system"


def test_a_host_that_cannot_be_asked_leaves_times_open(
    deck: Deck, clock: TurnedClock, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Host:
        works = False

        def principal(self, request: Any) -> Principal | None:
            return None

        def find(self, principal_id: str) -> Principal | None:
            if not self.works:
                raise OSError("the directory is away")
            return Principal(id=principal_id, name="Bo", roles=frozenset({ADMINISTRATOR}))

    monkeypatch.setattr(firing_service, "SCHEDULES_AT_ONCE", 1)
    host = Host()
    deck.authenticator = host
    bo = Principal(id="bo", name="Bo", roles=frozenset({ADMINISTRATOR}))
    made = deck.acting_as(bo).schedules.create(str(job.id), HOURLY)
    other = schedule(deck, job)
    firing = Firing(deck.office, deck.authority)
    clock.us = at("2026-11-20 13:00")
    assert [firing.step().runs for _ in range(3)] == [0, 1, 0]
    assert (verdicts(deck, made), verdicts(deck, other)) == ([], ["fired"])
    host.works = True
    assert firing.step().runs == 0
    clock.us += 6 * S
    assert firing.step().runs == 1
    assert verdicts(deck, made) == ["fired"]


# Arguments


class Watched(JobType):
    """Arguments are made by the type, when it fires."""

    id = "watched"
    title = "Watched"
    built: list[Any] = []  # noqa: RUF012  # what the test looks at
    fails: Exception | None = None

    @staticmethod
    def task(**given: Any) -> None: ...

    @classmethod
    def build_task_arguments(cls, job_obj: Any, since: Any = None, **given: Any) -> dict[str, Any]:
        cls.built.append((job_obj.title, since))
        if cls.fails is not None:
            raise cls.fails
        return {"n": len(cls.built), "since": None if since is None else since.isoformat()}


@pytest.fixture(autouse=True)
def _forget() -> None:
    Watched.built, Watched.fails = [], None


def test_computed_arguments_are_made_at_each_fire(deck: Deck, clock: TurnedClock) -> None:
    clock.us = START
    deck.register(Watched)
    job = deck.jobs.create(title="Watch", type="watched")
    Watched.built = []
    made = schedule(deck, job)
    Watched.built = []
    worker = Worker(deck)
    for hour in (13, 14):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00"))
        clock.us += 5 * MINUTE
        (claim,) = worker.claim()
        worker.end(claim)
    first, second = (json.loads(row.arguments) for row in runs_of(deck, made))
    assert (first["n"], first["since"], second["n"]) == (1, None, 2)
    assert second["since"] == from_us(runs_of(deck, made)[0].started_at).isoformat()


def test_the_last_success_is_read_at_each_fire(deck: Deck, clock: TurnedClock) -> None:
    clock.us = START
    made = schedule(deck, deck.jobs.create(title="Since", type="harvest"))
    worker = Worker(deck)
    for hour in (13, 14):
        serve_at(deck, clock, at(f"2026-11-20 {hour}:00"))
        worker.end(worker.claim()[0])
    first, second = runs_of(deck, made)
    assert json.loads(first.arguments) == {"since": None}
    assert json.loads(second.arguments) == {"since": from_us(first.started_at).isoformat()}


def test_own_arguments_go_before_the_jobs(deck: Deck, clock: TurnedClock, job: Job) -> None:
    own = schedule(deck, job, arguments={"name": "Ada", "times": 2})
    custom = schedule(deck, job, custom_arguments={"name": "Zoe"})
    serve_at(deck, clock, at("2026-11-20 13:00"))
    assert json.loads(runs_of(deck, own)[0].arguments) == {"name": "Ada", "times": 2}
    assert json.loads(runs_of(deck, custom)[0].arguments) == {"name": "Zoe"}


def test_a_broken_schedule_says_so_and_stops_nobody(deck: Deck, clock: TurnedClock, job: Job) -> None:
    clock.us = START
    deck.register(Watched)
    broken = schedule(deck, deck.jobs.create(title="Watch", type="watched"))
    fine = schedule(deck, job, overlap="allow")
    gone = deck.jobs.create(title="Gone", type="harvest")
    unknown = schedule(deck, gone)
    stale = schedule(deck, job, arguments={"name": "Ada"})
    strange = schedule(deck, job, time_zone="Europe/Berlin")
    with deck.database.write() as connection:
        runs = tables.schedules
        connection.execute(update(tables.jobs).where(tables.jobs.c.id == gone.id).values(type="no_more"))
        connection.execute(update(runs).where(runs.c.id == stale.id).values(arguments='{"name": 5, "what": 1}'))
        connection.execute(update(runs).where(runs.c.id == strange.id).values(time_zone="Mars/Olympus"))
    Watched.fails = ValueError("no such harbour")
    serve_at(deck, clock, at("2026-11-20 13:00"))
    assert verdicts(deck, fine) == ["fired"]
    for one, words in ((broken, "no such harbour"), (unknown, "no_more"), (stale, "args.what")):
        found = deck.schedules.get(one.id)
        assert words in str(found.problem), found.problem
        assert verdicts(deck, one) == ["missed broken"]
        assert found.next_fire_at == from_us(at("2026-11-20 14:00"))
    Watched.fails = None
    serve_at(deck, clock, at("2026-11-20 14:00"))
    assert verdicts(deck, broken) == ["missed broken", "fired"]
    assert deck.schedules.get(broken.id).problem is None
    with deck.database.read() as connection:
        row = connection.execute(tables.schedules.select().where(tables.schedules.c.id == strange.id)).one()
    assert "Mars/Olympus" in row.problem
    assert row.paused_at is not None


def test_code_that_hangs_is_cut_off(deck: Deck, clock: TurnedClock, job: Job) -> None:
    clock.us = START

    @job_type
    def slow(since: LastSuccess = None) -> None: ...

    class Hanging(Watched):
        id = "hanging"
        hangs = False

        @classmethod
        def build_task_arguments(cls, job_obj: Any, since: Any = None, **given: Any) -> dict[str, Any]:
            if cls.hangs:
                time.sleep(60)
            return {}

    deck.register(Hanging)
    made = schedule(deck, deck.jobs.create(title="Hang", type="hanging"))
    fine = schedule(deck, job)
    Hanging.hangs = True

    @contextmanager
    def guard() -> Iterator[None]:
        with TimeLimit(0.2):
            yield

    clock.us = at("2026-11-20 13:00")
    began = time.monotonic()
    serve(deck, guard)
    assert time.monotonic() - began < 30
    assert (verdicts(deck, made), verdicts(deck, fine)) == (["missed broken"], ["fired"])
    assert "longer than 0.2 s" in str(deck.schedules.get(made.id).problem)


def test_runs_that_cannot_be_stored_break_their_schedule_alone(
    deck: Deck, clock: TurnedClock, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, fine = schedule(deck, job), schedule(deck, job)
    store = storing.store

    def refuse(connection: Any, new: Any, **told: Any) -> Any:
        if any(one.schedule_id == bad.id for one in new):
            raise RuntimeError("this row cannot be stored")
        return store(connection, new, **told)

    monkeypatch.setattr(storing, "store", refuse)
    serve_at(deck, clock, at("2026-11-20 13:00"))
    assert (verdicts(deck, bad), verdicts(deck, fine)) == (["missed broken"], ["fired"])
    assert "cannot be stored" in str(deck.schedules.get(bad.id).problem)
    assert [row.schedule_id for row in runs_of(deck, fine)] == [fine.id]


# Many at once


def replica(deck: Deck, clock: TurnedClock, skew_us: int = 0) -> Deck:
    """Another process's deck on the same database, with its own clock."""

    class Skewed:
        def now_us(self) -> int:
            return clock.us + skew_us

    settings = deck.settings
    made = Deck(home=settings.home, database_url=settings.database_url, clock=Skewed(), queues=dict(settings.queues))
    made.register(*deck.registry)
    return made


def test_eight_schedulers_make_one_run_for_each_of_300_planned_times(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, every(1), overlap="allow", misfire="all")
    decks = [replica(deck, clock, skew * MINUTE) for skew in (-10, -5, -1, 0, 0, 1, 5, 10)]
    end = clock.us + 300 * MINUTE
    try:
        while clock.us < end - 10 * MINUTE:
            clock.us += 17 * MINUTE
            together(*[lambda one=one: serve(one) for one in decks])
        clock.us = end - 10 * MINUTE
        together(*[lambda one=one: serve(one) for one in decks])
    finally:
        for one in decks:
            one.close()
    told = ledger(deck, made)
    first = min(told)
    assert list(told) == [first + number * MINUTE for number in range(len(told))]
    assert len(told) >= 299
    fired = Counter(row.fire_at for row in runs_of(deck, made))
    assert fired == Counter(at for at, (kind, _) in told.items() if kind in ("fired", "caught_up"))


def test_clocks_may_jump_and_rows_may_be_deleted(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, every(1), overlap="allow", misfire="all")
    begun = to_us(made.created_at)
    for jump in (5, 60, -30, 1, 40, -200, 300, -1, 2):
        clock.us += jump * MINUTE
        serve(deck)
        with deck.database.write() as connection:
            connection.execute(tables.ticks.delete())
    fired = [row.fire_at for row in runs_of(deck, made)]
    assert len(fired) == len(set(fired))
    furthest = begun + max(5, 65, 76, 176, 177) * MINUTE
    assert fired == list(range(begun + MINUTE, furthest + 1, MINUTE))
    assert deck.schedules.get(made.id).next_fire_at is not None


def test_rows_that_stand_there_already_are_left_as_they_are(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, overlap="allow")
    planned = at("2026-11-20 13:00")
    with deck.database.write() as connection:
        connection.execute(tables.ticks.insert().values(
            schedule_id=made.id, fire_at=planned, tenant="default", kind="skipped", reason="paused", recorded_at=1,
        ))  # fmt: skip
    serve_at(deck, clock, planned)
    assert (verdicts(deck, made), runs_of(deck, made)) == (["skipped paused"], [])
    assert deck.schedules.get(made.id).next_fire_at == from_us(planned + HOUR)


def test_a_change_races_a_fire(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = [schedule(deck, job, overlap="allow") for _ in range(8)]
    other = replica(deck, clock)
    try:
        for hour in range(13, 23):
            clock.us = at(f"2026-11-20 {hour}:00") + hour

            def change(number: int = hour) -> None:
                for one in made:
                    deck.schedules.update(one.id, recurrence={"type": "cron", "expression": f"0 * * * {number % 7},*"})

            def pause() -> None:
                for one in made:
                    other.schedules.pause(one.id)
                    other.schedules.resume(one.id)

            together(lambda: serve(deck), lambda: serve(other), change, pause)
            serve(deck)
    finally:
        other.close()
    for one in made:
        told = ledger(deck, one)
        assert [utc(us) for us in told] == [f"2026-11-20 {hour}:00" for hour in range(13, 23)]
        fired = [us for us, (kind, _) in told.items() if kind == "fired"]
        assert [row.fire_at for row in runs_of(deck, one)] == fired


def test_more_than_one_step_takes(deck: Deck, clock: TurnedClock, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing_service, "SCHEDULES_AT_ONCE", 40)
    others = [deck.jobs.create(title=f"Job {number}", type="greet") for number in range(3)]
    for one in others:
        for _ in range(45):
            schedule(deck, one)
    clock.us = at("2026-11-20 13:00")
    firing = Firing(deck.office, deck.authority)
    assert [(step.runs, step.is_behind) for step in (firing.step() for _ in range(5))] == [
        (40, True), (40, True), (40, True), (15, False), (0, False),
    ]  # fmt: skip


def test_next_times_are_computed_again_with_other_zone_data(deck: Deck, clock: TurnedClock, job: Job) -> None:
    made = schedule(deck, job, NIGHTLY, time_zone="Europe/Berlin")
    with deck.database.write() as connection:
        connection.execute(update(tables.schedules).values(tzdata="1999a", next_fire_at=clock.us + DAY))
    gone = schedule(deck, job, NIGHTLY, time_zone="Europe/Berlin")
    with deck.database.write() as connection:
        strange = update(tables.schedules).where(tables.schedules.c.id == gone.id)
        connection.execute(strange.values(tzdata="1999a", time_zone="Mars/Olympus"))
    firing = Firing(deck.office, deck.authority)
    assert (firing.plan_anew(), firing.plan_anew()) == (2, 0)
    assert deck.schedules.get(made.id).next_fire_at == from_us(at("2026-11-21 01:00"))


def test_the_ledger_is_what_the_preview_said(deck: Deck, clock: TurnedClock, job: Job) -> None:
    clock.us = at("2027-03-26 12:00")
    for expression in ("30 2 * * *", "*/20 1-3 * * *", "0 0 * * sun", "15 3 28,29 * *"):
        made = schedule(
            deck, job, {"type": "cron", "expression": expression}, time_zone="Europe/Berlin", overlap="allow"
        )
        said = deck.previews.preview({"type": "cron", "expression": expression}, time_zone="Europe/Berlin", count=12)
        planned = [to_us(one.at) for one in said.times]
        begun = clock.us
        for us in planned:
            serve_at(deck, clock, us + S)
        assert list(ledger(deck, made))[: len(planned)] == planned
        deck.schedules.delete(made.id)
        clock.us = begun


@pytest.mark.parametrize("what", ["recurrence", "pause", "delete", "job", "delete job", "fired"])
def test_a_plan_that_was_overtaken_is_dropped(
    deck: Deck, clock: TurnedClock, job: Job, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    made = schedule(deck, job, overlap="allow")
    changes: dict[str, Callable[[], object]] = {
        "recurrence": lambda: deck.schedules.update(made.id, recurrence=NIGHTLY),
        "pause": lambda: deck.schedules.pause(made.id),
        "delete": lambda: deck.schedules.delete(made.id),
        "job": lambda: deck.jobs.update(str(job.id), active=False),
        "delete job": lambda: deck.jobs.delete(str(job.id)),
        "fired": lambda: serve(deck),
    }
    make = FirePlans.make

    def overtaken(self: FirePlans, *told: Any) -> Any:
        plans = make(self, *told)
        monkeypatch.setattr(FirePlans, "make", make)
        changes[what]()
        return plans

    monkeypatch.setattr(FirePlans, "make", overtaken)
    clock.us = at("2026-11-20 13:00")
    Firing(deck.office, deck.authority).step()
    assert len(runs_of(deck, made)) == (what == "fired")
    serve(deck)
    expected = {
        "recurrence": ["skipped changed"], "pause": ["skipped paused"], "job": ["skipped inactive"], "fired": ["fired"],
    }  # fmt: skip
    assert verdicts(deck, made) == expected.get(what, [])
