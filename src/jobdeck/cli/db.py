"""`jobdeck db`: the database's tables."""

from __future__ import annotations

import click

from ..store.schema import HEAD
from . import screen
from .references import json_option
from .session import Session, pass_session


@click.group()
def db() -> None:
    """The database's tables."""


@db.command()
@json_option
@pass_session
def upgrade(session: Session, as_json: bool) -> None:
    """Bring the tables up to the version of this program."""
    deck = session.deck
    before = deck.database.schema_version()
    deck.upgrade_database()
    if as_json:
        screen.write_json({"before": before, "after": HEAD, "changed": before != HEAD})
    elif before is None:
        screen.say(f"The tables are made; they have version {HEAD}.")
    elif before == HEAD:
        screen.say(f"The tables have version {HEAD} already; there was nothing to do.")
    else:
        screen.say(f"The tables are brought from version {before} to {HEAD}.")
