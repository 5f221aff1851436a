"""What all sides of the schedules' workload share: which times are planned, and what came of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

PERIOD_S = 5
PERIOD_US = PERIOD_S * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`count` schedules, each due every five seconds `instants` times, and once before that to warm up.

    All of them at once, or spread evenly over the five seconds. Times are microseconds since 1970.
    """

    count: int
    instants: int
    is_spread: bool
    first_us: int

    def anchor_us(self, number: int) -> int:
        """When the schedule of this number is due first."""
        return self.first_us + (PERIOD_US * number // self.count if self.is_spread else 0)

    @property
    def counted_us(self) -> tuple[int, int]:
        """Planned times count from here to there."""
        return self.first_us + PERIOD_US, self.first_us + (self.instants + 1) * PERIOD_US

    @property
    def planned(self) -> int:
        """How many planned times count."""
        return self.count * self.instants

    def as_data(self) -> dict[str, Any]:
        """For a process of its own, `Plan(**data)`."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of a plan: how late each planned time was served that was served, least first, and what that took."""

    planned: int
    lags_ms: list[float]
    cpu_percent: float
    rows: int
    """planned times of which a row is kept"""

    @classmethod
    def of(cls, plan: Plan, found: Iterable[tuple[int, int]], cpu_percent: float, rows: int = 0) -> Made:
        """From pairs of a planned time and when it was served."""
        begin, end = plan.counted_us
        lags = sorted((made - planned) / 1000 for planned, made in found if begin <= planned < end)
        return cls(planned=plan.planned, lags_ms=lags, cpu_percent=cpu_percent, rows=rows)

    @property
    def share(self) -> float:
        """Of the planned times that were served, per cent."""
        return 100 * len(self.lags_ms) / self.planned

    def lag_ms(self, share: float) -> float:
        """So many of the served ones were no later than this; NaN when none was served."""
        return self.lags_ms[math.ceil(len(self.lags_ms) * share) - 1] if self.lags_ms else math.nan
