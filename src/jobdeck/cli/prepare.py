"""What `jobdeck up` has done before it starts anything: settings read, tables made, a first access token written."""

from __future__ import annotations

import json
import os
import sys

import click

from ..core.principal import SYSTEM
from ..deck import Deck
from ..processes.home import read_secret, write_secret
from .session import Session, pass_session


@click.command(hidden=True)
@click.option("--fd", type=int, required=True, help="Where the settings are told.")
@pass_session
def prepare(session: Session, fd: int) -> None:
    """Tell the settings and whether an engine has to be rung, wait for the end of stdin, then make ready what a start needs."""
    deck = session.deck
    # Whoever carries runs is known, and has been reached, before anything is started.
    is_rung = any(not engine.is_immediate for engine in deck.engines.values())
    for queue, route in deck.settings.engines.items():
        if not deck.engines[route.engine].is_immediate:
            deck.engines[route.engine].depth(queue)
    with os.fdopen(fd, "w") as told:
        told.write(json.dumps({"settings": deck.settings.as_data(), "is_rung": is_rung}) + "\n")
    sys.stdin.read()
    if deck.settings.is_sqlite:
        deck.upgrade_database()
    deck.check_schema()
    _keep_token(deck)


def _keep_token(deck: Deck) -> None:
    """The administrator's token file holds a token that is valid; whoever reads it may do everything."""
    path = deck.settings.token_path
    secret = read_secret(path)
    if secret is None or deck.accounts.principal_of_token(secret) is None:
        write_secret(path, deck.accounts.create_token(name="Administrator", by=SYSTEM, lifetime=None))
