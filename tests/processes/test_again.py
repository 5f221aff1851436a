"""Attempts and what is left to be done again: retries, releases, rescues, on real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobdeck import RetryPolicy
from jobdeck.core.filters import Page

Place = Any
Places = Callable[..., Place]
ChildrenOf = Callable[[int], dict[int, str]]
MANY = 400


@pytest.fixture
def place(served: Place) -> Place:
    return served


@pytest.mark.parametrize("how", ["error", "ask", "die"])
def test_a_run_is_tried_again_and_every_attempt_is_kept(place: Place, tmp_path: Path, how: str) -> None:
    path = tmp_path / "attempts"
    run = place.run("try_hard", path=str(path), how=how)
    assert (run.status, run.result, run.attempt, run.max_attempts) == ("SUCCESS", 3, 3, 3)
    assert path.read_text().split() == ["1", "2", "3"]
    attempts = place.deck.runs.attempts(run.id)
    assert [one.outcome for one in attempts] == ["error", "error", "success"]
    message = {"error": "RuntimeError: try again", "ask": "not yet"}.get(how, "The process that ran this was killed")
    assert all(one.message.startswith(message) for one in attempts[:2])
    assert all(one.started_at <= one.ended_at for one in attempts)
    said = [entry for entry in place.deck.runs.logs(run.id).entries if entry.message.startswith("attempt ")]
    assert [(entry.attempt, entry.message) for entry in said] == [(n, f"attempt {n}") for n in (1, 2, 3)]


def test_the_last_attempt_decides(place: Place, tmp_path: Path) -> None:
    run = place.run("try_hard", path=str(tmp_path / "a"), until=9)
    assert (run.status, run.reason, run.attempt, run.message) == ("FAILED", "error", 3, "RuntimeError: try again")


def test_an_exception_that_is_never_tried_again_ends_the_run(place: Place, tmp_path: Path) -> None:
    run = place.run("try_hard", path=str(tmp_path / "a"), how="never")
    assert (run.status, run.attempt) == ("FAILED", 1)


def test_whoever_asks_in_vain_is_told_so(place: Place) -> None:
    run = place.run("ask_in_vain")
    assert (run.status, run.reason, run.message, run.attempt) == ("FAILED", "error", "come back later", 1)


def test_the_next_attempt_waits_for_its_delay_and_begins_then(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "a"
    policy = RetryPolicy(2, backoff="700ms", jitter=0)
    run = place.deck.runs.start("try_hard", {"path": str(path), "until": 2}, retry=policy)
    place.until(lambda: place.deck.runs.get(run.id).attempt == 1 and place.deck.runs.get(run.id).status == "QUEUED")
    (reason,) = place.deck.runs.why(run.id).reasons
    assert reason.code == "backoff"
    assert place.ended(run).status == "SUCCESS"
    first, second = place.deck.runs.attempts(run.id)
    waited = second.started_at - first.ended_at
    assert timedelta(seconds=0.69) <= waited < timedelta(seconds=2.5)


def test_a_delayed_run_begins_in_time_and_not_before(place: Place) -> None:
    run = place.deck.runs.start("pid", start_in="400ms")
    ended = place.ended(run)
    assert timedelta(seconds=0.4) <= ended.started_at - run.created_at < timedelta(seconds=1.5)


def test_a_restartable_run_goes_on_with_the_next_worker(places: Places, tmp_path: Path) -> None:
    place, path = places(stop_grace="1"), tmp_path / "starts"
    worker = place.worker()
    run = place.begun(place.start("begin_anew", path=str(path), seconds=60))
    place.until(path.exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(10) == 0
    found = place.deck.runs.get(run.id)
    assert (found.status, found.releases, found.attempt) == ("QUEUED", 1, 1)
    place.worker()
    found = place.ended(run)
    assert (found.status, found.result, found.max_attempts) == ("SUCCESS", 2, 2)
    assert [one.outcome for one in place.deck.runs.attempts(run.id)] == ["released", "success"]


def test_what_a_killed_worker_had_not_begun_goes_back_unburnt(places: Places, tmp_path: Path) -> None:
    place, path = places(processes=2), tmp_path / "numbers"
    worker = place.worker()
    place.deck.runs.start_many("note", [{"number": n, "path": str(path)} for n in range(MANY)])
    place.until(path.exists)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert place.worker("--burst", wait=False).wait(30) == 0
    runs = [run for number in range(1, MANY // 100 + 1)
            for run in place.deck.runs.list(page=Page(number=number, size=100)).items]  # fmt: skip
    lost = [run for run in runs if run.reason == "lost"]
    assert len(runs) == MANY
    assert all(run.is_final and run.attempt == 1 for run in runs)
    # What had begun is a few runs: those at work, and those whose outcome was not written yet.
    assert len(lost) < MANY / 2
    numbers = path.read_text().split()
    assert len(numbers) == len(set(numbers)), "some run was executed twice"
    assert len(numbers) >= MANY - len(lost)


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_silent_worker_is_noticed_within_its_bound(
    database_url: str, places: Places, tmp_path: Path, fault: str, children_of: ChildrenOf
) -> None:
    place = places(database_url=database_url, lease="1")
    worker = place.worker("--processes", "1")
    run = place.begun(place.start("sleep", seconds=600))
    place.worker("--processes", "1")
    began = time.monotonic()
    os.kill(worker.pid, signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
    found = place.ended(run)
    noticed = time.monotonic() - began
    assert (found.status, found.reason) == ("FAILED", "lost")
    # A lease, two looks, and what a busy machine takes to look at all.
    assert noticed < 1 + 2 * 0.25 + 3.0
    place.until(lambda: not children_of(worker.pid))
