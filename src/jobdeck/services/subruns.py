"""Sub-runs that somebody else executes: a host's own task that tells what it does for a run, with InvenioRDM's names.

A task that jobdeck executes spawns its sub-runs itself (`current_run.spawn`), and workers run them as any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.ids import new_id
from ..core.json_values import SAFE_INTEGER
from ..core.new_run import NewRun
from ..core.permissions import Action
from ..core.run import Parked, Run, Status, Trigger
from ..errors import Conflict, InvalidInput
from ..store import runs, subruns
from . import aftermath, checks
from .aftermath import Ended
from .reading import Reading


class SubRuns(Reading):
    """The sub-runs of the principal's tenant that are executed elsewhere."""

    def create_subtask(
        self, parent_id: str, arguments: Mapping[str, Any] | None = None, *, title: str | None = None
    ) -> Run:
        """A QUEUED sub-run of a running run, for somebody else to execute; one more in the parent's `total_subtasks`.

        Conflict when the parent does not run, or its body has returned.
        """
        parent = self._subject(parent_id, Action.RUNS_START)
        now_us = self._now_us()
        told = title or f"Run {parent_id} — Subtask"
        new = NewRun(
            id=new_id(now_us), tenant=self._tenant, job_id=parent.job_id, type=parent.type, function=parent.function,
            title=checks.title(told), arguments=checks.json_text(dict(arguments or {}), "args"), queue=parent.queue,
            trigger=Trigger.PARENT.value, principal_id=self._principal.id, principal_name=self._principal.name,
            available_at=now_us, order_at=now_us, created_at=now_us, parent_id=parent_id, parked=int(Parked.ELSEWHERE),
        )  # fmt: skip
        with self._database.write() as connection:
            if not subruns.expect_open(connection, self._tenant, parent_id):
                raise Conflict(
                    f"Run {parent_id} does not take sub-runs: it is {parent.status}, or its body has returned."
                )
            runs.enqueue(connection, [new.row()])
            self._audit(connection, Action.RUNS_START, f"run:{new.id}", after={"parent": parent_id})
        return runs.as_enqueued(new)

    def start_subtask(self, run_id: str) -> Run:
        """QUEUED → RUNNING of such a sub-run; Conflict when it is not queued."""
        self._subject(run_id, Action.RUNS_START)
        with self._database.write() as connection:
            if not subruns.begin_elsewhere(connection, self._tenant, run_id, self._now_us()):
                raise Conflict(f"Run {run_id} is not a queued sub-run that is executed elsewhere.")
        return self._of_id(run_id)

    def finalize_subtask(
        self,
        run_id: str,
        *,
        success: bool = True,
        errored_entries_count: int = 0,
        inserted_entries_count: int = 0,
        updated_entries_count: int = 0,
        message: str | None = None,
    ) -> Run:
        """RUNNING → SUCCESS or FAILED of such a sub-run, and its counts into its parent's; Conflict the second time."""
        self._subject(run_id, Action.RUNS_START)
        counts = (
            _count("errored_entries_count", errored_entries_count),
            _count("inserted_entries_count", inserted_entries_count),
            _count("updated_entries_count", updated_entries_count),
        )
        now_us = self._now_us()
        status = Status.SUCCESS if success else Status.FAILED
        with self._database.write() as connection:
            verdict = (status.value, None if success else "error", message, now_us)
            rows = subruns.end_elsewhere(connection, self._tenant, run_id, verdict, counts)
            if not rows:
                raise Conflict(f"Run {run_id} is not a running sub-run that is executed elsewhere.")
            freed = aftermath.settle(connection, [Ended.of_row(row, was_running=True) for row in rows], now_us)
        if freed:
            self._office.bell.ring()
        return self._of_id(run_id)

    def add_total_entries(self, run_id: str, total_entries: int) -> Run:
        """So many more entries are expected of a running run."""
        self._subject(run_id, Action.RUNS_START)
        count = _count("total_entries", total_entries)
        with self._database.write() as connection:
            if not subruns.add_total_entries(connection, self._tenant, run_id, count):
                raise Conflict(f"Run {run_id} does not run.")
        return self._of_id(run_id)

    def _subject(self, run_id: str, action: Action) -> Run:
        self._require(action, f"run:{run_id}")
        return self._of_id(run_id)


def _count(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInput.of(field, f"{field} must be an integer")
    if not 0 <= value <= SAFE_INTEGER:
        raise InvalidInput.of(field, f"{field} cannot be negative")
    return value
