"""Whose turn it is: priorities as a head start, delays, expiry, the order of queues."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobdeck import Deck, RetryPolicy, job_type
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Status
from jobdeck.core.times import from_us, to_us
from jobdeck.errors import InvalidInput

from .conftest import TurnedClock
from .stand_in import Worker

MINUTE = 60_000_000


def order(worker: Worker, one_by_one: bool = True) -> list[str]:
    """The ids of everything that can be claimed, in the order in which it is won."""
    won: list[str] = []
    while claims := worker.claim(1 if one_by_one else 7):
        won += [claim.id for claim in claims]
    return won


@pytest.mark.parametrize("one_by_one", [True, False])
def test_the_order_is_the_time_less_a_minute_for_each_step_of_priority(
    deck: Deck, clock: TurnedClock, one_by_one: bool
) -> None:
    chance = random.Random(11)
    made = []
    for number in range(60):
        clock.us += chance.randint(0, 3) * MINUTE
        priority = chance.choice([-100, -7, -1, 0, 0, 0, 1, 3, 100])
        run = deck.runs.start("greet", priority=priority, queue=chance.choice(["default", "slow"]))
        made.append((to_us(run.available_at) - priority * MINUTE, number, run.id))
    assert order(Worker(deck), one_by_one) == [run_id for _, _, run_id in sorted(made)]


def test_equals_go_in_the_order_of_their_start(deck: Deck) -> None:
    ids = [deck.runs.start("greet", priority=7).id for _ in range(20)]
    ids += deck.runs.start_many("greet", [{}] * 20, priority=7)
    assert order(Worker(deck)) == ids


def test_nobody_starves_however_many_urgent_ones_come(deck: Deck, clock: TurnedClock) -> None:
    patient = deck.runs.start("greet", priority=-3)
    worker = Worker(deck)
    minutes = 0
    while True:
        for _ in range(3):
            deck.runs.start("greet", priority=10)
        (claim,) = worker.claim(1)
        if claim.id == patient.id:
            break
        clock.us += MINUTE
        minutes += 1
        assert minutes < 45
    assert minutes > 30


def test_the_priority_of_the_run_goes_before_the_job_s_and_that_before_the_type_s(deck: Deck) -> None:
    @job_type(priority=4)
    def urgent() -> None: ...

    deck.register(urgent)
    job = str(deck.jobs.create(title="Urgent", type="urgent", priority=-2).id)
    assert deck.runs.start("greet").priority == 0
    assert deck.runs.start("urgent").priority == 4
    assert deck.runs.start(job).priority == -2
    assert deck.runs.start(job, priority=0).priority == 0
    for wrong in (101, -101, 1.5, True, "high"):
        with pytest.raises(InvalidInput):
            deck.runs.start("greet", priority=wrong)  # type: ignore[arg-type]  # that is the point


# Delays


def test_a_delayed_run_begins_no_earlier(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    now = from_us(clock.us)
    given: list[dict[str, Any]] = [
        {"start_in": 90},
        {"start_in": "90s"},
        {"start_in": timedelta(seconds=90), "priority": 100},
        {"start_at": now + timedelta(seconds=90)},
        {"start_at": (now + timedelta(seconds=90)).isoformat()},
    ]
    runs = [deck.runs.start("greet", **told) for told in given]
    plain = deck.runs.start("greet")
    assert runs[0].shown_status(now) == "WAITING"
    assert order(worker) == [plain.id]
    clock.us = to_us(min(run.available_at for run in runs)) - 1000
    assert order(worker) == []
    clock.us = to_us(max(run.available_at for run in runs))
    assert sorted(order(worker)) == sorted(run.id for run in runs)


def test_a_time_that_is_over_means_at_once(deck: Deck, clock: TurnedClock) -> None:
    run = deck.runs.start("greet", start_at=from_us(clock.us) - timedelta(days=3))
    assert to_us(run.available_at) >= to_us(run.created_at)
    assert order(Worker(deck)) == [run.id]


def test_times_that_cannot_be_are_refused(deck: Deck, clock: TurnedClock) -> None:
    soon = from_us(clock.us) + timedelta(minutes=1)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"start_in": -1}, "start_in"),
        ({"start_in": "soon"}, "start_in"),
        ({"start_in": True}, "start_in"),
        ({"start_in": "367d"}, "start_in"),
        ({"start_at": datetime(2030, 1, 1)}, "start_at"),  # noqa: DTZ001 - a time without its offset
        ({"start_at": "tomorrow"}, "start_at"),
        ({"start_at": 5}, "start_at"),
        ({"start_at": datetime(9000, 1, 1, tzinfo=UTC)}, "start_at"),
        ({"start_at": soon, "start_in": 5}, "start_in"),
        ({"expires_in": "later"}, "expires_in"),
        ({"expires_in": 0}, "expires_at"),
        ({"expires_in": 5, "start_in": 5}, "expires_at"),
        ({"expires_at": soon, "start_in": 120}, "expires_at"),
        ({"expires_at": from_us(clock.us)}, "expires_at"),
    ]
    for told, field in wrong:
        with pytest.raises(InvalidInput) as refused:
            deck.runs.start("greet", **told)
        assert [error.field for error in refused.value.errors] == [field], told
    assert deck.runs.list().total == 0


def test_a_worker_can_ask_when_the_next_delayed_run_is_due(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    assert worker.claims.next_due(worker.now()) is None
    deck.runs.start("greet")
    assert worker.claims.next_due(worker.now()) is None
    later = deck.runs.start("greet", start_in="1h")
    sooner = deck.runs.start("greet", start_in="10m", queue="slow")
    assert worker.claims.next_due(worker.now()) == to_us(sooner.available_at)
    deck.runs.stop(sooner.id)
    assert worker.claims.next_due(worker.now()) == to_us(later.available_at)
    clock.us = to_us(later.available_at)
    assert worker.claims.next_due(worker.now()) is None


def test_a_run_that_is_to_be_tried_again_is_due_too(deck: Deck) -> None:
    worker = Worker(deck)
    run = deck.runs.start("greet", retry=RetryPolicy(2, backoff="5m", jitter=0))
    worker.end(worker.claim()[0], OutcomeKind.ERROR)
    assert worker.claims.next_due(worker.now()) == to_us(deck.runs.get(run.id).available_at)


# Expiry


def test_a_run_that_did_not_begin_in_time_ends_and_is_never_claimed(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    waiting = [
        deck.runs.start("greet", expires_in="1h"),
        deck.runs.start("greet", expires_at=from_us(clock.us) + timedelta(hours=1), start_in="30m"),
        deck.runs.start("greet", expires_in="1h", after=[deck.runs.start("harvest", start_in="9h")]),
    ]
    lasting = deck.runs.start("greet", start_in="30m", expires_in="2h")
    assert worker.tend() == 0
    clock.us += 60 * MINUTE
    # Also before anybody has tended.
    assert order(worker) == [lasting.id]
    assert worker.tend() == 3
    for run in waiting:
        found = deck.runs.get(run.id)
        assert (found.status, found.reason, found.attempt) == (Status.FAILED, "expired", 0)
        assert found.message
        assert found.ended_at is not None
    assert worker.tend() == 0
    assert deck.runs.get(lasting.id).status is Status.RUNNING


def test_a_run_that_began_in_time_may_take_its_time(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    run = deck.runs.start("greet", expires_in="1h")
    (claim,) = worker.claim()
    clock.us += 600 * MINUTE
    assert worker.tend() == 0
    worker.end(claim)
    assert deck.runs.get(run.id).status is Status.SUCCESS


# Queues


def test_fair_queues_are_served_oldest_first_strict_ones_in_their_order(deck: Deck) -> None:
    for strict in (False, True):
        made = [(queue, deck.runs.start("greet", queue=queue).id) for queue in ("slow", "default", "slow", "default")]
        expected = [run_id for _, run_id in made]
        if strict:
            expected = [run_id for name in ("default", "slow") for queue, run_id in made if queue == name]
        assert order(Worker(deck, ("default", "slow"), strict=strict)) == expected


def test_strict_queues_come_before_any_priority(deck: Deck) -> None:
    urgent = deck.runs.start("greet", queue="slow", priority=100)
    plain = [deck.runs.start("greet", queue="default").id for _ in range(3)]
    batch = Worker(deck, ("default", "slow"), strict=True).claim(10)
    assert [claim.id for claim in batch] == [*plain, urgent.id]
    urgent = deck.runs.start("greet", queue="slow", priority=100)
    plain = [deck.runs.start("greet", queue="default").id for _ in range(3)]
    assert order(Worker(deck, ("default", "slow"))) == [urgent.id, *plain]
