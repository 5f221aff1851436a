"""What a run is called: its own title, else its job's, else its type's."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.run import Run
from ...core.worker import HeldRun
from ...deck import Desk
from .rendering import type_titles


def titles_of(desk: Desk, runs: Iterable[Run | HeldRun]) -> dict[str, str]:
    """Run id → what the run is called."""
    listed = list(runs)
    jobs = desk.jobs.titles({run.job_id for run in listed if run.job_id is not None})
    types = type_titles()
    return {
        run.id: run.title
        or jobs.get(run.job_id or "")
        or types.get(run.type or "")
        or run.type
        or run.function
        or "Run"
        for run in listed
    }


def title_of(desk: Desk, run: Run) -> str:
    """What one run is called."""
    return titles_of(desk, [run])[run.id]
