"""The door: every change of a run's status but the claim. Takes lists; each statement carries its guard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from ..core import lifecycle
from ..core.ids import new_id
from ..core.outcome import Outcome, OutcomeKind
from ..core.principal import Principal
from ..core.run import Run, Status
from ..store import claims, runs
from ..store.statements import AnyConnection
from .holder import Claim, Holder

LOST_MESSAGE = "The worker that ran this was ended before the run finished."


def _written(kind: OutcomeKind) -> tuple[str | None, ...]:
    """Status and reason as `store.claims.finish` takes them: each as it is, and when a stop was asked."""
    (status, reason), (stopped, why) = (lifecycle.verdict(kind, stop_requested=asked) for asked in (False, True))
    return status.value, stopped.value, reason and reason.value, why and why.value


_WRITTEN = {kind: _written(kind) for kind in OutcomeKind}


def stop(connection: Connection, run: Run, by: Principal, reason: str | None, now_us: int) -> bool:
    """Cancel a queued run or ask a running one to stop; False when neither was possible any more."""
    # Held still, as it could else go from running back to queued between the two statements.
    runs.lock(connection, run.tenant, run.id)
    asked = (connection, run.tenant, run.id, by.name, reason, now_us)
    if runs.cancel_queued(*asked):
        claims.record_events(connection, [_event(run.tenant, run.id, Status.QUEUED, Status.CANCELLED,
                                                 by.id, run.attempt, reason, now_us)])  # fmt: skip
        claims.remember_last(connection, [run.id])
        return True
    return bool(runs.request_stop(*asked))


def finish(connection: AnyConnection, holder: Holder, ended: Sequence[tuple[Claim, Outcome]]) -> set[str]:
    """End runs with the outcomes of their attempts; the ids of those that this holder held no more."""
    stale: set[str] = set()
    if claims.finish(connection, [_finish_row(holder, *one) for one in ended]) != len(ended):
        ours = claims.ended_by(connection, [claim.id for claim, _ in ended], holder.id)
        stale = {claim.id for claim, _ in ended if ours.get(claim.id) != claim.fence}
        ended = [(claim, outcome) for claim, outcome in ended if claim.id not in stale]
    claims.record_attempts(connection, [_attempt_row(holder, claim, outcome) for claim, outcome in ended])
    claims.remember_last(connection, _worth_remembering(ended))
    return stale


def release(connection: AnyConnection, holder: Holder, unstarted: Sequence[Claim], now_us: int) -> None:
    """Give back claims whose body had not begun; no attempt is burnt. One that was asked to stop is CANCELLED."""
    events, cancelled = [], []
    for claim in unstarted:
        fenced = (claim.id, holder.id, claim.fence)
        if claims.release(connection, [fenced]):
            new = Status.QUEUED
        elif claims.cancel_unbegun(connection, [(now_us, *fenced)]):
            new = Status.CANCELLED
            cancelled.append(claim.id)
        else:
            continue
        events.append(_event(claim.tenant, claim.id, Status.RUNNING, new, holder.id, claim.fence, "not begun", now_us))
    claims.record_events(connection, events)
    claims.remember_last(connection, cancelled)


def lose(connection: AnyConnection, holder: Holder, now_us: int) -> int:
    """End everything that a dead holder held as FAILED(lost); how many runs that were."""
    held = [
        (Claim.of_row(row), Outcome(kind=OutcomeKind.LOST, message=LOST_MESSAGE, started_us=row[-1],
                                    ended_us=now_us))
        for row in claims.held_by(connection, holder.id)
    ]  # fmt: skip
    finish(connection, holder, held)
    return len(held)


def _finish_row(holder: Holder, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    return (*_WRITTEN[outcome.kind], outcome.message, outcome.traceback, outcome.result, outcome.errored_entries,
            outcome.started_us, outcome.ended_us, claim.id, holder.id, claim.fence)  # fmt: skip


def _attempt_row(holder: Holder, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    return (claim.id, claim.attempt, claim.tenant, claim.fence, holder.id, holder.host, holder.boot_id,
            outcome.pid, outcome.started_us, outcome.ended_us, outcome.kind._value_,
            outcome.exit_code, outcome.signal, outcome.rss_max)  # fmt: skip


def _worth_remembering(ended: Sequence[tuple[Claim, Outcome]]) -> list[str]:
    """Of many successes of one subject only the newest; failures all, as some become CANCELLED."""
    newest: dict[Any, str] = {}
    for claim, outcome in ended:
        if claim.subject is not None:
            single = None if outcome.kind is OutcomeKind.SUCCESS else claim.id
            key = (claim.subject, outcome.kind, single)
            newest[key] = max(newest.get(key, ""), claim.id)
    return list(newest.values())


def _event(
    tenant: str, run_id: str, old: Status, new: Status, actor: str, fence: int, detail: str | None, now_us: int
) -> tuple[Any, ...]:
    return (new_id(now_us), tenant, run_id, now_us, old.value, new.value, actor, fence, detail)
