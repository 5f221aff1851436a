"""Sub-runs: counted once each, in any order and any race, and the parent ends by what became of them."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from jobdeck import Deck, RetryPolicy, job_type
from jobdeck.core.ids import new_id
from jobdeck.core.lease import Beat
from jobdeck.core.new_run import NewRun
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.rollup import message
from jobdeck.core.run import Counters, Parked, Run, Status, Trigger
from jobdeck.errors import Conflict, InvalidInput, NotFound
from jobdeck.services.holder import Claim
from jobdeck.services.rescue import Rescue
from jobdeck.store import tables

from .stand_in import Worker, together


def begin(deck: Deck, worker: Worker, target: str = "greet", **told: Any) -> Claim:
    """A run that is at work."""
    run = deck.runs.start(target, **told)
    (claim,) = [claim for claim in worker.claim(50) if claim.id == run.id]
    return claim


def spawn(worker: Worker, parent: Claim, count: int = 1, **told: Any) -> list[str]:
    """Sub-runs that the parent's body asks for; their ids."""
    rows = []
    for _ in range(count):
        now = worker.now()
        rows.append(
            NewRun(
                id=new_id(now), tenant=parent.tenant, job_id=parent.job_id, type="harvest", queue="default",
                trigger=Trigger.PARENT.value, principal_id=None, principal_name=None, available_at=now, order_at=now,
                created_at=now, parent_id=parent.id, **told,
            )
        )  # fmt: skip
    worker.say(spawned=[(parent, row.row()) for row in rows])
    return [row.id for row in rows]


def take(worker: Worker, *run_ids: str) -> list[Claim]:
    """Exactly these are to be claimed."""
    claims = worker.claim(50)
    assert [claim.id for claim in claims] == list(run_ids)
    return claims


def counters(deck: Deck, run_id: str) -> tuple[int, int, int]:
    found = deck.runs.get(run_id).counters
    return found.completed_subtasks, found.failed_subtasks, found.total_subtasks


def verdict(deck: Deck, run_id: str) -> tuple[str, str | None]:
    found = deck.runs.get(run_id)
    return found.status.value, found.reason


def elsewhere(deck: Deck, parent: Claim, **told: Any) -> Run:
    """A sub-run that somebody else executes, at work."""
    run = deck.runs.create_subtask(parent.id, **told)
    return deck.runs.start_subtask(run.id)


# Executed by workers


def test_a_parent_ends_with_its_last_sub_run(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    children = spawn(worker, parent, 3)
    assert counters(deck, parent.id) == (0, 0, 3)
    assert worker.end(parent, result="7", message="All sent.") == set()
    waiting = deck.runs.get(parent.id)
    assert (waiting.status, waiting.owner, waiting.body_kind) == (Status.RUNNING, None, "success")
    assert waiting.ended_at is None
    for number, claim in enumerate(take(worker, *children), start=1):
        assert claim.parent_id == parent.id
        worker.end(claim)
        assert counters(deck, parent.id) == (number, 0, 3)
        assert deck.runs.get(parent.id).is_final is (number == 3)
    ended = deck.runs.get(parent.id)
    assert (ended.status, ended.reason, ended.result) == (Status.SUCCESS, None, 7)
    assert ended.message == "All sent. 3/3 subtasks completed."
    assert ended.ended_at is not None
    assert [attempt.outcome for attempt in deck.runs.attempts(parent.id)] == ["success"]
    assert all(deck.runs.get(child).ended_at for child in children)


def test_a_body_that_returns_last_ends_its_run(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    first, second = take(worker, *spawn(worker, parent, 2))
    worker.end(first)
    worker.end(second, OutcomeKind.ERROR)
    assert verdict(deck, parent.id) == ("RUNNING", None)
    assert counters(deck, parent.id) == (2, 1, 2)
    worker.end(parent)
    ended = deck.runs.get(parent.id)
    assert (ended.status, ended.reason) == (Status.PARTIAL_SUCCESS, None)
    assert ended.message == "2/2 subtasks completed. 1 subtasks with errors."


@pytest.mark.parametrize("returns_first", [True, False])
def test_a_parent_ends_by_its_body_and_its_sub_runs_together(deck: Deck, returns_first: bool) -> None:
    worker = Worker(deck)
    ok, bad, off = OutcomeKind.SUCCESS, OutcomeKind.ERROR, OutcomeKind.STOPPED
    for body, children, expected in (
        (ok, [ok, ok], ("SUCCESS", None)),
        (OutcomeKind.WARNING, [ok, ok], ("WARNING", None)),
        (OutcomeKind.PARTIAL, [ok], ("PARTIAL_SUCCESS", None)),
        (ok, [OutcomeKind.WARNING, OutcomeKind.PARTIAL], ("SUCCESS", None)),
        (ok, [ok, bad], ("PARTIAL_SUCCESS", None)),
        (ok, [bad, bad], ("FAILED", "error")),
        (ok, [off], ("FAILED", "error")),
        (ok, [OutcomeKind.LOST, OutcomeKind.TIMEOUT, ok], ("PARTIAL_SUCCESS", None)),
        (bad, [ok, ok], ("FAILED", "error")),
        (OutcomeKind.TIMEOUT, [ok], ("FAILED", "timeout")),
        (OutcomeKind.LOST, [ok, bad], ("FAILED", "lost")),
        (off, [ok], ("CANCELLED", "stopped")),
    ):
        parent = begin(deck, worker)
        claims = take(worker, *spawn(worker, parent, len(children)))
        if returns_first:
            worker.end(parent, body)
        for claim, kind in zip(claims, children, strict=True):
            worker.end(claim, kind)
        if not returns_first:
            worker.end(parent, body)
        assert verdict(deck, parent.id) == expected, (body, children)


def test_a_sub_run_that_is_tried_again_counts_once(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    (child,) = spawn(worker, parent, max_attempts=3)
    worker.end(parent)
    for _ in range(2):
        worker.end(take(worker, child)[0], OutcomeKind.ERROR)
        assert counters(deck, parent.id) == (0, 0, 1)
    worker.end(take(worker, child)[0])
    assert counters(deck, parent.id) == (1, 0, 1)
    assert verdict(deck, parent.id) == ("SUCCESS", None)


def test_a_parent_is_not_tried_again_once_it_has_sub_runs(deck: Deck) -> None:
    worker = Worker(deck)
    for kind in (OutcomeKind.ERROR, OutcomeKind.LOST, OutcomeKind.RELEASED):
        parent = begin(deck, worker, retry=RetryPolicy(5, backoff=0))
        (child,) = spawn(worker, parent)
        worker.end(parent, kind)
        assert verdict(deck, child) == ("CANCELLED", "dependency")
        assert verdict(deck, parent.id)[0] == "FAILED"
        assert worker.claim(5) == []


def test_a_dead_sub_run_does_not_hold_its_parent(deck: Deck) -> None:
    worker, other = Worker(deck), Worker(deck)
    parent = begin(deck, worker)
    (child,) = spawn(worker, parent)
    worker.end(parent)
    take(other, child)
    other.die()
    assert verdict(deck, child) == ("FAILED", "lost")
    assert verdict(deck, parent.id) == ("FAILED", "error")


def test_an_end_told_twice_counts_once(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    first, second = take(worker, *spawn(worker, parent, 2))
    for _ in range(3):
        worker.end(first, OutcomeKind.ERROR)
        worker.end(parent)
    assert counters(deck, parent.id) == (1, 1, 2)
    assert verdict(deck, parent.id) == ("RUNNING", None)
    for _ in range(2):
        worker.end(second)
    assert counters(deck, parent.id) == (2, 1, 2)
    ended = deck.runs.get(parent.id)
    worker.end(parent, OutcomeKind.ERROR)
    worker.end(first)
    worker.end(second, OutcomeKind.ERROR)
    assert deck.runs.get(parent.id) == ended


def test_whoever_lost_its_run_spawns_nothing(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    worker.die()
    (child,) = spawn(worker, parent)
    with pytest.raises(NotFound):
        deck.runs.get(child)
    assert counters(deck, parent.id) == (0, 0, 0)


def test_sub_runs_of_sub_runs(deck: Deck) -> None:
    worker = Worker(deck)
    top = begin(deck, worker)
    middle = take(worker, *spawn(worker, top, 2))
    leaves = [take(worker, *spawn(worker, claim, 2)) for claim in middle]
    for claim in (top, *middle):
        worker.end(claim)
    worker.end(leaves[0][0])
    worker.end(leaves[0][1], OutcomeKind.ERROR)
    assert verdict(deck, middle[0].id) == ("PARTIAL_SUCCESS", None)
    assert counters(deck, top.id) == (1, 0, 2)
    for claim in leaves[1]:
        worker.end(claim, OutcomeKind.ERROR)
    assert verdict(deck, middle[1].id) == ("FAILED", "error")
    assert verdict(deck, top.id) == ("PARTIAL_SUCCESS", None)
    assert counters(deck, top.id) == (2, 1, 2)


@pytest.mark.parametrize("returned", [True, False])
def test_a_stop_reaches_sub_runs_at_any_depth(deck: Deck, returned: bool) -> None:
    worker = Worker(deck)
    top = begin(deck, worker)
    (middle,) = take(worker, *spawn(worker, top))
    (leaf,) = take(worker, *spawn(worker, middle))
    (queued,) = spawn(worker, middle)
    outside = elsewhere(deck, middle)
    not_begun = deck.runs.create_subtask(middle.id)
    if returned:
        worker.end(top)
        worker.end(middle)
    deck.runs.stop(top.id, "enough")
    for run_id in (queued, outside.id, not_begun.id):
        assert verdict(deck, run_id) == ("CANCELLED", "stopped")
        assert deck.runs.get(run_id).stop_reason == "enough"
    asked = {leaf.id: leaf.fence} | ({} if returned else {top.id: top.fence, middle.id: middle.fence})
    assert worker.claims.stops_requested() == asked
    worker.end(leaf, OutcomeKind.STOPPED)
    if not returned:
        assert not deck.runs.get(top.id).is_final
        worker.end(middle, OutcomeKind.STOPPED)
        worker.end(top, OutcomeKind.STOPPED)
    for run_id in (leaf.id, middle.id, top.id):
        assert verdict(deck, run_id) == ("CANCELLED", "stopped")
    assert worker.claim(5) == []
    with pytest.raises(Conflict):
        deck.runs.finalize_subtask(outside.id)


def test_a_failed_body_ends_its_sub_runs_and_keeps_its_own_words(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    (running,) = take(worker, *spawn(worker, parent))
    (queued,) = spawn(worker, parent)
    outside = elsewhere(deck, parent)
    worker.end(parent, OutcomeKind.ERROR, message="The list is broken.", traceback="Traceback: here")
    for run_id in (queued, outside.id):
        assert verdict(deck, run_id) == ("CANCELLED", "dependency")
    assert worker.claims.stops_requested() == {running.id: running.fence}
    assert verdict(deck, parent.id) == ("RUNNING", None)
    worker.end(running, OutcomeKind.STOPPED)
    assert verdict(deck, running.id) == ("CANCELLED", "dependency")
    ended = deck.runs.get(parent.id)
    assert (ended.status, ended.reason, ended.traceback) == (Status.FAILED, "error", "Traceback: here")
    assert (ended.message or "").startswith("The list is broken. 3/3 subtasks completed.")


def test_what_waits_for_a_parent_waits_for_its_sub_runs(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    after = deck.runs.start("greet", after=[parent.id])
    (child,) = take(worker, *spawn(worker, parent))
    worker.end(parent)
    assert worker.claim(5) == []
    worker.end(child)
    take(worker, after.id)


def test_sub_runs_are_no_last_runs(deck: Deck) -> None:
    worker = Worker(deck)
    job = str(deck.jobs.create(title="Greet", type="greet").id)
    parent = begin(deck, worker, job)
    (child,) = take(worker, *spawn(worker, parent))
    outside = elsewhere(deck, parent)
    worker.end(child)
    deck.runs.finalize_subtask(outside.id)
    assert "success" not in deck.jobs.get(job).last_runs
    worker.end(parent)
    assert deck.jobs.get(job).last_runs["success"].id == parent.id
    with deck.database.read() as connection:
        remembered = connection.execute(select(tables.last_runs.c.run_id)).scalars().all()
    assert remembered == [parent.id]


def test_a_parent_that_waits_is_held_by_nobody_and_taken_by_nobody(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    spawn(worker, parent)
    rescue = Rescue(deck.database)
    before: list[Beat] = rescue.heartbeats()
    assert [beat[0] for beat in before] == [parent.id]
    worker.end(parent)
    assert rescue.heartbeats() == []
    waiting = deck.runs.get(parent.id)
    assert rescue.take(before, None, worker.now()) == 0
    assert worker.die() == 0
    worker.tend()
    assert deck.runs.get(parent.id) == waiting


def test_a_parent_that_waits_keeps_its_place_in_its_limit(deck: Deck) -> None:
    @job_type(limit=1)
    def single() -> None: ...

    deck.register(single)
    worker = Worker(deck)
    parent = begin(deck, worker, "single")
    following = deck.runs.start("single")
    (child,) = spawn(worker, parent)
    worker.end(parent)
    worker.tend()
    (claim,) = take(worker, child)
    worker.tend()
    assert worker.claim(5) == []
    worker.end(claim)
    take(worker, following.id)


def test_an_end_that_was_missed_is_made_up_for(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    (child,) = take(worker, *spawn(worker, parent))
    worker.end(child)
    with deck.database.write() as connection:
        connection.execute(
            tables.runs.update()
            .where(tables.runs.c.id == parent.id)
            .values(owner=None, body_kind="success", subtasks_closed=True)
        )
    assert worker.tend() == 1
    assert verdict(deck, parent.id) == ("SUCCESS", None)
    assert worker.tend() == 0


# Executed elsewhere


def test_sub_runs_that_are_executed_elsewhere(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    first = deck.runs.create_subtask(parent.id, {"page": 1})
    second = deck.runs.create_subtask(parent.id, title="Second page")
    assert (first.status, first.parked, first.parent_id) == (Status.QUEUED, Parked.ELSEWHERE, parent.id)
    assert (first.title, first.arguments) == (f"Run {parent.id} — Subtask", {"page": 1})
    assert second.title == "Second page"
    assert worker.claim(5) == []
    with pytest.raises(Conflict):
        deck.runs.finalize_subtask(first.id)
    started = deck.runs.start_subtask(first.id)
    assert (started.status, started.owner) == (Status.RUNNING, None)
    assert started.started_at is not None
    with pytest.raises(Conflict):
        deck.runs.start_subtask(first.id)
    worker.end(parent)
    assert Worker(deck).die() == 0
    assert verdict(deck, started.id) == ("RUNNING", None)
    deck.runs.finalize_subtask(started.id)
    deck.runs.start_subtask(second.id)
    assert verdict(deck, parent.id) == ("RUNNING", None)
    deck.runs.finalize_subtask(second.id)
    assert verdict(deck, parent.id) == ("SUCCESS", None)


def test_a_lost_parent_ends_what_is_executed_elsewhere(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    running, queued = elsewhere(deck, parent), deck.runs.create_subtask(parent.id)
    assert worker.die() == 1
    assert verdict(deck, parent.id) == ("FAILED", "lost")
    assert verdict(deck, running.id) == verdict(deck, queued.id) == ("CANCELLED", "dependency")


def test_counts_of_entries_and_the_words_about_them(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    outside = [elsewhere(deck, parent) for _ in range(3)]
    assert deck.runs.add_total_entries(parent.id, 20).counters.total_entries == 20
    deck.runs.add_total_entries(parent.id, 10)
    ended = deck.runs.finalize_subtask(
        outside[0].id, inserted_entries_count=7, updated_entries_count=2, errored_entries_count=1, message="First."
    )
    assert (ended.status, ended.message) == (Status.SUCCESS, "First.")
    assert ended.ended_at is not None
    assert (ended.counters.inserted_entries, ended.counters.updated_entries, ended.counters.errored_entries) == (
        7,
        2,
        1,
    )
    deck.runs.finalize_subtask(outside[1].id, success=False, errored_entries_count=4)
    assert verdict(deck, outside[1].id) == ("FAILED", "error")
    worker.end(parent)
    assert verdict(deck, parent.id) == ("RUNNING", None)
    deck.runs.finalize_subtask(outside[2].id, inserted_entries_count=10)
    found = deck.runs.get(parent.id)
    assert (found.status, found.counters) == (
        Status.PARTIAL_SUCCESS,
        Counters(
            total_subtasks=3, completed_subtasks=3, failed_subtasks=1, errored_entries=5, inserted_entries=17,
            updated_entries=2, total_entries=30, subtasks_closed=True,
        ),
    )  # fmt: skip
    assert found.message == (
        "3/3 subtasks completed. 1 subtasks with errors. 5/30 entries errored. 17 inserted / 2 updated."
    )


def test_the_words() -> None:
    assert message(Counters(total_subtasks=2)) == "0/2 subtasks completed."
    assert message(Counters(total_subtasks=2, completed_subtasks=2, failed_subtasks=1)) == (
        "2/2 subtasks completed. 1 subtasks with errors."
    )
    assert message(Counters(total_subtasks=1, completed_subtasks=1, errored_entries=3, total_entries=9)) == (
        "1/1 subtasks completed. 3/9 entries errored."
    )
    assert message(Counters(total_subtasks=1, updated_entries=3)) == "0/1 subtasks completed. 0 inserted / 3 updated."


def test_errored_entries_alone_make_a_verdict(deck: Deck) -> None:
    worker = Worker(deck)
    for total, errored, expected in ((10, 3, "PARTIAL_SUCCESS"), (3, 3, "PARTIAL_SUCCESS"), (0, 0, "SUCCESS")):
        parent = begin(deck, worker)
        outside = elsewhere(deck, parent)
        deck.runs.add_total_entries(parent.id, total)
        deck.runs.finalize_subtask(outside.id, errored_entries_count=errored)
        worker.end(parent)
        assert deck.runs.get(parent.id).status == expected


def test_finalized_twice_is_a_conflict_and_changes_nothing(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    first, second = elsewhere(deck, parent), elsewhere(deck, parent)
    worker.end(parent)
    deck.runs.finalize_subtask(first.id, errored_entries_count=2)
    before = deck.runs.get(first.id), deck.runs.get(parent.id)
    for success in (True, False):
        with pytest.raises(Conflict):
            deck.runs.finalize_subtask(first.id, success=success, errored_entries_count=5)
    assert (deck.runs.get(first.id), deck.runs.get(parent.id)) == before
    deck.runs.finalize_subtask(second.id)
    ended = deck.runs.get(parent.id)
    assert ended.is_final
    for run in (first, second):
        with pytest.raises(Conflict):
            deck.runs.finalize_subtask(run.id)
    assert deck.runs.get(parent.id) == ended


def test_sub_runs_are_taken_only_while_the_body_is_at_work(deck: Deck) -> None:
    worker = Worker(deck)
    queued = deck.runs.start("greet", queue="slow", priority=-5)
    with pytest.raises(Conflict):
        deck.runs.create_subtask(queued.id)
    parent = begin(deck, worker)
    child = elsewhere(deck, parent)
    worker.end(parent)
    with pytest.raises(Conflict):
        deck.runs.create_subtask(parent.id)
    deck.runs.finalize_subtask(child.id)
    for run_id in (parent.id, child.id):
        with pytest.raises(Conflict):
            deck.runs.create_subtask(run_id)
        with pytest.raises(Conflict):
            deck.runs.add_total_entries(run_id, 1)
    with pytest.raises(NotFound):
        deck.runs.create_subtask(new_id(1))
    assert counters(deck, parent.id) == (1, 0, 1)


def test_a_claimed_run_is_none_that_is_executed_elsewhere(deck: Deck) -> None:
    worker = Worker(deck)
    run = deck.runs.start("greet")
    with pytest.raises(Conflict):
        deck.runs.start_subtask(run.id)
    worker.claim()
    before = deck.runs.get(run.id)
    with pytest.raises(Conflict):
        deck.runs.finalize_subtask(run.id)
    assert deck.runs.get(run.id) == before


def test_counts_are_whole_and_not_negative(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    child = elsewhere(deck, parent)
    before = deck.runs.get(parent.id)
    for wrong in (-1, 1.5, "3", True, None, 2**60):
        with pytest.raises(InvalidInput):
            deck.runs.add_total_entries(parent.id, wrong)  # type: ignore[arg-type]  # that is the point
        with pytest.raises(InvalidInput):
            deck.runs.finalize_subtask(child.id, errored_entries_count=wrong)  # type: ignore[arg-type]  # as above
    assert deck.runs.get(parent.id) == before
    assert deck.runs.get(child.id).status is Status.RUNNING


# Races


def test_of_ends_at_the_same_time_one_ends_the_parent(deck: Deck) -> None:
    chance = random.Random(5)
    for turn in range(6):
        worker = Worker(deck)
        parent = begin(deck, worker)
        outside = [elsewhere(deck, parent) for _ in range(3)]
        spawn(worker, parent, 3)
        others = [Worker(deck) for _ in range(3)]
        claims = [other.claim(1)[0] for other in others]
        works: list[Any] = [
            *(lambda o=o, c=c: o.end(c) for o, c in zip(others, claims, strict=True)),
            *(
                lambda r=run: deck.runs.finalize_subtask(r.id, success=False, errored_entries_count=1)
                for run in outside
            ),
            lambda w=worker, p=parent: w.end(p),
        ]
        if turn % 2:
            works.pop()()
        chance.shuffle(works)
        together(*works)
        assert counters(deck, parent.id) == (6, 3, 6)
        ended = deck.runs.get(parent.id)
        assert (ended.status, ended.counters.errored_entries) == (Status.PARTIAL_SUCCESS, 3)
        with deck.database.read() as connection:
            query = select(tables.run_events.c.to_status).where(tables.run_events.c.run_id == parent.id)
            assert connection.execute(query).scalars().all() == ["PARTIAL_SUCCESS"]


def test_of_many_that_finalize_one_sub_run_one_does(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    outside = elsewhere(deck, parent)
    worker.end(parent)
    done: list[bool] = []

    def finalize() -> None:
        try:
            deck.runs.finalize_subtask(outside.id, errored_entries_count=1)
        except Conflict:
            done.append(False)
        else:
            done.append(True)

    together(*[finalize] * 8)
    assert sorted(done) == [False] * 7 + [True]
    assert deck.runs.get(parent.id).counters.errored_entries == 1


def test_a_sub_run_that_comes_after_the_stop_never_begins(deck: Deck) -> None:
    worker = Worker(deck)
    parent = begin(deck, worker)
    deck.runs.stop(parent.id, "enough")
    (late,) = spawn(worker, parent)
    found = deck.runs.get(late)
    assert (found.status, found.reason, found.stop_reason, found.attempt) == ("CANCELLED", "stopped", "enough", 0)
    worker.end(parent)
    assert verdict(deck, parent.id) == ("CANCELLED", "stopped")


def test_a_stop_while_sub_runs_end_leaves_nothing_open(deck: Deck) -> None:
    for _ in range(6):
        worker = Worker(deck)
        parent = begin(deck, worker)
        claims = take(worker, *spawn(worker, parent, 3))
        spawn(worker, parent, 2)
        worker.end(parent)
        together(
            partial(deck.runs.stop, parent.id),
            *[partial(worker.end, claim) for claim in claims],
        )
        assert counters(deck, parent.id)[::2] == (5, 5)
        assert verdict(deck, parent.id) == ("CANCELLED", "stopped")
