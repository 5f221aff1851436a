"""`jobdeck runs`: watching, reading and stopping runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import click

from ..core.filters import Page, RunFilter
from ..core.log_entry import LEVELS, LogEntry
from ..core.run import SHOWN_STATUSES, Progress, Run
from ..errors import NotFound
from ..web import representations
from . import moments, screen, tables
from .following import READ_AT_ONCE, follow, print_entry, read_page
from .references import find_job, id_of, json_option, page_options, run_argument
from .session import Session, pass_session
from .tables import Column


@click.group()
def runs() -> None:
    """Runs: watch, read and stop them."""


@runs.command("list")
@click.option("--job", metavar="JOB", help="Only runs of this job (its id or title).")
@click.option("--type", "type_id", metavar="TYPE", help="Only runs of this job type.")
@click.option("--queue", help="Only runs of this queue.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(SHOWN_STATUSES, case_sensitive=False),
              help="Only runs in this status; can be given several times.")  # fmt: skip
@click.option("--search", "text", metavar="TEXT", help="Only runs with this in their title.")
@page_options
@json_option
@pass_session
def show_list(
    session: Session,
    job: str | None,
    type_id: str | None,
    queue: str | None,
    statuses: tuple[str, ...],
    text: str | None,
    page: int,
    size: int,
    as_json: bool,
) -> None:
    """Runs, newest first."""
    job_id = None if job is None else id_of(find_job(session.desk, job))
    wanted = RunFilter(job_id=job_id, type=type_id, queue=queue, statuses=statuses, text=text)
    listing = session.desk.runs.list(wanted, Page(number=page, size=size))
    if as_json:
        items = [representations.run(one, session.links, moments.now()) for one in listing.items]
        asked = {"job_id": job_id, "type": type_id, "queue": queue, "status": list(statuses), "q": text}
        kept = {name: value for name, value in asked.items() if value}
        screen.write_json(representations.envelope(listing, items, f"{session.links.api}/runs", kept, "created"))
        return
    columns = [Column("ID", whole=True), Column("Status", whole=True), Column("Title"),
               Column("Created"), Column("Took", right=True)]  # fmt: skip
    now = moments.now()
    names = _names(session, listing.items)
    rows = (
        (one.id, tables.status(one.shown_status(now)), names[one.id], tables.when(one.created_at), _took(one))
        for one in listing.items
    )
    tables.table(columns, rows, "No runs.")
    tables.more(listing)


@runs.command()
@run_argument
@json_option
@pass_session
def show(session: Session, run_id: str, as_json: bool) -> None:
    """One run: its state, arguments, result and files."""
    run = session.desk.runs.get(run_id)
    shape = representations.run(run, session.links, moments.now())
    if as_json:
        screen.write_json(shape)
        return
    tables.sheet(_sheet(run, shape, _job_titles(session, [run])))
    if run.files:
        tables.heading("Files")
        columns = [Column("Name", whole=True), Column("Size", right=True), Column("Kind")]
        tables.table(columns, ((one.name, moments.size(one.size), one.media_type) for one in run.files), "")
    if run.traceback:
        tables.heading("Traceback")
        screen.say("    " + screen.block(run.traceback.rstrip(), indent="    "))


@runs.command()
@run_argument
@click.option("-f", "--follow", "following", is_flag=True, help="Go on printing until the run is over.")
@click.option("-n", "--tail", metavar="N", type=click.IntRange(1, READ_AT_ONCE), help="Begin with the last N entries.")
@click.option("--level", type=click.Choice(list(LEVELS), case_sensitive=False), help="Only entries as severe as this.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one line of JSON an entry, as the REST interface gives it."
)
@pass_session
def log(session: Session, run_id: str, following: bool, tail: int | None, level: str | None, as_json: bool) -> None:
    """The log of a run, oldest entry first."""
    run = session.desk.runs.get(run_id)
    for entry in _entries(session, run_id, tail, level, following=following):
        if as_json:
            screen.say(screen.json_text(representations.log_entry(entry, run)))
        else:
            print_entry(entry)


@runs.command()
@run_argument
@click.option("--reason", help="Why; shown with the run.")
@json_option
@pass_session
def stop(session: Session, run_id: str, reason: str | None, as_json: bool) -> None:
    """Stop a run: a queued one at once, a running one as soon as it takes notice."""
    run = session.desk.runs.stop(run_id, reason)
    if as_json:
        screen.write_json(representations.run(run, session.links, moments.now()))
    elif run.is_final:
        screen.say(f"Run {run.id} is {run.status}.")
    else:
        screen.say(f"Run {run.id} was asked to stop.")


def _names(session: Session, runs: Iterable[Run]) -> dict[str, str]:
    """What each run is called: by its own title, its job's, or what it runs."""
    runs = list(runs)
    titles = _job_titles(session, runs)
    return {run.id: run.title or titles.get(run.job_id) or run.type or run.function or "" for run in runs}


def _job_titles(session: Session, runs: Iterable[Run]) -> dict[str | None, str]:
    """Titles of the jobs of these runs, as far as the jobs are still there."""
    titles: dict[str | None, str] = {}
    for job_id in {run.job_id for run in runs if run.job_id}:
        with suppress(NotFound):
            titles[job_id] = session.desk.jobs.get(job_id).title
    return titles


def _entries(
    session: Session, run_id: str, tail: int | None, level: str | None, *, following: bool
) -> Iterator[LogEntry]:
    after = 0
    if tail is not None:
        last = session.desk.runs.logs(run_id, limit=tail, level=level, newest=True)
        yield from last.entries
        after = last.next
    if following:
        yield from follow(session, run_id, after=after, level=level)
        return
    while tail is None:
        entries, after = read_page(session, run_id, after, level)
        yield from entries
        if len(entries) < READ_AT_ONCE:
            return


def _sheet(run: Run, shape: dict[str, Any], jobs: Mapping[str | None, str]) -> list[tuple[str, Any]]:
    by = None if run.started_by is None else f"{run.started_by.name} ({run.started_by.id})"
    return [
        ("Run", run.id),
        ("Title", run.title),
        ("Status", tables.status(shape["status"])),
        ("Reason", run.reason),
        ("Message", run.message),
        ("Progress", None if run.progress is None else _progress(run.progress)),
        ("Type", run.type),
        ("Function", run.function),
        ("Job", f"{run.job_id} ({jobs[run.job_id]})" if run.job_id in jobs else run.job_id),
        ("Queue", run.queue),
        ("Trigger", run.trigger),
        ("Started by", by),
        ("Created", moments.both(run.created_at)),
        ("Began", moments.both(run.started_at)),
        ("Ended", moments.both(run.ended_at)),
        ("Took", _took(run)),
        ("Attempt", f"{run.attempt} of {run.max_attempts}" if run.attempt else None),
        ("Timeout", None if run.timeout_s is None else f"{run.timeout_s:g} s"),
        ("Stop asked", _stop(run)),
        ("Errors", f"{run.counters.errored_entries:,} entries" if run.counters.errored_entries else None),
        ("Arguments", _json(run.arguments)),
        ("Positional", _json(list(run.positional))),
        ("Result", None if run.result is None else screen.json_text(run.result, indent=2)),
    ]


def _progress(told: Progress) -> str:
    total = "" if told.total is None else f" of {told.total:,}"
    part = "" if told.fraction is None else f" ({told.fraction:.0%})"
    message = f", {told.message}" if told.message else ""
    return f"{told.done:,}{total}{part}{message}"


def _stop(run: Run) -> str | None:
    if run.stop_requested_at is None:
        return None
    by = f" by {run.stop_requested_by}" if run.stop_requested_by else ""
    return f"{moments.both(run.stop_requested_at)}{by}" + (f": {run.stop_reason}" if run.stop_reason else "")


def _took(run: Run) -> str | None:
    """How long it ran, or has run until now."""
    if run.started_at is None:
        return None
    end = run.ended_at or moments.now()
    return moments.span(max(end - run.started_at, timedelta(0)))


def _json(value: Any) -> str | None:
    return screen.json_text(value, indent=2) if value else None
