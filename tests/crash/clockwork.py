"""The life of a cell in which a scheduler is the victim: each planned time has one row, and one run at most."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from jobdeck.core.times import to_us
from jobdeck.store.tables import schedules

from .cells import Cell
from .ground import Place, Process
from .meeting import let_go_on, wait_for_fault

STEP_US = 100_000
BEHIND_US = 120_000_000
RUNS = 30


def live_by_the_clock(place: Place, cell: Cell, mutant: str) -> list[str]:
    """A schedule that is two minutes behind, a scheduler that meets its fault, and two others beside or after it."""
    job = place.deck.jobs.create(title="Tick", type="short")
    made = place.deck.schedules.create(
        str(job.id), {"type": "interval", "milliseconds": STEP_US // 1000}, overlap="allow", max_count=RUNS
    )
    since = to_us(made.served_until) - BEHIND_US
    with place.deck.database.write() as connection:
        connection.execute(update(schedules).values(anchor_at=since, served_until=since, next_fire_at=since + STEP_US))
    victim = place.start("scheduler", failpoints=cell.specification, mutant=mutant)
    at = wait_for_fault(place, cell)
    others = [place.start("scheduler", mutant=mutant) for _ in range(2)]
    let_go_on(place, cell, at)
    place.until(lambda: place.deck.schedules.get(made.id).next_fire_at is None, "the schedule is finished")
    _stop(place, victim, *others)
    return _problems(place, since)


def _stop(place: Place, *processes: Process) -> None:
    place.end()
    assert not any(process.is_alive for process in processes)


def _problems(place: Place, since: int) -> list[str]:
    with place.deck.database.read() as connection:
        ticks: Any = connection.exec_driver_sql(
            "SELECT fire_at, kind, reason, run_id FROM jobdeck_tick ORDER BY fire_at"
        ).fetchall()
        listed: Any = connection.exec_driver_sql("SELECT id, fire_at FROM jobdeck_run")
        runs = dict(listed.fetchall())
    wrong = []
    planned = [since + number * STEP_US for number in range(1, len(ticks) + 1)]
    if [at for at, *_ in ticks] != planned:
        wrong.append("the rows are not those of the planned times, one each")
    told = {run_id: at for at, _, _, run_id in ticks if run_id is not None}
    if told != runs:
        wrong.append(f"rows name the runs {told}, and there are {runs}")
    if len(runs) != RUNS:
        wrong.append(f"{len(runs)} runs were made, not {RUNS}")
    kinds = {(kind, reason) for _, kind, reason, run_id in ticks if run_id is None}
    if kinds != {("skipped", "superseded")}:
        wrong.append(f"planned times without a run are {kinds}")
    return wrong
