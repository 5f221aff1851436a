"""Trying again: how often, when, after which ends; and running a finished run again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobdeck import Deck, RetryPolicy, job_type
from jobdeck.core.filters import RunFilter
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Run, Status, Trigger
from jobdeck.core.times import to_us
from jobdeck.errors import Conflict, InvalidInput
from jobdeck.services.lifecycle import RELEASES_LIMIT

from .conftest import TurnedClock
from .stand_in import Worker

S = 1_000_000


def fails(deck: Deck, worker: Worker, kind: OutcomeKind = OutcomeKind.ERROR, **told: Any) -> tuple[Run, float]:
    """The next run fails; that run, and after how many seconds it may begin again."""
    (claim,) = worker.claim()
    worker.end(claim, kind, **told)
    run = deck.runs.get(claim.id)
    return run, (to_us(run.available_at) - deck.office.clock.now_us()) / S


def wait(clock: TurnedClock, run: Run) -> None:
    clock.us = max(clock.us, to_us(run.available_at))


def outcomes(deck: Deck, run: Run) -> list[tuple[int, str | None, str | None]]:
    return [(one.attempt, one.outcome, one.message) for one in deck.runs.attempts(run.id)]


def test_a_run_is_tried_as_often_as_its_policy_says_and_every_attempt_is_kept(deck: Deck, clock: TurnedClock) -> None:
    run = deck.runs.start("greet", retry=RetryPolicy(3, backoff="10s", jitter=0))
    worker = Worker(deck)
    for attempt in (1, 2):
        found, delay = fails(deck, worker, message=f"no {attempt}", traceback="Traceback", retry=True)
        assert (found.id, found.status, found.attempt) == (run.id, Status.QUEUED, attempt)
        assert found.shown_status(found.created_at) == "WAITING"
        assert (found.message, found.traceback, found.ended_at) == (f"no {attempt}", "Traceback", None)
        assert delay == pytest.approx(10, abs=0.001)
        assert worker.claim() == []
        wait(clock, found)
    ended, _ = fails(deck, worker, message="no 3")
    assert (ended.status, ended.reason, ended.message, ended.attempt) == (Status.FAILED, "error", "no 3", 3)
    assert ended.ended_at is not None
    assert outcomes(deck, run) == [(1, "error", "no 1"), (2, "error", "no 2"), (3, "error", "no 3")]
    clock.us += 10**9 * S
    assert worker.claim() == []


def test_a_later_attempt_may_succeed(deck: Deck, clock: TurnedClock) -> None:
    deck.runs.start("greet", retry=RetryPolicy(5, backoff=0, jitter=0))
    worker = Worker(deck)
    fails(deck, worker, message="not yet", traceback="Traceback")
    (claim,) = worker.claim()
    assert (claim.attempt, claim.fence) == (2, 2)
    worker.end(claim, message="well", result="7")
    ended = deck.runs.get(claim.id)
    assert (ended.status, ended.reason, ended.message, ended.result) == (Status.SUCCESS, None, "well", 7)
    assert ended.traceback is None
    assert outcomes(deck, ended) == [(1, "error", "not yet"), (2, "success", "well")]


def test_backoff(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    for policy, delays in (
        (RetryPolicy(4, backoff="30s", jitter=0), [30, 30, 30]),
        (RetryPolicy(4, backoff=["1s", 60, timedelta(hours=1)], jitter=0), [1, 60, 3600]),
        (RetryPolicy(5, backoff=["1s", "5s"], jitter=0), [1, 5, 5, 5]),
        (RetryPolicy(6, jitter=0), [15, 30, 60, 120, 240]),
        (RetryPolicy(5, jitter=0, first="20m", longest="1h"), [1200, 2400, 3600, 3600]),
        (RetryPolicy(3, jitter=0, backoff=0), [0, 0]),
    ):
        deck.runs.start("greet", retry=policy)
        waited = []
        for _ in delays:
            run, delay = fails(deck, worker)
            waited.append(delay)
            if delay > 0.5:
                clock.us = to_us(run.available_at) - S // 2
                assert worker.claim() == []
            wait(clock, run)
        assert waited == pytest.approx(delays, abs=0.001)
        assert fails(deck, worker)[0].status is Status.FAILED


def test_jitter_makes_delays_longer_by_up_to_its_part_and_different(deck: Deck) -> None:
    deck.runs.start("greet")
    for _ in range(30):
        deck.runs.start("greet", retry=RetryPolicy(2, backoff="100s", jitter=0.5))
    worker = Worker(deck)
    assert fails(deck, worker)[0].status is Status.FAILED
    delays = [fails(deck, worker)[1] for _ in range(30)]
    assert all(99.99 <= delay <= 150 for delay in delays)
    assert max(delays) - min(delays) > 5


def test_a_run_again_in_line_stands_where_its_time_and_priority_put_it(deck: Deck, clock: TurnedClock) -> None:
    tried = deck.runs.start("greet", priority=2, retry=RetryPolicy(2, backoff="60s", jitter=0))
    worker = Worker(deck)
    fails(deck, worker)
    others = [deck.runs.start("greet").id]
    clock.us += 59 * S
    others.append(deck.runs.start("greet").id)
    clock.us += 10 * S
    assert [claim.id for claim in worker.claim(5)] == [tried.id, *others]


def test_errors_timeouts_and_lost_attempts_are_tried_again(deck: Deck) -> None:
    worker = Worker(deck)
    for kind in (OutcomeKind.ERROR, OutcomeKind.TIMEOUT, OutcomeKind.LOST):
        deck.runs.start("greet", retry=RetryPolicy(2, backoff=0))
        assert fails(deck, worker, kind)[0].status is Status.QUEUED
        ended, _ = fails(deck, worker, kind)
        assert (ended.status, ended.reason) == (Status.FAILED, kind.value)
        assert [outcome for _, outcome, _ in outcomes(deck, ended)] == [kind.value] * 2


def test_what_did_not_fail_is_not_tried_again(deck: Deck) -> None:
    worker = Worker(deck)
    for kind, expected in (
        (OutcomeKind.SUCCESS, "SUCCESS"),
        (OutcomeKind.PARTIAL, "PARTIAL_SUCCESS"),
        (OutcomeKind.WARNING, "WARNING"),
        (OutcomeKind.STOPPED, "CANCELLED"),
    ):
        deck.runs.start("greet", retry=5)
        assert fails(deck, worker, kind)[0].status == expected


def test_a_dead_worker_costs_an_attempt_and_is_counted(deck: Deck, clock: TurnedClock) -> None:
    run = deck.runs.start("greet", retry=RetryPolicy(3, backoff="10s", jitter=0))
    for death in (1, 2):
        worker = Worker(deck)
        (claim,) = worker.claim()
        assert claim.attempt == death
        assert worker.die() == 1
        found = deck.runs.get(run.id)
        assert (found.status, found.rescues, found.owner) == (Status.QUEUED, death, None)
        assert Worker(deck).claim() == []
        wait(clock, found)
    worker = Worker(deck)
    worker.claim()
    worker.die()
    ended = deck.runs.get(run.id)
    assert (ended.status, ended.reason, ended.attempt) == (Status.FAILED, "lost", 3)
    assert [outcome for _, outcome, _ in outcomes(deck, run)] == ["lost"] * 3


def test_what_had_not_begun_goes_back_at_once_and_costs_nothing(deck: Deck) -> None:
    run = deck.runs.start("greet")
    for fence in range(1, 8):
        worker = Worker(deck)
        (claim,) = worker.claim()
        assert (claim.attempt, claim.fence) == (1, fence)
        assert worker.die(begun=False) == 0
    assert deck.runs.attempts(run.id) == []
    assert deck.runs.get(run.id).rescues == 0


def test_a_run_left_at_a_shutdown_is_begun_anew_a_few_times(deck: Deck) -> None:
    run = deck.runs.start("greet")
    worker = Worker(deck)
    for release in range(1, RELEASES_LIMIT + 1):
        found, delay = fails(deck, worker, OutcomeKind.RELEASED)
        assert (found.status, found.releases, found.max_attempts) == (Status.QUEUED, release, release + 1)
        assert delay <= 0
    ended, _ = fails(deck, worker, OutcomeKind.RELEASED)
    assert (ended.status, ended.reason) == (Status.FAILED, "lost")
    assert [outcome for _, outcome, _ in outcomes(deck, run)] == ["released"] * (RELEASES_LIMIT + 1)


def test_a_task_can_say_that_trying_again_is_of_no_use(deck: Deck) -> None:
    deck.runs.start("greet", retry=5)
    ended, _ = fails(deck, Worker(deck), retry=False, message="the account is closed")
    assert (ended.status, ended.reason, ended.attempt) == (Status.FAILED, "error", 1)


def test_a_task_can_say_when_to_try_again(deck: Deck) -> None:
    worker = Worker(deck)
    for after in (0.5, 7.0, 86400.0, 0.0):
        deck.runs.start("greet", retry=RetryPolicy(2, backoff="1h", jitter=0))
        run, delay = fails(deck, worker, retry=after)
        assert run.status is Status.QUEUED
        assert delay == pytest.approx(after, abs=0.001)


def test_a_task_gets_no_more_attempts_by_saying_when(deck: Deck) -> None:
    deck.runs.start("greet")
    assert fails(deck, Worker(deck), retry=1.0)[0].status is Status.FAILED


def test_a_stop_during_an_attempt_prevents_the_next(deck: Deck) -> None:
    worker = Worker(deck)
    for kind in (OutcomeKind.ERROR, OutcomeKind.TIMEOUT, OutcomeKind.LOST, OutcomeKind.RELEASED):
        run = deck.runs.start("greet", retry=5)
        (claim,) = worker.claim()
        deck.runs.stop(run.id)
        worker.end(claim, kind)
        ended = deck.runs.get(run.id)
        assert (ended.status, ended.reason, ended.attempt) == (Status.CANCELLED, "stopped", 1)
        assert [outcome for _, outcome, _ in outcomes(deck, run)] == [kind.value]


def test_a_stop_while_a_run_waits_for_its_next_attempt_ends_it(deck: Deck, clock: TurnedClock) -> None:
    run = deck.runs.start("greet", retry=5)
    worker = Worker(deck)
    fails(deck, worker)
    stopped = deck.runs.stop(run.id, "enough")
    assert (stopped.status, stopped.reason, stopped.attempt) == (Status.CANCELLED, "stopped", 1)
    clock.us += 10**6 * S
    assert worker.claim() == []


def test_progress_of_an_attempt_is_not_that_of_the_next(deck: Deck) -> None:
    deck.runs.start("greet", retry=2)
    worker = Worker(deck)
    (claim,) = worker.claim()
    worker.say(progress={claim.id: (3, 9, "third", claim.id, worker.holder.id, claim.fence)})
    assert deck.runs.get(claim.id).progress is not None
    worker.end(claim, OutcomeKind.ERROR)
    assert deck.runs.get(claim.id).progress is None


def test_a_failed_end_reported_twice_is_tried_again_once(deck: Deck) -> None:
    run = deck.runs.start("greet", retry=RetryPolicy(3, backoff=0))
    worker = Worker(deck)
    (claim,) = worker.claim()
    assert worker.end(claim, OutcomeKind.ERROR) == set()
    before = deck.runs.get(run.id)
    worker.end(claim, OutcomeKind.ERROR)
    worker.end(claim)
    assert deck.runs.get(run.id) == before
    assert [outcome for _, outcome, _ in outcomes(deck, run)] == ["error"]


def test_retry_can_be_a_number_declared_or_asked_for(deck: Deck) -> None:
    @job_type(retry=RetryPolicy(3, backoff=0))
    def fragile() -> None: ...

    deck.register(fragile)
    worker = Worker(deck)
    for name, asked, attempts in (("greet", None, 1), ("greet", 7, 7), ("fragile", None, 3), ("fragile", 2, 2)):
        run = deck.runs.start(name, retry=asked)
        assert run.max_attempts == attempts
        for _ in range(attempts):
            assert deck.runs.get(run.id).status is Status.QUEUED
            fails(deck, worker, retry=0.0)
        assert deck.runs.get(run.id).status is Status.FAILED


def test_a_bad_number_of_attempts_is_refused(deck: Deck) -> None:
    for wrong in (0, -1, 1001, True, "often", 1.5, RetryPolicy(2, only_on=ValueError)):
        with pytest.raises(InvalidInput) as refused:
            deck.runs.start("greet", retry=wrong)  # type: ignore[arg-type]  # that is the point
        assert [error.field for error in refused.value.errors] == ["retry"]
    assert deck.runs.list().total == 0


# Run again


def test_a_finished_run_is_run_again_as_another_one(deck: Deck) -> None:
    first = deck.runs.start("greet", {"name": "Eva", "times": 2}, title="Hi", queue="slow", priority=5, timeout="1h")
    with pytest.raises(Conflict):
        deck.runs.again(first.id)
    worker = Worker(deck)
    (claim,) = worker.claim()
    with pytest.raises(Conflict):
        deck.runs.again(first.id)
    worker.end(claim, OutcomeKind.ERROR)
    ended = deck.runs.get(first.id)
    again = deck.runs.again(first.id)
    assert again.id != first.id
    assert (again.retry_of, again.trigger, again.status, again.attempt) == (first.id, Trigger.RERUN, Status.QUEUED, 0)
    for name in ("type", "arguments", "title", "queue", "priority", "timeout_s", "max_attempts"):
        assert getattr(again, name) == getattr(first, name)
    assert deck.runs.get(first.id) == ended
    (claim,) = worker.claim()
    assert claim.id == again.id
    worker.end(claim)
    assert deck.runs.get(first.id) == ended
    changed = deck.runs.again(first.id, {"name": "Bob"})
    assert (changed.arguments["name"], changed.retry_of) == ("Bob", first.id)
    with pytest.raises(InvalidInput):
        deck.runs.again(first.id, {"times": "many"})


def test_a_plain_function_is_run_again_with_its_positions(deck: Deck) -> None:
    first = deck.enqueue("os.path:join", ["a", "b"], retry=2)
    deck.runs.stop(first.id)
    again = deck.runs.again(first.id)
    assert (again.function, again.positional, again.arguments) == (first.function, ("a", "b"), {})
    assert (again.max_attempts, again.retry_of) == (2, first.id)


def test_all_that_fit_a_filter_are_run_again_oldest_first(deck: Deck) -> None:
    failed = [deck.runs.start("greet", {"times": n}) for n in range(1, 5)]
    worker = Worker(deck)
    for claim in worker.claim(10):
        worker.end(claim, OutcomeKind.ERROR)
    good = deck.runs.start("greet")
    worker.end(worker.claim()[0])
    live = deck.runs.start("harvest")
    made = deck.runs.again_all(RunFilter(statuses=("FAILED",)))
    found = [deck.runs.get(run_id) for run_id in made]
    assert [run.retry_of for run in found] == [run.id for run in failed]
    assert [run.arguments["times"] for run in found] == [1, 2, 3, 4]
    assert deck.runs.again_all(RunFilter(type="harvest")) == []
    assert deck.runs.list().total == len(failed) * 2 + 2
    assert deck.runs.get(good.id).status is Status.SUCCESS
    assert deck.runs.get(live.id).status is Status.QUEUED


@pytest.mark.parametrize("how", ["success", "failed", "stopped", "expired"])
def test_nothing_leaves_a_final_status(deck: Deck, clock: TurnedClock, how: str) -> None:
    run = deck.runs.start("greet", retry=3, expires_in="1h")
    worker = Worker(deck)
    (claim,) = worker.claim()
    if how == "stopped":
        deck.runs.stop(run.id)
        worker.say(released=[claim])
    elif how == "expired":
        worker.say(released=[claim])
        clock.us += 2 * 3600 * S
        worker.tend()
    else:
        worker.end(claim, OutcomeKind.SUCCESS if how == "success" else OutcomeKind.ERROR, retry=False)
    ended = deck.runs.get(run.id)
    assert ended.is_final
    for kind in OutcomeKind:
        worker.end(claim, kind)
    worker.say(released=[claim], alive=[claim], begun=[(claim, worker.now(), 1)])
    worker.die()
    clock.us += 10**6 * S
    worker.tend()
    assert Worker(deck).claim(5) == []
    with pytest.raises(Conflict):
        deck.runs.stop(run.id)
    assert deck.runs.get(run.id) == ended
