"""What a run comes to whose body has returned and whose sub-runs have all ended, in InvenioRDM's words and rules."""

from __future__ import annotations

from .lifecycle import verdict
from .outcome import OutcomeKind
from .run import Counters, Reason, Status


def rolled_up(kind: OutcomeKind, counters: Counters, *, stop_requested: bool) -> tuple[Status, Reason | None]:
    """The verdict: a body that failed keeps its own; else nothing failed, some did, or all."""
    status, reason = verdict(kind, stop_requested=stop_requested)
    if status in (Status.FAILED, Status.CANCELLED):
        return status, reason
    failed, errored = counters.failed_subtasks, counters.errored_entries
    if not failed and not errored:
        return status, reason
    if stop_requested and failed:
        return Status.CANCELLED, Reason.STOPPED
    if failed < counters.total_subtasks or 0 < errored < counters.total_entries:
        return Status.PARTIAL_SUCCESS, None
    return Status.FAILED, Reason.ERROR


def message(counters: Counters) -> str:
    """How far the sub-runs are, in one line."""
    c = counters
    told = f"{c.completed_subtasks}/{c.total_subtasks} subtasks completed."
    if c.failed_subtasks:
        told += f" {c.failed_subtasks} subtasks with errors."
    if c.errored_entries:
        told += f" {c.errored_entries}/{c.total_entries} entries errored."
    if c.inserted_entries or c.updated_entries:
        told += f" {c.inserted_entries} inserted / {c.updated_entries} updated."
    return told
