"""What the runs of the crash matrix do; each appends a line to one file where its body begins, and one where it ends."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from jobdeck import RetryPolicy, current_run, job_type

logger = logging.getLogger("crash_site")
TWICE = RetryPolicy(max_attempts=2, backoff=0, jitter=0)


@contextmanager
def body() -> Iterator[None]:
    """Note the begin and, unless it raises, the end."""
    token = os.urandom(8).hex()
    _note(f"begin {current_run.id} {current_run.attempt} {token}")
    yield
    _note(f"end {current_run.id} {current_run.attempt} {token}")


def _note(line: str) -> None:
    fd = os.open(os.environ["CRASH_EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


@job_type
def short() -> None:
    """Only begin and end."""
    with body():
        pass


@job_type(retry=TWICE)
def again() -> None:
    """Fail the first time."""
    with body():
        if current_run.attempt == 1:
            raise ValueError("not yet")


@job_type(retry=TWICE)
def slow(seconds: float) -> None:
    """Take some time."""
    with body():
        time.sleep(seconds)


@job_type(retry=TWICE)
def talk() -> None:
    """Log three lines, some time apart, and write a file."""
    with body():
        logger.info("one")
        time.sleep(0.2)
        logger.info("two")
        with current_run.open_output("said.txt") as out:
            out.write(b"said")
        logger.info("three")


@job_type(retry=TWICE)
def deaf() -> None:
    """Go on until it is killed."""
    with body():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR1])
        time.sleep(60)


@job_type
def parent() -> None:
    """Count entries, spawn two sub-runs of which the second takes longer, and go on for a moment."""
    with body():
        current_run.add_entries(total=3, inserted=3)
        time.sleep(0.15)
        current_run.spawn("short")
        current_run.spawn("slow", {"seconds": 1.2})
        time.sleep(0.05)


@job_type
def leave() -> None:
    """End the process."""
    with body():
        os._exit(3)
