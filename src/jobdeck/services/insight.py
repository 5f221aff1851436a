"""Why is it not running? All reasons, from the same predicates that the claim uses, in words; its place in line; a guess
when it begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ..core.filters import COUNT_LIMIT
from ..core.new_run import order_of
from ..core.permissions import Action
from ..core.queue import Carrier
from ..core.run import Run, Status
from ..core.times import from_us, iso, to_us
from ..core.waiting import WaitingReason, Why
from ..core.worker import WorkerInfo
from ..store import dependencies, lines, slots, waiting
from . import engines
from .office import Service
from .unserved import GUESS_US, Gap, Staff, gaps, staff

_SHOWN = 3


class Insight(Service):
    """What can be said of runs that wait."""

    def why(self, run: Run) -> Why:
        """Everything about one run."""
        self._require(Action.RUNS_READ, run.id)
        now = from_us(self._now_us())
        if run.status is not Status.QUEUED:
            return Why(status=run.shown_status(now), reasons=self.reasons([run]).get(run.id, ()))
        reasons = self.reasons([run])[run.id]
        workers = self._serving(run)
        processes = sum(worker.processes for worker in workers)
        if reasons:
            return Why(status=run.shown_status(now), reasons=reasons, processes=processes)
        with self._database.read() as connection:
            order = order_of(to_us(run.available_at), run.priority)
            before = waiting.rank(connection, run, order, self._now_us(), COUNT_LIMIT)
            took_us = waiting.usual_duration(connection, self._tenant, run.type) if run.type else None
        starts = None
        if took_us is not None and processes:
            starts = now + timedelta(microseconds=took_us * (before // processes))
        return Why(status=run.shown_status(now), reasons=(), position=before + 1, starts_at=starts, processes=processes)

    def reasons(self, of: Sequence[Run]) -> dict[str, tuple[WaitingReason, ...]]:
        """The reasons of every queued run among these, by id; also of a running one that waits for its sub-runs."""
        queued = [run for run in of if run.status is Status.QUEUED]
        found: dict[str, tuple[WaitingReason, ...]] = {
            run.id: (_of_subruns(run),) for run in of if run.status is Status.RUNNING and run.body_kind is not None
        }
        if not queued:
            return found
        self._require(Action.RUNS_READ)
        with self._database.read() as connection:
            codes = waiting.reasons_of(connection, self._tenant, [run.id for run in queued], self._now_us())
            told: dict[object, WaitingReason] = {}
            for run in queued:
                for code in codes.get(run.id, []):
                    key = (code, _SHARED.get(code, _itself)(run))
                    if key not in told:
                        told[key] = self._in_words(connection, code, run)
                    found[run.id] = (*found.get(run.id, ()), told[key])
        who, carriers = staff(self._office, self._tenant), engines.carriers(self._office)
        missing = {queue: gaps(queue, carriers.get(queue, Carrier()), who) for queue in {run.queue for run in queued}}
        for run in queued:
            engine = carriers.get(run.queue, Carrier()).engine
            of_queue = _of_queue(run, missing[run.queue], self._now_us())
            found[run.id] = (*found.get(run.id, ()), *of_queue, *_of_type(run, engine, who))
        return found

    def _serving(self, run: Run) -> list[WorkerInfo]:
        engine = self._office.settings.engine_of(run.queue)
        workers = staff(self._office, self._tenant).serving(run.queue, engine)
        return [one for one in workers if run.type is None or run.type in one.types]

    def _in_words(self, connection: Connection, code: str, run: Run) -> WaitingReason:
        message, since = _WORDS[code](connection, self._tenant, run)
        return WaitingReason(code=code, message=message, since=since)


Told = tuple[str, datetime | None]


def _elsewhere(connection: Connection, tenant: str, run: Run) -> Told:
    return "Somebody else executes it, and has not begun.", run.created_at


def _dependency(connection: Connection, tenant: str, run: Run) -> Told:
    still = [(after, need) for after, need, at in dependencies.of_run(connection, run.id) if at is None]
    statuses = dependencies.statuses(connection, [after for after, _ in still]) if still else {}
    named = [f"run {after} ({statuses.get(after, 'unknown')})" for after, _ in still[:_SHOWN]]
    if len(still) > _SHOWN:
        named.append(f"{len(still) - _SHOWN} more")
    what = "to succeed" if all(need == "success" for _, need in still) else "to end"
    return f"It waits for {_listed(named)} {what}.", run.created_at


def _start_time(connection: Connection, tenant: str, run: Run) -> Told:
    return f"It starts at {iso(run.available_at)}.", run.created_at


def _backoff(connection: Connection, tenant: str, run: Run) -> Told:
    tried = f"Attempt {run.attempt} of {run.max_attempts} failed"
    return f"{tried}; it is tried again at {iso(run.available_at)}.", None


def _expired(connection: Connection, tenant: str, run: Run) -> Told:
    return f"Its time to begin was over at {iso(run.expires_at)}; it is about to end as FAILED.", run.expires_at


def _queue_paused(connection: Connection, tenant: str, run: Run) -> Told:
    told = lines.paused(connection, "queue", tenant).get(run.queue)
    return _paused(f"The queue {run.queue}", told)


def _type_paused(connection: Connection, tenant: str, run: Run) -> Told:
    told = lines.paused(connection, "type", tenant).get(run.type or "")
    return _paused(f"The job type {run.type}", told)


def _limit(connection: Connection, tenant: str, run: Run) -> Told:
    key = str(run.limit_key)
    holders = [run_id for run_id, status in slots.live_oldest_first(connection, key, 1 + (run.limit_n or 1))
               if status == Status.RUNNING]  # fmt: skip
    named = [f"run {run_id}" for run_id in holders[:_SHOWN]]
    if len(holders) > _SHOWN:
        named.append(f"{len(holders) - _SHOWN} more")
    verb = "is" if len(holders) == 1 else "are"
    return f"At most {run.limit_n} of {key.partition(' ')[2]} may run at once; {_listed(named)} {verb} at work.", None


def _queue_limit(connection: Connection, tenant: str, run: Run) -> Told:
    limit = lines.limits(connection, tenant).get(run.queue)
    return f"At most {limit} runs of the queue {run.queue} may be at work at once, and so many are.", None


_WORDS: dict[str, Any] = {
    "elsewhere": _elsewhere,
    "dependency": _dependency,
    "start_time": _start_time,
    "backoff": _backoff,
    "expired": _expired,
    "queue_paused": _queue_paused,
    "type_paused": _type_paused,
    "limit": _limit,
    "queue_limit": _queue_limit,
}


def _itself(run: Run) -> object:
    return run.id


# What the words depend on, where that is not the run itself: they are found once for all runs of a list that share it.
_SHARED: dict[str, Callable[[Run], object]] = {
    "queue_paused": lambda run: run.queue,
    "type_paused": lambda run: run.type,
    "limit": lambda run: (run.limit_key, run.limit_n),
    "queue_limit": lambda run: run.queue,
}


def _paused(what: str, told: tuple[Any, ...] | None) -> Told:
    if told is None:
        return f"{what} was paused a moment ago.", None
    at, by, reason = told
    why = f": {reason.rstrip('.')}" if reason else ""
    return f"{what} is paused by {by}{why}.", from_us(at)


def _listed(named: Sequence[str]) -> str:
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}" if named else "others"


def _of_subruns(run: Run) -> WaitingReason:
    done, total = run.counters.completed_subtasks, run.counters.total_subtasks
    return WaitingReason(code="sub_runs", message=f"Its body has returned; {done} of {total} sub-runs have ended.")


def _of_queue(run: Run, missing: Sequence[Gap], now_us: int) -> list[WaitingReason]:
    """What is missing for certain is told at once, the rest when a run has waited long enough to tell."""
    return [
        WaitingReason(code=gap.code, message=gap.message, since=from_us(gap.since_us) if gap.since_us else None)
        for gap in missing
        if gap.grace_us < GUESS_US or gap.counts(to_us(run.available_at), now_us)
    ]


def _of_type(run: Run, engine: str, who: Staff) -> list[WaitingReason]:
    workers = [worker for worker in who.workers if worker.engine == engine]
    knowing = who.serving(run.queue, engine) or workers
    if not workers or run.type is None or any(run.type in worker.types for worker in knowing):
        return []
    told = f"No live worker that serves the queue {run.queue} knows the job type {run.type}."
    return [WaitingReason(code="unknown_type", message=told)]
