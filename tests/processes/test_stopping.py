"""Stopping runs and timeouts: the process is really gone, and no other run is hit."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Place = Any
IsAlive = Callable[[int], bool]


@pytest.fixture
def place(served: Place) -> Place:
    return served


def test_a_queued_run_never_starts(places: Callable[..., Place], tmp_path: Path) -> None:
    place = places()
    run = place.start("note", number=1, path=str(tmp_path / "numbers"))
    assert place.deck.runs.stop(run.id, "not wanted").status == "CANCELLED"
    place.worker("--burst", wait=False).wait(20)
    found = place.deck.runs.get(run.id)
    assert (found.status, found.reason, found.stop_reason, found.attempt) == ("CANCELLED", "stopped", "not wanted", 0)
    assert not (tmp_path / "numbers").exists()


def test_a_run_that_asks_is_stopped_at_once(place: Place) -> None:
    run = place.begun(place.start("steps", count=1000, seconds=0.02))
    began = time.monotonic()
    assert place.deck.runs.stop(run.id).status == "RUNNING"
    found = place.ended(run)
    assert time.monotonic() - began < 0.45  # before the ladder's first signal
    assert (found.status, found.reason, found.message, found.traceback) == ("CANCELLED", "stopped", None, None)
    assert found.stop_requested_by.lower() == "system"
    assert place.deck.runs.attempts(run.id)[0].outcome == "stopped"


def test_a_run_that_does_not_ask_is_interrupted(place: Place, tmp_path: Path) -> None:
    run = place.begun(place.start("clean_up", path=str(tmp_path / "trace")))
    place.deck.runs.stop(run.id)
    assert place.ended(run).status == "CANCELLED"
    assert (tmp_path / "trace").read_text() == "cleaned up"


def test_a_run_that_ignores_signals_is_killed_with_all_it_started(
    place: Place, tmp_path: Path, is_alive: IsAlive
) -> None:
    run = place.begun(place.start("stubborn", path=str(tmp_path / "pids")))
    place.until((tmp_path / "pids").exists)
    pids = [int(word) for word in place.until((tmp_path / "pids").read_text).split()]
    assert len(pids) == 3 and all(is_alive(pid) for pid in pids)
    place.deck.runs.stop(run.id)
    found = place.ended(run)
    assert (found.status, found.reason) == ("CANCELLED", "stopped")
    assert place.deck.runs.attempts(run.id)[0].signal == signal.SIGKILL
    place.until(lambda: not any(is_alive(pid) for pid in pids), 1.0)


def test_a_loop_that_holds_the_interpreter_is_killed(place: Place) -> None:
    run = place.begun(place.start("spin"))
    began = time.monotonic()
    place.deck.runs.stop(run.id)
    assert place.ended(run).status == "CANCELLED"
    assert time.monotonic() - began < 2.0


def test_a_timeout_ends_the_run(place: Place) -> None:
    began = time.monotonic()
    run = place.ended(place.deck.enqueue("time:sleep", [60], timeout=0.3))
    assert 0.3 <= time.monotonic() - began < 2.5
    assert (run.status, run.reason) == ("FAILED", "timeout")
    assert run.message == "The run took longer than its timeout of 0.3 seconds."
    assert place.deck.runs.attempts(run.id)[0].outcome == "timeout"


def test_what_ends_in_time_is_no_timeout(place: Place) -> None:
    assert place.ended(place.deck.enqueue("time:sleep", [0.05], timeout=30)).status == "SUCCESS"


def test_a_process_that_was_asked_to_stop_is_used_no_more(places: Callable[..., Place], is_alive: IsAlive) -> None:
    place = places(processes=1)
    place.worker()
    run = place.begun(place.start("steps", count=1000, seconds=0.01))
    before = place.until(lambda: place.deck.runs.attempts(run.id))[0].pid
    place.deck.runs.stop(run.id)
    place.ended(run)
    assert place.run("pid").result != before
    assert not is_alive(before)


def test_a_stop_hits_no_other_run(places: Callable[..., Place]) -> None:
    """Stops that arrive just as a run ends are the ones that could hit its successor in the same process."""
    place = places()
    place.worker()
    dice = random.Random(7)
    started = [place.start("sleep", seconds=dice.uniform(0.001, 0.004)) for _ in range(120)]
    asked = set()
    for run in started[::3]:
        place.until(lambda run=run: place.deck.runs.get(run.id).status != "QUEUED")
        time.sleep(dice.uniform(0, 0.004))
        try:
            place.deck.runs.stop(run.id)
            asked.add(run.id)
        except Exception:
            assert place.deck.runs.get(run.id).is_final
    for run in started:
        found = place.ended(run)
        expected = ("SUCCESS", "CANCELLED") if run.id in asked else ("SUCCESS",)
        assert found.status in expected, (found.status, found.message)


def test_runs_behind_a_stopped_one_go_on(places: Callable[..., Place]) -> None:
    place = places(processes=1)
    place.worker()
    first = place.begun(place.start("sleep", seconds=60))
    rest = [place.start("add", a=number) for number in range(5)]
    place.deck.runs.stop(first.id)
    assert [place.ended(run).result for run in rest] == list(range(5))
