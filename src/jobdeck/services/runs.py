"""Runs, as people and code ask for them: list, read, stop, delete. Starting them is in `services.starting`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.attempt import Attempt
from ..core.file import RunFile
from ..core.filters import COUNT_LIMIT, Listing, Page, RunFilter
from ..core.permissions import Action
from ..core.run import Run
from ..core.text import clean
from ..core.waiting import WaitingReason, Why
from ..errors import Conflict, NotFound
from ..store import removal, runs
from . import checks, lifecycle
from .insight import Insight
from .logs import LogPage, Logs
from .starting import Starting
from .subruns import SubRuns

_NEEDED = "A live run still needs this one (its parent, a sub-run, or one that waits for it); delete it after that one."


class Runs(Starting, SubRuns):
    """The runs of the principal's tenant."""

    def list(self, wanted: RunFilter | None = None, page: Page | None = None) -> Listing[Run]:
        """Runs from newest to oldest."""
        self._require(Action.RUNS_READ)
        page = page or Page()
        with self._database.read() as connection:
            items, total, more = runs.newest(connection, self._tenant, wanted or RunFilter(), page, self._now_us())
        return Listing(items=items, total=total, page=page, has_more=more, total_is_exact=total < COUNT_LIMIT)

    def get(self, run_id: str, job_id: str | None = None) -> Run:
        """One run, with `job_id` only of that job; NotFound when it is unknown or another tenant's."""
        self._require(Action.RUNS_READ, run_id)
        return self._of_id(run_id, job_id)

    def of_ids(self, run_ids: Iterable[str]) -> dict[str, Run]:
        """These runs by id; one that is unknown, or gone, is missing."""
        self._require(Action.RUNS_READ)
        with self._database.read() as connection:
            return runs.by_ids(connection, self._tenant, run_ids)

    def stop(self, run_id: str, reason: str | None = None, job_id: str | None = None) -> Run:
        """A queued run is CANCELLED at once, a running one is asked to stop; asking again changes nothing.

        Conflict when it has ended.
        """
        self._require(Action.RUNS_STOP, f"run:{run_id}")
        told = checks.reason(reason)
        run = self.get(run_id, job_id)
        with self._database.write() as connection:
            done = lifecycle.stop(connection, run, self._principal, told, self._now_us())
            if done:
                self._audit(connection, Action.RUNS_STOP, f"run:{run_id}", after={"stop_reason": told})
        self._office.bell.ring(everybody=True)
        run = self.get(run_id, job_id)
        if not done and run.stop_requested_at is None:
            raise Conflict(f"This run has ended as {run.status}; only queued and running runs can be stopped.")
        if not done and run.is_final:
            raise Conflict(f"This run has already ended as {run.status}.")
        return run

    def delete(self, run_id: str, job_id: str | None = None) -> None:
        """Delete a finished run with its log and files; Conflict while it is queued or running, or needed by one that is."""
        self._require(Action.RUNS_DELETE, f"run:{run_id}")
        run = self.get(run_id, job_id)
        with self._database.write() as connection:
            if not removal.delete_final(connection, self._tenant, run_id):
                raise Conflict(_NEEDED if run.is_final else f"This run is {run.status}; stop it before deleting it.")
            told = {"type": run.type, "function": run.function, "status": run.status}
            self._audit(connection, Action.RUNS_DELETE, f"run:{run_id}", before=told)
        shutil.rmtree(self._office.settings.files_folder / run_id, ignore_errors=True)

    def why(self, run_id: str, job_id: str | None = None) -> Why:
        """Why a run is not running: all reasons, its place in line, when it may begin."""
        return Insight(self._office, self._principal).why(self.get(run_id, job_id))

    def waiting_reasons(self, of: Sequence[Run]) -> dict[str, tuple[WaitingReason, ...]]:
        """What each queued run among these waits for, by id; a run that waits for nothing but its turn has none."""
        return Insight(self._office, self._principal).reasons(of)

    def attempts(self, run_id: str) -> Sequence[Attempt]:
        """Every try at a run, first to last."""
        self.get(run_id)
        with self._database.read() as connection:
            return runs.attempts_of(connection, run_id)

    def logs(
        self, run_id: str, *, after: int = 0, limit: int = 500, level: str | None = None, newest: bool = False
    ) -> LogPage:
        """Log entries of a run, as `services.logs.Logs.of_run` gives them."""
        return Logs(self._office, self._principal).of_run(run_id, after=after, limit=limit, level=level, newest=newest)

    def files(self, run_id: str) -> tuple[RunFile, ...]:
        """What the run made, by name."""
        return self.get(run_id).files

    def file(self, run_id: str, name: str) -> tuple[RunFile, Path]:
        """One file and where its bytes lie; NotFound when there is none of that name, or its bytes are gone."""
        folder = self._office.settings.files_folder.resolve()
        for file in self.files(run_id):
            path = (folder / file.path).resolve()
            if file.name == name and path.is_relative_to(folder) and path.is_file():
                return file, path
        raise NotFound(f"Run {run_id} has no file {clean(name, 200)!r}.")

    def waiting(self) -> int:
        """How many runs are queued, counted to 10,000."""
        self._require(Action.RUNS_READ)
        with self._database.read() as connection:
            return runs.count_waiting(connection, self._tenant)
