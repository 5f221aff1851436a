"""`jobdeck scheduler`: the process that starts what schedules plan."""

from __future__ import annotations

import click

from ..web.server_log import log_to_stderr
from .session import Session, pass_session


@click.command()
@pass_session
def scheduler(session: Session) -> int:
    """Start a scheduler: it turns the planned times of schedules into runs.

    One is enough; more may run, on other hosts too, and each planned time is still served once. The tables must be up to
    date. Ctrl-C or SIGTERM ends it.
    """
    # Late: `--help` does without the database and the application.
    from ..hosting import load_deck
    from ..processes.scheduler import Scheduler
    from ..processes.signals import Signals

    log_to_stderr()
    deck = load_deck(session.reference)
    deck.check_schema()
    with Signals() as signals:
        return Scheduler(deck.office, deck.authority, deck.context).run(signals)
