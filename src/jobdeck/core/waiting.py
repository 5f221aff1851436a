"""Why a run is not running yet, for people: every reason, its place in line, and when it may begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingReason:
    """One thing that keeps a run from beginning. `code` is for programs, `message` for people."""

    code: str
    message: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """`position` counts eligible runs of its queue, from 1; None when a reason holds. `starts_at` is a guess from how long
    runs of its type took; None when there is nothing to guess from.
    """

    status: str
    reasons: tuple[WaitingReason, ...]
    position: int | None = None
    starts_at: datetime | None = None
    processes: int = 0

    @property
    def summary(self) -> str:
        """All of it in a sentence or two."""
        if self.reasons:
            return " ".join(reason.message for reason in self.reasons)
        if self.position is None:
            return f"It is {self.status}, so nothing keeps it."
        ahead = self.position - 1
        if not ahead:
            return "It is the next in its queue and begins as soon as a process is free."
        return f"{ahead:,} run{'s stand' if ahead > 1 else ' stands'} before it in its queue."
