"""Runs after runs: who waits for whom, what becomes of those whose parents fail, and that nobody waits for ever."""

from __future__ import annotations

import random
import threading
import time

import pytest
from sqlalchemy import select

from jobdeck import Deck, RetryPolicy
from jobdeck.core.ids import new_id
from jobdeck.core.outcome import Outcome, OutcomeKind
from jobdeck.core.run import Parked, Run, Status
from jobdeck.errors import InvalidInput, StoreError
from jobdeck.services.claims import Report
from jobdeck.services.holder import Claim
from jobdeck.store import tables

from .conftest import TurnedClock
from .stand_in import Worker, together

SUCCEEDED = (OutcomeKind.SUCCESS, OutcomeKind.PARTIAL, OutcomeKind.WARNING)


def claim(worker: Worker, *expected: Run) -> list[Claim]:
    """Everything that can be claimed now: these runs."""
    claims = worker.claim(50)
    assert [one.id for one in claims] == [run.id for run in expected]
    return claims


def verdict(deck: Deck, run: Run) -> tuple[str, str | None]:
    found = deck.runs.get(run.id)
    return found.status.value, found.reason


def test_a_run_begins_after_another_has_succeeded(deck: Deck) -> None:
    worker = Worker(deck)
    for kind in SUCCEEDED:
        first = deck.runs.start("greet")
        second = deck.runs.start("harvest", after=[first])
        assert (second.status, second.open_dependencies, second.parked) == (Status.QUEUED, 1, Parked.DEPENDENCY)
        assert second.shown_status(second.created_at) == "WAITING"
        (held,) = claim(worker, first)
        claim(worker)
        worker.end(held, kind)
        (held,) = claim(worker, second)
        worker.end(held)
        assert deck.runs.get(second.id).status is Status.SUCCESS


def test_a_run_begins_after_all_of_many_in_whatever_order_they_end(deck: Deck) -> None:
    worker = Worker(deck)
    first = [deck.runs.start("greet") for _ in range(6)]
    last = deck.runs.start("harvest", after=[*first, first[0].id])
    claims = claim(worker, *first)
    random.Random(3).shuffle(claims)
    for number, held in enumerate(claims):
        assert deck.runs.get(last.id).open_dependencies == 6 - number
        claim(worker)
        worker.end(held)
    claim(worker, last)


def test_many_begin_after_one(deck: Deck) -> None:
    worker = Worker(deck)
    first = deck.runs.start("greet")
    rest = [deck.runs.start("harvest", after=[first]) for _ in range(20)]
    many = deck.runs.start_many("harvest", [{}] * 5, after=[first])
    (held,) = claim(worker, first)
    worker.end(held)
    assert [one.id for one in worker.claim(50)] == [*(run.id for run in rest), *many]


def test_fan_out_and_in(deck: Deck) -> None:
    worker = Worker(deck)
    split = deck.runs.start("greet")
    parts = [deck.runs.start("greet", after=[split]) for _ in range(5)]
    merged = deck.runs.start("greet", after=parts)
    final = deck.runs.start("greet", after=[merged, split])
    for level in ([split], parts, [merged], [final]):
        for held in claim(worker, *level):
            worker.end(held)
    assert {run.status for run in deck.runs.list().items} == {Status.SUCCESS}


def test_of_many_that_end_at_once_each_counts_once(deck: Deck) -> None:
    worker = Worker(deck)
    first = [deck.runs.start("greet") for _ in range(4)]
    last = deck.runs.start("harvest", after=first)
    now = worker.now()
    ended = [
        (held, Outcome(kind=OutcomeKind.SUCCESS, started_us=now, ended_us=now, pid=1)) for held in claim(worker, *first)
    ]
    worker.say(ended=ended)
    worker.say(ended=ended)
    assert deck.runs.get(last.id).open_dependencies == 0
    claim(worker, last)


@pytest.mark.parametrize(
    ("kind", "parent", "child"),
    [
        (OutcomeKind.ERROR, ("FAILED", "error"), ("FAILED", "dependency")),
        (OutcomeKind.TIMEOUT, ("FAILED", "timeout"), ("FAILED", "dependency")),
        (OutcomeKind.LOST, ("FAILED", "lost"), ("FAILED", "dependency")),
        (OutcomeKind.STOPPED, ("CANCELLED", "stopped"), ("CANCELLED", "dependency")),
    ],
)
def test_what_did_not_succeed_ends_what_waits_for_it_at_any_depth(
    deck: Deck, kind: OutcomeKind, parent: tuple[str, str], child: tuple[str, str]
) -> None:
    worker = Worker(deck)
    first = deck.runs.start("greet")
    other = deck.runs.start("greet")
    second = deck.runs.start("greet", after=[first, other])
    third = [deck.runs.start("greet", after=[second]) for _ in range(2)]
    fourth = deck.runs.start("greet", after=[third[1], other])
    anyway = deck.runs.start("greet", after=[fourth, first], after_need="end")
    held, other_held = claim(worker, first, other)
    worker.end(held, kind)
    assert verdict(deck, first) == parent
    for run in (second, *third, fourth):
        assert verdict(deck, run) == child
        found = deck.runs.get(run.id)
        assert found.attempt == 0
        assert "had to succeed" in (found.message or "")
    assert first.id in (deck.runs.get(second.id).message or "")
    assert third[1].id in (deck.runs.get(fourth.id).message or "")
    claim(worker, anyway)
    worker.end(other_held)
    claim(worker)


def test_a_run_may_begin_after_any_end(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    for how in ("success", "error", "stopped", "cancelled", "expired"):
        first = deck.runs.start("greet", expires_in="1h")
        second = deck.runs.start("harvest", after=[first], after_need="end")
        if how == "cancelled":
            deck.runs.stop(first.id)
        elif how == "expired":
            clock.us += 3_600_000_000
            worker.tend()
        else:
            worker.end(claim(worker, first)[0], OutcomeKind(how))
        worker.end(claim(worker, second)[0])
        assert (deck.runs.get(first.id).is_final, verdict(deck, second)) == (True, ("SUCCESS", None)), how


def test_a_queued_parent_that_is_cancelled_or_expires_ends_what_waits_for_it(deck: Deck, clock: TurnedClock) -> None:
    for how, expected in (("cancelled", "CANCELLED"), ("expired", "FAILED")):
        first = deck.runs.start("greet", expires_in="1h")
        second = deck.runs.start("greet", after=[first])
        third = deck.runs.start("greet", after=[second])
        if how == "cancelled":
            deck.runs.stop(first.id)
        else:
            clock.us += 3_600_000_000
            Worker(deck).tend()
        assert verdict(deck, second) == verdict(deck, third) == (expected, "dependency")


def test_an_attempt_that_failed_is_not_the_end(deck: Deck) -> None:
    worker = Worker(deck)
    first = deck.runs.start("greet", retry=RetryPolicy(2, backoff=0))
    second = deck.runs.start("harvest", after=[first])
    worker.end(claim(worker, first)[0], OutcomeKind.ERROR)
    assert deck.runs.get(second.id).status is Status.QUEUED
    worker.end(claim(worker, first)[0])
    claim(worker, second)


def test_parents_that_have_ended_already(deck: Deck) -> None:
    worker = Worker(deck)
    good, bad, cancelled = (deck.runs.start("greet") for _ in range(3))
    for held, kind in zip(
        claim(worker, good, bad, cancelled), (OutcomeKind.SUCCESS, OutcomeKind.ERROR, OutcomeKind.STOPPED), strict=True
    ):
        worker.end(held, kind)
    after_good = deck.runs.start("greet", after=[good])
    assert (after_good.status, after_good.open_dependencies) == (Status.QUEUED, 0)
    after_bad = deck.runs.start("greet", after=[good, bad])
    assert (after_bad.status, after_bad.reason) == (Status.FAILED, "dependency")
    after_cancelled = deck.runs.start("greet", after=[cancelled])
    assert (after_cancelled.status, after_cancelled.reason) == (Status.CANCELLED, "dependency")
    anyway = deck.runs.start("greet", after=[bad, cancelled, after_bad], after_need="end")
    many = deck.runs.start_many("greet", [{}] * 3, after=[bad])
    assert {deck.runs.get(run_id).reason for run_id in many} == {"dependency"}
    live = deck.runs.start("harvest")
    mixed = deck.runs.start("harvest", after=[good, live])
    assert mixed.open_dependencies == 1
    worker.end(claim(worker, after_good, anyway, live)[2])
    claim(worker, mixed)


def test_a_run_that_waits_can_be_stopped_and_stays_so(deck: Deck) -> None:
    worker = Worker(deck)
    first = deck.runs.start("greet")
    second = deck.runs.start("harvest", after=[first])
    third = deck.runs.start("harvest", after=[second])
    deck.runs.stop(second.id)
    assert verdict(deck, third) == ("CANCELLED", "dependency")
    worker.end(claim(worker, first)[0])
    claim(worker)
    assert verdict(deck, second) == ("CANCELLED", "stopped")


def test_a_delay_counts_beside_what_is_waited_for(deck: Deck, clock: TurnedClock) -> None:
    worker = Worker(deck)
    first = deck.runs.start("greet")
    second = deck.runs.start("harvest", after=[first], start_in="1h")
    worker.end(claim(worker, first)[0])
    claim(worker)
    assert verdict(deck, second) == ("QUEUED", None)
    clock.us += 3_600_000_000
    claim(worker, second)
    assert verdict(deck, second) == ("RUNNING", None)


def test_unknown_runs_are_refused_and_nothing_is_stored(deck: Deck) -> None:
    first = deck.runs.start("greet")
    for wrong in (new_id(1), "no id", 3, None):
        with pytest.raises(InvalidInput) as refused:
            deck.runs.start("greet", after=[first, wrong])  # type: ignore[list-item]  # that is the point
        assert [error.field for error in refused.value.errors] == ["after"]
    with pytest.raises(InvalidInput):
        deck.runs.start("greet", after=[first], after_need="luck")
    with pytest.raises(InvalidInput):
        deck.runs.start("greet", after=first.id)
    assert deck.runs.list().total == 1
    with deck.database.read() as connection:
        assert connection.execute(select(tables.dependencies)).fetchall() == []


@pytest.mark.parametrize("kind", [OutcomeKind.SUCCESS, OutcomeKind.ERROR])
def test_whoever_comes_while_a_parent_ends_never_waits_for_ever(deck: Deck, kind: OutcomeKind) -> None:
    for _ in range(6):
        first = deck.runs.start("greet")
        worker = Worker(deck)
        (held,) = worker.claim(1)
        made: list[Run] = []

        def start(first: Run = first, made: list[Run] = made) -> None:
            made.extend(deck.runs.start("harvest", after=[first]) for _ in range(3))

        def end(worker: Worker = worker, held: Claim = held) -> None:
            worker.end(held, kind)

        together(start, end, start)
        assert len(made) == 6
        if kind is OutcomeKind.SUCCESS:
            claims = worker.claim(20)
            assert {one.id for one in claims} == {run.id for run in made}
            for one in claims:
                worker.end(one)
        else:
            assert {verdict(deck, run) for run in made} == {("FAILED", "dependency")}


def persist(report: Report, worker: Worker) -> None:
    """What a worker does: tell it again until it is taken."""
    for _ in range(20):
        try:
            worker.claims.exchange(report, 0, worker.now())
        except StoreError:
            continue
        return
    raise AssertionError("never taken")


def test_parents_that_end_at_the_same_time_release_their_dependents_once(deck: Deck) -> None:
    for turn in range(4):
        first = [deck.runs.start("greet") for _ in range(6)]
        last = [deck.runs.start("harvest", after=first) for _ in range(3)]
        workers = [Worker(deck) for _ in range(3)]
        held = [worker.claim(2) for worker in workers]
        assert sum(map(len, held)) == 6
        bad = held[0][0] if turn % 2 else None

        def end(worker: Worker, claims: list[Claim], bad: Claim | None) -> None:
            now = worker.now()
            kinds = [OutcomeKind.ERROR if one is bad else OutcomeKind.SUCCESS for one in claims]
            ended = [
                (one, Outcome(kind=kind, started_us=now, ended_us=now, pid=1))
                for one, kind in zip(claims, kinds, strict=True)
            ]
            persist(Report(ended=ended), worker)

        together(*[lambda w=w, c=c, bad=bad: end(w, c, bad) for w, c in zip(workers, held, strict=True)])
        if bad is not None:
            assert {verdict(deck, run) for run in last} == {("FAILED", "dependency")}
        else:
            claims = workers[0].claim(10)
            assert [one.id for one in claims] == [run.id for run in last]
            for one in claims:
                workers[0].end(one)


def test_a_random_graph_of_runs_is_worked_off_by_racing_workers(deck: Deck) -> None:
    chance = random.Random(7)
    made: list[Run] = []
    needs: dict[str, tuple[str, list[str]]] = {}
    for _ in range(60):
        after = chance.sample(made, min(len(made), chance.randint(0, 3)))
        need = chance.choice(["success", "success", "end"])
        run = deck.runs.start("greet", after=after, after_need=need)
        needs[run.id] = (need, [one.id for one in after])
        made.append(run)
    left = {run.id for run in made}
    deadline = time.monotonic() + 60
    guard = threading.Lock()

    def work(seed: int) -> None:
        dice, worker = random.Random(seed), Worker(deck)
        while left:
            assert time.monotonic() < deadline, f"{len(left)} runs wait for ever"
            claims = worker.claim(2)
            for one in claims:
                assert all(deck.runs.get(run_id).is_final for run_id in needs[one.id][1])
                kind = OutcomeKind.ERROR if dice.random() < 0.15 else OutcomeKind.SUCCESS
                now = worker.now()
                persist(Report(ended=[(one, Outcome(kind=kind, started_us=now, ended_us=now, pid=1))]), worker)
            if not claims:
                with guard:
                    left.difference_update(run_id for run_id in list(left) if deck.runs.get(run_id).is_final)

    together(*[lambda seed=seed: work(seed) for seed in range(4)])
    found = {run.id: deck.runs.get(run.id) for run in made}
    for run_id, (need, parents) in needs.items():
        run = found[run_id]
        parents_failed = any(found[one].status is not Status.SUCCESS for one in parents)
        assert (run.reason == "dependency") is (need == "success" and parents_failed)
        assert run.attempt == (0 if run.reason == "dependency" else 1)
