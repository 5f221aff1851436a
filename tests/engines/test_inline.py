"""The inline engine: whoever enqueues executes, and everything that may begin has ended when the call returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobdeck import Deck, Retry, RetryPolicy, Status, current_run, job_type
from jobdeck.core.capability import Capability

seen: list[str] = []


@job_type
def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    print(f"adding {a} and {b}")
    current_run.progress(1, 1)
    return a + b


@job_type
def fail() -> None:
    """Fail."""
    raise ValueError("no luck")


@job_type(retry=RetryPolicy(max_attempts=3, backoff=0))
def flaky() -> int:
    """Succeed at the third try."""
    if current_run.attempt < 3:
        raise Retry("not yet", after=0)
    return current_run.attempt


@job_type(retry=RetryPolicy(max_attempts=2, backoff="1h"))
def later() -> None:
    """Ask to be tried again in an hour."""
    raise Retry("not yet")


@job_type
def parent(count: int) -> None:
    """Have sub-runs."""
    for number in range(count):
        current_run.spawn("add", {"a": number})


class Nested:
    """What a run enqueues while it runs, in the deck of the test."""

    deck: Deck

    @classmethod
    def outer(cls) -> str:
        seen.append("outer begins")
        inner = cls.deck.enqueue(f"{__name__}:Nested.inner")
        seen.append("outer ends")
        return str(inner.status)

    @staticmethod
    def inner() -> None:
        seen.append("inner")


@pytest.fixture
def deck(database_url: str, tmp_path: Path) -> Iterator[Deck]:
    seen.clear()
    with_inline = Deck(
        job_types=[add, fail, flaky, later, parent],
        home=tmp_path / "home",
        database_url=database_url,
        queues="default,other,kept",
        engines={"default": "inline", "other": "inline"},
    )
    with_inline.upgrade_database()
    Nested.deck = with_inline
    yield with_inline
    with_inline.close()


def test_a_run_has_ended_when_enqueue_returns(deck: Deck) -> None:
    run = deck.enqueue("operator:mul", [6, 7])
    found = deck.runs.get(run.id)
    assert (run.status, found.status, found.result, found.attempt) == (Status.SUCCESS, Status.SUCCESS, 42, 1)


def test_log_result_and_progress_are_kept(deck: Deck) -> None:
    run = deck.runs.start("add", {"a": 1, "b": 2})
    found = deck.runs.get(run.id)
    assert (found.result, found.progress.done if found.progress else None) == (3, 1)
    assert "adding 1 and 2" in [entry.message for entry in deck.runs.logs(run.id).entries]


def test_an_error_is_the_runs_and_not_the_callers(deck: Deck) -> None:
    run = deck.runs.start("fail")
    found = deck.runs.get(run.id)
    assert (found.status, found.message) == (Status.FAILED, "ValueError: no luck")


def test_tries_without_backoff_are_made_at_once(deck: Deck) -> None:
    assert deck.runs.get(deck.runs.start("flaky").id).result == 3


def test_a_try_with_backoff_waits(deck: Deck) -> None:
    found = deck.runs.get(deck.runs.start("later").id)
    assert (found.is_final, found.attempt) == (False, 1)


def test_sub_runs_and_their_parent_end(deck: Deck) -> None:
    found = deck.runs.get(deck.runs.start("parent", {"count": 3}).id)
    assert found.status is Status.SUCCESS
    assert {run.status for run in deck.runs.list().items} == {Status.SUCCESS}


def test_what_waited_for_a_run_follows_it_in_whatever_queue(deck: Deck) -> None:
    deck.queues.pause("default")
    first = deck.runs.start("add", {"a": 1})
    second = deck.runs.start("add", {"a": 2}, after=[first], queue="other")
    assert deck.runs.get(second.id).status is Status.QUEUED
    deck.queues.resume("default")
    third = deck.runs.start("add", {"a": 3})
    assert {deck.runs.get(run.id).status for run in (first, second, third)} == {Status.SUCCESS}


def test_many_are_executed_in_order(deck: Deck) -> None:
    made = deck.runs.start_many("add", [{"a": number} for number in range(20)])
    assert [deck.runs.get(run_id).result for run_id in made] == list(range(20))


def test_a_delayed_run_begins_with_the_first_that_is_enqueued_after_its_time(
    deck: Deck, until: Callable[..., Any]
) -> None:
    late = deck.runs.start("add", {"a": 1}, start_in=0.3)
    assert deck.runs.get(late.id).status is Status.QUEUED
    until(lambda: deck.runs.get(deck.runs.start("add", {"a": 2}).id) and deck.runs.get(late.id).is_final)


def test_a_run_that_is_enqueued_by_a_run_begins_after_it(deck: Deck) -> None:
    run = deck.enqueue(f"{__name__}:Nested.outer")
    assert seen == ["outer begins", "outer ends", "inner"]
    assert (run.status, deck.runs.get(run.id).result) == (Status.SUCCESS, "QUEUED")


def test_threads_enqueue_at_once_and_nothing_is_left(deck: Deck) -> None:
    threads = [
        threading.Thread(target=lambda: [deck.runs.start("add", {"a": number}) for number in range(5)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = deck.runs.list().items
    assert (len(runs), {run.status for run in runs}, {run.attempt for run in runs}) == (20, {Status.SUCCESS}, {1})


def test_queues_on_the_database_are_left_alone(deck: Deck) -> None:
    kept = deck.runs.start("add", {"a": 1}, queue="kept")
    deck.runs.start("add", {"a": 2})
    assert deck.runs.get(kept.id).status is Status.QUEUED


def test_it_says_what_it_cannot_and_misses_nothing(deck: Deck) -> None:
    engine = deck.engines["inline"]
    assert engine.problems() == [] and engine.depth("default") == 0
    assert {Capability.DELAY, Capability.FORCE_STOP, Capability.CRASH_RESCUE} <= set(engine.cannot())
    assert not {Capability.RETRY, Capability.LIMITS, Capability.LOGS, Capability.FENCING} & set(engine.cannot())


def test_a_closed_deck_can_be_used_again(deck: Deck) -> None:
    deck.runs.start("add", {"a": 1})
    deck.close()
    assert deck.workers.list() == []
    assert deck.runs.start("add", {"a": 1}).status is Status.SUCCESS
