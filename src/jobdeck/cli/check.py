"""`jobdeck check`: every setting with its source, and everything that is wrong, told at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..errors import JobdeckError
from ..store.schema import HEAD
from . import screen, tables
from .references import json_option
from .session import Session
from .tables import Column

if TYPE_CHECKING:
    from ..deck import Deck

ENGINE_S = 10.0
_SOURCES = {ParameterSource.COMMANDLINE: "argument", ParameterSource.ENVIRONMENT: "environment"}


@dataclass(slots=True)
class Findings:
    """What was found out; `problems` are sentences, `engines` those of each engine but the database."""

    settings: list[tuple[str, str, str]]
    home: Path
    queues: dict[str, str]
    schema: str | None = None
    durability: str | None = None
    reachable: bool = False
    types: list[str] | None = None
    engines: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@click.command()
@json_option
@click.pass_context
def check(context: click.Context, as_json: bool) -> int:
    """Show every setting with its source, and everything that is wrong.

    The exit code is 1 when something is wrong.
    """
    session = context.ensure_object(Session)
    found = _examine(session.deck)
    root = context.find_root()
    source = root.get_parameter_source("app")
    found.settings.insert(0, ("JOBDECK_APP", session.reference or "none", _SOURCES.get(source, "default")))  # type: ignore[arg-type]  # None is no key, and that is meant
    if as_json:
        screen.write_json(_shape(found))
    else:
        _print(found)
    return 1 if found.problems else 0


def _examine(deck: Deck) -> Findings:
    settings = deck.settings
    found = Findings(settings=settings.shown(), home=settings.home, queues=dict(settings.queues))
    found.problems.extend(_home_problems(settings.home))
    found.problems.extend(_database_problems(deck, found))
    found.problems.extend(_type_problems(deck, found))
    found.problems.extend(_engine_problems(deck, found))
    found.problems.extend(_unserved(deck, found))
    return found


def _home_problems(home: Path) -> Iterator[str]:
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        yield f"The home folder {home} cannot be written to; make it writable or set JOBDECK_HOME."


def _database_problems(deck: Deck, found: Findings) -> Iterator[str]:
    try:
        found.schema = deck.database.schema_version()
        found.reachable = True
        if found.schema is not None:
            found.durability = deck.database.durability()
        deck.check_schema()
    except JobdeckError as error:
        yield str(error)


def _type_problems(deck: Deck, found: Findings) -> Iterator[str]:
    try:
        known = list(deck.registry)
    except JobdeckError as error:
        yield str(error)
        return
    found.types = [job_type.id for job_type in known]
    if not known:
        yield "No job type is found; name modules in JOBDECK_JOB_TYPES, or the application with --app."
    carriers = deck.queues.carriers()
    for job_type in known:
        queue = job_type.queue or deck.settings.default_queue
        if queue not in found.queues:
            yield f"The job type {job_type.id!r} asks for the queue {queue!r}; add it to JOBDECK_QUEUES."
        elif job_type.fresh_process and carriers[queue].is_cooperative:
            yield (
                f"The job type {job_type.id!r} asks for a fresh process, and the queue {queue!r} is on {carriers[queue].engine}, "
                "which has none for it; give it another queue, or set JOBDECK_ISOLATION=process."
            )


def _engine_problems(deck: Deck, found: Findings) -> Iterator[str]:
    try:
        engines = deck.engines
    except JobdeckError as error:
        yield str(error)
        return
    for name, engine in engines.items():
        found.engines[name] = _within(ENGINE_S, engine.problems)
        yield from (f"{name}: {problem}" for problem in found.engines[name])


def _within(seconds: float, ask: Callable[[], list[str]]) -> list[str]:
    """What an engine says of itself; it may be one that others made, and wait for its broker for as long as it likes."""
    told: list[list[str]] = []

    def listen() -> None:
        try:
            told.append(ask())
        except Exception as error:  # whatever it is, it is what is wrong with the engine
            told.append([f"{type(error).__name__}: {error}"])

    asking = threading.Thread(target=listen, daemon=True)
    asking.start()
    asking.join(seconds)
    return (
        told[0]
        if told
        else [f"it has not answered within {seconds:g} seconds; look whether its broker can be reached."]
    )


def _unserved(deck: Deck, found: Findings) -> Iterator[str]:
    if found.schema == HEAD and found.types is not None:
        yield from (alert.message for alert in deck.queues.alerts())


def _shape(found: Findings) -> dict[str, Any]:
    return {
        "ok": not found.problems,
        "problems": found.problems,
        "settings": [{"name": name, "value": value, "source": source} for name, value, source in found.settings],
        "database": {
            "reachable": found.reachable,
            "version": found.schema,
            "expected_version": HEAD,
            "durability": found.durability,
        },
        "job_types": found.types,
        "queues": found.queues,
        "engines": [
            {"name": name, "reachable": not problems, "problems": problems} for name, problems in found.engines.items()
        ],
    }


def _print(found: Findings) -> None:
    columns = [Column("Setting", whole=True), Column("Value"), Column("From", whole=True)]
    tables.table(columns, found.settings, "")
    tables.heading("Found")
    tables_found = "without tables" if found.schema is None else f"tables of version {found.schema}"
    tables.sheet([
        ("Database", f"reachable, {tables_found}" if found.reachable else "not reachable"),
        ("Durability", found.durability),
        ("Queues", ", ".join(found.queues)),
        ("Engines", ", ".join(_told(name, problems) for name, problems in found.engines.items()) or None),
        ("Job types", None if found.types is None else ", ".join(found.types) or "none"),
    ])  # fmt: skip
    tables.heading("Problems" if found.problems else "No problems.")
    for problem in found.problems:
        screen.say(f"- {screen.line(problem)}")


def _told(name: str, problems: list[str]) -> str:
    return f"{name} (see below)" if problems else f"{name} (reachable)"
