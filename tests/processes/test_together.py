"""Runs that depend on one another, on real workers: limits, sub-runs, chains of jobs, hooks of what is to end."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobdeck.core.filters import Page, RunFilter

Place = Any
Places = Callable[..., Place]
LIMITED = 200


@pytest.fixture
def place(served: Place) -> Place:
    return served


def test_a_limit_of_one_holds_over_many_workers(database_url: str, places: Places, tmp_path: Path) -> None:
    place, path = places(database_url=database_url), tmp_path / "spans"
    place.deck.runs.start_many("alone", [{"path": str(path)}] * LIMITED)
    others = place.deck.runs.start_many("add", [{"a": 1}] * 20)
    workers = [place.worker("--burst", "--processes", "1", wait=False) for _ in range(8)]
    assert [worker.wait(120) for worker in workers] == [0] * 8
    spans = sorted(tuple(map(int, line.split())) for line in path.read_text().splitlines())
    assert len(spans) == LIMITED
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))
    assert place.deck.runs.waiting() == 0
    assert {place.deck.runs.get(run_id).status for run_id in others} == {"SUCCESS"}


@pytest.mark.parametrize(
    ("how", "status", "message"),
    [
        ("well", "SUCCESS", "4/4 subtasks completed. 4 inserted / 0 updated."),
        ("some fail", "PARTIAL_SUCCESS", "4/4 subtasks completed. 1 subtasks with errors. 3 inserted / 0 updated."),
    ],
)
def test_a_parent_ends_with_its_last_sub_run(place: Place, how: str, status: str, message: str) -> None:
    run = place.run("family", count=4, how=how)
    assert (run.status, run.message, run.result) == (status, message, "returned")
    assert (run.counters.total_subtasks, run.counters.completed_subtasks, run.counters.total_entries) == (4, 4, 4)
    children = place.deck.runs.list(RunFilter(type="member"), Page(size=4)).items
    assert {child.parent_id for child in children} == {run.id}
    assert {child.trigger for child in children} == {"parent"}
    assert all(child.ended_at <= run.ended_at for child in children)


def test_a_parent_that_fails_stops_its_sub_runs_and_keeps_its_message(place: Place) -> None:
    run = place.run("family", count=4, how="parent fails", seconds=30)
    assert (run.status, run.reason) == ("FAILED", "error")
    assert run.message.startswith("RuntimeError: the parent has failed")
    children = place.deck.runs.list(RunFilter(type="member"), Page(size=4)).items
    assert {(child.status, child.reason) for child in children} == {("CANCELLED", "dependency")}


def test_a_stop_reaches_sub_runs_at_any_depth(place: Place) -> None:
    run = place.start("family", count=2, depth=2, seconds=30)
    place.until(lambda: place.deck.runs.get(run.id).body_kind)
    place.until(lambda: len(place.deck.runs.list(RunFilter(type="member", statuses=("RUNNING",))).items) == 2)
    place.deck.runs.stop(run.id, "enough")
    found = place.ended(run)
    assert (found.status, found.reason) == ("CANCELLED", "stopped")
    assert {found.stop_reason, found.stop_requested_by} == {"enough", "System"}
    below = [
        one
        for one in place.deck.runs.list(RunFilter(type="member"), Page(size=6)).items
        if one.created_at > run.created_at
    ]
    assert {one.status for one in below} == {"CANCELLED"}


def test_a_job_runs_after_another_with_arguments_made_then(place: Place) -> None:
    first = place.deck.jobs.create(title="First", type="harvest")
    second = place.deck.jobs.create(title="Second", type="harvest", after_job=str(first.id))
    third = place.deck.jobs.create(title="Third", type="pid", after_job=str(second.id), after_need="end")
    for number in (1, 2):
        place.ended(place.deck.runs.start(str(first.id)))
        place.until(lambda number=number: len(_ended(place, str(third.id))) == number)
    newer, older = _ended(place, str(second.id))
    assert (older.trigger, older.result, older.arguments) == ("dependency", None, {"since": None})
    assert newer.result == older.started_at.isoformat()
    assert newer.arguments == {"since": newer.result}


def _ended(place: Place, job_id: str) -> list[Any]:
    return [run for run in place.deck.runs.list(RunFilter(job_id=job_id)).items if run.is_final]


@pytest.mark.parametrize(("cause", "reason"), [("stop", "stopped"), ("timeout", "timeout")])
def test_a_hook_is_told_before_the_run_is_ended(place: Place, tmp_path: Path, cause: str, reason: str) -> None:
    path = tmp_path / "told"
    run = place.deck.runs.start("hooked", {"path": str(path)}, timeout=0.5 if cause == "timeout" else None)
    place.until(path.exists)
    if cause == "stop":
        place.deck.runs.stop(run.id)
    began = time.monotonic()
    place.until(lambda: len(path.read_text().splitlines()) == 2)
    assert path.read_text().splitlines() == ["ready", f"{cause} True"]
    assert place.ended(run).reason == reason
    assert time.monotonic() - began < 10


def test_the_time_that_is_left_is_known(place: Place) -> None:
    assert place.run("time_left").result is None
    run = place.ended(place.deck.runs.start("time_left", timeout=60))
    assert 50 < run.result <= 60


def test_a_timeout_cannot_be_swallowed(place: Place, tmp_path: Path) -> None:
    run = place.deck.runs.start("swallow", {"path": str(tmp_path / "p")}, timeout=0.3)
    found = place.ended(run)
    assert (found.status, found.reason) == ("FAILED", "timeout")
    assert (tmp_path / "p").read_text().splitlines() == ["ready", "swallowed"]
