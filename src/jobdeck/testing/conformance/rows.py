"""The rows of the matrix that are tried beside one another: each is a function that takes the stage, and fails or returns."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ...core.capability import Capability
from ...core.retry import RetryPolicy
from ...core.ring import Ring
from ...core.run import Run
from . import job_types
from .crew import is_alive
from .job_types import BACKOFF_S, BEGAN, ENDED, PRINTED, SAID_AFTER, SAID_BEFORE
from .stage import LINE, Stage

PRIORITIES = (0, 5, -5, 100, 3, 0, -100, 50, 5, 1)
DELAY_S = 1.5
TIMEOUT_S = 0.6
DUPLICATES = 20
QUIET_S = 0.5
AGAIN = RetryPolicy(2, backoff=0)


def priorities(stage: Stage) -> None:
    """Where there is one slot, runs begin by priority, then by age."""
    with stage.line:
        first, notes = stage.path(), stage.path()
        holder = stage.start("hold", first, queue=LINE)
        stage.begun(first)
        runs = [
            stage.start("note", notes, queue=LINE, word=str(number), priority=priority)
            for number, priority in enumerate(PRIORITIES)
        ]
        stage.rung_for(LINE)
        job_types.let_go(first)
        for run in (holder, *runs):
            assert_ended(stage, run, "SUCCESS")
    wanted = sorted(range(len(PRIORITIES)), key=lambda number: (-PRIORITIES[number], number))
    begun = [int(mark.word) for mark in job_types.marks(notes)]
    assert begun == wanted, f"they began in the order {begun}, and should have in {wanted}"


def delay(stage: Stage) -> None:
    """A run does not begin before its time, and soon after."""
    path, asked = stage.path(), time.monotonic()
    run = stage.start("note", path, start_in=DELAY_S)
    began = stage.begun(path).at - asked
    assert began >= DELAY_S, f"it began after {began:.2f} s, and should have waited for {DELAY_S:g}"
    assert_ended(stage, run, "SUCCESS")


def stop(stage: Stage) -> None:
    """A run that looks for it ends when it is asked to; one that waits never begins."""
    path, never = stage.path(), stage.path()
    waits = stage.start("note", never, start_in=DELAY_S)
    stage.unwanted.append(never)
    assert stage.deck.runs.stop(waits.id).status == "CANCELLED"
    run = stage.start("hold", path)
    stage.begun(path)
    stage.deck.runs.stop(run.id, "no more wanted")
    ended = assert_ended(stage, run, "CANCELLED", "stopped")
    assert ended.stop_reason == "no more wanted"
    stage.rests(path)
    assert ENDED not in job_types.words(path)


def force_stop(stage: Stage) -> None:
    """A run that is deaf to everything is really ended."""
    path = stage.path()
    run = stage.start("deaf", path)
    began = stage.begun(path)
    stage.deck.runs.stop(run.id)
    assert_ended(stage, run, "CANCELLED", "stopped")
    stage.rests(path)
    assert not is_alive(began.pid), "the process of the stopped body lives"


def timeout(stage: Stage) -> None:
    """A run whose time is up is really ended."""
    path = stage.path()
    run = stage.start("deaf", path, timeout=TIMEOUT_S)
    assert_ended(stage, run, "FAILED", "timeout")
    took = job_types.marks(path)[-1].at - stage.begun(path).at
    assert took > TIMEOUT_S / 2, f"it was ended after {took:.2f} s"
    stage.rests(path)


def retry(stage: Stage) -> None:
    """A run that fails is tried again, after a while, and each attempt is kept."""
    path = stage.path()
    run = stage.start("fail_twice", path)
    assert assert_ended(stage, run, "SUCCESS").result == 3
    assert stage.outcomes(run) == ["error", "error", "success"]
    found = job_types.marks(path)
    assert [mark.attempt for mark in found] == [1, 2, 3]
    assert all(later.at - mark.at >= BACKOFF_S for mark, later in itertools.pairwise(found))


def limits(stage: Stage) -> None:
    """Of a type with a limit of one, never two are at work at once, by what the bodies say."""
    path = stage.path()
    for run in [stage.start("alone", path) for _ in range(4)]:
        assert_ended(stage, run, "SUCCESS")
    assert job_types.words(path) == [BEGAN, ENDED] * 4, "two were at work at once"


def dependencies(stage: Stage) -> None:
    """A run begins when another has ended; one whose need cannot be met never does."""
    first, second, never = stage.path(), stage.path(), stage.path()
    stage.unwanted.append(never)
    before = stage.start("hold", first)
    after = stage.start("note", second, after=[before])
    failed = stage.start("fail", stage.path())
    in_vain = stage.start("note", never, after=[failed])
    stage.begun(first)
    assert "dependency" in [reason.code for reason in stage.deck.runs.why(after.id).reasons]
    job_types.let_go(first)
    assert_ended(stage, after, "SUCCESS")
    assert stage.begun(second).at > job_types.marks(first)[-1].at, "it began before the other had ended"
    assert_ended(stage, in_vain, "FAILED", "dependency")


def progress(stage: Stage) -> None:
    """How far a run is can be seen while it runs."""
    path = stage.path()
    run = stage.start("tell", path)

    def told() -> tuple[int, int | None, str | None] | None:
        now = stage.get(run).progress
        return None if now is None else (now.done, now.total, now.message)

    assert stage.until(told, "progress is told") == (1, 4, "a quarter")
    assert stage.get(run).status == "RUNNING"
    job_types.let_go(path)
    assert_ended(stage, run, "SUCCESS")
    assert told() == (4, 4, "all of it")


def logs(stage: Stage) -> None:
    """What a run logs and prints can be read while it runs, in order."""
    path = stage.path()
    run = stage.start("tell", path)
    stage.until(lambda: {SAID_BEFORE, PRINTED} <= set(stage.messages(run)), "its log can be read")
    assert stage.get(run).status == "RUNNING"
    assert SAID_AFTER not in stage.messages(run)
    job_types.let_go(path)
    assert_ended(stage, run, "SUCCESS")
    assert stage.messages(run) == [SAID_BEFORE, PRINTED, SAID_AFTER]


def fencing(stage: Stage) -> None:
    """A run that is delivered many times is executed once; a worker that stood still for too long changes nothing."""
    with stage.line:
        _deliver_often(stage)
        if Capability.CRASH_RESCUE not in stage.cannot:
            _freeze_and_thaw(stage)


def _deliver_often(stage: Stage) -> None:
    path, others = stage.path(), stage.path()
    run = stage.start("hold", path, queue=LINE)
    stage.begun(path)
    if stage.is_immediate:
        # Whoever enqueues now might take it.
        assert_ended(stage, stage.start("note", others, queue=LINE), "SUCCESS")
    else:
        for engine in stage.deck.engines.values():
            assert engine.ring([Ring(run_id=run.id, number=1, queue=LINE)] * DUPLICATES) == DUPLICATES
    job_types.let_go(path)
    assert_ended(stage, run, "SUCCESS")
    if stage.deck.engines and not stage.is_immediate:
        stage.until(lambda: stage.get(run).fenced >= DUPLICATES, "the duplicates are counted as fenced")
    assert stage.outcomes(run) == ["success"]
    assert job_types.words(path) == [BEGAN, ENDED]


def _freeze_and_thaw(stage: Stage) -> None:
    path = stage.path()
    run = stage.start("hold", path, queue=LINE, retry=AGAIN)
    stage.begun(path)
    with stage.frozen_line():
        stage.start_line()
        stage.until(lambda: stage.outcomes(run)[:1] == ["lost"], "the run of a silent worker is taken from it")
        stage.begun(path, attempt=2)
    thawed = time.monotonic()
    stage.until(lambda: _is_left_alone(path, thawed), "the body of the worker that is awake again ends")
    job_types.let_go(path)
    assert assert_ended(stage, run, "SUCCESS").result == 2
    assert stage.outcomes(run) == ["lost", "success"]
    assert [mark.attempt for mark in job_types.marks(path) if mark.word == ENDED] == [2]


def assert_ended(stage: Stage, run: Run, status: str, reason: str | None = None) -> Run:
    """The run, once it has ended as it should."""
    ended = stage.ended(run)
    found = (ended.status, ended.reason)
    assert found == (status, reason), f"{ended.type}: {found}, {ended.message}\n{ended.traceback}"
    return ended


def _is_left_alone(path: Path, thawed: float) -> bool:
    """Whether the second attempt was heard of for some time, and the first was not."""
    last = {mark.attempt: mark.at for mark in job_types.marks(path)}
    return last[2] - max(last[1], thawed) > QUIET_S


BESIDE: Mapping[Capability, Callable[[Stage], None]] = {
    Capability.PRIORITIES: priorities,
    Capability.DELAY: delay,
    Capability.STOP: stop,
    Capability.FORCE_STOP: force_stop,
    Capability.TIMEOUT: timeout,
    Capability.RETRY: retry,
    Capability.LIMITS: limits,
    Capability.DEPENDENCIES: dependencies,
    Capability.PROGRESS: progress,
    Capability.LOGS: logs,
    Capability.FENCING: fencing,
}
