"""`jobdeck types`: what can be run, running it once without a saved job, pausing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from ..web import representations
from . import screen, shapes, tables
from .arguments import Given, argument_options, naming_arguments, schema_of
from .following import report_start
from .options import run_options
from .references import json_option
from .session import Session, pass_session
from .tables import Column


@click.group()
def types() -> None:
    """What can be run: job types."""


@types.command("list")
@click.option("--search", metavar="TEXT", default="", help="Only those with this in their id or title.")
@json_option
@pass_session
def show_list(session: Session, search: str, as_json: bool) -> None:
    """Every job type, by title."""
    found = [one for one in session.lookup.types.list() if search.lower() in f"{one.id} {one.title}".lower()]
    paused = shapes.paused_types(session)
    if as_json:
        items = [representations.task(one, session.links, paused) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/tasks", "title"))
        return
    columns = [Column("ID", whole=True), Column("Title"), Column("Description")]
    rows = [[one.id, one.title, one.description] for one in found]
    if any(one.id in paused for one in found):
        columns.append(Column("Paused"))
        rows = [[*row, tables.paused(paused.get(row[0]))] for row in rows]
    nothing = "No job type is registered; name modules in JOBDECK_JOB_TYPES, or the application with --app."
    tables.table(columns, rows, nothing if not search else
                 "No job type has this in its id or title.")  # fmt: skip


@types.command()
@click.argument("type_id", metavar="TYPE")
@json_option
@pass_session
def show(session: Session, type_id: str, as_json: bool) -> None:
    """One job type, with the arguments it takes."""
    found = session.lookup.types.get(type_id)
    schema = schema_of(found)
    paused = shapes.paused_types(session)
    shape = representations.task(found, session.links, paused)
    if as_json:
        screen.write_json({**shape, "schema": schema})
        return
    tables.sheet([("ID", found.id), ("Title", found.title), ("Description", found.description),
                  ("Queue", shape["queue"] or session.deck.settings.default_queue),
                  ("Timeout", _timeout(shape["timeout"])), ("Priority", shape["priority"] or None),
                  ("Attempts", shape["retry"]),
                  ("Limit", None if shape["limit"] is None else f"{shape['limit']} at once, then {shape['limit_policy']}"),
                  ("Paused", tables.paused(paused.get(found.id)))])  # fmt: skip
    if schema is None:
        screen.say("\nIt takes no arguments.")
        return
    required = schema.get("required", ())
    tables.heading("Arguments")
    columns = [Column("Name", whole=True), Column("Takes"), Column("Default"), Column("Description")]
    rows = (
        (name, _takes(one), "required" if name in required else _default(one), one.get("description"))
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, Mapping)
    )
    tables.table(columns, rows, "None.")


@types.command()
@click.argument("type_id", metavar="TYPE")
@argument_options
@run_options
@pass_session
def run(
    session: Session,
    /,
    type_id: str,
    single: Mapping[str, str],
    whole: Mapping[str, Any] | None,
    custom_arguments: Mapping[str, Any] | None,
    wait: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Run a job type once, without a saved job."""
    job_type = session.desk.types.get(type_id)
    schema = schema_of(job_type)
    given = Given(whole=whole, single=single).over(None, schema)
    with naming_arguments(schema):
        started = session.start(type_id, arguments=given, custom_arguments=custom_arguments, **options)
    return report_start(session, started, str(job_type.title), wait=wait, as_json=as_json)


@types.command()
@click.argument("type_id", metavar="TYPE")
@click.option("--reason", help="Why; shown with every run that waits for it.")
@pass_session
def pause(session: Session, type_id: str, reason: str | None) -> None:
    """Let no run of a type begin until `types resume`; what runs goes on."""
    session.desk.types.pause(type_id, reason)
    screen.say(f"The job type {screen.line(type_id)} is paused.")


@types.command()
@click.argument("type_id", metavar="TYPE")
@pass_session
def resume(session: Session, type_id: str) -> None:
    """Let the runs of a type begin again."""
    session.desk.types.resume(type_id)
    screen.say(f"The job type {screen.line(type_id)} is not paused.")


def _takes(schema: Mapping[str, Any]) -> str:
    choices = [choice for choice in schema.get("enum", ()) if choice is not None]
    if choices:
        return " | ".join(map(str, choices))
    told = schema.get("type", "any")
    names = [one for one in ([told] if isinstance(told, str) else told) if one != "null"]
    return str(schema.get("format") or " or ".join(names))


def _default(schema: Mapping[str, Any]) -> str | None:
    if schema.get("x-last-success"):
        return "start of the last successful run"
    default = schema.get("default")
    return None if default is None else default if isinstance(default, str) else screen.json_text(default)


def _timeout(seconds: float | None) -> str | None:
    return None if seconds is None else "none" if seconds == -1 else f"{seconds:g} s"
