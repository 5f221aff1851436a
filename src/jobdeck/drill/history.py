"""The checker: from what callers were told, what the database says and what bodies left in the trace, everything that
should not be. Pure; it knows nothing of how any of this came about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from ..core.lifecycle import TRANSITIONS, has_succeeded
from ..core.run import Status
from ..store.drill import AttemptRow, ChangeRow, LineRow, RingRow, Rows, RunRow
from .faults import FREEZE_ELSEWHERE, Strike
from .job_types import LOGGER
from .load import Memory
from .oracle import MUSTS as MUSTS_OF_SCHEDULES
from .oracle import Ledger
from .trace import EFFECT, START, Mark

_RUNNING, _QUEUED = Status.RUNNING, Status.QUEUED


def _is_final(status: str) -> bool:
    return Status(status).is_final


@dataclass(frozen=True)
class Evidence:
    """All that is known of a drill when it is over."""

    memory: Memory
    rows: Rows
    marks: Sequence[Mark]
    strikes: Sequence[Strike]
    ledger: Ledger

    @cached_property
    def runs(self) -> Mapping[str, RunRow]:
        """By id."""
        return {row.id: row for row in self.rows.runs}

    @cached_property
    def attempts(self) -> Mapping[tuple[str, int], AttemptRow]:
        """By run and number."""
        return {(row.run_id, row.attempt): row for row in self.rows.attempts}

    @cached_property
    def bodies(self) -> Mapping[tuple[str, int], list[Mark]]:
        """Marks by run and attempt, oldest first."""
        found = defaultdict(list)
        for mark in sorted(self.marks, key=lambda mark: mark.at_ns):
            found[mark.run_id, mark.attempt].append(mark)
        return found

    @cached_property
    def starts(self) -> Sequence[Mark]:
        """The marks of starts."""
        return [mark for mark in self.marks if mark.kind == START]

    @cached_property
    def kept_effects(self) -> Sequence[Mark]:
        """The effects of attempts that the database calls a success."""
        return [mark for mark in self.marks if mark.kind == EFFECT and self._has_succeeded(mark)]

    @cached_property
    def changes(self) -> Mapping[str, list[ChangeRow]]:
        """What was witnessed of each run, in order."""
        found = defaultdict(list)
        for change in self.rows.changes:
            found[change.run_id].append(change)
        return found

    @cached_property
    def orphaned(self) -> frozenset[tuple[str, int]]:
        """Attempts (run, number) whose supervisor was frozen where nobody could kill it: only these may outlive their claim."""
        frozen = {held for strike in self.strikes if strike.fault == FREEZE_ELSEWHERE for held in strike.held}
        return frozenset((row.run_id, row.attempt) for row in self.rows.attempts if (row.run_id, row.fence) in frozen)

    def _has_succeeded(self, mark: Mark) -> bool:
        attempt = self.attempts.get((mark.run_id, mark.attempt))
        return attempt is not None and attempt.outcome == "success"


class Findings(NamedTuple):
    """The figures, and for every MUST a sentence for each time it was broken."""

    accepted: int
    final: int
    statuses: Mapping[str, int]
    starts: int
    starts_most: int
    effects: int
    lines: int
    cancels: int
    finished_first: int
    stale_attempted: int
    stale_rejected: int
    rescues_s: Sequence[float]
    """seconds from a strike until each run that its victim held had left it, shortest first"""
    ticks: Mapping[str, int]
    """how many planned times there were, and of how many the ledger says what"""
    rings: int
    rerings_s: Sequence[float]
    """seconds from a ring of which nothing came until the next one for that run, shortest first"""
    fenced: int
    broken: Mapping[str, Sequence[str]]


def check(evidence: Evidence) -> Findings:
    """Everything about a drill that can be told from its traces."""
    broken = {name: list(find(evidence)) for name, find in _MUSTS.items()}
    broken |= {name: list(find(evidence.ledger)) for name, find in MUSTS_OF_SCHEDULES.items()}
    starts = Counter(mark.run_id for mark in evidence.starts)
    final = [row for row in evidence.rows.runs if _is_final(row.status)]
    accepted = set(evidence.memory.accepted)
    return Findings(
        accepted=len(accepted),
        final=sum(row.id in accepted for row in final),
        statuses=dict(sorted(Counter(_told(row) for row in evidence.rows.runs).items())),
        starts=len(evidence.starts),
        starts_most=max(starts.values(), default=0),
        effects=sum(mark.kind == EFFECT for mark in evidence.marks),
        lines=len(evidence.rows.lines),
        cancels=len(evidence.memory.cancels),
        finished_first=evidence.memory.finished_first,
        stale_attempted=evidence.rows.stale_writes + len(broken["stale_accepted"]),
        stale_rejected=evidence.rows.stale_writes,
        rescues_s=sorted(_rescues(evidence)),
        ticks=evidence.ledger.counts(),
        rings=sum(1 if ring.change > 0 else -1 for ring in evidence.rows.rings),
        rerings_s=sorted(_rerings(evidence.rows.rings)),
        fenced=evidence.rows.fenced,
        broken=broken,
    )


def _told(row: RunRow) -> str:
    return row.status if row.reason is None else f"{row.status} ({row.reason})"


def _lost(evidence: Evidence) -> Iterator[str]:
    for run_id in evidence.memory.accepted:
        row = evidence.runs.get(run_id)
        if row is None or not _is_final(row.status):
            yield f"run {run_id} was accepted and is {'gone' if row is None else row.status}"


_WHERE_IT_IS = ("owner", "available_at", "parked", "rings", "ring_at")


def _stuck(evidence: Evidence) -> Iterator[str]:
    for row in evidence.rows.runs:
        if not _is_final(row.status):
            place = ", ".join(f"{name} {getattr(row, name)}" for name in _WHERE_IT_IS)
            yield f"run {row.id} ({row.type}) is {row.status} with attempt {row.attempt} of {row.max_attempts}; {place}"


def _illegal_transitions(evidence: Evidence) -> Iterator[str]:
    """What was witnessed forms one chain of lawful steps, each claim with the next fence; what was told is lawful."""
    for run_id, changes in evidence.changes.items():
        status, fence = str(_QUEUED), 0
        for change in changes:
            told = f"run {run_id}: {change.old_status} → {change.new_status}, fence {change.old_fence} → {change.new_fence}"
            is_claim = (change.old_status, change.new_status) == (_QUEUED, _RUNNING)
            is_step = change.old_status != change.new_status
            if (change.old_status, change.old_fence) != (status, fence):
                yield f"{told}, after {status} with fence {fence}"
            elif change.new_fence != fence + is_claim or (is_step and not _is_lawful(*change[1:3])):
                yield told
            status, fence = change.new_status, change.new_fence
    for row in evidence.rows.runs:
        seen = evidence.changes.get(row.id)
        if row.status != (seen[-1].new_status if seen else _QUEUED):
            yield f"run {row.id} is {row.status}, which was not witnessed"
    for event in evidence.rows.events:
        if not _is_lawful(event.from_status, event.to_status):
            yield f"run {event.run_id} was told to go from {event.from_status} to {event.to_status}"


def _is_lawful(old: str, new: str) -> bool:
    return (old, new) in TRANSITIONS


def _doubled_outcomes(evidence: Evidence) -> Iterator[str]:
    for change in evidence.rows.changes:
        if _is_final(change.old_status):
            yield f"run {change.run_id} had ended as {change.old_status} and was changed to {change.new_status}"


def _doubled_effects(evidence: Evidence) -> Iterator[str]:
    for (run_id, attempt), marks in evidence.bodies.items():
        for kind in (START, EFFECT):
            count = sum(mark.kind == kind for mark in marks)
            if count > 1:
                yield f"run {run_id} has {count} marks of {kind} in attempt {attempt}"


def _attempt_overlaps(evidence: Evidence) -> Iterator[str]:
    """No attempt shows a sign of life once a later one has begun."""
    of_run = defaultdict(list)
    for (run_id, attempt), marks in evidence.bodies.items():
        of_run[run_id].append((attempt, marks[0].at_ns, marks[-1].at_ns))
    for run_id, bodies in of_run.items():
        bodies.sort()
        for (attempt, _, last), (later, first, _) in pairwise(bodies):
            if first < last and (run_id, attempt) not in evidence.orphaned:
                yield f"run {run_id}: attempt {attempt} lived {(last - first) / 1e9:.3f} s into attempt {later}"


def _excess_starts(evidence: Evidence) -> Iterator[str]:
    for run_id, count in Counter(mark.run_id for mark in evidence.starts).items():
        row = evidence.runs.get(run_id)
        if row is None or count > row.max_attempts:
            yield f"run {run_id} was begun {count} times, of {row.max_attempts if row else 0}"


def _started_after_stop(evidence: Evidence) -> Iterator[str]:
    """What had ended by the cancel begins no more; what ran gets no further attempt."""
    cancels = {cancel.run_id: cancel for cancel in evidence.memory.cancels}
    for mark in evidence.starts:
        cancel = cancels.get(mark.run_id)
        if cancel is None or mark.at_ns < cancel.at_ns:
            continue
        if cancel.has_ended or mark.attempt > cancel.attempt:
            late = (mark.at_ns - cancel.at_ns) / 1e9
            yield f"run {mark.run_id}: attempt {mark.attempt} began {late:.3f} s after its cancel"


def _limit_overlaps(evidence: Evidence) -> Iterator[str]:
    spans = sorted(
        (marks[0].at_ns, marks[-1].at_ns, run_id)
        for (run_id, attempt), marks in evidence.bodies.items()
        if run_id in evidence.runs
        and evidence.runs[run_id].type == "alone"
        and (run_id, attempt) not in evidence.orphaned
    )
    for (_, last, run_id), (first, _, other) in pairwise(spans):
        if first < last:
            yield f"runs {run_id} and {other} were at work at once for {(last - first) / 1e9:.3f} s, with a limit of 1"


def _log_lines(evidence: Evidence) -> Iterator[str]:
    """The log of an attempt that succeeded has every line that it logged, in order; no number is left out."""
    of_run: Mapping[str, list[LineRow]] = defaultdict(list)
    for line in evidence.rows.lines:
        of_run[line.run_id].append(line)
    for run_id, lines in of_run.items():
        if [line.seq for line in lines] != list(range(1, len(lines) + 1)):
            yield f"the log entries of run {run_id} are not numbered from 1 without gaps"
    for mark in evidence.kept_effects:
        found = [line.message for line in of_run.get(mark.run_id, []) if line.attempt == mark.attempt
                 and line.logger == LOGGER]  # fmt: skip
        if found != [str(number) for number in range(mark.lines)]:
            yield f"run {mark.run_id}, attempt {mark.attempt} logged {mark.lines} lines; kept are {' '.join(found)}"


def _started_too_early(evidence: Evidence) -> Iterator[str]:
    done = {mark.run_id: mark.at_ns for mark in evidence.kept_effects}
    for mark in evidence.starts:
        before = evidence.memory.follows.get(mark.run_id)
        if before is None:
            continue
        row = evidence.runs.get(before)
        if row is None or not has_succeeded(Status(row.status)) or done.get(before, mark.at_ns) >= mark.at_ns:
            yield f"run {mark.run_id} began before run {before} had succeeded"


def _wrong_subruns(evidence: Evidence) -> Iterator[str]:
    children = Counter(row.parent_id for row in evidence.rows.runs if row.parent_id is not None)
    for row in evidence.rows.runs:
        counts = {children[row.id], row.total_subtasks, row.completed_subtasks}
        if _is_final(row.status) and len(counts) > 1:
            yield (f"run {row.id} has {children[row.id]} sub-runs, and counted {row.completed_subtasks} "
                   f"of {row.total_subtasks}")  # fmt: skip
    for mark in evidence.kept_effects:
        if children[mark.run_id] != mark.spawned:
            yield f"run {mark.run_id} spawned {mark.spawned} sub-runs; there are {children[mark.run_id]}"


def _untold(evidence: Evidence) -> Iterator[str]:
    """Every start is an attempt, and every end that was witnessed is told by an attempt or an event."""
    for mark in evidence.starts:
        attempt = evidence.attempts.get((mark.run_id, mark.attempt))
        row = evidence.runs.get(mark.run_id)
        if row is not None and _is_final(row.status) and (attempt is None or attempt.outcome is None):
            yield f"run {mark.run_id} began attempt {mark.attempt}, of which no outcome is told"
    told = {(row.run_id, row.fence) for row in evidence.rows.attempts if row.outcome is not None}
    ends = {(event.run_id, event.to_status) for event in evidence.rows.events}
    for change in evidence.rows.changes:
        known = (change.run_id, change.old_fence) in told or (change.run_id, change.new_status) in ends
        if _is_final(change.new_status) and not known:
            yield f"run {change.run_id} went from {change.old_status} to {change.new_status}, which nothing tells"


def _stale_accepted(evidence: Evidence) -> Iterator[str]:
    """An outcome is told only under a fence that the run had when it left RUNNING."""
    left = {(change.run_id, change.old_fence) for change in evidence.rows.changes if change.old_status == _RUNNING}
    for row in evidence.rows.attempts:
        if row.outcome is not None and (row.run_id, row.fence) not in left:
            yield f"attempt {row.attempt} of run {row.run_id} ended {row.outcome} under fence {row.fence}, held no more"


def _rescues(evidence: Evidence) -> Iterator[float]:
    left: dict[tuple[str, int], int] = {}
    told = [((row.run_id, row.fence), row.ended_at) for row in evidence.rows.attempts if row.outcome is not None]
    told += [((event.run_id, event.fence), event.at) for event in evidence.rows.events if event.from_status == _RUNNING]
    for held, at in told:
        if at is not None:
            left[held] = min(at, left.get(held, at))
    for strike in evidence.strikes:
        yield from (max(0, left[held] - strike.at_us) / 1e6 for held in strike.held if held in left)


def _rerings(rings: Sequence[RingRow]) -> Iterator[float]:
    sent: dict[str, list[RingRow]] = defaultdict(list)
    for ring in rings:
        if ring.change > 0:
            sent[ring.run_id].append(ring)
        elif sent[ring.run_id]:
            sent[ring.run_id].pop()
    for of_run in sent.values():
        yield from (max(0, ring.at - before.at) / 1e6 for before, ring in pairwise(of_run) if ring.is_again)


_MUSTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "lost": _lost,
    "stuck": _stuck,
    "illegal_transitions": _illegal_transitions,
    "doubled_outcomes": _doubled_outcomes,
    "doubled_effects": _doubled_effects,
    "attempt_overlaps": _attempt_overlaps,
    "excess_starts": _excess_starts,
    "started_after_stop": _started_after_stop,
    "started_too_early": _started_too_early,
    "limit_overlaps": _limit_overlaps,
    "log_lines": _log_lines,
    "wrong_subruns": _wrong_subruns,
    "untold": _untold,
    "stale_accepted": _stale_accepted,
}
MUSTS = (*_MUSTS, *MUSTS_OF_SCHEDULES)
