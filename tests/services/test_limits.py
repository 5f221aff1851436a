"""How many runs are at work at once: counted by what they share, in any race, and what becomes of those without room."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select, text

from jobdeck import Deck, RetryPolicy, job_type
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Parked, Run, Status
from jobdeck.errors import Conflict, InvalidInput
from jobdeck.services.claims import Exchange
from jobdeck.services.holder import Claim
from jobdeck.store import lines, tables

from .conftest import TurnedClock
from .stand_in import Worker, together

S = 1_000_000
WAIT_S = 60


def limited(deck: Deck, **options: Any) -> str:
    """A type with a limit; its id."""

    @job_type(id="limited", **options)
    def work(number: int = 0, site: str = "a") -> None: ...

    deck.register(work)
    return "limited"


def ids(runs: list[Run] | list[Claim]) -> list[str]:
    return [one.id for one in runs]


def status(deck: Deck, run: Run) -> tuple[str, str | None]:
    found = deck.runs.get(run.id)
    return found.status.value, found.reason


def running(deck: Deck, **of: Any) -> int:
    with deck.database.read() as connection:
        query = select(func.count()).select_from(tables.runs).where(tables.runs.c.status == "RUNNING")
        return connection.execute(query.filter_by(**of)).scalar_one()


# wait


def test_others_overtake_those_that_wait_and_these_go_on_in_their_order(deck: Deck) -> None:
    limited(deck, limit=2)
    waiting = [deck.runs.start("limited") for _ in range(5)]
    other = deck.runs.start("greet")
    worker = Worker(deck)
    first = worker.claim(10)
    assert ids(first) == [waiting[0].id, waiting[1].id, other.id]
    assert worker.claim(10) == []
    assert [deck.runs.get(run.id).parked for run in waiting[2:]] == [Parked.LIMIT] * 3
    assert {deck.runs.get(run.id).attempt for run in waiting[2:]} == {0}
    late = deck.runs.start("limited")
    assert late.shown_status(late.created_at) == "WAITING"
    held = first[:2]
    for run in [*waiting[2:], late]:
        worker.end(held.pop(0))
        (claim,) = worker.claim(10)
        assert claim.id == run.id
        held.append(claim)
    for claim in held:
        worker.end(claim)
    assert {deck.runs.get(run.id).status for run in [*waiting, late]} == {Status.SUCCESS}
    assert {deck.runs.get(run.id).attempt for run in [*waiting, late]} == {1}


def test_a_higher_priority_among_those_that_wait_goes_first(deck: Deck) -> None:
    limited(deck, limit=1)
    worker = Worker(deck)
    deck.runs.start("limited")
    (held,) = worker.claim()
    low = deck.runs.start("limited", priority=-5)
    plain = deck.runs.start("limited")
    high = deck.runs.start("limited", priority=5)
    order = []
    for _ in range(3):
        worker.end(held)
        (held,) = worker.claim(10)
        order.append(held.id)
    assert order == [high.id, plain.id, low.id]


def leave(deck: Deck, worker: Worker, claim: Claim, how: str) -> None:
    if how == "given back":
        worker.say(released=[claim])
    elif how == "lost before it began":
        worker.die(begun=False)
    elif how == "lost":
        worker.die()
    elif how == "stopped before it began":
        deck.runs.stop(claim.id)
        worker.say(released=[claim])
    else:
        worker.end(claim, OutcomeKind(how))


def test_whoever_leaves_its_place_makes_room_at_once(deck: Deck) -> None:
    limited(deck, limit=1, retry=RetryPolicy(2, backoff="1h"))
    worker = Worker(deck)
    for how in (
        "given back", "lost before it began", "lost", "stopped before it began", "error", "released", "stopped", "timeout"
    ):  # fmt: skip
        deck.runs.start("limited")
        (held,) = worker.claim(5)
        following = deck.runs.start("limited", priority=100)
        assert Worker(deck).claim(5) == []
        leave(deck, worker, held, how)
        (won,) = worker.claim(5)
        assert won.id == following.id, how
        if not deck.runs.get(held.id).is_final:
            deck.runs.stop(held.id)
        worker.end(won)


@pytest.mark.parametrize(
    ("scope", "together_", "apart"),
    [
        ("type", [{"site": "a"}, {"site": "b"}, {"queue": "slow"}, {"job": 1}], []),
        ("queue", [{"site": "a"}, {"site": "b"}, {"job": 1}], [{"queue": "slow"}]),
        ("site", [{"site": "a"}, {"site": "a", "number": 1}, {"queue": "slow"}], [{"site": "b"}, {"site": "c"}]),
        (("site", "number"), [{"site": "a"}, {"site": "a", "number": 0}], [{"number": 1}, {"site": "b"}]),
        ("job", [{"job": 1}, {"job": 1, "site": "b"}], [{"job": 2}, {"site": "a"}]),
    ],
)
def test_what_is_counted_together(deck: Deck, scope: Any, together_: list[Any], apart: list[Any]) -> None:
    limited(deck, limit=1, limit_scope=scope)
    jobs = {n: deck.jobs.create(title=f"Job {n}", type="limited").id for n in (1, 2)}

    def start(job: int | None = None, queue: str | None = None, **arguments: Any) -> str:
        return deck.runs.start(jobs[job] or "" if job else "limited", arguments, queue=queue).id

    same = [start(**told) for told in together_]
    others = [start(**told) for told in apart]
    worker = Worker(deck)
    won = ids(worker.claim(20))
    assert sorted(won) == sorted([same[0], *others])
    assert worker.claim(20) == []


def test_a_job_can_have_a_limit_of_its_own(deck: Deck) -> None:
    job = deck.jobs.create(title="Greet", type="greet", limit=1)
    first, second = (deck.runs.start(str(job.id)) for _ in range(2))
    other = deck.runs.start("greet")
    worker = Worker(deck)
    claims = worker.claim(5)
    assert ids(claims) == [first.id, other.id]
    worker.end(claims[0])
    assert ids(worker.claim(5)) == [second.id]


def test_a_run_that_waits_can_be_stopped_and_can_expire(deck: Deck, clock: TurnedClock) -> None:
    limited(deck, limit=1)
    worker = Worker(deck)
    deck.runs.start("limited")
    (held,) = worker.claim()
    stopped, expiring, last = (deck.runs.start("limited", expires_in=span) for span in (None, "1h", None))
    assert deck.runs.stop(stopped.id).status is Status.CANCELLED
    clock.us += 3601 * S
    worker.tend()
    assert status(deck, expiring) == ("FAILED", "expired")
    worker.end(held)
    assert ids(worker.claim(5)) == [last.id]


def test_a_place_left_to_one_that_never_comes_goes_to_the_next(deck: Deck) -> None:
    limited(deck, limit=1)
    worker = Worker(deck)
    deck.runs.start("limited")
    (held,) = worker.claim()
    following, last = deck.runs.start("limited"), deck.runs.start("limited")
    worker.end(held)
    deck.runs.stop(following.id)
    worker.tend()
    assert ids(worker.claim(5)) == [last.id]


def test_one_that_may_not_begin_yet_keeps_no_other_waiting(deck: Deck, clock: TurnedClock) -> None:
    limited(deck, limit=1)
    worker = Worker(deck)
    _, second = deck.runs.start_many("limited", [{}] * 2)
    (held,) = worker.claim()
    delayed = [deck.runs.start("limited", start_in="50m", priority=100) for _ in range(3)]
    assert worker.claim(5) == []
    last = deck.runs.start("limited")
    for number, run_id in enumerate((second, last.id, *ids(delayed))):
        if number == 2:
            clock.us += 3000 * S
        worker.end(held)
        claims = worker.claim(5)
        assert ids(claims) == [run_id]
        (held,) = claims


# skip, reject, replace


def test_skip_ends_what_finds_no_room_when_it_is_started(deck: Deck) -> None:
    limited(deck, limit=1, limit_policy="skip")
    worker = Worker(deck)
    deck.runs.start("limited")
    (held,) = worker.claim()
    skipped = deck.runs.start("limited")
    assert (skipped.status, skipped.reason, skipped.attempt) == (Status.CANCELLED, "skipped", 0)
    assert skipped.message
    after_all = deck.runs.start("greet", after=[skipped], after_need="end")
    worker.end(held)
    assert ids(worker.claim(5)) == [after_all.id]
    assert deck.runs.start("limited").status is Status.QUEUED


def test_skip_ends_what_finds_no_room_when_it_is_claimed(deck: Deck) -> None:
    limited(deck, limit=2, limit_policy="skip")
    runs = [deck.runs.start("limited") for _ in range(5)]
    dependent = deck.runs.start("greet", after=[runs[4]])
    worker = Worker(deck)
    assert ids(worker.claim(10)) == ids(runs[:2])
    assert [status(deck, run) for run in runs[2:]] == [("CANCELLED", "skipped")] * 3
    assert status(deck, dependent) == ("CANCELLED", "dependency")
    assert worker.claim(10) == []


def test_reject_takes_no_more_than_fit_and_stores_nothing(deck: Deck) -> None:
    limited(deck, limit=2, limit_policy="reject")
    runs = [deck.runs.start("limited") for _ in range(2)]
    audited = deck.audit.list().total
    with pytest.raises(Conflict, match=runs[0].id):
        deck.runs.start("limited")
    with pytest.raises(Conflict):
        deck.runs.start_many("limited", [{}] * 3)
    assert deck.runs.list().total == 2
    assert deck.audit.list().total == audited
    worker = Worker(deck)
    claims = worker.claim(5)
    with pytest.raises(Conflict):
        deck.runs.start("limited")
    worker.end(claims[0])
    assert deck.runs.start("limited").status is Status.QUEUED
    with pytest.raises(Conflict):
        deck.runs.start("limited")


def test_replace_ends_the_older_and_begins_when_these_have(deck: Deck) -> None:
    limited(deck, limit=1, limit_policy="replace")
    first = deck.runs.start("limited")
    second = deck.runs.start("limited")
    assert status(deck, first) == ("CANCELLED", "replaced")
    worker = Worker(deck)
    (held,) = worker.claim(5)
    third = deck.runs.start("limited")
    assert worker.claims.stops_requested() == {second.id: held.fence}
    assert worker.claim(5) == []
    fourth = deck.runs.start("limited")
    assert status(deck, third) == ("CANCELLED", "replaced")
    assert worker.claim(5) == []
    worker.end(held, OutcomeKind.STOPPED)
    assert status(deck, second) == ("CANCELLED", "replaced")
    assert ids(worker.claim(5)) == [fourth.id]


def test_a_limit_is_declared_in_full_or_refused(deck: Deck) -> None:
    for wrong in (0, 10_001, True):
        with pytest.raises(InvalidInput):
            deck.jobs.create(title="Greet", type="greet", limit=wrong)
    with pytest.raises(InvalidInput):
        deck.jobs.create(title="Greet", type="greet", limit=1, limit_policy="perhaps")


# Races


class Race:
    """Workers that claim and end runs at once, woken by one another's ends; counts how many were at work."""

    def __init__(self, deck: Deck, run_ids: list[str], **counted: Any) -> None:
        self.deck, self.counted = deck, counted
        self.left = set(run_ids)
        self.most = 0
        self._changed = threading.Condition()
        self._deadline = time.monotonic() + WAIT_S

    def run(self, workers: int, wanted: int, do: Callable[[Worker, Claim, random.Random], bool]) -> None:
        """`do` says whether the worker is still alive."""

        def loop(seed: int) -> None:
            chance, worker = random.Random(seed), Worker(self.deck)
            while self.left:
                assert time.monotonic() < self._deadline, f"{len(self.left)} runs were never finished"
                claims = worker.claim(wanted)
                at_work = running(self.deck, **self.counted)
                for claim in claims:
                    if not do(worker, claim, chance):
                        worker = Worker(self.deck)
                        break
                with self._changed:
                    self.most = max(self.most, at_work)
                    if claims:
                        self.left -= {claim.id for claim in claims if self.deck.runs.get(claim.id).is_final}
                        self._changed.notify_all()
                    else:
                        self._changed.wait(0.05)

        def loop_or_stop_all(seed: int) -> None:
            try:
                loop(seed)
            except BaseException:
                self.left.clear()
                raise

        together(*[partial(loop_or_stop_all, seed) for seed in range(workers)])


def succeed(worker: Worker, claim: Claim, _: random.Random) -> bool:
    return worker.end(claim) == set()


@pytest.mark.parametrize("n", [1, 3])
def test_never_more_at_once_than_the_limit_however_many_workers_race(deck: Deck, n: int) -> None:
    run_ids = list(deck.runs.start_many(limited(deck, limit=n), [{}] * 200))
    race = Race(deck, run_ids, type="limited")
    race.run(8, 3, succeed)
    assert race.most == n
    with deck.database.read() as connection:
        ended = connection.execute(select(tables.runs.c.status, tables.runs.c.attempt)).fetchall()
    assert set(ended) == {("SUCCESS", 1)}


@pytest.mark.parametrize("n", [1, 3])
def test_never_more_at_once_than_the_limit_when_workers_die_and_give_back(deck: Deck, n: int) -> None:
    limited(deck, limit=n, retry=RetryPolicy(1000, backoff=0))
    run_ids = list(deck.runs.start_many("limited", [{}] * 40))
    tenant = deck.runs.get(run_ids[0]).tenant

    def do(worker: Worker, claim: Claim, chance: random.Random) -> bool:
        dice = chance.random()
        if dice < 0.15:
            worker.say(released=[claim])
        elif dice < 0.25:
            worker.end(claim, OutcomeKind.ERROR)
        elif dice < 0.4:
            worker.die(begun=dice < 0.32)
            with deck.database.write() as connection:
                lines.resume(connection, "type", tenant, "limited")
            return False
        else:
            worker.end(claim)
        return True

    race = Race(deck, run_ids, type="limited")
    race.run(8, 2, do)
    assert race.most == n
    assert {run.status for run in deck.runs.list().items} == {Status.SUCCESS}


@pytest.mark.parametrize("policy", ["skip", "reject", "replace"])
def test_every_policy_holds_while_runs_are_started_and_ended_at_once(deck: Deck, policy: str) -> None:
    limited(deck, limit=2, limit_policy=policy)
    started: list[str] = []
    is_over = threading.Event()
    most = [0]

    def start() -> None:
        for _ in range(15):
            try:
                started.append(deck.runs.start("limited").id)
            except Conflict:
                assert policy == "reject"

    def starting() -> None:
        try:
            together(*[start] * 3)
        finally:
            is_over.set()

    def loop() -> None:
        worker = Worker(deck)
        while True:
            was_over = is_over.is_set()
            claims = worker.claim(2)
            most.append(running(deck, type="limited"))
            for claim in claims:
                worker.end(claim, OutcomeKind.STOPPED if worker.claims.stops_requested() else OutcomeKind.SUCCESS)
            if was_over and not claims:
                return

    together(starting, loop, loop, loop)
    Worker(deck).tend()
    loop()
    assert max(most) <= 2
    found = [deck.runs.get(run_id) for run_id in started]
    assert {run.status for run in found} <= {Status.SUCCESS, Status.CANCELLED}
    reasons = {"skip": {"skipped"}, "reject": set(), "replace": {"replaced"}}[policy]
    assert {run.reason for run in found if run.status is Status.CANCELLED} <= reasons
    assert deck.runs.list().total == len(started)


# Queues


def test_a_queue_can_be_limited(deck: Deck) -> None:
    runs = [deck.runs.start("greet", queue="slow") for _ in range(4)]
    others = [deck.runs.start("greet") for _ in range(3)]
    tenant = runs[0].tenant
    with deck.database.write() as connection:
        lines.set_limit(connection, tenant, "slow", 2)
    worker = Worker(deck)
    claims = worker.claim(10)
    assert sorted(ids(claims)) == sorted(ids(runs[:2] + others))
    assert worker.claim(10) == []
    worker.end(next(claim for claim in claims if claim.id == runs[0].id))
    assert ids(Worker(deck).claim(10)) == [runs[2].id]
    with deck.database.write() as connection:
        lines.set_limit(connection, tenant, "slow", None)
    assert ids(worker.claim(10)) == [runs[3].id]


def test_a_limited_queue_is_never_fuller_however_many_workers_race(deck: Deck) -> None:
    run_ids = list(deck.runs.start_many("greet", [{}] * 80, queue="slow"))
    with deck.database.write() as connection:
        lines.set_limit(connection, deck.runs.get(run_ids[0]).tenant, "slow", 3)
    race = Race(deck, run_ids, queue="slow")
    race.run(6, 2, succeed)
    assert race.most == 3


@pytest.mark.parametrize(("kind", "name"), [("queue", "slow"), ("type", "greet")])
def test_what_is_paused_is_not_claimed_until_it_is_resumed(deck: Deck, kind: str, name: str) -> None:
    before = deck.runs.start("greet", queue="slow")
    worker = Worker(deck)
    (held,) = worker.claim()
    with deck.database.write() as connection:
        assert lines.pause(connection, kind, before.tenant, name, (worker.now(), "Ada", "too hot")) == 1
        assert lines.pause(connection, kind, before.tenant, name, (worker.now(), "Bob", None)) == 0
    waiting = deck.runs.start("greet", queue="slow")
    other = deck.runs.start("harvest")
    assert ids(worker.claim(5)) == [other.id]
    assert worker.end(held) == set()
    with deck.database.write() as connection:
        assert lines.resume(connection, kind, before.tenant, name) == 1
    assert ids(worker.claim(5)) == [waiting.id]


def test_a_type_whose_workers_die_again_and_again_is_paused(deck: Deck) -> None:
    tenant = deck.runs.start("greet", retry=RetryPolicy(100, backoff=0)).tenant
    deaths = 0
    while True:
        worker = Worker(deck)
        if not worker.claim():
            break
        worker.die()
        deaths += 1
    assert deaths == 5
    with deck.database.write() as connection:
        assert "5 workers" in lines.paused(connection, "type", tenant)["greet"][2]
        lines.resume(connection, "type", tenant, "greet")
    worker = Worker(deck)
    for _ in range(3):
        worker.claim()
        worker.die()
    (claim,) = worker.claim()
    worker.end(claim)
    deck.runs.start("greet", retry=RetryPolicy(100, backoff=0))
    for _ in range(4):
        assert worker.claim()
        worker.die()
    assert worker.claim()


# Thousands that wait


class Cost:
    """What a claim costs: rows that it reads on PostgreSQL, steps of the virtual machine on SQLite; its statements."""

    def __init__(self, deck: Deck) -> None:
        self.deck = deck

    def of_claim(self, worker: Worker) -> tuple[list[Claim], int, int]:
        with self.deck.database.write() as connection:
            steps, statements = [0], [0]
            driver: Any = connection.connection.driver_connection
            if self.deck.database.is_sqlite:

                def step() -> None:
                    steps[0] += 1

                driver.set_progress_handler(step, 1)
                driver.set_trace_callback(lambda _: statements.__setitem__(0, statements[0] + 1))
            won = worker.claims._claim(connection, 1, worker.now(), Exchange())
            if self.deck.database.is_sqlite:
                driver.set_progress_handler(None, 0)
                driver.set_trace_callback(None)
            else:
                told = connection.execute(
                    text("""SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
                    WHERE relname = 'jobdeck_run'""")
                )
                steps[0] = told.scalar_one()
            return won, steps[0], statements[0]


def test_thousands_that_wait_for_their_limit_cost_the_claim_of_others_nothing(deck: Deck) -> None:
    limited(deck, limit=1)
    worker, cost = Worker(deck), Cost(deck)
    deck.runs.start("limited")
    worker.claim()
    alone = deck.runs.start("greet")
    deck.runs.start_many("greet", [{}] * 20)
    won, before, statements = cost.of_claim(worker)
    assert ids(won) == [alone.id]
    deck.runs.start_many("limited", [{}] * 4000, priority=50)
    if not deck.database.is_sqlite:
        with deck.database.write() as connection:
            connection.execute(text("ANALYZE jobdeck_run"))
    for _ in range(2):
        won, after, more_statements = cost.of_claim(worker)
        assert [claim.type for claim in won] == ["greet"]
        assert after < before + 200
        assert more_statements == statements


def test_thousands_in_line_are_parked_by_the_first_claim_that_finds_no_room(deck: Deck) -> None:
    limited(deck, limit=1)
    run_ids = deck.runs.start_many("limited", [{}] * 3000)
    other = deck.runs.start("greet")
    worker, cost = Worker(deck), Cost(deck)
    assert ids(worker.claim(1)) == [run_ids[0]]
    assert ids(worker.claim(1)) == [other.id]
    with deck.database.read() as connection:
        query = select(func.count()).select_from(tables.runs).where(tables.runs.c.parked == int(Parked.LIMIT))
        assert connection.execute(query).scalar_one() == 2999
    if deck.database.is_sqlite:
        assert cost.of_claim(worker)[1] < 200
