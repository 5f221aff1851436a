"""Rates, percentiles, and waiting for something to be so."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

DEADLINE_S = 300


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, found: Sequence[float]) -> Latency:
        """Of many measurements."""
        cuts = statistics.quantiles(found, n=100, method="inclusive")
        return cls(p50=cuts[49], p99=cuts[98])


def rate(count: int, seconds: float) -> float:
    """How many a second."""
    return count / seconds


def wait_until(condition: Callable[[], bool], every_s: float = 0.01) -> None:
    """Look again and again until it is so; TimeoutError after five minutes."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The workload did not come to its end.")
        time.sleep(every_s)
