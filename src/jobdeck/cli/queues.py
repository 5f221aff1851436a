"""`jobdeck queues`: how full they are and who serves them; pausing, resuming and limiting them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from ..core.queue import Alert, Queue
from ..web import queue_shapes, representations
from . import moments, screen, tables
from .options import NONE, number_or_none
from .references import json_option
from .session import Session, pass_session
from .tables import Column


@click.group()
def queues() -> None:
    """Queues: how full they are; pause and limit them."""


@queues.command("list")
@json_option
@pass_session
def show_list(session: Session, as_json: bool) -> None:
    """Every queue: what waits and works there, since when, and who serves it."""
    desk, now = session.desk, moments.now()
    found = desk.queues.list()
    if as_json:
        items = [queue_shapes.queue(one, session.links, now) for one in found]
        screen.write_json(representations.whole(items, f"{session.links.api}/queues", "name"))
        return
    columns = [Column("Name", whole=True), Column("Title"), Column("Engine", whole=True), Column("Queued", right=True),
               Column("Oldest", right=True), Column("Running", right=True), Column("Workers", right=True),
               Column("Slots", right=True), Column("Limit", right=True), Column("Paused")]  # fmt: skip
    rows = (
        (one.name, one.title, _engine(one), f"{one.queued:,}", _age(one, now), f"{one.running:,}", one.workers,
         one.processes, one.limit, tables.paused(one.pause))
        for one in found
    )  # fmt: skip
    tables.table(columns, rows, "No queues.")
    _attention(found, desk.queues.alerts())


def _engine(one: Queue) -> str:
    """Its engine, and the queue's name there when that is another one."""
    theirs = one.carrier.queue
    there = f"{one.carrier.engine}:{theirs}" if theirs not in (None, one.name) else one.carrier.engine
    return there if one.depth is None else f"{there} ({one.depth:,} there)"


def _age(one: Queue, now: datetime) -> str | None:
    return None if one.oldest_at is None else moments.span(now - one.oldest_at)


def _attention(found: Sequence[Queue], alerts: Sequence[Alert]) -> None:
    """What is wrong, and what only would be as soon as something waits."""
    problems = {
        f"{one.carrier.engine} cannot serve: {one.problem}": None for one in found if one.problem and not one.alert
    }
    told = [*(one.message for one in alerts), *problems]
    if told:
        tables.heading("Needs attention")
    for message in told:
        screen.say(f"- {screen.line(message)}")
    lacking = {one.carrier.engine: one.cannot for one in found if one.cannot}
    if lacking:
        tables.heading("What engines cannot do, or only in part")
    for engine, cannot in lacking.items():
        for capability, reason in cannot.items():
            screen.say(f"- {engine}, {capability}: {screen.line(reason)}")
    for one in found:
        if one.is_idle_alone:
            screen.say(
                f"Nobody serves the queue {one.name} at the moment; `{screen.line(one.carrier.command or '')}` would."
            )


@queues.command()
@click.argument("name")
@click.option("--reason", help="Why; shown with every run that waits for it.")
@json_option
@pass_session
def pause(session: Session, name: str, reason: str | None, as_json: bool) -> None:
    """Let no run of a queue begin until `queues resume`; what runs goes on."""
    _report(session, session.desk.queues.pause(name, reason), "is paused", as_json=as_json)


@queues.command()
@click.argument("name")
@json_option
@pass_session
def resume(session: Session, name: str, as_json: bool) -> None:
    """Let the runs of a queue begin again."""
    _report(session, session.desk.queues.resume(name), "is not paused", as_json=as_json)


@queues.command()
@click.argument("name")
@click.argument("limit", metavar="N|none", callback=number_or_none)
@json_option
@pass_session
def limit(session: Session, name: str, limit: int | str, as_json: bool) -> None:
    """Say how many runs of a queue may be at work at once, over all workers."""
    queue = session.desk.queues.limit(name, None if limit == NONE else limit)  # type: ignore[arg-type]  # a number then
    told = "has no limit" if queue.limit is None else f"takes {queue.limit} at once"
    _report(session, queue, told, as_json=as_json)


def _report(session: Session, queue: Queue, told: str, *, as_json: bool) -> None:
    if as_json:
        screen.write_json(queue_shapes.queue(queue, session.links, moments.now()))
    else:
        screen.say(f"The queue {screen.line(queue.name)} {told}.")
