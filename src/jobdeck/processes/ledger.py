"""What children said, gathered into the next report to the database."""

from __future__ import annotations

import math
from typing import Any

from ..core.outcome import Outcome
from ..services.claims import Report
from ..services.holder import Claim, Holder
from .log_tail import LogTail

FLUSH_AFTER_S = 0.005
LOGS_AFTER_S = 0.1
FLUSH_AT_ENDED = 64
FLUSH_AT_LINES = 100
LOG_HEAD_LIMIT = 10 * 1024 * 1024
HELD_LIMIT = 64 * 1024 * 1024
_ROW_SIZE = 200
_LISTS = ("begun", "files", "spawned", "arguments", "counts", "log_entries", "ended", "released")


class Ledger:
    """Collects one report at a time, and says when it should be written.

    Of a run that logs more than `LOG_HEAD_LIMIT`, or while the database takes nothing and `HELD_LIMIT` is reached, only
    the last lines are kept from there on, and written when the run has ended.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self.report = Report()
        self._held_size = 0
        self._tails: dict[str, LogTail] = {}
        self._ended_since: float | None = None
        self._said_since: float | None = None

    def log(self, claim: Claim, entry: list[Any]) -> None:
        """`[at, level, logger, message, fields JSON]` of a run."""
        size = len(entry[3]) + len(entry[4] or "") + _ROW_SIZE
        claim.log_size += size
        if claim.id in self._tails:
            self._tails[claim.id].add(entry, size)
        elif claim.log_size > LOG_HEAD_LIMIT or self._held_size > HELD_LIMIT:
            self._append(claim, LogTail.notice(entry[0]))
            self._tails[claim.id] = tail = LogTail()
            tail.add(entry, size)
        else:
            self._held_size += size
            self._append(claim, entry)

    def progress(self, claim: Claim, told: list[Any]) -> None:
        """`[done, total, message]` of a run; the latest counts."""
        self.report.progress[claim.id] = (*told, *self._guard(claim))

    def file(self, claim: Claim, told: list[Any]) -> None:
        """`[name, media type, size, sha256, path, at]` of a finished file."""
        name, *rest = told
        self.report.files.append((claim.id, name, claim.tenant, *rest, *self._guard(claim)))

    def spawned(self, parent: Claim, row: list[Any]) -> None:
        """The row of a new sub-run."""
        self.report.spawned.append((parent, tuple(row)))

    def entries(self, claim: Claim, counts: list[int]) -> None:
        """`[total, inserted, updated, errored]` more entries of a run."""
        sums, _ = self.report.entries.get(claim.id, ([0, 0, 0, 0], claim))
        self.report.entries[claim.id] = ([a + b for a, b in zip(sums, counts, strict=True)], claim)

    def arguments(self, claim: Claim, told: list[str]) -> None:
        """`[JSON]`: the arguments that were made for a run when it began."""
        self.report.arguments.append((told[0], *self._guard(claim)))

    def begun(self, claim: Claim, started_us: int, pid: int) -> None:
        """A body began and has not ended soon after."""
        self.report.begun.append((claim, started_us, pid))

    def ended(self, claim: Claim, outcome: Outcome, now: float) -> None:
        """A run's attempt is over."""
        tail = self._tails.pop(claim.id, None)
        if tail is not None:
            for entry in tail.entries():
                self._append(claim, entry)
        self.report.ended.append((claim, outcome))
        if self._ended_since is None:
            self._ended_since = now

    @property
    def due_at(self) -> float:
        """When the report should be written (monotonic seconds); far away while there is nothing to write."""
        if not self.report:
            return math.inf
        if (
            self._said_since is None
            or self.report.released
            or self.report.alive
            or self.report.begun
            or self.report.spawned
        ):
            return 0.0
        return self._said_since + (FLUSH_AFTER_S if self.report.ended else LOGS_AFTER_S)

    def is_due(self, now: float, *, idle: bool) -> bool:
        """Whether the report should be written now; `idle` = nothing more is on its way."""
        report = self.report
        if not report:
            return False
        if self._said_since is None:
            self._said_since = now
        if report.released or report.alive or report.begun or report.spawned or len(report.ended) >= FLUSH_AT_ENDED:
            return True
        if report.ended and (idle or now - (self._ended_since or now) >= FLUSH_AFTER_S):
            return True
        return len(report.log_entries) >= FLUSH_AT_LINES or now - self._said_since >= LOGS_AFTER_S

    def take(self) -> Report:
        """The report, to be written while the next one is begun."""
        report = self.report
        self.written()
        return report

    def restore(self, report: Report) -> None:
        """What `take` gave could not be written: it comes before all that was said since."""
        later, self.report = self.report, report
        for name in _LISTS:
            getattr(report, name).extend(getattr(later, name))
        report.progress |= later.progress
        for run_id, head in later.log_heads.items():
            report.log_heads[run_id] = (*head[:-1], report.log_heads.get(run_id, head)[-1])
        report.alive = later.alive or report.alive
        for sums, claim in later.entries.values():
            self.entries(claim, sums)
        self._held_size += sum(len(entry[7]) + _ROW_SIZE for entry in report.log_entries)

    def written(self) -> None:
        """The report is in the database: begin a new one."""
        self.report = Report()
        self._held_size = 0
        self._ended_since = self._said_since = None

    def _append(self, claim: Claim, entry: list[Any]) -> None:
        claim.log_seq += 1
        self.report.log_entries.append((claim.id, claim.log_seq, claim.tenant, claim.attempt, *entry))
        known = self.report.log_heads.get(claim.id)
        before = claim.log_seq - 1 if known is None else known[-1]
        self.report.log_heads[claim.id] = (claim.log_seq, *self._guard(claim), before)

    def _guard(self, claim: Claim) -> tuple[str, str, int]:
        return claim.id, self._holder.id, claim.fence
