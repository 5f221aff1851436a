"""Unique keys: of all live runs only one has it."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from jobdeck import Deck, RetryPolicy
from jobdeck.core.outcome import OutcomeKind
from jobdeck.core.run import Parked, Run, Status
from jobdeck.errors import Conflict, InvalidInput
from jobdeck.store import tables

from .conftest import TurnedClock
from .stand_in import Worker, together

THREADS = 50


def verdict(deck: Deck, run: Run) -> tuple[str, str | None]:
    found = deck.runs.get(run.id)
    return found.status.value, found.reason


def test_reject_takes_no_second_live_run(deck: Deck) -> None:
    first = deck.runs.start("greet", unique_key="daily")
    with pytest.raises(Conflict, match=first.id):
        deck.runs.start("greet", unique_key="daily")
    with pytest.raises(Conflict):
        deck.runs.start("harvest", unique_key="daily", queue="slow")
    assert deck.runs.start("greet", unique_key="weekly").status is Status.QUEUED
    assert deck.runs.list().total == 2
    Worker(deck).claim(2)
    with pytest.raises(Conflict, match="RUNNING"):
        deck.enqueue("os.path:join", ["a"], unique_key="daily")
    assert deck.runs.list().total == 2


@pytest.mark.parametrize("how", ["success", "error", "stopped", "lost", "expired", "cancelled"])
def test_the_key_is_free_again_after_the_end(deck: Deck, clock: TurnedClock, how: str) -> None:
    first = deck.runs.start("greet", unique_key="daily", expires_in="1h")
    worker = Worker(deck)
    if how == "cancelled":
        deck.runs.stop(first.id)
    elif how == "expired":
        clock.us += 2 * 3600 * 1_000_000
        worker.tend()
    else:
        (claim,) = worker.claim()
        worker.end(claim, OutcomeKind(how))
    assert deck.runs.get(first.id).is_final
    second = deck.runs.start("greet", unique_key="daily")
    assert (second.status, second.unique_key) == (Status.QUEUED, "daily")


def test_a_run_that_is_tried_again_keeps_its_key(deck: Deck) -> None:
    deck.runs.start("greet", unique_key="daily", retry=RetryPolicy(2, backoff="1h"))
    worker = Worker(deck)
    (claim,) = worker.claim()
    worker.end(claim, OutcomeKind.ERROR)
    with pytest.raises(Conflict, match="QUEUED"):
        deck.runs.start("greet", unique_key="daily")


def test_existing_gives_the_run_that_has_the_key(deck: Deck) -> None:
    first = deck.runs.start("greet", {"times": 2}, unique_key="daily", unique_policy="existing")
    again = deck.runs.start("greet", {"times": 3}, unique_key="daily", unique_policy="existing")
    assert again == deck.runs.get(first.id)
    Worker(deck).claim()
    running = deck.runs.start("greet", unique_key="daily", unique_policy="existing")
    assert (running.id, running.status) == (first.id, Status.RUNNING)
    assert deck.runs.list().total == 1


def test_replace_ends_a_queued_run_at_once(deck: Deck) -> None:
    first = deck.runs.start("greet", unique_key="daily")
    dependent = deck.runs.start("harvest", after=[first])
    second = deck.runs.start("greet", unique_key="daily", unique_policy="replace")
    assert verdict(deck, first) == ("CANCELLED", "replaced")
    assert verdict(deck, dependent) == ("CANCELLED", "dependency")
    assert second.id in (deck.runs.get(first.id).message or "")
    assert [claim.id for claim in Worker(deck).claim(5)] == [second.id]


@pytest.mark.parametrize("kind", [OutcomeKind.STOPPED, OutcomeKind.SUCCESS, OutcomeKind.ERROR])
def test_replace_stops_a_running_run_and_waits_for_its_end(deck: Deck, kind: OutcomeKind) -> None:
    first = deck.runs.start("greet", unique_key="daily", retry=5)
    worker = Worker(deck)
    (claim,) = worker.claim()
    second = deck.runs.start("greet", unique_key="daily", unique_policy="replace")
    assert (second.status, second.parked, second.unique_key) == (Status.QUEUED, Parked.DEPENDENCY, "daily")
    assert worker.claims.stops_requested() == {first.id: claim.fence}
    assert worker.claim(5) == []
    worker.end(claim, kind)
    assert deck.runs.get(first.id).is_final
    if kind is not OutcomeKind.SUCCESS:
        assert verdict(deck, first) == ("CANCELLED", "replaced")
    assert [claim.id for claim in worker.claim(5)] == [second.id]


def test_what_replaces_a_run_that_waits_to_replace_another_waits_for_that_too(deck: Deck) -> None:
    first = deck.runs.start("greet", unique_key="daily")
    worker = Worker(deck)
    (claim,) = worker.claim()
    following = [deck.runs.start("greet", unique_key="daily", unique_policy="replace") for _ in range(4)]
    assert [verdict(deck, run) for run in following[:3]] == [("CANCELLED", "replaced")] * 3
    assert worker.claim(5) == []
    worker.end(claim, OutcomeKind.STOPPED)
    assert verdict(deck, first) == ("CANCELLED", "replaced")
    assert [claim.id for claim in worker.claim(5)] == [following[3].id]


def test_a_run_may_replace_what_it_also_waits_for(deck: Deck) -> None:
    first = deck.runs.start("greet", unique_key="daily")
    worker = Worker(deck)
    (claim,) = worker.claim()
    second = deck.runs.start("greet", unique_key="daily", unique_policy="replace", after=[first], after_need="end")
    worker.end(claim, OutcomeKind.STOPPED)
    assert [claim.id for claim in worker.claim(5)] == [second.id]


def test_a_replaced_run_that_its_worker_gives_back_ends(deck: Deck) -> None:
    first = deck.runs.start("greet", unique_key="daily")
    worker = Worker(deck)
    (claim,) = worker.claim()
    second = deck.runs.start("greet", unique_key="daily", unique_policy="replace")
    worker.say(released=[claim])
    assert verdict(deck, first) == ("CANCELLED", "replaced")
    assert [claim.id for claim in worker.claim(5)] == [second.id]


def test_what_cannot_be_a_key_is_refused(deck: Deck) -> None:
    for told in ({"unique_key": ""}, {"unique_key": "x" * 256}, {"unique_key": "a", "unique_policy": "perhaps"}):
        with pytest.raises(InvalidInput):
            deck.runs.start("greet", **told)  # type: ignore[arg-type]  # each is a text
    assert deck.runs.list().total == 0


@pytest.mark.parametrize("policy", ["reject", "existing", "replace"])
def test_of_many_at_once_one_is_live(deck: Deck, policy: str) -> None:
    made: list[str] = []
    refused: list[Conflict] = []

    def start() -> None:
        try:
            made.append(deck.runs.start("greet", unique_key="daily", unique_policy=policy).id)
        except Conflict as error:
            refused.append(error)

    together(*[start] * THREADS)
    assert len(made) + len(refused) == THREADS
    with deck.database.read() as connection:
        rows = connection.execute(select(tables.runs.c.id, tables.runs.c.status, tables.runs.c.reason)).fetchall()
    live = [row.id for row in rows if row.status == "QUEUED"]
    assert len(live) == 1
    if policy == "replace":
        assert len(set(made)) == len(rows) == THREADS
        assert {(row.status, row.reason) for row in rows if row.id != live[0]} == {("CANCELLED", "replaced")}
    else:
        assert [row.id for row in rows] == live
        assert set(made) == set(live)
        assert len(made) == (1 if policy == "reject" else THREADS)


def test_never_two_at_work_while_runs_replace_one_another(deck: Deck) -> None:
    made: list[str] = []
    is_over = threading.Event()
    most = []

    def start() -> None:
        made.extend(deck.runs.start("greet", unique_key="daily", unique_policy="replace").id for _ in range(15))

    def starting() -> None:
        try:
            together(start, start)
        finally:
            is_over.set()

    def work() -> None:
        worker = Worker(deck)
        while True:
            was_over = is_over.is_set()
            claims = worker.claim(3)
            with deck.database.read() as connection:
                query = select(func.count()).select_from(tables.runs).where(tables.runs.c.status == "RUNNING")
                most.append(connection.execute(query).scalar_one())
            for claim in claims:
                worker.end(claim)
            if was_over and not claims:
                return

    together(starting, work, work)
    work()
    assert max(most) == 1
    assert {deck.runs.get(run_id).status for run_id in made} <= {Status.SUCCESS, Status.CANCELLED}
    assert deck.runs.get(max(made)).is_final
