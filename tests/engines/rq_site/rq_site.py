"""What the tests of RQ have run."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from jobdeck import Retry, RetryPolicy, current_run, job_type, track

logger = logging.getLogger("rq_site")


@job_type
def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    logger.info("adding %d and %d", a, b)
    print("printed by the task")
    return a + b


@job_type
def note(number: int, path: str) -> int:
    """Append a number to a file."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)
    return os.getpid()


@job_type
def busy(seconds: float = 60.0) -> int:
    """Compute without ever looking whether it should stop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(1000))
    return os.getpid()


@job_type(timeout=1)
def too_long() -> None:
    """Compute for longer than its timeout."""
    busy(60.0)


@job_type
def looping() -> None:
    """Go on until it is asked to stop."""
    for _ in track(range(10_000)):
        time.sleep(0.05)


@job_type(restartable=True)
def patient(path: str) -> int:
    """Go on until a file is there, unless it is asked to stop."""
    while not Path(path).exists():
        current_run.check_stop()
        time.sleep(0.02)
    return current_run.attempt


@job_type
def until_told(path: str) -> int:
    """Go on until a file is there."""
    while not Path(path).exists():
        time.sleep(0.02)
    return current_run.attempt


@job_type(retry=RetryPolicy(max_attempts=3, backoff=0))
def flaky() -> int:
    """Fail at the first try."""
    if current_run.attempt == 1:
        raise Retry("not yet", after=0)
    return current_run.attempt
