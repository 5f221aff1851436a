"""What the drill has run: short and long work, work that fails, aborts, is deaf, is alone, has sub-runs or waits."""

from __future__ import annotations

import logging
import os
import resource
import signal
import time
from pathlib import Path

from ..core.retry import RetryPolicy
from ..definitions.job_type import job_type
from ..executor.context import current_run, track
from .trace import ALIVE, EFFECT, NAME, START, Scribe

LOGGER = "jobdeck.drill.work"
ATTEMPTS, BACKOFF_S = 3, 0.2
logger = logging.getLogger(LOGGER)
_AGAIN = RetryPolicy(ATTEMPTS, backoff=BACKOFF_S)
_TICK_S = 0.02


class DrillFailure(Exception):
    """What the drill's work fails with."""


def _begin() -> Scribe:
    scribe = Scribe(Path(os.environ["JOBDECK_HOME"]) / NAME, current_run.id, current_run.attempt)
    scribe.leave(START)
    return scribe


def _work(seconds: float, lines: int) -> None:
    """Take this long, and log numbered lines meanwhile."""
    for number in range(lines):
        logger.info("%d", number)
        time.sleep(seconds / lines)


@job_type(retry=_AGAIN)
def brief(seconds: float, lines: int) -> None:
    """Short work."""
    scribe = _begin()
    _work(seconds, lines)
    scribe.leave(EFFECT, lines)


@job_type(retry=_AGAIN)
def lengthy(seconds: float, lines: int) -> None:
    """Longer work, which tells its progress."""
    scribe = _begin()
    for number in track(range(lines)):
        logger.info("%d", number)
        time.sleep(seconds / lines)
    scribe.leave(EFFECT, lines)


@job_type
def single(seconds: float, lines: int) -> None:
    """Work that is tried once."""
    scribe = _begin()
    _work(seconds, lines)
    scribe.leave(EFFECT, lines)


@job_type(restartable=True)
def restartable(seconds: float, lines: int) -> None:
    """Work that a shutdown may begin anew."""
    scribe = _begin()
    _work(seconds, lines)
    scribe.leave(EFFECT, lines)


@job_type
def failing(seconds: float, lines: int) -> None:
    """Work that fails."""
    _begin()
    _work(seconds, lines)
    raise DrillFailure("This is what it is for.")


@job_type(retry=_AGAIN)
def recovering(seconds: float, lines: int, failures: int) -> None:
    """Work that fails at first."""
    scribe = _begin()
    _work(seconds, lines)
    if current_run.attempt <= failures:
        raise DrillFailure("Not yet.")
    scribe.leave(EFFECT, lines)


@job_type(retry=RetryPolicy(2, backoff=BACKOFF_S))
def aborting(seconds: float, lines: int) -> None:
    """Work that takes its process with it."""
    _begin()
    _work(seconds, lines)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


@job_type(retry=_AGAIN)
def deaf(seconds: float, lines: int) -> None:
    """Work that hears no SIGTERM and swallows every Exception."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    scribe = _begin()
    for number in range(lines):
        try:
            logger.info("%d", number)
            time.sleep(seconds / lines)
        except Exception:  # deaf is what it is meant to be
            logger.exception("not heard")
    scribe.leave(EFFECT, lines)


@job_type(retry=_AGAIN, limit=1)
def alone(seconds: float, lines: int) -> None:
    """Work of which only one is done at a time."""
    scribe = _begin()
    _work(0.0, lines)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(_TICK_S)
        scribe.leave(ALIVE)
    scribe.leave(EFFECT, lines)


@job_type
def parent(seconds: float, lines: int, children: int) -> None:
    """Work with sub-runs."""
    scribe = _begin()
    for _ in range(children):
        current_run.spawn(brief, {"seconds": seconds, "lines": lines}, retry=ATTEMPTS)
    _work(seconds, lines)
    scribe.leave(EFFECT, lines, children)
