"""`jobdeck workers`: who does the work."""

from __future__ import annotations

import click

from ..core.worker import WorkerInfo
from ..web import queue_shapes, representations
from . import moments, screen, tables
from .references import json_option
from .session import Session, pass_session
from .tables import Column


@click.group()
def workers() -> None:
    """Who does the work."""


@workers.command()
@json_option
@pass_session
def schedulers(session: Session, as_json: bool) -> None:
    """Schedulers that were heard of lately, oldest first."""
    found = session.desk.workers.schedulers()
    if as_json:
        items = [queue_shapes.scheduler(one) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/schedulers", "started_at"))
        return
    columns = [Column("ID", whole=True), Column("Host"), Column("PID", right=True), Column("Time zone data"),
               Column("Started", whole=True), Column("Seen", whole=True)]  # fmt: skip
    rows = (
        (one.id, one.host, one.pid, one.tzdata, tables.when(one.started_at), moments.relative(one.seen_at))
        for one in found
    )
    tables.table(columns, rows, "No scheduler is there; `jobdeck up` or `jobdeck scheduler` starts one.")


@workers.command()
@json_option
@pass_session
def dispatchers(session: Session, as_json: bool) -> None:
    """Dispatchers that were heard of lately, oldest first: they tell engines of runs."""
    found = session.desk.workers.dispatchers()
    if as_json:
        items = [queue_shapes.dispatcher(one) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/dispatchers", "started_at"))
        return
    columns = [Column("ID", whole=True), Column("Host"), Column("PID", right=True), Column("Engines"),
               Column("Started", whole=True), Column("Seen", whole=True), Column("Problems")]  # fmt: skip
    rows = (
        (one.id, one.host, one.pid, ", ".join(one.engines), tables.when(one.started_at), moments.relative(one.seen_at),
         "; ".join(f"{engine}: {problem}" for engine, problem in one.problems.items()) or None)
        for one in found
    )  # fmt: skip
    tables.table(
        columns, rows, "No dispatcher is there; queues on the database need none. `jobdeck dispatcher` starts one."
    )


@workers.command("list")
@json_option
@pass_session
def show_list(session: Session, as_json: bool) -> None:
    """Workers that were heard of lately, oldest first, and the runs that each is at."""
    found = session.desk.workers.list()
    if as_json:
        items = [queue_shapes.worker(one, session.links) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/workers", "started_at"))
        return
    columns = [Column("ID", whole=True), Column("Engine", whole=True), Column("Host"), Column("PID", right=True),
               Column("Queues"), Column("Busy", right=True), Column("Started", whole=True), Column("Seen", whole=True),
               Column("At work on")]  # fmt: skip
    rows = (
        (one.id, one.engine, one.host, one.pid, ", ".join(one.queues), f"{one.busy} of {one.processes}",
         tables.when(one.started_at), moments.relative(one.seen_at), _at_work(one))
        for one in found
    )  # fmt: skip
    tables.table(columns, rows, "No worker is there; `jobdeck up` or `jobdeck worker` starts one.")


def _at_work(one: WorkerInfo) -> str | None:
    """The runs that it executes, by their ids."""
    more = f" and {one.busy - len(one.holds)} more" if one.busy > len(one.holds) else ""
    return ", ".join(run.id for run in one.holds) + more or None
