"""`jobdeck workers`: who does the work."""

from __future__ import annotations

import click

from ..web import representations
from . import moments, screen, tables
from .references import json_option
from .session import Session, pass_session
from .tables import Column


@click.group()
def workers() -> None:
    """Who does the work."""


@workers.command("list")
@json_option
@pass_session
def show_list(session: Session, as_json: bool) -> None:
    """Workers that were heard of lately, oldest first."""
    found = session.desk.workers.list()
    if as_json:
        items = [representations.worker(one) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/workers", "started_at"))
        return
    columns = [Column("ID", whole=True), Column("Host"), Column("PID", right=True), Column("Queues"),
               Column("Processes", right=True), Column("Started", whole=True), Column("Seen", whole=True)]  # fmt: skip
    rows = (
        (one.id, one.host, one.pid, ", ".join(one.queues), one.processes, tables.when(one.started_at),
         moments.relative(one.seen_at))
        for one in found
    )  # fmt: skip
    tables.table(columns, rows, "No worker is there; `jobdeck up` or `jobdeck worker` starts one.")
