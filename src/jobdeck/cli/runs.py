"""`jobdeck runs`: watching, reading, explaining and stopping runs. Neighbour: `again` runs them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import click

from ..core.engine import DATABASE, Isolation
from ..core.filters import Page
from ..core.log_entry import LEVELS, LogEntry
from ..core.queue import Carrier
from ..core.run import Counters, Progress, Run
from ..errors import NotFound
from ..web import representations
from . import moments, screen, shapes, tables
from .again import again
from .following import READ_AT_ONCE, follow, print_entry, read_page
from .options import filter_options, wanted
from .references import json_option, page_options, run_argument
from .session import Session, pass_session
from .tables import Column


@click.group()
def runs() -> None:
    """Runs: watch, read, stop and repeat them."""


@runs.command("list")
@filter_options
@page_options
@json_option
@pass_session
def show_list(session: Session, /, page: int, size: int, as_json: bool, **given: Any) -> None:
    """Runs, newest first."""
    asked = wanted(session, **given)
    listing = session.desk.runs.list(asked, Page(number=page, size=size))
    if as_json:
        names: dict[str, Any] = {"job_id": asked.job_id, "parent_id": asked.parent_id, "type": asked.type, "queue": asked.queue,
                 "status": list(asked.statuses), "q": asked.text}  # fmt: skip
        kept = {name: value for name, value in names.items() if value}
        items = shapes.runs(session, listing.items)
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
    shape = shapes.run(session, run)
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
        screen.write_json(shapes.run(session, run))
    elif run.is_final:
        screen.say(f"Run {run.id} is {run.status}.")
    else:
        screen.say(f"Run {run.id} was asked to stop.{_cooperative(session, run)}")


@runs.command()
@run_argument
@json_option
@pass_session
def why(session: Session, run_id: str, as_json: bool) -> None:
    """Why a run is not running: all reasons, its place in line, when it may begin."""
    told = session.desk.runs.why(run_id)
    if as_json:
        screen.write_json(representations.why(told))
        return
    screen.say(f"Run {run_id} is {told.status}.")
    for reason in told.reasons:
        screen.say(f"- {screen.line(reason.message)}")
    if not told.reasons:
        screen.say(screen.line(told.summary))
    if told.starts_at is not None:
        screen.say(f"It may begin at {moments.absolute(told.starts_at)}.")


runs.add_command(again)


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
        ("Waits", " ".join(reason["message"] for reason in shape["waiting_reasons"]) or None),
        ("Message", run.message),
        ("Progress", None if run.progress is None else _progress(run.progress)),
        ("Type", run.type),
        ("Function", run.function),
        ("Job", f"{run.job_id} ({jobs[run.job_id]})" if run.job_id in jobs else run.job_id),
        ("Queue", run.queue),
        ("Engine", _engine(shape)),
        ("Repeated", f"{run.fenced:,} deliveries found it taken" if run.fenced else None),
        ("Trigger", run.trigger),
        ("Started by", by),
        ("Created", moments.both(run.created_at)),
        ("Began", moments.both(run.started_at)),
        ("Ended", moments.both(run.ended_at)),
        ("Took", _took(run)),
        ("Attempt", f"{run.attempt} of {run.max_attempts}" if run.attempt else None),
        ("Priority", run.priority or None),
        ("Limit", None if run.limit_n is None else f"{run.limit_n} at once, then {run.limit_policy}"),
        ("Starts at", moments.both(run.available_at) if shape["start_at"] and not run.is_final else None),
        ("Expires at", None if run.started_at or run.is_final else moments.both(run.expires_at)),
        ("Unique key", run.unique_key),
        ("Again of", run.retry_of),
        ("Sub-run of", run.parent_id),
        ("Sub-runs", _subruns(run.counters)),
        ("Timeout", None if run.timeout_s is None else f"{run.timeout_s:g} s"),
        ("Stop asked", _stop(run)),
        ("Errors", f"{run.counters.errored_entries:,} entries" if run.counters.errored_entries else None),
        ("Arguments", _json(run.arguments)),
        ("Positional", _json(list(run.positional))),
        ("Result", None if run.result is None else screen.json_text(run.result, indent=2)),
    ]


def _engine(shape: Mapping[str, Any]) -> str | None:
    """What carries it, and where it runs when it cannot be interrupted there; the database goes without saying."""
    if shape["engine"] == DATABASE:
        return None
    return f"{shape['engine']}{', cannot be interrupted' if shape['isolation'] == Isolation.NONE else ''}"


def _cooperative(session: Session, run: Run) -> str:
    carrier = session.desk.queues.carriers().get(run.queue, Carrier())
    if not carrier.is_cooperative:
        return ""
    return f" It runs in {carrier.engine}'s own process and cannot be interrupted: it ends where it looks for the stop."


def _subruns(told: Counters) -> str | None:
    if not told.total_subtasks:
        return None
    failed = f", {told.failed_subtasks:,} with errors" if told.failed_subtasks else ""
    return f"{told.completed_subtasks:,} of {told.total_subtasks:,} ended{failed}"


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
