"""What the workloads run."""

from __future__ import annotations

import time

from jobdeck import job_type


@job_type
def noop(number: int = 0) -> None:
    """Do nothing."""


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
