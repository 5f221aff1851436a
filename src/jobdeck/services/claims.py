"""The gate: a run is executed only by whoever won its claim. One transaction carries all that a worker has to say.

`exchange` writes what happened since the last time (log entries, progress, files, ended runs) and claims the next
runs; the statements are in `store.claims`, ended runs go through the door (`services.lifecycle`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..core.outcome import Outcome
from ..store import claims, files, logs
from ..store.claims import ClaimQuery, claim_query
from ..store.database import Database
from ..store.statements import AnyConnection, set_apart
from . import lifecycle
from .holder import Claim, Holder

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What a worker has to say, gathered since its last exchange. Rows are as `store` takes them."""

    begun: list[tuple[Claim, int, int]] = field(default_factory=list)
    """(claim, started_at in microseconds, process id)"""
    progress: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    files: list[tuple[Any, ...]] = field(default_factory=list)
    log_heads: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    log_entries: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[Claim, Outcome]] = field(default_factory=list)
    released: list[Claim] = field(default_factory=list)
    alive: list[Claim] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.ended or self.log_entries or self.progress or self.begun or self.files or self.released
            or self.alive
        )  # fmt: skip


class Claims:
    """The gate as one worker uses it."""

    def __init__(self, database: Database, holder: Holder, queues: Sequence[str], types: Sequence[str]) -> None:
        self._database = database
        self._holder = holder
        self._query: ClaimQuery = claim_query(queues, types, is_sqlite=database.is_sqlite)

    def exchange(self, report: Report, wanted: int, now_us: int) -> tuple[list[Claim], set[str]]:
        """Write the report, win up to `wanted` claims; also the ids of runs that are held no more.

        StoreError leaves nothing written; the same report can be given again.
        """
        with self._database.write_quickly() as connection:
            stale = self._write(connection, report, now_us)
            won = claims.claim(connection, self._query, self._holder.id, now_us, wanted) if wanted else []
        return [Claim.of_row(row) for row in won], stale

    def stops_requested(self) -> dict[str, int]:
        """Runs of this worker that somebody asked to stop: id → fence."""
        with self._database.read() as connection:
            return claims.stops_requested(connection, self._holder.id)

    def held(self) -> list[Claim]:
        """Every run that this worker holds, as the database knows it."""
        with self._database.read() as connection:
            return [Claim.of_row(row) for row in claims.held_by(connection, self._holder.id)]

    def _write(self, connection: AnyConnection, report: Report, now_us: int) -> set[str]:
        owner = self._holder.id
        if report.begun:
            claims.begin(connection, [(at, c.id, owner, c.fence) for c, at, _ in report.begun])
            where = (self._holder.host, self._holder.boot_id)
            claims.open_attempts(connection, [(*where, pid, at, c.id, owner, c.fence) for c, at, pid in report.begun])
        if report.log_entries:
            self._append_logs(connection, report)
        if report.progress:
            claims.progress(connection, list(report.progress.values()))
        if report.files:
            files.add(connection, report.files)
        if report.alive:
            claims.beat(connection, [(now_us, c.id, owner, c.fence) for c in report.alive])
        if report.released:
            lifecycle.release(connection, self._holder, report.released, now_us)
        return lifecycle.finish(connection, self._holder, report.ended) if report.ended else set()

    def _append_logs(self, connection: AnyConnection, report: Report) -> None:
        """A log store that fails costs the lines, never the run."""
        heads, entries = report.log_heads, report.log_entries
        try:
            with set_apart(connection):
                if logs.move_heads(connection, list(heads.values())) != len(heads):
                    held = claims.held_fences(connection, list(heads), self._holder.id)
                    entries = [entry for entry in entries if entry[0] in held]
                logs.append(connection, entries)
        except Exception as error:  # whatever a driver finds wrong with a line
            logger.error("%d log lines could not be kept: %.300s", len(entries), error)
