"""`jobdeck tokens`: making access tokens."""

from __future__ import annotations

from datetime import timedelta

import click

from . import screen
from .references import json_option
from .session import Session, pass_session

_LONGEST_DAYS = 36_500


@click.group()
def tokens() -> None:
    """Access tokens for the API and for signing in."""


@tokens.command()
@click.option("--name", required=True, help="Whose token it is; shown beside what is done with it.")
@click.option("--days", type=click.IntRange(1, _LONGEST_DAYS), default=365, show_default=True,
              help="How long it is valid.")  # fmt: skip
@json_option
@pass_session
def create(session: Session, name: str, days: int, as_json: bool) -> None:
    """Make a token with an administrator's rights and print it, this once."""
    session.deck.check_schema()
    secret = session.deck.accounts.create_token(name=name, by=session.principal, lifetime=timedelta(days=days))
    if as_json:
        screen.write_json({"name": name.strip(), "token": secret, "days": days})
    else:
        screen.say(secret)
