"""Many runs: each exactly once, in order; processes are reused, and replaced when they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Place = Any
MANY = 2000


def test_each_of_many_runs_once_in_order(places: Callable[..., Place], tmp_path: Path) -> None:
    place, path = places(), tmp_path / "numbers"
    ids = place.deck.runs.start_many("note", [{"number": number, "path": str(path)} for number in range(MANY)])
    assert place.worker("--burst", "--processes", "1", wait=False).wait(60) == 0
    assert [int(line) for line in path.read_text().splitlines()] == list(range(MANY))
    found = [place.deck.runs.get(run_id) for run_id in ids]
    assert {run.status for run in found} == {"SUCCESS"}
    assert {run.attempt for run in found} == {1}
    assert len({run.result for run in found}) == 1  # one process for all of them


def test_two_workers_share_without_doing_anything_twice(places: Callable[..., Place], tmp_path: Path) -> None:
    place, path = places(), tmp_path / "numbers"
    place.deck.runs.start_many("note", [{"number": number, "path": str(path)} for number in range(MANY)])
    workers = [place.worker("--burst", wait=False) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert sorted(int(line) for line in path.read_text().splitlines()) == list(range(MANY))


def test_short_runs_do_not_wait_behind_a_long_one(places: Callable[..., Place], tmp_path: Path) -> None:
    place, path = places(), tmp_path / "numbers"
    place.worker()
    place.deck.runs.start_many("note", [{"number": number, "path": str(path)} for number in range(500)])
    place.until(lambda: not place.deck.runs.waiting())
    long = place.start("sleep", seconds=30)
    place.deck.runs.start_many("note", [{"number": number, "path": str(path)} for number in range(500, 1000)])
    place.until(lambda: len(path.read_text().splitlines()) == 1000, 5.0)
    place.deck.runs.stop(long.id)
    assert place.ended(long).status == "CANCELLED"


def test_a_process_with_leftovers_is_replaced(
    places: Callable[..., Place], tmp_path: Path, is_alive: Callable[[int], bool]
) -> None:
    place = places(processes=1)
    place.worker()
    first, second = place.run("pid"), place.run("pid")
    assert first.result == second.result
    threaded = place.run("leave_a_thread")
    assert threaded.result == first.result
    left = place.run("leave_a_process", path=str(tmp_path / "pid"))
    assert left.result != threaded.result
    place.until(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    assert place.run("pid").result not in (left.result, threaded.result)


def test_a_fresh_process_executes_one_run(places: Callable[..., Place]) -> None:
    place = places(processes=2)
    names = ["pid", "fresh_pid", "pid", "fresh_pid", "fresh_pid", "pid", "pid"]
    started = [(name, place.start(name)) for name in names * 4]
    place.worker()
    found = [(name, place.ended(run)) for name, run in started]
    assert {(run.status, run.attempt) for _, run in found} == {("SUCCESS", 1)}
    fresh = [run.result for name, run in found if name == "fresh_pid"]
    assert len(set(fresh)) == len(fresh)
    assert not set(fresh) & {run.result for name, run in found if name == "pid"}


def test_runs_given_to_a_dying_process_are_executed_by_another(places: Callable[..., Place]) -> None:
    place = places(processes=1)
    place.worker()
    ids = []
    for number in range(12):
        ids += place.deck.runs.start_many("add", [{"a": one} for one in range(20)])
        place.start("die", number=9) if number % 2 else place.start("leave_a_thread")
    place.until(lambda: not place.deck.runs.waiting())
    found = [place.until(lambda one=one: (run := place.deck.runs.get(one)).is_final and run) for one in ids]
    assert {(run.status, run.attempt) for run in found} == {("SUCCESS", 1)}
