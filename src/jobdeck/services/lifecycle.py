"""The door: every change of a run's status but the claim. Takes lists; each statement carries its guard."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from ..core import lifecycle
from ..core.ids import new_id
from ..core.outcome import Outcome, OutcomeKind
from ..core.principal import Principal
from ..core.retry import delay_s
from ..core.run import Reason, Run, Status
from ..store import endings, lines, runs, subruns
from ..store.statements import AnyConnection
from . import aftermath
from .aftermath import Ended
from .holder import Claim, Holder

LOST_MESSAGE = "The worker that ran this was ended before the run finished."
RELEASES_LIMIT = 3
QUARANTINE_AFTER = 5
_FAILURES = (OutcomeKind.ERROR, OutcomeKind.TIMEOUT, OutcomeKind.LOST, OutcomeKind.RELEASED)

Attempts = list[tuple[Claim, Outcome]]


def _written(kind: OutcomeKind) -> tuple[str | None, ...]:
    """Status and reason as `store.endings.finish` takes them: each as it is, and when a stop was asked."""
    (status, reason), (stopped, why) = (lifecycle.verdict(kind, stop_requested=asked) for asked in (False, True))
    return status.value, stopped.value, reason and reason.value, why and why.value


_WRITTEN = {kind: _written(kind) for kind in OutcomeKind}


def stop(
    connection: Connection, run: Run, by: Principal, reason: str | None, now_us: int, kind: Reason = Reason.STOPPED
) -> bool:
    """Cancel a queued run or ask a running one to stop, and its sub-runs; False when neither was possible any more."""
    subruns.lock_below(connection, [run.id])
    # Held still, as it could else go from running back to queued between the two statements.
    runs.lock(connection, run.tenant, run.id)
    told = None if kind is Reason.STOPPED else kind.value
    ended = aftermath.end_queued(connection, [run.id], (Status.CANCELLED, kind), now_us, message=reason, actor=by.id)
    if ended:
        endings.note_stop(connection, [run.id], (now_us, by.name, reason))
    elif not endings.request_stop(connection, [run.id], (now_us, by.name, reason, told)):
        return False
    else:
        ended = aftermath.end_elsewhere(connection, [run.id], now_us, by.id)
        ended += aftermath.stop_below(connection, [run.id], by.name, reason, kind, now_us)
        ended += aftermath.complete(connection, run.id, now_us)
    aftermath.settle(connection, ended, now_us)
    return True


@dataclass(frozen=True, slots=True)
class Settled:
    """(id, fence) of runs that were held no more, about which nothing was changed; how many runs came in line."""

    stale: set[tuple[str, int]]
    freed: int


def finish(connection: AnyConnection, holder: Holder, ended: Attempts, now_us: int) -> Settled:
    """Take the outcomes of attempts: runs end, or are queued to be tried again, or wait for their sub-runs.

    Outcomes that were taken before change nothing.
    """
    again, final = _retry(connection, holder, ended, now_us)
    stale: set[tuple[str, int]] = set()
    waiting: Attempts = []
    if final and endings.finish(connection, [_finish_row(holder, *one) for one in final]) != len(final):
        final, waiting, stale = _sort_out(connection, holder, final)
    known = final + waiting + again
    endings.record_attempts(connection, [_attempt_row(holder, claim, outcome) for claim, outcome in known])
    caused: list[Ended] = []
    for claim, outcome in waiting:
        caused += _wait_for_subruns(connection, claim, outcome, now_us)
    newest = _worth_remembering(final) + [one.id for one in caused]
    # All limits at once, as they are locked in order.
    freed = len(again) + aftermath.free(
        connection, (_ended(claim) for claim, _ in final + again if claim.limit_key is not None)
    )
    freed += aftermath.settle(
        connection, [_ended(claim, was_running=False) for claim, _ in final] + caused, now_us, newest
    )
    # After the limits, as whoever counts the lost does.
    survived = {claim.type for claim, outcome in known if claim.type and outcome.kind is not OutcomeKind.LOST}
    if survived:
        lines.count_survived(connection, sorted(survived))
    return Settled(stale, freed)


def give_back(connection: AnyConnection, holder: Holder, unstarted: Sequence[Claim], now_us: int) -> int:
    """Give back claims whose body had not begun; no attempt is burnt. One that was asked to stop is CANCELLED.

    How many runs came in line.
    """
    events, ended, back = [], [], []
    for claim in unstarted:
        fenced = (claim.id, holder.id, claim.fence)
        if endings.give_back(connection, fenced):
            new = Status.QUEUED
            back.append(_ended(claim))
        elif endings.cancel_unbegun(connection, (now_us, *fenced)):
            new = Status.CANCELLED
            ended.append(_ended(claim))
        else:
            continue
        events.append(_event(claim, Status.RUNNING, new, holder.id, "not begun", now_us))
    endings.record_events(connection, events)
    freed = aftermath.free(connection, back)
    return freed + len(back) + aftermath.settle(connection, ended, now_us)


def rescue(
    connection: AnyConnection, holder: Holder, held: Sequence[Any], has_begun: Callable[[Claim], bool], now_us: int
) -> int:
    """What a dead holder held: what had not begun goes back unburnt, the rest is tried again or ends FAILED(lost).

    `held` are rows of `store.claims.held_by`, locked by this transaction. How many had begun.
    """
    claims = [(Claim.of_row(row), row[-1]) for row in held]
    begun = [(claim, started_us) for claim, started_us in claims if has_begun(claim)]
    ids = {claim.id for claim, _ in begun}
    give_back(connection, holder, [claim for claim, _ in claims if claim.id not in ids], now_us)
    outcomes = [
        (claim, Outcome(kind=OutcomeKind.LOST, message=LOST_MESSAGE, started_us=started_us, ended_us=now_us))
        for claim, started_us in begun
    ]
    finish(connection, holder, outcomes, now_us)
    for tenant, type_id in sorted({(claim.tenant, claim.type) for claim, _ in begun if claim.type}):
        _suspect(connection, tenant, str(type_id), now_us)
    return len(begun)


def stop_late(connection: AnyConnection, parent_id: str, child_id: str, now_us: int) -> None:
    """End a sub-run that came after the stop of its parent was asked."""
    asked = subruns.stop_of(connection, parent_id)
    if asked is None:
        return
    by, why, kind = asked
    verdict = (Status.CANCELLED, Reason(kind or Reason.STOPPED))
    ended = aftermath.end_queued(connection, [child_id], verdict, now_us, message=why, actor=by)
    endings.note_stop(connection, [child_id], (now_us, by, why))
    aftermath.settle(connection, ended, now_us)


def expire(connection: AnyConnection, now_us: int, limit: int) -> int:
    """End queued runs whose time to begin is over; how many."""
    ended = aftermath.end_queued(
        connection, endings.expired(connection, now_us, limit), (Status.FAILED, Reason.EXPIRED), now_us,
        message="The run did not begin before its time was over.",
    )  # fmt: skip
    aftermath.settle(connection, ended, now_us)
    return len(ended)


def skip(connection: AnyConnection, run_ids: Sequence[str], now_us: int) -> None:
    """End queued runs whose limit is full and which do not wait."""
    ended = aftermath.end_queued(
        connection, run_ids, (Status.CANCELLED, Reason.SKIPPED), now_us,
        message="As many runs as its limit allows were at work.",
    )  # fmt: skip
    aftermath.settle(connection, ended, now_us)


def _retry(connection: AnyConnection, holder: Holder, ended: Attempts, now_us: int) -> tuple[Attempts, Attempts]:
    """Queue again what may be tried again; (those, the others)."""
    again: Attempts = []
    final: Attempts = []
    events = []
    for claim, outcome in ended:
        if outcome.kind in _FAILURES and _is_queued_again(connection, holder, claim, outcome, now_us):
            again.append((claim, outcome))
            detail = f"attempt {claim.attempt}: {outcome.kind}"
            events.append(_event(claim, Status.RUNNING, Status.QUEUED, holder.id, detail, now_us))
        else:
            final.append((claim, outcome))
    endings.record_events(connection, events)
    return again, final


def _is_queued_again(connection: AnyConnection, holder: Holder, claim: Claim, outcome: Outcome, now_us: int) -> bool:
    fenced = (claim.id, holder.id, claim.fence)
    if outcome.kind is OutcomeKind.RELEASED:
        return bool(endings.release(connection, (*fenced, RELEASES_LIMIT)))
    if claim.attempt >= claim.max_attempts or outcome.retry is False:
        return False
    at = now_us + _delay_us(claim, outcome)
    is_lost = int(outcome.kind is OutcomeKind.LOST)
    told = (at, at, outcome.message, outcome.traceback, outcome.started_us, is_lost)
    return bool(endings.retry(connection, (*told, *fenced)))


def _delay_us(claim: Claim, outcome: Outcome) -> int:
    asked = outcome.retry
    seconds = delay_s(claim.retry, claim.attempt, random.random()) if isinstance(asked, bool) else asked  # noqa: S311 - jitter is no secret
    return int(seconds * 1_000_000)


def _sort_out(
    connection: AnyConnection, holder: Holder, final: Attempts
) -> tuple[Attempts, Attempts, set[tuple[str, int]]]:
    """Some were not ended as told: (those that were, those that have sub-runs, (id, fence) of those held no more)."""
    run_ids = [claim.id for claim, _ in final]
    ours = endings.ended_by(connection, run_ids, holder.id)
    taken = endings.outcomes(connection, run_ids, holder.id)
    ended: Attempts = []
    waiting: Attempts = []
    stale: set[tuple[str, int]] = set()
    for claim, outcome in final:
        if taken.get((claim.id, claim.fence)) == outcome.kind:
            # Told again, because nobody knew whether it was written. So it was, with all that it meant for others.
            continue
        if ours.get(claim.id) == claim.fence:
            ended.append((claim, outcome))
            continue
        if _stops_subruns(outcome):
            subruns.lock_below(connection, [claim.id])
        if endings.return_body(connection, _body_row(holder, claim, outcome)):
            waiting.append((claim, outcome))
        else:
            stale.add((claim.id, claim.fence))
    return ended, waiting, stale


def _wait_for_subruns(connection: AnyConnection, claim: Claim, outcome: Outcome, now_us: int) -> list[Ended]:
    """The body of a parent has returned: when it failed or was stopped its sub-runs are stopped; it may be complete."""
    ended: list[Ended] = []
    if _stops_subruns(outcome):
        kind = Reason.STOPPED if outcome.kind is OutcomeKind.STOPPED else Reason.DEPENDENCY
        ended = aftermath.stop_below(connection, [claim.id], "jobdeck", "Its parent has ended.", kind, now_us)
    return ended + aftermath.complete(connection, claim.id, now_us)


def _stops_subruns(outcome: Outcome) -> bool:
    return outcome.kind in _FAILURES or outcome.kind is OutcomeKind.STOPPED


def _suspect(connection: AnyConnection, tenant: str, type_id: str, now_us: int) -> None:
    """A worker died while it ran this type; a type that was there every time is paused."""
    count = lines.count_lost(connection, tenant, type_id)
    if count >= QUARANTINE_AFTER:
        why = f"Quarantined: {count} workers in a row died while they ran it."
        lines.pause(connection, "type", tenant, type_id, (now_us, "jobdeck", why))


def _ended(claim: Claim, *, was_running: bool = True) -> Ended:
    return Ended(id=claim.id, tenant=claim.tenant, parent_id=claim.parent_id, limit_key=claim.limit_key,
                 job_id=claim.job_id, was_running=was_running)  # fmt: skip


def _finish_row(holder: Holder, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    return (*_WRITTEN[outcome.kind], outcome.message, outcome.traceback, outcome.result, outcome.errored_entries,
            outcome.started_us, outcome.ended_us, claim.id, holder.id, claim.fence)  # fmt: skip


def _body_row(holder: Holder, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    return (outcome.kind.value, outcome.message, outcome.traceback, outcome.result, outcome.errored_entries,
            outcome.started_us, claim.id, holder.id, claim.fence)  # fmt: skip


def _attempt_row(holder: Holder, claim: Claim, outcome: Outcome) -> tuple[Any, ...]:
    return (claim.id, claim.attempt, claim.tenant, claim.fence, holder.id, holder.host, holder.boot_id,
            outcome.pid, outcome.started_us, outcome.ended_us, outcome.kind._value_, outcome.message,
            outcome.exit_code, outcome.signal, outcome.rss_max)  # fmt: skip


def _worth_remembering(ended: Attempts) -> list[str]:
    """Of many successes of one subject only the newest; failures all, as some become CANCELLED."""
    newest: dict[Any, str] = {}
    for claim, outcome in ended:
        if claim.subject is not None:
            single = None if outcome.kind is OutcomeKind.SUCCESS else claim.id
            key = (claim.subject, outcome.kind, single)
            newest[key] = max(newest.get(key, ""), claim.id)
    return list(newest.values())


def _event(claim: Claim, old: Status, new: Status, actor: str, detail: str | None, now_us: int) -> tuple[Any, ...]:
    return (new_id(now_us), claim.tenant, claim.id, now_us, old.value, new.value, actor, claim.fence, detail)
