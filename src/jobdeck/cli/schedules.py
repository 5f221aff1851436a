"""`jobdeck schedules`: when jobs recur, and what became of each planned time. A schedule is named by its id, or by its job
when that has one only. Looking ahead is in `previews`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import click

from ..core import zones
from ..core.filters import Page, ScheduleFilter
from ..core.job import Job
from ..core.schedule import Misfire, Overlap, Schedule
from ..services.descriptions import describe
from ..web import representations, schedule_shapes
from . import moments, previews, screen, tables
from .arguments import Given, argument_options, naming_arguments, schema_of
from .options import NONE
from .recurrences import naming_options, recurrence_of, recurrence_options
from .references import find_job, find_schedule, id_of, json_option, page_options
from .session import Session, pass_session
from .tables import Column

Command = TypeVar("Command", bound=Callable[..., Any])

_PLAIN = ("time_zone", "starts_at", "ends_at", "max_count", "jitter", "misfire", "misfire_window", "overlap",
          "custom_arguments")  # fmt: skip
_CLEARED = ("starts_at", "ends_at", "max_count", "jitter", "misfire_window")


@click.group()
def schedules() -> None:
    """Schedules: when jobs recur; preview, pause and resume them."""


for _command in (previews.preview, previews.simulate, previews.overdue):
    schedules.add_command(_command)


def _timing_options(command: Command) -> Command:
    """Adds all that can be said about a schedule beside its arguments."""
    options: list[Callable[[Command], Command]] = [
        recurrence_options,
        click.option("--from", "starts_at", metavar="TIME", help="Nothing before this time, such as "
                     "2027-01-31T02:00:00+00:00."),
        click.option("--until", "ends_at", metavar="TIME", help="Nothing after this time."),
        click.option("--count", "max_count", metavar="N", help="So many runs, then no more."),
        click.option("--jitter", metavar="SPAN", help="Each run begins up to so long after its planned time."),
        click.option("--misfire", type=click.Choice([*map(str, Misfire)]), help="What becomes of times that passed while "
                     "nothing served them: once (the default) runs the last of them."),
        click.option("--misfire-window", metavar="SPAN", help="Times longer ago than that are missed."),
        click.option("--overlap", type=click.Choice([*map(str, Overlap)]), help="What to do while the run before is going: "
                     "skip is the default."),
        argument_options,
    ]  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@schedules.command("list")
@click.option("--job", metavar="JOB", help="Only schedules of this job (its id or title).")
@click.option("--paused/--active", default=None, help="Only paused ones, or only the others.")
@click.option("--search", "text", metavar="TEXT", help="Only those with this in the title of their job.")
@page_options
@json_option
@pass_session
def show_list(
    session: Session, job: str | None, paused: bool | None, text: str | None, page: int, size: int, as_json: bool
) -> None:
    """Schedules, the next to fire first."""
    job_id = None if job is None else id_of(find_job(session.desk, job))
    wanted = ScheduleFilter(job_id=job_id, paused=paused, text=text)
    listing = session.desk.schedules.list(wanted, Page(number=page, size=size))
    titles = session.desk.jobs.titles({one.job_id for one in listing.items})
    if as_json:
        asked = {"job_id": job_id, "paused": None if paused is None else str(paused).lower(), "q": text}
        kept = {name: value for name, value in asked.items() if value}
        items = [schedule_shapes.schedule(one, session.links, titles.get(one.job_id)) for one in listing.items]
        address = f"{session.links.api}/schedules"
        screen.write_json(representations.envelope(listing, items, address, kept, "next_fire_at"))
        return
    columns = [Column("ID", whole=True), Column("Job"), Column("When"), Column("Next", whole=True), Column("State")]
    rows = ((one.id, titles.get(one.job_id), _words(one), _next(one), _state(one)) for one in listing.items)
    tables.table(columns, rows, "No schedules; `jobdeck schedules add` makes one.")
    tables.more(listing)


@schedules.command()
@click.argument("schedule")
@json_option
@pass_session
def show(session: Session, schedule: str, as_json: bool) -> None:
    """One schedule: when it fires, by which rules, and when next."""
    found = find_schedule(session.desk, schedule)
    title = session.desk.jobs.titles([found.job_id]).get(found.job_id)
    if as_json:
        screen.write_json(schedule_shapes.schedule(found, session.links, title))
        return
    made = f"{found.count:,}" if found.max_count is None else f"{found.count:,} of {found.max_count:,}"
    tables.sheet([
        ("Schedule", found.id),
        ("Job", f"{title or 'a job that is gone'}  {found.job_id}"),
        ("When", _words(found)),
        ("Problem", found.problem),
        ("Paused", tables.paused(found.pause)),
        ("Starts", _local(found, found.starts_at)),
        ("Ends", _local(found, found.ends_at)),
        ("Next", _local(found, found.next_fire_at) or "never again"),
        ("Last", _local(found, found.last_fire_at)),
        ("Runs made", made),
        ("Jitter", f"up to {found.jitter_s:g} s" if found.jitter_s else None),
        ("Misfire", found.misfire),
        ("Misfire window", None if found.misfire_window_s is None else f"{found.misfire_window_s:g} s"),
        ("Overlap", found.overlap),
        ("Arguments", _json(found.arguments)),
        ("Custom arguments", _json(found.custom_arguments)),
        ("In the name of", found.principal.name),
        ("Time zones", found.tzdata),
        ("Created", moments.both(found.created_at)),
        ("Updated", moments.both(found.updated_at)),
    ])  # fmt: skip


@schedules.command()
@click.argument("job")
@_timing_options
@json_option
@pass_session
def add(
    session: Session,
    /,
    job: str,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Have a job recur, with its own arguments if some are given."""
    recurrence = recurrence_of(fields)
    assert recurrence is not None, "one was required"
    of = find_job(session.desk, job)
    schema = schema_of(session.deck.registry.find(of.type))
    arguments = Given(whole=whole, single=single).over(of.arguments, schema)
    given = {**_given(fields), **({} if arguments is None else {"arguments": arguments})}
    with naming_options(fields), naming_arguments(schema):
        made = session.desk.schedules.create(id_of(of), recurrence, **given)
    _report(session, made, of, "Added", as_json=as_json)


@schedules.command()
@click.argument("schedule")
@_timing_options
@json_option
@pass_session
def update(
    session: Session,
    /,
    schedule: str,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Change what is named and keep the rest.

    From then on its runs are started in your name. "none" takes --from, --until, --count, --jitter or --misfire-window away again.
    """
    found = find_schedule(session.desk, schedule)
    of = session.desk.jobs.get(found.job_id)
    schema = schema_of(session.deck.registry.find(of.type))
    saved = of.arguments if found.arguments is None else found.arguments
    arguments = Given(whole=whole, single=single).over(saved, schema)
    recurrence = recurrence_of(fields, required=False)
    changes = {**_given(fields), **({} if recurrence is None else {"recurrence": recurrence}),
               **({} if arguments is None else {"arguments": arguments})}  # fmt: skip
    if not changes:
        raise click.UsageError("Nothing to change: name at least one field.")
    with naming_options(fields), naming_arguments(schema):
        changed = session.desk.schedules.update(found.id, **changes)
    _report(session, changed, of, "Changed", as_json=as_json)


@schedules.command()
@click.argument("schedule")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@pass_session
def remove(session: Session, schedule: str, yes: bool) -> None:
    """Delete a schedule. The runs that it made stay."""
    found = find_schedule(session.desk, schedule)
    title = session.desk.jobs.titles([found.job_id]).get(found.job_id, "a job that is gone")
    name = f"schedule {found.id} ({screen.line(title)}: {screen.line(_words(found))})"
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("Nobody can be asked here; --yes deletes without asking.")
        click.confirm(f"Delete {name}?", abort=True)
    session.desk.schedules.delete(found.id)
    screen.say(f"Deleted {name}.")


@schedules.command()
@click.argument("schedule")
@click.option("--reason", help="Why; shown with the schedule.")
@json_option
@pass_session
def pause(session: Session, schedule: str, reason: str | None, as_json: bool) -> None:
    """Let planned times pass without a run until `resume`."""
    _report_state(
        session, session.desk.schedules.pause(find_schedule(session.desk, schedule).id, reason), as_json=as_json
    )


@schedules.command()
@click.argument("schedule")
@json_option
@pass_session
def resume(session: Session, schedule: str, as_json: bool) -> None:
    """Go on with the next planned time, in your name."""
    _report_state(session, session.desk.schedules.resume(find_schedule(session.desk, schedule).id), as_json=as_json)


@schedules.command()
@click.argument("schedule")
@page_options
@json_option
@pass_session
def ticks(session: Session, schedule: str, page: int, size: int, as_json: bool) -> None:
    """What became of each planned time, the latest first."""
    found = find_schedule(session.desk, schedule)
    listing = session.desk.schedules.ticks(found.id, Page(number=page, size=size))
    if as_json:
        items = [schedule_shapes.tick(one, found.time_zone, session.links) for one in listing.items]
        address = f"{session.links.api}/schedules/{found.id}/ticks"
        screen.write_json(representations.envelope(listing, items, address, None, "fire_at", cursor="fire_at"))
        return
    columns = [Column("Planned", whole=True), Column("Became"), Column("Why"), Column("Run", whole=True)]
    rows = (
        (_local(found, one.fire_at), one.kind.replace("_", " "), one.detail or one.reason, one.run_id)
        for one in listing.items
    )
    tables.table(columns, rows, "No planned time has come yet.")
    tables.more(listing)


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What was named on the command line, "none" as nothing; a count that is no number is the service's to refuse."""
    given = {name: fields[name] for name in _PLAIN if fields[name] is not None}
    if str(given.get("max_count", "")).isdecimal():
        given["max_count"] = int(given["max_count"])
    return {**given, **{name: None for name in _CLEARED if given.get(name) == NONE}}


def _report(session: Session, value: Schedule, of: Job, done: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(schedule_shapes.schedule(value, session.links, of.title))
        return
    next_time = _local(value, value.next_fire_at)
    screen.say(f"{done} schedule {value.id} of job {screen.line(of.title)}: {screen.line(_words(value))}.")
    screen.say("It never fires again." if next_time is None else f"Its next time is {next_time}.")


def _report_state(session: Session, value: Schedule, *, as_json: bool) -> None:
    if as_json:
        title = session.desk.jobs.titles([value.job_id]).get(value.job_id)
        screen.write_json(schedule_shapes.schedule(value, session.links, title))
        return
    screen.say(f"The schedule {value.id} is {'not ' if value.pause is None else ''}paused.")


def _state(value: Schedule) -> str | None:
    if value.pause is not None:
        return f"paused {tables.paused(value.pause)}"
    return value.problem or (None if value.next_fire_at is not None else "ended")


def _next(value: Schedule) -> str | None:
    """How soon for a person, by the clock of its zone in a file."""
    at = value.next_fire_at
    return moments.relative(at) if tables.is_terminal() else _local(value, at)


def _words(value: Schedule) -> str:
    return describe(value.recurrence, value.time_zone)


def _local(value: Schedule, at: datetime | None) -> str | None:
    """By the clock of the schedule's zone."""
    return None if at is None else previews.clock(at.astimezone(zones.zone_or_utc(value.time_zone)))


def _json(value: Any) -> str | None:
    return screen.json_text(value, indent=2) if value else None
