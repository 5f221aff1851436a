"""`jobdeck jobs`: saved jobs. A job is named by its id or by its exact title."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from ..core.filters import JobFilter, Page
from ..core.job import Job
from ..core.limits import WhenFull
from ..web import representations
from . import moments, screen, shapes, tables
from .arguments import Given, argument_options, naming_arguments, schema_of
from .following import report_start
from .options import NEEDS, NONE, number_or_none, run_options
from .references import find_job, id_of, json_option, page_options
from .session import Session, pass_session
from .tables import Column

Command = TypeVar("Command", bound=Callable[..., Any])

_FIELDS = ("title", "type", "description", "queue", "timeout", "active", "priority", "max_attempts", "limit",
           "limit_policy", "after_job", "after_need", "arguments", "custom_arguments")  # fmt: skip
_CLEARED = ("timeout", "priority", "max_attempts", "limit", "limit_policy", "after_job")


@click.group()
def jobs() -> None:
    """Saved jobs: make, change, delete and run them."""


def _job_options(command: Command) -> Command:
    """Adds what a saved job holds beside its title, type and arguments; "none" takes something away again."""
    options: list[Callable[[Command], Command]] = [
        click.option("--description", help="A few sentences for people."),
        click.option("--queue", help="The queue its runs wait in."),
        click.option("--timeout", metavar="SPAN", help='How long a run may take: 90s, 15m, 1h; -1 for no limit; "" for '
                     "the type's own."),
        click.option("--active/--inactive", default=None, help="Whether it counts as in use."),
        click.option("--priority", metavar="N|none", callback=number_or_none,
                     help="A head start of its runs in minutes, -100 to 100."),
        click.option("--max-attempts", metavar="N|none", callback=number_or_none,
                     help="How often a run that fails is tried in all."),
        click.option("--limit", metavar="N|none", callback=number_or_none,
                     help="How many of its runs may be at work at once."),
        click.option("--limit-policy", type=click.Choice([*map(str, WhenFull), NONE]), help="What happens when that is full."),
        click.option("--after-job", metavar="JOB|none", help="The job (its id or title) after whose runs one of this "
                     "job starts."),
        click.option("--after-need", type=click.Choice(NEEDS), help="Whether those runs must succeed, or only end."),
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@jobs.command("list")
@click.option("--type", "type_id", metavar="TYPE", help="Only jobs of this type.")
@click.option("--active/--inactive", default=None, help="Only those in use, or only the others.")
@click.option("--search", "text", metavar="TEXT", help="Only those with this in title or description.")
@page_options
@json_option
@pass_session
def show_list(
    session: Session, type_id: str | None, active: bool | None, text: str | None, page: int, size: int, as_json: bool
) -> None:
    """Saved jobs, by title."""
    listing = session.desk.jobs.list(JobFilter(type=type_id, active=active, text=text), Page(number=page, size=size))
    if as_json:
        asked = {"task": type_id, "active": None if active is None else str(active).lower(), "q": text}
        kept = {name: value for name, value in asked.items() if value}
        items = shapes.jobs(session, listing.items)
        screen.write_json(representations.envelope(listing, items, f"{session.links.api}/jobs", kept, "title"))
        return
    columns = [Column("ID", whole=True), Column("Title"), Column("Type"), Column("Last run", whole=True)]
    rows = ((job.id, job.title, job.type, _last_status(job)) for job in listing.items)
    tables.table(columns, rows, "No jobs; `jobdeck jobs create` makes one.")
    tables.more(listing)


@jobs.command()
@click.argument("job")
@json_option
@pass_session
def show(session: Session, job: str, as_json: bool) -> None:
    """One job: what it runs, with which arguments, and its last run."""
    found = find_job(session.desk, job)
    if as_json:
        screen.write_json(shapes.job(session, found))
        return
    _, problem = session.desk.jobs.default_arguments(found)
    timeout = found.timeout_s
    tables.sheet([
        ("Job", found.id),
        ("Title", found.title),
        ("Description", found.description),
        ("Type", found.type),
        ("Problem", problem),
        ("Queue", found.queue),
        ("Active", "yes" if found.active else "no"),
        ("Timeout", None if timeout is None else "none" if timeout == -1 else f"{timeout:g} s"),
        ("Priority", found.priority),
        ("Attempts", found.max_attempts),
        ("Limit", None if found.run_limit is None else f"{found.run_limit} at once, then {found.limit_policy or 'wait'}"),
        ("After job", None if found.after_job_id is None else f"{found.after_job_id} ({found.after_need})"),
        ("Arguments", _json(found.arguments)),
        ("Custom arguments", _json(found.custom_arguments)),
        ("Created", moments.both(found.created_at)),
        ("Updated", moments.both(found.updated_at)),
        ("Last run", None if found.last_run is None else _last_status(found).append(f"  {found.last_run.id}")),
    ])  # fmt: skip


@jobs.command()
@click.option("--title", required=True, help="What people call it.")
@click.option("--type", required=True, metavar="TYPE", help="The job type it runs (`jobdeck types list`).")
@_job_options
@argument_options
@json_option
@pass_session
def create(
    session: Session, /, single: Mapping[str, str], whole: Mapping[str, Any] | None, as_json: bool, **fields: Any
) -> None:
    """Save a job."""
    schema = schema_of(session.deck.registry.find(fields["type"]))
    arguments = Given(whole=whole, single=single).over(None, schema)
    given = _given(session, {**fields, "arguments": arguments})
    with naming_arguments(schema):
        job = session.desk.jobs.create(**given)
    _print_saved(session, job, "Saved", as_json=as_json)


@jobs.command()
@click.argument("job")
@click.option("--title", help="What people call it.")
@click.option("--type", metavar="TYPE", help="Another job type.")
@_job_options
@argument_options
@json_option
@pass_session
def update(
    session: Session,
    /,
    job: str,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change what is named and keep the rest.

    An --arg changes one of the saved arguments, --arguments replaces them all.
    """
    found = find_job(session.desk, job)
    schema = schema_of(session.deck.registry.find(fields["type"] or found.type))
    arguments = Given(whole=whole, single=single).over(found.arguments, schema)
    changes = _given(session, {**fields, "arguments": arguments})
    if not changes:
        raise click.UsageError("Nothing to change: name at least one field.")
    with naming_arguments(schema):
        changed = session.desk.jobs.update(id_of(found), **changes)
    _print_saved(session, changed, "Changed", as_json=as_json)


@jobs.command()
@click.argument("job")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def delete(session: Session, job: str, yes: bool) -> None:
    """Delete a job. Its runs, with their logs and files, stay."""
    found = find_job(session.desk, job)
    name = f"job {found.id} ({screen.line(found.title)})"
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here; --yes deletes without asking.")
        click.confirm(f"Delete {name}?", abort=True)
    session.desk.jobs.delete(id_of(found))
    screen.say(f"Deleted {name}.")


@jobs.command()
@click.argument("job")
@argument_options
@run_options
@pass_session
def run(
    session: Session,
    /,
    job: str,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    custom_arguments: Mapping[str, Any] | None,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Start a run of a job.

    It gets the job's saved arguments: an --arg changes one of them for this run, --arguments replaces them all.
    """
    found = find_job(session.desk, job)
    schema = schema_of(session.deck.registry.find(found.type))
    given = Given(whole=whole, single=single).over(found.arguments, schema)
    with naming_arguments(schema):
        started = session.start(id_of(found), arguments=given, custom_arguments=custom_arguments, **options)
    return report_start(session, started, found.title, wait=wait, as_json=as_json)


def _given(session: Session, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line; an empty timeout takes the job's own away, as "none" does elsewhere."""
    given = {name: fields[name] for name in _FIELDS if fields[name] is not None}
    if given.get("after_job", NONE) != NONE:
        given["after_job"] = id_of(find_job(session.desk, given["after_job"]))
    cleared = {name for name, value in given.items() if name in _CLEARED and value in ("", NONE)}
    return {**given, **dict.fromkeys(cleared)}


def _print_saved(session: Session, job: Job, done: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(shapes.job(session, job))
    else:
        screen.say(f"{done} job {job.id} ({screen.line(job.title)}).")


def _last_status(job: Job) -> Any:
    return None if job.last_run is None else tables.status(job.last_run.shown_status(moments.now()))


def _json(value: Any) -> str | None:
    return screen.json_text(value, indent=2) if value else None
