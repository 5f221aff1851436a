"""What can be said about a new run beside its arguments, and about which runs are meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..core.filters import RunFilter
from ..core.run import SHOWN_STATUSES
from .references import find_job, id_of, json_option, run_id_of
from .session import Session

Command = TypeVar("Command", bound=Callable[..., Any])
NONE = "none"
NEEDS = ("success", "end")
_POLICIES = ("reject", "existing", "replace")


def number_or_none(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    """A whole number, or "none", which takes one away; wrong usage for anything else."""
    if value is None or value == NONE:
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither a whole number nor {NONE!r}.", context, parameter) from None


def _run_ids(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(run_id_of(context, parameter, value) for value in values)


def run_options(command: Command) -> Command:
    """Adds what can be said about a new run beside its arguments."""
    return _with(command, [
        click.option("--title", help="What this run is called."),
        click.option("--queue", help="The queue it waits in."),
        click.option("--timeout", metavar="SPAN", help="How long it may take: 90s, 15m, 1h; -1 for no limit."),
        click.option("--priority", type=int, help="A head start in minutes, -100 to 100."),
        click.option("--retry", metavar="N", type=int, help="How often it is tried in all when it fails."),
        click.option("--start-at", metavar="TIME", help="Not before this time, such as 2027-01-31T02:00:00+00:00."),
        click.option("--start-in", metavar="SPAN", help="Not before this span is over."),
        click.option("--expires-at", metavar="TIME", help="It fails when it has not begun by then."),
        click.option("--expires-in", metavar="SPAN", help="It fails when it has not begun after this span."),
        click.option("--unique-key", metavar="TEXT", help="Only one queued or running run may have it."),
        click.option("--unique-policy", type=click.Choice(_POLICIES), default=_POLICIES[0], show_default=True,
                     help="When another has the key: refuse, take that run, or stop that run."),
        click.option("--after", metavar="RUN", multiple=True, callback=_run_ids,
                     help="Wait for the end of this run; can be given several times."),
        click.option("--after-need", type=click.Choice(NEEDS), default=NEEDS[0], show_default=True,
                     help="Whether those runs must succeed, or only end."),
        *_ON_START,
    ])  # fmt: skip


def again_options(command: Command) -> Command:
    """Adds what can be said about running something again."""
    return _with(command, _ON_START)


def filter_options(command: Command) -> Command:
    """Adds what says which runs are meant; `wanted` makes a filter of it."""
    return _with(command, [
        click.option("--job", metavar="JOB", help="Only runs of this job (its id or title)."),
        click.option("--parent", metavar="RUN", callback=_optional_run_id, help="Only the sub-runs of this run."),
        click.option("--type", "type_id", metavar="TYPE", help="Only runs of this job type."),
        click.option("--queue", help="Only runs of this queue."),
        click.option("--status", "statuses", multiple=True, type=click.Choice(SHOWN_STATUSES, case_sensitive=False),
                     help="Only runs in this status; can be given several times."),
        click.option("--search", "text", metavar="TEXT", help="Only runs with this in their title or message."),
    ])  # fmt: skip


def wanted(
    session: Session,
    job: str | None,
    parent: str | None,
    type_id: str | None,
    queue: str | None,
    statuses: tuple[str, ...],
    text: str | None,
) -> RunFilter:
    """The filter that `filter_options` ask for."""
    job_id = None if job is None else id_of(find_job(session.desk, job))
    return RunFilter(job_id=job_id, parent_id=parent, type=type_id, queue=queue, statuses=statuses, text=text)


def _optional_run_id(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else run_id_of(context, parameter, value)


_ON_START: list[Callable[[Any], Any]] = [
    click.option("--wait", is_flag=True,
                 help="Print its log until it is over; the exit code is 0 only when it is a SUCCESS."),
    json_option,
]  # fmt: skip


def _with(command: Command, options: list[Callable[[Any], Any]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
