"""The rows for which everything that executes is killed, and the broker with its messages is lost; and the shutdown in order.

One calamity is enough for all of them: it takes its time.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ...core.run import Run
from . import job_types
from .crew import is_alive
from .job_types import ENDED
from .rows import AGAIN, assert_ended
from .stage import MAIN, Stage


@dataclass(slots=True, kw_only=True)
class Calamity:
    """What was at work when it came, and what was started meanwhile."""

    at_work: tuple[Run, Path]
    lost: tuple[Run, Path]
    unsent: tuple[Run, Path]
    committed: tuple[Run, Path]


def strike(stage: Stage) -> Calamity:
    """Kill who executes while a run is at work; lose the message of one, keep that of another from the broker; begin anew."""
    at_work = stage.path()
    run = stage.start("hold", at_work, retry=AGAIN)
    stage.begun(at_work)
    stage.kill_workers()
    lost = _note(stage)
    _wait_until_rung(stage)
    stage.stack.lose_messages()
    stage.stack.cut()
    try:
        unsent = _note(stage)
        committed = _within_transactions(stage)
        _wait_until_missed(stage)
    finally:
        stage.stack.mend()
    stage.start_worker()
    return Calamity(at_work=(run, at_work), lost=lost, unsent=unsent, committed=committed)


def crash_rescue(stage: Stage, calamity: Calamity) -> None:
    """A run whose worker was killed is tried again, and never twice at a time."""
    run, path = calamity.at_work
    first, second = stage.begun(path), stage.begun(path, attempt=2)
    assert not is_alive(first.pid) and is_alive(second.pid), "not exactly one attempt lives"
    job_types.let_go(path)
    assert assert_ended(stage, run, "SUCCESS").result == 2
    assert stage.outcomes(run) == ["lost", "success"]
    found = job_types.marks(path)
    assert max(mark.at for mark in found if mark.attempt == 1) < second.at, "two attempts were at work at once"
    assert [mark.attempt for mark in found if mark.word == ENDED] == [2]


def outbox(stage: Stage, calamity: Calamity) -> None:
    """A committed run is executed, whatever became of its message; one that was rolled back never is."""
    for run, path in (calamity.lost, calamity.unsent, calamity.committed):
        assert_ended(stage, run, "SUCCESS")
        assert stage.outcomes(run) == ["success"]
        assert len(job_types.marks(path)) == 1


def shutdown(stage: Stage) -> None:
    """On SIGTERM what is short ends, what may be begun anew goes back, and everybody has ended soon."""
    brief, anew = stage.path(), stage.path()
    ends = stage.start("hold", brief)
    again = stage.start("hold_or_begin_anew", anew)
    stage.begun(brief)
    stage.begun(anew)
    job_types.let_go(brief)
    stage.ask_workers()
    if stage.stack.waits_for_runs:
        job_types.let_go(anew)
    stage.workers_ended()
    assert_ended(stage, ends, "SUCCESS")
    if not stage.stack.waits_for_runs:
        left = stage.get(again)
        assert (left.status, left.releases) == ("QUEUED", 1), f"{left.status}, {left.reason}, {left.message}"
        job_types.let_go(anew)
        stage.start_worker()
    assert_ended(stage, again, "SUCCESS")
    assert job_types.words(anew).count(ENDED) == 1


class _UndoneError(Exception):
    """Rolls back."""


def _note(stage: Stage) -> tuple[Run, Path]:
    path = stage.path()
    return stage.start("note", path), path


def _within_transactions(stage: Stage) -> tuple[Run, Path]:
    """A run of a transaction that is committed; that of another is rolled back."""
    committed, never = stage.path(), stage.path()
    stage.unwanted.append(never)
    database = stage.deck.database
    with contextlib.suppress(_UndoneError), database.write() as connection:
        stage.deck.runs.start("note", {"path": str(never)}, queue=MAIN, connection=connection)
        raise _UndoneError
    with database.write() as connection:
        run = stage.deck.runs.start("note", {"path": str(committed)}, queue=MAIN, connection=connection)
    return run, committed


def _wait_until_rung(stage: Stage) -> None:
    """Until the engine has the message of what waits, where there is a message."""
    engine = stage.deck.engines.get(stage.stack.engine)
    if engine is not None and not engine.is_immediate and engine.depth(MAIN) is not None:
        stage.until(lambda: engine.depth(MAIN), "the engine has been rung")


def _wait_until_missed(stage: Stage) -> None:
    """Until the broker was missed, where there is one."""
    if stage.stack.has_broker:
        stage.until(lambda: stage.deck.queues.get(MAIN).problem, "the lack of the broker is told with the queue")
