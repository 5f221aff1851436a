"""Finding the run that a request names, the one way for all services."""

from __future__ import annotations

from ..core.ids import is_id
from ..core.run import Run
from ..core.text import clean
from ..errors import NotFound
from ..store import runs
from .office import Service


class Reading(Service):
    """What services of runs have in common."""

    def _of_id(self, run_id: str, job_id: str | None = None) -> Run:
        """One run, with `job_id` only of that job; NotFound when it is unknown or another tenant's."""
        run = None
        if is_id(run_id) and (job_id is None or is_id(job_id)):
            with self._database.read() as connection:
                run = runs.get(connection, self._tenant, run_id, job_id)
        if run is None:
            of_job = f" for job {clean(job_id, 100)}" if job_id else ""
            raise NotFound(f"Run with ID {clean(run_id, 100)}{of_job} does not exist.")
        return run
