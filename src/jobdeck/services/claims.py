"""The gate: a run is executed only by whoever won its claim. One transaction carries all that a worker has to say.

`exchange` writes what happened since the last time (log entries, progress, files, ended runs) and claims the next
runs; the statements are in `store.claims`, ended runs go through the door (`services.lifecycle`).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..core.limits import WhenFull
from ..core.new_run import TO_BE_RUNG
from ..core.outcome import Outcome
from ..core.run import Parked
from ..store import claims, endings, files, lines, logs, rings, runs, slots, subruns
from ..store.claims import ClaimQuery
from ..store.database import Database
from ..store.statements import AnyConnection, set_apart
from . import lifecycle
from .holder import Claim, Holder

logger = logging.getLogger(__name__)
_ROUNDS = 8


@dataclass(slots=True)
class Report:
    """What a worker has to say, gathered since its last exchange. Rows are as `store` takes them."""

    begun: list[tuple[Claim, int, int]] = field(default_factory=list)
    """(claim, started_at in microseconds, process id)"""
    progress: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    files: list[tuple[Any, ...]] = field(default_factory=list)
    spawned: list[tuple[Claim, tuple[Any, ...]]] = field(default_factory=list)
    """(parent, row of its new sub-run)"""
    arguments: list[tuple[Any, ...]] = field(default_factory=list)
    entries: dict[str, tuple[list[int], Claim]] = field(default_factory=dict)
    """id → (more entries: total, inserted, updated, errored; the claim); when they are first told they become `counts`"""
    counts: list[tuple[int, list[int], Claim]] = field(default_factory=list)
    """(told at in microseconds, more entries, claim)"""
    log_heads: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    log_entries: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[Claim, Outcome]] = field(default_factory=list)
    released: list[Claim] = field(default_factory=list)
    alive: list[Claim] = field(default_factory=list)
    times: int = 0
    """How often it was handed in: of what it said before the last time, nobody knows whether it was written."""

    def __bool__(self) -> bool:
        return bool(
            self.ended or self.log_entries or self.progress or self.begun or self.files or self.released
            or self.alive or self.spawned or self.entries or self.counts
            or self.arguments
        )  # fmt: skip


@dataclass(slots=True)
class Exchange:
    """What came of a report: claims won, (id, fence) of runs that are held no more, how many runs came in line by it.

    `busy`: a limit could not be counted, as another worker does; ask again soon.
    """

    won: list[Claim] = field(default_factory=list)
    stale: set[tuple[str, int]] = field(default_factory=set)
    freed: int = 0
    busy: bool = False


class Claims:
    """The gate as one worker uses it: `strict` serves the queues in their order, else what is oldest comes first."""

    def __init__(
        self, database: Database, holder: Holder, queues: Sequence[str], types: Sequence[str], *, strict: bool = False
    ) -> None:
        self._database = database
        self._holder = holder
        self._query = ClaimQuery(tuple(queues), tuple(types), strict, database.is_sqlite)
        self._told_us = 0

    def exchange(self, report: Report, wanted: int, now_us: int, room: Mapping[str, int] | None = None) -> Exchange:
        """Write the report, win up to `wanted` claims; of each queue in `room` at most so many, of others none.

        StoreError leaves nothing written; the same report can be given again.
        """
        done = Exchange()
        # Each later than the one before, whatever the clock does: it tells what was counted by a lost exchange.
        self._told_us = max(now_us, self._told_us + 1)
        report.counts += [(self._told_us, more, claim) for more, claim in report.entries.values()]
        report.entries.clear()
        report.times += 1
        with self._database.write_quickly() as connection:
            self._write(connection, report, now_us, done)
            if wanted:
                done.won = self._claim(connection, wanted, now_us, done, room)
        return done

    def _claim(
        self,
        connection: AnyConnection,
        wanted: int,
        now_us: int,
        done: Exchange,
        bound: Mapping[str, int] | None = None,
    ) -> list[Claim]:
        queues = [name for name in self._query.queues if bound is None or bound.get(name)]
        if not queues:
            return []
        room, done.busy = lines.room(connection, queues)
        if bound is not None:
            room = {name: min(bound.get(name, 0), room.get(name, wanted)) for name in self._query.queues}
        won: list[Claim] = []
        for _ in range(_ROUNDS):
            rows = claims.claim(connection, self._query, self._holder.id, now_us, wanted - len(won), room)
            admitted = self._admit(connection, [Claim.of_row(row) for row in rows], now_us, done)
            won += admitted
            if bound is not None:
                _ring_for_others(connection, admitted, {row[0] for row in rows if row[-1] == TO_BE_RUNG}, now_us)
            for claim in admitted:
                if claim.queue in room:
                    room[claim.queue] -= 1
            # Those that found their limit full are out of line now; others may have stood behind them.
            if len(admitted) == len(rows):
                break
        return won

    def _admit(self, connection: AnyConnection, won: list[Claim], now_us: int, done: Exchange) -> list[Claim]:
        """Those of `won` whose limit has room; the others wait for it, or are skipped."""
        limited = [claim for claim in won if claim.limit_key is not None]
        if not limited:
            return won
        keys = {str(claim.limit_key) for claim in limited}
        counted = slots.lock(connection, limited[0].tenant, keys, wait=False)
        taken = slots.running(connection, counted)
        ours = Counter(claim.limit_key for claim in limited)
        held = {key: taken[key] - ours[key] for key in counted}
        refused: dict[str, Parked] = {}
        skipped = []
        for claim in limited:
            key = str(claim.limit_key)
            if key not in held:
                # Another worker counts just now: back in line, and tried again with the next claim.
                refused[claim.id] = Parked.IN_LINE
                done.busy = True
            elif held[key] < (claim.limit_n or 1):
                held[key] += 1
            else:
                refused[claim.id] = Parked.LIMIT
                if claim.limit_policy == WhenFull.SKIP:
                    skipped.append(claim.id)
        turned_away = [claim for claim in limited if claim.id in refused]
        rows = [(int(refused[claim.id]), claim.id, self._holder.id, claim.fence) for claim in turned_away]
        slots.put_back(connection, rows)
        full = sorted({str(c.limit_key) for c in turned_away if refused[c.id] is Parked.LIMIT})
        slots.park_all(connection, full, now_us)
        if skipped:
            lifecycle.skip(connection, skipped, now_us)
        return [claim for claim in won if claim.id not in refused]

    def next_due(self, now_us: int) -> int | None:
        """When the next delayed run may begin (microseconds since 1970); None when there is none."""
        with self._database.read() as connection:
            return claims.next_due(connection, now_us)

    def stops_requested(self) -> dict[str, int]:
        """Runs of this worker that somebody asked to stop: id → fence."""
        with self._database.read() as connection:
            return claims.stops_requested(connection, self._holder.id)

    def held(self) -> list[Claim]:
        """Every run that this worker holds, as the database knows it."""
        with self._database.read() as connection:
            return [Claim.of_row(row) for row in claims.held_by(connection, self._holder.id)]

    def _write(self, connection: AnyConnection, report: Report, now_us: int, done: Exchange) -> None:
        self._tell(connection, report)
        for parent, row in report.spawned:
            if subruns.expect(connection, [(parent.id, self._holder.id, parent.fence, row[0])]):
                runs.enqueue(connection, [row])
                lifecycle.stop_late(connection, parent.id, row[0], now_us)
                done.freed += 1
        if report.alive:
            done.stale |= self._beat(connection, report.alive)
        if report.released:
            done.freed += lifecycle.give_back(connection, self._holder, report.released, now_us)
        if report.ended:
            settled = lifecycle.finish(connection, self._holder, report.ended, now_us)
            done.stale |= settled.stale
            # What ended may have made room in a queue for the runs of others.
            done.freed += settled.freed + lines.are_limited(connection, {claim.queue for claim, _ in report.ended})

    def _tell(self, connection: AnyConnection, report: Report) -> None:
        """What runs said while they ran."""
        owner = self._holder.id
        if report.begun:
            claims.begin(connection, [(at, c.id, owner, c.fence) for c, at, _ in report.begun])
            where = (self._holder.host, self._holder.boot_id)
            endings.open_attempts(connection, [(*where, pid, at, c.id, owner, c.fence) for c, at, pid in report.begun])
        if report.log_entries:
            self._append_logs(connection, report)
        if report.progress:
            claims.progress(connection, list(report.progress.values()))
        if report.files:
            files.add(connection, report.files)
        if report.arguments:
            claims.keep_arguments(connection, report.arguments)
        if report.counts:
            rows = [(*more, told_us, c.id, owner, c.fence, told_us) for told_us, more, c in report.counts]
            claims.count_entries(connection, rows)

    def _beat(self, connection: AnyConnection, alive: list[Claim]) -> set[tuple[str, int]]:
        """Renew claims; (id, fence) of those that are not held any more, whose bodies must be ended."""
        owner = self._holder.id
        if claims.beat(connection, [(self._told_us, c.id, owner, c.fence) for c in alive]) == len(alive):
            return set()
        held = claims.held_fences(connection, [c.id for c in alive], owner)
        return {(c.id, c.fence) for c in alive if held.get(c.id) != c.fence}

    def _append_logs(self, connection: AnyConnection, report: Report) -> None:
        """A log store that fails costs the lines, never the run."""
        heads, entries = report.log_heads, report.log_entries
        try:
            with suppress(_Moved), set_apart(connection):
                if logs.move_heads(connection, list(heads.values())) != len(heads):
                    raise _Moved
                logs.append(connection, entries)
                return
            with set_apart(connection):
                for run_id, head in heads.items():
                    lines_of_run = [entry for entry in entries if entry[0] == run_id]
                    self._append_log(connection, head, lines_of_run, is_repeated=report.times > 1)
        except Exception as error:  # whatever a driver finds wrong with a line
            logger.error("%d log lines could not be kept: %.300s", len(entries), error)

    def _append_log(
        self, connection: AnyConnection, head: tuple[Any, ...], entries: list[tuple[Any, ...]], *, is_repeated: bool
    ) -> None:
        """Lines of one run, which may be held no more, or in whose log its sub-tasks write as well."""
        last, run_id, owner, fence, before = head
        known = _count_known(entries, logs.since(connection, run_id, before)) if is_repeated else 0
        left = entries[known:]
        if not left:
            return
        before = entries[known - 1][1] if known else before
        taken = logs.take(connection, last - before, run_id, owner, fence)
        if taken is not None:
            logs.append(connection, [(run_id, seq - before + taken, *rest) for _, seq, *rest in left])


def _count_known(entries: Sequence[tuple[Any, ...]], there: Sequence[tuple[Any, ...]]) -> int:
    """How many of the first of these lines are there, perhaps with those of others in between."""
    count = 0
    for found in there:
        if count < len(entries) and found == (entries[count][4], entries[count][6], entries[count][7]):
            count += 1
    return count


class _Moved(Exception):
    """Somebody else has written in a log, or a run is held no more."""


def _ring_for_others(connection: AnyConnection, won: Sequence[Claim], not_rung: set[str], now_us: int) -> None:
    """What was won without a ring of its own has used that of another run, for which there is none any more."""
    for queue, count in sorted(Counter(claim.queue for claim in won if claim.id in not_rung).items()):
        rings.ring_now(connection, rings.rung_for(connection, queue, count, (), now_us))
