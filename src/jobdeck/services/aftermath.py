"""What the end of a run means for others: limits get room, dependents go on or end, parents count, the next in line
comes. In the transaction of that end, and as far as it reaches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import rollup
from ..core.ids import new_id
from ..core.lifecycle import has_succeeded
from ..core.outcome import OutcomeKind
from ..core.run import Counters, Reason, Status
from ..store import dependencies, endings, followups, slots, subruns
from ..store.statements import AnyConnection

_ACTOR = "jobdeck"
_LIVE_LIMIT = 100_000


@dataclass(slots=True, kw_only=True)
class Ended:
    """A run that has just ended, or left its slot. `status` None: not read yet, `was_running` whether it held a slot."""

    id: str
    tenant: str
    parent_id: str | None
    limit_key: str | None
    job_id: str | None
    status: Status | None = None
    was_running: bool = True

    @classmethod
    def of_row(cls, row: Sequence[Any], *, was_running: bool) -> Ended:
        """From a row of `store.endings`."""
        run_id, tenant, parent_id, limit_key, job_id, _, _, status, _ = row
        return cls(id=run_id, tenant=tenant, parent_id=parent_id, limit_key=limit_key, job_id=job_id,
                   status=Status(status), was_running=was_running)  # fmt: skip


def settle(connection: AnyConnection, ended: Iterable[Ended], now_us: int, newest: Sequence[str] | None = None) -> int:
    """Draw all consequences of these ends, and of those that they cause; how many runs came in line.

    `newest`: those among `ended` that can be the last run of something; None: any.
    """
    batch, freed = list(ended), 0
    remembered = [one.id for one in batch] if newest is None else list(newest)
    while batch:
        freed += free(connection, (one for one in batch if one.was_running))
        released, caused = _release_dependents(connection, batch, now_us)
        freed += released + _note_followups(connection, batch, now_us)
        for child in sorted((one for one in batch if one.parent_id), key=lambda one: (one.parent_id or "", one.id)):
            caused += _count(connection, child, now_us)
        remembered += [one.id for one in caused]
        batch = caused
    endings.remember_last(connection, remembered)
    return freed


def free(connection: AnyConnection, left: Iterable[Ended]) -> int:
    """These runs hold their limits no more: as many that are parked come back in line. How many did."""
    freed = Counter((one.tenant, one.limit_key) for one in left if one.limit_key is not None)
    for tenant in sorted({tenant for tenant, _ in freed}):
        slots.lock(connection, tenant, (key for of, key in freed if of == tenant and key))
    return sum(slots.make_room(connection, str(key), count) for (_, key), count in sorted(freed.items()))


def end_queued(
    connection: AnyConnection,
    run_ids: Sequence[str],
    verdict: tuple[Status, Reason],
    now_us: int,
    *,
    message: str | None = None,
    actor: str = _ACTOR,
) -> list[Ended]:
    """End queued runs that never began; those that were still queued. Consequences are the caller's (`settle`)."""
    status, reason = verdict
    rows = endings.end_queued(connection, run_ids, (status.value, reason.value, message, now_us))
    endings.record_events(connection, [
        (new_id(now_us), tenant, run_id, now_us, "QUEUED", status.value, actor, fence, message or reason.value)
        for run_id, tenant, *_, fence in rows
    ])  # fmt: skip
    return [Ended.of_row(row, was_running=False) for row in rows]


def stop_below(
    connection: AnyConnection, run_ids: Sequence[str], by: str, reason: str | None, kind: Reason, now_us: int
) -> list[Ended]:
    """Stop all live sub-runs of these runs: running ones are asked, queued ones end; the latter are returned."""
    found = subruns.live_below(connection, run_ids, _LIVE_LIMIT)
    running = [run_id for run_id, status in found if status == Status.RUNNING]
    queued = [run_id for run_id, status in found if status == Status.QUEUED]
    told = None if kind is Reason.STOPPED else kind.value
    endings.request_stop(connection, running, (now_us, by, reason, told))
    ended = end_queued(connection, queued, (Status.CANCELLED, kind), now_us, message=reason, actor=by)
    endings.note_stop(connection, [one.id for one in ended], (now_us, by, reason))
    return ended + end_elsewhere(connection, running, now_us, by)


def end_elsewhere(connection: AnyConnection, run_ids: Sequence[str], now_us: int, actor: str) -> list[Ended]:
    """Runs that are executed elsewhere, by nobody of ours, end as soon as they are asked to stop."""
    rows = endings.cancel_elsewhere(connection, run_ids, now_us)
    endings.record_events(connection, [
        (new_id(now_us), tenant, run_id, now_us, "RUNNING", "CANCELLED", actor, fence, "executed elsewhere")
        for run_id, tenant, *_, fence in rows
    ])  # fmt: skip
    return [Ended.of_row(row, was_running=True) for row in rows]


def complete(connection: AnyConnection, parent_id: str, now_us: int) -> list[Ended]:
    """End a parent whose body has returned and whose last sub-run has ended; nothing while either is open."""
    row = subruns.complete(connection, parent_id)
    if row is None:
        return []
    (kind, asked_at, stop_kind, total, completed, failed, errored, inserted, updated, entries, said, tenant,
     grandparent, limit_key, job_id, _, _, fence) = row  # fmt: skip
    counters = Counters(
        total_subtasks=total, completed_subtasks=completed, failed_subtasks=failed, errored_entries=errored,
        inserted_entries=inserted, updated_entries=updated, total_entries=entries,
    )  # fmt: skip
    status, reason = rollup.rolled_up(OutcomeKind(kind), counters, stop_requested=asked_at is not None)
    if reason is Reason.STOPPED and stop_kind is not None:
        reason = Reason(stop_kind)
    message = " ".join(text for text in (said, rollup.message(counters)) if text)
    subruns.finish_parent(connection, [(status.value, reason and reason.value, message, now_us, parent_id)])
    endings.record_events(connection, [(new_id(now_us), tenant, parent_id, now_us, "RUNNING", status.value, _ACTOR,
                                        fence, "last sub-run")])  # fmt: skip
    return [Ended(id=parent_id, tenant=tenant, parent_id=grandparent, limit_key=limit_key, job_id=job_id,
                  status=status)]  # fmt: skip


def _count(connection: AnyConnection, child: Ended, now_us: int) -> list[Ended]:
    parent_id = str(child.parent_id)
    status = child.status or Status(dependencies.statuses(connection, [child.id])[child.id])
    subruns.count_ended(connection, child.id, parent_id, failed=not has_succeeded(status))
    return complete(connection, parent_id, now_us)


def _note_followups(connection: AnyConnection, batch: Sequence[Ended], now_us: int) -> int:
    """Note what is to be started for jobs that run after others; how many runs."""
    of_jobs = [one for one in batch if one.job_id is not None and one.parent_id is None]
    if not of_jobs:
        return 0
    after = followups.jobs_after(connection, sorted({str(one.job_id) for one in of_jobs}))
    if not after:
        return 0
    statuses = dependencies.statuses(connection, [one.id for one in of_jobs])
    rows = [
        (job_id, one.id, one.tenant, now_us)
        for one in of_jobs
        for job_id, before, need in after
        if before == one.job_id and (need == "end" or has_succeeded(Status(statuses[one.id])))
    ]
    followups.add(connection, rows)
    return len(rows)


def _release_dependents(connection: AnyConnection, batch: Sequence[Ended], now_us: int) -> tuple[int, list[Ended]]:
    """Let go on what waited for these, or end it; (how many go on, those that have ended)."""
    found = dependencies.waiting_for(connection, [one.id for one in batch])
    if not found:
        return 0, []
    status = {run_id: Status(text) for run_id, text in
              dependencies.statuses(connection, list({after for _, after, _ in found})).items()}  # fmt: skip
    waited: dict[str, int] = {}
    failed: dict[str, str] = {}
    for run_id, after, need in found:
        waited[run_id] = waited.get(run_id, 0) + 1
        if need == "success" and not has_succeeded(status[after]):
            failed.setdefault(run_id, after)
    dependencies.resolve(connection, [(now_us, run_id, after) for run_id, after, _ in found])
    released = [(count, count, run_id) for run_id, count in waited.items() if run_id not in failed]
    dependencies.release(connection, released)
    caused: list[Ended] = []
    for parent_id in dict.fromkeys(failed.values()):
        how = Status.CANCELLED if status[parent_id] is Status.CANCELLED else Status.FAILED
        message = f"Run {parent_id}, which had to succeed before this one, ended as {status[parent_id]}."
        run_ids = [run_id for run_id, after in failed.items() if after == parent_id]
        caused += end_queued(connection, run_ids, (how, Reason.DEPENDENCY), now_us, message=message)
    return len(released), caused
