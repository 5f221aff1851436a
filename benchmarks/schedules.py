"""Many schedules that are due every five seconds: jobdeck's scheduler, APScheduler and Celery beat, each as one process.

A planned time of jobdeck's counts as served when another connection sees its run, of APScheduler's when the job's body begins,
of beat's when its message is published.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import bindparam, func, select, text

from jobdeck.core.ids import new_id
from jobdeck.store import tables

from . import celery_beat_side
from .jobdeck_side import Jobdeck
from .measuring import DEADLINE_S
from .planned import PERIOD_S, PERIOD_US, Made, Plan
from .postgresql import Server
from .spent import cpu_seconds
from .workloads import place

_COUNT = 10_000
_OF_A_JOB = 50
_LOOK_S = 0.005
_ALLOWANCE_S = 4.0
"""For what is left to be done between the choice of the first planned time and itself."""
_END_QUEUED = text("UPDATE jobdeck_run SET status = 'SUCCESS', ended_at = :now WHERE status = 'QUEUED'")


@dataclass(frozen=True, slots=True)
class Case:
    """How one side is asked: its name, what is special, and how late 99 of 100 may be, for ours."""

    side: str
    case: str
    serve: Callable[[Plan], Made]
    count: int
    is_spread: bool = False
    target_ms: float | None = None
    ready_s: float = _ALLOWANCE_S


def cases(server: Server) -> Iterator[Case]:
    """Ours on both databases, then the peers."""
    for name, where, target_ms in (("jobdeck, SQLite", None, 600.0), ("jobdeck, PostgreSQL", server, 1000.0)):
        for told, policy, ending, is_spread in (
            ("at once, overlap allowed", "allow", "nobody", False),
            ("at once, runs ended in between", "skip", "statement", False),
            ("at once, a worker at work", "skip", "worker", False),
            ("spread evenly, a worker at work", "skip", "worker", True),
        ):
            yield Case(name, told, _ours(where, policy, ending), _COUNT, is_spread, target_ms)
    yield Case("APScheduler, memory", "at once", _apscheduler(None), _COUNT, ready_s=10)
    yield Case("APScheduler, memory", "spread evenly", _apscheduler(None), _COUNT, True, ready_s=10)
    for count in (100, 1000):
        told = f"at once, {count} schedules only"
        yield Case("APScheduler, SQLite", told, _apscheduler("sqlite"), count, ready_s=5 + count / 50)
    yield Case("Celery beat, memory", "at once", _celery_beat, _COUNT)


def measure(case: Case, scale: float, instants: int) -> Made:
    """What comes of a case; `scale` is of how many schedules."""
    count = max(_OF_A_JOB, int(case.count * scale))
    return case.serve(Plan(count=count, instants=instants, is_spread=case.is_spread, first_us=_soon_us(case.ready_s)))


def _soon_us(seconds: float) -> int:
    return time.time_ns() // 1000 + int(seconds * 1_000_000)


def _ours(server: Server | None, policy: str, ending: str) -> Callable[[Plan], Made]:
    def serve(plan: Plan) -> Made:
        with ExitStack() as stack:
            folder, url = stack.enter_context(place(server))
            side = Jobdeck(folder, url)
            stack.callback(side.close)
            if ending == "worker":
                stack.enter_context(side.worker())
            ids = _job_ids(side, plan)
            pid = stack.enter_context(side.scheduler())
            timed = replace(plan, first_us=_soon_us(_ALLOWANCE_S))
            _fill(side, timed, ids, policy)
            seen, cpu_percent = _watch(side, timed, pid, ends=ending == "statement")
            found = [(fire_at, us) for run_id, fire_at in _runs(side) if (us := seen(run_id)) is not None]
            return Made.of(timed, found, cpu_percent, _rows(side, timed))

    return serve


def _job_ids(side: Jobdeck, plan: Plan) -> list[str]:
    jobs = side.deck.jobs
    return [str(jobs.create(title=f"Job {number}", type="noop").id) for number in range(plan.count // _OF_A_JOB)]


def _fill(side: Jobdeck, plan: Plan, job_ids: list[str], policy: str) -> None:
    """Fifty schedules of each job: one as it is saved, and its likes."""
    made = side.deck.schedules.create(job_ids[0], {"type": "interval", "seconds": PERIOD_S}, overlap=policy)
    with side.deck.database.write() as connection:
        model = dict(connection.execute(tables.schedules.select()).one()._mapping)
        connection.execute(tables.schedules.delete().where(tables.schedules.c.id == made.id))
        connection.execute(tables.schedules.insert(), [
            model | {"id": new_id(plan.first_us), "job_id": job_ids[number % len(job_ids)], "anchor_at": anchor_us,
                     "next_fire_at": anchor_us, "served_until": anchor_us - 1}
            for number, anchor_us in enumerate(map(plan.anchor_us, range(plan.count)))
        ])  # fmt: skip


def _watch(side: Jobdeck, plan: Plan, pid: int, *, ends: bool) -> tuple[Callable[[str], int | None], float]:
    """Look all the time which run is the newest, until the plan is over: when a run was there, and the scheduler's share
    of a core.
    """
    newest = select(func.max(tables.runs.c.id))
    begin_us, end_us = plan.counted_us
    ids: list[str] = []
    moments: list[int] = []
    ended_us = plan.first_us - PERIOD_US // 4
    cpu_s = used_s = 0.0
    with side.deck.database.engine.connect() as connection:
        while (now_us := time.time_ns() // 1000) < end_us + PERIOD_US // 2:
            found = connection.execute(newest).scalar()
            connection.rollback()
            if found is not None and (not ids or found > ids[-1]):
                ids.append(found)
                moments.append(time.time_ns() // 1000)
            if ends and now_us > ended_us + PERIOD_US:
                # As late as can be, so that the scheduler has to itself what is measured.
                ended_us += PERIOD_US
                with side.deck.database.write() as writer:
                    writer.execute(_END_QUEUED, {"now": now_us})
            if now_us < begin_us:
                cpu_s = cpu_seconds(pid)
            elif now_us < end_us:
                used_s = cpu_seconds(pid) - cpu_s
            time.sleep(_LOOK_S)

    def seen(run_id: str) -> int | None:
        place = bisect_left(ids, run_id)
        return moments[place] if place < len(ids) else None

    return seen, 100 * used_s * 1_000_000 / (end_us - begin_us)


def _runs(side: Jobdeck) -> list[tuple[str, int]]:
    with side.deck.database.read() as connection:
        query = select(tables.runs.c.id, tables.runs.c.fire_at).where(tables.runs.c.schedule_id.is_not(None))
        return [(run_id, fire_at) for run_id, fire_at in connection.execute(query)]


def _rows(side: Jobdeck, plan: Plan) -> int:
    begin_us, end_us = plan.counted_us
    at = tables.ticks.c.fire_at
    with side.deck.database.read() as connection:
        query = select(func.count()).where(at >= bindparam("begin"), at < bindparam("end"))
        return int(connection.execute(query, {"begin": begin_us, "end": end_us}).scalar_one())


def _apscheduler(kind: str | None) -> Callable[[Plan], Made]:
    def serve(plan: Plan) -> Made:
        with place(None) as (folder, _):
            notes = folder / "notes"
            words = [json.dumps(plan.as_data()), str(notes), *([f"sqlite:///{folder / 'jobs.db'}"] if kind else [])]
            cpu_percent = _while_it_runs(["-m", "benchmarks.apscheduler_side", *words], {}, plan)
            return Made.of(plan, json.loads(notes.read_text()), cpu_percent)

    return serve


def _celery_beat(plan: Plan) -> Made:
    with place(None) as (folder, _):
        notes = folder / "notes"
        told = {celery_beat_side.COUNT: str(plan.count), celery_beat_side.NOTES: str(notes)}
        words = ["-m", "celery", "-A", celery_beat_side.__name__, "--quiet", "beat", "-s", str(folder / "kept")]
        cpu_percent = _while_it_runs([*words, "--pidfile=", "--loglevel=ERROR"], told, plan)
        noted = json.loads(notes.read_text())
    # It has no grid: every entry is due five seconds after its last time. Its first time is not left out.
    began = replace(plan, first_us=noted["began_us"])
    turns: dict[int, itertools.count[int]] = {}
    found = [
        (began.first_us + PERIOD_US * next(turns.setdefault(number, itertools.count(1))), us)
        for number, us in noted["published"]
    ]
    return Made.of(began, found, cpu_percent)


def _while_it_runs(words: list[str], told: dict[str, str], plan: Plan) -> float:
    """Let a program serve the plan to its end; its share of a core."""
    root = str(Path(__file__).resolve().parents[1])
    process = subprocess.Popen([sys.executable, *words], env={**os.environ, **told, "PYTHONPATH": root}, cwd=root)
    begin_us, end_us = plan.counted_us
    try:
        time.sleep(max(0.0, begin_us / 1_000_000 - time.time()))
        before = cpu_seconds(process.pid)
        time.sleep(max(0.0, end_us / 1_000_000 - time.time()))
        used_s = cpu_seconds(process.pid) - before
        time.sleep(PERIOD_S / 2)
        if process.poll() is not None:
            raise RuntimeError("The process has ended before its time; its last words are above.")
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
    return 100 * used_s * 1_000_000 / (end_us - begin_us)
