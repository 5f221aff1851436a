"""What children said, gathered into the next report to the database."""

from __future__ import annotations

import math
from typing import Any

from ..core.outcome import Outcome
from ..services.claims import Report
from ..services.holder import Claim, Holder

FLUSH_AFTER_S = 0.005
LOGS_AFTER_S = 0.1
FLUSH_AT_ENDED = 64
FLUSH_AT_LINES = 100
HELD_LINES_LIMIT = 20_000


class Ledger:
    """Collects one report at a time, and says when it should be written."""

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self.report = Report()
        self._ended_since: float | None = None
        self._said_since: float | None = None

    def log(self, claim: Claim, entry: list[Any]) -> None:
        """`[at, level, logger, message, fields JSON]` of a run."""
        claim.log_seq += 1
        at_us, level, name, message, fields = entry
        self.report.log_entries.append(
            (claim.id, claim.log_seq, claim.tenant, claim.attempt, at_us, level, name, message, fields)
        )
        self.report.log_heads[claim.id] = (claim.log_seq, *self._guard(claim))

    def progress(self, claim: Claim, told: list[Any]) -> None:
        """`[done, total, message]` of a run; the latest counts."""
        self.report.progress[claim.id] = (*told, *self._guard(claim))

    def file(self, claim: Claim, told: list[Any]) -> None:
        """`[name, media type, size, sha256, path, at]` of a finished file."""
        name, *rest = told
        self.report.files.append((claim.id, name, claim.tenant, *rest, *self._guard(claim)))

    def begun(self, claim: Claim, started_us: int, pid: int) -> None:
        """A body began and has not ended soon after."""
        self.report.begun.append((claim, started_us, pid))

    def ended(self, claim: Claim, outcome: Outcome, now: float) -> None:
        """A run's attempt is over."""
        self.report.ended.append((claim, outcome))
        if self._ended_since is None:
            self._ended_since = now

    @property
    def due_at(self) -> float:
        """When the report should be written (monotonic seconds); far away while there is nothing to write."""
        if not self.report:
            return math.inf
        if self._said_since is None or self.report.released or self.report.alive or self.report.begun:
            return 0.0
        return self._said_since + (FLUSH_AFTER_S if self.report.ended else LOGS_AFTER_S)

    @property
    def is_full(self) -> bool:
        """Whether children should not be heard before the report is written: a job that logs has to wait then."""
        return len(self.report.log_entries) >= HELD_LINES_LIMIT

    def is_due(self, now: float, *, idle: bool) -> bool:
        """Whether the report should be written now; `idle` = nothing more is on its way."""
        report = self.report
        if not report:
            return False
        if self._said_since is None:
            self._said_since = now
        if report.released or report.alive or report.begun or len(report.ended) >= FLUSH_AT_ENDED:
            return True
        if report.ended and (idle or now - (self._ended_since or now) >= FLUSH_AFTER_S):
            return True
        return len(report.log_entries) >= FLUSH_AT_LINES or now - self._said_since >= LOGS_AFTER_S

    def written(self) -> None:
        """The report is in the database: begin a new one."""
        self.report = Report()
        self._ended_since = self._said_since = None

    def _guard(self, claim: Claim) -> tuple[str, str, int]:
        return claim.id, self._holder.id, claim.fence
