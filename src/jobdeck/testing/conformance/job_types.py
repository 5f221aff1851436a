"""What the conformance suite has run. Bodies leave marks in a file, by a clock that all processes of a host share."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

from ...core.retry import RetryPolicy
from ...definitions.job_type import job_type
from ...executor.context import current_run

MODULE = __name__
BEGAN, TICK, ENDED = "began", "tick", "ended"
TICK_S = 0.05
BACKOFF_S = 0.4
SAID_BEFORE, PRINTED, SAID_AFTER = "said before the pause", "printed before the pause", "said after the pause"
logger = logging.getLogger("jobdeck.conformance")


@dataclass(frozen=True, slots=True)
class Mark:
    """What a body left: a word, in which attempt, by which process, at which second of the monotonic clock."""

    word: str
    attempt: int
    pid: int
    at: float


def marks(path: Path) -> list[Mark]:
    """Everything that was left in a file, in order."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [
        Mark(word, int(attempt), int(pid), int(at) / 1e9) for word, attempt, pid, at in (line.split() for line in lines)
    ]


def words(path: Path) -> list[str]:
    """What was left there, by time, without ticks."""
    return [mark.word for mark in sorted(marks(path), key=lambda mark: mark.at) if mark.word != TICK]


def let_go(path: Path) -> None:
    """Have the body that pauses there go on."""
    _gate(str(path)).touch()


def _gate(path: str) -> Path:
    return Path(f"{path}.go")


def _leave(path: str, word: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.write(fd, f"{word} {current_run.attempt} {os.getpid()} {time.monotonic_ns()}\n".encode())
    os.close(fd)


def _pause(path: str) -> None:
    while not _gate(path).exists():
        current_run.check_stop()
        time.sleep(TICK_S)
        _leave(path, TICK)


@job_type
def note(path: str, word: str = BEGAN) -> int:
    """Leave one mark."""
    _leave(path, word)
    return current_run.attempt


@job_type
def hold(path: str) -> int:
    """Pause until somebody lets it go on, or stops it."""
    _leave(path, BEGAN)
    _pause(path)
    _leave(path, ENDED)
    return current_run.attempt


@job_type(restartable=True)
def hold_or_begin_anew(path: str) -> int:
    """The same, by a type whose runs may be begun anew when their worker is shut down."""
    _leave(path, BEGAN)
    _pause(path)
    _leave(path, ENDED)
    return current_run.attempt


@job_type
def deaf(path: str) -> None:
    """Be busy for ever, and swallow whatever is raised meanwhile."""
    _leave(path, BEGAN)
    last = time.monotonic()
    while True:
        try:
            while True:
                if time.monotonic() - last > TICK_S:
                    last = time.monotonic()
                    _leave(path, TICK)
        except BaseException:  # noqa: S112 - deaf is what it is meant to be
            continue


@job_type(retry=RetryPolicy(3, backoff=[BACKOFF_S], jitter=0))
def fail_twice(path: str) -> int:
    """Succeed at the third try."""
    _leave(path, BEGAN)
    if current_run.attempt < 3:
        raise RuntimeError(f"attempt {current_run.attempt} fails")
    return current_run.attempt


@job_type
def fail(path: str) -> None:
    """Fail."""
    _leave(path, BEGAN)
    raise RuntimeError("This is what it is for.")


@job_type(limit=1)
def alone(path: str) -> None:
    """Work of which only one is done at a time."""
    _leave(path, BEGAN)
    time.sleep(3 * TICK_S)
    _leave(path, ENDED)


@job_type
def tell(path: str) -> None:
    """Say something and how far it is, before a pause and after it."""
    _leave(path, BEGAN)
    logger.info(SAID_BEFORE)
    print(PRINTED)  # what a run prints is in its log
    current_run.progress(1, 4, "a quarter")
    _pause(path)
    logger.warning(SAID_AFTER)
    current_run.progress(4, 4, "all of it")
