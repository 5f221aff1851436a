"""`jobdeck schedules preview`, `simulate` and `overdue`: what is to come, and what should have come by now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from ..core.preview import PlannedTime, Preview
from ..errors import StoreError
from ..web import planned, representations
from . import moments, screen, tables
from .recurrences import naming_options, recurrence_of, recurrence_options
from .references import find_job, id_of, json_option
from .session import Session, pass_session
from .tables import Column

_DAY = timedelta(days=1)


@click.command()
@recurrence_options
@click.option(
    "--after", metavar="TIME", help="Look from this time on, such as 2027-03-27T00:00:00+00:00; else from now."
)
@click.option("-n", "count", metavar="N", type=int, default=10, show_default=True, help="How many times, up to 100.")
@json_option
@pass_session
def preview(session: Session, /, after: str | None, count: int, as_json: bool, **given: Any) -> None:
    """Tell when a schedule would fire, without saving it.

    Needs no database; where there is one, it also tells which saved schedules fire at the same time.
    """
    recurrence = recurrence_of(given)
    assert recurrence is not None, "one was required"
    with naming_options(given):
        found = session.lookup.previews.preview(
            recurrence, time_zone=given["time_zone"], after=after, count=count, with_collisions=_has_tables(session)
        )
    if as_json:
        screen.write_json(planned.preview(found, session.links))
    else:
        show_preview(found)


def show_preview(found: Preview) -> None:
    """Print what a schedule does: its description, its times, clock changes and collisions."""
    screen.say(screen.line(found.description))
    screen.say()
    columns = [Column(found.time_zone, whole=True)]
    cells: list[Callable[[PlannedTime], str]] = [lambda one: clock(one.local)]
    if found.time_zone != "UTC":
        columns, cells = [*columns, Column("UTC", whole=True)], [*cells, lambda one: _utc(one.at)]
    if any(one.note for one in found.times):
        columns, cells = [*columns, Column("Note")], [*cells, lambda one: one.note or ""]
    rows = ([cell(one) for cell in cells] for one in found.times)
    tables.table(columns, rows, "There is no planned time from then on.")
    if found.times and found.is_complete:
        screen.say("\nAfter that it never fires again.")
    if found.clock_changes:
        tables.heading("Clock changes")
        for change in found.clock_changes:
            screen.say(screen.line(change.text))
    if found.collisions:
        tables.heading("At the same time")
        tables.table(
            [
                Column("Job"),
                Column("Schedule", whole=True),
                Column("Times", right=True),
                Column("First, UTC", whole=True),
            ],
            ((one.job_title, one.schedule_id, one.count, _utc(one.at)) for one in found.collisions),
            "",
        )


@click.command()
@click.option(
    "--from", "start", metavar="TIME", help="From this time on, such as 2027-03-27T00:00:00+00:00; else from now."
)
@click.option("--to", "end", metavar="TIME", help="Up to this time; else for a day. At most 366 days.")
@click.option("--job", metavar="JOB", help="Only schedules of this job (its id or title).")
@click.option("--limit", type=int, default=1000, show_default=True, help="How many times at most, up to 10,000.")
@json_option
@pass_session
def simulate(session: Session, start: str | None, end: str | None, job: str | None, limit: int, as_json: bool) -> None:
    """Tell the planned times of all active schedules, in order."""
    job_id = None if job is None else id_of(find_job(session.desk, job))
    begin = start or moments.now().isoformat(timespec="seconds")
    with naming_options({}):
        found = session.desk.previews.simulate(begin, end or _a_day_later(begin), limit=limit, job_id=job_id)
    if as_json:
        screen.write_json(planned.simulation(found, session.links, f"{session.links.api}/schedules/simulate"))
        return
    columns = [Column("UTC", whole=True), Column("Local", whole=True), Column("Time zone", whole=True), Column("Job"),
               Column("Schedule", whole=True), Column("Same minute")]  # fmt: skip
    rows = (
        (_utc(one.at), clock(one.local), one.schedule.time_zone, one.job_title, one.schedule.id,
         "as another" if one.collides else None)
        for one in found.times
    )  # fmt: skip
    tables.table(columns, rows, "Nothing is planned then.")
    if not found.is_complete:
        screen.say(f"\nThere is more than these {len(found.times):,}; choose a shorter time, or a higher --limit.")


@click.command()
@json_option
@pass_session
def overdue(session: Session, as_json: bool) -> None:
    """Tell what is late, why, and what to do about it."""
    found = session.desk.overdue.list()
    if as_json:
        items = [planned.overdue(one, session.links) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/overdue", "since"))
        return
    rows = ((tables.when(one.since), one.message) for one in found)
    tables.table([Column("Since", whole=True), Column("What")], rows, "Nothing is overdue.")


def _has_tables(session: Session) -> bool:
    try:
        session.deck.check_schema()
    except StoreError:
        return False
    return True


def _a_day_later(start: str) -> str:
    """A day after a time that was typed; what is no time is the service's to refuse."""
    try:
        return (datetime.fromisoformat(start) + _DAY).isoformat()
    except (ValueError, OverflowError):
        return start


def _utc(at: datetime) -> str:
    """`Sun 2027-03-28 01:00:00`."""
    return clock(at.astimezone(UTC).replace(tzinfo=None))


def clock(at: datetime) -> str:
    """`Sun 2027-03-28 03:00:00+02:00`, with milliseconds where there are any."""
    return f"{at:%a} {at.isoformat(' ', timespec='milliseconds' if at.microsecond else 'seconds')}"
