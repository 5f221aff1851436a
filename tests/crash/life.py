"""The life of one cell: a load, a victim that reaches its failpoint, another worker, and the judgement."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from jobdeck.core.run import FINAL_STATUSES

from .cells import IN_CHILD, LATE, ONE_PROCESS, SQLITE, TWO_HOSTS, Cell
from .clockwork import live_by_the_clock
from .ground import Ground, Place, Process
from .history import Expected, history, problems, rows
from .meeting import let_go_on, wait_for_fault

PROCESSES = 2
ELSEWHERE = "elsewhere"
REFUSED, LEFT_IN_TIME = "held no more", "could not renew its claims in time"


def live(ground: Ground, cell: Cell, mutant: str = "") -> list[str]:
    """Live through a cell; what went wrong, in words."""
    name = f"{cell}-{mutant}" if mutant else str(cell)
    place = Place(ground, name, on_sqlite=cell.stack == SQLITE, empty=cell.failpoint.endswith("between_steps"))
    try:
        lives = {"enqueue": _enqueue, "worker": _work, "reaper": _rescue, "housekeeping": _keep_house,
                 "scheduler": live_by_the_clock}  # fmt: skip
        wrong = lives[cell.area](place, cell, mutant)
        return [*wrong, place.said()] if wrong else []
    except AssertionError as error:
        return [str(error), history(place).shown() if not cell.failpoint.endswith("between_steps") else ""]
    finally:
        place.close()


def _work(place: Place, cell: Cell, mutant: str) -> list[str]:
    loads = _start_load(place, cell)
    host = ELSEWHERE if cell.stack == TWO_HOSTS else ""
    victim = place.start("worker", failpoints=cell.specification, host=host, mutant=mutant)
    for run_id in loads["stopped"]:
        place.until(partial(_has_begun, place, run_id), "a body begins")
        place.deck.runs.stop(run_id)
    pid, at = wait_for_fault(place, cell)
    other = place.start("worker", mutant=mutant)
    return _see_it_through(place, cell, victim, other, (pid, at))


def _rescue(place: Place, cell: Cell, mutant: str) -> list[str]:
    _start_load(place, cell)
    host = ELSEWHERE if cell.stack == TWO_HOSTS else ""
    first = place.start("worker", failpoints="worker.child_running=kill_tree", host=host, mutant=mutant)
    place.until(lambda: not first.is_alive, "the first worker dies")
    victim = place.start("worker", failpoints=cell.specification, mutant=mutant)
    pid, at = wait_for_fault(place, cell)
    other = place.start("worker", mutant=mutant)
    return _see_it_through(place, cell, victim, other, (pid, at))


def _enqueue(place: Place, cell: Cell, mutant: str) -> list[str]:
    victim = place.start("client", failpoints=cell.specification)
    pid, at = wait_for_fault(place, cell)
    other = place.start("worker")
    wrong = _see_it_through(place, cell, victim, other, (pid, at))
    accepted = [line.split()[1] for line in victim.log.read_text().splitlines() if line.startswith("accepted ")]
    stored = history(place).runs
    if not set(accepted) <= stored.keys():
        wrong.append(f"accepted were {accepted}, and there are {sorted(stored)}")
    if len(stored) > len(accepted) + cell.failpoint.endswith("before_reply"):
        wrong.append(f"stored were {sorted(stored)}, and accepted only {accepted}")
    return wrong


def _keep_house(place: Place, cell: Cell, mutant: str) -> list[str]:
    if cell.failpoint.endswith("between_steps"):
        return _migrate(place, cell)
    *old, newest, live_one = [place.deck.runs.start("short") for _ in range(5)]
    spared = [newest.id, live_one.id]
    folders = [place.deck.settings.files_folder / run.id for run in (*old, newest, live_one)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    for run in (*old, newest):
        place.deck.runs.stop(run.id)
    command = ("prune", "--keep", "1")
    _twice(place, cell, *command)
    left = rows(place.deck.database)
    wrong = [f"run {run.id} has lost its files" for run, folder in zip(old, folders, strict=False)
             if run.id in left and not folder.exists()]  # fmt: skip
    for folder in folders:
        if folder.exists():
            # What no run owns is removed when nobody has touched it for an hour.
            os.utime(folder, (0, 0))
    last = place.start(*command)
    place.until(lambda: not last.is_alive, "the last prune ends")
    if list(rows(place.deck.database)) != spared:
        wrong.append(f"left are {list(rows(place.deck.database))}, not {spared}")
    if [folder.exists() for folder in folders] != [False, False, False, True, True]:
        wrong.append(f"folders: {[folder.exists() for folder in folders]}")
    return wrong


def _migrate(place: Place, cell: Cell) -> list[str]:
    _twice(place, cell, "db", "upgrade")
    place.deck.check_schema()
    return []


def _twice(place: Place, cell: Cell, *command: str) -> None:
    """A command that meets its fault, and the same again: beside one that was stopped, else after it."""
    victim = place.start(*command, failpoints=cell.specification)
    fired = wait_for_fault(place, cell)
    if cell.fault != "stop":
        place.until(lambda: not victim.is_alive, "the victim ends")
    second = place.start(*command)
    let_go_on(place, cell, fired)
    place.until(lambda: not (victim.is_alive or second.is_alive), "both end")


def _start_load(place: Place, cell: Cell) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"stopped": [], "others": []}
    for load in cell.load:
        found["stopped" if load.stopped else "others"].append(place.deck.runs.start(load.type, load.arguments).id)
    return found


def _has_begun(place: Place, run_id: str) -> bool:
    return any(run_id in line for line in place.lines())


def _see_it_through(place: Place, cell: Cell, victim: Process, other: Process, fired: tuple[int, float]) -> list[str]:
    """Until all runs have ended and nothing changes any more."""
    let_go_on(place, cell, fired, other)
    if cell.area in ONE_PROCESS:
        place.until(lambda: not victim.is_alive, "the victim ends")
    (listed,) = place.until(lambda: _all_final(place), "every run ends")
    if cell.is_zombie:
        _hear_again(place, victim)
    place.end()
    found = history(place)
    wrong = problems(found, Expected(
        files_folder=place.deck.settings.files_folder,
        unstarted_losses=_unstarted_losses(cell),
        errors=int(cell.failpoint in IN_CHILD and cell.fault in ("kill", "raise")),
    ))  # fmt: skip
    wrong += [f"run {run_id} was {run} and is {found.runs[run_id]}" for run_id, run in listed.items()
              if run != found.runs[run_id]]  # fmt: skip
    if cell.is_zombie:
        said = victim.log.read_text()
        if cell.failpoint in LATE and REFUSED not in said and LEFT_IN_TIME not in said:
            wrong.append("what the victim said too late was not refused")
    elif REFUSED in place.said():
        wrong.append("a write was refused, and nobody else had taken a run")
    return [*wrong, found.shown()] if wrong else []


def _all_final(place: Place) -> Any:
    place.keep_up()
    found = rows(place.deck.database)
    return [found] if all(run.status in FINAL_STATUSES for run in found.values()) else None


def _hear_again(place: Place, victim: Process) -> None:
    """Wait until a worker that was stopped has spoken to the database again, or has ended."""

    def seen() -> Any:
        with place.deck.database.read() as connection:
            return connection.exec_driver_sql(
                f"SELECT seen_at FROM jobdeck_worker WHERE pid = {victim.pid}"
            ).scalar_one_or_none()

    before = seen()
    place.until(lambda: not victim.is_alive or seen() != before, "the stopped worker speaks again")


def _unstarted_losses(cell: Cell) -> int | None:
    """On one host only what a child was about to begin may be lost without a trace."""
    if cell.stack == TWO_HOSTS:
        return None
    return 0 if cell.unsent else PROCESSES
