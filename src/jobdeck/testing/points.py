"""Failpoints: names of steps that the product has anyway, and where each of them is in the code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Condition = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Before or after a call of `name` in `module`; `given` judges its arguments first, `gave` its result."""

    module: str
    name: str
    after: bool = False
    error: str = "store"
    """What `raise` raises: "store" → StoreError as of a database that cannot serve, "other" → RuntimeError"""
    given: Condition | None = None
    gave: Condition | None = None


def _exchange(*, after: bool, given: Callable[[Any], Any]) -> tuple[Point, ...]:
    """Around the one transaction of a worker, by what its report says."""
    return (
        Point(module="jobdeck.services.claims", name="Claims.exchange", after=after,
              given=lambda _claims, report, *_: given(report)),
    )  # fmt: skip


def _rescue(*, after: bool) -> tuple[Point, ...]:
    """Around the taking of runs, from a dead neighbour and from a silent worker elsewhere."""
    return tuple(
        Point(module="jobdeck.services.rescue", name=f"Rescue.{name}", after=after) for name in ("bury", "take")
    )


def _is_retried(report: Any) -> bool:
    return any(outcome.kind == "error" and claim.attempt < claim.max_attempts for claim, outcome in report.ended)


def _makes_runs(_lane: Any, plans: Any, *_: Any) -> bool:
    return any(planned.new is not None for plan in plans for planned in plan.planned)


POINTS: dict[str, tuple[Point, ...]] = {
    "enqueue.before_tx": (Point(module="jobdeck.services.starting", name="Starting._store"),),
    "enqueue.after_run_insert": (Point(module="jobdeck.store.runs", name="enqueue", after=True),),
    "enqueue.after_commit_before_reply": (
        Point(module="jobdeck.store.doorbell", name="Bell.ring"),
        Point(module="jobdeck.services.starting", name="Starting._store", after=True),
    ),
    "worker.before_claim": (Point(module="jobdeck.services.claims", name="Claims._claim"),),
    "worker.in_claim_tx": (
        Point(module="jobdeck.services.claims", name="Claims._claim", after=True, gave=bool),
    ),
    "worker.after_claim_commit_before_reply": (
        Point(module="jobdeck.services.claims", name="Claims.exchange", after=True, gave=lambda done: done.won),
    ),
    "worker.after_claim_before_spawn": (
        Point(module="jobdeck.processes.pool", name="Pool.give", error="other", given=lambda _pool, claims: claims),
    ),
    "worker.begun_before_body": (Point(module="jobdeck.executor.attempt", name="Workshop._call", error="other"),),
    "worker.child_running": (
        Point(module="jobdeck.processes.ledger", name="Ledger.begun", after=True, error="other"),
    ),
    "worker.before_heartbeat": (
        Point(module="jobdeck.processes.worker", name="Worker._beat", given=lambda worker, _: worker._pool.claims),
    ),
    "worker.after_hb_commit_before_reply": _exchange(after=True, given=lambda report: report.alive),
    "worker.log_before_tx": _exchange(after=False, given=lambda report: report.log_entries),
    "worker.log_after_commit": _exchange(after=True, given=lambda report: report.log_entries),
    "worker.artefact_written_before_finalise": (
        Point(module="jobdeck.executor.context", name="RunContext.keep", error="other"),
    ),
    "worker.body_returned_before_outcome": (
        Point(module="jobdeck.executor.attempt", name="Workshop._send", error="other"),
    ),
    "worker.child_exited_before_complete": (
        Point(module="jobdeck.processes.pool", name="Pool._buried", error="other"),
    ),
    "worker.before_complete_tx": _exchange(after=False, given=lambda report: report.ended),
    "worker.in_complete_tx": (Point(module="jobdeck.services.lifecycle", name="finish", after=True),),
    "worker.after_complete_commit_before_reply": _exchange(after=True, given=lambda report: report.ended),
    "worker.after_complete": (
        Point(module="jobdeck.processes.ledger", name="Ledger.written", after=True, error="other",
              given=lambda ledger: ledger.report.ended),
    ),
    "worker.after_spawn_commit_before_reply": _exchange(after=True, given=lambda report: report.spawned),
    "worker.after_entries_commit_before_reply": _exchange(after=True, given=lambda report: report.entries),
    "worker.after_subrun_commit_before_reply": _exchange(
        after=True, given=lambda report: any(claim.parent_id for claim, _ in report.ended)
    ),
    "worker.after_retry_commit": _exchange(after=True, given=_is_retried),
    "worker.cancel_seen_before_kill": (Point(module="jobdeck.processes.pool", name="Pool.stop", error="other"),),
    "worker.cancel_after_kill_before_complete": (
        Point(module="jobdeck.processes.pool", name="Pool._buried", error="other",
              given=lambda pool, event: pool._dying[event.pid].ending),
    ),
    "worker.self_fence_before_kill": (
        Point(module="jobdeck.processes.pool", name="Pool.abandon", error="other"),
    ),
    "reaper.after_observe": _rescue(after=False),
    "reaper.in_rescue_tx": (Point(module="jobdeck.services.lifecycle", name="rescue", after=True),),
    "reaper.after_rescue_commit": _rescue(after=True),
    "scheduler.after_select": (Point(module="jobdeck.store.firing", name="due", after=True, gave=bool),),
    "scheduler.after_fire_insert": (
        Point(module="jobdeck.store.firing", name="add_ticks", after=True,
              given=lambda _lane, rows: any(run_id for *_, run_id, _ in rows)),
    ),
    "scheduler.after_run_insert": (
        Point(module="jobdeck.services.firing", name="_store", after=True, given=_makes_runs),
    ),
    "scheduler.after_commit": (
        Point(module="jobdeck.services.firing", name="Firing._record", after=True, gave=lambda fired: fired.runs),
    ),
    "scheduler.mid_misfire_batch": (
        Point(module="jobdeck.services.firing", name="Firing._record", after=True, gave=lambda fired: fired.is_behind),
    ),
    "housekeeping.retain_mid_batch": (Point(module="jobdeck.store.removal", name="_remember_previous"),),
    "housekeeping.retain_rows_before_files": (
        Point(module="jobdeck.services.retention", name="shutil.rmtree", error="other"),
    ),
    "housekeeping.migrate_between_steps": (
        Point(module="alembic.runtime.migration", name="HeadMaintainer.update_to_step", after=True, error="other"),
    ),
}  # fmt: skip
