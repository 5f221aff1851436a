"""How commands name things: a job by its id or exact title, a run by its id, a schedule by its id or its job."""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..core.filters import SIZE_LIMIT, JobFilter, Page
from ..core.job import Job
from ..core.schedule import Schedule
from ..core.text import clean
from ..errors import Conflict, NotFound

if TYPE_CHECKING:
    from ..deck import Desk

Command = TypeVar("Command", bound=Callable[..., Any])


def run_id_of(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """The id of a run that was typed; wrong usage when it is none."""
    found = _identifier(value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no id of a run; `jobdeck runs list` shows them.", context, parameter)
    return found


run_argument = click.argument("run_id", metavar="RUN", callback=run_id_of)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the REST interface gives it.")


def page_options(command: Command) -> Command:
    """Adds `--page` and `--size`."""
    size = click.option("--size", type=int, default=25, show_default=True, help=f"How many a page, up to {SIZE_LIMIT}.")
    number = click.option("--page", type=int, default=1, help="Which page.")
    return number(size(command))


def find_job(desk: Desk, name: str) -> Job:
    """The job with this id, or the one with exactly this title; NotFound or Conflict say what to do instead."""
    job_id = _identifier(name)
    if job_id is not None:
        return desk.jobs.get(job_id)
    title = clean(name.strip())
    found = [job for job in _jobs(desk, title) if job.title == title]
    if len(found) > 1:
        ids = ", ".join(str(job.id) for job in found)
        raise Conflict(f"{len(found)} jobs are titled {name!r}; name one by its id: {ids}.")
    if not found:
        raise NotFound(f"There is no job titled {name!r}{_suggestion(desk, name)}")
    return found[0]


def find_schedule(desk: Desk, name: str) -> Schedule:
    """The schedule with this id, or the only one of the job with this id or title; NotFound or Conflict say what to do."""
    schedule_id = _identifier(name)
    if schedule_id is not None:
        try:
            return desk.schedules.get(schedule_id)
        except NotFound:
            if desk.jobs.titles([schedule_id]) == {}:
                raise
    job = find_job(desk, name)
    found = desk.schedules.of_job(id_of(job))
    if not found:
        raise NotFound(f"The job {job.title!r} has no schedule; `jobdeck schedules add` makes one.")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise Conflict(f"The job {job.title!r} has {len(found)} schedules; name one by its id: {ids}.")
    return found[0]


def id_of(job: Job) -> str:
    """The id of a saved job."""
    assert job.id is not None, "only a stand-in, which is never saved, has no id"
    return job.id


def _jobs(desk: Desk, text: str | None) -> Iterator[Job]:
    number, more = 1, True
    while more:
        listing = desk.jobs.list(JobFilter(text=text), Page(number=number, size=SIZE_LIMIT))
        yield from listing.items
        number, more = number + 1, listing.has_more


def _suggestion(desk: Desk, name: str) -> str:
    titles = [job.title for job in _jobs(desk, None)]
    close = difflib.get_close_matches(name, titles, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `jobdeck jobs list` shows them all."


def _identifier(text: str) -> str | None:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None
