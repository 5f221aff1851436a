"""What the workloads run."""

from __future__ import annotations

import logging
import time

from jobdeck import job_type

logger = logging.getLogger(__name__)


@job_type
def noop(number: int = 0) -> None:
    """Do nothing."""


@job_type
def five_lines() -> None:
    """Log five lines."""
    for number in range(5):
        logger.info("line %d", number)


@job_type(fresh_process=True)
def alone() -> None:
    """Do nothing, in a process of its own."""


@job_type
def moment() -> int:
    """Tell when the body began, in microseconds."""
    return time.time_ns() // 1000


@job_type
def busy() -> None:
    """Keep a loop in C busy, which no signal handler of Python's interrupts."""
    sum(range(10**12))
